"""Description of the end of a search: whether it is critical, inertia, invariants.

Everything here comes from the loss's value, gradient and products, never from a ground
truth. An eigenvalue of the Hessian counts as zero only if a symmetry of the loss
explains it, or if it is below the *measured* error of this Hessian at this point and
that error is at the level of rounding. Eigenvalues beyond the error have a sign, and
all others are unknown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skcrit._backend import array_namespace, chunks_of_rows, take_rows, to_host
from skcrit._rows import Rows
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.linalg import rounding_level
from skcrit.linalg.dense import MAX_DENSE_FORMED
from skcrit.losses.base import Loss
from skcrit.losses.symmetries import rescaled, well_placed
from skcrit.search.frame import Frame, norm_of_rows, scaled_hessian
from skcrit.search.index_bounds import bound_index
from skcrit.search.inertia import (
    FALSE_SYMMETRY,
    UNKNOWN,
    count_signs,
    is_symmetric,
    unexplained,
)
from skcrit.search.inertia_shares import InertiaShares
from skcrit.search.noise import NOISE, last_digits
from skcrit.search.polish import (
    LONG,
    Polished,
    polish,
    without_false_tangents,
)
from skcrit.search.scales import Scales, natural_scales
from skcrit.search.tails import fades
from skcrit.solvers._vectors import norm
from skcrit.solvers.status import Status

# Safety factor on errors, which are measured with only a few random changes.
_SAFETY = 3.0

# Gradients up to 128 times their noise may be taken for zero, see polish. By the
# theorem of Newton and Kantorovich a step of that length leads to a critical point only
# if the Hessian changes by less than half on the way, which is a 256th per unit in the
# last place of the point. Near a pole it changes by more.
_STEADY = _SAFETY / 256


@dataclass
class Description(Rows):
    """Critical points and their properties, one row each, on the host."""

    # CONVERGED, UNCONFIRMED or ESCAPED for rows that were examined, the given status
    # for the others.
    status: IntArray
    # Refined critical points, well-scaled; the end points themselves if not confirmed.
    point: FloatArray
    loss: FloatArray
    # At the rescaled end point, before it was refined.
    squared_balanced_grad_norm: FloatArray
    # Estimated, from the rescaled end point to the critical set, in the unit of theta;
    # NaN if not confirmed.
    distance: FloatArray
    morse_index: IntArray  # -1 if unknown
    nullity: IntArray
    # Smallest and largest Morse index that the measured error allows.
    morse_index_low: IntArray
    morse_index_high: IntArray
    # Estimate of the Morse index over ``n_params``, NaN if unknown, and an interval for
    # it, from the bounds of the index. If no dense Hessian is formed, it is an interval
    # of at least 95 % confidence; it and the estimate then refer to the eigenvalues
    # below minus the level of ``inertia``.
    index_fraction: FloatArray
    index_fraction_low: FloatArray
    index_fraction_high: FloatArray
    inertia: InertiaShares
    n_tangent: IntArray  # of the symmetry orbit, as far as declared
    invariants: FloatArray  # of ``point``, in their natural units
    uncertainty: FloatArray  # estimated error, in their Euclidean norm


@np.errstate(over="ignore", invalid="ignore")  # failed searches can end anywhere
def describe(
    loss: Loss,
    theta: Array,
    status: IntArray,
    examine: BoolArray,
    scales: Scales,
    tails: bool = True,
) -> Description:
    """Describe the end points of a batch of searches, a row each."""
    # The points to examine are refined and judged. Such a point costs four to five
    # dense Hessians and two symmetric eigenproblems. Beyond 4096 parameters no dense
    # Hessian is formed: a point with the status CONVERGED keeps it, its inertia is
    # unknown, and the index is bounded by at most 2038 products. With tails=False
    # points are not examined for tails.
    result = _plain(loss, theta, status)
    finite = np.all(np.isfinite(result.point), axis=1)
    rows = np.flatnonzero(examine & finite)
    n_params = theta.shape[1]
    if len(rows) == 0:
        return result
    if n_params > MAX_DENSE_FORMED:
        return _bounded(loss, result, rows, scales)
    points = well_placed(loss, theta)
    for chunk in chunks_of_rows(rows, n_params**2, points):
        before, begin = result.take(chunk), take_rows(points, chunk)
        part = _examined(loss, begin, before, scales, tails)
        result = result.replace(chunk, part)
    return result


def _bounded(
    loss: Loss, result: Description, rows: IntArray, scales: Scales
) -> Description:
    """Bound the index of points whose Hessian is too large to be formed."""
    part = result.take(rows)
    # Shares refer to a level, on which the coordinates have an influence.
    users, points = loss._users_loss(loss.asarray(part.point))
    scales = scales if users is loss else natural_scales(users)
    found = bound_index(users, points, scales)
    part.morse_index_low, part.inertia = found.n_below, found.inertia
    # Relative to the level of the shares, which is the level of rounding if it is
    # resolved.
    part.index_fraction = found.inertia.share[:, 0]
    part.index_fraction_low = found.inertia.low[:, 0]
    part.index_fraction_high = found.inertia.high[:, 0]
    return result.replace(rows, part)


def undescribed(
    loss: Loss,
    theta: FloatArray,
    value: FloatArray,
    status: IntArray,
    squared: FloatArray,
) -> Description:
    """Make descriptions with unknown inertia, for ends that are not examined."""
    with np.errstate(over="ignore", invalid="ignore"):
        invariants = invariants_of(loss, loss.asarray(theta))
    ends = unplaced(value, status, squared, theta.shape[1])
    return replace(ends, point=theta, invariants=invariants)


def unplaced(
    value: FloatArray, status: IntArray, squared: FloatArray, n_params: int
) -> Description:
    """Make such descriptions without points and invariants, which need most memory."""
    n = len(value)
    return Description(
        status=np.array(status),
        point=np.empty((n, 0)),
        loss=value,
        squared_balanced_grad_norm=squared,
        distance=np.full(n, np.nan),
        morse_index=np.full(n, UNKNOWN),
        nullity=np.full(n, UNKNOWN),
        morse_index_low=np.zeros(n, dtype=int),
        morse_index_high=np.full(n, n_params),
        index_fraction=np.full(n, np.nan),
        index_fraction_low=np.zeros(n),
        index_fraction_high=np.ones(n),
        inertia=InertiaShares.unknown(n),
        n_tangent=np.zeros(n, dtype=int),
        invariants=np.empty((n, 0)),
        uncertainty=np.zeros(n),
    )


def _plain(loss: Loss, theta0: Array, status: IntArray) -> Description:
    """Describe points as they are, with unknown inertia."""
    points = rescaled(loss, theta0)
    local = loss.at(points)
    theta = np.array(to_host(points), dtype=float)
    finite = np.all(np.isfinite(theta), axis=1)
    squared = np.where(finite, norm(loss._users_gradient(local.gradient)) ** 2, np.nan)
    value = np.where(finite, to_host(local.value), np.nan)
    return undescribed(loss, theta, value, status, squared)


def _examined(
    loss: Loss, theta: Array, before: Description, scales: Scales, tails: bool
) -> Description:
    """Refine points, judge them, and count the signs of their eigenvalues."""
    end = polish(loss, theta, scales)
    end, (error, drift, uncertainty) = _measured(loss, end, scales)
    # If rounding can move a point that far, the critical point may be another one; and
    # if it changes the Hessian that much, nothing can be stated about this point.
    steady = error <= _STEADY * np.maximum(end.frame.norm, scales.curvature)
    blurred = (end.code == Status.CONVERGED) & ~(steady & (drift <= LONG))
    end.code[blurred] = Status.UNCONFIRMED
    outside = (end.code == Status.CONVERGED) & ~loss.inside(end.frame.theta)
    rows = np.flatnonzero((end.code == Status.CONVERGED) & tails)
    flat = unexplained(loss, end.frame, error)
    outside |= fades(loss, end, flat, error, rows, scales)
    end.code[outside] = Status.ESCAPED
    confirmed = end.code == Status.CONVERGED
    counts, shares = count_signs(loss, end, error, scales)
    counted = np.flatnonzero(confirmed & np.isfinite(shares.level))
    refined = loss.representative(end.frame.theta)
    keep = confirmed[:, None]
    moved = np.sqrt(np.sum(end.shift**2, axis=1)) + drift * np.max(
        to_host(scales.length)
    )
    return Description(
        status=end.code,
        point=np.where(keep, to_host(refined), before.point),
        loss=np.where(confirmed, to_host(loss.value(refined)), before.loss),
        squared_balanced_grad_norm=before.squared_balanced_grad_norm,
        distance=np.where(confirmed, moved, np.nan),
        invariants=np.where(keep, invariants_of(loss, refined), before.invariants),
        uncertainty=np.where(confirmed, uncertainty, 0.0),
        n_tangent=end.frame.n_tangent,
        inertia=before.inertia.replace(counted, shares.take(counted)),
        **{
            name: np.where(confirmed, column, getattr(before, name))
            for name, column in counts.items()
        },
    )


def invariants_of(loss: Loss, theta: Array) -> FloatArray:
    """Compute invariants in their natural units, on the host."""
    scale = to_host(loss.asarray(loss.invariants_scale()))
    return to_host(loss.invariants(theta)) / scale


def _measured(
    loss: Loss, end: Polished, scales: Scales
) -> tuple[Polished, tuple[FloatArray, ...]]:
    """Measure errors, and drop tangents that are not directions of symmetries."""
    errors = errors_at(loss, end, scales)
    # Near a point of smaller orbit, such as the origin, some tangents consist of
    # rounding errors. Moreover a symmetry may have been declared by mistake.
    rows = np.flatnonzero(~is_symmetric(end.frame, errors[0]))
    if len(rows):
        part = _without_false_tangents(loss, end.take(rows), scales)
        for column, found in zip(errors, errors_at(loss, part, scales), strict=True):
            column[rows] = found
        end = end.replace(rows, part)
    return end, errors


def _without_false_tangents(loss: Loss, end: Polished, scales: Scales) -> Polished:
    """Polish points again, with fewer directions taken for those of symmetries."""
    result = without_false_tangents(loss, end, scales, FALSE_SYMMETRY)
    rows = np.flatnonzero(end.code == Status.CONVERGED)
    if len(rows):
        # Along the directions that are now included a gradient may remain.
        part = polish(loss, result.take(rows).frame.theta, scales, FALSE_SYMMETRY)
        part.shift = part.shift + end.shift[rows]
        good = np.flatnonzero(part.code == Status.CONVERGED)
        result = result.replace(rows[good], part.take(good))
    return result


def errors_at(
    loss: Loss, end: Polished, scales: Scales
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Measure errors of the Hessian, of the point and of its invariants."""
    # The Hessian is formed again at points that differ in the last digit. Then rounding
    # errors of the gradient are converted into a displacement, which is large along
    # weak eigenvectors, and the Hessian is formed at the displaced point.
    frame = end.frame
    error = rounding_level(frame.values, frame.norm)
    error = error + _SAFETY * _systematic(loss, frame)
    changes = last_digits(loss, frame.theta, scales)[:2]
    for change in changes:
        error = np.maximum(error, _SAFETY * _change(loss, frame, change))
    weak = _displacement(loss, end, error)
    error = np.maximum(error, _SAFETY * _change(loss, frame, weak))
    before = invariants_of(loss, frame.theta)
    uncertainty = np.zeros(len(before))
    for change in (*changes, weak):
        shift = invariants_of(loss, frame.theta + change) - before
        size = np.sqrt(np.sum(shift * shift, axis=1))
        uncertainty = np.maximum(uncertainty, _SAFETY * size)
    drift = norm(weak / scales.length)
    return np.nan_to_num(error, nan=np.inf), drift, uncertainty


def _displacement(loss: Loss, end: Polished, error: FloatArray) -> Array:
    """Convert the noise of the gradient into a step."""
    xp, values = array_namespace(end.noise), end.frame.values
    known = xp.abs(values) > loss.asarray(error)[:, None]
    known = known & ~end.frame.is_tangent()
    inverse = 1 / xp.where(known, xp.abs(values), xp.ones_like(values))
    left = xp.abs(end.frame.components(end.frame.gradient))
    noise = NOISE * end.noise
    noise = xp.where(left > noise, left, noise)
    return end.frame.combine(noise * xp.where(known, inverse, xp.zeros_like(inverse)))


def _change(loss: Loss, frame: Frame, change: Array) -> FloatArray:
    """Measure how much the Hessian changes along a displacement."""
    moved = scaled_hessian(frame, loss.at(frame.theta + change))
    moved -= frame.hessian
    return norm_of_rows(moved)


def _systematic(loss: Loss, frame: Frame) -> FloatArray:
    """Bound errors of products that are differences of gradients."""
    error = loss.at(frame.theta).hessian_error()
    if not bool(array_namespace(error).any(error != 0)):
        return np.zeros(len(frame.norm))
    error = error * frame.unit[:, :, None]
    return norm_of_rows(error * frame.unit[:, None, :])
