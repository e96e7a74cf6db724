"""Size of a symmetric matrix from products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skcrit._backend import array_namespace
from skcrit._typing import Array


def spectral_norm(matvec: Callable[..., Any], v: Array, n_iter: int = 20) -> Array:
    """Estimate the largest absolute eigenvalues of a batch by power iteration.

    Parameters
    ----------
    matvec : callable
        Maps an array (n_systems, n) to the products of the same shape.
    v : array of shape (n_systems, n)
        Starting vectors, not zero.
    n_iter : int, default=20
        Number of products; the estimate is a lower bound.

    Returns
    -------
    norm : array of shape (n_systems,)
        Estimates, usually right to a few per cent.
    """
    xp = array_namespace(v)
    for _ in range(n_iter):
        size = xp.sqrt(xp.sum(v * v, axis=-1))
        v = matvec(v / xp.where(size > 0, size, xp.ones_like(size))[..., None])
    return xp.sqrt(xp.sum(v * v, axis=-1))
