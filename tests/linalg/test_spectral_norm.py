"""Power iteration against dense eigenvalues."""

import numpy as np
import pytest

from skcrit._backend import to_device, to_host
from skcrit.linalg import spectral_norm


def symmetric(rng, eigenvalues, n_systems=1):
    n = len(eigenvalues)
    Q = np.linalg.qr(rng.standard_normal((n_systems, n, n)))[0]
    return (Q * np.asarray(eigenvalues)) @ np.swapaxes(Q, -1, -2)


def estimate(A, v, backend="numpy", **options):
    A, v = (to_device(a, backend) for a in (A, v))
    product = lambda u: (A @ u[..., None])[..., 0]  # noqa: E731
    return to_host(spectral_norm(product, v, **options))


@pytest.mark.parametrize("backend", ["numpy", "array_api_strict"])
def test_is_a_lower_bound_right_to_a_few_per_cent(backend, rng):
    A = rng.standard_normal((8, 12, 12))
    A = A + np.swapaxes(A, -1, -2)
    v = rng.standard_normal((8, 12))
    exact = np.max(np.abs(np.linalg.eigvalsh(A)), axis=1)
    norm = estimate(A, v, backend)
    assert norm.shape == (8,)
    assert np.all(norm <= exact * (1 + 1e-12))
    assert np.all(norm >= 0.8 * exact)
    assert np.median(norm / exact) > 0.95
    assert np.all(estimate(A, v, backend, n_iter=400) >= 0.99 * exact)


@pytest.mark.parametrize("eigenvalues", [[-5, 1, 2], [-3, 3, 0], [4, 4, -4]], ids=str)
def test_sign_and_multiplicity_do_not_matter(eigenvalues, rng):
    A = symmetric(rng, eigenvalues, n_systems=5)
    v = rng.standard_normal((5, 3))
    norm = estimate(A, v, n_iter=40)
    np.testing.assert_allclose(norm, np.max(np.abs(eigenvalues)), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-150, 1e-10, 1e150])
def test_scales_with_the_matrix_and_not_with_the_vector(scale, rng):
    A, v = symmetric(rng, [3.0, 1.0, -2.0], 4), rng.standard_normal((4, 3))
    norm = estimate(A, v)
    np.testing.assert_allclose(estimate(scale * A, v), scale * norm, rtol=1e-10)
    small = np.sqrt(scale)
    np.testing.assert_allclose(estimate(A, small * v), norm, rtol=1e-10)


def test_zero_matrix_and_zero_vector(rng):
    A = np.zeros((3, 4, 4))
    A[2] = np.eye(4)
    v = rng.standard_normal((3, 4))
    v[1] = 0
    np.testing.assert_allclose(estimate(A, v), [0, 0, 1])


def test_rows_do_not_mix(rng):
    A, v = symmetric(rng, [3.0, 1.0, -2.0], 4), rng.standard_normal((4, 3))
    together = estimate(A, v)
    alone = [estimate(A[i : i + 1], v[i : i + 1])[0] for i in range(4)]
    np.testing.assert_array_equal(together, alone)


def test_counts_its_products(rng):
    calls = []

    def product(u):
        calls.append(u)
        return u * np.array([2.0, -1.0])

    spectral_norm(product, np.ones((1, 2)), n_iter=7)
    assert len(calls) == 7
