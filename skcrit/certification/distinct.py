"""Proofs that certified points lie on different critical sets."""

from __future__ import annotations

import numpy as np

from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.linalg.rounding import gamma


def number_sets(
    decided: BoolArray,
    certified: BoolArray,
    low: FloatArray,
    high: FloatArray,
    inertia: IntArray,
    centres: FloatArray | None,
    radii: FloatArray | None,
) -> IntArray:
    """Give points numbers of critical sets whose first points are proved different."""
    # Two sets are different if their losses are, or their inertia, or their invariants.
    # The first point that was not proved to lie on one of the sets before it names a
    # new set only if it is proved to differ from all of them; otherwise it shares the
    # number of the first from which it was not distinguished. Proved points come first,
    # so that estimates never hide a proved set. Any set of points that are pairwise
    # proved different bounds the number of critical sets from below. Numbers go by
    # increasing loss; -1 for points that are not decided.
    numbers = np.full(len(low), -1)
    rows = np.flatnonzero(decided)
    rows = rows[np.lexsort((high[rows], ~certified[rows]))]
    leaders: list[int] = []
    for row in rows:
        pool = np.array(leaders, dtype=int)
        near = pool[
            (low[pool] <= high[row])
            & (low[row] <= high[pool])
            & np.all(inertia[pool] == inertia[row], axis=1)
        ]
        if centres is not None and radii is not None and len(near):
            near = near[_meet(centres, radii, row, near)]
        if len(near):
            numbers[row] = numbers[near[0]]
        else:
            numbers[row] = len(leaders)
            leaders.append(int(row))
    # By increasing loss.
    order = np.lexsort((low[leaders],)) if leaders else np.empty(0, dtype=int)
    rank = np.append(np.argsort(order), -1)
    return rank[numbers]


def _meet(
    centres: FloatArray, radii: FloatArray, row: int, others: IntArray
) -> BoolArray:
    """Return which balls may contain a common point."""
    gaps = centres[others] - centres[row]
    distance = np.sqrt(np.sum(gaps**2, axis=1))
    # Rounded downwards; differences of rounded numbers err relative to themselves.
    distance *= 1 - 2 * gamma(centres.shape[1] + 8)
    return distance <= (radii[others] + radii[row]) * (1 + 1e-15)
