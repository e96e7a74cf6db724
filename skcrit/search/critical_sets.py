"""Grouping of points into critical sets, by invariants and by inertia.

Symmetries turn critical points into continua, and neither parameters nor losses
identify sets: two different sets can have the same loss. Points belong to one set if
their invariants agree within their own errors, measured at each point, and their
inertia, as far as it is known, agrees. The error of one point is never applied to
another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._rows import GrowingArray, Rows
from skcrit._typing import FloatArray, IntArray
from skcrit.search.describe import UNKNOWN, Description

# Safety factor: errors are measured with a few random changes, and only estimated along
# weak directions.
_SAFETY = 10.0

# Relative to the size of invariants, and to their natural unit: smaller differences are
# never resolved, whatever the estimates are.
_FLOOR = 1e-9
_ROUNDING = 1e3 * np.finfo(float).eps

# Points that are compared with the leaders at a time, and 8 MiB of distances.
_ROWS = 256
_DISTANCES = 2**20

# Pairs of points and known points that are compared at a time.
_PAIRS = 2**12


@dataclass
class Identity(Rows):
    """Quantities that distinguish critical sets, a row per point, on the host."""

    invariants: FloatArray  # in their natural units, (n, n_invariants)
    uncertainty: FloatArray  # their estimated errors, in the Euclidean norm
    morse_index: IntArray  # -1 if unknown, which is compatible with every inertia
    nullity: IntArray


def group_points(points: Description | Identity) -> tuple[IntArray, IntArray]:
    """Group critical points into sets: the set of each, and its leading points."""
    # Points of equal inertia are treated in the order of their errors, and a point that
    # is not near any leader becomes a leader, so that the order of the rows does not
    # matter. Points of unknown inertia come last and join the nearest leader of any
    # inertia.
    n = len(points.morse_index)
    labels = np.full(n, -1)
    radius = radii(points)
    leaders: list[int] = []
    for rows in _classes(points):
        known = points.morse_index[rows[0]] != UNKNOWN
        pool = [] if known else list(range(len(leaders)))
        _assign(points.invariants, radius, rows, labels, leaders, pool)
    return labels, np.array(leaders, dtype=int)


def match_points(
    points: Description | Identity, known: Description | Identity
) -> IntArray:
    """Find the known critical set of each point; -1 if it belongs to no known set."""
    catalogue = Catalogue()
    catalogue.add(known)
    return catalogue.match(points, lambda rows: known.invariants[rows])


class Catalogue:
    """Known points, sorted along a line in the space of invariants.

    Two points are at most as far apart on the line as their invariants are, so that a
    point has to be compared with few others. Their invariants need not be kept.
    """

    def __init__(self) -> None:
        self._position, self._reach = GrowingArray(), GrowingArray()
        self._inertia = GrowingArray()
        self._order: IntArray | None = None

    def add(self, known: Description | Identity) -> None:
        """Add points."""
        self._position.add(_along_a_line(known.invariants))
        self._reach.add(radii(known))
        self._inertia.add(np.stack([known.morse_index, known.nullity], axis=1))
        self._order = None

    def match(
        self,
        points: Description | Identity,
        invariants: Callable[[IntArray], FloatArray],
    ) -> IntArray:
        """Find the nearest known point of each, if it is near enough; -1 otherwise."""
        n = len(points.morse_index)
        labels = np.full(n, -1)
        if n == 0 or len(self._position) == 0:
            return labels
        if self._order is None:
            self._order = np.argsort(self._position.rows, kind="stable")
        begin, end = self._window(points)
        size = np.cumsum(end - begin)
        row = 0
        while row < n:
            done = size[row - 1] if row else 0
            last = max(int(np.searchsorted(size, done + _PAIRS, "right")), row + 1)
            part = np.arange(row, last)
            pairs = self._pairs(points, part, begin[part], end[part])
            self._choose(points, *pairs, invariants, labels)
            row = last
        return labels

    def _window(self, points: Description | Identity) -> tuple[IntArray, IntArray]:
        """Find the first and the last known point on the line that can be near."""
        ordered = self._position.rows[self._order]
        farthest = np.nanmax(self._reach.rows, initial=0.0)
        # Positions are rounded, but radii are much larger than these errors.
        width, position = (
            2 * (farthest + radii(points)),
            _along_a_line(points.invariants),
        )
        return (
            np.searchsorted(ordered, position - width, "left"),
            np.searchsorted(ordered, position + width, "right"),
        )

    def _pairs(
        self,
        points: Description | Identity,
        part: IntArray,
        begin: IntArray,
        end: IntArray,
    ) -> tuple[IntArray, IntArray]:
        """List pairs of points and known points whose inertia is compatible."""
        assert self._order is not None
        row = np.repeat(part, end - begin)
        first = np.repeat(begin - np.cumsum(end - begin) + end - begin, end - begin)
        known = self._order[first + np.arange(len(row))]
        ours = np.stack([points.morse_index, points.nullity], axis=1)[row]
        theirs = self._inertia.rows[known]
        either = (ours == UNKNOWN) | (theirs == UNKNOWN)
        fits = np.all(either | (ours == theirs), axis=1)
        return row[fits], known[fits]

    def _choose(
        self,
        points: Description | Identity,
        row: IntArray,
        known: IntArray,
        invariants: Callable[[IntArray], FloatArray],
        labels: IntArray,
    ) -> None:
        """Assign points to the nearest known points, if they are near."""
        if len(row) == 0:
            return
        few, place = np.unique(known, return_inverse=True)
        gaps = invariants(few)[place] - points.invariants[row]
        distance = np.sqrt(np.einsum("ij,ij->i", gaps, gaps))
        order = np.lexsort((known, distance, row))
        _, first = np.unique(row[order], return_index=True)
        best = order[first]
        reach = self._reach.rows[known[best]] + radii(points)[row[best]]
        best = best[distance[best] <= reach]
        labels[row[best]] = known[best]


def _along_a_line(invariants: FloatArray) -> FloatArray:
    """Return the positions of points along a fixed line."""
    line = np.random.default_rng(0).standard_normal(invariants.shape[1])
    return invariants @ (line / max(float(np.linalg.norm(line)), 1e-300))


def radii(points: Description | Identity) -> FloatArray:
    """Bound the distance of each point from its set, in the units of the invariants."""
    size = np.sqrt(np.sum(points.invariants**2, axis=1))
    return np.maximum(_SAFETY * points.uncertainty, _FLOOR + _ROUNDING * size)


def _classes(points: Description | Identity) -> list[IntArray]:
    """Divide rows by their inertia, the unknown ones last, best points first."""
    # Equal errors are ordered by the invariants, so that the order of rows does not
    # matter.
    order = np.lexsort((*points.invariants.T[::-1], points.uncertainty))
    inertia = np.stack([points.morse_index, points.nullity], axis=1)[order]
    kinds = np.unique(inertia, axis=0)
    known = np.all(kinds != UNKNOWN, axis=1)
    kinds = np.concatenate([kinds[known], kinds[~known]])
    return [order[np.all(inertia == kind, axis=1)] for kind in kinds]


def _assign(
    invariants: FloatArray,
    radius: FloatArray,
    rows: IntArray,
    labels: IntArray,
    leaders: list[Any],
    pool: list[Any],
) -> None:
    """Assign rows to the nearest leaders in a pool, or make them leaders."""
    done = 0
    while done < len(rows):
        size = min(max(_DISTANCES // max(len(pool), 1), 1), _ROWS)
        part = rows[done : done + size]
        done += size
        known = len(pool)
        near = _candidates(invariants[part], invariants[[leaders[k] for k in pool]])
        for row, few in zip(part, near, strict=True):
            few = [*(pool[k] for k in few), *pool[known:]]
            label = _nearest(invariants, radius, row, few, leaders)
            if label is None:
                label = len(leaders)
                leaders.append(int(row))
                pool.append(label)
            labels[row] = label


def _candidates(points: FloatArray, known: FloatArray) -> list[Any]:
    """List for each point the known points that can be nearest to it."""
    if len(known) == 0:
        return [[]] * len(points)
    # Expanded squares need only one matrix product, but suffer from cancellation. The
    # list therefore keeps all points that are nearest up to rounding errors.
    size = np.sum(known**2, axis=1)
    squares = size - 2 * (points @ known.T)
    error = 4 * points.shape[1] * np.finfo(points.dtype).eps
    slack = error * (np.max(size) + np.sum(points**2, axis=1))
    close = squares <= (np.min(squares, axis=1) + slack)[:, None]
    return [np.flatnonzero(row) for row in close]


def _nearest(
    invariants: FloatArray,
    radius: FloatArray,
    row: int,
    few: list[Any],
    leaders: list[Any],
) -> int | None:
    """Return to which of few leaders a point belongs; None if all are too far away."""
    if not few:
        return None
    few_leaders = [leaders[label] for label in few]
    gaps = invariants[few_leaders] - invariants[row]
    distance = np.sqrt(np.einsum("ij,ij->i", gaps, gaps))
    nearest = int(np.argmin(distance))
    if distance[nearest] <= radius[few_leaders[nearest]] + radius[row]:
        return few[nearest]
    return None
