"""Matrices that fall apart: their eigenpairs against those of the whole matrix."""

import numpy as np
import pytest

from skcrit.linalg import eigh_apart, rounding_level


def hidden_blocks(sizes, seed=0, noise=0.0):
    """Make a symmetric matrix of blocks, with rows and columns in random order."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    matrix, begin = np.zeros((n, n)), 0
    for size in sizes:
        block = rng.standard_normal((size, size))
        matrix[begin : begin + size, begin : begin + size] = block + block.T
        begin += size
    order = rng.permutation(n)
    error = noise * rng.standard_normal((n, n))
    return matrix[np.ix_(order, order)] + error + error.T


def level_of(matrices):
    """Return what is rounding error."""
    return rounding_level(np.linalg.eigvalsh(matrices))


def check(matrices, values, vectors, tol=1e-13):
    """Compare with the decomposition of whole matrices, by LAPACK."""
    size = np.max(np.abs(matrices))
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrices), atol=tol * size)
    assert np.all(np.diff(values, axis=-1) >= 0)
    image = matrices @ vectors - vectors * values[:, None, :]
    assert np.max(np.abs(image)) <= tol * size
    gram = np.swapaxes(vectors, -1, -2) @ vectors
    np.testing.assert_allclose(
        gram, np.broadcast_to(np.eye(len(gram[0])), gram.shape), atol=1e-13
    )


@pytest.mark.parametrize("noise", [0.0, 1e-15])
@pytest.mark.parametrize("scale", [1e-150, 1.0, 1e150])
def test_blocks_of_all_sizes(noise, scale):
    sizes = [(1,) * 40, (2,) * 20, (1, 1, 2, 3, 5, 2, 1, 4, 7, 2, 2, 3, 2, 5)]
    matrices = scale * np.stack([
        hidden_blocks(size, seed, noise) for seed, size in enumerate(sizes)
    ])
    values, vectors, left_out = eigh_apart(matrices, level_of(matrices))
    check(matrices, values, vectors)
    assert np.all(left_out <= level_of(matrices))
    # It was decomposed block by block: an eigenvector has the entries of one block.
    assert np.max(np.sum(vectors != 0, axis=1)) <= 7


def test_a_full_matrix_is_that_of_the_library():
    full = np.random.default_rng(0).standard_normal((3, 40, 40))
    full = full + np.swapaxes(full, -1, -2)
    values, vectors, left_out = eigh_apart(full, level_of(full))
    expected = np.linalg.eigh(full)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(vectors, expected[1])
    np.testing.assert_array_equal(left_out, 0)


def test_a_chain_is_one_block():
    # Each row is connected with its neighbours alone, and so with all.
    n = 60
    chain = np.diag(np.full(n - 1, -1.0), 1)
    chain = (chain + chain.T + 2 * np.eye(n))[None]
    values, vectors, _ = eigh_apart(chain, level_of(chain))
    check(chain, values, vectors)
    angle = np.pi * np.arange(1, n + 1) / (n + 1)
    np.testing.assert_allclose(values[0], 2 - 2 * np.cos(angle), atol=1e-14)


def test_what_is_left_out_bounds_the_errors():
    blocks = np.kron(np.diag(np.arange(1.0, 26.0)), [[1.0, 2.0], [2.0, -3.0]])
    noise = 1e-4 * np.random.default_rng(0).standard_normal((8, 50, 50))
    matrices = blocks + noise + np.swapaxes(noise, -1, -2)
    level = np.full(8, 2e-2)
    values, vectors, left_out = eigh_apart(matrices, level)
    assert np.all((left_out > 0) & (left_out <= level))
    error = np.abs(values - np.linalg.eigvalsh(matrices))
    assert np.all(error <= left_out[:, None])
    assert np.max(np.sum(vectors != 0, axis=1)) == 2
    # Small entries that are many in sum are not left out.
    _, _, left_out = eigh_apart(matrices, np.full(8, 1e-3))
    np.testing.assert_array_equal(left_out, 0)


def test_matrices_do_not_mix():
    full = np.random.default_rng(0).standard_normal((50, 50))
    matrices = np.stack([
        hidden_blocks((2,) * 25),
        full + full.T,
        hidden_blocks((5, 20, 25), 2),
    ])
    together = eigh_apart(matrices, level_of(matrices))
    for i in range(3):
        alone = eigh_apart(matrices[i : i + 1], level_of(matrices[i : i + 1]))
        for one, all_of_them in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[i])


@pytest.mark.parametrize("entries", [(1, 0, 1), (0, 0, 0), (1, 1, 1), (3, 1e-200, 3)])
def test_pairs_that_are_special(entries):
    first, cross, last = entries
    matrix = np.kron(np.eye(20), [[first, cross], [cross, last]])[None]
    values, vectors, _ = eigh_apart(matrix, np.zeros(1))
    check(matrix, values, vectors)
