"""Points that are not critical must not be reported as critical.

Every loss has all of its critical points known by hand or by symmetry, many have none:
their gradients vanish towards infinity, or they have poles.
"""

import warnings

import numpy as np
from scipy.optimize import root

from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    NewtonMRFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)
from skcrit.losses import FunctionLoss
from tests.search._surfaces import (
    distances,
    exponential_tail,
    lennard_jones,
    pole,
    turned,
    well,
)

from .far_tails import far_tails
from .functions import CLUSTERS, squared_distances
from .networks import networks
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


def near(points):
    """Return a function that recognises the known points."""

    def is_critical(theta, distance):
        gaps = np.linalg.norm(theta[:, None] - points[None], axis=-1)
        return np.min(gaps, axis=1, initial=np.inf) <= _NEAR

    return is_critical


def confirmed(network):
    """Return a function that finds where Newton steps in long double lead nowhere."""

    def is_critical(theta, distance):
        good = [network.stays(t) and not network.saturates(t) for t in theta]
        return np.array(good, dtype=bool)

    return is_critical


def free_networks(quick):
    """Yield networks without penalty, whose weights can grow for ever."""
    kinds = (
        "2-3-1 tanh, squared_error",
        "2-3-1 tanh, log_loss",
        "3-2-3 logistic, log_loss",
    )
    for name, loss, network in networks((0.0,)):
        if name in kinds and not quick:
            yield f"{name}, no penalty", loss, confirmed(network)


def is_cluster(theta, distance):
    """Return which points are clusters of three atoms at rest."""
    pairs = squared_distances(theta, 3)[:, None] - np.array(CLUSTERS[3])
    return np.min(np.max(np.abs(pairs), axis=-1), axis=1, initial=np.inf) <= _NEAR


def at_rest(n_atoms, known):
    """Return a function that finds the points at which atoms have known distances."""

    def is_critical(theta, distance):
        gaps = np.abs(distances(theta, n_atoms)[:, None] - known)
        return np.min(np.max(gaps, axis=-1), axis=1, initial=np.inf) <= _NEAR

    return is_critical


def cases(quick=False):
    """Yield names, losses, and functions that recognise critical points."""
    nothing, origin = near(np.empty((0, 2))), near(np.zeros((1, 2)))
    yield "exp(-x) + y^2, x beyond 745 too", exponential_tail(), nothing
    for degrees in (30, 45):
        what = f"exp(-x) + y^2, turned by {degrees} degrees"
        yield what, turned(exponential_tail(), degrees), nothing
    loss, points = bells()
    yield "three bells", loss, near(points)
    yield "a Gaussian well", well(), origin
    yield "separable logistic regression", logistic(), near(np.empty((0, 3)))
    yield "(1 + x^2)^(-1/2) + y^2", slope(1), origin
    yield "(1 + x^2)^(-3) + y^2", slope(6), origin
    yield "(1 + x^2)^(-3) + y^2, turned by 45 degrees", turned(slope(6), 45), origin
    yield "x^2 + x^-2", pole(), near(np.array([[-1.0], [1.0]]))
    if not quick:
        yield "three atoms that can drift apart", lennard_jones(3, True), is_cluster
    yield from free_networks(quick)
    for what, loss, known in far_tails():
        yield what, loss, at_rest(*known) if isinstance(known, tuple) else near(known)


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
    finders = FINDERS[:1] if quick else FINDERS
    for what, loss, is_critical in cases(quick):
        n_starts = 15 if quick else most_starts(loss.n_params_)
        n = wrong = found = 0
        for seed, finder in enumerate(finders):
            theta = starts(loss, n_starts, seed)
            ends, distance, _ = searched(finder, loss, theta, max_iter=100)
            n, found = n + n_starts, found + len(ends)
            wrong += int(np.sum(~is_critical(ends, distance)))
        known = found / n
        if not quick:
            budget = 60 if loss.n_params_ <= 6 else 30
            theta = starts(loss, budget // 2, len(finders))
            explorer = LandscapeExplorer(max_searches=budget, random_state=0)
            ends, distance, more = searched(explorer, loss, theta, max_iter=100)
            n, wrong = n + more, wrong + int(np.sum(~is_critical(ends, distance)))
        yield Row(what, n, wrong, known)


def most_starts(n_params):
    """Return how many starts are tried, fewer where each costs more."""
    counts = {3: 600, 5: 300, 13: 60}
    return next((n for size, n in counts.items() if n_params <= size), 20)


def searched(finder, loss, theta, **params):
    """Search; return the ends that converged or the sets, distances, and searches."""
    finder = finder.set_params(init=theta, n_starts=len(theta), **params)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        finder.fit(loss)
    if isinstance(finder, LandscapeExplorer):
        sets = finder.critical_points_
        return sets, np.zeros(len(sets)), finder.n_searches_
    done = finder.converged_
    return finder.final_params_[done], finder.results_["distance"][done], len(theta)
