"""Tests of uniformity are calibrated, and weights make what was found count alike."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skcrit import FunctionLoss, KnownPoints, LinearAutoencoderLoss, NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import participation_counts, uniformity_test


class Fitted(BaseEstimator):
    """Whatever is judged: only fitted attributes."""

    def fit(self, X, y=None):
        return self


@pytest.fixture(scope="module")
def loss():
    X = make_gaussian_spectrum(
        100, eigenvalues=[5, 4, 3, 2, 1], exact=True, random_state=0
    )
    return LinearAutoencoderLoss((2,)).fit(X)


def finder_of(loss, numbers):
    """Make a finder whose starts ended in given critical sets."""
    spectrum = loss.analytical_spectrum()
    sets = spectrum.all_sets(100)
    chosen = [sets[i] for i in numbers]
    theta = np.array([spectrum.representative(name) for name in chosen])
    n = len(chosen)
    labels, counts = np.unique(numbers, return_inverse=True, return_counts=True)[1:]
    finder = Fitted()
    vars(finder).update(
        loss_=loss,
        final_params_=theta,
        converged_=np.ones(n, dtype=bool),
        counts_=counts,
        results_={
            "converged": np.ones(n, dtype=bool),
            "loss": spectrum.losses(chosen),
            "morse_index": spectrum.morse_indices(chosen),
            "squared_grad_norm": np.zeros(n),
            "critical_set": labels,
        },
    )
    return finder


@pytest.mark.parametrize("over", ["sets", "eigenvectors", "indices"])
def test_p_values_of_uniform_samples_are_uniform(loss, over):
    rng = np.random.default_rng(0)
    pvalues = [
        uniformity_test(
            finder_of(loss, rng.integers(16, size=40)),
            over=over,
            n_resamples=99,
            random_state=i,
        ).pvalue
        for i in range(60)
    ]
    # Of 60 uniform numbers 6 are below 0.1, give or take 2.3.
    assert np.sum(np.array(pvalues) <= 0.1) <= 13
    assert 0.35 < np.mean(pvalues) < 0.65


@pytest.mark.parametrize("over", ["sets", "eigenvectors", "indices"])
def test_a_biased_sample_is_told(loss, over):
    result = uniformity_test(finder_of(loss, [0] * 30 + [1] * 30), over=over)
    assert result.pvalue == 1 / 1000
    assert result.n_starts == 60
    assert result.observed.sum() == pytest.approx(
        {"sets": 60, "indices": 60}.get(over, result.observed.sum())
    )


def test_observed_and_expected_counts(loss):
    finder = finder_of(loss, range(16))
    result = uniformity_test(finder, over="sets")
    np.testing.assert_array_equal(result.observed, np.ones(16))
    np.testing.assert_allclose(result.expected, np.ones(16))
    assert (result.statistic, result.pvalue) == (0.0, 1.0)
    result = uniformity_test(finder, over="eigenvectors")
    # Each of five eigenvectors is in five of the sixteen sets, the origin is one.
    np.testing.assert_allclose(result.observed, [5, 5, 5, 5, 5, 1])
    np.testing.assert_allclose(result.expected, result.observed)
    result = uniformity_test(finder, over="indices")
    histogram = loss.analytical_spectrum().index_histogram()
    assert {i: n for i, n in enumerate(result.observed) if n} == histogram


@pytest.mark.parametrize(
    "eigenvalues, params",
    [((3, 3, 2, 1), {}), ((4, 3, 2, 0.1), {"alpha": 0.1})],
    ids=["tied", "penalised"],
)
def test_eigenvectors_have_the_bins_of_participation(eigenvalues, params):
    X = make_gaussian_spectrum(100, eigenvalues=eigenvalues, exact=True, random_state=0)
    loss = LinearAutoencoderLoss((2,), **params).fit(X)
    finder = NewtonMRFinder(n_starts=30, random_state=0, tol=1e-20).fit(loss)
    result = uniformity_test(finder, over="eigenvectors", random_state=0)
    np.testing.assert_array_equal(result.observed, participation_counts(finder))
    # The origin is one of the sets.
    n_sets = loss.analytical_spectrum().n_sets
    assert result.expected[-1] == pytest.approx(result.n_starts / n_sets)


def test_real_finder(loss):
    finder = NewtonMRFinder(n_starts=60, random_state=0).fit(loss)
    assert uniformity_test(finder, random_state=0).pvalue < 0.01


def test_too_many_sets_to_enumerate(loss, monkeypatch):
    monkeypatch.setattr("skcrit.metrics._uniformity._MAX_SETS", 2)
    with pytest.raises(ValueError, match=r"critical sets; .* at most 2"):
        uniformity_test(finder_of(loss, [0, 1]))


def test_bad_parameters(loss):
    finder = finder_of(loss, [0, 1])
    with pytest.raises(ValueError, match="over must be one of"):
        uniformity_test(finder, over="losses")
    with pytest.raises(ValueError, match="n_resamples must be a positive int"):
        uniformity_test(finder, n_resamples=0)
    finder.results_["converged"] = np.zeros(2, dtype=bool)
    with pytest.raises(ValueError, match="a start that converged"):
        uniformity_test(finder)


def test_indices_must_be_known_to_be_counted():
    truth = KnownPoints([[-1.0], [1.0]], losses=[0, 0])
    well = FunctionLoss(
        lambda t: (t[..., 0] ** 2 - 1) ** 2,
        lambda t: 4 * t * (t**2 - 1),
        n_params=1,
        ground_truth=truth,
    ).fit()
    finder = NewtonMRFinder(init=[[-1.1], [0.9]], n_starts=2).fit(well)
    assert uniformity_test(finder, random_state=0).observed.tolist() == [1, 1]
    with pytest.raises(
        ValueError, match="over='indices' needs .* Morse index of every"
    ):
        uniformity_test(finder, over="indices")
