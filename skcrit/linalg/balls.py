r"""Arrays of balls: floating point numbers with bounds on their errors.

A ball array is a pair (mid, rad) of float64 arrays on the host and stands for all
arrays that differ from ``mid`` by at most ``rad``, entry by entry. Every operation
returns a pair that contains all results for all numbers in the operands: the radius
collects the radii of the operands and the rounding error of the computed middle, by the
model of :mod:`skcrit.linalg.rounding`, and is itself computed upwards (with u the unit
roundoff, a sum of n nonnegative numbers is at most ``1 + 2 (n + 8) u`` times the
computed one).

Elementary functions are those of NumPy and SciPy: exp, log, log1p, tanh and erf are
assumed to err by at most four units in the last place, eight units of roundoff, and
combinations of up to three of them by at most ``UNITS`` units, relative to the result.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._typing import FloatArray
from skcrit.linalg.rounding import UNIT, gamma

# Assumed error of functions, in units of roundoff.
UNITS = 32

# The smallest positive number: what a product can lose by underflow.
_ETA = 2.0**-1074


def _up(radius: Any, n: int = 1) -> Any:
    # Round a sum of n nonnegative terms upwards.
    return radius * (1 + 2 * (n + 8) * UNIT)


class Balls:
    """Numbers with bounds on their errors: centres, and radii that fit them."""

    # With this, NumPy leaves operations between arrays and balls to the methods below.
    __array_ufunc__ = None

    def __init__(self, mid: Any, rad: Any = 0.0) -> None:
        self.mid = np.asarray(mid, dtype=float)
        self.rad = np.broadcast_to(np.asarray(rad, dtype=float), self.mid.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the arrays."""
        return self.mid.shape

    def __getitem__(self, key: Any) -> Balls:
        return Balls(self.mid[key], self.rad[key])

    def __neg__(self) -> Balls:
        return Balls(-self.mid, self.rad)

    def __add__(self, other: Any) -> Balls:
        other = _balls(other)
        mid = self.mid + other.mid
        return Balls(mid, _up(self.rad + other.rad + UNIT * np.abs(mid)))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Balls:
        return self + (-_balls(other))

    def __rsub__(self, other: Any) -> Balls:
        return _balls(other) + (-self)

    def __mul__(self, other: Any) -> Balls:
        other = _balls(other)
        mid = self.mid * other.mid
        spread = np.abs(self.mid) * other.rad
        spread = spread + self.rad * (np.abs(other.mid) + other.rad)
        return Balls(mid, _up(spread + UNIT * np.abs(mid) + 4 * _ETA))

    __rmul__ = __mul__

    def __matmul__(self, other: Any) -> Balls:
        other, n = _balls(other), self.mid.shape[-1]
        size, other_size = np.abs(self.mid), np.abs(other.mid)
        # One product for the error of the middle and the other factor's radius.
        spread = size @ (other.rad + gamma(n + 2) * other_size)
        if np.any(self.rad):
            spread = spread + self.rad @ (other_size + other.rad)
        return Balls(self.mid @ other.mid, _up(spread + 4 * n * _ETA, 2 * n))

    def transposed(self) -> Balls:
        """Transpose the matrices."""
        return Balls(np.swapaxes(self.mid, -1, -2), np.swapaxes(self.rad, -1, -2))

    def sum(self, axis: int) -> Balls:
        """Sum over an axis."""
        n = self.mid.shape[axis]
        spread = np.sum(self.rad, axis=axis)
        spread = spread + gamma(n) * np.sum(np.abs(self.mid), axis=axis)
        return Balls(np.sum(self.mid, axis=axis), _up(spread, n))

    def reshape(self, *shape: int) -> Balls:
        """Give the arrays another shape."""
        return Balls(self.mid.reshape(*shape), self.rad.reshape(*shape))

    @staticmethod
    def concatenate(parts: list[Balls], axis: int) -> Balls:
        """Join ball arrays."""
        mid = np.concatenate([part.mid for part in parts], axis=axis)
        return Balls(mid, np.concatenate([part.rad for part in parts], axis=axis))

    def distance(self, computed: FloatArray) -> FloatArray:
        """Bound the distance of every number of the balls from computed ones."""
        return _up(np.abs(self.mid - computed) + self.rad)


def _balls(numbers: Any) -> Balls:
    """Make balls of exact numbers."""
    return numbers if isinstance(numbers, Balls) else Balls(numbers)


def mapped(function: Any, balls: Balls, slope: float | FloatArray) -> Balls:
    """Apply an elementary function with a bound on its slope on the balls."""
    # Its results err by at most UNITS units in the last place.
    mid = function(balls.mid)
    rounding = UNITS * UNIT * np.abs(mid) + 4 * _ETA
    return Balls(mid, _up(slope * balls.rad + rounding))


def exp(balls: Balls) -> Balls:
    """Apply exp to numbers that are not positive; radii are infinite for wide balls."""
    # exp(mid + r) <= exp(mid) (1 + 2 r) for r <= 1: the slope on the ball.
    small = balls.rad <= 1
    slope = np.exp(balls.mid) * (1 + 2 * balls.rad) * (1 + 2 * UNITS * UNIT) + _ETA
    return mapped(np.exp, balls, np.where(small, slope, np.inf))


def erf_values(balls: Balls) -> Balls:
    """Apply the error function."""
    from scipy.special import erf

    return mapped(erf, balls, 1.13)  # 2 / sqrt(pi)
