"""Activations of hidden units, with three derivatives and bounds on them.

An activation is evaluated once, ``value(z)``, and its derivatives come from the value
``a`` and what ``value`` kept beside it. A derivative that is one everywhere (the slope
of the identity) or zero everywhere (its bend) is None, and never multiplied by.
"""

from __future__ import annotations

from typing import Any

from skcrit._backend import array_namespace, device, erf, evaluate, one_minus
from skcrit._typing import Array


class Activation:
    """What all activations have; the identity."""

    parity: str | None = "odd"  # "odd": phi(-z) = -phi(z). "affine": phi - 1/2 is odd
    smooth = True
    bounds = (1.0, 0.0, 0.0)
    curves_over_slope = True

    def value(self, z: Array) -> tuple[Array, Any]:
        # The activation, and what its derivatives need besides.
        return z, None

    def write(self, z: Array, room: Array) -> Any:
        # Write the activation into an array, and return what its derivatives need.
        room[...], kept = self.value(z)
        return kept

    def slope(self, a: Array, kept: Any) -> Array:
        # The first derivative.
        return None

    def bend(self, a: Array, kept: Any, slope: Array) -> Array:
        # The second derivative.
        return None

    def twist(self, a: Array, kept: Any, slope: Array) -> Array:
        # The third derivative.
        return None

    def curve(self, a: Array, kept: Any, slope: Array, error: Any) -> Any:
        # The second derivative times an error e, over the first if
        # ``curves_over_slope``; ``error(c)`` computes c e, which may be overwritten.
        return None


class Tanh(Activation):
    """The hyperbolic tangent."""

    bounds = (1.0, 0.7698003589195011, 2.0)  # 1, 4 / (3 sqrt 3), 2

    def value(self, z: Array) -> tuple[Array, Any]:
        return array_namespace(z).tanh(z), None

    def write(self, z: Array, room: Array) -> Any:
        a = evaluate("tanh", z, spare=room)
        if a is not room:
            room[...] = a

    def slope(self, a: Array, kept: Any) -> Array:
        return one_minus(a * a)

    def bend(self, a: Array, kept: Any, slope: Array) -> Array:
        return -2 * a * slope

    def twist(self, a: Array, kept: Any, slope: Array) -> Array:
        return slope * (6 * a * a - 2)

    def curve(self, a: Array, kept: Any, slope: Array, error: Any) -> Any:
        curve = error(-2)
        curve *= a
        return curve


class Logistic(Activation):
    """The logistic function, 1 / (1 + exp(-z))."""

    parity = "affine"
    bounds = (0.25, 0.0962250448649377, 0.125)  # 1 / 4, 1 / (6 sqrt 3), 1 / 8

    def value(self, z: Array) -> tuple[Array, Any]:
        return logistic(z), None

    def slope(self, a: Array, kept: Any) -> Array:
        return a * (1 - a)

    def bend(self, a: Array, kept: Any, slope: Array) -> Array:
        return slope * (1 - 2 * a)

    def twist(self, a: Array, kept: Any, slope: Array) -> Array:
        return slope * (1 - 6 * slope)

    def curve(self, a: Array, kept: Any, slope: Array, error: Any) -> Any:
        curve = error(-2)
        curve *= a - 0.5
        return curve


class Softplus(Activation):
    """The integral of the logistic function, log(1 + exp z); it keeps that function."""

    parity = None
    bounds = (1.0, 0.25, 0.0962250448649377)

    def value(self, z: Array) -> tuple[Array, Any]:
        a = softplus(z)
        # exp z / (1 + exp z), without a second case for positive z.
        kept = z - a
        return a, evaluate("exp", kept, spare=kept)

    def slope(self, a: Array, kept: Any) -> Array:
        return kept

    def bend(self, a: Array, kept: Any, slope: Array) -> Array:
        return kept * (1 - kept)

    def twist(self, a: Array, kept: Any, slope: Array) -> Array:
        return kept * (1 - kept) * (1 - 2 * kept)

    def curve(self, a: Array, kept: Any, slope: Array, error: Any) -> Any:
        curve = error(-1)
        curve *= kept - 1
        return curve


class Silu(Activation):
    """z times the logistic function (swish); it keeps z and that function."""

    parity = None
    bounds = (1.0998393201288671, 0.5, 0.3081815157964793)
    curves_over_slope = False  # which has zeros

    def value(self, z: Array) -> tuple[Array, Any]:
        s = logistic(z)
        return z * s, (z, s)

    def slope(self, a: Array, kept: Any) -> Array:
        z, s = kept
        return s + a * (1 - s)

    def bend(self, a: Array, kept: Any, slope: Array) -> Array:
        # 2 s' + z s'' with s' = s (1 - s) and s'' = s' (1 - 2 s)
        z, s = kept
        return s * (1 - s) * (2 + z * (1 - 2 * s))

    def twist(self, a: Array, kept: Any, slope: Array) -> Array:
        # 3 s'' + z s''' with s''' = s' (1 - 6 s')
        z, s = kept
        first = s * (1 - s)
        return first * (3 * (1 - 2 * s) + z * (1 - 6 * first))

    def curve(self, a: Array, kept: Any, slope: Array, error: Any) -> Any:
        curve = error(1)
        curve *= self.bend(a, kept, slope)
        return curve


class Erf(Activation):
    """The error function; it keeps z."""

    # 2 / sqrt pi times 1, sqrt(2 / e) and 2
    bounds = (1.1283791670955126, 0.9678828980765736, 2.2567583341910252)

    def value(self, z: Array) -> tuple[Array, Any]:
        return erf(z), z

    def slope(self, a: Array, kept: Any) -> Array:
        return self.bounds[0] * array_namespace(kept).exp(-kept * kept)

    def bend(self, a: Array, kept: Any, slope: Array) -> Array:
        return -2 * kept * slope

    def twist(self, a: Array, kept: Any, slope: Array) -> Array:
        return slope * (4 * kept * kept - 2)

    def curve(self, a: Array, kept: Any, slope: Array, error: Any) -> Any:
        curve = error(-2)
        curve *= kept
        return curve


class Relu(Activation):
    """The positive part. Its slope at zero is zero, as in scikit-learn."""

    parity = None
    smooth = False
    bounds = (1.0, float("inf"), float("inf"))

    def value(self, z: Array) -> tuple[Array, Any]:
        return positive_part(z), None

    def slope(self, a: Array, kept: Any) -> Array:
        return array_namespace(a).astype(a > 0, a.dtype)


def positive_part(z: Array) -> Array:
    """Return the larger of z and zero, and NaN for NaN."""
    xp = array_namespace(z)
    return xp.maximum(z, xp.zeros((), dtype=z.dtype, device=device(z)))


def logistic(z: Array) -> Array:
    """Evaluate 1 / (1 + exp(-z)) to relative accuracy, without overflow."""
    xp, decay = array_namespace(z), _decay(z)
    return xp.where(z < 0, decay, xp.ones_like(decay)) / (1 + decay)


def softplus(z: Array) -> Array:
    """Evaluate log(1 + exp z) to relative accuracy, without overflow."""
    # logaddexp takes several times as long.
    decay = _decay(z)
    total = evaluate("log1p", decay, spare=decay)
    total += positive_part(z)
    return total


def _decay(z: Array) -> Array:
    # exp(-|z|), between 0 and 1.
    decay = array_namespace(z).abs(z)
    decay = evaluate("negative", decay, spare=decay)
    return evaluate("exp", decay, spare=decay)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(),
    "tanh": Tanh(),
    "logistic": Logistic(),
    "softplus": Softplus(),
    "silu": Silu(),
    "erf": Erf(),
    "relu": Relu(),
}
