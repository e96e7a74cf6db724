"""How far a sample of critical points is from uniform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import monte_carlo_test

from skcrit._typing import FittedFinder, IntArray, RandomState
from skcrit.metrics._judgement import judge
from skcrit.metrics._participation import bins_of
from skcrit.utils._arguments import check_seed, is_int, shown

_OVER = ("sets", "eigenvectors", "indices")

# Sets that a simulated uniform sample is drawn from are enumerated up to this many.
_MAX_SETS = 200_000


@dataclass(frozen=True, eq=False)
class UniformityResult:
    """Outcome of a test of uniformity.

    Parameters
    ----------
    statistic : float
        Pearson's chi-square distance of observed and expected counts.
    pvalue : float
        Fraction of uniform samples of the same size with at least this distance; never
        zero.
    observed, expected : ndarray of shape (n_bins,)
        Counts by bin, and their expectations under uniform sampling.
    n_starts : int
        Starts that count: converged and identified.
    """

    statistic: float
    pvalue: float
    observed: np.ndarray
    expected: np.ndarray
    n_starts: int


def uniformity_test(
    finder: FittedFinder,
    *,
    over: str = "sets",
    n_resamples: int = 999,
    random_state: RandomState = None,
) -> UniformityResult:
    """Test whether searches end in all critical sets equally often.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    over : {"sets", "eigenvectors", "indices"}, default="sets"
        What is counted: critical sets; the eigenvectors that they contain, in the
        bins of ``participation_counts``; or Morse indices.
    n_resamples : int, default=999
        Number of simulated uniform samples.
    random_state : int, RandomState, Generator or None, default=None
        Source of randomness of the simulation.

    Returns
    -------
    result : UniformityResult
        Statistic, p-value, and observed and expected counts.

    Raises
    ------
    ValueError
        If ``over`` is none of the three, ``n_resamples`` is not positive, no start
        counts, there are more than 200 000 critical sets, or the ground truth has no
        eigenvectors, or not all Morse indices, to count over.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known.

    Notes
    -----
    A sample is uniform if every start ends in each known critical set with the same
    probability, independently of the others. The statistic is compared with that of
    simulated samples, not with a chi-square distribution, for two reasons: expected
    counts per set are small, and a start counts once for every eigenvector of its set,
    so that the bins of "eigenvectors" are dependent.

    Examples
    --------
    >>> from skcrit.finders import NewtonMRFinder
    >>> from skcrit.metrics import uniformity_test
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=60, init="height", random_state=0).fit(X)
    >>> uniformity_test(finder, random_state=0).pvalue < 0.01
    True
    """
    if not isinstance(over, str) or over not in _OVER:
        raise ValueError(f"over must be one of {_OVER}, got {shown(over)}.")
    if not is_int(n_resamples, 1):
        raise ValueError(
            f"n_resamples must be a positive int, got {shown(n_resamples)}."
        )
    judgement = judge(finder)
    rows = np.flatnonzero(judgement.converged & judgement.identified)
    if len(rows) == 0:
        raise ValueError("finder must have a start that converged and is identified.")
    truth = judgement.truth
    if truth.n_sets > _MAX_SETS:
        raise ValueError(
            f"finder's loss has {truth.n_sets} critical sets; the test enumerates "
            f"them, at most {_MAX_SETS}."
        )
    sets = truth.all_sets(_MAX_SETS)
    names = {name: i for i, name in enumerate(sets)}
    ends = np.array([names[judgement.sets[row]] for row in rows])
    count = _counter(truth, sets, over)
    expected = count(np.arange(len(sets))) / len(sets) * len(rows)
    can = expected > 0

    def distance(sample: IntArray) -> float:
        observed = count(sample.astype(np.intp))
        return np.sum((observed[can] - expected[can]) ** 2 / expected[can])

    rng = np.random.default_rng(check_seed(random_state).randint(2**31))
    result = monte_carlo_test(
        ends,
        lambda size: rng.integers(len(sets), size=size),
        distance,
        vectorized=False,
        n_resamples=int(n_resamples),
        alternative="greater",
    )
    statistic, pvalue = float(result.statistic), float(result.pvalue)
    return UniformityResult(statistic, pvalue, count(ends), expected, len(rows))


def _counter(truth: Any, sets: list[tuple[Any, ...]], over: str) -> Callable[..., Any]:
    """Return the function from numbers of sets to counts by bin."""
    if over == "eigenvectors":
        bins, _ = bins_of(truth, sets)
        return lambda rows: bins[rows].sum(axis=0)
    bin_of = np.arange(len(sets)) if over == "sets" else truth.morse_indices(sets)
    if np.any(bin_of < 0):
        raise ValueError(
            "over='indices' needs a ground truth with the Morse index of every set, "
            f"got {truth!r}."
        )
    n_bins = int(bin_of.max()) + 1
    return lambda rows: np.bincount(bin_of[rows], minlength=n_bins)
