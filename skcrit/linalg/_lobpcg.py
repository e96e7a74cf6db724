"""The lowest eigenpairs of symmetric matrices that are known by their products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skcrit._backend import array_namespace, device
from skcrit._typing import Array
from skcrit.linalg._decompositions import eigh

__all__ = ["lowest_eigenpairs"]


def lowest_eigenpairs(
    matvec: Callable[..., Any], start: Array, *, rtol: float = 1e-3, max_iter: int = 100
) -> tuple[Array, Array, Array, Array]:
    r"""Compute the m lowest eigenpairs of each matrix of a batch, by LOBPCG.

    The Rayleigh quotient is minimised over the span of the current vectors, their
    residuals and the last directions of search. Multiple eigenvalues are found as often
    as they occur, which a Krylov space of one vector cannot.

    Parameters
    ----------
    matvec : callable
        Maps an array (n_systems, n) to the products ``A v`` of the same shape, a
        symmetric matrix per row.
    start : array of shape (n_systems, m, n)
        First vectors in rows, linearly independent; 3 m <= n. A good guess saves
        iterations.
    rtol : float, default=1e-3
        Relative, on the residual norms ``|A x - value x| / |A|``, with the largest norm
        of a product ``A x`` met in place of ``|A|``.
    max_iter : int, default=100
        Largest number of iterations.

    Returns
    -------
    values : array of shape (n_systems, m)
        Ritz values, ascending: upper bounds of the lowest eigenvalues, and within
        ``|A x - value x|`` of some eigenvalue.
    vectors : array of shape (n_systems, m, n)
        Orthonormal Ritz vectors, in rows; zero where a product is not finite.
    residual_norm : array of shape (n_systems, m)
        The norms ``|A x - value x|``.
    n_matvec : array of int of shape (n_systems,)
        Products spent on each matrix: m at first and m per iteration.

    Notes
    -----
    Storage: 6 m vectors per matrix. The directions of search are kept orthonormal to
    the vectors by their coordinates, which is where the plain method loses its
    accuracy (Hetmaniuk & Lehoucq 2006, doi:10.1016/j.jcp.2006.02.007).

    References
    ----------
    .. [1] A. V. Knyazev. "Toward the optimal preconditioned eigensolver: locally
       optimal block preconditioned conjugate gradient method". SIAM J. Sci. Comput.
       23(2), 2001, doi:10.1137/S1064827500366124.
    """
    xp = array_namespace(start)
    n_systems, m, _ = start.shape
    count = xp.full(n_systems, m, dtype=xp.int64, device=device(start))
    X = _orthonormal(xp, start)
    HX, finite = _products(xp, matvec, X)
    X, HX, values = _ritz(xp, X, HX, m)[:3]
    P = HP = X[:, :0, :]
    scale = xp.max(_norms(xp, HX), axis=-1)
    running = finite
    for _ in range(max_iter):
        R = HX - values[..., None] * X
        worst = xp.max(_norms(xp, R), axis=-1)
        running = running & (worst > rtol * scale)
        if not bool(xp.any(running)):
            break
        mask = running[:, None, None]
        W = _orthonormal(xp, R, xp.concat([X, P], axis=1))
        HW, finite_now = _products(xp, matvec, xp.where(mask, W, xp.zeros_like(W)))
        count = count + m * xp.astype(running, xp.int64)
        finite = finite & finite_now
        running = running & finite_now
        scale = xp.maximum(scale, xp.max(_norms(xp, HW), axis=-1))
        S, HS = (xp.concat(a, axis=1) for a in ((X, W, P), (HX, HW, HP)))
        new_X, new_HX, new_values, P, HP = _ritz(xp, S, HS, m)
        mask = running[:, None, None]
        X, HX = xp.where(mask, new_X, X), xp.where(mask, new_HX, HX)
        values = xp.where(running[:, None], new_values, values)
    X = xp.where(finite[:, None, None], X, xp.zeros_like(X))
    return values, X, _norms(xp, HX - values[..., None] * X), count


def _products(xp, matvec, V):
    """Multiply a block, and say which matrices gave finite products."""
    HV = xp.stack([matvec(V[:, i, :]) for i in range(V.shape[1])], axis=1)
    finite = xp.all(xp.isfinite(HV), axis=(-2, -1))
    return xp.where(finite[:, None, None], HV, xp.zeros_like(HV)), finite


def _orthonormal(xp, V, basis=None):
    """Orthonormalise rows, and against those of a basis if there is one."""
    # Twice: what the first pass leaves of a dependent row is rounding, and only the
    # second makes a vector of it that is orthogonal to the others.
    for _ in range(2):
        if basis is not None:
            V = V - (V @ xp.matrix_transpose(basis)) @ basis
        peak = xp.max(xp.abs(V), axis=-1)[..., None]
        V = V / xp.where(peak > 0, peak, xp.ones_like(peak))
        V = xp.matrix_transpose(xp.linalg.qr(xp.matrix_transpose(V))[0])
    return V


def _ritz(xp, S, HS, m):
    """Minimise over a space: vectors, products, values; the way and its products."""
    projected = S @ xp.matrix_transpose(HS)
    projected = (projected + xp.matrix_transpose(projected)) / 2
    values, vectors = eigh(projected)
    rows = xp.matrix_transpose(vectors[..., :m])
    new = (rows @ S, rows @ HS, values[..., :m])
    if S.shape[1] == m:
        return new
    # What the new vectors owe to all but the first m, orthonormal to themselves.
    way = xp.concat([xp.zeros_like(rows[..., :m]), rows[..., m:]], axis=-1)
    way = _orthonormal(xp, way, rows)
    return *new, way @ S, way @ HS


def _norms(xp, V):
    """Compute the norms of the rows of blocks."""
    return xp.sqrt(xp.sum(V * V, axis=-1))
