"""Slow, independent derivatives: a loop over samples, and complex steps.

Nothing here knows the second moment, sweeps over matrices or eigenpairs. The value is
the definition, sample by sample; the gradient is its complex-step derivative; products
with the Hessian are complex steps of back-propagation, sample by sample. A complex step
has no cancellation, so all are exact to rounding.
"""

import numpy as np

STEP = 1e-30


def split(theta, sizes):
    weights, start = [], 0
    for fan_in, fan_out in zip(sizes[:-1], sizes[1:], strict=True):
        stop = start + fan_in * fan_out
        weights.append(theta[start:stop].reshape(fan_out, fan_in))
        start = stop
    return weights


def end_to_end(weights):
    product = weights[0]
    for W in weights[1:]:
        product = W @ product
    return product


def sample_errors(theta, X, sizes):
    """Mean over features of the squared error, one number per sample."""
    errors = []
    for x in X:
        output = x.astype(theta.dtype)
        for W in split(theta, sizes):
            output = W @ output
        # Not abs: the complex step needs an analytic function.
        errors.append(np.mean((x - output) ** 2))
    return np.array(errors)


def value(theta, X, sizes, alpha=0.0, penalty="sum"):
    total = np.mean(sample_errors(theta, X, sizes))
    penalised = theta if penalty == "sum" else end_to_end(split(theta, sizes))
    return total + alpha * np.sum(penalised**2)


def gradient(theta, X, sizes, alpha=0.0, penalty="sum"):
    """Complex steps of the value, one parameter at a time."""
    result = np.empty(theta.size)
    for j in range(theta.size):
        moved = theta.astype(complex)
        moved[j] += 1j * STEP
        result[j] = np.imag(value(moved, X, sizes, alpha, penalty)) / STEP
    return result


def backpropagate(theta, X, sizes, alpha=0.0, penalty="sum"):
    """Gradient by back-propagation through each sample, for real or complex theta."""
    weights, d = split(theta, sizes), sizes[0]
    layers = [np.zeros_like(W) for W in weights]
    # A penalty on W is the squared error of the samples sqrt(alpha) e_j to target 0.
    samples = [(x / np.sqrt(d * len(X)), 1.0) for x in X]
    if penalty == "product":
        samples += [(np.sqrt(alpha) * e, 0.0) for e in np.eye(d)]
    for x, target in samples:
        inputs = [x.astype(theta.dtype)]
        for W in weights:
            inputs.append(W @ inputs[-1])
        delta = 2 * (inputs[-1] - target * x)
        for layer in range(len(weights) - 1, -1, -1):
            layers[layer] += np.outer(delta, inputs[layer])
            delta = weights[layer].T @ delta
    flat = np.concatenate([layer.ravel() for layer in layers])
    return flat + 2 * alpha * theta if penalty == "sum" else flat


def hvp(theta, v, X, sizes, alpha=0.0, penalty="sum"):
    moved = theta + 1j * STEP * v
    return np.imag(backpropagate(moved, X, sizes, alpha, penalty)) / STEP


def hessian(theta, X, sizes, alpha=0.0, penalty="sum"):
    columns = [hvp(theta, e, X, sizes, alpha, penalty) for e in np.eye(theta.size)]
    return np.stack(columns, axis=1)


def third_derivative(theta, u, v, X, sizes, alpha=0.0, penalty="sum"):
    """Differentiate products along u: H(theta + t u) v is a polynomial in t.

    Its degree is 2 L - 2 at most, and a central difference over seven points is exact
    up to degree six, so that the step may be as large as rounding likes it.
    """
    weights = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    total = np.zeros_like(theta)
    for k, weight in weights.items():
        for sign in (1, -1):
            moved = theta + sign * k * u
            total += sign * weight * hvp(moved, v, X, sizes, alpha, penalty)
    return total


def relative_error(actual, expected):
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    return np.max(np.abs(actual - expected)) / np.max(np.abs(expected))
