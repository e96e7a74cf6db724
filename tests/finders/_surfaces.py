"""Surfaces whose real critical points are known by another method."""

import numpy as np
from scipy.optimize import root

from skcrit.losses import FunctionLoss

from ..solvers._potentials import polynomial

# K. Mueller and L. D. Brown, Theoretica Chimica Acta 53, 1979: four Gaussians.
_A = np.array([-200.0, -100.0, -170.0, 15.0])
_a = np.array([-1.0, -1.0, -6.5, 0.7])
_b = np.array([0.0, 0.0, 11.0, 0.6])
_c = np.array([-10.0, -10.0, -6.5, 0.7])
_x = np.array([1.0, 0.0, -0.5, -1.0])
_y = np.array([0.0, 0.5, 1.5, 1.0])


def _terms(theta):
    x, y = theta[..., :1] - _x, theta[..., 1:2] - _y
    with np.errstate(over="ignore"):
        value = _A * np.exp(_a * x * x + _b * x * y + _c * y * y)
    return value, 2 * _a * x + _b * y, _b * x + 2 * _c * y


def _value(theta):
    return np.sum(_terms(theta)[0], axis=-1) / 100


def _gradient(theta):
    value, dx, dy = _terms(theta)
    parts = [np.sum(value * dx, axis=-1), np.sum(value * dy, axis=-1)]
    return np.stack(parts, axis=-1) / 100


def _hvp(theta, v):
    value, dx, dy = _terms(theta)
    xx = np.sum(value * (dx * dx + 2 * _a), axis=-1)
    xy = np.sum(value * (dx * dy + _b), axis=-1)
    yy = np.sum(value * (dy * dy + 2 * _c), axis=-1)
    first = xx * v[..., 0] + xy * v[..., 1]
    second = xy * v[..., 0] + yy * v[..., 1]
    return np.stack([first, second], axis=-1) / 100


MULLER_BROWN = FunctionLoss(_value, _gradient, _hvp, n_params=2).fit()
# Three minima and the two saddles between them, to the digits given.
MULLER_BROWN_POINTS = [
    ((-0.558224, 1.441726), 0),
    ((0.623499, 0.028038), 0),
    ((-0.050011, 0.466694), 0),
    ((-0.822001, 0.624313), 1),
    ((0.212487, 0.292988), 1),
]


def polynomial_system(seed):
    """Make a random quartic in two variables, and find its critical points densely.

    Its gradient vanishes where two cubics meet; roots are polished from a fine grid of
    starts, far more than Bezout's nine.
    """
    rng = np.random.default_rng(seed)
    terms = {"x4y0": 1.0, "x0y4": 1.0, "x2y2": 0.5}
    for i in range(4):
        for j in range(4 - i):
            if i + j:
                terms[f"x{i}y{j}"] = float(2 * rng.standard_normal())
    loss = polynomial(**terms)
    points = []
    for start in np.stack(np.meshgrid(*[np.linspace(-4, 4, 25)] * 2), -1).reshape(
        -1, 2
    ):
        result = root(loss.gradient, start, jac=loss.hessian, tol=1e-13)
        known = any(np.linalg.norm(result.x - point) < 1e-6 for point, _ in points)
        if np.linalg.norm(loss.gradient(result.x)) < 1e-9 and not known:
            index = int(np.sum(np.linalg.eigvalsh(loss.hessian(result.x)) < 0))
            points.append((tuple(result.x), index))
    return loss, points
