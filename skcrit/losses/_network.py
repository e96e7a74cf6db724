"""Derivatives of the linear network's loss, from its second-moment matrix.

With the weights ``W_1, ..., W_L``, ``W = W_L ... W_1``, the matrix ``K_0`` (the second
moment C of the inputs, plus tau I under a penalty on the product) and the cross moment
T of d outputs with the inputs, which is C for an autoencoder, the loss without a
penalty on the weights is

    f = (1/d) tr[W K_0 W^T - 2 W T^T] + const,    dW f = (2/d) (W K_0 - T) = (2/d) E.

The functions below run the two sweeps of back-propagation on matrices of the size of
the layers: A_l = W_l A_{l-1}, K_l = W_l K_{l-1} forward, B_l = W_{l+1}^T B_{l+1} with
B_L = E backward; the gradient of layer l is (2/d) B_l A_{l-1}^T. Directional
derivatives differentiate these recursions once more. A_0 is the identity and stands as
None.

E and W are full matrices, and gradients and products with the Hessian need neither.
With the hidden layers p < d wide the sweeps stop at l = L-1, and the last layer is
multiplied out in the order that keeps every factor p wide:

    B_{L-1} = W_L^T E = (W_L^T W_L) K_{L-1} - W_L^T T,
    E A_{L-1}^T = W_L (K_{L-1} A_{L-1}^T) - T A_{L-1}^T.

A product with the Hessian takes two multiplications by C then, 4 d^2 p operations for
two layers instead of 12 for forming E', and O(d p^2) more.

All matrices are stacks over leading axes, multiplied one by one, so that the numbers of
one start never depend on the batch that it is in: stacking the rows of several starts
into one large product would be faster, and would round differently.
"""

from __future__ import annotations

from copy import copy
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, device, take_rows, transposed
from skcrit._typing import Array, IntArray
from skcrit.ground_truth._factors import reshaped
from skcrit.losses._lazy import lazy


def _mul(a: Array, b: Array | None) -> Array:
    # Multiply a by b; None stands for the identity.
    if b is None:
        return a
    return a @ b


def _mul_t(a: Array, b: Array | None) -> Array:
    # Multiply a by the transpose of b; None stands for the identity.
    if b is None:
        return a
    return a @ transposed(b)


def _t_mul(a: Array, b: Array) -> Array:
    # Multiply the transpose of a by b.
    return transposed(a) @ b


class Moments:
    """Moments of the data, times 2/m for m outputs.

    C is their second moment of shape (d, d), or ``diagonal`` if it has zeros beside it,
    and ``target`` the cross moment T of shape (m, d) of the outputs with the inputs;
    None is C. Under a penalty on the product, K_0 is C plus ``tau`` times the identity.
    """

    def __init__(
        self,
        C: Array,
        n_outputs: int,
        tau: float = 0.0,
        target: Array | None = None,
        diagonal: Array | None = None,
    ) -> None:
        # The factor 2/m is here once: all else is linear in C, T and tau.
        factor = 2 / n_outputs
        self.C, self.tau = factor * C, factor * tau
        self.T = self.C if target is None else factor * target
        self.is_square = target is None
        self.diagonal = None if diagonal is None else factor * diagonal

        self._columns: dict[int, Array] = {}

    def T_below(self, V: Array) -> Array:
        """Multiply the transpose of V by ``(2/m) T`` from the right."""
        if not self.is_square or self.diagonal is None:
            return transposed(V) @ self.T
        # As one long row: NumPy is slow with many rows that are as short as p.
        *leading, d, p = V.shape
        column = self._columns.get(p)
        if column is None:
            xp = array_namespace(V)
            rows = xp.broadcast_to(self.diagonal[:, None], (d, p))
            column = self._columns[p] = xp.reshape(rows, (d * p,))
        rows = reshaped(V, (*leading, d * p)) * column
        return transposed(reshaped(rows, (*leading, d, p)))

    def times_K_0(self, V: Array) -> Array:
        """Multiply by ``(2/m) K_0`` from the right."""
        # The zeros of a diagonal matrix change no digit of a product.
        product = V @ self.C if self.diagonal is None else V * self.diagonal
        return product if self.tau == 0 else product + self.tau * V

    def times_T(self, A: Array, K: Array) -> Array:
        """Compute ``(2/m) A T^T``, for an autoencoder from ``K = (2/m) A K_0``."""
        if not self.is_square:
            return _mul_t(A, self.T)
        return K if self.tau == 0 else K - self.tau * A


# Attributes of a sweep with a matrix for each point, or lists of them.
_STACKS = frozenset({"weights", "A", "K", "B", "gram", "inner", "product", "error"})


class Sweep:
    """Forward and backward sweep at fixed weights, kept for the products that follow.

    The layers, first one first, are matrices of shape (..., n_out, n_in). A_l and K_l
    for l = 0, ..., L-1 and B_l for l = 1, ..., L-1 have the shape (..., n_l, d); K, B
    and E carry the factor 2/m, for m outputs.
    """

    def __init__(self, weights: list[Array], moments: Moments) -> None:
        self.weights, self.moments = weights, moments
        self.T_below, self.times_K_0 = moments.T_below, moments.times_K_0
        first, last = weights[0], weights[-1]
        self.A = [None, first]
        self.K = [None, self.times_K_0(first)]
        for W in weights[1:-1]:
            self.A.append(W @ self.A[-1])
            self.K.append(W @ self.K[-1])
        self.gram = _t_mul(last, last)
        self.B = [self.gram @ self.K[-1] - self.T_below(last)]
        for W in reversed(weights[1:-1]):
            self.B.insert(0, _t_mul(W, self.B[0]))

    @lazy
    def inner(self) -> Array:
        """``K_{L-1} A_{L-1}^T``."""
        return _mul_t(self.K[-1], self.A[-1])

    @lazy
    def product(self) -> Array:
        """``W``, the end-to-end matrix."""
        return self.weights[-1] @ self.A[-1]

    @lazy
    def error(self) -> Array:
        """``(2/m) E = (2/m) (W K_0 - T)``."""
        return self.weights[-1] @ self.K[-1] - self.moments.T

    def select(self, rows: slice | IntArray) -> Sweep:
        """Return the sweep at some of the points: nothing is computed again."""
        part, known = copy(self), dict[int, Any]()

        def pick(M: Array | None) -> Array | None:
            # The first layer is A_1 as well.
            if M is None or id(M) in known:
                return M if M is None else known[id(M)]
            picked = M[rows] if isinstance(rows, slice) else take_rows(M, rows)
            return known.setdefault(id(M), picked)

        for name in _STACKS & vars(self).keys():
            matrices = getattr(self, name)
            is_list = isinstance(matrices, list)
            picked = [pick(M) for M in matrices] if is_list else pick(matrices)
            setattr(part, name, picked)
        return part

    def gradient(self) -> list[Array]:
        """Compute the gradient, one matrix per layer, first layer first."""
        gradient = [_mul_t(B, A) for B, A in zip(self.B, self.A, strict=False)]
        moved = self.moments.times_T(self.A[-1], self.K[-1])
        last = self.weights[-1] @ self.inner - transposed(moved)
        return [*gradient, last]


def hvp(sweep: Sweep, V: list[Array]) -> list[Array]:
    """Multiply the Hessian by a direction, in matrices."""
    # The blocks are (2/d) (B'_l A_{l-1}^T + B_l A'_{l-1}^T).
    weights, A, K = sweep.weights, sweep.A, sweep.K
    dA, dK = [None, V[0]], [None, sweep.times_K_0(V[0])]
    for ell in range(1, len(weights) - 1):
        # A'_l = V_l A_{l-1} + W_l A'_{l-1}, and K' alike.
        dA.append(V[ell] @ A[ell] + weights[ell] @ dA[-1])
        dK.append(V[ell] @ K[ell] + weights[ell] @ dK[-1])
    # B'_{L-1} = V_L^T E + W_L^T E' with E' = V_L K_{L-1} + W_L K'_{L-1}
    V_last_t = transposed(V[-1])
    cross = V_last_t @ weights[-1]
    dB = (cross + transposed(cross)) @ K[-1]
    dB += sweep.gram @ dK[-1]
    dB -= sweep.T_below(V[-1])
    # E' A^T + E A'^T, where K A'^T is the transpose of K' A^T
    inner = dK[-1] @ transposed(A[-1])
    last = V[-1] @ sweep.inner
    last += weights[-1] @ (inner + transposed(inner))
    last -= transposed(sweep.moments.times_T(dA[-1], dK[-1]))
    product = [last]
    for ell in range(len(weights) - 2, -1, -1):
        term = _mul_t(dB, A[ell])
        product.append(term if ell == 0 else term + _mul_t(sweep.B[ell], dA[ell]))
        if ell > 0:
            # B'_l = V_{l+1}^T B_{l+1} + W_{l+1}^T B'_{l+1}
            dB = _t_mul(V[ell], sweep.B[ell]) + _t_mul(weights[ell], dB)
    return product[::-1]


def _directional_sweep(
    sweep: Sweep, V: list[Array]
) -> tuple[list[Array | None], list[Array | None], list[Array]]:
    # Differentiate the whole sweep along V: lists A', K' (l = 0..L-1; L for K') and B'
    # (l = 1..L).
    dA, dK = [None, V[0]], [None, sweep.times_K_0(V[0])]
    for W, V_l, A, K in zip(
        sweep.weights[1:], V[1:], sweep.A[1:], sweep.K[1:], strict=True
    ):
        # A'_l = V_l A_{l-1} + W_l A'_{l-1}, and K' alike.
        dA.append(V_l @ A + W @ dA[-1])
        dK.append(V_l @ K + W @ dK[-1])
    dB = [dK[-1]]
    for W, V_l, B in zip(
        reversed(sweep.weights[1:]),
        reversed(V[1:]),
        [sweep.error, *reversed(sweep.B[1:])],
        strict=True,
    ):
        # B'_l = V_{l+1}^T B_{l+1} + W_{l+1}^T B'_{l+1}
        dB.insert(0, _t_mul(V_l, B) + _t_mul(W, dB[0]))
    return dA, dK, dB


def third_derivative(sweep: Sweep, U: list[Array], V: list[Array]) -> list[Array]:
    """Contract the third derivative with two directions, ``D^3 f [U, V, .]``."""
    uA, uK, uB = _directional_sweep(sweep, U)
    vA, vK, vB = _directional_sweep(sweep, V)
    zero = 0 * sweep.error
    A2, K2 = [None], [None]
    for layer, W in enumerate(sweep.weights):
        # A^{uv}_l = U_l A^v_{l-1} + V_l A^u_{l-1} + W_l A^{uv}_{l-1}; 0 for l = 0, 1.
        if layer == 0:
            A2.append(None)
            K2.append(None)
            continue
        A_l = U[layer] @ vA[layer] + V[layer] @ uA[layer]
        K_l = U[layer] @ vK[layer] + V[layer] @ uK[layer]
        A2.append(A_l if A2[-1] is None else A_l + W @ A2[-1])
        K2.append(K_l if K2[-1] is None else K_l + W @ K2[-1])
    B2 = [zero if K2[-1] is None else K2[-1]]
    for layer in range(len(sweep.weights) - 1, 0, -1):
        # B^{uv}_l = U_{l+1}^T B^v_{l+1} + V_{l+1}^T B^u_{l+1} + W_{l+1}^T B^{uv}_{l+1}
        B_l = _t_mul(U[layer], vB[layer]) + _t_mul(V[layer], uB[layer])
        B2.insert(0, B_l + _t_mul(sweep.weights[layer], B2[0]))
    contraction = []
    for layer in range(len(sweep.weights)):
        term = _mul_t(B2[layer], sweep.A[layer])
        if layer > 0:
            term = term + _mul_t(uB[layer], vA[layer]) + _mul_t(vB[layer], uA[layer])
        if A2[layer] is not None:
            B = sweep.B[layer] if layer < len(sweep.B) else sweep.error
            term = term + _mul_t(B, A2[layer])
        contraction.append(term)
    return contraction


def _partial_products(weights: list[Array]) -> dict[tuple[int, int], Array | None]:
    # Products W_{b:a} = W_b ... W_a of consecutive layers, by (b, a); None if b < a.
    products = {}
    for a in range(1, len(weights) + 1):
        products[a - 1, a] = None
        # Of the end-to-end product the Hessian has no use.
        for b in range(a, len(weights) + (a > 1)):
            products[b, a] = _mul(weights[b - 1], products[b - 1, a])
    products[len(weights), len(weights) + 1] = None
    return products


def hessian(sweep: Sweep) -> Array:
    """Form the dense Hessian from Kronecker products."""
    # Block (l, m), l >= m, at [(a, b), (c, e)] is (2/d) {(W_{L:l+1}^T W_{L:m+1})[a, c]
    # (W_{m-1:1} K_0 W_{l-1:1}^T)[e, b] + [m < l] (W_{L:l+1}^T E W_{m-1:1}^T)[a, e]
    # (W_{l-1:m+1})[b, c]}.
    xp, C, depth = array_namespace(sweep.B[0]), sweep.moments.C, len(sweep.weights)
    sizes = C.shape[0], sweep.weights[-1].shape[-2]
    ends = [xp.eye(n, dtype=C.dtype, device=device(C)) for n in sizes]
    identity = dict(zip(((0, 1), (depth, depth + 1)), ends, strict=True))
    products = _partial_products(sweep.weights)
    B = [*sweep.B, sweep.error]

    def dense(b: int, a: int) -> Array:
        return identity.get((b, a), products[b, a])

    places = _places([W.shape[-2:] for W in sweep.weights])
    n = places[-1].stop
    # Written into one array: pieces that are joined would be copied twice.
    result = xp.empty((*sweep.B[0].shape[:-2], n, n), dtype=C.dtype, device=device(C))
    for ell in range(1, depth + 1):
        for m in range(1, ell + 1):
            left = _t_mul(dense(depth, ell + 1), dense(depth, m + 1))  # [a, c]
            right = _mul_t(
                sweep.times_K_0(dense(m - 1, 1)), dense(ell - 1, 1)
            )  # [e, b]
            right = transposed(right)
            place = (..., places[ell - 1], places[m - 1])
            block = _outer(left, right, result[place])
            if m < ell:
                outer = _mul_t(B[ell - 1], dense(m - 1, 1))  # [a, e]
                _add_outer(block, outer, products[ell - 1, m + 1])  # [b, c]
            rows, columns = prod(block.shape[-4:-2]), prod(block.shape[-2:])
            block = reshaped(block, (*block.shape[:-4], rows, columns))
            if type(block) is not np.ndarray:
                result[place] = block
            if m < ell:
                result[..., places[m - 1], places[ell - 1]] = transposed(block)
    return result


def _outer(left: Array, right: Array, place: Array) -> Array:
    # Multiply left[a, c] by right[e, b], in place if the library can do that.
    factors = left[..., :, None, :, None], right[..., None, :, None, :]
    if type(place) is not np.ndarray:
        return factors[0] * factors[1]
    (a, c), (b, e) = left.shape[-2:], right.shape[-2:]
    return np.multiply(*factors, out=place.reshape((*place.shape[:-2], a, b, c, e)))


def _places(shapes: list[tuple[int, int]]) -> list[slice]:
    # Say which parameters belong to each layer.
    ends = [0, *accumulate(map(prod, shapes))]
    return [slice(*pair) for pair in pairwise(ends)]


def _add_outer(block: Array, outer: Array, inner: Array | None) -> None:
    # Add outer[a, e] inner[b, c] to block[a, b, c, e]; None is the identity.
    if inner is None:
        for b in range(block.shape[-2]):
            block[..., :, b, b, :] = block[..., :, b, b, :] + outer
    else:
        block += outer[..., :, None, None, :] * inner[..., None, :, :, None]
