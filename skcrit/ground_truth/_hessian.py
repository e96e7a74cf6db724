"""Hessian spectra at the balanced representatives, block by block.

In the bases of the problem the Hessian at a representative splits into blocks of at
most four parameters: *inner* pairs of used directions, *cross* pairs of a used and an
unused one, and *slots*, the free hidden units. Their eigenvalues are written so that
nothing cancels and that zeros are exactly zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skcrit._typing import BoolArray, FloatArray, IntArray

# Sets times rank times features that one pass over many sets may hold.
_CHUNK = 2**22


def hessian_spectrum(problem: Any, mask: BoolArray, q: int) -> FloatArray:
    """Compute all eigenvalues of the Hessian at a representative, ascending."""
    # ``mask`` is the canonical mask of one set of an autoencoder, and ``q`` the number
    # of hidden units that the middle layers pass on. The zeros are exact.
    used, unused = problem.eigenvalues[mask], problem.eigenvalues[~mask]
    low, high = _cross(problem, used[:, None], unused[None, :])
    parts = [low.ravel(), high.ravel(), _all_inner(problem, used)]
    slots = np.concatenate(_slots(problem, unused))
    parts.append(np.repeat(slots, q - used.size))
    if problem.tau_sum > 0:
        # Rotating a free unit into a used one costs penalty only.
        n_turns = used.size * (q - used.size)
        parts.append(np.full(n_turns, 4 * problem.tau_sum / problem.n_outputs))
    values = np.concatenate(parts)
    zeros = np.zeros(problem.n_params - values.size)
    return np.sort(np.concatenate([values, zeros]))


def min_moduli(problem: Any, masks: BoolArray, q: IntArray) -> FloatArray:
    """Compute the smallest non-zero modulus of a Hessian eigenvalue for each set."""
    # ``masks`` are canonical masks (n_sets, n_outputs), ``q`` is as above, one per set.
    # The modulus is infinite if the Hessian is zero.
    t, masks = _padded(problem, masks)
    used = t[: problem.n_admissible]
    cross = _nonzero_min(*_cross(problem, used[:, None], t[None, :]))
    slot = _nonzero_min(*_slots(problem, t))
    if problem.tau_sum > 0:
        inner = _inner_sum(problem, used[:, None], used[None, :])[0]
    else:
        # The diagonal of the smallest used eigenvalue is the smallest of all.
        inner = np.diag(_inner_scaled(problem, used))
        inner = np.where(np.eye(used.size, dtype=bool), inner, np.inf)
    turn = 4 * problem.tau_sum / problem.n_outputs

    def smallest(index: IntArray, mask: BoolArray, free: BoolArray) -> FloatArray:
        blocks = np.where(mask[:, None, :], np.inf, cross[index])
        best = blocks.min(axis=(1, 2), initial=np.inf)
        pairs = inner[index[:, :, None], index[:, None, :]]
        best = np.minimum(best, pairs.min(axis=(1, 2), initial=np.inf))
        slots = np.where(mask, np.inf, slot).min(axis=1)
        if turn > 0 and index.shape[1]:
            slots = np.minimum(slots, turn)
        return np.where(free, np.minimum(best, slots), best)

    return _by_rank(masks, q, smallest)


def response_moduli(problem: Any, masks: BoolArray, q: IntArray) -> FloatArray:
    """Bound the end-to-end error by the balanced gradient, to first order."""
    # ``norm(W - W_I) <= gradient / modulus`` near a critical set, from the block of
    # each pair: without a penalty min(|mu_-(i, j)|, sqrt(4 L) lambda_i / d), which is
    # sharp. With the penalty "sum" the bound is the smallest Hessian modulus over the
    # largest response of W to a weight, which is safe but not sharp. The modulus is
    # infinite for the empty set: there W responds to second order only.
    s = problem.singular_values
    t, masks = _padded(problem, masks)
    used = t[: problem.n_admissible]
    if problem.tau_sum > 0:
        top = np.max(np.where(masks[:, : s.size], s, 0.0), axis=1, initial=0.0)
        with np.errstate(divide="ignore"):
            return np.where(
                top > 0, min_moduli(problem, masks, q) / np.sqrt(2 * top), np.inf
            )
    # The response of s_i is sqrt(L) s_i^(1-1/L) for a unit move spread over L layers.
    response = s ** (2 - 2 / problem.depth)
    cross = _nonzero_min(*_cross(problem, used[:, None], t[None, :])) / np.sqrt(
        response[:, None]
    )
    inner = _inner_scaled(problem, used) / np.sqrt(problem.depth * response)

    def smallest(index: IntArray, mask: BoolArray, free: BoolArray) -> FloatArray:
        blocks = np.where(mask[:, None, :], np.inf, cross[index])
        best = blocks.min(axis=(1, 2), initial=np.inf)
        return np.minimum(best, inner[index].min(axis=1, initial=np.inf))

    return _by_rank(masks, q, smallest)


def _padded(problem: Any, masks: BoolArray) -> tuple[FloatArray, BoolArray]:
    """Return the numbers t and masks, with zeros for inputs beyond the outputs."""
    more = max(problem.n_seen - problem.n_outputs, 0)
    if more == 0:
        return problem.cross, masks
    return np.pad(problem.cross, (0, more)), np.pad(masks, ((0, 0), (0, more)))


def _by_rank(masks: BoolArray, q: IntArray, function: Callable[..., Any]) -> FloatArray:
    """Apply a function to sets of one rank at a time, in chunks of bounded size."""
    rank = masks.sum(axis=1)
    out = np.full(masks.shape[0], np.inf)
    for k in np.unique(rank):
        rows = np.flatnonzero(rank == k)
        step = max(1, _CHUNK // (max(1, int(k)) * masks.shape[1]))
        for start in range(0, rows.size, step):
            part = rows[start : start + step]
            index = np.nonzero(masks[part])[1].reshape(part.size, k)
            out[part] = function(index, masks[part], q[part] > k)
    return out


def _nonzero_min(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return the smaller modulus of each pair of eigenvalues that is not zero."""
    # Only the smaller eigenvalue of a pair can be zero (both, for a zero eigenvalue
    # of the data and a free unit).
    return np.minimum(
        np.where(low == 0, np.inf, np.abs(low)), np.where(high == 0, np.inf, high)
    )


def _cross(
    problem: Any, lam_i: FloatArray, lam_j: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the eigenvalues of (2/d) [[a, -lam_j], [-lam_j, lam_i]], lower first."""
    scale = 2 / problem.n_outputs
    if problem.scale is not None:
        # a = lam_i; more layers scale the block by powers of the singular value.
        scale = scale * (lam_i / problem.scale**2) ** (1 - 2 / problem.depth)
        return scale * (lam_i - lam_j), scale * (lam_i + lam_j)
    # The lower one from the determinant, whose factor lam_i - lam_j decides its sign
    # exactly.
    ts, tp = problem.tau_sum, problem.tau_product
    a = lam_j + ts * (1 - lam_j / lam_i)
    det = (lam_i - lam_j) * (lam_j + ts)
    if tp > 0:
        a = (lam_j + tp) * (lam_i / (lam_i + tp))
        # Divided before it is multiplied: cubes of eigenvalues could overflow.
        inner = (lam_i * lam_j + tp * (lam_i + lam_j)) / (lam_i + tp)
        det = (lam_i - lam_j) * inner
    high = (a + lam_i + np.hypot(a - lam_i, 2 * lam_j)) / 2
    return scale * (det / high), scale * high


def _slots(problem: Any, lam: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return tau -+ lambda, of a free unit and an unused direction."""
    scale = 2 / problem.n_outputs
    return scale * (problem.tau_sum - lam), scale * (problem.tau_sum + lam)


def _inner_scaled(problem: Any, lam: FloatArray) -> FloatArray:
    """Return the eigenvalue of a used direction with itself, without weight penalty."""
    # The zeros that belong to it are left out.
    size = 2 * problem.depth / problem.n_outputs
    if problem.scale is not None:
        return size * lam * (lam / problem.scale**2) ** (1 - 2 / problem.depth)
    s = lam / (lam + problem.tau_product)
    return size * (lam + problem.tau_product) * s


def _inner_sum(
    problem: Any, lam_r: FloatArray, lam_s: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the smallest eigenvalue of a pair of used directions, and two of them."""
    # The latter are a+tau -+ sqrt(tau^2+b^2); the third is 2 tau. On the diagonal b = 0
    # and the values are 2 (lambda - tau) and 2 tau.
    tau, scale = problem.tau_sum, 2 / problem.n_outputs
    n2 = 2 - tau / lam_r - tau / lam_s
    a, b = n2 * (lam_r + lam_s) / 2, n2 * (lam_s - lam_r) / 2
    root = np.hypot(tau, b)
    low, high = scale * (a + tau - root), scale * (a + tau + root)
    return np.minimum(low, 2 * scale * tau), low, high


def _all_inner(problem: Any, used: FloatArray) -> FloatArray:
    """Return all non-zero eigenvalues inside the used directions."""
    k = used.size
    if problem.tau_sum > 0:
        tau, scale = problem.tau_sum, 2 / problem.n_outputs
        r, s = np.triu_indices(k, 1)
        _, low, high = _inner_sum(problem, used[r], used[s])
        penalty = np.full(k + r.size, 2 * scale * tau)
        return np.concatenate([2 * scale * (used - tau), penalty, low, high])
    if problem.tau_product > 0:
        tau = problem.tau_product
        s = used / (used + tau)
        pairs = (used + tau)[:, None] * (s[:, None] + s[None, :])
        return (2 / problem.n_outputs * pairs).ravel()
    return np.repeat(_inner_scaled(problem, used), k)
