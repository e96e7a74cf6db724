"""Coordinates that can be exchanged without a change of the loss."""

from __future__ import annotations

from math import factorial

import numpy as np

from skcrit._backend import array_namespace, device
from skcrit._typing import Array, FloatArray, IntArray

# Coordinates that differ by less are equal.
_EQUAL = 1e-6


def equal_groups(values: FloatArray) -> list[IntArray]:
    """Group coordinates whose coefficients are the same."""
    return [np.flatnonzero(values == value) for value in np.unique(values)]


def sorted_in_groups(theta: Array, groups: list[IntArray]) -> Array:
    """Sort the coordinates within each group."""
    xp = array_namespace(theta)
    order = np.argsort(np.concatenate(groups))
    parts = [
        xp.sort(xp.take(theta, xp.asarray(group, device=device(theta)), axis=-1))
        for group in groups
    ]
    together = xp.concat(parts, axis=-1)
    return xp.take(together, xp.asarray(order, device=device(theta)), axis=-1)


def count_arrangements(theta: FloatArray, groups: list[IntArray]) -> IntArray:
    """Count the different points that exchanges within groups make of a point."""
    count = np.ones(theta.shape[:-1], dtype=np.int64)
    for index in np.ndindex(count.shape):
        for group in groups:
            ordered = np.sort(theta[index][group])
            cuts = np.flatnonzero(np.diff(ordered) > _EQUAL) + 1
            runs = np.diff(np.concatenate([[0], cuts, [len(ordered)]]))
            ways = factorial(len(group))
            for run in runs:
                ways //= factorial(int(run))
            count[index] *= ways
    return count
