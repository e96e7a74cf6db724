"""Which critical set a numerical point belongs to, and how certain that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.ground_truth._factors import halves, split_weights, thin_svd
from skcrit.ground_truth._hessian import min_moduli, response_moduli
from skcrit.ground_truth._names import to_names
from skcrit.ground_truth._pivots import frobenius, open_pivots
from skcrit.ground_truth.base import Match
from skcrit.linalg import eigh

# Points times features squared that are worked on at a time.
_CHUNK = 2**21

# Between a bound of first order and a tolerance: covers what is left of higher order
# at gradient norms up to the resolution of the spectrum.
_SAFETY = 2.0

# Weights of a point with a gradient that are surely zero at the critical point.
_NO_WEIGHT = 1e-12

# Rounding of a value, in units of eps times features times the sizes of the factors.
_ROUNDING = 10.0


@dataclass(frozen=True, eq=False)
class LinearMatch(Match):
    r"""The critical set of a linear network nearest to each of a batch of points.

    The fields of :class:`Match`, with these meanings, and some more.

    Parameters
    ----------
    set : tuple of int, or ndarray of object of shape (...,)
        Canonical name of the nearest critical set.
    distance : float or ndarray of shape (...,)
        Frobenius distance between the end-to-end matrix and the nearest one of the set,
        on directions with data only: U^T W U_+, the columns of positive eigenvalues.
        Without a penalty different sets are at least 1 apart.
    margin : float or ndarray of shape (...,)
        The smallest change of the squared distance by which one index would enter or
        leave the set.
    status : str or ndarray of str of shape (...,)
        "identified" when the distance is below 1/2 and the balanced gradient norm at
        most the resolution; else "ambiguous".
    loss, loss_tolerance : float or ndarray of shape (...,)
        Loss of the nearest set (not of the point), and the largest difference from it
        that can be explained by the balanced gradient and rounding.
    morse_index : int or ndarray of shape (...,)
        Morse index of the nearest set; -1 if a deep network has an open pivot, or may
        have one within the given gradient, so that the formula gives only a lower
        bound.
    least_index : int or ndarray of shape (...,)
        The Morse index if it is known. At an open pivot the number of inversions
        plus one, or without the one if only weights that the gradient allows at a
        critical point with none open the pivot.
    mask : ndarray of shape (..., n_features), dtype bool
        The name of the set as a mask.
    index_lower_bound : int or ndarray of shape (...,)
        Every critical point of the set has at least this Morse index.
    squared_balanced_grad_norm : float or ndarray of shape (...,)
        Squared gradient norm at the balanced factorisation of the end-to-end matrix.
        With the penalty "sum" that factorisation would be another point of the loss,
        and this is the squared norm of the gradient at ``theta`` itself.
    error_estimate : float or ndarray of shape (...,)
        First-order estimate of the distance, computed from the gradient; 0 for the
        empty set, at which the end-to-end matrix depends on the weights to second
        order.
    certificate : float or ndarray of shape (...,)
        Rigorous bound on the distance to *some* critical end-to-end matrix; infinite
        if no bound is proved: penalties, zero or repeated eigenvalues, or a gradient
        that is too large.

    Notes
    -----
    A point with squared balanced gradient norm s is not on the critical set, and its
    loss differs from the set's. If the Hessian has no zero eigenvalues but those of the
    set, the difference is :math:`g^T H^+ g / 2 \le s / (2 \mu)` to first order, with
    :math:`\mu` the smallest modulus of the others. Hidden units that a set leaves free,
    in a network of L > 2 layers, are flat to order L: their share of the loss is at
    most :math:`\sqrt{s} (\sqrt{s} / \omega)^{1/(L-1)}`, :math:`\omega = 2 \lambda / d`
    for the weakest positive eigenvalue. Directions that the data do not see are flat to
    order 4 under the penalty "product", and :math:`\lambda` is then the smaller of it
    and the penalty's threshold. ``loss_tolerance`` is twice the sum of s / mu and this
    share, plus the rounding errors of a product of layers of the point's size, at the
    scale of the loss at the origin.
    """

    mask: np.ndarray
    index_lower_bound: object
    squared_balanced_grad_norm: object
    error_estimate: object
    certificate: object


def match_points(
    problem: Any,
    theta: FloatArray,
    grad_norm: FloatArray,
    dtype: str,
    pivot_rtol: float,
) -> LinearMatch:
    """Identify the critical sets of points (..., n_params), as a LinearMatch."""
    flat = theta.reshape(-1, problem.n_params)
    size = problem.n_outputs * max(problem.inputs.shape[1], 1)
    step = max(1, _CHUNK // size)
    # One pass even without points, so that empty batches give empty columns.
    blocks = [
        _locate(problem, flat[i : i + step], grad_norm[i : i + step], pivot_rtol)
        for i in range(0, max(1, flat.shape[0]), step)
    ]
    found = {
        name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]
    }
    found["rounding"] = _rounding(problem, flat, dtype)
    return LinearMatch.from_columns(_judge(problem, found), theta.shape[:-1])


def resolution(problem: Any) -> float:
    """Compute the largest balanced gradient norm at which points are distinct."""
    # 0.1 sqrt(s) min(min_gap, 2 w) / d with s the smallest singular value of an end-to-
    # end matrix (1 without a penalty) and w the smallest positive eigenvalue, or with
    # the penalty "sum" the smallest distance of an eigenvalue to tau. Halfway between
    # two sets the factors of W have norm sqrt(s), which scales the gradient there.
    if problem.rank == 0:
        return np.inf
    t = problem.cross
    weakest = t[problem.rank - 1]
    if problem.tau_sum > 0:
        # An eigenvalue at the threshold makes free units flat, and no further set.
        distances = np.abs(problem.eigenvalues - problem.tau_sum)
        nothing_at = np.inf if problem.n_at_threshold == 0 else problem.tau_sum
        weakest = np.min(distances[distances > 0], initial=nothing_at)
    distinct = t[problem.cluster_starts]
    gaps = distinct[:-1] - distinct[1:]
    least = np.min(gaps, initial=(2 if problem.scale is None else 1) * weakest)
    shrink = np.min(problem.singular_values, initial=1.0) ** (1 - 1 / problem.depth)
    return float(0.1 * shrink * least / problem.n_outputs)


def _locate(
    problem: Any, theta: FloatArray, grad_norm: FloatArray, pivot_rtol: float
) -> dict[str, FloatArray]:
    """Compute everything that needs the weights themselves."""
    weights, left, right, end, usable = _end_to_end(problem, theta)
    mask, margin, error = _nearest(problem, end)
    squared, r1, r2 = _data_gradient(problem, left, right, end)
    still_open = np.zeros((2, *usable.shape), dtype=bool)
    if problem.depth > 2:
        rank = mask.sum(axis=1)
        noise = _pivot_noise(problem, grad_norm, pivot_rtol)
        # Near a critical point weights of any size below the noise may belong to it or
        # not: only those at the level of rounding are surely none.
        least = np.where(grad_norm > 0, min(pivot_rtol, _NO_WEIGHT), pivot_rtol)
        tolerances = (least, noise)
        # At the largest rank the bottleneck closes every pivot.
        unsure = np.flatnonzero(rank < problem.max_rank)
        for row, rtol in enumerate(tolerances):
            some = [w[unsure] for w in weights]
            is_open = open_pivots(problem, some, rank[unsure], rtol[unsure])
            unsure = unsure[is_open]
            still_open[row, unsure] = True
    return {
        "usable": usable,
        "mask": mask,
        "margin": margin,
        "distance": frobenius(error[:, :, : problem.n_seen]),
        "squared": squared,
        "certificate": _certificate(problem, r1, r2),
        "is_open": still_open[0],
        "surely_open": still_open[1],
    }


def _end_to_end(
    problem: Any, theta: FloatArray
) -> tuple[list[FloatArray], FloatArray, FloatArray, FloatArray, BoolArray]:
    """Multiply the layers, and say which points have numbers of usable size."""
    with np.errstate(over="ignore", invalid="ignore"):
        weights = split_weights(theta, problem.shapes)
        right, left = halves(weights)
        right, left = right @ problem.inputs, problem.outputs.T @ left
        end = left @ right
        # Squares of what is larger overflow: such points have diverged and match
        # nothing. NaN fails the comparisons too.
        usable = np.all(np.isfinite(theta), axis=1)
        for array, bound in ((left, 1e140), (right, 1e140), (end, 1e70)):
            usable &= np.all(np.abs(array) < bound, axis=(1, 2))
    if not np.all(usable):
        keep = usable[:, None, None]
        left, right, end = (np.where(keep, a, 0.0) for a in (left, right, end))
        weights = [np.where(keep, w, 0.0) for w in weights]
    return weights, left, right, end, usable


def _judge(problem: Any, found: dict[str, FloatArray]) -> dict[str, FloatArray]:
    """Compute everything that follows from the nearest set and the distances."""
    mask, usable, squared = found["mask"], found["usable"], found["squared"]
    counts, rank = problem.counts(mask), mask.sum(axis=1)
    q = problem.n_passed(rank, "balanced")
    index = problem.morse_indices(counts, q)
    lower = index if problem.depth == 2 else problem.inversions(counts)
    estimate = np.sqrt(squared) / response_moduli(problem, mask, q)
    close = np.sqrt(squared) <= resolution(problem)
    good = (found["distance"] < problem.reach) & close
    names = np.empty(mask.shape[0], dtype=object)
    names[:] = to_names(mask)
    with np.errstate(over="ignore", invalid="ignore"):
        tolerance = _SAFETY * _loss_bound(problem, mask, q, squared) + found["rounding"]
    known = usable & ~found["is_open"]
    return {
        "set": names,
        "mask": mask,
        "distance": np.where(usable, found["distance"], np.inf),
        "margin": np.where(usable, found["margin"], 0.0),
        "status": np.where(good & usable, "identified", "ambiguous"),
        "loss": np.where(usable, problem.losses(counts), np.nan),
        "loss_tolerance": np.where(usable, tolerance, np.inf),
        "morse_index": np.where(known, index, -1),
        "least_index": np.where(
            known, index, np.where(usable, lower + found["surely_open"], 0)
        ),
        "index_lower_bound": np.where(usable, lower, 0),
        "squared_balanced_grad_norm": np.where(usable, squared, np.inf),
        "error_estimate": np.where(usable, estimate, np.inf),
        "certificate": np.where(usable, found["certificate"], np.inf),
    }


def _nearest(problem: Any, end: FloatArray) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Find the nearest set, its margin, and the difference of the end-to-end matrix."""
    # The squared distance to a set is a constant minus the sum of the gains
    # s (2 m - s) of its indices, so the largest positive gains are the exact minimiser.
    r, s = problem.n_admissible, problem.singular_values
    seen = np.diagonal(end, axis1=1, axis2=2)[:, :r].copy()
    turned = []
    for start, m in zip(problem.cluster_starts, problem.multiplicities, strict=True):
        if m > 1:
            # In a tied eigenspace the set holds every projector of its rank.
            part = slice(start, start + m)
            block = end[:, part, part]
            values, vectors = eigh((block + block.transpose(0, 2, 1)) / 2)
            seen[:, part] = values[:, ::-1]
            turned.append((part, vectors[:, :, ::-1]))
    gains = s * (2 * seen - s)
    mask = np.zeros((end.shape[0], problem.n_outputs), dtype=bool)
    mask[:, :r], margin = _largest_positive(gains, problem.bottleneck)
    used = np.where(mask[:, :r], s, 0.0)
    error = end.copy()
    for part, vectors in turned:
        scaled = vectors * used[:, None, part]
        error[:, part, part] -= scaled @ vectors.transpose(0, 2, 1)
        used[:, part] = 0.0
    diagonal = np.arange(r)
    error[:, diagonal, diagonal] -= used
    return mask, margin, error


def _largest_positive(gains: FloatArray, n_most: int) -> tuple[BoolArray, FloatArray]:
    """Choose the largest positive gains, at most n_most of each row, with a margin."""
    n, r = gains.shape
    chosen = gains > 0
    margin = np.min(np.abs(gains), axis=1, initial=np.inf)
    if r > n_most:
        # Stable, so that equal gains keep the larger eigenvalue.
        order = np.argsort(-gains, axis=1, kind="stable")
        ranked = np.take_along_axis(gains, order, axis=1)
        np.put_along_axis(chosen, order[:, n_most:], False, axis=1)
        # If more gains are positive than fit, the last one in and the first one
        # out compete with each other.
        contest = np.abs(ranked[:, n_most - 1] - ranked[:, n_most])
        crowded = ranked[:, n_most] > 0
        margin = np.where(crowded, np.minimum(margin, contest), margin)
    return chosen, margin


def _data_gradient(
    problem: Any, left: FloatArray, right: FloatArray, end: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute the squared balanced gradient norm, and two residuals of the data."""
    # With the thin singular value decomposition W = A S B^T and G = dF/dW, the gradient
    # at the balanced factorisation has the blocks S^((L-l)/L) A^T G B S^((l-1)/L), with
    # A omitted for l = L and B for l = 1. It is a function of W alone. With the penalty
    # on the weights, which only rotations leave invariant, the blocks are those of the
    # gradient at the given point. The residuals are the norms of W^T (W - I) C and (W -
    # I) C W^T; they are zero with that penalty. M = W (C + tau I) - C; G = (2/d) M.
    m = end * problem.moments
    diagonal = np.arange(min(m.shape[-2:]))
    m[:, diagonal, diagonal] -= problem.cross[: diagonal.size]
    scale = 4 / problem.n_outputs**2
    if problem.tau_sum > 0:
        tau = problem.tau_sum
        first = left.transpose(0, 2, 1) @ m + tau * right
        last = m @ right.transpose(0, 2, 1) + tau * left
        squares = [np.sum(part * part, axis=(-2, -1)) for part in (first, last)]
        squared = scale * (squares[0] + squares[1])
        return squared, np.zeros(squared.shape), np.zeros(squared.shape)
    if problem.tau_product == 0:
        # What the data do not see is not determined; the balanced point has none of it.
        right = right.copy()
        right[:, :, problem.n_seen :] = 0.0
    a, s, bt = thin_svd([right, left])
    b = bt.transpose(0, 2, 1)
    x, y = a.transpose(0, 2, 1) @ m, m @ b
    # Squares of the blocks, with S as weights of the rows and columns.
    x_rows, y_columns = np.sum(x * x, axis=2), np.sum(y * y, axis=1)
    n_layers = problem.depth
    weight = s ** (2 * (n_layers - 1) / n_layers)
    squared = np.sum(weight * (x_rows + y_columns), axis=1)
    if n_layers > 2:
        core = (x @ b) ** 2
        for layer in range(2, n_layers):
            rows = s ** (2 * (n_layers - layer) / n_layers)
            columns = s ** (2 * (layer - 1) / n_layers)
            squared += np.sum(
                rows[:, :, None] * core * columns[:, None, :], axis=(1, 2)
            )
    r1 = np.sqrt(np.sum(s * s * x_rows, axis=1))
    r2 = np.sqrt(np.sum(s * s * y_columns, axis=1))
    return scale * squared, r1, r2


def _certificate(problem: Any, r1: FloatArray, r2: FloatArray) -> FloatArray:
    """Bound the distance to some critical end-to-end matrix, if that is proved."""
    # R1 = W^T (W - I) C and R2 = (W - I) C W^T bound the distance of W to a projector
    # and of that projector to commuting with C; Davis-Kahan does the rest.
    plain = problem.scale is None and problem.tau_sum == problem.tau_product == 0
    if not plain or problem.multiplicities.size < problem.n_outputs:
        return np.full(r1.shape, np.inf)
    lam = problem.eigenvalues
    gap = np.min(lam[:-1] - lam[1:], initial=np.inf)
    with np.errstate(over="ignore"):
        eta = r1 / lam[-1]
        kappa = 2 * r2 + lam[0] * (8 * eta + 6 * eta**2)
        bound = 7 * eta + 6 * eta**2 + 2 * kappa / gap
    return np.where(kappa < gap / 2, bound, np.inf)


def _loss_bound(
    problem: Any, mask: BoolArray, q: IntArray, squared: FloatArray
) -> FloatArray:
    """Bound the difference in loss to the nearest set by the gradient, first order."""
    bound = squared / min_moduli(problem, mask, q)
    weakest, order = problem.cross[max(problem.rank - 1, 0)], problem.depth
    most = problem.max_rank
    if problem.tau_product > 0 and problem.rank < problem.n_outputs:
        # Directions that the data do not see are flat to order 4.
        weakest, order = min(weakest, problem.tau_product), 4
        most = problem.bottleneck
    if problem.n_at_threshold > 0:
        # And so is a free unit along an eigenvector whose eigenvalue is the threshold.
        weakest, order, most = problem.tau_sum, 4, problem.bottleneck
    if order > 2 and weakest > 0:
        norm, omega = np.sqrt(squared), 2 * weakest / problem.n_outputs
        flat = norm * (norm / omega) ** (1 / (order - 1))
        bound = bound + np.where(mask.sum(axis=1) < most, flat, 0.0)
    return bound


def _pivot_noise(problem: Any, grad_norm: FloatArray, pivot_rtol: float) -> FloatArray:
    """Bound the weights of a point in the place of zeros of the critical point."""
    if problem.rank == 0:
        return np.full(grad_norm.shape, pivot_rtol)
    omega = 2 * problem.cross[problem.rank - 1] / problem.n_outputs
    norm = grad_norm / problem.grad_factor
    noise = (_SAFETY * norm / omega) ** (1 / (problem.depth - 1))
    return np.maximum(pivot_rtol, noise)


def _rounding(problem: Any, theta: FloatArray, dtype: str) -> FloatArray:
    """Bound the rounding error of a computed loss."""
    with np.errstate(over="ignore", invalid="ignore"):
        # The product of the norms of L layers is largest when they are equal.
        size = (np.sum(theta**2, axis=1) / problem.depth) ** (problem.depth / 2)
        unit = np.finfo(dtype).eps * max(problem.layer_sizes[0], problem.n_outputs)
        return _ROUNDING * unit * problem.rounding(size)
