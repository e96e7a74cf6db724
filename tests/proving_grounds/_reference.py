"""The losses of the grounds once more, written for complex numbers and one point."""

import numpy as np
from scipy.linalg import sqrtm


def pairs(q):
    i, j = np.triu_indices(len(q), 1)
    return np.sum((q[i] - q[j]) ** 2, axis=1)


def retracted(cost, X, pin):
    """f(X (X^T X)^-1/2) and the penalty, by a matrix square root."""
    gram = X.T @ X
    Q = X @ np.linalg.inv(sqrtm(gram))
    p = len(gram)
    return cost(Q) + pin / 8 * (np.trace(gram + np.linalg.inv(gram)) - 2 * p)


def brockett(t):
    A, N = np.diag([1.0, 2, 3, 4]), np.diag([2.0, 1])
    return retracted(lambda Q: np.trace(Q.T @ A @ Q @ N), t.reshape(4, 2), 6.0)


def tensor(order):
    w = np.array([1, 1.2, 1.4, 1.6])

    def value(t):
        x = t / np.sqrt(np.sum(t * t))
        square = np.sum(t * t)
        return -np.sum(w * x**order) / order + 0.2 * (square + 1 / square - 2)

    return value


def quadratic(T, r):
    def value(t):
        W = t.reshape(len(T), r)
        excess = W @ W.T - T
        return 2 * np.sum(excess**2) + np.trace(excess) ** 2

    return value


def newton(t):
    return np.sum(pairs(t.reshape(-1, 2)) ** -0.5) + np.sum(t * t) / 2


def lennard_jones(t):
    u = pairs(t.reshape(-1, 3))
    return np.sum(u**-6 - 2 * u**-3)


def separable(t):
    return np.sum(t**4 / 4 - t**2 / 2 + 0.1 * t)


def mueller_brown(t):
    terms = [
        (-200, 1, 0, -1, 0, -10),
        (-100, 0, 0.5, -1, 0, -10),
        (-170, -0.5, 1.5, -6.5, 11, -6.5),
        (15, -1, 1, 0.7, 0.6, 0.7),
    ]
    return sum(
        A
        * np.exp(
            a * (t[0] - x) ** 2 + b * (t[0] - x) * (t[1] - y) + c * (t[1] - y) ** 2
        )
        for A, x, y, a, b, c in terms
    )


def himmelblau(t):
    return (t[0] ** 2 + t[1] - 11) ** 2 + (t[0] + t[1] ** 2 - 7) ** 2


def six_hump(t):
    x, y = t
    return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2


def three_hump(t):
    x, y = t
    return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2


def complex_step(function, theta, v, h=1e-30):
    """Differentiate along v without cancellation."""
    return np.imag(function(theta + 1j * h * v)) / h


def second_difference(gradient, theta, v, h=1e-4):
    """Differentiate a gradient along v, to the sixth order."""
    weights = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    return sum(
        sign * w * gradient(theta + sign * k * h * v) / h
        for k, w in weights.items()
        for sign in (1, -1)
    )
