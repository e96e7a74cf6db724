"""Degenerate critical points, which Newton steps approach without reaching them.

If a loss is flat to second order, or nearly so, the gradient is small in a whole
region, near a critical point as well as on a tail. From a critical point it grows along
every line, to both sides: this holds for powers of the distance, and for sums of
products of several small weights. Along a tail it grows to one side and decreases to
the other, whatever the size of the gradient and of its rounding errors.
"""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace, take_rows, to_host
from skcrit._typing import Array, BoolArray, FloatArray
from skcrit.losses.base import Loss
from skcrit.search.describe import errors_at
from skcrit.search.frame import Frame, make_frame
from skcrit.search.inertia import size_around, unexplained
from skcrit.search.noise import NOISE, gradient_noise, last_digits
from skcrit.search.polish import Polished
from skcrit.search.scales import Scales
from skcrit.search.tails import fades
from skcrit.search.valleys import STEPS
from skcrit.solvers._vectors import norm

# Lines through a point: along the eigenvectors of the longest Newton steps, which would
# include the direction of a tail, and as many random ones in all weak directions.
_N_LINES = 4

# Eigenvalues of weak directions, relative to the size of Hessians around the point.
_WEAK = 1e-3

# Factor by which the gradient along weak directions grows, to both sides.
_GROWTH = 100.0

# Number of Newton steps back to the bottom of a valley, and the largest gradient that
# may remain across it, relative to that along it.
_N_STEPS = 8
_LEFT = 0.1


@np.errstate(over="ignore", invalid="ignore")  # steps across may lead anywhere
def grows_all_around(loss: Loss, theta: FloatArray, scales: Scales) -> BoolArray:
    """Return at which points gradients are small compared with all those around."""
    # The gradient along weak directions, the loss being stationary across them, must be
    # larger by a factor of 100 on both sides of the point, on each of some lines, at a
    # distance of at most a tenth of a length scale. A point without weak directions is
    # regular. Gradients within their noise must not be those of a tail. It costs six
    # dense Hessians, at most 960 gradients, and what ``fades`` costs.
    grows = np.zeros(len(theta), dtype=bool)
    if len(theta) == 0:
        return grows
    frame = make_frame(loss, loss.at(loss.asarray(theta)), scales)
    level = _WEAK * np.maximum(frame.norm, size_around(loss, frame, scales))
    weak = abs(frame.values) <= loss.asarray(level)[:, None]
    weak = loss.asarray(to_host(weak & ~frame.is_tangent()))
    noise = gradient_noise(loss, frame, scales)
    n, n_params = frame.theta.shape
    end = Polished(frame, noise, np.zeros((n, n_params)), np.zeros(n, dtype=int))
    error = errors_at(loss, end, scales)[0]
    grows = np.isfinite(frame.norm)
    for line, looked_at in _lines(loss, end, weak, error):
        rows = np.flatnonzero(grows & (norm(line) > 0))
        few, seen, way = (take_rows(a, rows) for a in (weak, looked_at, line))
        grows[rows] = _grows_along(loss, end.take(rows), few, seen, way, scales)
    hidden = unexplained(loss, frame, error) & ~_is_seen(end)
    return grows & ~fades(loss, end, hidden, error, np.flatnonzero(grows), scales)


def _is_seen(end: Polished) -> BoolArray:
    """Return which components of the gradient are more than noise."""
    size = np.abs(to_host(end.frame.components(end.frame.gradient)))
    return size > NOISE * to_host(end.noise)


def _lines(
    loss: Loss, end: Polished, weak: Array, error: FloatArray
) -> list[tuple[Array, Array]]:
    """Choose lines, zero for rows with fewer lines, and components to examine."""
    n_params = weak.shape[1]
    curvature = np.abs(to_host(end.frame.values))
    curvature = np.where(curvature > error[:, None], curvature, 0.0)
    size = np.abs(to_host(end.frame.components(end.frame.gradient)))
    seen = (to_host(weak) > 0) & _is_seen(end)
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.where(seen, size / curvature, -1.0)
    order = np.argsort(-step, axis=1, kind="stable")[:, :_N_LINES]
    masks = [seen & (np.arange(n_params) == column[:, None]) for column in order.T]
    draws = np.random.default_rng(4).standard_normal((_N_LINES, n_params))
    lines = [(loss.asarray(mask), loss.asarray(mask)) for mask in masks]
    return lines + [(weak * loss.asarray(draw)[None, :], weak) for draw in draws]


def _grows_along(
    loss: Loss,
    end: Polished,
    weak: Array,
    looked_at: Array,
    line: Array,
    scales: Scales,
) -> BoolArray:
    """Return where components of the gradient grow to both sides along a line."""
    frame = end.frame
    line = frame.combine(line)
    here = norm(looked_at * frame.components(frame.gradient))
    here = np.maximum(here, NOISE * norm(looked_at * end.noise))
    line = line / loss.asarray(norm(line / scales.length))[:, None]
    left = np.arange(len(here))
    for step in STEPS:
        if len(left) == 0:
            break
        part = frame.take(left)
        masks = take_rows(weak, left), take_rows(looked_at, left)
        good = np.ones(len(left), dtype=bool)
        for side in (step, -step):
            shift = side * take_rows(line, left)
            good &= _is_larger(loss, part, *masks, shift, here[left], scales)
        left = left[~good]
    return ~np.isin(np.arange(len(here)), left)


def _is_larger(
    loss: Loss,
    frame: Frame,
    weak: Array,
    looked_at: Array,
    shift: Array,
    level: FloatArray,
    scales: Scales,
) -> BoolArray:
    """Return where components of the gradient are larger at a distance."""
    xp = array_namespace(weak)
    strong = loss.asarray(~to_host(frame.is_tangent())) * (1 - weak)
    inverse = strong / xp.where(strong > 0, frame.values, xp.ones_like(weak))

    def components(theta: Array) -> Array:
        return frame.components(frame.unit * loss.gradient(theta))

    theta = frame.theta + shift
    for _ in range(_N_STEPS):
        theta = theta - frame.combine(inverse * components(theta))
    there = components(theta)
    along, across = norm(looked_at * there), norm(strong * there)
    error, left = np.zeros((2, len(along)))
    for change in last_digits(loss, theta, scales):
        moved = components(theta + change) - there
        error = np.maximum(error, norm(looked_at * moved))
        left = np.maximum(left, norm(strong * moved))
    arrived = across <= np.maximum(_LEFT * along, NOISE * left)
    return arrived & (along > _GROWTH * np.maximum(level, NOISE * error))
