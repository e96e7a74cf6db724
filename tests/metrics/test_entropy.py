"""Entropy of counts that come in blocks: known values, bias, coverage."""

from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skcrit.metrics._entropy import entropy, entropy_interval, estimate_entropy

CORRECTIONS = (None, "miller-madow", "jackknife")


def all_sets(n_features, n_most):
    """Rows of every set of at most ``n_most`` eigenvectors, the origin first."""
    sizes = range(n_most + 1)
    sets = [s for k in sizes for s in combinations(range(n_features), k)]
    rows = np.zeros((len(sets), n_features + 1), dtype=int)
    for row, used in zip(rows, sets, strict=True):
        row[list(used) or -1] = 1
    return rows


def tilted(rows, slope, at_origin=0.0):
    """Probabilities of sets that prefer the first eigenvectors."""
    weights = np.exp(-slope * (rows[:, :-1] * np.arange(rows.shape[1] - 1)).sum(axis=1))
    probabilities = (1 - at_origin) * weights / weights.sum()
    probabilities[0] += at_origin
    return probabilities


SETS = all_sets(16, 4)
# Name -> rows of the sets, and how often each is found.
POPULATIONS = {
    "all alike": (SETS, np.full(len(SETS), 1 / len(SETS))),
    "slightly uneven": (SETS, tilted(SETS, 0.08)),
    "as published": (SETS, tilted(SETS, 0.28, at_origin=0.2)),
    "four sets": (SETS[[0, 1, 20, 200]], np.array([0.4, 0.3, 0.2, 0.1])),
    "two sets": (SETS[[1, 2]], np.array([0.9, 0.1])),
    "even bins": (np.eye(5, dtype=int), np.full(5, 0.2)),
}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([1, 1], 1.0), ([5, 0], 0.0), ([2, 1, 1], 1.5), ([3] * 16, 4.0), ([7], 0.0)],
)
def test_entropy_of_known_counts(counts, expected):
    assert_allclose(entropy(np.array(counts)), expected, atol=1e-15)


def test_entropy_of_many_counts():
    counts = np.array([[[1, 1], [4, 4]], [[1, 0], [0, 9]]])
    assert_allclose(entropy(counts), [[1, 1], [0, 0]], atol=1e-15)
    assert np.all(entropy(np.full((50, 1), 1e6)) >= 0)


def test_every_set_once():
    # 576 participations of each of 16 eigenvectors, and one of the origin.
    counts = SETS.sum(axis=0)
    assert_array_equal(counts, [576] * 16 + [1])
    p = 1 / 9217
    expected = (1 - p) * 4 - p * np.log2(p) - (1 - p) * np.log2(1 - p)
    assert_allclose(estimate_entropy(SETS), expected)
    assert_allclose(expected, 4.00, atol=0.005)


def test_miller_madow_formula():
    units = np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0]])
    plain = estimate_entropy(units)
    corrected = estimate_entropy(units, "miller-madow")
    assert_allclose(corrected - plain, 1 / (2 * 4 * np.log(2)))


def test_jackknife_formula():
    units = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1]])
    without = [estimate_entropy(np.delete(units, i, axis=0)) for i in range(4)]
    # The definition, 1.58 + 0.28 bits, would be above the largest entropy.
    expected = 4 * estimate_entropy(units) - 3 * np.mean(without)
    assert expected > np.log2(3)
    assert estimate_entropy(units, "jackknife") == np.log2(3)
    units = np.repeat(units, 20, axis=0) * [[9, 1, 1]]
    without = [estimate_entropy(np.delete(units, i, axis=0)) for i in range(80)]
    expected = 80 * estimate_entropy(units) - 79 * np.mean(without)
    assert_allclose(estimate_entropy(units, "jackknife"), expected)


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_estimate_stays_in_range(correction, global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    for n_units in (1, 2, 5):
        for _ in range(20):
            units = SETS[rng.integers(len(SETS), size=n_units)]
            assert 0 <= estimate_entropy(units, correction) <= np.log2(17)
    assert np.isnan(estimate_entropy(SETS[:0], correction))


def test_one_unit_is_not_jackknifed():
    assert estimate_entropy(SETS[-1:], "jackknife") == estimate_entropy(SETS[-1:]) == 2


def test_jackknife_removes_the_bias(global_random_seed):
    rng = np.random.default_rng(global_random_seed)
    for name in ("slightly uneven", "as published"):
        rows, p = POPULATIONS[name]
        samples = rows[rng.choice(len(rows), size=(400, 75), p=p)]
        errors = {
            correction: np.mean([estimate_entropy(s, correction) for s in samples])
            - entropy(p @ rows)
            for correction in CORRECTIONS
        }
        assert errors[None] < -0.025
        assert abs(errors["jackknife"]) < 0.4 * abs(errors[None]), name


def test_jackknife_over_starts_beats_miller_madow_where_starts_use_many_bins():
    # Sets of 4 of 16, all alike: Miller's correction is too large by 5 / 4.
    rows = SETS[SETS.sum(axis=1) == 4]
    rng = np.random.default_rng(0)
    samples = rows[rng.integers(len(rows), size=(2000, 75))]
    counts = samples.sum(axis=1)
    bias = np.mean(entropy(counts)) - 4
    miller = np.mean((counts > 0).sum(axis=1) - 1) / (2 * 300 * np.log(2))
    assert_allclose(miller / -bias, 15 / 12, rtol=0.03)
    jackknife = [estimate_entropy(sample, "jackknife") for sample in samples]
    assert_allclose(np.mean(jackknife), 4, atol=0.1 * -bias)


@pytest.mark.parametrize("name", POPULATIONS)
def test_intervals_cover(name):
    rows, p = POPULATIONS[name]
    truth = entropy(p @ rows)
    rng = np.random.RandomState(0)
    samples = rows[rng.choice(len(rows), size=(400, 75), p=p)]
    intervals = [entropy_interval(s, 0.95, 300, None, rng) for s in samples]
    low, high = np.transpose(intervals)
    # The largest entropy is met up to rounding.
    assert np.mean((low <= truth + 1e-12) & (truth - 1e-12 <= high)) >= 0.92
    # Cheap coverage is wide: these are not.
    assert np.mean(high - low) < 0.5


def test_percentiles_would_not_cover():
    """Why the interval is more than quantiles of resamples."""
    rows, p = POPULATIONS["all alike"]
    rng = np.random.RandomState(0)
    below = covered = 0
    for sample in rows[rng.choice(len(rows), size=(50, 75), p=p)]:
        weights = rng.multinomial(75, np.full(75, 1 / 75), size=500)
        high = np.quantile(entropy(weights @ sample), 0.975)
        below += high < estimate_entropy(sample)
        covered += high >= entropy(p @ rows)
    assert below > 10
    assert covered < 10


def test_groups_widen_the_interval():
    rows, p = POPULATIONS["as published"]
    rng = np.random.RandomState(0)
    # Ten descents, all of whose starts end in the same set.
    picks = rows[rng.choice(len(rows), size=10, p=p)]
    starts, descents = np.repeat(picks, 8, axis=0), 8 * picks
    narrow = np.diff(entropy_interval(starts, 0.95, 500, None, rng))
    wide = np.diff(entropy_interval(descents, 0.95, 500, None, rng))
    assert wide > 2 * narrow


@pytest.mark.parametrize("correction", CORRECTIONS)
def test_interval_holds_its_estimate(correction, global_random_seed):
    rng = np.random.RandomState(global_random_seed)
    for rows, p in POPULATIONS.values():
        sample = rows[rng.choice(len(rows), size=20, p=p)]
        low, high = entropy_interval(sample, 0.9, 200, correction, rng)
        middle = estimate_entropy(sample, correction or "jackknife")
        assert 0 <= low <= middle <= high <= np.log2(rows.shape[1])


def test_interval_is_the_same_in_chunks(monkeypatch):
    sample = SETS[::50]
    whole = entropy_interval(sample, 0.95, 300, None, np.random.RandomState(0))
    monkeypatch.setattr("skcrit.metrics._entropy._CHUNK", 1000)
    parts = entropy_interval(sample, 0.95, 300, None, np.random.RandomState(0))
    assert_allclose(parts, whole, rtol=1e-12)


def test_interval_grows_with_its_level():
    sample, rng = SETS[::50], np.random.RandomState
    inner = entropy_interval(sample, 0.5, 500, None, rng(0))
    outer = entropy_interval(sample, 0.99, 500, None, rng(0))
    assert outer[0] < inner[0] < inner[1] < outer[1]


def test_interval_of_too_few_units_and_of_equal_ones():
    rng = np.random.RandomState(0)
    assert np.all(np.isnan(entropy_interval(SETS[:1], 0.95, 10, None, rng)))
    assert np.all(np.isnan(entropy_interval(SETS[:0], 0.95, 10, None, rng)))
    same = np.repeat(SETS[-1:], 9, axis=0)
    assert_allclose(entropy_interval(same, 0.95, 50, None, rng), [2, 2])


def test_wrong_arguments():
    rng = np.random.RandomState(0)
    with pytest.raises(ValueError, match="bias_correction must be None, 'miller"):
        estimate_entropy(SETS, "zahl")
    with pytest.raises(ValueError, match="bias_correction must be"):
        entropy_interval(SETS, 0.95, 10, "zahl", rng)
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(ValueError, match="confidence_level"):
            entropy_interval(SETS, level, 10, None, rng)
    with pytest.raises(ValueError, match="n_resamples"):
        entropy_interval(SETS, 0.95, 0, None, rng)
    with pytest.raises(ValueError, match="n_resamples must be an int"):
        entropy_interval(SETS, 0.95, 10.5, None, rng)
