"""Functions of two variables whose critical points are listed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from skcrit._backend import array_namespace
from skcrit._typing import Array, FloatArray
from skcrit.proving_grounds._base import Ground, KnownSets, polished

_KINDS = ("minimum", "saddle", "maximum")


class PlaneSurface(Ground):
    """A function of two variables.

    A subclass defines its derivatives and sets ``_digits``, critical points to a few
    digits by Morse index, and ``_box``, the region that holds them.
    """

    _digits: ClassVar[tuple[tuple[tuple[float, float], ...], ...]]
    _box: ClassVar[tuple[tuple[float, float], tuple[float, float]]]

    def _prepare(self) -> int:
        return 2

    @abstractmethod
    def _height(self, x: Array, y: Array) -> Array:
        """Evaluate the function."""

    @abstractmethod
    def _slope(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Evaluate the first derivatives."""

    @abstractmethod
    def _bend(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Evaluate the second derivatives: x twice, x and y, y twice."""

    def value(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        return self._height(*_split(self._as_points(theta)))

    def gradient(self, theta: Array) -> Array:  # noqa: D102
        theta = self._as_points(theta)
        slopes = self._slope(*_split(theta))
        return array_namespace(theta).stack(list(slopes), axis=-1)

    def hvp(self, theta: Array, v: Array) -> Array:  # noqa: D102
        theta, v = self._broadcast(theta, v)
        xx, xy, yy = self._bend(*_split(theta))
        a, b = _split(v)
        product = [xx * a + xy * b, xy * a + yy * b]
        return array_namespace(theta).stack(product, axis=-1)

    def length_scale(self) -> FloatArray:
        """Return a quarter of the size of the region that holds the critical points."""
        return np.diff(self._box, axis=0)[0] / 4

    def draw_starts(self, streams: Sequence[np.random.Generator]) -> FloatArray:
        """Draw points uniformly from the region that holds the critical points."""
        low, high = np.array(self._box)
        return low + (high - low) * np.stack([stream.random(2) for stream in streams])

    def _known_sets(self) -> KnownSets:
        indices = [k for k, points in enumerate(self._digits) for _ in points]
        names = [
            f"{kind} {number}"
            for kind, points in zip(_KINDS, self._digits, strict=False)
            for number in range(1, len(points) + 1)
        ]
        host = type(self)().fit()
        digits = [point for points in self._digits for point in points]
        points, _ = polished(host, digits)
        return KnownSets(points, indices, [0] * len(indices), names)


def _split(theta: Array) -> tuple[Any, Any]:
    """Return the two coordinates of points."""
    return theta[..., 0], theta[..., 1]
