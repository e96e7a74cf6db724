"""Which eigenvalues are zero, which are equal, and which are too close to decide."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer

from skcrit.exceptions import ResolutionWarning
from skcrit.ground_truth import AnalyticalSpectrum, clean_eigenvalues
from skcrit.losses import LinearAutoencoderLoss
from tests.properties._strategies import prop

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
    with pytest.warns(ResolutionWarning, match=r"1 \(1e-09\) counted as zero"):
        assert clean_eigenvalues(lam, n_samples=10**6)[1] == 0
    with pytest.warns(ResolutionWarning, match="changed by up to 1e-09"):
        assert clean_eigenvalues(lam, zero_rtol=1e-8)[1] == 0


def test_a_tight_run_becomes_its_mean_and_says_so():
    lam = np.array([2.0, 1 + 0.8e-10, 1 + 0.4e-10, 1.0])
    with pytest.warns(ResolutionWarning, match=r"1 \(1\), .* equal .* up to 4e-11"):
        cleaned = clean_eigenvalues(lam)
    assert cleaned[0] == 2
    assert len(set(cleaned[1:])) == 1
    np.testing.assert_allclose(cleaned[1], lam[1:].mean(), rtol=1e-15)


def test_ties_do_not_chain():
    # Each is within the tolerance of the next, the first is not within that of the
    # last: all of them stay, but a pair that differs by rounding is one.
    lam = 1 - np.arange(10) * 0.5e-10
    lam = np.append(lam, lam[-1] * (1 - 1e-15))
    with pytest.warns(ResolutionWarning, match="a gap lies close"):
        cleaned = clean_eigenvalues(lam)
    np.testing.assert_array_equal(cleaned[:9], lam[:9])
    assert cleaned[9] == cleaned[10]


def test_ties_are_relative_to_the_eigenvalues_themselves():
    # Small ones are not swallowed, unless rounding hides their difference.
    assert np.unique(clean_eigenvalues([1.0, 3e-11, 2e-11, 1e-11])).size == 4
    with pytest.warns(ResolutionWarning, match="a gap lies close"):
        assert np.unique(clean_eigenvalues([1.0, 2e-10, 2e-10 + 1e-14])).size == 3
    assert np.unique(clean_eigenvalues([1.0, 2e-10, 2e-10 + 1e-15])).size == 2
    assert clean_eigenvalues([1.0, 1.0 - EPS], tie_rtol=0, zero_rtol=0)[1] == 1 - EPS


def test_raw_breast_cancer_keeps_its_smallest_eigenvalues():
    # Its ten smallest lie between 7.8e-5 and 7e-7, the largest is 4.4e5.
    X = load_breast_cancer().data
    X = X - X.mean(axis=0)
    lam = np.linalg.eigvalsh(X.T @ X / len(X))[::-1]
    with pytest.warns(ResolutionWarning) as caught:
        cleaned = clean_eigenvalues(lam, n_samples=len(X))
    # They are doubtful, and the warnings say so; none says that one was moved.
    second, first = (str(warning.message) for warning in caught)
    assert re.match(r"an eigenvalue lies close .* got 7.0\de-07", first)
    assert re.match(r"a gap lies close .* \(10 in all\)", second)
    np.testing.assert_array_equal(cleaned, lam)
    with pytest.warns(ResolutionWarning):
        loss = LinearAutoencoderLoss((2,)).fit(load_breast_cancer().data)
    np.testing.assert_allclose(loss.eigenvalues_, lam, atol=1e-15 * lam[0])
    assert np.unique(loss.eigenvalues_).size == 30


@prop(fast=100)
@given(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=6, unique=True),
    st.lists(st.integers(0, 5), min_size=1, max_size=20),
    st.lists(st.floats(-2, 2), min_size=20, max_size=20),
    st.sampled_from([1e-10, 1e-6, 1e-3]),
)
def test_cleaning_is_idempotent_and_moves_nothing_far(centres, chosen, noise, rtol):
    # Clouds of eigenvalues about as wide as the tolerance.
    lam = [centres[i % len(centres)] for i in chosen]
    lam = np.sort(lam * (1 + rtol * np.array(noise[: len(lam)])))[::-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        cleaned = clean_eigenvalues(lam, tie_rtol=rtol)
        again = clean_eigenvalues(cleaned, tie_rtol=rtol)
    np.testing.assert_array_equal(again, cleaned)
    positive = cleaned > 0
    # The eigenvalues themselves are rounded, which a tolerance of 1e-10 notices.
    bound = (rtol * (1 + 1e-9) + 4 * EPS) * lam
    assert np.all(np.abs(cleaned - lam)[positive] <= bound[positive])
    assert np.all(np.diff(cleaned) <= 0)


@prop(fast=100)
@given(st.lists(st.floats(1e-3, 1.0), min_size=2, max_size=8))
def test_moves_beyond_rounding_are_told(values):
    lam = np.sort(np.repeat(values, 2))[::-1]
    lam = lam * (1 + np.resize([0, 1e-12, 1e-16], lam.size))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cleaned = clean_eigenvalues(lam)
    change = np.max(np.abs(cleaned - np.sort(lam)[::-1]))
    told = any("moved eigenvalues" in str(w.message) for w in caught)
    assert told == (change > 10 * lam.size * EPS * np.max(lam))


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
