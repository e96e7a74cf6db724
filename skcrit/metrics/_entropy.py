"""How evenly the critical points that were found use the eigenvectors of the data.

A *unit* is what was drawn independently, a start or all the starts on one descent; its
row of ``units`` holds what it adds to each bin. The counts are the sum of the rows. One
unit can add to several bins, so the counts are not multinomial.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats
from scipy.stats import norm, t

from skcrit._typing import ArrayLike, FittedFinder, FloatArray, IntArray, RandomState
from skcrit.metrics._participation import participation
from skcrit.metrics._undefined import undefined
from skcrit.utils._arguments import (
    check_choice,
    check_int,
    check_number,
    check_seed,
    shown,
)

BIAS_CORRECTIONS = (None, "miller-madow", "jackknife")

# Resamples times different units that are drawn at a time.
_CHUNK = 2**22

_NO_START = "no start converged and is identified with a critical set"
_ONE_UNIT = "it needs two independent starts that are identified with a critical set"


def participation_entropy(
    finder: FittedFinder,
    *,
    bias_correction: str | None = None,
    groups: ArrayLike | None = None,
) -> float:
    r"""Compute the entropy of how often each eigenvector takes part.

    It is the Shannon entropy :math:`-\sum_j p_j \log_2 p_j` of the shares p in
    ``participation_counts``. The more evenly the critical sets that were found use the
    eigenvectors, the higher it is.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    bias_correction : {None, "miller-madow", "jackknife"}, default=None
        None is the entropy of the counts themselves, which is too low on average.
        "miller-madow" adds (K - 1) / (2 N ln 2) bits for N counts in K bins [1]_.
        "jackknife" estimates the bias from the entropies without one start, or without
        one group [2]_. Corrected values stay within [0, log2(n_bins)].
    groups : array-like of shape (n_starts,), default=None
        Labels of starts that are not independent, used by "jackknife" only, see
        ``participation_entropy_interval``. With None all starts count as independent.

    Returns
    -------
    entropy : float
        In bits, between 0 and log2(n_bins), 4.09 for 16 features; NaN if no start
        converged and is identified.

    Raises
    ------
    ValueError
        If ``bias_correction`` is unknown, ``groups`` has not one label per start, or
        the loss is not that of a linear network.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known.

    Warns
    -----
    UndefinedMetricWarning
        If no start converged and is identified with a critical set.

    See Also
    --------
    participation_counts : The counts, and how they differ from the published ones.

    Notes
    -----
    A uniform sample of the critical sets uses all eigenvectors equally often but rarely
    ends at the origin, which is one set of many: for 16 features and 4 hidden units its
    entropy is 4.00 bits, not 4.09. The published study counted the bin of the origin
    twice, so that its values (3.05 and 2.22 bits) cannot be compared exactly.

    Miller's correction assumes independent counts, but a start adds up to p of them,
    each to another bin, so that they scatter less than independent ones. If all
    eigenvectors are used equally often, in sets of k of m, "miller-madow" is too large
    by the factor (m - 1) / (m - k), 5/4 for 4 of 16. If starts on one descent end in
    the same sets, it is far too small. The jackknife leaves out whole starts, or
    groups, and does not need this assumption; it should be preferred.

    References
    ----------
    .. [1] G. A. Miller, "Note on the bias of information estimates", in: H. Quastler
       (ed.), Information Theory in Psychology, Free Press, 1955, 95-100.
    .. [2] S. Zahl, "Jackknifing an index of diversity", Ecology 58 (1977), 907-913.

    Examples
    --------
    >>> from skcrit.finders import NewtonMRFinder
    >>> from skcrit.metrics import participation_entropy
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=10, random_state=0).fit(X)
    >>> 0 < participation_entropy(finder) < 2
    True
    """
    units = participation(finder).units(groups)
    value = estimate_entropy(units, bias_correction)
    if np.isnan(value):
        undefined("participation_entropy", _NO_START)
    return value


def participation_entropy_interval(
    finder: FittedFinder,
    *,
    confidence_level: float = 0.95,
    n_resamples: int = 2000,
    bias_correction: str | None = None,
    groups: ArrayLike | None = None,
    random_state: RandomState = None,
) -> tuple[float, float]:
    r"""Compute a confidence interval of ``participation_entropy`` by the bootstrap.

    The interval is for the entropy that infinitely many starts of the same kind would
    have. Whole starts, or groups of them, are drawn with replacement.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    confidence_level : float, default=0.95
        Between 0 and 1, exclusive.
    n_resamples : int, default=2000
        Number of resamples.
    bias_correction : {None, "miller-madow", "jackknife"}, default=None
        The estimate in the middle of the interval, as in ``participation_entropy``.
        None is "jackknife": an interval around the uncorrected entropy would not cover.
    groups : array-like of shape (n_starts,), default=None
        Labels of starts that are not independent, such as those on one descent:
        ``np.arange(n_starts) % n_trajectories`` for ``TrajectoryStarts``. Groups are
        resampled as a whole. With None all starts count as independent; if they lie on
        one or a few descents, the interval is for starts on these descents only.
    random_state : int, RandomState, Generator or None, default=None
        Source of randomness of the resamples.

    Returns
    -------
    low, high : float
        In bits, between 0 and log2(n_bins). NaN if fewer than two starts, or groups,
        count.

    Raises
    ------
    ValueError
        If ``confidence_level`` or ``n_resamples`` is not a number of its kind or out
        of range, ``bias_correction`` is unknown, ``groups`` has not one label per
        start, or the loss is not that of a linear network.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known.

    Warns
    -----
    UndefinedMetricWarning
        If fewer than two starts, or groups, converged and are identified.

    Notes
    -----
    The entropy of a sample is too low on average, and that of a resample is lower
    still. Percentiles of the resamples therefore lie below the estimate and hardly ever
    cover an entropy near the largest; corrected percentiles (BCa) cannot exceed the
    highest resample. Instead, the larger deviation of the percentiles from the mean of
    the resamples, widened for small samples [1]_, is added to and subtracted from a
    bias-corrected estimate, and the result is cut at the limits. Starts are small
    samples: for nominal 95 %, simulated samples of 75 starts covered at 94 to 100 %,
    over distributions from two sets to all, 4 to 64 features; 20 starts covered at 85
    to 100 %, 75 starts in 10 correlated groups at 82 to 100 %. The lowest rates are
    those of a distribution on two sets, one of them rare. The bootstrap knows only what
    the starts have found: if all ended in one set, the interval has no width.

    The published study drew bins with replacement and tested the replicates against
    each other as if they were independent data, which does not allow conclusions about
    other starts.

    Without judging, the cost is O(n_resamples s n_bins) for starts in s different sets.

    References
    ----------
    .. [1] T. C. Hesterberg, "What teachers should know about the bootstrap: resampling
       in the undergraduate statistics curriculum", The American Statistician 69 (2015),
       371-386, doi:10.1080/00031305.2015.1089789.
    """
    rng = check_seed(random_state)
    units = participation(finder).units(groups)
    interval = entropy_interval(
        units, confidence_level, n_resamples, bias_correction, rng
    )
    if np.isnan(interval[0]):
        undefined("participation_entropy_interval", _ONE_UNIT)
    return interval


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
