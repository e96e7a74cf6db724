"""What all proving grounds share: a loss that knows all of its critical points."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from skcrit._backend import BACKENDS, array_namespace
from skcrit._typing import Array, ArrayLike, FloatArray
from skcrit.ground_truth.known_points import KnownPoints
from skcrit.linalg import eigh
from skcrit.losses.base import Loss
from skcrit.utils._arguments import check_array
from skcrit.utils._validation import StrOptions, check_params

# Newton steps from the digits that are stored: two suffice.
_STEPS = 20

# Eigenvalues below this part of the largest belong to symmetries.
_NULL = 1e-8


class KnownSets(NamedTuple):
    """All critical sets of a ground, a row each."""

    points: FloatArray  # (n_sets, n_params)
    morse_indices: Sequence[int]
    nullities: Sequence[int]
    names: Sequence[str]
    # indices of which all sets are listed; None: all
    listed_indices: Sequence[int] | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class Ground(Loss):
    """A loss without data that knows its critical points.

    A subclass defines the derivatives, ``_prepare`` and ``_known_sets``.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "backend": [StrOptions(set(BACKENDS))],
        "dtype": [StrOptions({"float64", "float32"})],
    }

    backend: str = "numpy"
    dtype: str = "float64"

    def fit(self, X: ArrayLike | None = None, y: object = None) -> Self:
        """Check the parameters; there is nothing to learn."""
        check_params(self)
        self.n_params_ = self._prepare()
        return self

    def _broadcast(self, theta: Array, v: Array) -> Sequence[Array]:
        """Return points and directions, checked, in one shape."""
        theta = self._as_points(theta)
        v = self._as_directions(v, theta)
        return array_namespace(theta).broadcast_arrays(theta, v)

    @abstractmethod
    def _prepare(self) -> int:
        """Check what depends on several parameters; return ``n_params``."""

    @abstractmethod
    def _known_sets(self) -> KnownSets:
        """List all critical sets."""

    def ground_truth(self) -> KnownPoints:
        """Return all critical points."""
        known = self._known_sets()
        return KnownPoints(
            known.points,
            known.morse_indices,
            nullities=known.nullities,
            names=known.names,
            loss=self,
            listed_indices=known.listed_indices,
        )


def as_vector(value: Any, name: str, *, least: int = 1) -> FloatArray:
    """Return a vector of at least this many finite numbers, or raise ValueError."""
    expected = f"a sequence of at least {least} finite numbers"
    return check_array(
        value,
        name,
        expected,
        lambda a: a.ndim == 1 and len(a) >= least and np.all(np.isfinite(a)),
    ).copy()


def planes(n: int) -> FloatArray:
    """Return the generators of rotations of n axes, a matrix for each two of them."""
    turns = np.zeros((n * (n - 1) // 2, n, n))
    for turn, (a, b) in zip(turns, combinations(range(n), 2), strict=True):
        turn[a, b], turn[b, a] = 1.0, -1.0
    return turns


def polished(loss: Loss, points: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Take Newton steps from points with a few correct digits, to rounding."""
    # On the host in double precision. Returns the points, and the eigenvalues of the
    # Hessians there, ascending; the ones of symmetries are zero.
    points = np.array(points, dtype=float)
    for _ in range(_STEPS):
        values, vectors = eigh(loss.hessian(points))
        size = np.max(np.abs(values), axis=-1, keepdims=True)
        keep = np.abs(values) > _NULL * size
        along = np.einsum("...ij,...i->...j", vectors, loss.gradient(points))
        along = np.where(keep, along, 0.0) / np.where(keep, values, 1.0)
        points = points - np.einsum("...ij,...j->...i", vectors, along)
    return points, np.where(keep, values, 0.0)
