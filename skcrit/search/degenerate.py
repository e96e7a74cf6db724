"""Degenerate critical points that Newton steps approach and do not reach.

Where a loss is flat to second order, or nearly, the gradient is small in a whole
region, beside a critical point as on a tail. From the critical point it grows along
every line, to both sides: a power of the distance does, and so does a sum of products
of several small weights. Along a tail it grows to one side and fades to the other,
however large or small the gradient and its rounding errors are.
"""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace, take_rows, to_host
from skcrit._typing import Array, BoolArray, FloatArray
from skcrit.losses.base import Loss
from skcrit.search.frame import Frame, make_frame
from skcrit.search.inertia import size_around
from skcrit.search.polish import NOISE, gradient_noise, last_digits
from skcrit.search.scales import Scales
from skcrit.search.valleys import STEPS
from skcrit.solvers._vectors import norm

__all__ = ["grows_all_around"]

# Random lines through a point, in its weak directions. A tail of one direction among n
# is hidden from a line whose angle with it is nearly right, and not from several.
_N_LINES = 4

# Eigenvalues of weak directions, relative to the size of Hessians around the point.
_WEAK = 1e-3

# The gradient along weak directions grows by this factor, to both sides.
_GROWTH = 100.0

# Newton steps that lead back to the bottom of a valley, and how much of a gradient may
# be left across it, relative to that along it.
_N_STEPS = 8
_LEFT = 0.1


def grows_all_around(loss: Loss, theta: FloatArray, scales: Scales) -> BoolArray:
    """Return at which points gradients are small beside those all around.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : ndarray of shape (n, n_params)
        Points with small gradients.
    scales : Scales
        Natural units of the loss.

    Returns
    -------
    grows : ndarray of bool of shape (n,)
        Whether the gradient along weak directions, the loss being stationary across
        them, is larger by a factor of 100 on both sides of the point, on each of
        some random lines, at a distance of at most a tenth of a length scale.

    Notes
    -----
    Costs two dense Hessians, and at most 480 gradients.
    """
    grows = np.zeros(len(theta), dtype=bool)
    if len(theta) == 0:
        return grows
    frame = make_frame(loss, loss.at(loss.asarray(theta)), scales)
    weak = _weak(loss, frame, scales)
    noise = gradient_noise(loss, frame, scales)
    here = norm(weak * frame.components(frame.gradient))
    here = np.maximum(here, NOISE * norm(weak * noise))
    grows = norm(weak) > 0
    draws = np.random.default_rng(4).standard_normal((_N_LINES, frame.theta.shape[1]))
    for draw in draws:
        line = frame.combine(weak * loss.asarray(draw)[None, :])
        length = norm(line / scales.length)
        line = line / loss.asarray(np.where(length > 0, length, 1.0))[:, None]
        rows = np.flatnonzero(grows)
        for step in STEPS:
            part, off = frame.take(rows), step * take_rows(line, rows)
            good = np.ones(len(rows), dtype=bool)
            for shift in (off, -off):
                mask = take_rows(weak, rows)
                good &= _is_larger(loss, part, mask, shift, here[rows], scales)
            rows = rows[~good]
            if len(rows) == 0:
                break
        grows[rows] = False
    return grows


def _weak(loss: Loss, frame: Frame, scales: Scales) -> Array:
    """Return one for directions of small eigenvalues, else zero."""
    level = _WEAK * np.maximum(frame.norm, size_around(loss, frame, scales))
    small = abs(frame.values) <= loss.asarray(level)[:, None]
    return loss.asarray(to_host(small & ~frame.is_tangent()))


def _is_larger(
    loss: Loss,
    frame: Frame,
    mask: Array,
    shift: Array,
    level: FloatArray,
    scales: Scales,
) -> BoolArray:
    """Return where the gradient along weak directions is larger some way off."""
    xp = array_namespace(mask)
    strong = loss.asarray(~to_host(frame.is_tangent())) * (1 - mask)
    inverse = strong / xp.where(strong > 0, frame.values, xp.ones_like(mask))

    def components(theta: Array) -> Array:
        return frame.components(frame.unit * loss.gradient(theta))

    theta = frame.theta + shift
    for _ in range(_N_STEPS):
        theta = theta - frame.combine(inverse * components(theta))
    there = components(theta)
    along, across = norm(mask * there), norm(strong * there)
    error, left = np.zeros((2, len(along)))
    for change in last_digits(loss, theta, scales):
        moved = components(theta + change) - there
        error = np.maximum(error, norm(mask * moved))
        left = np.maximum(left, norm(strong * moved))
    arrived = across <= np.maximum(_LEFT * along, NOISE * left)
    return arrived & (along > _GROWTH * np.maximum(level, NOISE * error))
