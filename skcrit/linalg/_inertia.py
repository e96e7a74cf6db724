"""Inertia of symmetric matrices with a stated uncertainty."""

from __future__ import annotations

from skcrit._backend import array_namespace
from skcrit._typing import Array


def inertia(eigenvalues: Array, threshold: Array) -> tuple[Array, Array]:
    """Count negative and zero eigenvalues.

    Parameters
    ----------
    eigenvalues : array of shape (..., n)
        Eigenvalues of symmetric matrices.
    threshold : array of shape (...,)
        Absolute: eigenvalues of at most this size count as zero.

    Returns
    -------
    n_negative, n_zero : arrays of int of shape (...,)
        Counts.
    """
    xp = array_namespace(eigenvalues)
    bound = threshold[..., None]
    n_negative = xp.sum(xp.astype(eigenvalues < -bound, xp.int64), axis=-1)
    n_zero = xp.sum(xp.astype(xp.abs(eigenvalues) <= bound, xp.int64), axis=-1)
    return n_negative, n_zero
