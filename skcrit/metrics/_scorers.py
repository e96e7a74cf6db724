"""Metrics in the form that scikit-learn takes as ``scoring``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skcrit._typing import ArrayLike
from skcrit.metrics import _recovery, _sampling
from skcrit.utils._arguments import shown

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

__all__ = [
    "index_error_scorer",
    "loss_error_scorer",
    "participation_entropy_scorer",
    "recovery_accuracy_scorer",
    "recovery_coverage_scorer",
    "recovery_precision_scorer",
]


def recovery_accuracy_scorer(
    estimator: BaseEstimator, X: ArrayLike | None = None, y: object = None
) -> float:
    """Score a finder by ``recovery_accuracy``, for ``scoring=`` of a search.

    Parameters
    ----------
    estimator : BaseFinder, Pipeline or search
        Fitted finder; of a pipeline the last step, of a search the best estimator.
    X : array-like, default=None
        Ignored: a finder is judged by the critical points of the loss that it searched,
        which its own training data define.
    y : None
        Ignored.

    Returns
    -------
    score : float
        Fraction of all starts that end at a known critical point.

    Raises
    ------
    TypeError
        If ``estimator`` is something else.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known in closed form.
    """
    return _recovery.recovery_accuracy(_finder(estimator))


def recovery_precision_scorer(
    estimator: BaseEstimator, X: ArrayLike | None = None, y: object = None
) -> float:
    """Score a finder by ``recovery_precision``, for ``scoring=`` of a search.

    Parameters
    ----------
    estimator : BaseFinder, Pipeline or search
        Fitted finder; of a pipeline the last step, of a search the best estimator.
    X : array-like, default=None
        Ignored, see ``recovery_accuracy_scorer``.
    y : None
        Ignored.

    Returns
    -------
    score : float
        Fraction of the converged starts that end at a known critical point; NaN, which
        a search ranks last, if nothing converged.

    Raises
    ------
    TypeError
        If ``estimator`` is something else.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known in closed form.

    Warns
    -----
    UndefinedMetricWarning
        If nothing converged.
    """
    return _recovery.recovery_precision(_finder(estimator))


def recovery_coverage_scorer(
    estimator: BaseEstimator, X: ArrayLike | None = None, y: object = None
) -> float:
    """Score a finder by ``recovery_coverage``, for ``scoring=`` of a search.

    Parameters
    ----------
    estimator : BaseFinder, Pipeline or search
        Fitted finder; of a pipeline the last step, of a search the best estimator.
    X : array-like, default=None
        Ignored, see ``recovery_accuracy_scorer``.
    y : None
        Ignored.

    Returns
    -------
    score : float
        Fraction of all critical sets that were found.

    Raises
    ------
    TypeError
        If ``estimator`` is something else.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known in closed form.
    """
    return _recovery.recovery_coverage(_finder(estimator))


def loss_error_scorer(
    estimator: BaseEstimator, X: ArrayLike | None = None, y: object = None
) -> float:
    """Score a finder by minus ``loss_error``, for ``scoring=`` of a search.

    Parameters
    ----------
    estimator : BaseFinder, Pipeline or search
        Fitted finder; of a pipeline the last step, of a search the best estimator.
    X : array-like, default=None
        Ignored, see ``recovery_accuracy_scorer``.
    y : None
        Ignored.

    Returns
    -------
    score : float
        The error, negated: greater is better. NaN, which a search ranks last, if
        nothing converged.

    Raises
    ------
    TypeError
        If ``estimator`` is something else.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known in closed form.

    Warns
    -----
    UndefinedMetricWarning
        If nothing converged.
    """
    return -_recovery.loss_error(_finder(estimator))


def index_error_scorer(
    estimator: BaseEstimator, X: ArrayLike | None = None, y: object = None
) -> float:
    """Score a finder by minus ``index_error``, for ``scoring=`` of a search.

    Parameters
    ----------
    estimator : BaseFinder, Pipeline or search
        Fitted finder; of a pipeline the last step, of a search the best estimator.
    X : array-like, default=None
        Ignored, see ``recovery_accuracy_scorer``.
    y : None
        Ignored.

    Returns
    -------
    score : float
        The error, negated: greater is better. NaN, which a search ranks last, if no
        converged start has a known index.

    Raises
    ------
    TypeError
        If ``estimator`` is something else.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known in closed form.

    Warns
    -----
    UndefinedMetricWarning
        If no converged start has a known index.
    """
    return -_recovery.index_error(_finder(estimator))


def participation_entropy_scorer(
    estimator: BaseEstimator, X: ArrayLike | None = None, y: object = None
) -> float:
    """Score a finder by ``participation_entropy``, for ``scoring=`` of a search.

    Parameters
    ----------
    estimator : BaseFinder, Pipeline or search
        Fitted finder; of a pipeline the last step, of a search the best estimator.
    X : array-like, default=None
        Ignored, see ``recovery_accuracy_scorer``.
    y : None
        Ignored.

    Returns
    -------
    score : float
        Entropy in bits of how often each eigenvector takes part, without correction of
        its bias; NaN, which a search ranks last, if no start converged and is
        identified. Compare it between equal numbers of starts only: it grows with them.

    Raises
    ------
    TypeError
        If ``estimator`` is something else.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known in closed form.

    Warns
    -----
    UndefinedMetricWarning
        If no start converged and is identified with a critical set.
    """
    return _sampling.participation_entropy(_finder(estimator))


def _finder(estimator):
    """Unwrap pipelines and searches."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "results_") or hasattr(estimator, "get_params"):
            return estimator
        else:
            raise TypeError(
                "estimator must be a fitted finder, a pipeline that ends in one, or a "
                f"search over one, got {shown(estimator)}."
            )
