"""Points that interact in pairs: derivatives, symmetries, orbits."""

from __future__ import annotations

from abc import abstractmethod
from math import factorial
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, device, to_host
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.proving_grounds._base import Ground, KnownSets, planes, polished

# Squared distances below this part of eps are those of collisions: the energy there is
# huge, and stays finite.
_COLLISION = 1e-4

# Distances and singular values that differ by less are equal.
_EQUAL = 1e-5


class PairGround(Ground):
    """A sum over all pairs of points of a function of their squared distance.

    A subclass sets the dimension of space and ``_trap``, the weight of half the sum of
    squares that keeps points near the origin, and defines the function.
    """

    dimension: int
    _trap: float
    _n_points: int

    @abstractmethod
    def _pair(self, u: Array) -> tuple[Array, Array, Array]:
        """Evaluate the function of the squared distance and two derivatives."""

    def value(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        theta = self._as_points(theta)
        xp, gaps, others = self._gaps(theta)
        energy = others * self._pair(self._squares(xp, gaps))[0]
        trap = self._trap / 2 * xp.sum(theta**2, axis=-1)
        return xp.sum(energy, axis=(-2, -1)) / 2 + trap

    def gradient(self, theta: Array) -> Array:  # noqa: D102
        theta = self._as_points(theta)
        xp, gaps, others = self._gaps(theta)
        slope = 2 * others * self._pair(self._squares(xp, gaps))[1]
        forces = xp.sum(slope[..., None] * gaps, axis=-2)
        return xp.reshape(forces, theta.shape) + self._trap * theta

    def hvp(self, theta: Array, v: Array) -> Array:  # noqa: D102
        theta, v = self._broadcast(theta, v)
        xp, gaps, others = self._gaps(theta)
        moved = self._gaps(v)[1]
        _, slope, bend = self._pair(self._squares(xp, gaps))
        along = xp.sum(gaps * moved, axis=-1)
        forces = (2 * others * slope)[..., None] * moved
        forces = forces + (4 * others * bend * along)[..., None] * gaps
        return xp.reshape(xp.sum(forces, axis=-2), theta.shape) + self._trap * v

    def _gaps(self, theta: Array) -> tuple[Any, Array, Array]:
        """Return the namespace, differences of points, and zero for a point itself."""
        xp, n = array_namespace(theta), self._n_points
        q = xp.reshape(theta, (*theta.shape[:-1], n, self.dimension))
        others = 1 - xp.eye(n, dtype=theta.dtype, device=device(theta))
        return xp, q[..., :, None, :] - q[..., None, :, :], others

    def _squares(self, xp: Any, gaps: Array) -> Array:
        """Return squared distances, one for a point and itself."""
        n = self._n_points
        square = xp.sum(gaps**2, axis=-1)
        square = square + xp.eye(n, dtype=square.dtype, device=device(square))
        least = xp.full_like(square, _COLLISION * float(xp.finfo(square.dtype).eps))
        return xp.where(square < least, least, square)

    def orbit_tangents(self, theta: Array) -> Array:
        """Span the rotations, and the translations if nothing holds the points."""
        theta = self._as_points(theta)
        xp, d, n = array_namespace(theta), self.dimension, self._n_points
        turns = planes(d)
        q = xp.reshape(theta, (*theta.shape[:-1], 1, n, d))
        shape = (*theta.shape[:-1], len(turns), self.n_params_)
        tangents = xp.reshape(q @ self.asarray(turns), shape)
        if self._trap:
            return tangents
        shifts = self.asarray(np.tile(np.eye(d), (1, n)))
        shifts = xp.broadcast_to(shifts, (*theta.shape[:-1], d, self.n_params_))
        return xp.concat([tangents, shifts], axis=-2)

    def invariants(self, theta: Array) -> Array:
        """Sort all distances between points."""
        # Rotations, reflections, translations and permutations leave them alone, and
        # they differ between the known sets.
        theta = self._as_points(theta)
        xp, gaps, _ = self._gaps(theta)
        rows, columns = np.triu_indices(self._n_points, 1)
        flat = xp.asarray(rows * self._n_points + columns, device=device(theta))
        square = xp.sum(gaps**2, axis=-1)
        square = xp.reshape(square, (*theta.shape[:-1], self._n_points**2))
        return xp.sort(xp.sqrt(xp.take(square, flat, axis=-1)))

    def orbit_size(self, theta: Array) -> IntArray:
        """Count the components of orbits under motions, mirrors and permutations."""
        # 2 n! over the number of isometries of space that map the points to each other;
        # they are those permutations which keep all distances, twice if all points lie
        # in a hyperplane.
        _, gaps, _ = self._gaps(to_host(self._as_points(theta)))
        distances = np.sqrt(np.sum(gaps**2, axis=-1))
        size = np.empty(distances.shape[:-2], dtype=np.int64)
        for index in np.ndindex(size.shape):
            widths = np.linalg.svd(gaps[index][0], compute_uv=False)
            flat = widths[-1] <= _EQUAL * widths[0]
            n_symmetries = _count_symmetries(distances[index], ())
            size[index] = (
                2 * factorial(self._n_points) // (n_symmetries * (2 if flat else 1))
            )
        return size

    def _numbered(self, digits: str, nullity: int) -> KnownSets:
        """Polish configurations of a few digits in double precision; number them."""
        host = type(self)(self._n_points).fit()
        rough = np.array(digits.split(), float).reshape(-1, self.n_params_)
        points, values = polished(host, rough)
        indices = np.sum(values < 0, axis=-1).tolist()
        names = [str(number) for number in range(1, len(points) + 1)]
        return KnownSets(points, indices, [nullity] * len(points), names)


def _count_symmetries(distances: FloatArray, images: tuple[int, ...]) -> int:
    """Count the permutations that begin with these images and keep all distances."""
    k = len(images)
    if k == len(distances):
        return 1
    total = 0
    for image in range(len(distances)):
        if image in images:
            continue
        gaps = distances[image, list(images)] - distances[k, :k]
        if np.all(np.abs(gaps) <= _EQUAL * np.max(distances)):
            total += _count_symmetries(distances, (*images, image))
    return total
