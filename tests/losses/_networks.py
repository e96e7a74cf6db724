"""Slow, independent derivatives of networks: loops over samples, and complex steps.

The value is the definition, sample by sample; gradients are its complex-step
derivative, products complex steps of back-propagation. Third derivatives are Cauchy
integrals of back-propagation over circles in the complex plane. All are exact to
rounding, and none knows stacks of matrices or the layout of another module.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import erf

STEP = 1e-30

# phi and phi', for complex arguments.
PHI = {
    "identity": (lambda z: z, lambda z: 1 + 0 * z),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "logistic": (
        lambda z: 1 / (1 + np.exp(-z)),
        lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    ),
    "softplus": (lambda z: np.log(1 + np.exp(z)), lambda z: 1 / (1 + np.exp(-z))),
    "silu": (
        lambda z: z / (1 + np.exp(-z)),
        lambda z: (1 + np.exp(-z) * (1 + z)) / (1 + np.exp(-z)) ** 2,
    ),
    "erf": (erf, lambda z: 2 / np.sqrt(np.pi) * np.exp(-(z**2))),
    "relu": (lambda z: z * (z.real > 0), lambda z: 1.0 * (z.real > 0)),
}


@dataclass
class Network:
    """A network with data, as a user would write it down."""

    sizes: tuple
    activation: str
    X: np.ndarray
    Y: np.ndarray  # (n_samples, n_outputs)
    kind: str  # squared_error, logistic or softmax
    alpha: float = 0.0
    intercept: bool = True
    penalize_intercept: bool = False

    def layers(self, theta):
        """List (W, b) of each layer; rows of theta are units, intercepts last."""
        layers, start = [], 0
        for fan_in, fan_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            W, b = [], []
            for _ in range(fan_out):
                W.append(theta[start : start + fan_in])
                start += fan_in
                b.append(theta[start] if self.intercept else 0.0)
                start += int(self.intercept)
            layers.append((np.array(W), np.array(b)))
        assert start == len(theta)
        return layers

    def sample_loss(self, z, y):
        if self.kind == "squared_error":
            return np.sum((z - y) ** 2) / 2
        if self.kind == "logistic":
            return np.sum(np.log(1 + np.exp(z)) - y * z)
        return np.log(np.sum(np.exp(z))) - np.sum(y * z)

    def output_slope(self, z, y):
        if self.kind == "squared_error":
            return z - y
        if self.kind == "logistic":
            return 1 / (1 + np.exp(-z)) - y
        return np.exp(z) / np.sum(np.exp(z)) - y

    def penalty_mask(self):
        """One for each parameter that the penalty acts on."""
        mask = []
        for fan_in, fan_out in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            row = [1.0] * fan_in + [float(self.penalize_intercept)] * self.intercept
            mask += row * fan_out
        return np.array(mask)

    def value(self, theta):
        total, phi = 0.0, PHI[self.activation][0]
        for x, y in zip(self.X, self.Y, strict=True):
            a = x.astype(theta.dtype)
            layers = self.layers(theta)
            for W, b in layers[:-1]:
                a = phi(W @ a + b)
            total = total + self.sample_loss(layers[-1][0] @ a + layers[-1][1], y)
        squares = np.sum(self.penalty_mask() * theta**2)
        return (total + self.alpha * squares / 2) / len(self.X)

    def gradient(self, theta):
        """Complex steps of the value, one parameter at a time."""
        result = np.empty(theta.size)
        for j in range(theta.size):
            moved = theta.astype(complex)
            moved[j] += 1j * STEP
            result[j] = np.imag(self.value(moved)) / STEP
        return result

    def backpropagate(self, theta):
        """Gradient by back-propagation through each sample, theta real or complex."""
        phi, slope = PHI[self.activation]
        layers = self.layers(theta)
        blocks = [
            np.zeros((len(W), W.shape[1] + self.intercept), theta.dtype)
            for W, _ in layers
        ]
        for x, y in zip(self.X, self.Y, strict=True):
            inputs, sums = [x.astype(theta.dtype)], []
            for W, b in layers:
                sums.append(W @ inputs[-1] + b)
                inputs.append(phi(sums[-1]))
            delta = self.output_slope(sums[-1], y)
            for layer in range(len(layers) - 1, -1, -1):
                a = inputs[layer]
                a = np.append(a, 1) if self.intercept else a
                blocks[layer] += np.outer(delta, a)
                if layer:
                    delta = (layers[layer][0].T @ delta) * slope(sums[layer - 1])
        flat = np.concatenate([block.ravel() for block in blocks])
        return (flat + self.alpha * self.penalty_mask() * theta) / len(self.X)

    def hvp(self, theta, v):
        return np.imag(self.backpropagate(theta + 1j * STEP * v)) / STEP

    def third_derivative(self, theta, u, v):
        def second(w, n=24):
            # The second derivative of the gradient along w.
            w = w / (size := np.linalg.norm(w))
            turns = np.exp(2j * np.pi * np.arange(n) / n)
            terms = [self.backpropagate(theta + RADIUS * t * w) / t**2 for t in turns]
            return 2 * size**2 * np.real(np.mean(terms, axis=0)) / RADIUS**2

        return (second(u + v) - second(u - v)) / 4


# Small enough for all singularities of the activations to lie far outside.
RADIUS = 0.1
