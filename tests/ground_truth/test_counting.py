"""Counting, listing and drawing critical sets without enumeration."""

import math
import time
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from skcrit.ground_truth import AnalyticalSpectrum

make = AnalyticalSpectrum.from_eigenvalues

SMALL = {
    "distinct": (np.arange(6, 0, -1.0), 3),
    "ties": ([3.0, 3.0, 2.0, 1.0, 1.0, 1.0], 4),
    "one-cluster": ([2.0, 2.0, 2.0], 2),
    "zeros": ([5.0, 3.0, 3.0, 1.0, 0.0, 0.0], 2),
    "wide": ([3.0, 2.0, 0.5], 5),
    "one-feature": ([2.0], 1),
    "constant": ([0.0, 0.0], 2),
    "deep": ([5.0, 3.0, 3.0, 1.0], (3, 2)),
}


@pytest.mark.parametrize("d, p, n", [(16, 4, 2517), (64, 5, 8303633), (61, 3, 37882)])
def test_published_numbers_of_sets(d, p, n):
    assert make(np.arange(d, 0, -1.0), p).n_sets == n


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("kind", ["balanced", "open"])
def test_histogram_agrees_with_enumeration(name, kind):
    lam, hidden = SMALL[name]
    spectrum = make(lam, hidden)
    names = spectrum.all_sets()
    histogram = spectrum.index_histogram(kind)
    assert histogram == Counter(spectrum.morse_indices(names, kind).tolist())
    assert list(histogram) == sorted(histogram)
    assert sum(histogram.values()) == spectrum.n_sets == len(names)


def test_histogram_with_penalties():
    lam = [7.3, 4.1, 2.9, 1.3, 0.8, 0.35]
    for penalty in ("sum", "product"):
        spectrum = make(lam, 3, alpha=0.2, penalty=penalty)
        expected = Counter(spectrum.morse_indices(spectrum.all_sets()).tolist())
        assert spectrum.index_histogram() == expected


def test_histogram_of_the_guide():
    counts = [1, 1, 2, 3, 4, 4, 5, 4, 4, 3, 3, 2, 2, 1, 1, 1]
    expected = dict(enumerate(counts)) | {18: 1}
    assert make(np.arange(6, 0, -1.0), 3).index_histogram() == expected


def test_large_histograms_are_exact_and_instant():
    spectrum = make(np.arange(64, 0, -1.0), 10)
    start = time.perf_counter()
    histogram = spectrum.index_histogram()
    assert time.perf_counter() - start < 0.5
    total = sum(math.comb(64, k) for k in range(11))
    assert sum(histogram.values()) == spectrum.n_sets == total
    assert histogram[0] == 1
    assert max(histogram) == 640
    # A pair of equal eigenvalues far down takes the general recursion.
    lam = np.arange(64, 0, -1.0)
    lam[-1] = lam[-2]
    start = time.perf_counter()
    tied = make(lam, 10)
    assert sum(tied.index_histogram().values()) == tied.n_sets
    assert time.perf_counter() - start < 1


def test_numbers_beyond_64_bits():
    spectrum = make(np.arange(200, 0, -1.0), 100)
    assert spectrum.n_sets == sum(math.comb(200, k) for k in range(101))
    names = spectrum.sample_sets(50, random_state=0)
    assert len(set(names)) == 50


def test_order_of_the_iterator():
    spectrum = make([3.0, 3.0, 2.0, 1.0, 1.0], 2)
    names = spectrum.all_sets()
    assert names == sorted(names, key=lambda name: (len(name), name))
    assert names == [(), (0,), (2,), (3,), (0, 1), (0, 2), (0, 3), (2, 3), (3, 4)]
    assert all(spectrum.canonical_set(name) == name for name in names)


def test_iterator_is_lazy():
    names = make(np.arange(64, 0, -1.0), 10).index_sets()
    assert [next(names) for _ in range(3)] == [(), (0,), (1,)]


def test_refuses_to_list_too_many():
    spectrum = make(np.arange(64, 0, -1.0), 10)
    with pytest.raises(ValueError, match=r"max_sets=1000000 .*sample_sets"):
        spectrum.all_sets()
    with pytest.raises(ValueError, match=r"max_sets=5 .*sample_sets"):
        spectrum.index_sets(max_sets=5)


@pytest.mark.parametrize("name", SMALL)
def test_samples_are_uniform(name):
    lam, hidden = SMALL[name]
    spectrum = make(lam, hidden)
    names = spectrum.all_sets()
    drawn = Counter(spectrum.sample_sets(100 * len(names), random_state=0))
    assert set(drawn) == set(names)
    if len(names) > 1:
        assert chisquare([drawn[name] for name in names]).pvalue > 0.01


def test_samples_are_reproducible():
    spectrum = make(np.arange(64, 0, -1.0), 10)
    first = spectrum.sample_sets(20, random_state=3)
    assert first == spectrum.sample_sets(20, random_state=3)
    assert first != spectrum.sample_sets(20, random_state=4)
    rng = np.random.default_rng(0)
    assert spectrum.sample_sets(2, rng) != spectrum.sample_sets(2, rng)
    assert spectrum.sample_sets(0) == []
    with pytest.raises(ValueError, match="n must be an int >= 0, got -1"):
        spectrum.sample_sets(-1)
