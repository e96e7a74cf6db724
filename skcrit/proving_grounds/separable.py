"""Separable quartics: every combination of the critical points of one coordinate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from itertools import product
from numbers import Integral, Real

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, ArrayLike, FloatArray, IntArray
from skcrit.proving_grounds._base import Ground, KnownSets, as_vector
from skcrit.proving_grounds._exchange import (
    count_arrangements,
    equal_groups,
    sorted_in_groups,
)
from skcrit.utils._arguments import shown
from skcrit.utils._validation import Interval

# Up to this tilt a coordinate has three critical points: 2 / (3 sqrt(3)).
_STEEPEST = 2 / 27**0.5

# The critical points of a coordinate from left to right: well, barrier, well.
_PLACES = "abc"


def make_separable_quartic(
    n_params: int = 4,
    *,
    tilt: float | ArrayLike = 0.1,
    backend: str = "numpy",
    dtype: str = "float64",
) -> SeparableQuartic:
    r"""Make a sum of tilted double wells, one for each coordinate.

    .. math::

        f(x) = \sum_i \left(\frac{x_i^4}{4} - \frac{x_i^2}{2} + t_i x_i\right)

    has :math:`3^n` critical points, :math:`\binom{n}{k} 2^{n - k}` of them of Morse
    index k: each coordinate is in its left well, on its barrier, or in its right well.

    Parameters
    ----------
    n_params : int, default=4
        Number of coordinates n.
    tilt : float or array-like of shape (n_params,), default=0.1
        Tilts t of the wells, of modulus below :math:`2 / (3 \sqrt 3) = 0.385`.
        Coordinates of equal tilt can be exchanged, and critical points that differ by
        an exchange are one set.
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss with ``ground_truth()``. With n different tilts it has
        :math:`3^n` sets, with equal tilts :math:`(n + 1)(n + 2) / 2`.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_separable_quartic
    >>> truth = make_separable_quartic(3).ground_truth()
    >>> truth.n_sets, truth.all_sets()[:4]
    (10, ['aaa', 'aab', 'aac', 'abb'])
    """
    return SeparableQuartic(n_params, tilt=tilt, backend=backend, dtype=dtype).fit()


@dataclass(eq=False, repr=False)
class SeparableQuartic(Ground):
    """A sum of tilted double wells, see :func:`make_separable_quartic`."""

    is_coercive = True

    _parameter_constraints = {
        **Ground._parameter_constraints,
        "n_params": [Interval(Integral, 1, None, closed="left")],
        "tilt": [Real, "array-like"],
    }

    n_params: int = 4
    _: KW_ONLY
    tilt: float | ArrayLike = 0.1

    def _prepare(self) -> int:
        n = int(self.n_params)
        given = self.tilt
        tilts = np.full(n, float(given)) if isinstance(given, Real) else given
        self._tilts = as_vector(tilts, "tilt")
        if len(self._tilts) != n or np.any(np.abs(self._tilts) >= _STEEPEST):
            raise ValueError(
                f"tilt must be a number, or {n} of them, of modulus below "
                f"{_STEEPEST:.4f}, got {shown(given)}."
            )
        self._groups = equal_groups(self._tilts)
        return n

    def value(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        t = self._as_points(theta)
        xp, tilts = array_namespace(t), self.asarray(self._tilts)
        return xp.sum(t**4 / 4 - t**2 / 2 + tilts * t, axis=-1)

    def gradient(self, theta: Array) -> Array:  # noqa: D102
        t = self._as_points(theta)
        return t**3 - t + self.asarray(self._tilts)

    def hvp(self, theta: Array, v: Array) -> Array:  # noqa: D102
        t = self._as_points(theta)
        return (3 * t**2 - 1) * self._as_directions(v, t)

    def draw_starts(self, streams: Sequence[np.random.Generator]) -> FloatArray:
        """Draw points from the standard normal distribution."""
        return np.stack([stream.standard_normal(self.n_params_) for stream in streams])

    def representative(self, theta: Array) -> Array:  # noqa: D102
        return sorted_in_groups(self._as_points(theta), self._groups)

    def invariants(self, theta: Array) -> Array:  # noqa: D102
        return self.representative(theta)

    def orbit_size(self, theta: Array) -> IntArray:  # noqa: D102
        return count_arrangements(to_host(self._as_points(theta)), self._groups)

    def _known_sets(self) -> KnownSets:
        roots = [np.sort(np.roots([1, 0, -1, tilt]).real) for tilt in self._tilts]
        points, names = [], []
        for places in product(range(3), repeat=self.n_params_):
            # Of what exchanges make of a point, the one in ascending order.
            chosen = np.array(places)
            if any(np.any(np.diff(chosen[group]) < 0) for group in self._groups):
                continue
            points.append([r[p] for r, p in zip(roots, places, strict=True)])
            names.append("".join(_PLACES[p] for p in places))
        indices = [name.count("b") for name in names]
        return KnownSets(np.array(points), indices, [0] * len(names), names)
