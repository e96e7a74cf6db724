"""The floors of curved valleys, followed until a gradient appears along them.

A straight line leaves the floor of a curved valley, and the gradient along the floor is
then hidden by the gradient across it. Therefore the floor itself is followed: by steps
along the flat directions, each corrected across them by Newton steps, until the
remaining gradient exceeds its rounding errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._backend import array_namespace, take_rows, to_host
from skcrit._rows import Rows
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.losses.base import Loss
from skcrit.search.frame import Frame, make_frame
from skcrit.search.noise import gradient_noise
from skcrit.search.scales import Scales
from skcrit.solvers._vectors import norm

# A gradient is significant above this multiple of its rounding errors: Newton steps
# treat up to 128 times the errors as zero.
SEEN = 1000.0

# From the point at which it is significant the gradient grows by this factor, over at
# least this fraction of a length scale unless it jumps. Powers of the distance from a
# kink, up to the second, need a shorter way.
GROWTH = 100.0
JUMP = 1e-4

# The way back is followed this many times as far, which excludes mirror images.
BEHIND = 4.0

# The gradient of a tail changes by less than this factor over this fraction of a length
# scale.
_STEADY = 2.0

# A step covers this fraction of the remaining way, or less by powers of two; a way ends
# if the rest or the steps are this short, in length scales.
_PART, _SHORTER, _LEFT, _SHORT = 0.5, 0.25, 0.1, 1e-7
_MAX_STEPS = 60

# Newton steps across the floor: with the Hessian of the last point, and with the new
# one. They must be short compared with the step along it, and leave at most this
# fraction of the significant gradient.
_FAR_STEPS, _NEAR_STEPS = 12, 4
_ASIDE, _ACROSS = 0.3, 0.1


class End:
    """Ends of a way."""

    WALKING, LOST, FAR, SEEN, JUMP = range(5)


@dataclass
class _Walk(Rows):
    """Walkers on floors, a row each.

    ``frame`` is that of the present point, ``n_flat`` the number of flat directions,
    ``target`` the point that the way leads to, or away from with a ``sign`` of -1,
    ``arc`` the length so far, and ``limit`` the largest length, in length scales;
    ``part`` is the fraction of the rest that the next step covers.
    """

    frame: Frame
    n_flat: IntArray
    target: Array
    sign: FloatArray
    arc: FloatArray
    limit: FloatArray
    part: FloatArray
    end: IntArray


def fades_along_floor(
    loss: Loss, frame: Frame, n_flat: IntArray, starts: Array, scales: Scales
) -> BoolArray:
    """Return where the gradient along a floor is that of a tail.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    frame : Frame
        Points with flat directions, n of them.
    n_flat : ndarray of int of shape (n,)
        Number of flat directions at each.
    starts : array of shape (n, n_params)
        Targets of the ways.
    scales : Scales
        Natural units of the loss.

    Returns
    -------
    fades : ndarray of bool of shape (n,)
        Whether the gradient appears gradually ahead, and not as far behind.

    Notes
    -----
    Costs about ten dense Hessians for each point, and several times as many on tails.
    """
    n = len(n_flat)
    ahead = walk(loss, frame, n_flat, starts, scales, np.ones(n), np.full(n, np.inf))
    result = ahead.end == End.SEEN
    rows = np.flatnonzero(result)
    if len(rows):
        limit = BEHIND * ahead.arc[rows]
        back = walk(
            loss,
            frame.take(rows),
            n_flat[rows],
            take_rows(starts, rows),
            scales,
            -np.ones(len(rows)),
            limit,
        )
        result[rows] = ~np.isin(back.end, (End.SEEN, End.JUMP))
    return result


def walk(
    loss: Loss,
    frame: Frame,
    n_flat: IntArray,
    starts: Array,
    scales: Scales,
    sign: FloatArray,
    limit: FloatArray,
) -> _Walk:
    """Follow floors towards starts, or away from them, until a gradient appears."""
    n = len(n_flat)
    walk = _Walk(
        frame=frame,
        n_flat=n_flat,
        target=starts,
        sign=sign,
        arc=np.zeros(n),
        limit=limit,
        part=np.full(n, _PART),
        end=np.full(n, End.WALKING),
    )
    for _ in range(_MAX_STEPS):
        rows = np.flatnonzero(walk.end == End.WALKING)
        if len(rows) == 0:
            break
        walk = walk.replace(rows, _stepped(loss, walk.take(rows), scales))
    walk.end = np.where(walk.end == End.WALKING, End.LOST, walk.end)
    return walk


def _masks(loss: Loss, frame: Frame, n_flat: IntArray) -> tuple[Array, Array]:
    """Return one for the flat directions, and for those across, else zero."""
    tangent = to_host(frame.is_tangent())
    size = np.where(tangent, np.inf, np.abs(to_host(frame.values)))
    rank = np.argsort(np.argsort(size, axis=1, kind="stable"), axis=1)
    flat = (rank < n_flat[:, None]) & ~tangent
    return loss.asarray(flat), loss.asarray(~flat & ~tangent)


def _across(
    loss: Loss, frame: Frame, strong: Array, theta: Array, n_steps: int, scales: Scales
) -> tuple[Array, FloatArray]:
    """Take Newton steps across the floor; return their total length."""
    xp = array_namespace(theta)
    usable = (strong > 0) & (frame.values != 0)
    one = xp.ones_like(strong)
    inverse = xp.where(usable, one, 0 * one) / xp.where(usable, frame.values, one)
    length = np.zeros(len(theta))
    for _ in range(n_steps):
        gradient = frame.unit * loss.gradient(theta)
        step = -frame.combine(inverse * frame.components(gradient))
        theta, length = theta + step, length + norm(step / scales.length)
    return theta, length


def _stepped(loss: Loss, walk: _Walk, scales: Scales) -> _Walk:
    """Take a step along the floor, unless it leads too far."""
    frame = walk.frame
    flat, strong = _masks(loss, frame, walk.n_flat)
    way = frame.components((walk.target - frame.theta) / frame.unit)
    way = frame.combine(flat * way) * loss.asarray(walk.sign)[:, None]
    rest = norm(way / scales.length)
    step = walk.part * rest
    theta = frame.theta + loss.asarray(walk.part)[:, None] * way
    theta, aside = _across(loss, frame, strong, theta, _FAR_STEPS, scales)
    good = np.isfinite(norm(theta)) & (aside <= _ASIDE * step)
    # Rejected points are replaced, because their Hessians may not be finite.
    theta = array_namespace(theta).where(
        loss.asarray(good)[:, None] > 0, theta, frame.theta
    )
    there = make_frame(loss, loss.at(theta), scales)
    size, quiet, there = _seen(loss, there, walk.n_flat, scales)
    good &= quiet
    over = good & (size > GROWTH)
    seen = good & (size > 1) & ~over
    moves = good & ~over
    steady = np.zeros(len(size), dtype=bool)
    rows = np.flatnonzero(seen)
    if len(rows):
        steady[rows] = _is_steady(
            loss, there.take(rows), walk.n_flat[rows], way[rows, :], scales
        )
    short = ~moves & (step <= np.where(over, JUMP, _SHORT))
    walk.end = np.where(seen, np.where(steady, End.SEEN, End.JUMP), walk.end)
    walk.end = np.where(short, np.where(over, End.JUMP, End.LOST), walk.end)
    walk.arc = walk.arc + np.where(moves, step, 0.0)
    done = (walk.end == End.WALKING) & (rest <= _LEFT)
    done |= (walk.end == End.WALKING) & (walk.arc > walk.limit)
    walk.end = np.where(done, End.FAR, walk.end)
    part = np.where(moves, 2 * walk.part, _SHORTER * walk.part)
    walk.part = np.minimum(part, _PART)
    rows = np.flatnonzero(moves)
    walk.frame = frame.replace(rows, there.take(rows)) if len(rows) else frame
    return walk


def _seen(
    loss: Loss, frame: Frame, n_flat: IntArray, scales: Scales
) -> tuple[FloatArray, BoolArray, Frame]:
    """Measure the gradient along a floor relative to its noise; check it across."""
    flat, strong = _masks(loss, frame, n_flat)
    theta, _ = _across(loss, frame, strong, frame.theta, _NEAR_STEPS, scales)
    frame.theta, frame.gradient = theta, frame.unit * loss.gradient(theta)
    components = frame.components(frame.gradient)
    noise = gradient_noise(loss, frame, scales)
    level = SEEN * norm(noise) + np.sqrt(np.finfo(loss.dtype).tiny)
    along, across = norm(flat * components), norm(strong * components)
    quiet = across <= np.maximum(level, _ACROSS * along)
    size = along / level
    return np.where(np.isfinite(size), size, np.inf), quiet, frame


def _is_steady(
    loss: Loss, frame: Frame, n_flat: IntArray, way: Array, scales: Scales
) -> BoolArray:
    """Return where a gradient along a floor changes little over a short way."""
    flat, strong = _masks(loss, frame, n_flat)
    here = norm(flat * frame.components(frame.gradient))
    steady = np.ones(len(here), dtype=bool)
    along = frame.combine(flat * frame.components(way / frame.unit))
    length = norm(along / scales.length)
    along = along * loss.asarray(JUMP / np.where(length > 0, length, 1.0))[:, None]
    for side in (along, -along):
        theta, _ = _across(loss, frame, strong, frame.theta + side, _NEAR_STEPS, scales)
        size = norm(flat * frame.components(frame.unit * loss.gradient(theta)))
        steady &= (size <= _STEADY * here) & (here <= _STEADY * size)
    return steady
