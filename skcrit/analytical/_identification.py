"""Which critical set a numerical point belongs to, and how far to believe that."""

import numpy as np

from skcrit.analytical._formulas import inversions, losses, morse_indices, n_passed
from skcrit.analytical._hessian import response_moduli
from skcrit.analytical._match import Match
from skcrit.analytical._names import to_names
from skcrit.analytical._pivots import open_pivots
from skcrit.analytical._thin import data_gradient, split_weights, thin_factors

__all__ = ["match_points", "resolution"]

# Points times features squared that are worked on at a time.
_CHUNK = 2**21


def match_points(problem, theta, resolution, pivot_rtol):
    """Identify the critical sets of a batch of points.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    theta : ndarray of shape (..., n_params)
        Points.
    resolution : float
        Largest balanced gradient norm at which a point can be told apart.
    pivot_rtol : float
        Tolerance of the test for open pivots.

    Returns
    -------
    match : Match
        The nearest set of each point.
    """
    flat = theta.reshape(-1, problem.n_params)
    step = max(1, _CHUNK // problem.n_features**2)
    # One pass even without points, so that empty batches give empty columns.
    blocks = [
        _locate(problem, flat[i : i + step], pivot_rtol)
        for i in range(0, max(1, flat.shape[0]), step)
    ]
    found = {
        name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]
    }
    return Match.from_columns(_judge(problem, found, resolution), theta.shape[:-1])


def resolution(problem):
    """Compute the largest balanced gradient norm at which a point can be told apart.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.

    Returns
    -------
    resolution : float
        0.1 sqrt(s) min(min_gap, 2 w) / d with s the smallest singular value of an
        end-to-end matrix (1 without a penalty) and w the smallest positive eigenvalue,
        or with the penalty "sum" the smallest distance of an eigenvalue to ``tau``.
        Infinite if all eigenvalues are zero.
    """
    if problem.rank == 0:
        return np.inf
    weakest = problem.eigenvalues[problem.rank - 1]
    if problem.tau_sum > 0:
        weakest = np.min(np.abs(problem.eigenvalues - problem.tau_sum))
    # Halfway between two sets the factors of W have norm sqrt(s), which scales the
    # gradient there.
    shrink = np.sqrt(np.min(problem.singular_values, initial=1.0))
    return float(0.1 * shrink * min(problem.min_gap, 2 * weakest) / problem.n_features)


def _locate(problem, theta, pivot_rtol):
    # Everything that needs the weights themselves.
    weights, left, right, end, usable = _end_to_end(problem, theta)
    mask, margin, error = _nearest(problem, end)
    squared, r1, r2 = data_gradient(problem, left, right, end)
    is_open = np.zeros(usable.shape, dtype=bool)
    if problem.depth > 2:
        rank = mask.sum(axis=1)
        # At the largest rank the bottleneck closes every pivot.
        unsure = np.flatnonzero(rank < problem.max_rank)
        chosen = [w[unsure] for w in weights]
        is_open[unsure] = open_pivots(problem, chosen, rank[unsure], pivot_rtol)
    return {
        "usable": usable,
        "mask": mask,
        "margin": margin,
        "distance": _norm(error[:, :, : problem.rank]),
        "squared": squared,
        "certificate": _certificate(problem, r1, r2),
        "agrees": _value_agrees(problem, mask, end, error),
        "is_open": is_open,
    }


def _end_to_end(problem, theta):
    with np.errstate(over="ignore", invalid="ignore"):
        weights = split_weights(problem, theta)
        left, right = thin_factors(problem, weights)
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


def _judge(problem, found, resolution):
    # Everything that follows from the nearest set and the distances.
    mask, usable, squared = found["mask"], found["usable"], found["squared"]
    counts, rank = problem.counts(mask), mask.sum(axis=1)
    q = n_passed(problem, rank, "balanced")
    index = morse_indices(problem, counts, q)
    lower = index if problem.depth == 2 else inversions(problem, counts)
    estimate = np.sqrt(squared) / response_moduli(problem, mask, q)
    good = (found["distance"] < 0.5) & (np.sqrt(squared) <= resolution)
    good &= found["agrees"] & usable
    names = np.empty(mask.shape[0], dtype=object)
    names[:] = to_names(mask)
    return {
        "set": names,
        "mask": mask,
        "distance": np.where(usable, found["distance"], np.inf),
        "margin": np.where(usable, found["margin"], 0.0),
        "status": np.where(good, "identified", "ambiguous"),
        "loss": np.where(usable, losses(problem, counts), np.nan),
        "morse_index": np.where(usable & ~found["is_open"], index, -1),
        "index_lower_bound": np.where(usable, lower, 0),
        "squared_balanced_grad_norm": np.where(usable, squared, np.inf),
        "error_estimate": np.where(usable, estimate, np.inf),
        "certificate": np.where(usable, found["certificate"], np.inf),
    }


def _nearest(problem, end):
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
            values, vectors = np.linalg.eigh((block + block.transpose(0, 2, 1)) / 2)
            seen[:, part] = values[:, ::-1]
            turned.append((part, vectors[:, :, ::-1]))
    gains = s * (2 * seen - s)
    mask = np.zeros((end.shape[0], problem.n_features), dtype=bool)
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


def _largest_positive(gains, n_most):
    n, r = gains.shape
    chosen = gains > 0
    margin = np.min(np.abs(gains), axis=1, initial=np.inf)
    if r > n_most:
        # Stable, so that equal gains keep the larger eigenvalue.
        order = np.argsort(-gains, axis=1, kind="stable")
        ranked = np.take_along_axis(gains, order, axis=1)
        np.put_along_axis(chosen, order[:, n_most:], False, axis=1)
        # Where more gains are positive than fit, the last one in and the first one
        # out compete with each other.
        contest = np.abs(ranked[:, n_most - 1] - ranked[:, n_most])
        crowded = ranked[:, n_most] > 0
        margin = np.where(crowded, np.minimum(margin, contest), margin)
    return chosen, margin


def _value_agrees(problem, mask, end, error):
    # f - f_I = (1/d) (tr D K D^T - 2 tr (C - W_I K) D^T), D = W - W_I, K = C (+ tau):
    # an identity, so only rounding and overflow can violate the bound it implies.
    lam, tau = problem.eigenvalues, problem.tau_product
    s = np.where(mask[:, : problem.n_admissible], problem.singular_values, 0.0)
    target = np.zeros(mask.shape)
    target[:, : problem.n_admissible] = s
    size = np.sum(error * error * (lam + tau), axis=(1, 2))
    drift = _norm_rows(lam - target * (lam + tau)) * _norm(error)
    residual = end - np.eye(problem.n_features)
    value = np.sum(residual * residual * lam, axis=(1, 2))
    value += tau * np.sum(end * end, axis=(1, 2))
    known = np.sum(lam * (1 - target) ** 2 + tau * target**2, axis=1)
    rounding = 1e-10 * (known + size + lam[0])
    return np.abs(value - known) <= size + 2 * drift + rounding


def _certificate(problem, r1, r2):
    # R1 = W^T (W - I) C and R2 = (W - I) C W^T bound the distance of W to a projector
    # and of that projector to commuting with C; Davis-Kahan does the rest.
    distinct = problem.multiplicities.size == problem.n_features
    if problem.tau > 0 or not distinct:
        return np.full(r1.shape, np.inf)
    lam = problem.eigenvalues
    gap = np.min(lam[:-1] - lam[1:], initial=np.inf)
    with np.errstate(over="ignore"):
        eta = r1 / lam[-1]
        kappa = 2 * r2 + lam[0] * (8 * eta + 6 * eta**2)
        bound = 7 * eta + 6 * eta**2 + 2 * kappa / gap
    return np.where(kappa < gap / 2, bound, np.inf)


def _norm(matrices):
    return np.sqrt(np.sum(matrices * matrices, axis=(-2, -1)))


def _norm_rows(vectors):
    return np.sqrt(np.sum(vectors * vectors, axis=-1))
