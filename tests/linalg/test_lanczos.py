"""The Lanczos process against dense linear algebra."""

import array_api_strict
import numpy as np
import pytest

from skcrit._backend import get_namespace, to_device, to_host
from skcrit.linalg import lanczos

from ._systems import symmetric

EPS = np.finfo(float).eps


def run(A, b, n_vectors, backend="numpy", dtype="float64"):
    """Return basis, projection and counts with NumPy arrays."""
    matrix = to_device(A, backend, dtype)
    result = lanczos(
        lambda v: (matrix @ v[..., None])[..., 0],
        to_device(b, backend, dtype),
        n_vectors,
    )
    return [to_host(array) for array in result]


def check(A, b, basis, T, count, tol=1e-13):
    """Check everything that is promised, for a batch."""
    for matrix, first, V, t, dimension in zip(A, b, basis, T, count, strict=True):
        m = t.shape[1]
        scale = max(np.linalg.norm(matrix, 2), 1e-300)
        # A V_m = V_{m+1} T
        np.testing.assert_allclose(matrix @ V[:m].T, V.T @ t, atol=tol * scale)
        # Orthonormal, and zero from where the space is invariant.
        gram = V @ V.T
        length = int(np.sum(np.diag(gram) > 0.5))
        expected = np.diag((np.arange(m + 1) < length).astype(float))
        np.testing.assert_allclose(gram, expected, atol=tol)
        assert length == dimension or (dimension == m and length == m + 1)
        # Tridiagonal, symmetric, and nonnegative beside the diagonal.
        np.testing.assert_array_equal(t[:m], t[:m].T)
        np.testing.assert_array_equal(np.triu(np.tril(t, 1), -1), t)
        assert np.all(np.diag(t, -1) >= 0)
        norm = np.linalg.norm(first)
        np.testing.assert_allclose(V[0] * norm, first, atol=tol * norm)


@pytest.mark.parametrize("n, m", [(1, 1), (2, 1), (7, 3), (7, 7), (40, 12)])
def test_basis_and_projection(n, m, backend, rng):
    A = symmetric(rng, rng.standard_normal(n), 4)
    b = rng.standard_normal((4, n))
    basis, T, count = run(A, b, m, backend)
    assert basis.shape == (4, m + 1, n)
    assert T.shape == (4, m + 1, m)
    assert count.tolist() == [m] * 4
    check(A, b, basis, T, count)


@pytest.mark.parametrize("spread", [1e-3, 1e-9, 1e-14])
def test_orthogonality_survives_converged_eigenvalues(spread, rng):
    # A dominant eigenvalue converges at once; without reorthogonalisation copies of it
    # come back and the basis becomes dependent.
    n, m = 60, 40
    A = symmetric(rng, np.r_[1.0, spread * rng.standard_normal(n - 1)], 3)
    b = rng.standard_normal((3, n))
    basis, T, _ = run(A, b, m)
    lengths = np.linalg.norm(basis, axis=-1)
    gram = basis @ np.swapaxes(basis, 1, 2)
    expected = lengths[:, :, None] * np.eye(m + 1)
    np.testing.assert_allclose(gram, expected, atol=1e-13)
    np.testing.assert_allclose(
        A @ np.swapaxes(basis[:, :m], 1, 2), np.swapaxes(basis, 1, 2) @ T, atol=1e-14
    )


def test_the_full_space_has_the_eigenvalues(rng):
    A = symmetric(rng, [-3.0, -1.0, 0.0, 0.5, 2.0, 7.0], 3)
    T = run(A, rng.standard_normal((3, 6)), 6)[1]
    np.testing.assert_allclose(
        np.linalg.eigvalsh(T[:, :6]), np.linalg.eigvalsh(A), atol=1e-13
    )
    np.testing.assert_allclose(T[:, 6, 5], 0, atol=1e-13)


# Spaces that end early


@pytest.mark.parametrize(
    "eigenvalues, dimension",
    [
        (np.repeat([2.0, -1.0, 3.0], 4), 3),
        (np.repeat([2.0, 0.0], 6), 2),
        (np.full(12, 2.0), 1),
        (np.full(12, -1e-30), 1),
        (np.full(12, 1e30), 1),
        (np.zeros(12), 1),
    ],
    ids=["three values", "projector", "identity", "tiny", "huge", "zero matrix"],
)
@pytest.mark.parametrize("m", [3, 8, 12])
def test_dimension_is_the_number_of_eigenvalues(
    eigenvalues, dimension, m, backend, rng
):
    A = symmetric(rng, eigenvalues, 3)
    if len(set(eigenvalues)) == 1:
        A = np.tile(np.diag(eigenvalues), (3, 1, 1))
    b = rng.standard_normal((3, 12))
    basis, T, count = run(A, b, m, backend)
    assert count.tolist() == [min(dimension, m)] * 3
    check(A, b, basis, T, count)
    space = T[:, :dimension, :dimension]
    np.testing.assert_allclose(
        np.linalg.eigvalsh(space),
        np.tile(np.unique(eigenvalues), (3, 1))[:, :dimension],
        rtol=1e-12,
        atol=1e-13 * np.max(np.abs(eigenvalues)),
    )


def test_first_vector_in_an_invariant_subspace(backend):
    A = np.diag([1.0, 2.0, 3.0, 4.0, 5.0])[None]
    for support in ([0], [1, 3], [0, 2, 4]):
        b = np.zeros((1, 5))
        b[0, support] = 1.0
        basis, T, count = run(A, b, 5, backend)
        assert count.tolist() == [len(support)]
        check(A, b, basis, T, count)
        outside = np.setdiff1d(np.arange(5), support)
        np.testing.assert_allclose(basis[:, :, outside], 0, atol=1e-15)


def test_zero_vector_spans_nothing(backend):
    A = np.tile(np.diag([1.0, 2.0, 3.0]), (2, 1, 1))
    b = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    basis, T, count = run(A, b, 2, backend)
    assert count.tolist() == [0, 2]
    assert not basis[0].any()
    assert not T[0].any()


def test_the_unit_of_the_matrix_does_not_matter(rng):
    A = symmetric(rng, np.repeat([2.0, -1.0, 3.0], 3))
    b = rng.standard_normal((1, 9))
    expected = run(A, b, 6)
    for unit in (2.0**-300, 2.0**300):
        basis, T, count = run(unit * A, b / unit, 6)
        np.testing.assert_array_equal(basis, expected[0])
        np.testing.assert_array_equal(T, unit * expected[1])
        np.testing.assert_array_equal(count, expected[2])


# Batches and backends


def mixed_batch(rng, n):
    """Systems that end at different steps."""
    A = np.concatenate([
        symmetric(rng, rng.standard_normal(n), 3),
        symmetric(rng, np.arange(n) % 2, 2),
        np.zeros((1, n, n)),
    ])
    b = rng.standard_normal((7, n))
    b[6] = 0
    return np.concatenate([A, symmetric(rng, np.arange(n))]), b


@pytest.mark.parametrize("n", [3, 16, 100])
def test_rows_do_not_depend_on_the_batch(n, rng):
    A, b = mixed_batch(rng, n)
    m = min(n, 20)
    together = run(A, b, m)
    backwards = run(A[::-1], b[::-1], m)
    assert len(np.unique(together[2])) > 2
    for i in range(7):
        alone = run(A[i : i + 1], b[i : i + 1], m)
        for whole, turned, single in zip(together, backwards, alone, strict=True):
            np.testing.assert_array_equal(single[0], whole[i])
            np.testing.assert_array_equal(turned[6 - i], whole[i])


# The products with the entries that are not finite are the test's own.
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["matrix", "vector"])
def test_rows_that_are_not_finite_harm_no_others(bad, where, rng):
    A, b = mixed_batch(rng, 8)
    expected = run(A, b, 5)
    (A if where == "matrix" else b)[2, ..., 3] = bad
    result = run(A, b, 5)
    others = [0, 1, 3, 4, 5, 6]
    for array, wanted in zip(result, expected, strict=True):
        np.testing.assert_array_equal(array[others], wanted[others])
    # The process ends where it fails.
    assert result[2][2] <= 1


def test_products_are_counted(rng):
    A, b = mixed_batch(rng, 8)
    asked = np.zeros(7, dtype=int)

    def matvec(v):
        asked[:] += np.any(v != 0, axis=-1)
        return (A @ v[..., None])[..., 0]

    count = lanczos(matvec, b, 6)[2]
    np.testing.assert_array_equal(count, asked)
    assert count.tolist()[3:] == [2, 2, 1, 0]


def test_device_gives_the_numbers_of_numpy(rng):
    A, b = mixed_batch(rng, 10)
    on_numpy, on_strict = run(A, b, 6), run(A, b, 6, "array_api_strict")
    np.testing.assert_array_equal(on_strict[2], on_numpy[2])
    for array, wanted in zip(on_strict[:2], on_numpy[:2], strict=True):
        np.testing.assert_allclose(array, wanted, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_results_stay_on_the_device(dtype, rng):
    xp, place = get_namespace("array_api_strict")
    b = to_device(rng.standard_normal((2, 4)), "array_api_strict", dtype)
    scale = to_device(np.arange(4.0), "array_api_strict", dtype)
    basis, T, count = lanczos(lambda v: v * scale, b, 3)
    for array in (basis, T):
        assert isinstance(array, type(b))
        assert array.device == place
        assert array.dtype == getattr(array_api_strict, dtype)
    assert count.device == place
    assert count.dtype == xp.int64


def test_float32(rng):
    A = symmetric(rng, np.repeat([2.0, -1.0, 3.0, 0.5], 5), 2)
    b = rng.standard_normal((2, 20))
    basis, T, count = run(A, b, 10, dtype="float32")
    assert basis.dtype == T.dtype == np.float32
    assert count.tolist() == [4, 4]
    check(A, b, basis.astype(float), T.astype(float), count, tol=1e-5)
