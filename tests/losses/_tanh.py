"""The 2-3-1 tanh network whose 21 critical sets are known, and finders at them."""

import numpy as np
from scipy.optimize import root

from skcrit import MLPLoss, NewtonMRFinder

# Mean squared error plus 0.005 |theta|^2, Morse index, and size of the orbit.
CLASSES = [
    (0.084101, 0, 48),
    (0.108753, 1, 24),
    (0.111892, 1, 24),
    (0.112961, 1, 24),
    (0.210752, 1, 24),
    (0.213750, 2, 24),
    (0.215089, 1, 48),
    (0.218585, 1, 24),
    (0.218970, 2, 48),
    (0.219631, 2, 48),
    (0.225683, 2, 48),
    (0.226421, 3, 24),
    (0.227013, 3, 48),
    (0.228961, 3, 24),
    (0.228995, 4, 24),
    (0.230562, 2, 24),
    (0.231173, 3, 24),
    (0.290638, 2, 6),
    (0.309305, 2, 12),
    (0.325319, 2, 8),
    (0.866972, 3, 1),
]
# A place near a point of each class.
PLACES = """
0.58 -0.83 0.59 0.65 0.93 0.99 1.73 0.17 0.06 -0.99 -1.37 1.77 0.87
0.91 0.56 1.45 1.44 0.61 -0.11 0.00 0.00 0.00 -1.59 1.63 0.00 0.96
0.92 0.58 1.41 1.23 0.54 -0.05 1.23 0.54 -0.05 -1.73 0.91 0.91 0.99
0.71 0.40 1.05 0.71 0.40 1.05 1.45 0.62 -0.11 -0.97 -0.97 1.83 1.05
0.96 -1.24 1.52 2.25 -0.79 0.33 0.00 0.00 0.00 -1.49 1.21 0.00 0.83
1.02 -1.27 1.71 2.18 -0.45 0.06 0.00 0.00 0.00 -1.34 1.14 0.00 0.88
0.94 -1.14 1.46 2.27 -0.83 0.39 -0.59 -0.40 0.58 -1.55 1.19 -0.11 0.89
2.23 -0.89 0.44 0.69 -0.70 0.94 0.69 -0.70 0.94 1.48 -1.05 -1.05 0.89
0.88 -0.90 1.30 2.25 -0.85 0.42 0.39 -0.73 0.76 -1.49 1.32 -0.40 0.94
1.02 -1.15 1.72 2.15 -0.41 0.08 -0.56 -0.55 0.72 -1.37 1.09 -0.13 0.97
1.92 -0.50 0.32 0.76 -0.43 1.00 0.45 -0.34 0.27 1.69 -1.37 -0.95 0.73
1.91 -0.48 0.28 0.58 -0.35 0.64 0.58 -0.35 0.64 1.74 -1.18 -1.18 0.80
0.86 -0.59 1.29 1.96 -0.41 0.22 0.41 -0.46 0.52 -1.32 1.38 -0.49 0.91
0.76 -0.74 1.25 0.76 -0.74 1.25 2.06 -0.38 0.09 -0.82 -0.82 1.25 1.01
0.72 -0.64 1.15 0.72 -0.64 1.15 2.03 -0.38 0.12 -0.85 -0.85 1.30 1.00
0.97 -1.22 1.55 1.88 -0.59 0.20 1.88 -0.59 0.20 -1.49 0.64 0.64 0.88
1.00 -1.21 1.67 1.85 -0.40 0.07 1.85 -0.40 0.07 -1.41 0.61 0.61 0.93
-1.93 -0.85 0.72 0.00 0.00 0.00 0.00 0.00 0.00 -1.02 0.00 0.00 -0.02
-1.65 -0.75 0.67 -1.65 -0.75 0.67 0.00 0.00 0.00 -0.53 -0.53 0.00 0.01
-1.49 -0.69 0.64 -1.49 -0.69 0.64 -1.49 -0.69 0.64 -0.36 -0.36 -0.36 0.02
0.00 0.00 0.00 0.00 0.00 0.00 0.00 0.00 0.00 0.00 0.00 0.00 -0.39
"""


def make_tanh_loss():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] ** 2 - 0.5 + 0.1 * rng.normal(size=20)
    # Half of the objective above: its penalty is 0.1 / (2 * 20) |theta|^2.
    return MLPLoss((3,), alpha=0.1, penalize_intercept=True).fit(X, y)


def make_points(loss):
    """Refine the places of the table with SciPy."""
    places = np.array(PLACES.split(), dtype=float).reshape(21, 13)
    found = [root(loss.gradient, t, jac=loss.hessian, tol=1e-15).x for t in places]
    points = np.array(found)
    assert np.max(np.linalg.norm(points - places, axis=1)) < 0.05
    np.testing.assert_allclose(loss.gradient(points), 0, atol=1e-12)
    return points


def finder_at(loss, init):
    """Fit from starts that are critical points already."""
    return NewtonMRFinder(n_starts=len(init), init=init, random_state=0).fit(loss)
