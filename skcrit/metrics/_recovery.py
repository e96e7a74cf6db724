"""How well a fitted finder recovers the critical points that are known."""

from __future__ import annotations

import math
from typing import Any

from skcrit._typing import FittedFinder
from skcrit.ground_truth.base import GroundTruth
from skcrit.metrics._judgement import judge
from skcrit.metrics._undefined import undefined


def recovery_accuracy(
    finder: FittedFinder, *, truth: GroundTruth | None = None
) -> float:
    """Compute the fraction of all starts that end at a known critical point.

    A start counts as right if it converged, its final point is identified with a known
    critical set, and the reported loss and Morse index are those of the set. Every
    other start counts as wrong, also if its index is unknown. If the truth lists the
    sets of some Morse indices only (``listed_indices`` of
    :class:`~skcrit.KnownPoints`), starts that report a critical point of another index
    are left out.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    truth : GroundTruth, default=None
        Known critical points; None takes those that the loss knows.

    Returns
    -------
    accuracy : float
        Between 0 and 1; 0 if nothing converged; NaN if no start can be judged.

    Raises
    ------
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If ``truth`` is None and the critical points of the loss are not known.

    Warns
    -----
    UndefinedMetricWarning
        If no start can be judged.

    See Also
    --------
    judge : The verdict on each start, and the tolerance on its loss.

    Examples
    --------
    >>> from skcrit.finders import NewtonMRFinder
    >>> from skcrit.metrics import recovery_accuracy
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=10, random_state=0).fit(X)
    >>> recovery_accuracy(finder)
    1.0
    """
    return _defined(judge(finder, truth), "accuracy", "no start can be judged")


def recovery_precision(
    finder: FittedFinder, *, truth: GroundTruth | None = None
) -> float:
    """Compute the fraction of the converged starts that end at a known critical point.

    It is ``recovery_accuracy`` among the starts that are reported as converged, and
    measures how reliable the report is.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    truth : GroundTruth, default=None
        Known critical points; None takes those that the loss knows.

    Returns
    -------
    precision : float
        Between 0 and 1. NaN, not 0, if nothing converged, because a finder that reports
        nothing reports nothing wrong. Searches over parameters rank NaN last.

    Raises
    ------
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If ``truth`` is None and the critical points of the loss are not known.

    Warns
    -----
    UndefinedMetricWarning
        If nothing converged.
    """
    return _defined(judge(finder, truth), "precision", "no start converged")


def recovery_coverage(
    finder: FittedFinder, *, truth: GroundTruth | None = None
) -> float:
    """Compute the fraction of all critical sets that were found.

    A set is found if a start ended there that ``recovery_accuracy`` counts as right.
    The number of all sets is known exactly without enumeration.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    truth : GroundTruth, default=None
        Known critical points; None takes those that the loss knows.

    Returns
    -------
    coverage : float
        Distinct sets found over ``n_sets`` of the truth; 0 if there are none.

    Raises
    ------
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If ``truth`` is None and the critical points of the loss are not known.
    """
    return judge(finder, truth).coverage


def loss_error(finder: FittedFinder, *, truth: GroundTruth | None = None) -> float:
    """Compute the mean absolute loss error of the converged starts.

    The reference of each start is the critical set nearest to its final point, even
    if the match is ambiguous.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    truth : GroundTruth, default=None
        Known critical points; None takes those that the loss knows.

    Returns
    -------
    error : float
        In the unit of the loss; NaN if nothing converged.

    Raises
    ------
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If ``truth`` is None and the critical points of the loss are not known.

    Warns
    -----
    UndefinedMetricWarning
        If nothing converged.
    """
    return _defined(judge(finder, truth), "loss_error", "no start converged")


def index_error(finder: FittedFinder, *, truth: GroundTruth | None = None) -> float:
    """Compute the mean absolute error of the index fraction of the converged starts.

    The index fraction is the Morse index over ``n_params``. The reference of each start
    is the critical set nearest to its final point, even if the match is ambiguous.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    truth : GroundTruth, default=None
        Known critical points; None takes those that the loss knows.

    Returns
    -------
    error : float
        Between 0 and 1; NaN if no converged start has a known index. Starts whose index
        was not computed (-1) do not count. If only a lower bound of the right index is
        known, as at some points of deep networks, the error is the amount by which the
        reported index is below it.

    Raises
    ------
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If ``truth`` is None and the critical points of the loss are not known.

    Warns
    -----
    UndefinedMetricWarning
        If no converged start has a known index.
    """
    reason = "no start converged with a known Morse index"
    return _defined(judge(finder, truth), "index_error", reason)


def _defined(judgement: Any, name: str, reason: str) -> float:
    """Return a score, with a warning if there was nothing to average."""
    score = getattr(judgement, name)
    return undefined(name, reason, stacklevel=4) if math.isnan(score) else score
