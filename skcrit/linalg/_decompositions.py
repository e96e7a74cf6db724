"""Decompositions of stacks of matrices, which continue if LAPACK fails on one."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from numpy.linalg import LinAlgError

from skcrit._backend import array_namespace
from skcrit._typing import Array


def eigh(matrices: Array) -> tuple[Array, Array]:
    """Decompose symmetric matrices.

    Parameters
    ----------
    matrices : array of shape (..., n, n)
        Symmetric matrices, finite.

    Returns
    -------
    values : array of shape (..., n)
        Eigenvalues, ascending.
    vectors : array of shape (..., n, n)
        Orthonormal eigenvectors, as columns.

    Notes
    -----
    LAPACK's iteration fails on about one finite matrix in millions, and NumPy then
    raises an error for the whole stack. In that case the matrices are decomposed one by
    one, and the one that failed is decomposed with its rows and columns in reverse
    order, for which the iteration takes another course. If that fails too, its
    eigenpairs are NaN.
    """
    xp = array_namespace(matrices)

    def reverse(matrix: Array) -> tuple[Array, Array]:
        values, vectors = xp.linalg.eigh(xp.flip(matrix))
        return values, xp.flip(vectors, axis=-2)

    return _decomposed(matrices, xp.linalg.eigh, reverse)


def eigvalsh(matrices: Array) -> Array:
    """Compute the eigenvalues of finite symmetric matrices, ascending."""
    # A matrix on which LAPACK fails is decomposed in reverse order, as in eigh.
    xp = array_namespace(matrices)

    def straight(matrix: Array) -> tuple[Array, ...]:
        return (xp.linalg.eigvalsh(matrix),)

    def reverse(matrix: Array) -> tuple[Array, ...]:
        return (xp.linalg.eigvalsh(xp.flip(matrix)),)

    return _decomposed(matrices, straight, reverse)[0]


def svd(matrices: Array) -> tuple[Array, Array, Array]:
    """Decompose rectangular matrices.

    Parameters
    ----------
    matrices : array of shape (..., m, n)
        Matrices, finite.

    Returns
    -------
    left : array of shape (..., m, min(m, n))
        Left singular vectors, as columns.
    values : array of shape (..., min(m, n))
        Singular values, descending.
    right : array of shape (..., min(m, n), n)
        Right singular vectors, as rows.

    Notes
    -----
    The transpose is decomposed if LAPACK fails on the matrix; see :func:`eigh`.
    """
    xp = array_namespace(matrices)

    def straight(matrix: Array) -> tuple[Array, ...]:
        return tuple(xp.linalg.svd(matrix, full_matrices=False))

    def transposed(matrix: Array) -> tuple[Array, ...]:
        left, values, right = straight(xp.matrix_transpose(matrix))
        return xp.matrix_transpose(right), values, xp.matrix_transpose(left)

    return _decomposed(matrices, straight, transposed)


def pinv(matrices: Array) -> Array:
    """Invert rectangular matrices in the least-squares sense.

    Parameters
    ----------
    matrices : array of shape (..., m, n)
        Matrices, finite.

    Returns
    -------
    inverses : array of shape (..., n, m)
        Pseudoinverses; singular values up to ``max(m, n) eps`` times the largest count
        as zero.

    Notes
    -----
    The transpose is inverted if LAPACK fails on the matrix; see :func:`eigh`.
    """
    xp = array_namespace(matrices)

    def straight(matrix: Array) -> tuple[Array, ...]:
        return (xp.linalg.pinv(matrix),)

    def transposed(matrix: Array) -> tuple[Array, ...]:
        inverse = xp.linalg.pinv(xp.matrix_transpose(matrix))
        return (xp.matrix_transpose(inverse),)

    return _decomposed(matrices, straight, transposed)[0]


def _decomposed(
    matrices: Array, *ways: Callable[[Array], tuple[Array, ...]]
) -> tuple[Array, ...]:
    """Decompose a stack by the first method, or each matrix by the first that works."""
    try:
        return tuple(ways[0](matrices))
    except LinAlgError:
        pass
    xp = array_namespace(matrices)
    leading, (m, n) = matrices.shape[:-2], matrices.shape[-2:]
    flat = xp.reshape(matrices, (prod(leading), m, n))
    parts = [_one(xp, flat[i, ...], ways) for i in range(flat.shape[0])]
    stacks = [xp.stack(factor) for factor in zip(*parts, strict=True)]
    return tuple(xp.reshape(s, (*leading, *s.shape[1:])) for s in stacks)


def _one(
    xp: Any, matrix: Array, ways: tuple[Callable[[Array], tuple[Array, ...]], ...]
) -> tuple[Array, ...]:
    """Decompose one matrix; NaN if all methods fail."""
    for way in ways:
        try:
            return way(matrix)
        except LinAlgError:
            continue
    return tuple(xp.full_like(part, xp.nan) for part in ways[0](xp.zeros_like(matrix)))
