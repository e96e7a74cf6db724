r"""Hessians of networks, from the second derivatives by what their units take in.

A parameter in row i of W_l acts on the loss through z_l,i alone. In the notation of
:mod:`skcrit.losses.layers`, with J_(l,k) the derivatives of z_l by z_k and M_l the
second derivatives of the loss of a sample by z_l,

    M_L = ell'',  M_l = phi' W_(l+1)^T M_(l+1) W_(l+1) phi' + diag(phi'' e_l),

the parameters (i, j) of layer l and (i', j') of layer k <= l have the second derivative

    sum over samples of (M_l J_(l,k))_ii' a_(l-1),j a_(k-1),j'
    + [k < l] d_l,i (phi' J_(l-1,k))_ji' a_(k-1),j',

whose last term is zero for an intercept j. One matrix product sums over samples for all
parameters of two layers. This is less work than a product with each unit vector.
"""

from __future__ import annotations

from typing import Any

from skcrit._backend import array_namespace, device, transposed
from skcrit._typing import Array
from skcrit.losses.layers import Sweep

# Numbers in products of inputs that are formed together, whatever the batch.
_MOST_NUMBERS = 2**17


def hessian_of(sweep: Sweep) -> Array:
    """Form the Hessians of the sum over samples, symmetric but for rounding."""
    corners = [0]
    for W in sweep.weights:
        corners.append(corners[-1] + W.shape[-2] * W.shape[-1])
    parts = [slice(*pair) for pair in zip(corners[:-1], corners[1:], strict=True)]
    n_points = sweep.outputs.shape[0]
    hessian = _zeros((n_points, corners[-1], corners[-1]), sweep.outputs)
    for layer, M in enumerate(_second_derivatives(sweep)):
        for k, block in _blocks(sweep, layer, M):
            hessian[:, parts[layer], parts[k]] = block
            if k < layer:
                hessian[:, parts[k], parts[layer]] = transposed(block)
    return hessian


def _second_derivatives(sweep: Sweep) -> list[Array]:
    """Compute M_l of all layers, of shape (n_points, n, n, n_samples)."""
    M = sweep.curvature()
    second = [M]
    for layer in range(len(sweep.weights) - 2, -1, -1):
        M = _chained(sweep, layer, M)
        M = _chained(sweep, layer, _swapped(M))
        bend = sweep.bend(layer)
        for i in range(M.shape[1] if bend is not None else 0):
            M[:, i, i, :] += bend[:, 0, i, :]
        second.append(M)
    return second[::-1]


def _blocks(sweep: Sweep, layer: int, M: Array) -> Any:
    """Yield the blocks of a layer and of each layer up to it."""
    xp, n, m = array_namespace(M), M.shape[1], sweep.weights[layer].shape[-1]
    # M_l J_(l,k), and the derivatives of a_(l-1) by z_k.
    outer, inner = M, None
    for k in range(layer, -1, -1):
        block = _summed(outer, sweep.inputs[layer], sweep.inputs[k])
        if inner is not None:
            mixed = _summed(inner, sweep.deltas[layer], sweep.inputs[k])
            n_units, size = inner.shape[1], mixed.shape[-1]
            mixed = xp.reshape(mixed, (M.shape[0], n_units, n, size))
            block = xp.reshape(block, (M.shape[0], n, m, size))
            block[:, :, :n_units, :] += _swapped(mixed)
            block = xp.reshape(block, (M.shape[0], n * m, size))
        yield k, block
        if k:
            outer = _chained(sweep, k - 1, outer)
            inner = (
                _slopes(sweep, k - 1) if k == layer else _chained(sweep, k - 1, inner)
            )


def _chained(sweep: Sweep, layer: int, by_next: Array) -> Array:
    """Turn derivatives by z_(l+1) in the axis before the last to some by z_l."""
    slope = sweep.slope(layer)
    change = transposed(sweep.units[layer + 1]) @ by_next
    if slope is not None:
        change *= slope
    return change


def _slopes(sweep: Sweep, layer: int) -> Array:
    """Stand the slopes of a hidden layer on diagonals."""
    slope, n = sweep.slope(layer), sweep.weights[layer].shape[-2]
    outputs = sweep.outputs
    diagonal = _zeros((outputs.shape[0], n, n, outputs.shape[-1]), outputs)
    for i in range(n):
        diagonal[:, i, i, :] = 1 if slope is None else slope[:, 0, i, :]
    return diagonal


def _summed(M: Array, a: Array, b: Array) -> Array:
    """Sum M_ii' a_j b_j' over samples: rows (i, j), columns (i', j')."""
    xp, (n_points, n, n2, n_samples) = array_namespace(M), M.shape
    a, b = (x[None, ...] if x.ndim == 2 else x[:, 0, ...] for x in (a, b))
    m, m2 = a.shape[-2], b.shape[-2]
    M = xp.reshape(M, (n_points, n * n2, n_samples))
    size = max(_MOST_NUMBERS // (m2 * n_samples), 1)
    sums = []
    for start in range(0, m, size):
        both = a[:, start : min(start + size, m), None, :] * b[:, None, :, :]
        width = both.shape[1]
        both = xp.reshape(both, (both.shape[0], width * m2, n_samples))
        total = xp.reshape(M @ transposed(both), (n_points, n, n2, width, m2))
        sums.append(xp.permute_dims(total, (0, 1, 3, 2, 4)))
    total = sums[0] if len(sums) == 1 else xp.concat(sums, axis=2)
    return xp.reshape(total, (n_points, n * m, n2 * m2))


def _swapped(array: Array) -> Array:
    """Swap the two axes after the first one."""
    return array_namespace(array).permute_dims(array, (0, 2, 1, 3))


def _zeros(shape: tuple[int, ...], like: Array) -> Array:
    """Make zeros beside an array."""
    xp = array_namespace(like)
    return xp.zeros(shape, dtype=like.dtype, device=device(like))
