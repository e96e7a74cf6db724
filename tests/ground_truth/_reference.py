"""Slow, independent formulas: the network's value, gradient and dense Hessian.

Nothing here knows eigenpairs or blocks. The gradient is the chain rule over whole
weight matrices, the Hessian its complex-step derivative (exact to rounding).
"""

import numpy as np


def split(theta, sizes):
    weights, start = [], 0
    for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
        stop = start + fan_in * fan_out
        weights.append(
            theta[..., start:stop].reshape(*theta.shape[:-1], fan_out, fan_in)
        )
        start = stop
    return weights


def chain(weights, d):
    product = np.eye(d)
    for i, w in enumerate(weights):
        product = w @ product if i else w
    return product


def value(theta, c, sizes, alpha=0.0, penalty="sum"):
    """Mean squared error plus penalty, written as in the definition."""
    d = sizes[0]
    end = chain(split(theta, sizes), d)
    error = np.eye(d) - end
    total = np.trace(error @ c @ error.T) / d
    return total + alpha * np.sum((theta if penalty == "sum" else end) ** 2)


def gradient(theta, c, sizes, alpha=0.0, penalty="sum"):
    """Gradient at points of shape (..., n_params), real or complex."""
    d = sizes[0]
    weights = split(theta, sizes)
    end = chain(weights, d)
    g = 2 / d * (end - np.eye(d)) @ c
    if penalty == "product":
        g = g + 2 * alpha * end
    parts = []
    for layer in range(len(weights)):
        before = chain(weights[:layer], d)
        after = chain(weights[layer + 1 :], sizes[layer + 1])
        # swapaxes, not a conjugate transpose: the complex step needs an analytic map.
        part = np.swapaxes(after, -1, -2) @ g @ np.swapaxes(before, -1, -2)
        parts.append(part.reshape(*theta.shape[:-1], -1))
    out = np.concatenate(parts, axis=-1)
    return out + 2 * alpha * theta if penalty == "sum" else out


def hessian(theta, c, sizes, alpha=0.0, penalty="sum"):
    """Dense Hessian at one point."""
    step = 1e-30
    points = theta + 1j * step * np.eye(theta.size)
    h = np.imag(gradient(points, c, sizes, alpha, penalty)) / step
    return (h + h.T) / 2


def inertia(values, rtol=1e-9):
    """Numbers of negative and zero eigenvalues; rtol times the largest counts as 0."""
    cutoff = rtol * np.max(np.abs(values), initial=1e-30)
    return int(np.sum(values < -cutoff)), int(np.sum(np.abs(values) <= cutoff))


def reference(spectrum):
    """Covariance, layer sizes and keyword arguments of the formulas above."""
    c = (spectrum.eigenvectors * spectrum.eigenvalues) @ spectrum.eigenvectors.T
    d = spectrum.n_features
    sizes = (d, *spectrum.hidden_layer_sizes, d)
    return c, sizes, {"alpha": spectrum.alpha, "penalty": spectrum.penalty}


def random_basis(d, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
