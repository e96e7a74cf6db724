"""How much is still unseen, from how often each critical set was hit."""

import warnings

import numpy as np
from scipy.stats import norm
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils.validation import check_is_fitted

__all__ = [
    "chao1_richness",
    "chao1_richness_interval",
    "good_turing_coverage",
    "good_turing_coverage_interval",
    "unseen_by_index",
]


def good_turing_coverage(counts):
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
    With n hits, of which :math:`f_1` are the only one of their set and :math:`f_2` sets
    were hit twice, the estimate is
    :math:`1 - \frac{f_1}{n} \frac{(n-1) f_1}{(n-1) f_1 + 2 f_2}` [2]_, a refinement of
    Good's :math:`1 - f_1 / n` [1]_. It speaks of the sampler, not of the landscape:
    sets that the sampler hardly ever reaches hardly lower it.

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
        return _undefined("good_turing_coverage")
    if f1 == 0:
        return 1.0
    weight = (n - 1) * f1 / ((n - 1) * f1 + 2 * f2) if n > 1 else 1.0
    return float(1 - f1 / n * weight)


def good_turing_coverage_interval(counts, *, confidence_level=0.95):
    """Compute a confidence interval of the coverage.

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
    The normal limit of Good's estimate, with the variance ``(f1 + 2 f2) / n^2 - f1^2 /
    n^3`` of Esty (1983).

    References
    ----------
    .. [1] W. W. Esty. "A normal limit law for a nonparametric estimator of the coverage
       of a random sample". Annals of Statistics 11, 1983.
    """
    z = _quantile(confidence_level)
    n, f1, f2 = _frequencies(counts)
    if n == 0:
        return (_undefined("good_turing_coverage_interval"),) * 2
    middle = good_turing_coverage(counts)
    reach = z * np.sqrt(max((f1 + 2 * f2) / n**2 - f1**2 / n**3, 0.0))
    return float(max(middle - reach, 0.0)), float(min(middle + reach, 1.0))


def chao1_richness(counts):
    r"""Estimate how many sets there are, from below.

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
    The bias-corrected estimate :math:`S + \frac{n-1}{n} \frac{f_1 (f_1 - 1)}{2 (f_2 +
    1)}`, S the number of sets found. Its expectation is a lower bound for the number of
    sets whatever the sampler prefers, and close to it for a uniform one.

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
        return _undefined("chao1_richness")
    return float(_found(counts) + (n - 1) / n * f1 * (f1 - 1) / (2 * (f2 + 1)))


def chao1_richness_interval(counts, *, confidence_level=0.95):
    """Compute a confidence interval of the richness.

    Parameters
    ----------
    counts : array-like of int of shape (n_sets,), or BaseFinder
        How often each set was hit, or a fitted finder (its ``counts_``).
    confidence_level : float, default=0.95
        Between 0 and 1, exclusive.

    Returns
    -------
    low, high : float
        Ends of the interval, at least the number of sets found; NaN without any hit.

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
    The number of unseen sets is taken as log-normal (Chao 1987).

    References
    ----------
    .. [1] A. Chao. "Estimating the population size for capture-recapture data with
       unequal catchability". Biometrics 43, 1987.
    """
    z = _quantile(confidence_level)
    n, f1, f2 = _frequencies(counts)
    if n == 0:
        return (_undefined("chao1_richness_interval"),) * 2
    found, k = _found(counts), (n - 1) / n
    unseen = chao1_richness(counts) - found
    if unseen <= 0:
        return float(found), float(found)
    variance = (
        k * f1 * (f1 - 1) / (2 * (f2 + 1))
        + k**2 * f1 * (2 * f1 - 1) ** 2 / (4 * (f2 + 1) ** 2)
        + k**2 * f1**2 * f2 * (f1 - 1) ** 2 / (4 * (f2 + 1) ** 4)
    )
    factor = np.exp(z * np.sqrt(np.log1p(variance / unseen**2)))
    return float(found + unseen / factor), float(found + unseen * factor)


def unseen_by_index(finder, *, confidence_level=0.95):
    """Estimate coverage and richness for every Morse index by itself.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    confidence_level : float, default=0.95
        Between 0 and 1, exclusive.

    Returns
    -------
    columns : dict of str to ndarray of shape (n_indices,)
        Ready for ``pandas.DataFrame``, a row per index found (-1: unknown):
        "morse_index", "n_sets" found, "n_hits", "coverage", "coverage_low",
        "coverage_high", "richness", "richness_low" and "richness_high".

    Raises
    ------
    ValueError
        If ``confidence_level`` is out of range.
    NotFittedError
        If the finder is not fitted.

    Notes
    -----
    An index of which no set was found has no row: nothing is known of it.
    """
    check_is_fitted(finder, ("counts_", "morse_indices_"))
    rows = []
    for index in np.unique(finder.morse_indices_):
        counts = finder.counts_[finder.morse_indices_ == index]
        level = {"confidence_level": confidence_level}
        rows.append((
            index,
            len(counts),
            counts.sum(),
            good_turing_coverage(counts),
            *good_turing_coverage_interval(counts, **level),
            chao1_richness(counts),
            *chao1_richness_interval(counts, **level),
        ))
    names = ["morse_index", "n_sets", "n_hits"]
    for name in ("coverage", "richness"):
        names += [name, f"{name}_low", f"{name}_high"]
    table = np.array(rows, dtype=float).reshape(-1, len(names))
    columns = dict(zip(names, table.T, strict=True))
    return {
        name: column.astype(int) if place < 3 else column
        for place, (name, column) in enumerate(columns.items())
    }


def _frequencies(counts):
    """Return the number of hits, and of sets that were hit once and twice."""
    counts = _checked(counts)
    return int(counts.sum()), int(np.sum(counts == 1)), int(np.sum(counts == 2))


def _found(counts):
    """Count the sets that were hit."""
    return int(np.sum(_checked(counts) > 0))


def _checked(counts):
    """Return counts as an array of integers."""
    counts = np.asarray(getattr(counts, "counts_", counts))
    if counts.size == 0:
        return np.zeros(0, dtype=int)
    whole = counts.dtype.kind in "iuf" and np.all(np.isfinite(counts))
    if not whole or counts.ndim != 1 or np.any((counts < 0) | (counts % 1 != 0)):
        raise ValueError(
            "counts must be a one-dimensional array of non-negative integers, or a "
            f"fitted finder; got {counts!r}."
        )
    return counts.astype(np.int64)


def _quantile(confidence_level):
    """Return the two-sided quantile of the normal distribution."""
    if not 0 < confidence_level < 1:
        raise ValueError(
            f"confidence_level must be between 0 and 1, got {confidence_level!r}."
        )
    return norm.ppf((1 + confidence_level) / 2)


def _undefined(name):
    """Warn that there is nothing to estimate from."""
    warnings.warn(
        f"{name} is undefined and set to NaN: no set was hit.",
        UndefinedMetricWarning,
        stacklevel=3,
    )
    return float("nan")
