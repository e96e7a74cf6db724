"""How much is still unseen, from how often each critical set was hit."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm

from skcrit._typing import ArrayLike, FloatArray, IntArray
from skcrit.metrics._undefined import undefined
from skcrit.utils._arguments import check_array, check_number


def good_turing_coverage(counts: ArrayLike) -> float:
    r"""Estimate the probability that the next search ends in a set already found.

    Parameters
    ----------
    counts : array-like of int of shape (n_sets,), or BaseFinder
        How often each set was hit, or a fitted finder (its ``counts_``).

    Returns
    -------
    coverage : float
        Total probability, under the sampler that made the counts, of the sets found;
        NaN without any hit.

    Raises
    ------
    ValueError
        If ``counts`` are not non-negative integers.

    Warns
    -----
    UndefinedMetricWarning
        If nothing was hit.

    Notes
    -----
    With n hits, :math:`f_1` sets that were hit once and :math:`f_2` sets that were hit
    twice, the estimate is
    :math:`1 - \frac{f_1}{n} \frac{(n-1) f_1}{(n-1) f_1 + 2 f_2}` [2]_, a refinement of
    Good's :math:`1 - f_1 / n` [1]_. It describes the sampler, not the landscape: sets
    that the sampler hardly ever reaches hardly lower it.

    References
    ----------
    .. [1] I. J. Good. "The population frequencies of species and the estimation of
       population parameters". Biometrika 40, 1953.
    .. [2] A. Chao and L. Jost. "Coverage-based rarefaction and extrapolation:
       standardizing samples by completeness rather than size". Ecology 93, 2012.

    Examples
    --------
    >>> from skcrit.metrics import good_turing_coverage
    >>> good_turing_coverage([3, 3, 2, 2])
    1.0
    """
    n, f1, f2 = _frequencies(counts)
    if n == 0:
        return undefined("good_turing_coverage")
    if f1 == 0:
        return 1.0
    weight = (n - 1) * f1 / ((n - 1) * f1 + 2 * f2) if n > 1 else 1.0
    return float(1 - f1 / n * weight)


def good_turing_coverage_interval(
    counts: ArrayLike, *, confidence_level: float = 0.95
) -> tuple[float, float]:
    r"""Compute a confidence interval of the coverage.

    The interval is for the coverage of this sample, which is random itself.

    Parameters
    ----------
    counts : array-like of int of shape (n_sets,), or BaseFinder
        How often each set was hit, or a fitted finder (its ``counts_``).
    confidence_level : float, default=0.95
        Between 0 and 1, exclusive.

    Returns
    -------
    low, high : float
        Ends of the interval, within 0 and 1; NaN without any hit.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Warns
    -----
    UndefinedMetricWarning
        If nothing was hit.

    Notes
    -----
    The normal limit of Good's estimate has the variance :math:`(f_1 (1 - f_1 / n) + 2
    f_2) / n^2` [1]_. An interval of this variance around the estimate has no width if
    every set was hit once, or none was, and covers in less than half of samples of 50
    from 2517 sets. Therefore :math:`f_1 / n` is replaced in the variance by the unknown
    probability of the unseen sets, as in Wilson's interval of a proportion, and f2 by
    f2 + 1.

    References
    ----------
    .. [1] W. W. Esty. "A normal limit law for a nonparametric estimator of the coverage
       of a random sample". Annals of Statistics 11, 1983.
    """
    z = quantile(confidence_level)
    n, f1, f2 = _frequencies(counts)
    if n == 0:
        return (undefined("good_turing_coverage_interval"),) * 2
    missing = 1 - good_turing_coverage(counts)
    # (missing - U)^2 = z^2 (U (1 - U) + 2 (f2 + 1) / n) / n, as a U^2 - 2 b U + c = 0.
    a, b = 1 + z**2 / n, missing + z**2 / (2 * n)
    c = missing**2 - 2 * z**2 * (f2 + 1) / n**2
    half = np.sqrt(b**2 - a * c)
    low, high = np.clip([1 - (b + half) / a, 1 - (b - half) / a], 0.0, 1.0)
    return float(low), float(high)


def chao1_richness(counts: ArrayLike) -> float:
    r"""Estimate a lower bound of the number of sets.

    Parameters
    ----------
    counts : array-like of int of shape (n_sets,), or BaseFinder
        How often each set was hit, or a fitted finder (its ``counts_``).

    Returns
    -------
    richness : float
        Estimated number of sets; NaN without any hit.

    Raises
    ------
    ValueError
        If ``counts`` are not non-negative integers.

    Warns
    -----
    UndefinedMetricWarning
        If nothing was hit.

    Notes
    -----
    The bias-corrected estimate is :math:`S + \frac{n-1}{n} \frac{f_1 (f_1 - 1)}{2 (f_2
    + 1)}`, with the number S of sets found. Its expectation is at most the number of
    sets for every sampler, and close to it for a uniform one.

    References
    ----------
    .. [1] A. Chao. "Nonparametric estimation of the number of classes in a population".
       Scandinavian Journal of Statistics 11, 1984.

    Examples
    --------
    >>> from skcrit.metrics import chao1_richness
    >>> chao1_richness([3, 3, 2, 2])
    4.0
    """
    n, f1, f2 = _frequencies(counts)
    if n == 0:
        return undefined("chao1_richness")
    return float(_found(counts) + (n - 1) / n * f1 * (f1 - 1) / (2 * (f2 + 1)))


def chao1_richness_interval(
    counts: ArrayLike, *, confidence_level: float = 0.95
) -> tuple[float, float]:
    r"""Compute a confidence interval of the richness.

    It contains the number of sets if all are about equally probable. Otherwise only its
    lower limit is valid.

    Parameters
    ----------
    counts : array-like of int of shape (n_sets,), or BaseFinder
        How often each set was hit, or a fitted finder (its ``counts_``).
    confidence_level : float, default=0.95
        Between 0 and 1, exclusive.

    Returns
    -------
    low, high : float
        Ends of the interval, whole numbers as the number of sets is, at least the
        number found; ``high`` is infinite if no set was hit twice or more. NaN without
        any hit.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Warns
    -----
    UndefinedMetricWarning
        If nothing was hit.

    Notes
    -----
    The number T of unseen sets is assumed to be log-normal [1]_: the limits are T
    divided and multiplied by :math:`\exp(z \sqrt{\log(1 + v)})`, with the relative
    variance v = 1 / T + (2 f1 - 1)^2 / (f1 (f1 - 1)^2) + 1 / (f2 + 1) by the delta
    method. The last term is usually f2 / (f2 + 1)^2, which vanishes if no set was hit
    twice. The usual limits can exclude the true number in small samples and near the
    end of a search: the lower one exceeds the number of sets found even if these are
    all, and the upper one equals it if at most one set was hit once. Hence the limits
    are rounded outwards, and the upper one uses :math:`(f_1 + 1)^2 / (2 f_2 + 1)`; in
    large samples of many sets neither change matters.

    References
    ----------
    .. [1] A. Chao. "Estimating the population size for capture-recapture data with
       unequal catchability". Biometrics 43, 1987.
    """
    z = quantile(confidence_level)
    n, f1, f2 = _frequencies(counts)
    if n == 0:
        return (undefined("chao1_richness_interval"),) * 2
    low = found = _found(counts)
    unseen = chao1_richness(counts) - found
    if unseen > 0:
        slope = (2 * f1 - 1) ** 2 / (f1 * (f1 - 1) ** 2)
        factor = _log_normal(z, 1 / unseen + slope + 1 / (f2 + 1))
        low += np.floor(unseen / factor)
    if f1 == n:
        return float(low), float("inf")
    unseen, relative_variance = _cautious_unseen(n, f1, f2, found)
    factor = _log_normal(z, relative_variance)
    return float(low), float(found + np.ceil(unseen * factor))


def _frequencies(counts: Any) -> tuple[int, int, int]:
    """Return the number of hits, and of sets that were hit once and twice."""
    counts = _checked(counts)
    return int(counts.sum()), int(np.sum(counts == 1)), int(np.sum(counts == 2))


def _log_normal(z: float, relative_variance: float) -> float:
    """Return the factor between the median of a log-normal variable and a quantile."""
    return np.exp(z * np.sqrt(np.log1p(relative_variance)))


def _cautious_unseen(n: Any, f1: int, f2: int, found: int) -> tuple[float, float]:
    """Return where an upper limit of the unseen starts, and its relative variance."""
    # f1 (f1 - 1) / (f2 + 1) is right on average by being too small whenever f2 is not,
    # and zero without singletons: no upper limit can start from it.
    once, twice = f1 + 1, f2 + 0.5
    if f2 == 0 and f1 < 2:
        # Nothing rare to go by. Were all sets alike, with n / found hits each, then f2
        # would be f1 times half of that.
        twice = once * n / found / 2
    unseen = (n - 1) / n * once**2 / (2 * twice)
    return unseen, 1 / unseen + 4 / once + 1 / twice


def _found(counts: Any) -> int:
    """Count the sets that were hit."""
    return int(np.sum(_checked(counts) > 0))


def _checked(counts: IntArray) -> IntArray:
    """Return counts as an array of integers."""

    def valid(a: FloatArray) -> Any:
        # Beyond 2^53 not every integer is a float.
        inside = (a >= 0) & (a < 2**53)
        return a.size == 0 or a.ndim == 1 and np.all(inside) and np.all(a % 1 == 0)

    expected = "a one-dimensional array of non-negative integers, or a fitted finder"
    counts = getattr(counts, "counts_", counts)
    return check_array(counts, "counts", expected, valid).astype(np.int64)


def quantile(confidence_level: float) -> float:
    """Return the two-sided quantile of the normal distribution."""
    level = check_number(confidence_level, "confidence_level", 0, 1, closed="neither")
    return norm.ppf((1 + level) / 2)
