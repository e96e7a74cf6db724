"""Points that are no critical points must not pass for any.

Every loss has all of its critical points known by hand or by symmetry, many have none:
their gradients vanish towards infinity, or they have poles.
"""

import warnings

import numpy as np
from scipy.optimize import root

from skcrit import GradNormFinder, NewtonMRFinder, NewtonTRFinder, SaddleDynamicsFinder
from skcrit.losses import FunctionLoss
from tests.search._surfaces import exponential_tail, pole, well

from .report import Row

__all__ = ["rows"]

# Distance from a known point, in the unit of the loss, up to which it is that point.
_NEAR = 1e-4

FINDERS = (
    NewtonMRFinder(),
    NewtonMRFinder(tol=1e-10),
    NewtonTRFinder(),
    SaddleDynamicsFinder(index="natural"),
    GradNormFinder(),
)


def bells():
    """Make minus the sum of three bells on a triangle of side 1.8."""
    angles = 2 * np.pi * np.arange(3) / 3
    centers = 1.8 / 3**0.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def parts(t):
        gaps = t[..., None, :] - centers
        return gaps, np.exp(-np.sum(gaps**2, axis=-1))

    def gradient(t):
        gaps, height = parts(t)
        return np.sum(2 * gaps * height[..., None], axis=-2)

    def hvp(t, v):
        gaps, height = parts(t)
        along = np.sum(gaps * v[..., None, :], axis=-1)
        each = 2 * v[..., None, :] - 4 * along[..., None] * gaps
        return np.sum(each * height[..., None], axis=-2)

    loss = FunctionLoss(
        lambda t: -np.sum(parts(t)[1], axis=-1), gradient, hvp, n_params=2
    )
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-1.6, 1.6, 25)]), -1).reshape(-1, 2)
    ends = [root(gradient, start, tol=1e-14) for start in grid]
    known = [end.x for end in ends if end.success and np.max(np.abs(end.x)) < 2]
    return loss.fit(), np.unique(np.round(known, 6), axis=0)


def logistic():
    """Make the logistic regression of data that a line separates: no critical point."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 3))
    X *= np.sign(X @ [1.0, -2.0, 0.5])[:, None]

    def weight(t):
        return 1 / (1 + np.exp(t @ X.T))

    return FunctionLoss(
        lambda t: np.mean(np.logaddexp(0, -t @ X.T), axis=-1),
        lambda t: -weight(t) @ X / len(X),
        lambda t, v: (weight(t) * (1 - weight(t)) * (v @ X.T)) @ X / len(X),
        n_params=3,
    ).fit()


def slope(power):
    """Make (1 + x^2)^(-power / 2) + y^2: a saddle at the origin, and two tails."""

    def gradient(t):
        x, y = t[..., 0], t[..., 1]
        return np.stack([-power * x * (1 + x * x) ** (-power / 2 - 1), 2 * y], -1)

    def hvp(t, v):
        square = t[..., 0] ** 2
        bend = (1 + square) ** (-power / 2 - 2) * ((power + 1) * square - 1)
        return np.stack([power * bend * v[..., 0], 2 * v[..., 1]], -1)

    return FunctionLoss(
        lambda t: (1 + t[..., 0] ** 2) ** (-power / 2) + t[..., 1] ** 2,
        gradient,
        hvp,
        n_params=2,
    ).fit()


def cases():
    """Return losses and their critical points, by what they are."""
    nothing, origin = np.empty((0, 2)), np.zeros((1, 2))
    return {
        "exp(-x) + y^2, x beyond 745 too": (exponential_tail(), nothing),
        "three bells": bells(),
        "a Gaussian well": (well(), origin),
        "separable logistic regression": (logistic(), np.empty((0, 3))),
        "(1 + x^2)^(-1/2) + y^2": (slope(1), origin),
        "(1 + x^2)^(-3) + y^2": (slope(6), origin),
        "x^2 + x^-2": (pole(), np.array([[-1.0], [1.0]])),
    }


def starts(loss, n_starts, seed):
    """Draw starts of sizes from 1e-3 to 1e3, about half of them near the structure."""
    rng = np.random.default_rng(seed)
    size = 10 ** rng.uniform(-3, 3, (n_starts, 1))
    size[::2] = 10 ** rng.uniform(-1, 1, (len(size[::2]), 1))
    return size * rng.standard_normal((n_starts, loss.n_params_))


def rows(quick=False):
    """Return the rows of the table.

    Parameters
    ----------
    quick : bool, default=False
        Whether to try a small part only.

    Yields
    ------
    row : Row
        One for each loss; ``wrong`` counts false critical points, ``known`` is the
        share of starts that ended at one.
    """
    n_starts = 15 if quick else 600
    finders = FINDERS[:1] if quick else FINDERS
    for what, (loss, points) in cases().items():
        n = wrong = found = 0
        for seed, finder in enumerate(finders):
            theta = starts(loss, n_starts, seed)
            finder = finder.set_params(init=theta, n_starts=n_starts, max_iter=100)
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                finder.fit(loss)
            ends = finder.final_params_[finder.converged_]
            gaps = np.linalg.norm(ends[:, None] - points[None], axis=-1)
            near = np.min(gaps, axis=1, initial=np.inf) <= _NEAR
            n, found = n + n_starts, found + len(ends)
            wrong += int(np.sum(~near))
        yield Row(what, n, wrong, found / n)
