"""The Lanczos process, for a batch of symmetric matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, device
from skcrit._typing import Array


def lanczos(
    matvec: Callable[..., Any], b: Array, n_vectors: int
) -> tuple[Array, Array, Array]:
    """Build orthonormal bases of Krylov spaces, and project the matrices on them.

    Parameters
    ----------
    matvec : callable
        Maps an array (n_systems, n) to the products ``A v`` of the same shape, a
        symmetric matrix per row.
    b : array of shape (n_systems, n)
        First vectors.
    n_vectors : int
        Dimension m of the spaces, at most n.

    Returns
    -------
    basis : array of shape (n_systems, m + 1, n)
        Orthonormal rows ``v_1, ..., v_{m+1}``; zero after a space has become invariant.
    tridiagonal : array of shape (n_systems, m + 1, m)
        The matrices T with ``A V_m = V_{m+1} T``, where V has the vectors as columns.
    n_matvec : array of int of shape (n_systems,)
        Products spent on each system, which is the dimension of its space.

    Notes
    -----
    Costs m products, ``2 m^2 n`` multiplications and storage for m + 1 vectors. Every
    vector is orthogonalised twice against all the earlier ones ("twice is enough",
    Giraud, Langou, Rozloznik & van den Eshof 2005, doi:10.1007/s00211-005-0615-4): the
    short recurrence alone loses orthogonality once an eigenvalue has converged.
    """
    xp = array_namespace(b)
    n_systems, n = b.shape
    like = {"dtype": b.dtype, "device": device(b)}
    basis = xp.zeros((n_systems, n_vectors + 1, n), **like)
    tridiagonal = xp.zeros((n_systems, n_vectors + 1, n_vectors), **like)
    norm = _norm(xp, b)
    alive = norm > 0
    basis[:, 0, :] = _normalized(xp, b, norm, alive)
    scale = xp.zeros_like(norm)
    n_matvec = xp.zeros(n_systems, dtype=xp.int64, device=device(b))
    for k in range(n_vectors):
        n_matvec = n_matvec + xp.astype(alive, xp.int64)
        w = matvec(basis[:, k, :])
        scale = xp.maximum(scale, _norm(xp, w))
        w, overlap = _orthogonalized(xp, w, basis[:, : k + 1, :])
        tridiagonal[:, k, k] = overlap[:, k]
        norm = _norm(xp, w)
        # The remainder consists of rounding errors: the space is invariant, and the
        # process ends.
        alive = alive & (norm > 10 * n * xp.finfo(b.dtype).eps * scale)
        norm = xp.where(alive, norm, xp.zeros_like(norm))
        tridiagonal[:, k + 1, k] = norm
        if k + 1 < n_vectors:
            tridiagonal[:, k, k + 1] = norm
        basis[:, k + 1, :] = _normalized(xp, w, norm, alive)
        if not bool(xp.any(alive)):
            break
    return basis, tridiagonal, n_matvec


def _norm(xp: Any, v: Array) -> Array:
    """Compute the norms of rows."""
    return xp.sqrt(xp.sum(v * v, axis=-1))


def _normalized(xp: Any, v: Array, norm: Array, alive: Array) -> Array:
    """Scale rows to length one, or to zero if the process has ended."""
    unit = v / xp.where(alive, norm, xp.ones_like(norm))[:, None]
    return xp.where(alive[:, None], unit, xp.zeros_like(unit))


# BLAS reads whole registers, and can report what lies behind a row of single precision.
@np.errstate(invalid="ignore")
def _orthogonalized(xp: Any, w: Array, basis: Array) -> tuple[Array, Array]:
    """Remove the components along earlier vectors, twice, and return them too."""
    total = xp.zeros(basis.shape[:2], dtype=w.dtype, device=device(w))
    for _ in range(2):
        overlap = (basis @ w[..., None])[..., 0]
        w = w - (xp.matrix_transpose(basis) @ overlap[..., None])[..., 0]
        total = total + overlap
    return w, total
