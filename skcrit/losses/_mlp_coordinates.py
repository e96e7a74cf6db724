"""Coordinates of a network in which its data have about mean zero and variance one.

If columns of the data differ by factors of 1000, random weights saturate all units, and
the Hessian has a condition of 1e11. With intercepts, an affine map of the inputs and of
the targets is an affine map of the parameters: W x + b = (W s) (x - m) / s + (b + W m),
and alike for the last layer. It changes neither critical points nor Morse indices.

Data of which no unit and no mean is far from that are left as they are. In any others,
units are rounded to powers of two and means to multiples of units, so that it does not
depend on the last digits of the data in which coordinates they are searched.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from skcrit._backend import array_namespace
from skcrit._typing import Array, FloatArray
from skcrit.losses.coordinates import Coordinates

# Standard deviations up to this times one and down to its inverse, and means up to it,
# are left as they are: tanh is not saturated there, and curvatures differ by a factor
# that Newton's methods bear.
_USUAL = 8.0

# Logarithm of the largest unit; squares of its inverse are numbers still.
_LARGEST = 250


@dataclass(frozen=True, eq=False)
class DataUnits:
    """Units and middles of the inputs and of the targets of a network."""

    unit: FloatArray  # of each input
    middle: FloatArray
    goal_unit: float  # of all targets: the loss compares them with each other
    goal_middle: FloatArray

    @property
    def are_usual(self) -> bool:
        """Whether the data are about standardised as they are."""
        units = np.append(self.unit, self.goal_unit)
        middles = np.concatenate([self.middle, self.goal_middle])
        far = np.max(np.abs(middles), initial=0.0)
        return bool(max(np.max(units), 1 / np.min(units), far) <= _USUAL)

    def factors(self, shapes: list[tuple[int, int]]) -> FloatArray:
        """Return by what the parameters for standardised data are multiplied."""
        factors = [np.ones(shape) for shape in shapes]
        factors[0][:, : len(self.unit)] /= self.unit
        factors[-1] *= self.goal_unit
        return np.concatenate([part.ravel() for part in factors])


def units_of_data(loss: Any) -> DataUnits:
    """Find the units of data, and middles if intercepts are free."""
    centred = loss.fit_intercept and not (loss.alpha > 0 and loss.penalize_intercept)
    X, Y = loss._X, loss._targets.values
    unit, middle = _units(X, centred, axis=0)
    if loss._targets.kind != "squared_error":
        return DataUnits(unit, middle, 1.0, np.zeros(Y.shape[1]))
    goal_unit, goal_middle = _units(Y, centred, axis=None)
    return DataUnits(unit, middle, float(goal_unit), goal_middle)


def _units(A: FloatArray, centred: bool, axis: int | None) -> Any:
    # Units of the columns, or one for all, and their middles.
    middle = np.mean(A, axis=0) if centred else np.zeros(A.shape[1])
    peak = np.max(np.abs(A - middle), axis=axis)
    # What is constant up to rounding has no unit, and becomes zero.
    level = 10 * len(A) * np.finfo(float).eps * np.max(np.abs(A), axis=axis)
    constant = peak <= level
    squares = ((A - middle) / np.where(constant, 1.0, peak)) ** 2
    # The root of the mean square, weighted by the squares: for normal data the standard
    # deviation, and for rare pixels and labels the size that they have if present.
    size = np.where(constant, 1.0, np.mean(squares, axis=axis))
    weighted = np.where(constant, 1.0, np.mean(squares * squares, axis=axis) / size / 3)
    power = np.log2(np.where(constant, 1.0, peak)) + np.log2(weighted) / 2
    unit = np.exp2(np.clip(np.round(power), -_LARGEST, _LARGEST))
    rounded = np.where(constant, A[0], unit * np.round(middle / unit))
    return unit, rounded if centred else middle


class DataCoordinates(Coordinates):
    """A network as a function of the parameters that belong to standardised data.

    Gradients and distances are those of standardised data, but values those of the
    loss.
    """

    is_isometry = False

    def __init__(self, loss: Any, units: DataUnits) -> None:
        inner = copy(loss)
        inner._units = units
        inner._X = (loss._X - units.middle) / units.unit
        inner._targets = copy(loss._targets)
        goals = loss._targets.values - units.goal_middle
        inner._targets.values = goals / units.goal_unit
        inner._prepare_device()
        super().__init__(inner)
        self.users = loss  # as a function of the parameters of the user
        shifts = [np.zeros(shape) for shape in loss._shapes]
        if loss.fit_intercept:
            shifts[-1][:, -1] = units.goal_middle
        shift = np.concatenate([part.ravel() for part in shifts])
        self._shift = loss.asarray(shift)
        self._factors = loss.asarray(units.factors(loss._shapes))
        self._middle = loss.asarray(units.middle)
        inner._outside = self

    def into(self, theta: Array) -> Array:  # noqa: D102 (documented in Coordinates)
        return (self._recentred(theta, self._middle) - self._shift) / self._factors

    def back(self, theta: Array) -> Array:  # noqa: D102
        return self._recentred(theta * self._factors + self._shift, -self._middle)

    def gradient_back(self, gradient: Array) -> Array:
        """Express gradients of the loss in the coordinates of the user."""
        middle = self._middle
        return _with_first_layer(
            self.loss, gradient / self._factors, lambda W, b: [W + b * middle, b]
        )

    def _recentred(self, theta: Array, middle: Array) -> Array:
        """Add what the middles contribute to the intercepts of the first layer."""
        total = array_namespace(theta).sum

        def add(W: Array, b: Array) -> list[Array]:
            return [W, b + total(W * middle, axis=-1, keepdims=True)]

        return _with_first_layer(self.loss, theta, add)


def _with_first_layer(
    loss: Any, rows: Array, change: Callable[[Array, Array], list[Array]]
) -> Array:
    """Replace the weights and the intercepts of the first layer, if there are both."""
    if not loss.fit_intercept:
        return rows
    xp, shape = array_namespace(rows), loss._shapes[0]
    n = prod(shape)
    first = xp.reshape(rows[..., :n], (*rows.shape[:-1], *shape))
    first = xp.concat(change(first[..., :-1], first[..., -1:]), axis=-1)
    first = xp.reshape(first, rows[..., :n].shape)
    return xp.concat([first, rows[..., n:]], axis=-1)
