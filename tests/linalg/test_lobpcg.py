"""The lowest eigenpairs from products, against full decompositions."""

import numpy as np
import pytest

from skcrit._backend import take_rows, to_device, to_host
from skcrit.linalg import lowest_eigenpairs

SPECTRA = {
    "indefinite": np.linspace(-3, 5, 40),
    "definite": np.linspace(0.1, 4, 40),
    "singular": np.r_[-1.0, np.zeros(30), np.linspace(1, 2, 9)],
    "multiple": np.r_[np.full(6, -2.0), np.full(20, -1.0), np.full(14, 3.0)],
    "scaled": 1e-30 * np.linspace(-3, 5, 40),
}


def matrices(spectrum, n_systems, seed=0):
    rng = np.random.default_rng(seed)
    n = len(spectrum)
    q = np.linalg.qr(rng.standard_normal((n_systems, n, n)))[0]
    return (q * spectrum) @ np.swapaxes(q, 1, 2)


def product(a):
    return lambda v: (a @ v[..., None])[..., 0]


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("m", [1, 4, 13])
def test_pairs_are_those_of_the_decomposition(name, m, rng):
    spectrum = SPECTRA[name]
    a = matrices(spectrum, 3)
    start = rng.standard_normal((3, m, 40))
    values, vectors, residual, _ = lowest_eigenpairs(
        product(a), start, rtol=1e-9, max_iter=400
    )
    size = np.abs(spectrum).max()
    expected = np.broadcast_to(np.sort(spectrum)[:m], values.shape)
    np.testing.assert_allclose(values / size, expected / size, atol=1e-12)
    gram = vectors @ np.swapaxes(vectors, 1, 2)
    np.testing.assert_allclose(gram, np.broadcast_to(np.eye(m), gram.shape), atol=1e-12)
    error = vectors @ a - values[..., None] * vectors
    np.testing.assert_allclose(np.linalg.norm(error, axis=-1), residual, atol=1e-13)
    assert residual.max() <= 1e-9 * size


def test_multiple_eigenvalues_are_found_as_often_as_they_occur(rng):
    a = matrices(SPECTRA["multiple"], 1)
    values = lowest_eigenpairs(product(a), rng.standard_normal((1, 8, 40)))[0]
    np.testing.assert_allclose(values[0, :6], -2.0, rtol=1e-5)
    assert np.all(values[0, 6:] > -1.001)


def test_products_are_counted_and_a_good_guess_saves_them(rng):
    a, seen = matrices(SPECTRA["indefinite"], 2), np.zeros(2, dtype=int)

    def counted(v):
        seen[:] += np.any(v != 0, axis=-1)
        return product(a)(v)

    start = rng.standard_normal((2, 4, 40))
    _, vectors, _, cold = lowest_eigenpairs(counted, start)
    np.testing.assert_array_equal(cold, seen)
    _, _, _, warm = lowest_eigenpairs(product(a), vectors)
    assert np.all(warm == 4)
    assert np.all(cold > warm)


def test_systems_do_not_depend_on_the_batch(rng):
    a = matrices(SPECTRA["indefinite"], 5)
    a[2] *= 1e-3
    start = rng.standard_normal((5, 3, 40))
    together = lowest_eigenpairs(product(a), start)
    for i in range(5):
        alone = lowest_eigenpairs(product(a[i : i + 1]), start[i : i + 1])
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one[0], all_[i])


def test_a_matrix_that_is_not_finite_harms_nobody(rng):
    a = matrices(SPECTRA["indefinite"], 3)
    start = rng.standard_normal((3, 2, 40))
    expected = lowest_eigenpairs(product(a), start)
    a[1, 0, 0] = np.nan
    values, vectors, _, _ = lowest_eigenpairs(product(a), start)
    assert np.all(vectors[1] == 0)
    np.testing.assert_array_equal(values[[0, 2]], expected[0][[0, 2]])


def test_iterations_are_bounded(rng):
    a = matrices(SPECTRA["indefinite"], 1)
    start = rng.standard_normal((1, 2, 40))
    count = lowest_eigenpairs(product(a), start, rtol=0.0, max_iter=7)[3]
    assert count.tolist() == [2 * 8]


def test_device_gives_the_results_of_numpy(rng):
    a, start = matrices(SPECTRA["indefinite"], 2), rng.standard_normal((2, 3, 40))
    there = to_device(a, "array_api_strict")

    def matvec(v):
        return (there @ v[..., None])[..., 0]

    expected = lowest_eigenpairs(product(a), start)
    result = lowest_eigenpairs(matvec, to_device(start, "array_api_strict"))
    np.testing.assert_allclose(to_host(result[0]), expected[0], rtol=1e-12)
    np.testing.assert_array_equal(to_host(result[3]), expected[3])


@pytest.mark.parametrize("name", ["distinct", "multiple", "zero", "singular"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 10])
def test_every_number_of_vectors_in_every_small_dimension(n, name, rng):
    spectrum = {
        "distinct": rng.standard_normal(n),
        "multiple": np.where(np.arange(n) < (n + 1) // 2, -1.0, 2.0),
        "zero": np.zeros(n),
        "singular": np.where(np.arange(n) % 2, 0.0, rng.standard_normal(n)),
    }[name]
    a = matrices(spectrum, 4)
    for m in range(1, n + 1):
        start = rng.standard_normal((4, m, n))
        values, vectors, residual, count = lowest_eigenpairs(
            product(a), start, rtol=1e-10, max_iter=500
        )
        expected = np.linalg.eigvalsh(a)[:, :m]
        np.testing.assert_allclose(values, expected, atol=1e-9)
        gram = vectors @ np.swapaxes(vectors, 1, 2)
        np.testing.assert_allclose(gram, [np.eye(m)] * 4, atol=1e-12)
        error = vectors @ a - values[..., None] * vectors
        assert np.linalg.norm(error, axis=-1).max() <= 1e-9
        assert residual.max() <= 1e-9
        if 3 * m > n:
            assert np.all(count == n)


@pytest.mark.parametrize("shape", [(2, 5, 4), (3, 4), (2, 0, 4), (0, 1, 4)])
def test_impossible_numbers_of_vectors(shape):
    with pytest.raises(ValueError, match=r"start must have shape .*1 <= m <= n.*got"):
        lowest_eigenpairs(lambda v: v, np.ones(shape))


def test_products_of_the_wrong_shape(rng):
    with pytest.raises(ValueError, match="matvec must return an array of shape"):
        lowest_eigenpairs(lambda v: v[:, :1], rng.standard_normal((2, 1, 6)))


@pytest.mark.parametrize("n", [9, 4])
def test_a_dense_matrix_that_is_not_finite_harms_nobody(n, rng):
    a = matrices(rng.standard_normal(n), 3)
    start = rng.standard_normal((3, 3, n))
    expected = lowest_eigenpairs(product(a), start)
    a[1, 0, 0] = np.inf
    with np.errstate(invalid="ignore"):
        values, vectors, _, _ = lowest_eigenpairs(product(a), start)
    assert np.all(vectors[1] == 0)
    np.testing.assert_array_equal(values[[0, 2]], expected[0][[0, 2]])


@pytest.mark.parametrize("backend", ["numpy", "array_api_strict"])
def test_finished_matrices_are_dropped_without_a_trace(backend, rng):
    spectra = [np.linspace(-1, 1, 40) * np.arange(1, 41) ** k for k in (0, 0, 1, 3)]
    a = to_device(np.concatenate([matrices(d, 3) for d in spectra]), backend)
    start = rng.standard_normal((12, 3, 40))
    start[:2] = np.swapaxes(np.linalg.eigh(to_host(a)[:2])[1], 1, 2)[:, :3]
    start, n_rows = to_device(start, backend), []

    def take(rows):
        some = take_rows(a, rows)
        return lambda v: n_rows.append(v.shape[0]) or (some @ v[..., None])[..., 0]

    def whole(v):
        return take(np.arange(12))(v)

    options = {"rtol": 1e-6, "max_iter": 60}
    expected = lowest_eigenpairs(whole, start, **options)
    n_whole = sum(n_rows)
    n_rows.clear()
    result = lowest_eigenpairs(whole, start, take=take, **options)
    for one, other in zip(result, expected, strict=True):
        np.testing.assert_array_equal(to_host(one), to_host(other))
    assert to_host(result[3]).sum() <= sum(n_rows) < n_whole
    assert sum(n_rows) <= 1.15 * to_host(result[3]).sum()


def test_a_search_for_negative_ones_ends_when_all_are(rng):
    a, start = matrices(SPECTRA["indefinite"], 2), rng.standard_normal((2, 4, 40))
    options = {"rtol": 1e-9, "max_iter": 300}
    every = lowest_eigenpairs(product(a), start, **options)[3]
    values, _, _, some = lowest_eigenpairs(product(a), start, below=-0.1, **options)
    assert np.all(values < -0.1)
    assert np.all(some < every / 3)
    same = lowest_eigenpairs(product(a), start, below=-4.0, **options)[3]
    np.testing.assert_array_equal(same, every)
