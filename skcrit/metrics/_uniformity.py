"""How far a sample of critical points is from uniform, and weights against that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skcrit._typing import FloatArray, RandomState
from skcrit.metrics._judgement import judge
from skcrit.metrics._participation import bins_of
from skcrit.utils._arguments import check_seed, is_int, shown
from skcrit.utils._validation import check_fitted

if TYPE_CHECKING:
    from skcrit.finders.base import BaseFinder

__all__ = ["UniformityResult", "importance_weights", "uniformity_test"]

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
    finder: BaseFinder,
    *,
    over: str = "sets",
    n_resamples: int = 999,
    random_state: RandomState = None,
) -> UniformityResult:
    """Test whether searches end in all critical sets alike.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    over : {"sets", "eigenvectors", "indices"}, default="sets"
        What is counted: critical sets; the eigenvectors that they contain, in the
        bins of ``participation_counts``; or Morse indices.
    n_resamples : int, default=999
        Number of simulated uniform samples.
    random_state : int, RandomState instance or None, default=None
        Source of randomness of the simulation.

    Returns
    -------
    result : UniformityResult
        Statistic, p-value, and observed and expected counts.

    Raises
    ------
    ValueError
        If ``over`` is none of the three, ``n_resamples`` is not positive, no start
        counts, or there are more than 200 000 critical sets.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known in closed form.

    Notes
    -----
    Uniform is: every start ends in each analytical critical set with the same
    probability, independently. The statistic is compared with that of simulated samples
    and not with a chi-square distribution: expected counts per set are small, and a
    start counts once for every eigenvector of its set, so that the bins of
    "eigenvectors" are dependent.

    Examples
    --------
    >>> from skcrit.finders import NewtonMRFinder
    >>> from skcrit.metrics import uniformity_test
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=60, random_state=0).fit(X)
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
    spectrum = judgement.spectrum
    if spectrum.n_sets > _MAX_SETS:
        raise ValueError(
            f"finder's loss has {spectrum.n_sets} critical sets; the test enumerates "
            f"them, at most {_MAX_SETS}."
        )
    bins = _bins(spectrum, over)
    names = {name: i for i, name in enumerate(spectrum.all_sets(_MAX_SETS))}
    ends = np.array([names[judgement.sets[row]] for row in rows])
    rng = np.random.default_rng(check_seed(random_state).randint(2**31))
    n, expected = len(rows), bins.mean(axis=0) * len(rows)
    observed = bins[ends].sum(axis=0)
    statistic = _distance(observed, expected)
    draws = [
        _distance(bins[rng.integers(len(bins), size=n)].sum(axis=0), expected)
        for _ in range(n_resamples)
    ]
    larger = int(np.sum(np.array(draws) >= statistic * (1 - 1e-12)))
    pvalue = (1 + larger) / (1 + n_resamples)
    return UniformityResult(statistic, pvalue, observed, expected, n)


def _bins(spectrum, over):
    """Count what each critical set adds to each bin, as a sparse or dense matrix."""
    sets = spectrum.all_sets(_MAX_SETS)
    if over == "sets":
        from scipy.sparse import eye_array

        return _Rows(eye_array(len(sets), format="csr"))
    if over == "indices":
        index = spectrum.morse_indices(sets)
        return np.eye(index.max() + 1)[index]
    return bins_of(spectrum, sets)[0]


class _Rows:
    """Rows of a sparse matrix, with what is needed of an array."""

    def __init__(self, matrix):
        self.matrix = matrix

    def __len__(self):
        return self.matrix.shape[0]

    def mean(self, axis):
        return np.asarray(self.matrix.mean(axis=axis)).ravel()

    def __getitem__(self, rows):
        return _Rows(self.matrix[rows])

    def sum(self, axis):
        return np.asarray(self.matrix.sum(axis=axis)).ravel()


def _distance(observed, expected):
    """Compute Pearson's statistic over the bins that can be hit."""
    can = expected > 0
    return float(np.sum((observed[can] - expected[can]) ** 2 / expected[can]))


def importance_weights(
    finder: BaseFinder, *, over: str = "sets"
) -> tuple[FloatArray, float]:
    """Weigh starts so that what they found counts alike.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    over : {"sets", "indices"}, default="sets"
        "sets": every set found has the same total weight. "indices": the Morse indices
        have the weights that they have among all critical sets of the loss, where those
        are known.

    Returns
    -------
    weights : ndarray of shape (n_starts,)
        Weights with sum one; zero for starts that do not count.
    effective_size : float
        ``1 / sum(weights^2)``: the number of equally weighted starts that is worth as
        much.

    Raises
    ------
    ValueError
        If ``over`` is none of the two.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        For "indices", if the critical points of the loss are not known in closed form.

    Notes
    -----
    With "sets", a start in a set that was hit c times weighs 1/c: its probability is
    estimated by how often it was hit. Sets that were never hit cannot be weighed: the
    weighted sample is uniform over the sets found, not over all. To draw a uniform
    sample, resample starts with these weights.
    """
    check_fitted(finder, "finder", ("results_", "counts_"))
    if not isinstance(over, str):
        raise ValueError(f"over must be 'sets' or 'indices', got {shown(over)}.")
    if over == "sets":
        label = np.asarray(finder.results_["critical_set"])
        counts = np.asarray(finder.counts_)
        raw = np.where(label >= 0, 1.0 / np.maximum(counts[label], 1), 0.0)
    elif over == "indices":
        raw = _index_weights(judge(finder))
    else:
        raise ValueError(f"over must be 'sets' or 'indices', got {over!r}.")
    total = raw.sum()
    weights = raw / total if total > 0 else raw
    squares = np.sum(weights**2)
    return weights, float(1 / squares) if squares > 0 else 0.0


def _index_weights(judgement):
    """Weigh by how often an index occurs, over how often it was found."""
    histogram = judgement.spectrum.index_histogram()
    counts = judgement.hit
    index = np.where(counts, judgement.morse_index, -1)
    found = np.bincount(index[index >= 0], minlength=max(histogram) + 1)
    total = sum(histogram.values())
    share = np.array([histogram.get(i, 0) / total for i in range(len(found))])
    ratio = share / np.maximum(found, 1)
    return np.where(index >= 0, ratio[index], 0.0)
