"""Ways down from critical points whose index is higher than was asked for."""

from __future__ import annotations

import numpy as np

from skcrit._backend import replace_rows, take_rows, to_host
from skcrit._typing import Array, BoolArray, FloatArray
from skcrit.losses.base import Loss
from skcrit.solvers._vectors import norm
from skcrit.solvers.eigenpairs import Eigenpairs
from skcrit.solvers.signed_step import LONGEST

# How often a search may leave a critical point. Two points that lead to each other
# would keep it for ever.
MAX_DEPARTURES = 3

# A part r of a length scale away from a critical point the curvatures differ from those
# there by about r times the largest. A curvature that is this many times larger has the
# same sign.
_CERTAIN = 100.0


def depart(
    loss: Loss,
    pairs: Eigenpairs,
    p: Array,
    ways: BoolArray,
    level: FloatArray,
) -> tuple[Array, BoolArray]:
    """Replace steps to critical points from which more directions lead down."""
    # ``ways`` of shape (n, size) are the directions that may be followed downwards, and
    # ``level`` of shape (n, 1) the moduli up to which eigenvalues are zero. The new
    # steps are half a length scale of the loss along directions whose curvature is
    # negative at the critical point too, to the side on which the search is. The mask
    # says which steps these are.
    values, components = to_host(pairs.values), to_host(pairs.components)
    largest = np.max(np.abs(values), axis=1, keepdims=True)
    unit = loss.asarray(loss.length_scale())
    distance = norm(p / unit)[:, None]
    error = np.maximum(level, _CERTAIN * distance * largest)
    down = ways & (values < -error)
    rows = np.flatnonzero(np.any(down, axis=1))
    if len(rows) == 0:
        return p, np.any(down, axis=1)
    weights = np.where(down, components / np.where(down, values, 1.0), 0.0)
    # On the ridge itself either side will do.
    ridge = ~np.any(weights != 0, axis=1, keepdims=True)
    first = down & (np.cumsum(down, axis=1) == 1)
    weights = np.where(ridge & first, 1.0, weights)
    # The squares of rounding errors would underflow.
    largest = np.max(np.abs(weights), axis=1, keepdims=True)
    weights = weights / np.where(largest > 0, largest, 1.0)
    away = take_rows(pairs.combine(loss.asarray(weights)), rows)
    away = loss.asarray(LONGEST / norm(away / unit))[:, None] * away
    return replace_rows(p, rows, away), np.any(down, axis=1)
