"""Counting eigenvalues against a stated uncertainty."""

import numpy as np
import pytest

from skcrit._backend import to_device, to_host
from skcrit.linalg import inertia, rounding_level


@pytest.fixture(params=["numpy", "array_api_strict"])
def backend(request):
    """Name of the backend that computes."""
    return request.param


def count(eigenvalues, threshold, backend="numpy"):
    arrays = [to_device(a, backend) for a in (eigenvalues, threshold)]
    return tuple(to_host(counts) for counts in inertia(*arrays))


def test_counts_by_rows(backend):
    eigenvalues = [[-2.0, -1e-3, 0.0, 1e-3, 5.0], [-1.0, -1.0, -1.0, 2.0, 2.0]]
    n_negative, n_zero = count(eigenvalues, [1e-2, 0.0], backend)
    assert n_negative.tolist() == [1, 3]
    assert n_zero.tolist() == [3, 0]
    assert n_negative.dtype == n_zero.dtype == np.int64


def test_the_threshold_itself_counts_as_zero():
    eigenvalues = [[-0.5, 0.5, -0.5000001, 0.5000001]]
    assert [c.tolist() for c in count(eigenvalues, [0.5])] == [[1], [2]]


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)], ids=str)
def test_shapes_and_sum_of_counts(shape, rng, backend):
    eigenvalues = rng.standard_normal((*shape, 7))
    threshold = np.full(shape, 0.3)
    n_negative, n_zero = count(eigenvalues, threshold, backend)
    mirrored, same_zero = count(-eigenvalues, threshold, backend)
    assert n_negative.shape == n_zero.shape == shape
    np.testing.assert_array_equal(n_negative + n_zero + mirrored, 7)
    np.testing.assert_array_equal(n_zero, same_zero)


def test_an_infinite_threshold_knows_nothing():
    assert [c.tolist() for c in count([[-1.0, 2.0]], [np.inf])] == [[0], [2]]


def test_sylvester(rng):
    # Inertia is that of any congruent matrix.
    A = np.diag([-2.0, -1.0, 0.0, 0.0, 3.0])
    for _ in range(10):
        M = rng.standard_normal((5, 5))
        eigenvalues = np.linalg.eigvalsh(M.T @ A @ M)[None]
        counts = count(eigenvalues, rounding_level(eigenvalues))
        assert [c.tolist() for c in counts] == [[2], [2]]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("n", [5, 60])
def test_rounding_level_covers_the_error_of_the_solver(dtype, scale, n, rng):
    # Kernels of rounded singular matrices stay below the level, and not by far.
    exact = np.zeros(n)
    exact[: n // 2] = rng.choice([-1, 1], n // 2) * rng.uniform(0.1, 1, n // 2)
    Q = np.linalg.qr(rng.standard_normal((4, n, n)))[0]
    A = scale * (Q * exact) @ np.swapaxes(Q, -1, -2)
    A = ((A + np.swapaxes(A, -1, -2)) / 2).astype(dtype)
    eigenvalues = np.linalg.eigvalsh(A)
    level = rounding_level(eigenvalues)
    assert level.shape == (4,)
    error = np.max(np.abs(eigenvalues - scale * np.sort(exact)), axis=1)
    assert np.all(error < level)
    assert np.all(level < 1e-2 * 0.1 * scale)
    n_negative, n_zero = inertia(eigenvalues, level)
    np.testing.assert_array_equal(n_negative, np.sum(exact < 0))
    np.testing.assert_array_equal(n_zero, np.sum(exact == 0))


def test_rounding_level_scales(backend, rng):
    eigenvalues = rng.standard_normal((3, 8))
    level = to_host(rounding_level(to_device(eigenvalues, backend)))
    large = to_host(rounding_level(to_device(-1e5 * eigenvalues, backend)))
    np.testing.assert_allclose(large, 1e5 * level, rtol=1e-12)
    expected = 80 * np.finfo(float).eps * np.max(np.abs(eigenvalues), axis=1)
    np.testing.assert_allclose(level, expected, rtol=1e-12)
