"""Stacks of matrices are decomposed even if LAPACK fails on one of them."""

import array_api_strict
import numpy as np
import pytest
from numpy.linalg import LinAlgError
from numpy.testing import assert_allclose, assert_array_equal

from skcrit.linalg._decompositions import eigh, pinv, svd

# A matrix that "LAPACK" fails on has this in its corner, or anywhere.
MARK = 0.125


def failing(original, hopeless):
    """Make a decomposition that raises as NumPy does, for the whole stack."""

    def decompose(a, *args, **kwargs):
        marks = a == MARK if hopeless else a[..., 0, 0] == MARK
        if np.any(marks):
            raise LinAlgError("Eigenvalues did not converge")
        return original(a, *args, **kwargs)

    return decompose


@pytest.fixture(params=[False, True], ids=["once", "always"])
def hopeless(request, monkeypatch):
    for name in ("eigh", "svd"):
        original = getattr(np.linalg, name)
        monkeypatch.setattr(np.linalg, name, failing(original, request.param))
    return request.param


def stack_of(rng, shape):
    matrices = rng.standard_normal(shape)
    matrices[0, 1, 0, 0] = MARK
    return matrices


def assert_others_are_untouched(found, single):
    """Compare with each matrix decomposed on its own."""
    for i, j in np.ndindex(2, 3):
        if (i, j) != (0, 1):
            for part, alone in zip(found, single(i, j), strict=True):
                assert_array_equal(part[i, j], alone)


def test_eigh(hopeless, rng):
    A = stack_of(rng, (2, 3, 4, 4))
    A = np.tril(A) + np.swapaxes(np.tril(A, -1), -1, -2)
    values, vectors = eigh(A)
    assert_others_are_untouched((values, vectors), lambda i, j: np.linalg.eigh(A[i, j]))
    if hopeless:
        assert np.all(np.isnan(values[0, 1])) and np.all(np.isnan(vectors[0, 1]))
        return
    assert_allclose(A @ vectors, vectors * values[..., None, :], atol=1e-13)
    assert_allclose(
        np.swapaxes(vectors, -1, -2) @ vectors, [[np.eye(4)] * 3] * 2, atol=1e-13
    )
    assert np.all(np.diff(values) >= 0)


@pytest.mark.parametrize("shape", [(2, 3, 5, 3), (2, 3, 3, 5)])
def test_svd(hopeless, shape, rng):
    A = stack_of(rng, shape)
    left, values, right = svd(A)
    assert left.shape == (2, 3, shape[-2], 3) and right.shape == (2, 3, 3, shape[-1])

    def single(i, j):
        return np.linalg.svd(A[i, j], full_matrices=False)

    assert_others_are_untouched((left, values, right), single)
    # The transpose has the mark in its corner too, where it stays.
    assert np.all(np.isnan(values[0, 1]))


def test_svd_of_what_fails_one_way_only(monkeypatch, rng):
    original = np.linalg.svd

    def decompose(a, *args, **kwargs):
        if a.shape[-1] == 3:
            raise LinAlgError("SVD did not converge")
        return original(a, *args, **kwargs)

    monkeypatch.setattr(np.linalg, "svd", decompose)
    A = rng.standard_normal((4, 5, 3))
    left, values, right = svd(A)
    assert_allclose((left * values[:, None, :]) @ right, A, atol=1e-13)


def test_namespace_and_one_matrix():
    A = array_api_strict.asarray([[2.0, 1.0], [1.0, 2.0]])
    values, vectors = eigh(A)
    assert_allclose(np.asarray(values), [1, 3])
    assert vectors.shape == (2, 2)


@pytest.mark.parametrize("shape", [(2, 3, 5, 3), (2, 3, 3, 5)])
def test_pinv(shape, rng):
    A = rng.standard_normal(shape)
    A[0, 0, :, 0] = A[0, 0, :, 1]
    inverse = pinv(A)
    assert_allclose(A @ inverse @ A, A, atol=1e-13)
    assert_allclose(inverse @ A @ inverse, inverse, atol=1e-13)
    for product in (A @ inverse, inverse @ A):
        assert_allclose(product, np.swapaxes(product, -1, -2), atol=1e-13)
    for i, j in np.ndindex(2, 3):
        assert_array_equal(inverse[i, j], pinv(A[i, j]))


@pytest.mark.parametrize("both_ways", [False, True])
def test_pinv_of_what_fails(both_ways, monkeypatch, rng):
    A = rng.standard_normal((4, 5, 3))
    expected = pinv(A)
    marked, original = A[1].copy(), np.linalg.pinv

    def invert(a, *args, **kwargs):
        a_again = np.reshape(a, (-1, *a.shape[-2:]))
        fails = any(np.array_equal(m, marked) for m in a_again)
        fails |= both_ways and any(np.array_equal(m, marked.T) for m in a_again)
        if fails:
            raise LinAlgError("SVD did not converge")
        return original(a, *args, **kwargs)

    monkeypatch.setattr(np.linalg, "pinv", invert)
    inverse = pinv(A)
    assert_array_equal(inverse[[0, 2, 3]], expected[[0, 2, 3]])
    if both_ways:
        assert np.all(np.isnan(inverse[1]))
    else:
        assert_allclose(inverse[1], expected[1], atol=1e-14)
