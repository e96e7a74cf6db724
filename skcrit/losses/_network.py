"""Derivatives of the linear network's loss, from its second-moment matrix.

With the weights ``W_1, ..., W_L``, ``W = W_L ... W_1``, the matrix ``K_0`` (the second
moment C, plus tau I under a penalty on the product) and C, the loss without a penalty
on the weights is

    f = (1/d) tr[W K_0 W^T - 2 W C + C],       dW f = (2/d) (W K_0 - C) = (2/d) E.

The functions below run the two sweeps of back-propagation on matrices of the size of
the layers: A_l = W_l A_{l-1}, K_l = W_l K_{l-1} forward, B_l = W_{l+1}^T B_{l+1} with
B_L = E backward; the gradient of layer l is (2/d) B_l A_{l-1}^T. Directional
derivatives differentiate these recursions once more. A_0 is the identity and stands as
None.

All matrices are stacks over leading axes, multiplied one by one, so that the numbers of
one start never depend on the batch that it is in: stacking the rows of several starts
into one large product would be faster, and would round differently.
"""

from skcrit._backend import array_namespace, device

__all__ = ["Sweep", "hessian", "hvp", "third_derivative"]


def _mul(a, b):
    # Multiply matrices, where None is the identity.
    if a is None:
        return b
    if b is None:
        return a
    return a @ b


def _mul_t(a, b):
    # Multiply a by the transpose of b, where None is the identity.
    if b is None:
        return a
    return a @ array_namespace(a).matrix_transpose(b)


def _t_mul(a, b):
    # Multiply the transpose of a by b.
    return array_namespace(a).matrix_transpose(a) @ b


class Sweep:
    """Forward and backward sweep at fixed weights, kept for the products that follow.

    Parameters
    ----------
    weights : list of arrays of shape (..., n_out, n_in)
        Matrices of the layers, first layer first.
    K_0 : array of shape (d, d)
        Second moment, plus tau times the identity under a penalty on the product.
    C : array of shape (d, d)
        Second moment.
    """

    def __init__(self, weights, K_0, C):
        self.weights = weights
        self.d = C.shape[0]
        self.A = [None]
        self.K = [K_0]
        for W in weights:
            self.A.append(_mul(W, self.A[-1]))
            self.K.append(W @ self.K[-1])
        self.B = [self.K[-1] - C]
        for W in reversed(weights[1:]):
            self.B.insert(0, _t_mul(W, self.B[0]))

    def gradient(self):
        """Compute the gradient.

        Returns
        -------
        gradient : list of arrays of shape (..., n_out, n_in)
            One matrix per layer, first layer first.
        """
        return [
            (2 / self.d) * _mul_t(B, A)
            for B, A in zip(self.B, self.A[:-1], strict=True)
        ]


def _directional_sweep(sweep, V):
    # Differentiate the sweep along V: lists A', K' (l = 0..L) and B' (l = 1..L).
    dA, dK = [None], [None]
    for W, V_l, A, K in zip(sweep.weights, V, sweep.A, sweep.K, strict=False):
        # A'_l = V_l A_{l-1} + W_l A'_{l-1};  A'_0 = 0, and K' alike.
        first = dA[-1] is None
        dA.append(_mul(V_l, A) if first else _mul(V_l, A) + W @ dA[-1])
        dK.append(V_l @ K if first else V_l @ K + W @ dK[-1])
    dB = [dK[-1]]
    for W, V_l, B in zip(
        reversed(sweep.weights[1:]), reversed(V[1:]), reversed(sweep.B), strict=False
    ):
        # B'_l = V_{l+1}^T B_{l+1} + W_{l+1}^T B'_{l+1}
        dB.insert(0, _t_mul(V_l, B) + _t_mul(W, dB[0]))
    return dA, dK, dB


def hvp(sweep, V):
    """Multiply the Hessian by a direction.

    Parameters
    ----------
    sweep : Sweep
        Sweep at the point.
    V : list of arrays of shape (..., n_out, n_in)
        Direction, in matrices.

    Returns
    -------
    product : list of arrays of shape (..., n_out, n_in)
        ``H V``, in matrices: (2/d) (B'_l A_{l-1}^T + B_l A'_{l-1}^T).
    """
    dA, _, dB = _directional_sweep(sweep, V)
    product = []
    for layer, (A, B) in enumerate(zip(sweep.A[:-1], sweep.B, strict=True)):
        term = _mul_t(dB[layer], A)
        if dA[layer] is not None:
            term = term + _mul_t(B, dA[layer])
        product.append((2 / sweep.d) * term)
    return product


def third_derivative(sweep, U, V):
    """Contract the third derivative with two directions.

    Parameters
    ----------
    sweep : Sweep
        Sweep at the point.
    U, V : lists of arrays of shape (..., n_out, n_in)
        Directions, in matrices.

    Returns
    -------
    contraction : list of arrays of shape (..., n_out, n_in)
        ``D^3 f [U, V, .]``, in matrices.
    """
    uA, uK, uB = _directional_sweep(sweep, U)
    vA, vK, vB = _directional_sweep(sweep, V)
    zero = 0 * sweep.B[-1]
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
            term = term + _mul_t(sweep.B[layer], A2[layer])
        contraction.append((2 / sweep.d) * term)
    return contraction


def _partial_products(weights):
    # Products W_{b:a} = W_b ... W_a of consecutive layers, by (b, a); None if b < a.
    products = {}
    for a in range(1, len(weights) + 1):
        products[a - 1, a] = None
        for b in range(a, len(weights) + 1):
            products[b, a] = _mul(weights[b - 1], products[b - 1, a])
    products[len(weights), len(weights) + 1] = None
    return products


def hessian(sweep, K_0):
    """Form the dense Hessian from Kronecker products.

    Parameters
    ----------
    sweep : Sweep
        Sweep at the point.
    K_0 : array of shape (d, d)
        The matrix that the sweep started from.

    Returns
    -------
    hessian : array of shape (..., n_params, n_params)
        Block (l, m), l >= m, at [(a, b), (c, e)] is
        (2/d) {(W_{L:l+1}^T W_{L:m+1})[a, c] (W_{m-1:1} K_0 W_{l-1:1}^T)[e, b]
        + [m < l] (W_{L:l+1}^T E W_{m-1:1}^T)[a, e] (W_{l-1:m+1})[b, c]}.
    """
    xp = array_namespace(sweep.B[0])
    depth, d = len(sweep.weights), sweep.d
    identity = xp.eye(d, dtype=K_0.dtype, device=device(K_0))
    products = _partial_products(sweep.weights)
    batch = tuple(sweep.B[0].shape[:-2])

    def dense(b, a):
        W = products[b, a]
        return identity if W is None and (b, a) in ((0, 1), (depth, depth + 1)) else W

    rows = [[None] * depth for _ in range(depth)]
    for ell in range(1, depth + 1):
        for m in range(1, ell + 1):
            left = _t_mul(dense(depth, ell + 1), dense(depth, m + 1))  # [a, c]
            right = _mul_t(dense(m - 1, 1) @ K_0, dense(ell - 1, 1))  # [e, b]
            right = xp.matrix_transpose(right)
            block = left[..., :, None, :, None] * right[..., None, :, None, :]
            if m < ell:
                outer = _mul_t(sweep.B[ell - 1], dense(m - 1, 1))  # [a, e]
                inner = products[ell - 1, m + 1]  # [b, c]
                if inner is None:
                    size = sweep.weights[m - 1].shape[-2]
                    inner = xp.eye(size, dtype=K_0.dtype, device=device(K_0))
                block = (
                    block + outer[..., :, None, None, :] * inner[..., None, :, :, None]
                )
            n_row = block.shape[-4] * block.shape[-3]
            n_col = block.shape[-2] * block.shape[-1]
            block = xp.broadcast_to(
                xp.reshape(block, (*block.shape[:-4], n_row, n_col)),
                (*batch, n_row, n_col),
            )
            rows[ell - 1][m - 1] = (2 / d) * block
            if m < ell:
                rows[m - 1][ell - 1] = xp.matrix_transpose(rows[ell - 1][m - 1])
    return xp.concat([xp.concat(row, axis=-1) for row in rows], axis=-2)
