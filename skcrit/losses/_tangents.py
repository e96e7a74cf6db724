"""Directions along which the loss of a linear network is constant."""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace, device
from skcrit._typing import Array
from skcrit.ground_truth._factors import join_weights
from skcrit.linalg import eigh

# Units count as passing nothing on up to this many roundings of their Gram matrix.
_ROUNDING = 10.0


def orbit_tangents(
    weights: list[Array],
    moment: Array,
    tau: float,
    only_rotations: bool,
    turns: list[Array],
    flat: list[Array],
) -> Array:
    """Stack the tangents of all continuous symmetries, in rows."""
    # turns: pairs of output directions a and b, and of input directions p and q: W_L
    # may change by (a b^T - b a^T) W_L while W_1 changes by -W_1 (p_a q_b^T - p_b
    # q_a^T). flat: directions of the outputs that free hidden units may write to, of
    # the inputs that they may read from, and that every unit may read from.
    depth = len(weights)
    parts = []
    for layer in range(1, depth):
        below, above = _changed_basis(weights[layer - 1], weights[layer])
        if only_rotations:
            below, above = _antisymmetric(below), _antisymmetric(above)
        parts.append({layer - 1: below, layer: above})
    if turns[0].shape[0]:
        parts.append({depth - 1: _out_turns(weights[-1], *turns[:2])})
        parts[-1][0] = _in_turns(weights[0], *turns[2:])
    silent, deaf, unseen = flat
    if silent.shape[0]:
        parts.append({depth - 1: _written(_idle_outputs(weights, moment, tau), silent)})
    if deaf.shape[0]:
        parts.append({0: _read(_idle_inputs(weights), deaf)})
    if unseen.shape[0]:
        parts.append({0: _read(_identity(weights[0]), unseen)})
    flat = [join_weights(_filled(part, weights)) for part in parts]
    return array_namespace(weights[0]).concat(flat, axis=-2)


def _identity(W: Array) -> Array:
    """Return the identity of the units of a layer."""
    xp = array_namespace(W)
    return xp.eye(W.shape[-2], dtype=W.dtype, device=device(W))


def _changed_basis(below: Array, above: Array) -> tuple[Array, Array]:
    """Move by E_ab below a layer of hidden units and by -E_ab above, for all a, b."""
    xp, identity, h = array_namespace(below), _identity(below), below.shape[-2]
    first = identity[:, None, :, None] * below[..., None, :, None, :]
    up = xp.matrix_transpose(above)
    second = -up[..., :, None, :, None] * identity[None, :, None, :]
    shape = (*below.shape[:-2], h * h)
    return (
        xp.reshape(first, (*shape, *below.shape[-2:])),
        xp.reshape(second, (*shape, *above.shape[-2:])),
    )


def _antisymmetric(moves: Array) -> Array:
    """Combine the moves by E_ab and E_ba to those by E_ab - E_ba, for a < b."""
    xp, h = array_namespace(moves), round(moves.shape[-3] ** 0.5)
    a, b = np.triu_indices(h, 1)
    pairs = [
        xp.asarray(rows.tolist(), dtype=xp.int64, device=device(moves))
        for rows in (a * h + b, b * h + a)
    ]
    one, other = (xp.take(moves, rows, axis=moves.ndim - 3) for rows in pairs)
    return one - other


def _out_turns(W: Array, a: Array, b: Array) -> Array:
    """Move the last layer by (a b^T - b a^T) W."""
    one, other = (b @ W)[..., :, None, :], (a @ W)[..., :, None, :]
    return a[:, :, None] * one - b[:, :, None] * other


def _in_turns(W: Array, p_a: Array, p_b: Array, q_a: Array, q_b: Array) -> Array:
    """Move the first layer by -W (p_a q_b^T - p_b q_a^T)."""
    transposed = array_namespace(W).matrix_transpose
    one, other = (transposed(W @ transposed(p))[..., :, :, None] for p in (p_a, p_b))
    return other * q_a[:, None, :] - one * q_b[:, None, :]


def _idle_outputs(weights: list[Array], moment: Array, tau: float) -> Array:
    """Project on the units of the last hidden layer that pass nothing on."""
    xp, A = array_namespace(moment), weights[0]
    for W in weights[1:-1]:
        A = W @ A
    gram = A @ moment @ xp.matrix_transpose(A)
    if tau > 0:
        gram = gram + tau * (A @ xp.matrix_transpose(A))
    return _kernel(gram)


def _idle_inputs(weights: list[Array]) -> Array:
    """Project on the units of the first hidden layer that nothing is read from."""
    B = weights[-1]
    for W in reversed(weights[1:-1]):
        B = B @ W
    return _kernel(array_namespace(B).matrix_transpose(B) @ B)


def _kernel(gram: Array) -> Array:
    """Project on the kernel of positive semidefinite matrices, up to rounding."""
    xp, n = array_namespace(gram), gram.shape[-1]
    values, vectors = eigh((gram + xp.matrix_transpose(gram)) / 2)
    rounding = _ROUNDING * n * float(xp.finfo(gram.dtype).eps)
    bound = rounding * xp.max(xp.abs(values), axis=-1, keepdims=True)
    zero = xp.astype(values <= bound, gram.dtype)
    return (vectors * zero[..., None, :]) @ xp.matrix_transpose(vectors)


def _written(units: Array, directions: Array) -> Array:
    """Move the last layer: each unit of a projector writes to each direction."""
    moves = directions[:, None, :, None] * units[..., None, :, None, :]
    shape = (*units.shape[:-2], moves.shape[-4] * moves.shape[-3], *moves.shape[-2:])
    return array_namespace(units).reshape(moves, shape)


def _read(units: Array, directions: Array) -> Array:
    """Move the first layer: each unit of a projector reads from each direction."""
    return array_namespace(units).matrix_transpose(_written(units, directions))


def _filled(part: dict[int, Array], weights: list[Array]) -> list[Array]:
    """Fill up with zeros for layers that a move leaves alone."""
    xp = array_namespace(weights[0])
    batch, n_moves = weights[0].shape[:-2], next(iter(part.values())).shape[-3]
    moves = []
    for layer, W in enumerate(weights):
        shape = (*batch, n_moves, *W.shape[-2:])
        if layer in part:
            moves.append(xp.broadcast_to(part[layer], shape))
        else:
            moves.append(xp.zeros(shape, dtype=W.dtype, device=device(W)))
    return moves
