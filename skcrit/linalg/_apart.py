"""Eigenpairs of block-diagonal matrices, up to permutation, as Hessians often are."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.linalg._decompositions import eigh

# Blocks are only looked for in matrices of at least this size of which at most this
# part of the entries remains. For smaller or fuller matrices, finding blocks takes
# about as long as the decomposition.
_LEAST = 32
_FULL = 1 / 8


def eigh_apart(matrices: Array, level: Array) -> tuple[Array, Array, FloatArray]:
    """Decompose symmetric matrices, block by block if they consist of blocks.

    Parameters
    ----------
    matrices : array of shape (n_matrices, n, n)
        Symmetric matrices, finite.
    level : array of shape (n_matrices,)
        Absolute: entries may be neglected if the sum of their moduli in each row is at
        most this large.

    Returns
    -------
    values : array of shape (n_matrices, n)
        Eigenvalues, ascending.
    vectors : array of shape (n_matrices, n, n)
        Orthonormal eigenvectors, as columns.
    left_out : ndarray of shape (n_matrices,)
        Largest row sum of the neglected entries, which bounds their spectral norm and
        the errors of the eigenvalues; zero if the matrix was decomposed as a whole.

    Notes
    -----
    Rows and columns that are connected by nonzero entries, directly or through others,
    form a block after a permutation. A full matrix costs :func:`skcrit.linalg.eigh` and
    three passes over it. Each matrix is treated independently of the others. On a
    device all matrices are decomposed as a whole.
    """
    count, n = matrices.shape[:2]
    left_out = np.zeros(count)
    if type(matrices) is not np.ndarray or n < _LEAST:
        return *eigh(matrices), left_out
    links, sums = _links(matrices, level)
    apart = sums <= level
    apart &= [np.count_nonzero(link) <= _FULL * n * n for link in links]
    if not apart.any():
        return *eigh(matrices), left_out
    rows, others = np.flatnonzero(apart), np.flatnonzero(~apart)
    values = np.empty(matrices.shape[:-1], matrices.dtype)
    vectors = np.zeros_like(matrices)
    _by_blocks(matrices, links, rows, values, vectors)
    left_out[rows] = sums[rows]
    if len(others):
        values[others], vectors[others] = eigh(matrices[others])
    return values, vectors, left_out


def _links(matrices: FloatArray, level: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Find the entries that connect rows, and the largest row sums of all others."""
    size = np.abs(matrices)
    links = size > level[:, None, None]
    size *= ~links
    return links, np.max(np.sum(size, axis=2), axis=1)


def _by_blocks(
    matrices: FloatArray,
    links: BoolArray,
    rows: IntArray,
    values: FloatArray,
    vectors: FloatArray,
) -> None:
    """Decompose the blocks of some matrices, those of one size together."""
    n = matrices.shape[-1]
    blocks = []
    for place in _blocks_by_size(links[rows]):
        number, inner = rows[place[:, :1] // n], place % n
        part = matrices[number[..., None], inner[:, :, None], inner[:, None, :]]
        values[number, inner], pairs = _small(part)
        blocks.append((number, inner, pairs))
    rising = np.argsort(values[rows], axis=1, kind="stable")
    rank = np.empty(values.shape, dtype=int)
    rank[rows[:, None], rising] = np.arange(n)
    for number, inner, pairs in blocks:
        column = rank[number, inner]
        vectors[number[..., None], inner[:, :, None], column[:, None, :]] = pairs
    values[rows] = np.take_along_axis(values[rows], rising, axis=1)


def _small(blocks: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Decompose blocks of one size; the values of a block are in no order."""
    if blocks.shape[-1] != 2:
        return eigh(blocks)
    # One Jacobi rotation of all blocks together is as accurate as LAPACK, whose calls
    # take longer than its arithmetic for blocks of this size.
    first, cross, last = blocks[:, 0, 0], blocks[:, 0, 1], blocks[:, 1, 1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = (last - first) / (2 * cross)
        tangent = np.copysign(1.0, ratio) / (np.abs(ratio) + np.hypot(1.0, ratio))
    tangent = np.where(cross == 0, 0.0, tangent)
    cosine = 1 / np.hypot(1.0, tangent)
    sine = tangent * cosine
    values = np.stack([first - tangent * cross, last + tangent * cross], axis=-1)
    vectors = np.stack([cosine, sine, -sine, cosine], axis=-1)
    return values, vectors.reshape(blocks.shape)


def _blocks_by_size(links: BoolArray) -> list[IntArray]:
    """List blocks as rows of indices into the rows of all matrices."""
    count, n = links.shape[:2]
    # In one dimension the search for what is not zero is several times faster.
    place, column = np.divmod(np.flatnonzero(links), n)
    begin = np.searchsorted(place, np.arange(count * n + 1))
    parts = np.ones(len(place)), place - place % n + column, begin
    graph = csr_array(parts, shape=(count * n, count * n))
    # Links are mutual, so that strong components are the connected components.
    _, label = connected_components(graph, connection="strong")
    order = np.argsort(label, kind="stable")
    _, first, sizes = np.unique(label[order], return_index=True, return_counts=True)
    return [order[first[sizes == m, None] + np.arange(m)] for m in np.unique(sizes)]
