"""Functions and networks whose gradient norm is taken."""

import numpy as np

from skcrit.losses import FunctionLoss, GradientNormLoss, LinearAutoencoderLoss, Loss


# f(t) = sum_i t_i^4 / 4 + sin(sum_i t_i), with D^3 f [u, v, .] in closed form.
def total(t):
    return np.sum(t, axis=-1, keepdims=True)


def value(t):
    return np.sum(t**4, axis=-1) / 4 + np.sin(total(t))[..., 0]


def gradient(t):
    return t**3 + np.cos(total(t))


def hvp(t, v):
    return 3 * t**2 * v - np.sin(total(t)) * total(v)


def third_derivative(t, u, v):
    return 6 * t * u * v - np.cos(total(t)) * total(u) * total(v)


class Smooth(Loss):
    """The function above, counting its evaluations."""

    def fit(self, X=None, y=None):
        self.n_params_ = 3
        self.calls_ = {"gradient": 0, "hvp": 0}
        return self

    def value(self, theta):
        return value(self._as_points(theta))

    def gradient(self, theta):
        self.calls_["gradient"] += 1
        return gradient(self._as_points(theta))

    def hvp(self, theta, v):
        self.calls_["hvp"] += 1
        theta = self._as_points(theta)
        return hvp(theta, self._as_directions(v, theta))


class SmoothWithThird(Smooth):
    """The contraction on the loss only, not on its local model."""

    def third_derivative(self, theta, u, v):
        return third_derivative(theta, u, v)


def functions(**params):
    return FunctionLoss(value, gradient, n_params=3, **params)


def network(hidden, alpha, penalty, X, **params):
    inner = LinearAutoencoderLoss(hidden, alpha=alpha, penalty=penalty, **params)
    return GradientNormLoss(inner).fit(X)
