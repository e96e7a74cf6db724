"""Newton steps on slices, from given points to the level of rounding."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import FloatArray
from skcrit.certification.slices import Slice, make_slice
from skcrit.certification.surface import tangents_at
from skcrit.losses.base import Loss

# New Hessians per point: two suffice for what a search has found.
_MAX_HESSIANS = 5

# Steps with one Hessian.
_MAX_CHORDS = 5

# A point that moved by more, relative to its size, needs a new Hessian.
_FAR = 1e-8

# A step that leaves more of the last one is noise, or leads nowhere.
_CONTRACTION = 0.5


def sizes(loss: Loss, vectors: FloatArray) -> FloatArray:
    """Measure vectors in length scales."""
    with np.errstate(over="ignore"):
        return np.linalg.norm(vectors / loss.length_scale(), axis=-1)


def refine(
    loss: Loss, theta: FloatArray, reach: float
) -> tuple[FloatArray, list[Slice], FloatArray]:
    """Take Newton steps on slices as long as they contract."""
    # Points move at most by reach, relative to their size in length scales or to one
    # length scale. Returns the points, a slice for each, and how far from the given
    # points a next step would end, in length scales: infinite if steps are not finite.
    start, theta = theta, theta.copy()
    limit = reach * np.maximum(sizes(loss, theta), 1.0)
    slices: list[Any] = [None] * len(theta)
    ahead = np.full(len(theta), np.inf)
    rows = np.arange(len(theta))
    for _ in range(_MAX_HESSIANS):
        if len(rows) == 0:
            break
        before = theta[rows].copy()
        for row, chosen in zip(rows, _slices(loss, theta[rows]), strict=True):
            slices[row] = chosen
        moved, ahead[rows] = _chords(
            loss, theta[rows], [slices[r] for r in rows], start[rows], limit[rows]
        )
        theta[rows] = moved
        far = sizes(loss, moved - before) > _FAR * np.maximum(sizes(loss, moved), 1.0)
        rows = rows[far & np.isfinite(ahead[rows]) & (ahead[rows] <= limit[rows])]
    return theta, slices, ahead


def _slices(loss: Loss, theta: FloatArray) -> Any:
    """Choose slices at points whose Hessians are finite."""
    hessians = np.asarray(to_host(loss.hessian(loss.asarray(theta))), dtype=float)
    tangents, _, _ = tangents_at(loss, theta)
    chosen, length = [], float(np.max(loss.length_scale()))
    for hessian, rows in zip(hessians, tangents, strict=True):
        fine = np.all(np.isfinite(hessian)) and np.all(np.isfinite(rows))
        symmetric = (hessian + hessian.T) / 2
        chosen.append(make_slice(symmetric, rows, length) if fine else None)
    return chosen


def _chords(
    loss: Loss,
    theta: FloatArray,
    slices: list[Slice],
    start: FloatArray,
    limit: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Take steps with fixed Hessians; return points and where the next steps end."""
    step = _steps(loss, theta, slices)
    ahead = sizes(loss, theta + step - start)
    active = ahead <= limit
    for _ in range(_MAX_CHORDS):
        if not np.any(active):
            break
        there = np.where(active[:, None], theta + step, theta)
        # As the loss sees them, which may compute in single precision.
        there = np.asarray(to_host(loss.asarray(there)), dtype=float)
        rest = _steps(loss, there, slices)
        old, new = sizes(loss, step), sizes(loss, rest)
        better = active & (new < old)
        theta = np.where(better[:, None], there, theta)
        step = np.where(better[:, None], rest, step)
        active = better & (new < _CONTRACTION * old)
        active &= sizes(loss, theta + step - start) <= limit
    ahead = sizes(loss, theta + step - start)
    return theta, np.where(np.isfinite(ahead), ahead, np.inf)


def _steps(loss: Loss, theta: FloatArray, slices: list[Slice]) -> FloatArray:
    """Compute Newton steps with given slices; infinite if there is none."""
    gradient = np.asarray(to_host(loss.gradient(loss.asarray(theta))), dtype=float)
    steps = np.full(theta.shape, np.inf)
    for row, chosen in enumerate(slices):
        if chosen is not None and np.all(np.isfinite(gradient[row])):
            steps[row] = chosen.newton(gradient[row])
    return steps
