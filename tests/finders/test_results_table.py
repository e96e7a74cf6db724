"""What the docstrings say of ``results_``, against what searches put there."""

import inspect
import re

import numpy as np
import pytest

from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    NewtonMRFinder,
    NewtonTrajectoryFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)
from skcrit.losses import FunctionLoss

pytestmark = pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")

FINDERS = [
    NewtonMRFinder(),
    NewtonTRFinder(),
    *(GradNormFinder(minimizer=m) for m in ("gd", "momentum", "btls", "l-bfgs", "lm")),
    SaddleDynamicsFinder(),
    SaddleDynamicsFinder(index="natural"),
    NewtonTrajectoryFinder(),
    LandscapeExplorer(n_starts=1, max_searches=1),
]


def described(finder):
    """Return the columns and statuses that the docstring of a finder lists."""
    text = inspect.cleandoc(type(finder).__doc__)
    entry = re.search(r"\nresults_ : (.*?)\n(?=\S)", text, re.S).group(1)
    columns, statuses = entry.split("A status is one of")
    items = re.findall(r"^ +- (.*?):(?= |$)", columns, re.M)
    names = [name for item in items for name in re.findall(r'"(\w+)"', item)]
    return names, re.findall(r"^ +- ([A-Z_]+):", statuses, re.M)


def surface(gradient, hessian, value):
    """Make a loss of two parameters."""

    def split(function, shape):
        def of_points(theta, *more):
            parts = function(theta[..., 0], theta[..., 1], *more)
            return np.stack(np.broadcast_arrays(*parts), axis=-1) if shape else parts

        return of_points

    def hvp(theta, v):
        x, y = theta[..., 0], theta[..., 1]
        rows = np.stack(np.broadcast_arrays(*hessian(x, y)), axis=-1)
        return rows * v

    return FunctionLoss(split(value, 0), split(gradient, 1), hvp, n_params=2)


def bowl():
    return surface(
        lambda x, y: (x, y),
        lambda x, y: (1 + 0 * x, 1.0),
        lambda x, y: (x**2 + y**2) / 2,
    )


def slope(steepness):
    return surface(
        lambda x, y: (steepness + 0 * x, y),
        lambda x, y: (0 * x, 1.0),
        lambda x, y: steepness * x + y**2 / 2,
    )


def tail():
    return surface(
        lambda x, y: (-np.exp(-x), y),
        lambda x, y: (np.exp(-x), 1.0),
        lambda x, y: np.exp(-x) + y**2 / 2,
    )


def corner():
    """Return a surface whose gradient jumps from -1 to 1, and is never small."""
    return surface(
        lambda x, y: (x + np.where(x >= 0, 1.0, -1.0), y),
        lambda x, y: (1 + 0 * x, 1.0),
        lambda x, y: np.abs(x) + (x**2 + y**2) / 2,
    )


def edges():
    """Return a strip beside which there is nothing, with a gradient of 0.4 or more."""
    return surface(
        lambda x, y: (2 + np.arcsin(x), y),
        lambda x, y: (1 / np.sqrt(1 - x**2), 1.0),
        lambda x, y: 2 * x + x * np.arcsin(x) + np.sqrt(1 - x**2) + y**2 / 2,
    )


def hole():
    return surface(
        lambda x, y: (np.nan * x, y),
        lambda x, y: (1 + 0 * x, 1.0),
        lambda x, y: np.nan * x,
    )


def long_way():
    """Return a valley that takes every method more than one step."""
    return surface(
        lambda x, y: (np.sinh(x), np.sinh(y)),
        lambda x, y: (np.cosh(x), np.cosh(y)),
        lambda x, y: np.cosh(x) + np.cosh(y),
    )


# By status: surface, tolerance, number of iterations and start that end with it.
ENDS = {
    "CONVERGED": (bowl(), "auto", 2000, [1.0, 0.5]),
    "UNCONFIRMED": (bowl(), 1e6, 10, [1.0, 0.5]),
    "ESCAPED": (tail(), 1e-10, 10, [15.0, 0.0]),
    "GRADIENT_FLAT": (slope(1.0), 1e-10, 1, [0.5, 0.0]),
    "STALLED": (corner(), 1e-10, 1000, [1.0, 0.5]),
    "MAX_ITER": (long_way(), 1e-10, 1, [5.0, 4.0]),
    "DIVERGED": (hole(), 1e-10, 10, [1.0, 0.5]),
}


@np.errstate(divide="ignore", invalid="ignore")  # at the edges
def ended(finder, status, **params):
    """Search from the start that is to end with a status."""
    loss, tol, max_iter, start = ENDS[status]
    if status == "STALLED" and isinstance(finder, NewtonTrajectoryFinder):
        loss, start = edges(), [0.5, 0.0]  # a curve only ends at a singularity
    finder = type(finder)(**finder.get_params())
    finder.set_params(n_starts=1, init=np.array([start]), random_state=0, **params)
    return finder.set_params(loss=loss, tol=tol, max_iter=max_iter).fit()


@pytest.mark.parametrize("finder", FINDERS, ids=str)
def test_docstring_lists_the_columns_of_the_results(finder):
    names, _ = described(finder)
    assert len(names) == len(set(names))
    if isinstance(finder, LandscapeExplorer):  # and those of its local search
        names += ["inner_status", "n_fallback"]
    assert set(ended(finder, "CONVERGED").results_) == set(names)


@pytest.mark.parametrize("finder", FINDERS, ids=str)
@pytest.mark.parametrize("status", ENDS)
def test_searches_end_with_every_status_that_the_docstring_lists(finder, status):
    assert set(described(finder)[1]) == set(ENDS)
    assert ended(finder, status).results_["status"].tolist() == [status]
