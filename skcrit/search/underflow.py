"""Points at which a gradient is zero only because it underflows."""

from __future__ import annotations

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import Array, BoolArray, IntArray
from skcrit.losses.base import Loss
from skcrit.search.frame import Frame
from skcrit.search.scales import probes
from skcrit.solvers._vectors import norm

__all__ = ["is_underflow"]

# Halvings of a segment: as many as a float has digits.
_HALVINGS = 60


def is_underflow(loss: Loss, frame: Frame, rows: IntArray) -> BoolArray:
    """Return where a loss is flat because its gradient is too small for a number."""
    # A loss such as exp(-x) is constant to the last bit beyond x = 745. Towards a
    # random start its gradient begins with the smallest numbers that there are. If a
    # flat direction is one of the loss, as along a dead unit of a network, the gradient
    # stays zero, or begins at the size of rounding errors. It costs nothing unless an
    # eigenvalue of the Hessian is exactly zero and no symmetry explains it; then about
    # 500 gradients.
    values, tangent = to_host(frame.values), to_host(frame.is_tangent())
    flat = (np.abs(values) <= _tiny(loss)) & ~tangent
    rows = rows[np.any(flat[rows], axis=1)]
    result = np.zeros(len(values), dtype=bool)
    if len(rows):
        part = frame.take(rows)
        starts = probes(loss)
        found = [
            _begins_tiny(loss, part, flat[rows], starts[k, :])
            for k in range(starts.shape[0])
        ]
        result[rows] = np.any(found, axis=0)
    return result


def _begins_tiny(loss: Loss, frame: Frame, flat: BoolArray, start: Array) -> BoolArray:
    """Follow the flat directions towards a start, to where the gradient begins."""
    mask = loss.asarray(flat)
    move = frame.components((start[None, :] - frame.theta) / frame.unit)
    move = frame.combine(move * mask)

    def slope(part):
        theta = frame.theta + loss.asarray(part)[:, None] * move
        return norm(mask * frame.components(frame.unit * loss.gradient(theta)))

    low, high = np.zeros(len(flat)), np.ones(len(flat))
    begins = (slope(low) == 0) & (slope(high) > 0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        zero = slope(middle) == 0
        low, high = np.where(zero, middle, low), np.where(zero, high, middle)
    return begins & (slope(high) <= _tiny(loss))


def _tiny(loss: Loss) -> float:
    """Return what no rounding error is as small as."""
    return float(np.sqrt(np.finfo(loss.dtype).tiny))
