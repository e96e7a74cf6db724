"""Counts of the eigenvalues of a Hessian that are negative, zero, or may be zero."""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.linalg import rounding_level
from skcrit.linalg._decompositions import eigvalsh
from skcrit.losses.base import Loss
from skcrit.search.frame import Frame, scaled_hessian
from skcrit.search.inertia_shares import InertiaShares
from skcrit.search.polish import Polished
from skcrit.search.scales import Scales
from skcrit.search.valleys import is_valley
from skcrit.search.vanishing import vanishes
from skcrit.solvers.status import Status

UNKNOWN = -1

# An eigenvalue below the error counts as zero only if the error is at most this
# multiple of that of the eigensolver: with a larger error it may be small without being
# zero.
_ROUNDING = 100.0

# With a larger error it is zero if the gradient stays zero over a distance. This is the
# largest value allowed on the way, relative to the Hessian; rounding errors are mostly
# far smaller.
_ZERO = 1e-10

# Near a point of higher multiplicity, such as the origin of a deep network, the Hessian
# is a small sum of terms, which are this many times larger at this distance in length
# scales. Eigenvalues are compared with these terms.
_LARGER, _AROUND = 100.0, 0.1

# Relative to the size of products: far above the errors of differences of gradients.
_ASYMMETRY = 1e-2

# Largest value of the Hessian along declared symmetries, relative to its norm.
FALSE_SYMMETRY = 1e-6


def is_symmetric(frame: Frame, error: FloatArray) -> BoolArray:
    """Check that the Hessian vanishes along symmetries, up to errors."""
    return frame.tangent_norm <= error + FALSE_SYMMETRY * frame.norm


def count_signs(
    loss: Loss, end: Polished, error: FloatArray, scales: Scales
) -> tuple[dict[str, IntArray | FloatArray], InertiaShares]:
    """Count negative and zero eigenvalues, with bounds."""
    # Returns columns of a Description, and shares of the eigenvalues at the level of
    # the errors of the Hessians; they are unknown if a declared symmetry does not hold.
    frame = end.frame
    values, tangent = to_host(frame.values), to_host(frame.is_tangent())
    declared = _declared(values, tangent, loss.n_zero_modes)
    values = np.where(declared, 0.0, values)
    negative = np.sum((values < -error[:, None]) & ~tangent, axis=1)
    small = (np.abs(values) <= error[:, None]) & ~tangent
    undecided = np.sum(small, axis=1)
    # A Hessian that is entirely zero has no natural size.
    nothing = np.all(small | tangent, axis=1)
    size = np.where(nothing, np.maximum(frame.norm, scales.curvature), frame.norm)
    symmetric = is_symmetric(frame, error) & _has_symmetric_products(loss, frame)
    rounding = _ROUNDING * rounding_level(values, frame.norm)
    known = symmetric & ((undecided == 0) | (error <= rounding))
    rows = np.flatnonzero(symmetric & ~known)
    part = frame.take(rows)
    known[rows] = _is_zero(loss, part, small[rows], error[rows], size[rows], scales)
    rows = np.flatnonzero(symmetric & ~known & (end.code == Status.CONVERGED))
    small &= ~declared
    known[rows] = is_valley(
        loss, end.take(rows), small[rows], _ZERO * size[rows], scales
    )
    flat = frame.n_tangent + undecided
    counts = _columns(values.shape[1], negative, flat, undecided, known, symmetric)
    relative = error / np.where(frame.norm > 0, frame.norm, 1.0)
    level = np.where(symmetric, relative, np.nan)
    return counts, InertiaShares.counted(negative, flat, values.shape[1], level)


def _columns(
    n: int,
    negative: IntArray,
    flat: IntArray,
    undecided: IntArray,
    known: BoolArray,
    symmetric: BoolArray,
) -> dict[str, IntArray | FloatArray]:
    """Return index and nullity if known, and bounds of the index."""
    low = np.where(symmetric, negative, 0)
    more = np.where(symmetric, np.where(known, 0, undecided), n)
    high = np.minimum(low + more, n)
    return {
        "morse_index": np.where(known, negative, UNKNOWN),
        "nullity": np.where(known, flat, UNKNOWN),
        "morse_index_low": low,
        "morse_index_high": high,
        "index_fraction": np.where(known, negative / n, np.nan),
        "index_fraction_low": low / n,
        "index_fraction_high": high / n,
    }


def _negligible_around(loss: Loss, frame: Frame, scales: Scales) -> FloatArray:
    """Return the negligible size near points of higher multiplicity, else zero."""
    size = size_around(loss, frame, scales)
    return np.where(size > _LARGER * frame.norm, _ZERO * size, 0.0)


def size_around(loss: Loss, frame: Frame, scales: Scales) -> FloatArray:
    """Measure Hessians a tenth of a length scale away, in the units of a frame."""
    signs = np.random.default_rng(2).choice([-1.0, 1.0], size=frame.theta.shape[-1])
    beside = frame.theta + _AROUND * scales.length * loss.asarray(signs)
    hessian = scaled_hessian(frame, loss.at(beside))
    return np.max(np.abs(to_host(eigvalsh(hessian))), axis=1, initial=0.0)


def _is_zero(
    loss: Loss,
    frame: Frame,
    small: BoolArray,
    error: FloatArray,
    size: FloatArray,
    scales: Scales,
) -> BoolArray:
    """Return where Hessians are zero along the eigenvectors of small eigenvalues."""
    level = _negligible_around(loss, frame, scales)
    nothing = np.all(small | to_host(frame.is_tangent()), axis=1)
    zero = ~nothing & (error <= level)
    # A Hessian that is small beside others is not zero for that.
    typical = _ROUNDING * rounding_level(to_host(frame.values), size)
    rows = np.flatnonzero(nothing)
    negligible = error[rows] <= np.maximum(level, typical)[rows]
    part = frame.take(rows)
    zero[rows] = vanishes(loss, part, small[rows], negligible, scales)
    return zero


def unexplained(loss: Loss, frame: Frame, error: FloatArray) -> BoolArray:
    """Return which eigenvalues may be zero, if no declared symmetry explains some."""
    # If there are more of them than are declared, their eigenvectors cannot be
    # distinguished from those of a symmetry.
    tangent = to_host(frame.is_tangent())
    small = (np.abs(to_host(frame.values)) <= error[:, None]) & ~tangent
    return small & (np.sum(small, axis=1) > loss.n_zero_modes)[:, None]


def _declared(values: FloatArray, tangent: BoolArray, n_zero: int) -> BoolArray:
    """Return which eigenvalues are the smallest, as many as are declared to be zero."""
    size = np.where(tangent, np.inf, np.abs(values))
    return np.argsort(np.argsort(size, axis=1), axis=1) < n_zero


def _has_symmetric_products(loss: Loss, frame: Frame) -> BoolArray:
    """Return whether products are those of a symmetric matrix, as a Hessian is."""
    xp, local = array_namespace(frame.theta), loss.at(frame.theta)
    draws = np.random.default_rng(0).standard_normal((2, frame.theta.shape[-1]))
    u, v = (frame.unit * loss.asarray(d)[None, :] for d in draws)
    Hu, Hv = local.hvp(u), local.hvp(v)
    error = to_host(xp.abs(xp.sum(u * Hv, axis=-1) - xp.sum(v * Hu, axis=-1)))
    size = to_host(xp.sum(xp.abs(u * Hv) + xp.abs(v * Hu), axis=-1))
    return error <= _ASYMMETRY * size
