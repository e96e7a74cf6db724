"""Coverage and richness from counts, against populations that are known."""

import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning

from skcrit import LinearAutoencoderLoss, NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import (
    chao1_richness,
    chao1_richness_interval,
    good_turing_coverage,
    good_turing_coverage_interval,
)

FUNCTIONS = [
    chao1_richness,
    chao1_richness_interval,
    good_turing_coverage,
    good_turing_coverage_interval,
]


def test_known_values():
    # f1 = 2, f2 = 1, n = 7, four sets.
    counts = [1, 1, 2, 3]
    assert chao1_richness(counts) == pytest.approx(4 + 6 / 7 * 2 * 1 / (2 * 2))
    weight = 6 * 2 / (6 * 2 + 2 * 1)
    assert good_turing_coverage(counts) == pytest.approx(1 - 2 / 7 * weight)


@pytest.mark.parametrize("counts", [[3, 2], [5], [2, 2, 2]])
def test_without_singletons_everything_is_known(counts):
    assert good_turing_coverage(counts) == 1
    assert chao1_richness(counts) == len(counts)
    # But not for certain.
    low, high = chao1_richness_interval(counts)
    assert low == len(counts) < high < np.inf
    low, high = good_turing_coverage_interval(counts)
    assert low < 1 == high


def test_nothing_seen_twice():
    assert good_turing_coverage([1] * 10) == pytest.approx(0)
    assert good_turing_coverage([1]) == 0
    assert chao1_richness([1] * 10) > 40
    low, high = chao1_richness_interval([1] * 10)
    assert 10 < low < 40
    assert high == np.inf
    low, high = good_turing_coverage_interval([1] * 10)
    assert 0 == low < high < 0.5


def test_zeros_and_order_do_not_matter():
    for function in FUNCTIONS:
        assert function([1, 2, 0, 3, 0]) == function([3, 1, 2])


def test_a_fitted_finder_gives_its_counts():
    X = make_gaussian_spectrum(
        100, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0
    )
    finder = NewtonMRFinder(LinearAutoencoderLoss((2,)), n_starts=20, random_state=0)
    finder.fit(X)
    for function in FUNCTIONS:
        assert function(finder) == function(finder.counts_)


@pytest.mark.parametrize("n", [300, 3000])
@pytest.mark.parametrize("bias", [0.0, 1.5], ids=["uniform", "biased"])
def test_intervals_cover_at_their_rate(n, bias):
    rng = np.random.default_rng(0)
    n_sets, n_samples = 2517, 200
    weights = np.exp(bias * rng.standard_normal(n_sets))
    p = weights / weights.sum()
    covered, reached = [], []
    for counts in rng.multinomial(n, p, size=n_samples):
        low, high = good_turing_coverage_interval(counts)
        covered.append(low <= p[counts > 0].sum() <= high)
        low, high = chao1_richness_interval(counts)
        reached.append(low <= n_sets <= high)
    # 95 % give or take two and a half standard deviations of 200 trials.
    assert np.mean(covered) > 0.91
    if bias == 0:
        assert np.mean(reached) > 0.90
    else:
        # A lower bound is all that can be had from a biased sampler.
        assert np.mean(reached) < 0.05


@pytest.mark.parametrize(
    ("n_sets", "n"),
    [(7, 7), (7, 14), (7, 28), (42, 84), (42, 168), (93, 93), (93, 372), (93, 558)]
    + [(2517, n) for n in (100, 200, 18_000, 20_000, 30_000)],
)
def test_intervals_cover_few_starts_and_nearly_complete_searches(n_sets, n):
    """Where limits for large samples do not."""
    rng = np.random.default_rng(0)
    p = np.full(n_sets, 1 / n_sets)
    covered, reached = [], []
    for counts in rng.multinomial(n, p, size=200):
        low, high = good_turing_coverage_interval(counts)
        share = np.mean(counts > 0)
        covered.append(low - 1e-12 <= share <= high + 1e-12)
        low, high = chao1_richness_interval(counts)
        reached.append(low <= n_sets <= high)
    assert np.mean(covered) > 0.91
    assert np.mean(reached) > 0.91


def test_richness_is_a_lower_bound():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.full(500, 0.3))
    samples = rng.multinomial(1000, p, size=100)
    estimates = [chao1_richness(counts) for counts in samples]
    assert np.mean(estimates) < 500


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_hit(function):
    with pytest.warns(
        UndefinedMetricWarning, match=f"{function.__name__} is undefined"
    ):
        assert np.all(np.isnan(function([])))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("counts", [[-1, 2], [0.5], [np.nan], [[1, 2]], ["a"]])
def test_bad_counts(function, counts):
    with pytest.raises(ValueError, match="counts must be a one-dimensional array"):
        function(counts)


@pytest.mark.parametrize("level", [0, 1, -1, 2])
def test_bad_confidence_level(level):
    for function in (chao1_richness_interval, good_turing_coverage_interval):
        with pytest.raises(ValueError, match="confidence_level must be a number in"):
            function([1, 2], confidence_level=level)


def test_wider_for_more_confidence():
    counts = [1] * 10 + [2] * 5 + [4] * 3
    for function in (chao1_richness_interval, good_turing_coverage_interval):
        low, high = function(counts, confidence_level=0.5)
        lower, higher = function(counts, confidence_level=0.99)
        assert lower < low < high < higher
