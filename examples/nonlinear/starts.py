"""Speed on 4-5-3: ten starts, beside the published finder from the same ones."""

from functools import partial

import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale
from tools import fitted

from skcrit import (
    GaussianStarts,
    GradNormFinder,
    MLPLoss,
    NewtonMRFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)

# Fits with each finder, of whose times the median is taken.
N_FITS = 3


def finders():
    """List what searches 4-5-3 from ten starts."""
    common = {"n_starts": 10, "init": "gaussian", "random_state": 0}
    return [
        NewtonMRFinder(**common),
        NewtonMRFinder(max_iter=100, **common),
        NewtonMRFinder(tol=1e-20, **common),
        NewtonMRFinder(tol=1e-20, max_iter=100, **common),
        GradNormFinder(minimizer="lm", **common),
        GradNormFinder(minimizer="lm", max_iter=500, **common),
        SaddleDynamicsFinder(**common),
        NewtonTRFinder(max_iter=200, fallback=False, **common),
        # Others, to see what the ten starts are worth.
        NewtonMRFinder(
            tol=1e-20, max_iter=100, n_starts=100, init="gaussian", random_state=1
        ),
    ]


def problem():
    """Make the loss of the comparison, and return it with its data."""
    X, y = load_iris(return_X_y=True)
    X = scale(X)
    # Penalty: 1e-3 times the squared norm of the weights.
    return MLPLoss((5,), "softplus", loss="log_loss", alpha=0.3).fit(X, y), X, y


def published(n_starts, max_iter):
    """Search from the ten starts, or the first ones, as the later published program."""
    from by_autograd import differentiated, search  # autograd may not be installed

    loss, X, y = problem()
    starts = GaussianStarts().sample(loss, 10, random_state=0)[:n_starts]
    squared, value, seconds = search(differentiated(loss, X, y), starts, max_iter)
    nothing = {"confirmed": None, "sets": None}
    finder = "published, by autograd"
    return _row(finder, max_iter, 0.0, squared, value, seconds) | nothing


def ten_starts(finder):
    """Search 4-5-3 with softplus units on iris from ten starts."""
    loss, spent = problem()[0], []
    for _ in range(N_FITS):
        finder, seconds = fitted(finder, loss)
        spent.append([seconds.processor, seconds.wall])
    found = finder.results_
    return _row(
        type(finder).__name__,
        finder.max_iter,
        finder.tol,
        found["squared_grad_norm"],
        found["loss"],
        np.median(spent, axis=0) / finder.n_starts,
    ) | {"confirmed": int(np.sum(finder.converged_)), "sets": finder.n_critical_sets_}


def _row(finder, max_iter, tol, squared, value, seconds):
    """Say what came of the searches, and what they took per start."""
    small_gradient = squared < 1e-20
    # The classes are of equal size: log 3 is the loss without any weights.
    constant = np.abs(value - np.log(3)) < 1e-9
    return {
        "what": "4-5-3 softplus on iris",
        "finder": finder,
        "starts": len(value),
        "max_iter, tol": [max_iter, tol],
        "below 1e-20": int(np.sum(small_gradient)),
        "of them constant predictors": int(np.sum(small_gradient & constant)),
        "seconds per start: processor, wall": np.round(seconds, 3).tolist(),
    }


def tasks(small=False):
    """List the finders.

    Parameters
    ----------
    small : bool, default=False
        Whether to do little.

    Yields
    ------
    task : callable
        Returns what was measured, for each finder.
    """
    yield partial(published, 1, 3) if small else partial(published, 10, 500)
    for finder in finders()[3:4] if small else finders():
        yield partial(ten_starts, finder)
