"""Layers of a linear network as matrices: cut, joined, multiplied out, balanced."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, device
from skcrit._typing import Array, FloatArray
from skcrit.linalg import svd


def layer_shapes(layer_sizes: Any) -> list[tuple[int, int]]:
    """Return the shapes (n_out, n_in) of the layers, first layer first."""
    return [(n_out, n_in) for n_in, n_out in pairwise(layer_sizes)]


def split_weights(theta: Array, shapes: list[tuple[int, int]]) -> list[Array]:
    """Cut flat parameters (..., n_params) into matrices (..., n_out, n_in)."""
    leading, weights, start = theta.shape[:-1], [], 0
    for n_out, n_in in shapes:
        stop = start + n_out * n_in
        weights.append(reshaped(theta[..., start:stop], (*leading, n_out, n_in)))
        start = stop
    return weights


def reshaped(array: Array, shape: tuple[int, ...]) -> Array:
    """Reshape, without the overhead of the function of the namespace."""
    if type(array) is np.ndarray:
        return array.reshape(shape)
    return array_namespace(array).reshape(array, shape)


def join_weights(weights: list[Array]) -> Array:
    """Join matrices (..., n_out, n_in) to flat parameters (..., n_params)."""
    xp = array_namespace(weights[0])
    flat = [reshaped(W, (*W.shape[:-2], W.shape[-2] * W.shape[-1])) for W in weights]
    return xp.concat(flat, axis=-1)


def halves(weights: list[Array]) -> tuple[Array, Array]:
    """Multiply the layers before and behind the narrowest hidden layer."""
    widths = [W.shape[-2] for W in weights[:-1]]
    bottleneck = widths.index(min(widths)) + 1
    first, last = weights[0], weights[-1]
    for W in weights[1:bottleneck]:
        first = W @ first
    for W in reversed(weights[bottleneck:-1]):
        last = last @ W
    return first, last


def thin_svd(weights: list[Array]) -> tuple[Array, Array, Array]:
    """Factor the end-to-end matrix into A, S and B^T without forming it."""
    # Two QR factorisations of the halves on either side of the bottleneck and one small
    # SVD: O(d p^2). The entry of largest modulus in each column of A is positive; all
    # is NaN if the matrix is not finite. Singular values below eps q |R_2| |R_1| are
    # rounding errors of the product of the two triangular factors. They become zero,
    # because balancing takes roots: an error of 1e-16 would become an entry of 1e-8 in
    # the layers.
    xp = array_namespace(weights[0])
    first, last = halves(weights)
    Q_2, R_2 = xp.linalg.qr(last)
    Q_1, R_1 = xp.linalg.qr(xp.matrix_transpose(first))
    core = R_2 @ xp.matrix_transpose(R_1)
    # LAPACK raises for the whole stack if one matrix is not finite.
    finite = xp.all(xp.isfinite(core), axis=(-2, -1), keepdims=True)
    U, S, Vt = svd(xp.where(finite, core, xp.zeros_like(core)))
    S = xp.where(finite[..., 0], S, xp.full_like(S, xp.nan))
    rounding = xp.finfo(S.dtype).eps * S.shape[-1]
    norms = [xp.sqrt(xp.sum(R * R, axis=(-2, -1))) for R in (R_2, R_1)]
    floor = rounding * norms[0] * norms[1]
    S = xp.where(S <= floor[..., None], xp.zeros_like(S), S)
    A, Bt = Q_2 @ U, Vt @ xp.matrix_transpose(Q_1)
    # Signs are free; fixed, the result does not depend on the library.
    sign = column_signs(A)
    return A * sign[..., None, :], S, Bt * sign[..., :, None]


def column_signs(A: Array) -> Array:
    """Return the sign of each column's entry of largest modulus."""
    xp = array_namespace(A)
    largest, least = xp.max(A, axis=-2), xp.min(A, axis=-2)
    return xp.where(largest >= -least, xp.ones_like(least), -xp.ones_like(least))


def balanced_layers(
    A: Array, S: Array, Bt: Array, shapes: list[tuple[int, int]]
) -> list[Array]:
    """Spread singular values evenly over the layers."""
    # W_1 = S^(1/L) B^T, W_l = S^(1/L), W_L = A S^(1/L), filled up with zeros to the
    # shapes of the layers: the point of least norm among all with this end-to-end
    # matrix.
    xp = array_namespace(A)
    depth, q = len(shapes), S.shape[-1]
    root = S ** (1 / depth)
    identity = xp.eye(q, dtype=S.dtype, device=device(S))
    layers = [root[..., :, None] * Bt]
    layers += [root[..., :, None] * identity] * (depth - 2)
    layers.append(A * root[..., None, :])
    return [_pad(W, shape) for W, shape in zip(layers, shapes, strict=True)]


def _pad(W: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Fill a stack of matrices up with zeros at the right and at the bottom."""
    xp = array_namespace(W)
    for axis, size in ((-2, shape[0]), (-1, shape[1])):
        missing = list(W.shape)
        missing[axis] = size - W.shape[axis]
        if missing[axis] > 0:
            zeros = xp.zeros(tuple(missing), dtype=W.dtype, device=device(W))
            W = xp.concat([W, zeros], axis=axis)
    return W
