"""Losses in several dimensions that fade towards infinity, turned by random rotations.

The critical points of each are known by hand, or by a root of one equation.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import ortho_group

from skcrit.losses import FunctionLoss
from tests.search._surfaces import FADING, bent, morse

__all__ = ["far_tails"]


def separable(profiles, seed):
    """Make a sum of functions of one coordinate each, turned at random.

    Parameters
    ----------
    profiles : sequence of tuple of callable
        Value, slope and bend of the function of each coordinate.
    seed : int
        Seed of the rotation.

    Returns
    -------
    loss : FunctionLoss
        Fitted loss.
    """
    n = len(profiles)
    turn = ortho_group.rvs(n, random_state=seed) if n > 1 else np.eye(1)

    def each(t, which):
        u = t @ turn.T
        parts = [profile[which](u[..., i]) for i, profile in enumerate(profiles)]
        return np.stack(parts, axis=-1)

    return FunctionLoss(
        lambda t: np.sum(each(t, 0), axis=-1),
        lambda t: each(t, 1) @ turn,
        lambda t, v: (each(t, 2) * (v @ turn.T)) @ turn,
        n_params=n,
    ).fit()


def logistic(z):
    """Compute 1 / (1 + exp(-z)) without overflow, accurate relative to itself."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


SQUARE = (lambda x: x * x, lambda x: 2 * x, lambda x: 2 + 0 * x)
SOFTPLUS = (
    lambda x: np.logaddexp(0, x),
    logistic,
    lambda x: logistic(x) * logistic(-x),
)
ARCTAN = (
    np.arctan,
    lambda x: 1 / (1 + x * x),
    lambda x: -2 * x / (1 + x * x) ** 2,
)
WITCH = (
    lambda x: 1 / (1 + x * x),
    lambda x: -2 * x / (1 + x * x) ** 2,
    lambda x: (6 * x * x - 2) / (1 + x * x) ** 3,
)


def gauss(a):
    """Return minus exp(-a x^2) with its derivatives."""
    return (
        lambda x: -np.exp(-a * x * x),
        lambda x: 2 * a * x * np.exp(-a * x * x),
        lambda x: (2 * a - 4 * a * a * x * x) * np.exp(-a * x * x),
    )


def classes(n_features, n_classes, seed):
    """Make the cross-entropy of linear scores of data that they separate."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, n_features))
    labels = np.argmax(X @ rng.standard_normal((n_features, n_classes)), axis=1)
    signs = np.eye(n_classes)[labels]

    def shares(t):
        scores = X @ np.reshape(t, (*t.shape[:-1], n_features, n_classes))
        return scores, np.exp(scores - np.max(scores, axis=-1, keepdims=True))

    def gaps(t):
        scores, parts = shares(t)
        parts = parts / np.sum(parts, axis=-1, keepdims=True)
        # Of the right class it is minus the sum of the others, without cancellation.
        others = np.sum(np.where(signs > 0, 0, parts), axis=-1, keepdims=True)
        return parts, np.where(signs > 0, -others, parts)

    def flat(parts, t):
        return np.reshape(X.T @ parts / len(X), t.shape)

    def value(t):
        scores, parts = shares(t)
        top = np.max(scores, axis=-1)
        own = np.sum(signs * scores, axis=-1)
        return np.mean(np.log(np.sum(parts, axis=-1)) + top - own, axis=-1)

    def hvp(t, v):
        parts, _ = gaps(t)
        change = X @ np.reshape(v, (*v.shape[:-1], n_features, n_classes))
        mean = np.sum(parts * change, axis=-1, keepdims=True)
        return flat(parts * (change - mean), np.broadcast_arrays(t, v)[0])

    return FunctionLoss(
        value,
        lambda t: flat(gaps(t)[1], t),
        hvp,
        n_params=n_features * n_classes,
    ).fit()


def line(n_features, seed):
    """Make the logistic regression of data that a plane separates."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((50, n_features))
    X *= np.sign(X @ rng.standard_normal(n_features))[:, None]
    return FunctionLoss(
        lambda t: np.mean(np.logaddexp(0, -t @ X.T), axis=-1),
        lambda t: -logistic(-t @ X.T) @ X / len(X),
        lambda t, v: (logistic(t @ X.T) * logistic(-t @ X.T) * (v @ X.T)) @ X / len(X),
        n_params=n_features,
    ).fit()


def two_wells(n, seed):
    """Make two Gaussian wells of different widths, and find their critical points."""
    turn = ortho_group.rvs(n, random_state=seed)
    axis, shift = turn[0], np.random.default_rng(seed).standard_normal(n)
    centers = shift + np.outer([-1.5, 1.5], axis)
    widths = np.array([1.0, 0.5])

    def parts(t):
        gaps = t[..., None, :] - centers
        return gaps, np.exp(-widths * np.sum(gaps**2, axis=-1))

    def gradient(t):
        gaps, height = parts(t)
        return np.sum(2 * (widths * height)[..., None] * gaps, axis=-2)

    def hvp(t, v):
        gaps, height = parts(t)
        along = np.sum(gaps * v[..., None, :], axis=-1)
        each = v[..., None, :] - 2 * (widths * along)[..., None] * gaps
        return np.sum(2 * (widths * height)[..., None] * each, axis=-2)

    loss = FunctionLoss(
        lambda t: -np.sum(parts(t)[1], axis=-1), gradient, hvp, n_params=n
    ).fit()

    def slope(s):
        return float(axis @ gradient(shift + s * axis))

    # The gradient is a combination of the two gaps: they are parallel where it is zero.
    return loss, shift + np.outer(roots(slope, np.linspace(-2, 2, 400)), axis)


def roots(slope, grid):
    """Find the roots of a function of one variable between points of a grid."""
    signs = np.sign([slope(s) for s in grid])
    cells = np.flatnonzero(signs[1:] != signs[:-1])
    return [brentq(slope, grid[k], grid[k + 1], xtol=1e-14) for k in cells]


def steps(seed):
    """Make v tanh(w x) for two samples it cannot fit, and its critical points."""
    # For steep steps the best v is 3/4, and the slope along w fades.
    x, y = np.array([1.0, 2.0]), np.array([1.0, 0.5])
    turn = ortho_group.rvs(2, random_state=seed)

    def parts(t):
        w, v = (t @ turn.T)[..., 0, None], (t @ turn.T)[..., 1, None]
        h, e = np.tanh(w * x), np.exp(-2 * np.abs(w * x))
        return v, h, 4 * e / (1 + e) ** 2, v * h - y

    def gradient(t):
        v, h, slope, rest = parts(t)
        both = np.stack([np.sum(rest * v * slope * x, -1), np.sum(rest * h, -1)], -1)
        return both @ turn

    def hvp(t, p):
        v, h, slope, rest = parts(t)
        a, b = (p @ turn.T)[..., 0, None], (p @ turn.T)[..., 1, None]
        change = b * h + v * slope * x * a
        first = change * v * slope * x + rest * slope * x * (b - 2 * v * h * x * a)
        second = change * h + rest * slope * x * a
        return np.stack([np.sum(first, -1), np.sum(second, -1)], -1) @ turn

    def best(w):
        h = np.tanh(w * x)
        return h @ y / (h @ h)

    def along(w):
        h = np.tanh(w * x)
        return float(np.sum((best(w) * h - y) * (1 - h * h) * x))

    loss = FunctionLoss(
        lambda t: np.sum(parts(t)[3] ** 2, axis=-1) / 2, gradient, hvp, n_params=2
    ).fit()
    found = roots(along, np.linspace(1e-3, 15, 4000))
    known = [[0.0, 0.0]] + [[s * w, s * best(w)] for w in found for s in (1, -1)]
    return loss, np.array(known) @ turn


def chain():
    """Find the distances in a chain of three atoms that balance each other."""

    def force(r):
        e, f = np.exp(1 - r), np.exp(1 - 2 * r)
        return e * (1 - e) + f * (1 - f)

    return [[r, r, 2 * r] for r in roots(force, np.linspace(0.05, 3, 400))]


def far_tails():
    """Yield names, losses, and their critical points.

    Yields
    ------
    name : str
        Of the row.
    loss : FunctionLoss
        Fitted loss.
    known : ndarray of shape (n_points, n_params) or callable
        The critical points, or a function that recognises them.
    """

    def none(n):
        return np.empty((0, n))

    for n in (3, 6):
        yield f"separable logistic regression, {n} features", line(n, n), none(n)
    yield "separable cross-entropy, 3 x 3", classes(3, 3, 0), none(9)
    yield "softplus, 4 coordinates", separable([SOFTPLUS] * 4, 4), none(4)
    what = "softplus(x) + y^2 + z^2"
    yield what, separable([SOFTPLUS, SQUARE, SQUARE], 5), none(3)
    what = "arctan(x) + y^2 + z^2"
    yield what, separable([ARCTAN, SQUARE, SQUARE], 6), none(3)
    what = "the sum of (1 + x_i^2)^-1, 5 coordinates"
    yield what, separable([WITCH] * 5, 7), np.zeros((1, 5))
    what = "minus the sum of exp(-a_i x_i^2), 4 coordinates"
    profiles = [gauss(a) for a in (0.25, 1.0, 2.0, 9.0)]
    yield what, separable(profiles, 8), np.zeros((1, 4))
    yield "two Gaussian wells, 3 coordinates", *two_wells(3, 9)
    yield "v tanh(w x), two samples", *steps(10)
    turn = ortho_group.rvs(2, random_state=11)
    yield "exp(-x) + (y - x^2)^2", bent(turn, *FADING), none(2)
    pair = np.array([[1.0]])
    yield "Morse potential, 2 atoms in space", morse(2, 3), (2, pair)
    three = np.array([[1.0] * 3, *chain()])
    yield "Morse potential, 3 atoms in a plane", morse(3, 2, True), (3, three)
