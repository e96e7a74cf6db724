"""What is paid for the outputs of a network: losses per sample, three derivatives.

Outputs ``z`` and targets ``y`` have shape (..., n_outputs, n_samples). ``state`` is
what the derivatives need of the outputs, evaluated once.
"""

from __future__ import annotations

from math import inf, sqrt
from typing import Any

from skcrit._backend import array_namespace, evaluate, over_rows
from skcrit._typing import Array
from skcrit.losses._activations import logistic, softplus


class SquaredError:
    """Half the squared error, summed over outputs.

    Attributes
    ----------
    bounds : tuple of float
        Bounds on the norms of the first, second and third derivative by the outputs of
        one sample, for all outputs and all targets.
    """

    bounds = (inf, 1.0, 0.0)

    def values(self, z: Array, y: Array) -> Array:
        # Loss of each sample, (..., n_samples).
        gap = z - y
        return array_namespace(z).sum(gap * gap, axis=-2) / 2

    def state(self, z: Array, spare: Any = None) -> Array:
        # What the derivatives need. ``spare`` is an array of this shape, z itself
        # perhaps, that may be overwritten, here and below.
        return z

    def slope(self, state: Array, y: Array) -> Array:
        # Derivative by the outputs.
        return state - y

    def product(self, state: Array, u: Array, spare: Any = None) -> Array:
        # Second derivative times a direction.
        return u

    def contraction(self, state: Array, u: Array, v: Array) -> Any:
        # Third derivative, contracted with two directions; None for zero.
        return None


class LogisticLoss:
    """Log-loss of independent binary outputs, summed over them."""

    bounds = (inf, 0.25, 1 / (6 * sqrt(3)))

    def values(self, z: Array, y: Array) -> Array:
        return array_namespace(z).sum(softplus(z) - y * z, axis=-2)

    def state(self, z: Array, spare: Any = None) -> Array:
        return logistic(z)

    def slope(self, state: Array, y: Array) -> Array:
        return state - y

    def product(self, state: Array, u: Array, spare: Any = None) -> Array:
        return state * (1 - state) * u

    def contraction(self, state: Array, u: Array, v: Array) -> Array:
        return state * (1 - state) * (1 - 2 * state) * u * v


class SoftmaxLoss:
    r"""Log-loss of the softmax of the outputs.

    The derivatives are cumulants: with the probabilities p, a direction u is a random
    variable that is u_k with probability p_k, and log sum exp has the derivatives E u,
    cov(u, v) and E (u - E u)(v - E v)(w - E w). A unit vector u spreads over an
    interval of length R = sqrt 2 at most, so that var u <= R^2 / 4 = 1 / 2. Among the
    variables of given mean on an interval the third moment, which is linear in the
    distribution but for the mean, is largest for two values: R^3 q (1 - q)(1 - 2 q) for
    some q, at most R^3 / (6 sqrt 3).
    """

    bounds = (sqrt(2), 0.5, 2 * sqrt(2) / (6 * sqrt(3)))

    def values(self, z: Array, y: Array) -> Array:
        xp = array_namespace(z)
        shifted = z - xp.max(z, axis=-2, keepdims=True)
        total = xp.sum(xp.exp(shifted), axis=-2)
        return xp.log(total) - xp.sum(y * shifted, axis=-2)

    def state(self, z: Array, spare: Any = None) -> Array:
        weight = evaluate("subtract", z, over_rows("max", z), spare=spare)
        weight = evaluate("exp", weight, spare=weight)
        # A reciprocal per sample, for a division takes several times as long.
        weight *= 1 / over_rows("sum", weight)
        return weight

    def slope(self, state: Array, y: Array) -> Array:
        return state - y

    def product(self, state: Array, u: Array, spare: Any = None) -> Array:
        weighted = state * u
        mean = over_rows("sum", weighted)
        weighted -= evaluate("multiply", state, mean, spare=spare)
        return weighted

    def contraction(self, state: Array, u: Array, v: Array) -> Array:
        xp = array_namespace(u)
        u, v = (w - xp.sum(state * w, axis=-2, keepdims=True) for w in (u, v))
        return self.product(state, u * v)


OUTPUT_LOSSES = {
    "squared_error": SquaredError(),
    "logistic": LogisticLoss(),
    "softmax": SoftmaxLoss(),
}
