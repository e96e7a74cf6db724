"""The 2-3-1 tanh network whose 21 critical sets are known, and finders at them."""

import numpy as np
from scipy.optimize import root

from skcrit import MLPLoss, NewtonMRFinder
from tests.losses.test_tanh_network import CLASSES, PLACES

__all__ = ["CLASSES", "finder_at", "make_points", "make_tanh_loss"]


def make_tanh_loss():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] ** 2 - 0.5 + 0.1 * rng.normal(size=20)
    return MLPLoss((3,), alpha=0.1, penalize_intercept=True).fit(X, y)


def make_points(loss):
    """Refine the places of the table with SciPy."""
    places = np.array(PLACES.split(), dtype=float).reshape(21, 13)
    found = [root(loss.gradient, t, jac=loss.hessian, tol=1e-15).x for t in places]
    return np.array(found)


def finder_at(loss, init):
    """Fit from starts that are critical points already."""
    return NewtonMRFinder(n_starts=len(init), init=init, random_state=0).fit(loss)
