"""Which points are the same critical set: by invariants and by inertia.

Symmetries make critical points continua, and neither parameters nor losses identify
sets: two different sets can have the same loss. Points belong together if their
invariants agree within their own errors, measured at each point, and nothing that is
known of their inertia differs. No length of one point decides about another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._rows import Rows
from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.search.describe import UNKNOWN, Description

__all__ = ["Identity", "group_points", "match_points", "radii"]

# Errors are measured with a few random changes and estimated along weak directions.
_SAFETY = 10.0

# Relative to the size of invariants, and to their natural unit: differences that are
# never resolved, whatever the estimates say.
_FLOOR = 1e-9
_ROUNDING = 1e3 * np.finfo(float).eps

# Points that are compared with the leaders at once, and 8 MiB of distances.
_ROWS = 256
_DISTANCES = 2**20


@dataclass
class Identity(Rows):
    """What distinguishes critical sets, a row per point, on the host.

    Attributes
    ----------
    invariants : ndarray of shape (n, n_invariants)
        Invariants in their natural units.
    uncertainty : ndarray of shape (n,)
        Their estimated errors, in the Euclidean norm.
    morse_index, nullity : ndarray of int of shape (n,)
        Inertia; -1 if unknown, which contradicts nothing.
    """

    invariants: FloatArray
    uncertainty: FloatArray
    morse_index: IntArray
    nullity: IntArray


def group_points(points: Description | Identity) -> tuple[IntArray, IntArray]:
    """Group critical points into sets: the set of each, and its leading points."""
    # Points of equal inertia come in order of their errors, and one that is near no
    # leader becomes a leader; the order of the rows does not matter. Points of unknown
    # inertia come last and join the nearest leader of any inertia.
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
    """Find the known critical set of each point; -1 for one of none of them."""
    labels = np.full(len(points.morse_index), -1)
    reach, more = radii(known), radii(points)
    for rows in _classes(points):
        pool = np.flatnonzero(_compatible(known, points, rows[0]))
        invariants = known.invariants[pool]
        for begin in range(0, len(rows), _ROWS):
            part = rows[begin : begin + _ROWS]
            near = _candidates(points.invariants[part], invariants)
            for row, few in zip(part, near, strict=True):
                if len(few) == 0:
                    continue
                gaps = invariants[few] - points.invariants[row]
                distance = np.sqrt(np.einsum("ij,ij->i", gaps, gaps))
                best = pool[few[int(np.argmin(distance))]]
                if np.min(distance) <= reach[best] + more[row]:
                    labels[row] = best
    return labels


def radii(points: Description | Identity) -> FloatArray:
    """Bound how far from each point its set can be, in the units of the invariants."""
    size = np.sqrt(np.sum(points.invariants**2, axis=1))
    return np.maximum(_SAFETY * points.uncertainty, _FLOOR + _ROUNDING * size)


def _classes(points: Description | Identity) -> list[IntArray]:
    """Divide rows by their inertia, the unknown ones last, best points first."""
    # Equal errors are ordered by the invariants, so that rows can come in any order.
    order = np.lexsort((*points.invariants.T[::-1], points.uncertainty))
    inertia = np.stack([points.morse_index, points.nullity], axis=1)[order]
    kinds = np.unique(inertia, axis=0)
    known = np.all(kinds != UNKNOWN, axis=1)
    kinds = np.concatenate([kinds[known], kinds[~known]])
    return [order[np.all(inertia == kind, axis=1)] for kind in kinds]


def _compatible(
    known: Description | Identity, points: Description | Identity, row: int
) -> BoolArray:
    """Return which sets nothing known of a point's inertia contradicts."""
    index, nullity = points.morse_index[row], points.nullity[row]
    same_index = (known.morse_index == index) | (known.morse_index == UNKNOWN)
    same_nullity = (known.nullity == nullity) | (known.nullity == UNKNOWN)
    return (same_index | (index == UNKNOWN)) & (same_nullity | (nullity == UNKNOWN))


def _assign(
    invariants: FloatArray,
    radius: FloatArray,
    rows: IntArray,
    labels: IntArray,
    leaders: list[Any],
    pool: list[Any],
) -> None:
    """Give rows the labels of the nearest leaders in a pool, or make them leaders."""
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
    """List for each point the known ones that can be its nearest."""
    if len(known) == 0:
        return [[]] * len(points)
    # Expanded squares are one matrix product, but cancel. What rounding may have moved
    # behind the smallest stays in the list.
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
    """Return which of few leaders a point belongs to; None if it is near no one."""
    if not few:
        return None
    few_leaders = [leaders[label] for label in few]
    gaps = invariants[few_leaders] - invariants[row]
    distance = np.sqrt(np.einsum("ij,ij->i", gaps, gaps))
    nearest = int(np.argmin(distance))
    if distance[nearest] <= radius[few_leaders[nearest]] + radius[row]:
        return few[nearest]
    return None
