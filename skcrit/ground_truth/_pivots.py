"""Open pivots: what makes a critical point of a deep network a strict saddle."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._typing import BoolArray, FloatArray, IntArray


def open_pivots(
    problem: Any, weights: list[FloatArray], rank: IntArray, rtol: FloatArray
) -> BoolArray:
    """Say which points have an open pivot: a bool per point."""
    # With P the projector of a critical set of rank k and Q = (I - P) C, the pivot
    # (i, j), i > j, is open when W_{j-1} ... W_1 Q W_L ... W_{i+1} is not zero and
    # W_{i-1} ... W_{j+1} has a rank above k. The Hessian has exactly as many negative
    # eigenvalues as inversions if and only if no pivot is open.
    #
    # ``rank`` and ``rtol`` have one entry per point. Singular values of a product M
    # count when they exceed rtol max(1, norm(M)); the block of Q when it exceeds rtol
    # times the largest entry of Q at the origin times the same maxima of its factors.
    # The scale 1 is that of a balanced network, whose end-to-end matrix is a projector;
    # layers are rescaled to equal norms first.
    depth = problem.depth
    weights = _equalize(weights)
    weights = [*weights[:-1], problem.outputs.T @ weights[-1]]
    weights[0] = weights[0] @ problem.inputs
    products = chain_products(weights)
    # Q^T in the bases of the problem, with W instead of P: equal at a critical point.
    residual = -products[depth, 1] * problem.moments
    diagonal = np.arange(min(residual.shape[-2:]))
    residual[:, diagonal, diagonal] += problem.cross[: diagonal.size]
    residual = residual.transpose(0, 2, 1)
    largest = max(problem.cross[0], np.finfo(np.float64).tiny)
    is_open = np.zeros(rank.shape, dtype=bool)
    for i in range(2, depth + 1):
        for j in range(1, i):
            block, scale = residual, np.full(rank.shape, largest)
            if j > 1:
                block = products[j - 1, 1] @ block
                scale = scale * np.maximum(1.0, frobenius(products[j - 1, 1]))
            if i < depth:
                block = block @ products[depth, i + 1]
                scale = scale * np.maximum(1.0, frobenius(products[depth, i + 1]))
            reaches = frobenius(block) > rtol * scale
            if i - 1 == j:
                passes = problem.layer_sizes[j] > rank
            else:
                passes = _numerical_rank(products[i - 1, j + 1], rtol) > rank
            is_open |= reaches & passes
    return is_open


def chain_products(weights: list[FloatArray]) -> dict[tuple[int, int], FloatArray]:
    """Multiply all runs of layers: a dict of W_b ... W_a by (b, a), 1 <= a <= b."""
    products = {}
    for a in range(1, len(weights) + 1):
        products[a, a] = weights[a - 1]
        for b in range(a + 1, len(weights) + 1):
            products[b, a] = weights[b - 1] @ products[b - 1, a]
    return products


def _equalize(weights: list[FloatArray]) -> list[FloatArray]:
    """Rescale the layers to equal norms by scalar factors of product 1."""
    # Near a set of rank >= 1 the product of the norms is at least about 1; below that
    # (the empty set) rescaling would lift noise of a vanishing layer to the size of the
    # others, so it is left.
    norms = np.stack([frobenius(w) for w in weights])
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        logs = np.log(norms)
        mean = logs.mean(axis=0)
        factors = np.where(mean > np.log(0.5), np.exp(mean - logs), 1.0)
    return [w * f[:, None, None] for w, f in zip(weights, factors, strict=True)]


def frobenius(matrices: FloatArray) -> FloatArray:
    """Compute the Frobenius norms of a stack of matrices."""
    return np.sqrt(np.sum(matrices * matrices, axis=(-2, -1)))


def _numerical_rank(matrices: FloatArray, rtol: FloatArray) -> IntArray:
    """Count the singular values above rtol max(1, norm)."""
    values = np.linalg.svd(matrices, compute_uv=False)
    floor = rtol[:, None] * np.maximum(1.0, values[:, :1])
    return np.sum(values > floor, axis=1)
