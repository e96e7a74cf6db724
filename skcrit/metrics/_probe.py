"""How much is still unseen, by a second, independent sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binomtest

from skcrit._backend import to_host
from skcrit._typing import FittedFinder, IntArray
from skcrit.losses.adapt import as_loss
from skcrit.metrics._euler import SETS
from skcrit.metrics._undefined import undefined
from skcrit.search.critical_sets import Identity, match_points
from skcrit.search.describe import invariants_of
from skcrit.utils._arguments import check_number
from skcrit.utils._validation import check_fitted

# Errors of the invariants of critical points, in their natural units: finders refine
# their critical points, and keep them far better than that.
_SAME = 1e-6


def probe_coverage(finder: FittedFinder, probe: FittedFinder) -> float:
    """Estimate which share of the critical sets a finder knows, by an independent one.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder, often a :class:`~skcrit.LandscapeExplorer`.
    probe : BaseFinder
        Finder that was fitted to the same loss from starts of its own.

    Returns
    -------
    coverage : float
        Share of the probe's converged starts that ended in a set that ``finder`` knows;
        NaN if none converged.

    Raises
    ------
    ValueError
        If the probe's losses at its points are not those of the finder's loss.
    NotFittedError
        If one of them is not fitted.
    TypeError
        If one of them is not a finder.

    Warns
    -----
    UndefinedMetricWarning
        If no start of the probe converged.

    Notes
    -----
    The counts of a systematic search are not a random sample, and a coverage estimated
    from them describes only the neighbourhood of the known sets. If a probe samples all
    sets evenly, the expectation of the estimate is the share of known sets, whatever
    the kind of ``finder``; if the probe is biased, sets are weighted by its bias.
    :class:`~skcrit.SaddleDynamicsFinder` from ``GaussianStarts(0.05)`` is the most even
    sampler of this library. It still draws the few sets of small and of large Morse
    index too often, so that the estimate is too high while few sets are known (16-4-16:
    0.30 instead of 0.12). The probe must not be part of the search: a set that it finds
    does not count as known.

    Examples
    --------
    >>> from skcrit import GaussianStarts, LandscapeExplorer, LinearAutoencoderLoss
    >>> from skcrit import SaddleDynamicsFinder
    >>> from skcrit.datasets import make_gaussian_spectrum
    >>> from skcrit.metrics import probe_coverage
    >>> X = make_gaussian_spectrum(500, eigenvalues=[5, 4, 3, 2, 1], random_state=0)
    >>> loss = LinearAutoencoderLoss((2,)).fit(X)
    >>> explorer = LandscapeExplorer(max_searches=300, random_state=0).fit(loss)
    >>> starts = GaussianStarts(0.05)
    >>> probe = SaddleDynamicsFinder(init=starts, n_starts=50, random_state=1)
    >>> probe_coverage(explorer, probe.fit(loss))
    1.0
    """
    known, n = _hits(finder, probe)
    return known / n if n else undefined("probe_coverage")


def probe_coverage_interval(
    finder: FittedFinder, probe: FittedFinder, *, confidence_level: float = 0.95
) -> tuple[float, float]:
    """Compute Wilson's interval [1]_ of the coverage measured by a probe.

    Parameters
    ----------
    finder, probe : BaseFinder
        As for :func:`probe_coverage`.
    confidence_level : float, default=0.95
        Between 0 and 1, exclusive.

    Returns
    -------
    low, high : float
        Interval within [0, 1]; NaN if no start of the probe converged.

    Raises
    ------
    ValueError
        If ``confidence_level`` is out of range; and what :func:`probe_coverage` raises.

    Warns
    -----
    UndefinedMetricWarning
        If no start of the probe converged.

    Notes
    -----
    The starts of the probe are assumed to be independent.

    References
    ----------
    .. [1] E. B. Wilson. "Probable inference, the law of succession, and statistical
       inference". J. Amer. Statist. Assoc. 22, 1927.
    """
    level = check_number(confidence_level, "confidence_level", 0, 1, closed="neither")
    known, n = _hits(finder, probe)
    if n == 0:
        return (undefined("probe_coverage_interval"),) * 2
    interval = binomtest(known, n).proportion_ci(level, method="wilson")
    return float(interval.low), float(interval.high)


def match_finders(probe: FittedFinder, finder: FittedFinder) -> IntArray:
    """Find the row of each set of ``probe`` in ``finder``, -1 if it is not there."""
    for name, thing in (("finder", finder), ("probe", probe)):
        check_fitted(thing, name, SETS)
    _check_same_loss(finder, probe)
    return match_points(_identity(probe, finder), _identity(finder, finder))


def _hits(finder: Any, probe: Any) -> tuple[int, int]:
    """Count the probe's converged starts, and those that ended in known sets."""
    ends = match_finders(probe, finder)
    return int(probe.counts_[ends >= 0].sum()), int(probe.counts_.sum())


def _identity(finder: Any, judge: Any) -> Identity:
    """Name the critical sets of a finder by the invariants of the other's loss."""
    loss = as_loss(judge.loss_)
    invariants = invariants_of(loss, loss.asarray(finder.critical_points_))
    error = np.full(len(invariants), _SAME)
    return Identity(invariants, error, finder.morse_indices_, finder.nullities_)


def _check_same_loss(finder: Any, probe: Any) -> None:
    """Refuse a probe of another loss, or of other data."""
    losses = probe.critical_losses_
    if probe.critical_points_.shape[1:] == finder.critical_points_.shape[1:]:
        values = to_host(finder.loss_.value(probe.critical_points_))
        if np.allclose(
            values, losses, rtol=1e-6, atol=1e-6 * np.max(np.abs(losses), initial=0.0)
        ):
            return
    raise ValueError(
        "probe must be fitted to the loss of finder, got one whose losses at its "
        "critical points are different."
    )
