"""Data with a prescribed covariance spectrum."""

import numpy as np
import pytest

from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import LinearAutoencoderLoss

close = np.testing.assert_allclose


def second_moment(X):
    centred = X - X.mean(axis=0)
    return centred.T @ centred / len(X)


def test_defaults():
    X = make_gaussian_spectrum(random_state=0)
    assert X.shape == (10_000, 16)
    assert X.dtype == np.float64
    # Sampling errors are of order 1 / sqrt(n_samples), relative.
    close(np.var(X, axis=0), np.arange(1, 17), rtol=0.1)
    close(X.mean(axis=0) / np.sqrt(np.arange(1, 17)), 0, atol=0.05)
    correlations = np.corrcoef(X.T) - np.eye(16)
    assert np.max(np.abs(correlations)) < 0.05


def test_data_are_gaussian():
    X = make_gaussian_spectrum(20_000, eigenvalues=[4.0], random_state=0)
    x = X[:, 0] / 2
    close([np.mean(x**3), np.mean(x**4)], [0, 3], atol=0.15)


@pytest.mark.parametrize("rotate", [False, True])
@pytest.mark.parametrize("eigenvalues", [[3.0, 1e-6, 2.0], [5, 5, 1], [2, 0, 0], [7]])
@pytest.mark.parametrize("n_samples", [4, 50])
def test_exact_spectrum(n_samples, eigenvalues, rotate, global_random_seed):
    X = make_gaussian_spectrum(
        n_samples,
        eigenvalues=eigenvalues,
        rotate=rotate,
        exact=True,
        random_state=global_random_seed,
    )
    assert X.shape == (n_samples, len(eigenvalues))
    close(X.mean(axis=0), 0, atol=1e-14)
    C = second_moment(X)
    close(np.linalg.eigvalsh(C), np.sort(eigenvalues), atol=1e-14)
    if not rotate:
        close(C, np.diag(eigenvalues), atol=1e-14)


def test_exact_data_are_what_the_loss_sees():
    eigenvalues = np.arange(1.0, 9.0)
    X = make_gaussian_spectrum(
        40, eigenvalues=eigenvalues, rotate=True, exact=True, random_state=3
    )
    loss = LinearAutoencoderLoss((3,)).fit(X)
    close(loss.eigenvalues_, eigenvalues[::-1], rtol=1e-14)


def test_rotated_eigenvectors():
    eigenvalues = [9.0, 4.0, 1.0]
    X = make_gaussian_spectrum(
        30, eigenvalues=eigenvalues, rotate=True, exact=True, random_state=0
    )
    C = second_moment(X)
    assert np.max(np.abs(C - np.diag(np.diag(C)))) > 0.1


def test_random_basis_has_no_preferred_sign():
    # Without a correction LAPACK makes, say, the first entry of the basis negative.
    signs = []
    for seed in range(60):
        X = make_gaussian_spectrum(
            10, eigenvalues=[1.0, 0.0], rotate=True, exact=True, random_state=seed
        )
        plain = make_gaussian_spectrum(
            10, eigenvalues=[1.0, 0.0], exact=True, random_state=seed
        )
        signs.append(np.sign(X[:, 0] @ plain[:, 0]))
    assert 10 < np.sum(np.array(signs) > 0) < 50


def test_random_state():
    first, again = (make_gaussian_spectrum(5, random_state=1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = make_gaussian_spectrum(5, random_state=2)
    assert not np.any(first == other)
    stream = np.random.RandomState(1)
    np.testing.assert_array_equal(make_gaussian_spectrum(5, random_state=stream), first)
    assert not np.any(make_gaussian_spectrum(5, random_state=stream) == first)


def test_arguments_are_left_alone():
    eigenvalues = np.array([1.0, 2.0])
    make_gaussian_spectrum(5, eigenvalues=eigenvalues, rotate=True, exact=True)
    np.testing.assert_array_equal(eigenvalues, [1, 2])


@pytest.mark.parametrize("n_samples", [0, -3, 2.5, "10", None, True])
def test_impossible_number_of_samples(n_samples):
    with pytest.raises(
        ValueError, match="n_samples must be a positive int, got"
    ) as info:
        make_gaussian_spectrum(n_samples)
    assert repr(n_samples) in str(info.value)


@pytest.mark.parametrize(
    "eigenvalues",
    [[], 3.0, [1, -1], [1, np.nan], [1, np.inf], [[1, 2]], "ab", [1j], [[1], [1, 2]]],
    ids=repr,
)
def test_impossible_eigenvalues(eigenvalues):
    with pytest.raises(ValueError, match="eigenvalues must be a non-empty") as info:
        make_gaussian_spectrum(5, eigenvalues=eigenvalues)
    assert repr(eigenvalues) in str(info.value)


@pytest.mark.parametrize("n_samples", [1, 2, 3])
def test_too_few_samples_for_an_exact_spectrum(n_samples):
    message = rf"n_samples must be larger than .* \(3\) if exact=True, got {n_samples}"
    with pytest.raises(ValueError, match=message):
        make_gaussian_spectrum(n_samples, eigenvalues=[3, 2, 1], exact=True)
