"""Steps of an exponential Rosenbrock method for flows in the basis of the Hessian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._rows import Rows
from skcrit._typing import Array, FloatArray
from skcrit.losses.base import Loss
from skcrit.solvers._vectors import norm

# Below this modulus the third function is a series: the formula cancels there.
_SERIES, _TERMS = 1.0, 18

# Bounds of a step in units of the times that the Hessian sets: of the directions that
# grow, and of all.
_GROWING, _ALL = 20.0, 1e8


def phi_1(z: FloatArray) -> FloatArray:
    """Evaluate ``(exp(z) - 1) / z``, one at zero."""
    safe = np.where(z == 0, 1.0, z)
    return np.where(z == 0, 1.0, np.expm1(safe) / safe)


def phi_3(z: FloatArray) -> FloatArray:
    """Evaluate ``(exp(z) - 1 - z - z^2 / 2) / z^3``, one sixth at zero."""
    small = np.abs(z) < _SERIES
    near, far = np.where(small, z, 0.0), np.where(small, 1.0, z)
    series = np.zeros_like(near)
    for k in range(_TERMS, 2, -1):
        series = (1 + series * near) / k
    # What is left are the factors 1/1 and 1/2 of the factorial.
    series = series / 2
    formula = ((phi_1(far) - 1) / far - 0.5) / far
    return np.where(small, series, formula)


@dataclass
class Flow(Rows):
    """The flow ``-S g``, linearised at a batch of points."""

    theta: Array
    vectors: Array  # of the Hessian there, in columns
    # Eigenvalues, and components of the gradient along the eigenvectors.
    values: FloatArray
    components: FloatArray
    signs: FloatArray  # the diagonal of S in this basis

    def longest(self) -> FloatArray:
        """Bound the time of a step: until what grows has grown by ``exp(20)``."""
        rates = -self.signs * self.values
        fastest, growing = np.max(np.abs(rates), axis=1), np.max(rates, axis=1)
        with np.errstate(divide="ignore"):
            time = np.where(fastest > 0, _ALL / fastest, np.inf)
            return np.minimum(time, np.where(growing > 0, _GROWING / growing, np.inf))

    def step(
        self, loss: Loss, time: FloatArray, unit: Array
    ) -> tuple[Array, FloatArray, FloatArray]:
        """Take a step of order three, for a time of each point."""
        # Returns the points, the norms of the step of order two, and those of what
        # order three adds, in length scales (unit).
        h = time[:, None]
        z = -self.signs * self.values * h
        first = -h * phi_1(z) * self.signs * self.components
        middle = self.theta + self._combined(loss, first)
        rest = self._along(loss.gradient(middle)) - self.components
        rest = rest - self.values * first
        second = -2 * h * phi_3(z) * self.signs * rest
        correction = self._combined(loss, second)
        length = norm((middle - self.theta) / unit)
        return middle + correction, length, norm(correction / unit)

    def _along(self, vectors: Array) -> FloatArray:
        """Return components along the eigenvectors, on the host."""
        xp = array_namespace(vectors)
        return to_host((xp.matrix_transpose(self.vectors) @ vectors[..., None])[..., 0])

    def _combined(self, loss: Loss, weights: FloatArray) -> Array:
        """Sum eigenvectors with weights."""
        return (self.vectors @ loss.asarray(weights)[..., None])[..., 0]
