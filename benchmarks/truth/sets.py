"""Critical sets must be neither split nor merged, whatever else is searched."""

import warnings
from dataclasses import dataclass
from itertools import chain, combinations, product

import numpy as np

from skcrit import LandscapeExplorer, NewtonMRFinder, SaddleDynamicsFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from tests.search._surfaces import power, ring

from .report import Row

__all__ = ["rows"]

# A start that is far from all others, in units of the loss.
_FAR = 3e4


@dataclass
class Case:
    """A loss, starts for it, and which critical set a point belongs to.

    Attributes
    ----------
    loss : Loss
        Fitted loss.
    theta : ndarray of shape (n, n_params)
        Starts.
    sets : callable
        Maps points to numbers of sets.
    unit : float or ndarray
        Size of the structure.
    """

    loss: object
    theta: np.ndarray
    sets: object
    unit: object = 1.0


def one_set(theta):
    """Return zeros: all points are in one set."""
    return np.zeros(len(theta), dtype=int)


def spectrum(eigenvalues, p, rng, repeats, distance):
    """Make an autoencoder with starts beside all of its sets, turned at random."""
    X = make_gaussian_spectrum(
        100, eigenvalues=eigenvalues, exact=True, rotate=True, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = LinearAutoencoderLoss((p,)).fit(X)
    n = len(eigenvalues)
    vectors = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)[2]
    names = list(chain.from_iterable(combinations(range(n), q) for q in range(p + 1)))
    theta = []
    for chosen in names * repeats:
        turn = np.linalg.qr(rng.standard_normal((p, p)))[0][:, : len(chosen)]
        first = turn @ vectors[list(chosen)]
        theta.append(np.concatenate([first.ravel(), first.T.ravel()]))
    maps = np.array([vectors[list(c)].T @ vectors[list(c)] for c in names])

    def sets(points):
        first = points[:, : n * p].reshape(-1, p, n)
        second = points[:, n * p :].reshape(-1, n, p)
        gaps = (second @ first)[:, None] - maps
        return np.argmin(np.sum(gaps**2, axis=(-2, -1)), axis=1)

    theta = np.array(theta) + distance * rng.standard_normal((len(theta), 2 * n * p))
    return Case(loss, theta, sets)


def wells(width, center, rng, repeats):
    """Make a sum of double wells with a width for each coordinate."""
    width = np.asarray(width, dtype=float)

    def inner(t):
        return (t - center) / width

    loss = FunctionLoss(
        lambda t: np.sum((inner(t) ** 2 - 1) ** 2, axis=-1),
        lambda t: 4 * inner(t) * (inner(t) ** 2 - 1) / width,
        lambda t, v: (12 * inner(t) ** 2 - 4) * v / width**2,
        n_params=len(width),
    ).fit()
    places = np.array(list(product((-1, 0, 1), repeat=len(width))) * repeats)
    theta = places + 0.05 * rng.standard_normal(places.shape)

    def sets(points):
        return (np.round(inner(points)) + 1) @ 3 ** np.arange(len(width))

    return Case(loss, center + width * theta, sets, width)


def valley(n, flat, rng, n_starts):
    """Make a sum of squares of all coordinates but some, along which it is flat."""
    bend = np.append(np.zeros(flat), np.ones(n - flat))
    loss = FunctionLoss(
        lambda t: np.sum(bend * t * t, axis=-1),
        lambda t: 2 * bend * t,
        lambda t, v: 2 * bend * v + 0 * t,
        n_params=n,
    ).fit()
    return Case(loss, rng.standard_normal((n_starts, n)), one_set)


def surface(loss, rng, n_starts):
    """Take a loss whose critical points are one set, with random starts."""
    return Case(loss, rng.standard_normal((n_starts, loss.n_params_)), one_set)


def sphere(n, center, rng, n_starts):
    """Make a sphere of minima of radius one, and a maximum at its centre."""
    theta = center + rng.standard_normal((n_starts, n))
    return Case(
        ring(n, 1.0, center),
        theta,
        lambda points: np.sum((points - center) ** 2, axis=1) < 0.5,
    )


def cases(quick):
    """Yield names and cases."""
    rng, few = np.random.default_rng(0), 1 if quick else 4
    yield (
        "eigenvalues 5, 4, 3, 2, 1 times 3e-4",
        spectrum(3e-4 * np.arange(5, 0, -1), 2, rng, few, 1e-3),
    )
    yield (
        "eigenvalues 3, 2.001, 2, 1",
        spectrum(np.array([3, 2.001, 2, 1]), 2, rng, few, 1e-5),
    )
    yield "((x/0.01)^2-1)^2 + ((y/1e4)^2-1)^2", wells([0.01, 1e4], 0.0, rng, few)
    yield "double wells, moved by 1e4", wells([1.0, 1.0], 1e4, rng, few)
    yield "x^4 + y^2", surface(power(4), rng, 20 * few)
    yield "a circle of minima", sphere(2, 0.0, rng, 6 * few)
    if quick:
        return
    yield (
        "eigenvalues 3, 2, 1, 1e-11",
        spectrum(np.array([3, 2, 1, 1e-11]), 2, rng, few, 1e-13),
    )
    yield "double wells, units 1 and 1e6", wells([1.0, 1e6], 0.0, rng, few)
    yield (
        "double wells, units 1e-3 and 1e3, moved by 1e4",
        wells([1e-3, 1e3], np.array([1e-3, 1e3]) * 1e4, rng, few),
    )
    yield "x^6 + y^2", surface(power(6), rng, 80)
    yield "the sum of x_i^4, four variables", surface(power(4, 4, False), rng, 80)
    yield (
        "a circle of minima, moved by 1e4",
        sphere(2, 1e4, rng, 24),
    )
    yield "a sphere of minima", sphere(3, 0.0, rng, 24)
    yield "a flat valley", valley(2, 1, rng, 24)
    yield "a constant function", valley(2, 2, rng, 24)


def rows(quick=False):
    """Return the rows of the table.

    Parameters
    ----------
    quick : bool, default=False
        Whether to try a small part only.

    Yields
    ------
    row : Row
        One for each case; ``wrong`` counts sets that are split or merged, ``n`` the
        starts, ``known`` the share of them that converged.
    """
    for what, case in cases(quick):
        n = wrong = converged = 0
        for theta, finder in searches(case, quick):
            count, reached = mistakes(case, finder, theta)
            n, wrong, converged = n + len(theta), wrong + count, converged + reached
        yield Row(what, n, wrong, converged / n)


def searches(case, quick):
    """Yield starts in several orders, once with a far one, and who begins there."""
    rng, theta = np.random.default_rng(1), case.theta
    far = _FAR * case.unit * np.ones((1, theta.shape[1])) + np.mean(theta, axis=0)
    with_far = np.concatenate([theta, far])
    yield rng.permutation(with_far), SaddleDynamicsFinder(index="natural")
    if quick:
        return
    yield theta, NewtonMRFinder()
    yield theta[::-1], SaddleDynamicsFinder(index="natural")
    yield rng.permutation(theta), NewtonMRFinder()
    n_starts = min(len(theta), 24)
    yield rng.permutation(with_far)[:n_starts], LandscapeExplorer(max_searches=150)


def mistakes(case, finder, theta):
    """Search, and count sets that are split or merged, and starts that converged."""
    finder.set_params(init=theta, n_starts=len(theta), random_state=0)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        finder.fit(case.loss)
    good = finder.converged_
    found = finder.results_["critical_set"][good]
    true = case.sets(finder.final_params_[good])
    pairs = len(np.unique(np.stack([found, true]), axis=1).T)
    # Each pair of a found and a true set beyond the first splits or merges.
    count = (pairs - len(np.unique(found))) + (pairs - len(np.unique(true)))
    return count, int(np.sum(good)) * len(theta) / len(good)
