"""The size of the region of a loss's structure, estimated by rays and by descents."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.optimize import minimize

from skcrit._backend import to_host
from skcrit._typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

# Radii at which slopes along rays are computed, over eighteen orders of magnitude, and
# nine more each way for rays that do not turn there: of atoms in metres, for instance.
_RADII = np.geomspace(1e-9, 1e9, 145)
_NEAR, _FAR = _RADII[:72] * 1e-9, _RADII[73:] * 1e9
_ALL = np.concatenate([_NEAR, _RADII, _FAR])
_USUAL = slice(len(_NEAR), len(_NEAR) + len(_RADII))

# Rays in random directions, and the largest number of parameters for which each axis
# has rays of its own.
_N_RAYS = 16
_MAX_AXES = 64

# A slope below this multiple of its rounding errors is noise, and its sign says
# nothing. They are measured by changes of the last digit, and are the largest within
# half a decade of the radius: one of them can be zero by chance.
_NOISE, _N_CHANGES, _NEIGHBOURS = 4.0, 2, 4

# Near the centre a change of the last digit can be lost before it does anything. A
# slope is noise too if the loss changes along the ray by less than this many of its own
# rounding errors.
_UNSEEN = 16.0

# A slope with more changes of sign is periodic: then the first one counts.
_MANY = 8

# Without any change of sign: the place at which the slope turns from one power of the
# radius to another, by this difference of exponents.
_BENT = 0.5

# Descents: one from the centre, and others from random points beside it. Each takes at
# most this many values and gradients.
_N_DESCENTS, _MOST_VALUES = 3, 300

# The critical points are as far away as the turns of the loss along rays, up to this
# factor. Along a narrow valley that bends they can be hundreds of times farther away.
_BEYOND = 10.0

# A slope is rounding below this part of the largest at the start.
_NOTHING = 1e-12


def estimate_length(loss: Loss, center: FloatArray) -> FloatArray:
    """Estimate the size of the region that holds the critical points of a loss."""
    # It is where the loss turns, unless descents lead much farther away: a narrow
    # valley turns beside its bottom everywhere, and its critical points can lie
    # anywhere along it. That costs at most 900 values and gradients more.
    return lengthened(loss, center, turning_length(loss, center))


def turning_length(loss: Loss, center: FloatArray) -> FloatArray:
    """Find the distances from a centre at which a loss turns."""
    # Along a ray that leaves this region the loss does not turn any more, and inside of
    # it the loss turns at critical points. So the distance at which the slope along a
    # ray last changes its sign is the size of the region in this direction: for each
    # parameter from rays along its axis if they turn, else where the loss has changed
    # as much as along the axes that do, else from rays in random directions; one if no
    # ray turns or bends. Bends count only where nothing turns: those of a penalty lie
    # far beyond its minimum. Costs at most 7000 gradients, and 900 more for each
    # parameter up to 64 of them; three times as many if slopes of rays that do not turn
    # are rounding errors.
    n_params = len(center)
    # Two points first: what is wrong with a function is easier to read of their shape.
    with suppress(ArithmeticError), np.errstate(all="ignore"):
        loss.value(loss.asarray(np.stack([center, center])))
    rng = np.random.default_rng(7)
    rays = rng.standard_normal((_N_RAYS, n_params))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    usable = _reach(_slopes(loss, center, rays))
    usable = usable[np.isfinite(usable)]
    # A ray of length R moves each parameter by about R / sqrt(n).
    common = float(np.median(usable)) / np.sqrt(n_params) if len(usable) else 1.0
    length = np.full(n_params, common)
    if 1 < n_params <= _MAX_AXES:
        axes = np.eye(n_params)
        slopes = np.stack([_slopes(loss, center, s * axes) for s in (1, -1)])
        both = np.array([_reach(slopes[:, i]) for i in range(n_params)])
        own = np.nanmax(both, axis=1, initial=0)
        same = _equal_change(slopes, own)
        length = np.where(own > 0, own, np.where(same > 0, same, length))
    return length


def _equal_change(slopes: FloatArray, own: FloatArray) -> FloatArray:
    """Find the distance at which the loss changes along an axis as where it turns."""
    with np.errstate(over="ignore"):
        size = np.max(np.where(np.isfinite(slopes), np.abs(slopes), 0), axis=0) * _ALL
    turning = own[own > 0]
    size[:, np.min(turning, initial=_RADII[0]) > _ALL] = 0.0
    size[:, np.max(turning, initial=_RADII[-1]) < _ALL] = 0.0
    within = np.where(own[:, None] >= _ALL, size, 0.0)
    enough = size >= np.median(np.max(within, axis=1)[own > 0]) if own.any() else False
    # Slopes near the centre are rounding errors, but not beyond the first that
    # suffices.
    first = np.argmax(np.broadcast_to(enough, size.shape), axis=1)
    return np.where(np.any(enough, axis=-1), _ALL[first], 0.0)


def _slopes(loss: Loss, center: FloatArray, rays: FloatArray) -> FloatArray:
    """Compute slopes along rays at all radii, NaN if the usual ones show a turn."""
    slopes = np.full((len(rays), len(_ALL)), np.nan)
    slopes[:, _USUAL] = _seen(loss, center, rays, _RADII)
    rows = np.flatnonzero(np.isnan([_last_turn(row) for row in slopes]))
    if len(rows):
        # Rounding errors can feign a turn where two ranges meet: all radii at once.
        longer = _seen(loss, center, rays[rows], _ALL)
        straight = np.isnan([_last_turn(row) for row in longer])
        longer[straight, _USUAL] = slopes[rows[straight], _USUAL]
        slopes[rows] = longer
    return slopes


def _seen(
    loss: Loss, center: FloatArray, rays: FloatArray, radii: FloatArray
) -> FloatArray:
    """Compute slopes along rays at some radii, NaN for rounding errors that turn."""
    points = center + radii[:, None, None] * rays
    slopes = _slopes_at(loss, points, rays)
    # Without any change of sign rounding errors have nothing to feign.
    rows = np.flatnonzero([len(_sign_changes(row[row != 0])) for row in slopes])
    if len(rows):
        noise = _noise(loss, points[:, rows], rays[rows], slopes[rows])
        seen = np.abs(slopes[rows]) > _NOISE * noise
        seen &= _changes(loss, points[:, rows], slopes[rows], radii)
        slopes[rows] = np.where(seen, slopes[rows], np.nan)
    return slopes


def _changes(
    loss: Loss, points: FloatArray, slopes: FloatArray, radii: FloatArray
) -> BoolArray:
    """Return where slopes change the loss by more than its rounding errors."""
    try:
        with np.errstate(all="ignore"):
            value = np.abs(to_host(loss.value(loss.asarray(points)))).T
            level = _UNSEEN * float(np.finfo(loss.dtype).eps) * value
            return ~(np.abs(slopes) * radii <= level)
    except ArithmeticError:
        return np.ones(slopes.shape, dtype=bool)


def _noise(
    loss: Loss, points: FloatArray, rays: FloatArray, slopes: FloatArray
) -> FloatArray:
    """Measure rounding errors of slopes, the largest of some radii around each."""
    rng, eps = np.random.default_rng(11), float(np.finfo(loss.dtype).eps)
    error = np.zeros(slopes.shape)
    for _ in range(_N_CHANGES):
        change = eps * rng.choice([-1.0, 1.0], size=points.shape[-1])
        moved = _slopes_at(loss, points * (1 + change), rays)
        with np.errstate(invalid="ignore"):
            error = np.maximum(error, np.nan_to_num(np.abs(moved - slopes), posinf=0))
    wide = np.pad(error, [(0, 0), (_NEIGHBOURS, _NEIGHBOURS)], mode="edge")
    windows = sliding_window_view(wide, 2 * _NEIGHBOURS + 1, axis=1)
    return np.max(windows, axis=-1)


def _slopes_at(loss: Loss, points: FloatArray, rays: FloatArray) -> FloatArray:
    """Compute slopes along rays at points."""
    try:
        with np.errstate(all="ignore"):
            gradient = to_host(loss.gradient(loss.asarray(points)))
            return np.sum(gradient * rays, axis=-1).T
    except ArithmeticError:  # a function that raises in place of infinity
        return np.full((len(rays), len(points)), np.nan)


def _sign_changes(slope: FloatArray) -> IntArray:
    """Return after which slopes the sign is another one."""
    slope = slope[np.isfinite(slope)]
    return np.flatnonzero(np.sign(slope[1:]) != np.sign(slope[:-1]))


def _reach(slopes: FloatArray) -> FloatArray:
    """Find how far structure goes along rays: their turns or, without any, bends."""
    turns = np.array([_last_turn(row) for row in slopes])
    if np.any(np.isfinite(turns)):
        return turns
    return np.array([_first_bend(row[_USUAL]) for row in slopes])


def _last_turn(slope: FloatArray) -> float:
    """Find the radius at which a slope changes its sign last, NaN if it does not."""
    good = np.flatnonzero(np.isfinite(slope) & (slope != 0))
    turns = _sign_changes(slope[good])
    if not len(turns):
        return np.nan
    return float(_ALL[good[turns[0] if len(turns) > _MANY else turns[-1]]])


def _first_bend(slope: FloatArray) -> float:
    """Find the radius at which a slope goes from one power of it to another, or NaN."""
    good = np.flatnonzero(np.isfinite(slope) & (slope != 0))
    if len(good) < 2:
        return np.nan
    radii, slope = _RADII[good], slope[good]
    # A pure power of the radius has no scale: look for where its exponent changes.
    exponent = np.diff(np.log(np.abs(slope))) / np.diff(np.log(radii))
    bent = np.flatnonzero(np.abs(exponent - exponent[0]) > _BENT)
    return float(radii[bent[0]]) if len(bent) else np.nan


def lengthened(loss: Loss, center: FloatArray, length: FloatArray) -> FloatArray:
    """Make lengths longer if descents of these units lead far beyond them."""
    # Lengths at which the loss turns beside ``center`` become the median distances to
    # the ends of descents if these are longer, and most descents end far away at a
    # place beyond which the loss rises again.
    rng, ends = np.random.default_rng(13), []
    for number in range(_N_DESCENTS):
        # At the centre itself a symmetric loss is level.
        begin = rng.standard_normal(len(center)) if number else np.zeros(len(center))
        end = _end(loss, center, length, begin)
        if end is not None:
            ends.append(end)
    far = [end for end in ends if np.linalg.norm(end) > _BEYOND * len(end) ** 0.5]
    if 2 * len(far) <= _N_DESCENTS:
        return length
    return length * np.maximum(1.0, np.median(np.abs(far), axis=0))


def _end(
    loss: Loss, center: FloatArray, length: FloatArray, begin: FloatArray
) -> FloatArray | None:
    """Descend in units of the lengths; None without an end, as on a tail."""

    def point(x: FloatArray) -> FloatArray:
        # Twice: functions that take one point only are noticed by what they return.
        return loss.asarray(np.tile(center + length * x, (2, 1)))

    def slopes(x: FloatArray) -> FloatArray:
        return length * to_host(loss.gradient(point(x)))[0]

    def value(x: FloatArray) -> tuple[float, FloatArray]:
        return float(to_host(loss.value(point(x)))[0]) / size, slopes(x) / size

    options = {"maxfun": _MOST_VALUES, "maxiter": _MOST_VALUES, "ftol": 0.0}
    try:
        with np.errstate(all="ignore"):
            size = float(np.max(np.abs(slopes(begin))))
            if not 0 < size < np.inf:
                return None
            end = minimize(value, begin, jac=True, method="L-BFGS-B", options=options).x
            rises = slopes(2 * end) @ end / size > _NOTHING * np.linalg.norm(end)
            # An end is flatter than the beginning; what falls without end is not.
            rises &= np.max(np.abs(slopes(end))) < size
    except ArithmeticError:  # a function that raises in place of infinity
        return None
    return end if rises and np.all(np.isfinite(end)) else None
