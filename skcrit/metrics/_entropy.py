"""Entropy of counts that come in blocks: estimates, and an interval by the bootstrap.

A *unit* is what was drawn independently, a start or all the starts on one descent; its
row of ``units`` holds what it adds to each bin. The counts are the sum of the rows. One
unit can add to several bins, so the counts are not multinomial.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats
from scipy.stats import norm, t

from skcrit._typing import FloatArray, IntArray
from skcrit.utils._arguments import check_choice, check_int, check_number, shown

BIAS_CORRECTIONS = (None, "miller-madow", "jackknife")

# Resamples times different units that are drawn at a time.
_CHUNK = 2**22


def entropy(counts: FloatArray) -> Any:
    """Compute the Shannon entropy in bits of counts, one of them positive."""
    return scipy.stats.entropy(counts, base=2, axis=-1)


def estimate_entropy(units: Any, bias_correction: str | None = None) -> float:
    """Estimate the entropy in bits of the distribution that units were drawn from."""
    # Units of shape (n_units, n_bins) add to the counts. With H the entropy of all the
    # counts, the estimate is H itself (None), H plus (K - 1) / (2 N ln 2) for N counts
    # in K bins ("miller-madow"), or n H - (n - 1) times the mean of the entropies
    # without one of the n units ("jackknife"); a correction never leads out of [0,
    # log2(n_bins)]. NaN without units.
    known = bias_correction is None or isinstance(bias_correction, str)
    if not known or bias_correction not in BIAS_CORRECTIONS:
        raise ValueError(
            "bias_correction must be None, 'miller-madow' or 'jackknife', got "
            f"{shown(bias_correction)}."
        )
    n_units, n_bins = units.shape
    if n_units == 0:
        return float("nan")
    counts = units.sum(axis=0)
    estimate = entropy(counts)
    if bias_correction == "miller-madow":
        estimate += (np.count_nonzero(counts) - 1) / (2 * counts.sum() * np.log(2))
    elif bias_correction == "jackknife" and n_units > 1:
        without = entropy(counts - units)
        estimate += (n_units - 1) * np.mean(estimate - without)
    return float(np.clip(estimate, 0.0, np.log2(n_bins)))


def entropy_interval(
    units: Any, confidence_level: Any, n_resamples: Any, bias_correction: Any, rng: Any
) -> tuple[float, float]:
    """Bound the entropy in bits of the distribution that units were drawn from."""
    # The larger of the two percentile deviations of the resampled entropies from their
    # own mean, stretched by sqrt(n / (n - 1)) t_(n-1) / z, either side of a bias-
    # corrected estimate (None is "jackknife": around a biased estimate no interval
    # covers). The entropy of a sample is too low, and that of a resample is too low
    # once more: the percentiles themselves would lie below the estimate. NaN with less
    # than two units.
    confidence_level = check_number(
        confidence_level, "confidence_level", 0, 1, closed="neither"
    )
    n_resamples = check_int(n_resamples, "n_resamples", 1)
    check_choice(bias_correction, "bias_correction", BIAS_CORRECTIONS)
    estimate = estimate_entropy(units, bias_correction or "jackknife")
    n_units, n_bins = units.shape
    if n_units < 2:
        return float("nan"), float("nan")
    resampled = _resample(units, n_resamples, rng)
    tails = np.array([1 - confidence_level, 1 + confidence_level]) / 2
    # A resample varies less than a sample by (n - 1) / n, and the normal quantile takes
    # the width for known: Hesterberg (2015) widens the percentiles by both.
    stretch = np.sqrt(n_units / (n_units - 1))
    stretch *= t.ppf(tails[1], n_units - 1) / norm.ppf(tails[1])
    low, high = np.quantile(resampled - resampled.mean(), tails)
    # The sample's own error is skewed like the resamples' or against them, which of the
    # two depends on the distribution: either way the longer side.
    reach = stretch * max(-low, high)
    limits = np.array([estimate - reach, estimate + reach])
    low, high = np.clip(limits, 0.0, np.log2(n_bins))
    return float(low), float(high)


def _resample(
    units: IntArray, n_resamples: int, rng: np.random.RandomState
) -> FloatArray:
    """Compute the entropies of resamples."""
    # Equal units are drawn together: far fewer of them than units in a long study.
    distinct, multiplicity = np.unique(units, axis=0, return_counts=True)
    share = multiplicity / len(units)
    step = max(1, _CHUNK // len(distinct))
    entropies = []
    for first in range(0, n_resamples, step):
        size = min(step, n_resamples - first)
        weights = rng.multinomial(len(units), share, size=size)
        entropies.append(entropy(weights @ distinct))
    return np.concatenate(entropies)
