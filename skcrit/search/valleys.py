"""Eigenvalues that are zero because critical points continue in their directions.

If coordinates are large or products are differences, the error of a Hessian at a point
exceeds the level of rounding, and a small eigenvalue may or may not be zero. The
gradient a finite distance away decides this far better: its rounding errors are divided
by that distance, whereas differences of gradients divide them by a small step.
"""

from __future__ import annotations

import numpy as np

from skcrit._backend import are_few, chunks_of_rows, take_rows, to_host
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.losses.base import Loss
from skcrit.search.noise import NOISE
from skcrit.search.polish import Polished, polish
from skcrit.search.scales import Scales
from skcrit.solvers._vectors import norm
from skcrit.solvers.status import Status

# Steps along each direction, in length scales, until one leads along the valley: after
# a long step out of a curved valley, Newton steps do not lead back.
STEPS = (0.1, 1e-2, 1e-3, 1e-4, 1e-5)

# Valleys of structures that are small compared with lengths need shorter ones, which
# are tried if rounding errors allow it.
_TRIED = (*STEPS, 1e-6, 1e-7, 1e-8)

# Steps to both sides, of different lengths because of mirror images.
_SIDES = (1.0, -0.7)

# If Newton steps move a point by more than this fraction of the step, they have led
# back to its origin, or to another critical point.
_MOVED = 0.3

# Eigenvalues that may belong to the valley, relative to the largest.
_FLAT = 1e-6


def is_valley(
    loss: Loss, end: Polished, small: BoolArray, level: FloatArray, scales: Scales
) -> BoolArray:
    """Return where critical points continue in all directions of small eigenvalues."""
    # The mean curvature between the point and critical points at most a tenth of a
    # length scale away, along each of the directions ``small`` of shape (n, n_params),
    # must be below the level below which eigenvalues count as zero. It costs nothing if
    # rounding errors of the gradient exceed the level; otherwise two to three dense
    # Hessians for each direction and side, until one fails.
    valley, turns = np.ones(len(small), dtype=bool), np.cumsum(small, axis=1) * small
    first = np.zeros(len(small), dtype=int)
    for turn in range(1, np.max(turns, initial=0) + 1):
        rows, columns = np.nonzero((turns == turn) & valley[:, None])
        first[rows] = _longest(loss, end, rows, columns, level, first[rows], scales)
        valley[rows] = first[rows] < len(_TRIED)
    return valley


def _longest(
    loss: Loss,
    end: Polished,
    points: IntArray,
    columns: IntArray,
    level: FloatArray,
    begin: IntArray,
    scales: Scales,
) -> IntArray:
    """Return the longest step that leads along a valley, its number from begin on."""
    steps, size, width = np.array(_TRIED), end.noise.shape[1] ** 2, 1
    best = np.full(len(columns), len(steps))
    while True:
        rows = np.flatnonzero((best == len(steps)) & (begin < len(steps)))
        if len(rows) == 0:
            return best
        numbers = begin[rows, None] + np.arange(width)
        at, ahead = np.nonzero(numbers < len(steps))
        rows, numbers = rows[at], numbers[at, ahead]
        for part in chunks_of_rows(np.arange(len(rows)), size, end.noise):
            row, number = rows[part], numbers[part]
            some, levels = end.take(points[row]), level[points[row]]
            good = _goes_on(loss, some, columns[row], steps[number], levels, scales)
            np.minimum.at(best, row[good], number[good])
        begin = begin + width
        # If they are few, shorter steps are tried together, needed or not.
        left = np.sum(best == len(steps)) * len(steps)
        width = len(steps) if are_few(left, size) else 1


def _along(
    loss: Loss, end: Polished, columns: IntArray, scales: Scales
) -> tuple[Array, FloatArray]:
    """Return eigenvectors that are a length scale long, and their natural lengths."""
    frame = end.frame
    mask = np.arange(frame.values.shape[1]) == columns[:, None]
    p = frame.combine(loss.asarray(mask))
    size = norm(p / scales.length)
    p = p / loss.asarray(size)[:, None]
    return p, 1 / size


def _goes_on(
    loss: Loss,
    end: Polished,
    columns: IntArray,
    step: FloatArray,
    level: FloatArray,
    scales: Scales,
) -> BoolArray:
    """Walk along eigenvectors, and find critical points on the way."""
    p, natural = _along(loss, end, columns, scales)
    # An eigenvalue above the level would be visible from there.
    noise = NOISE * to_host(end.noise)[np.arange(len(columns)), columns]
    good = noise <= level * step * natural
    for side in _SIDES:
        rows = np.flatnonzero(good)
        if len(rows) == 0:
            break
        part = end.take(rows)
        far = abs(side) * step[rows]
        shift = loss.asarray(side * step[rows])[:, None] * take_rows(p, rows)
        found = polish(loss, part.frame.theta + shift, scales)
        moved = norm(loss.asarray(found.shift) / scales.length)
        rest = _weak_gradient(found) / natural[rows]
        good[rows] = found.code == Status.CONVERGED
        good[rows] &= moved <= _MOVED * far
        good[rows] &= rest <= level[rows] * far
    return good


def _weak_gradient(end: Polished) -> FloatArray:
    """Bound the gradient along directions of small eigenvalues, its noise included."""
    frame = end.frame
    size = np.abs(to_host(frame.components(frame.gradient)))
    size = size + NOISE * to_host(end.noise)
    flat = np.abs(to_host(frame.values)) <= _FLAT * frame.norm[:, None]
    flat &= ~to_host(frame.is_tangent())
    return np.max(np.where(flat, size, 0.0), axis=1)
