"""Which eigenvalues are zero, which are equal, and which are too close to tell."""

import numpy as np
import pytest

from skcrit.exceptions import ResolutionWarning
from skcrit.ground_truth import AnalyticalSpectrum, clean_eigenvalues

EPS = np.finfo(float).eps


def test_sorts_and_copies():
    lam = np.array([1.0, 3.0, 2.0])
    cleaned = clean_eigenvalues(lam)
    assert cleaned.tolist() == [3, 2, 1]
    assert lam.tolist() == [1, 3, 2]


def test_rounding_errors_become_zeros():
    assert clean_eigenvalues([4.0, 1e-15, -1e-15]).tolist() == [4, 0, 0]


def test_default_tolerance_of_zeros_counts_samples():
    # 10 * max(n, d) * eps = 2.2e-9 for a million samples.
    lam = [1.0, 1e-9]
    assert clean_eigenvalues(lam)[1] == 1e-9
    assert clean_eigenvalues(lam, n_samples=10**6)[1] == 0
    assert clean_eigenvalues(lam, zero_rtol=1e-8)[1] == 0


def test_clusters_are_chains_and_become_their_mean():
    lam = np.array([2.0, 1 + 1.6e-10, 1 + 0.8e-10, 1.0])
    cleaned = clean_eigenvalues(lam)
    assert cleaned[0] == 2
    assert len(set(cleaned[1:])) == 1
    np.testing.assert_allclose(cleaned[1], lam[1:].mean(), rtol=1e-15)


def test_cleaning_twice_changes_nothing():
    rng = np.random.default_rng(0)
    lam = np.repeat(rng.random(20), 3) * (1 + 1e-13 * rng.standard_normal(60))
    cleaned = clean_eigenvalues(lam)
    assert np.unique(cleaned).size == 20
    np.testing.assert_array_equal(clean_eigenvalues(cleaned), cleaned)


def test_constant_data():
    assert clean_eigenvalues([0.0, 0.0]).tolist() == [0, 0]


@pytest.mark.parametrize(
    "lam, what",
    [([1.0, 1e-12], "an eigenvalue lies close"), ([1.0, 1 - 1e-8], "a gap lies close")],
)
def test_warns_between_the_tolerance_and_a_thousand_times_that(lam, what):
    with pytest.warns(ResolutionWarning, match=what):
        clean_eigenvalues(lam)


@pytest.mark.parametrize("shift", [1e-9, -1e-9])
def test_warns_near_the_threshold_of_the_penalty(shift):
    with pytest.warns(ResolutionWarning, match="distance to tau"):
        spectrum = AnalyticalSpectrum.from_eigenvalues(
            [4, 2 + shift, 1], 1, alpha=2 / 3
        )
    assert spectrum.n_sets == (3 if shift > 0 else 2)


@pytest.mark.parametrize(
    "lam, keys, message",
    [
        ([], {}, "eigenvalues must be a non-empty vector"),
        ([[1.0]], {}, r"eigenvalues must be a non-empty vector.* \(1, 1\)"),
        ([1.0, np.nan], {}, "eigenvalues must be finite"),
        ([1.0, -0.1], {}, "positive semidefinite .* got -0.1"),
        ([-1.0, -1.0], {}, "positive semidefinite .* got -1"),
        ([1.0], {"zero_rtol": -1}, r"zero_rtol must lie in \[0, 1\), got -1"),
        ([1.0], {"tie_rtol": np.nan}, r"tie_rtol must lie in \[0, 1\), got nan"),
        ([1.0], {"n_samples": 0}, "n_samples must be a positive integer, got 0"),
        ([1.0], {"n_samples": 2.5}, "n_samples must be a positive integer, got 2.5"),
        ([1.0], {"n_samples": 2**49}, r"n_samples must be at most 2\*\*48"),
    ],
)
def test_bad_input(lam, keys, message):
    with pytest.raises(ValueError, match=message):
        clean_eigenvalues(lam, **keys)
