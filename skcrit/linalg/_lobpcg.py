"""The lowest eigenpairs of symmetric matrices, from matrix-vector products."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, device, take_rows, to_host
from skcrit._typing import Array, IntArray
from skcrit.linalg._decompositions import eigh
from skcrit.linalg._products import Products

# Finished matrices are dropped when fewer than this fraction still iterate.
_ACTIVE = 7 / 8


def lowest_eigenpairs(
    matvec: Callable[..., Any],
    start: Array,
    *,
    rtol: float = 1e-3,
    max_iter: int = 100,
    below: float = -np.inf,
    take: Callable[..., Any] | None = None,
) -> tuple[Array, Array, Array, Array]:
    r"""Compute the m lowest eigenpairs of each matrix of a batch, by LOBPCG.

    The Rayleigh quotient is minimised over the span of the current vectors, their
    residuals and the last directions of search. Multiple eigenvalues are found with
    their multiplicities, which is impossible in the Krylov space of a single vector.

    Parameters
    ----------
    matvec : callable
        Maps an array (n_systems, n) to the products ``A v`` of the same shape, a
        symmetric matrix per row.
    start : array of shape (n_systems, m, n)
        First vectors in rows, linearly independent, 1 <= m <= n. A good guess saves
        iterations.
    rtol : float, default=1e-3
        Relative, on the residual norms ``|A x - value x| / |A|``, in which the largest
        norm of all products ``A x`` replaces ``|A|``.
    max_iter : int, default=100
        Largest number of iterations.
    below : float, default=-inf
        Absolute: a matrix is finished too as soon as all m Ritz values are below this,
        and so at least m eigenvalues.
    take : callable, default=None
        ``take(rows)`` returns the `matvec` of some of the matrices, ``rows`` an ndarray
        of int. If it is given, the rows of finished matrices are dropped as soon as
        that saves time.

    Returns
    -------
    values : array of shape (n_systems, m)
        Ritz values, ascending: upper bounds of the lowest eigenvalues, and within
        ``|A x - value x|`` of some eigenvalue.
    vectors : array of shape (n_systems, m, n)
        Orthonormal Ritz vectors, in rows; zero if a product is not finite.
    residual_norm : array of shape (n_systems, m)
        The norms ``|A x - value x|``.
    n_matvec : array of int of shape (n_systems,)
        Products spent on each matrix: m at first and m per iteration, or n.

    Raises
    ------
    ValueError
        If ``start``, or what `matvec` returns, has the wrong shape.

    Notes
    -----
    The space of an iteration has 3 m dimensions. If n is smaller than that, the dense
    matrix is formed by n products with unit vectors, and `start`, `rtol` and `max_iter`
    are ignored.

    Storage: 6 m vectors per matrix, or n. The directions of search are kept orthonormal
    to the vectors in coordinates of the space, because the plain method loses its
    accuracy at this point (Hetmaniuk & Lehoucq 2006, doi:10.1016/j.jcp.2006.02.007).

    References
    ----------
    .. [1] A. V. Knyazev. "Toward the optimal preconditioned eigensolver: locally
       optimal block preconditioned conjugate gradient method". SIAM J. Sci. Comput.
       23(2), 2001, doi:10.1137/S1064827500366124.
    """
    shape = tuple(start.shape)
    if len(shape) != 3 or 0 in shape or shape[1] > shape[2]:
        raise ValueError(
            f"start must have shape (n_systems, m, n) with 1 <= m <= n, no axis empty, "
            f"got shape {shape}."
        )
    xp = array_namespace(start)
    products = Products(matvec, start[:, 0, :], None, take)
    if 3 * shape[1] > shape[2]:
        return _dense(xp, products, start)
    X = _orthonormal(xp, start)
    HX, finite = _multiplied(xp, products, X)
    X, HX, values = _ritz(xp, X, HX, shape[1])[:3]
    empty = X[:, :0, :]
    s = SimpleNamespace(X=X, HX=HX, P=empty, HP=empty, values=values, finite=finite)
    s.count = xp.full(shape[0], shape[1], dtype=xp.int64, device=device(start))
    s.scale = xp.max(_norms(xp, HX), axis=-1)
    s.running = finite
    rows, done = np.arange(shape[0]), []
    for _ in range(max_iter):
        R = s.HX - s.values[..., None] * s.X
        s.running = s.running & (xp.max(_norms(xp, R), axis=-1) > rtol * s.scale)
        s.running = s.running & ~(s.values[:, -1] < below)
        running = to_host(s.running)
        if not running.any():
            break
        if take is not None and np.mean(running) < _ACTIVE:
            done.append((rows[~running], _taken(s, np.flatnonzero(~running))))
            keep = np.flatnonzero(running)
            rows, products, s = rows[keep], products.select(keep), _taken(s, keep)
            R = take_rows(R, keep)
        _iterate(xp, products, s, R)
    done.append((rows, s))
    return _collected(xp, done)


def _iterate(xp: Any, products: Products, s: SimpleNamespace, R: Array) -> None:
    """Minimise over the vectors, their residuals and the last directions."""
    mask, m = s.running[:, None, None], R.shape[1]
    W = _orthonormal(xp, R, xp.concat([s.X, s.P], axis=1))
    HW, finite = _multiplied(xp, products, xp.where(mask, W, xp.zeros_like(W)))
    s.count = s.count + m * xp.astype(s.running, xp.int64)
    s.finite, s.running = s.finite & finite, s.running & finite
    s.scale = xp.maximum(s.scale, xp.max(_norms(xp, HW), axis=-1))
    S, HS = (xp.concat(a, axis=1) for a in ((s.X, W, s.P), (s.HX, HW, s.HP)))
    X, HX, values, s.P, s.HP = _ritz(xp, S, HS, m)
    mask = s.running[:, None, None]
    s.X, s.HX = xp.where(mask, X, s.X), xp.where(mask, HX, s.HX)
    s.values = xp.where(s.running[:, None], values, s.values)


def _dense(
    xp: Any, products: Products, start: Array
) -> tuple[Array, Array, Array, Array]:
    """Compute the lowest eigenpairs from the dense matrices."""
    n_systems, m, n = start.shape
    identity = xp.eye(n, dtype=start.dtype, device=device(start))
    basis = xp.broadcast_to(identity, (n_systems, n, n))
    H, finite = _multiplied(xp, products, basis)
    values, vectors = eigh((H + xp.matrix_transpose(H)) / 2)
    X = xp.matrix_transpose(vectors)[:, :m, :]
    s = SimpleNamespace(X=X, HX=X @ H, values=values[:, :m], finite=finite)
    s.count = xp.full(n_systems, n, dtype=xp.int64, device=device(start))
    return _collected(xp, [(np.arange(n_systems), s)])


def _collected(
    xp: Any, parts: list[tuple[IntArray, SimpleNamespace]]
) -> tuple[Array, Array, Array, Array]:
    """Collect the final state of all matrices, in their original order."""
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))

    def joined(name: str) -> Array:
        return take_rows(xp.concat([getattr(s, name) for _, s in parts]), order)

    X, values = joined("X"), joined("values")
    X = xp.where(joined("finite")[:, None, None], X, xp.zeros_like(X))
    residual = joined("HX") - values[..., None] * X
    return values, X, _norms(xp, residual), joined("count")


def _taken(s: SimpleNamespace, rows: IntArray) -> SimpleNamespace:
    """Select rows of all arrays."""
    return SimpleNamespace(**{k: take_rows(a, rows) for k, a in vars(s).items()})


def _multiplied(xp: Any, products: Products, V: Array) -> tuple[Array, Array]:
    """Multiply a block; return the products and which of them are finite."""
    HV = xp.stack([products(V[:, i, :]) for i in range(V.shape[1])], axis=1)
    finite = xp.all(xp.isfinite(HV), axis=(-2, -1))
    return xp.where(finite[:, None, None], HV, xp.zeros_like(HV)), finite


def _orthonormal(xp: Any, V: Array, basis: Array | None = None) -> Array:
    """Orthonormalise rows, also against those of a basis if one is given."""
    # Twice: the first pass leaves only rounding errors of a dependent row, and the
    # second makes them orthogonal to the other rows.
    for _ in range(2):
        if basis is not None:
            V = V - (V @ xp.matrix_transpose(basis)) @ basis
        peak = xp.max(xp.abs(V), axis=-1)[..., None]
        V = V / xp.where(peak > 0, peak, xp.ones_like(peak))
        V = xp.matrix_transpose(xp.linalg.qr(xp.matrix_transpose(V))[0])
    return V


def _ritz(xp: Any, S: Array, HS: Array, m: int) -> tuple[Array, ...]:
    """Minimise over a space; return vectors, products, values and last directions."""
    projected = S @ xp.matrix_transpose(HS)
    projected = (projected + xp.matrix_transpose(projected)) / 2
    values, vectors = eigh(projected)
    rows = xp.matrix_transpose(vectors[..., :m])
    new = (rows @ S, rows @ HS, values[..., :m])
    if S.shape[1] == m:
        return new
    # The part of the new vectors outside the first m, orthonormalised against them.
    added = xp.concat([xp.zeros_like(rows[..., :m]), rows[..., m:]], axis=-1)
    added = _orthonormal(xp, added, rows)
    return *new, added @ S, added @ HS


def _norms(xp: Any, V: Array) -> Array:
    """Compute the norms of the rows of blocks."""
    return xp.sqrt(xp.sum(V * V, axis=-1))
