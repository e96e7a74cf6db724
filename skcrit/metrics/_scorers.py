"""Metrics in the form that scikit-learn accepts as ``scoring``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from skcrit._typing import ArrayLike, FittedFinder
from skcrit.metrics import _entropy, _recovery
from skcrit.utils._arguments import shown

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

_DOCSTRING = """Score a finder by {sign}``{name}``, for ``scoring=`` of a search.

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
        {score}

    Raises
    ------
    TypeError
        If ``estimator`` is something else.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known.

    See Also
    --------
    {name} : The metric{negated}, and when it is undefined.
    """


class _Scorer(Protocol):
    __name__: str

    def __call__(
        self, estimator: BaseEstimator, X: ArrayLike | None = None, y: object = None
    ) -> float: ...


def _make_scorer(
    metric: Callable[[FittedFinder], float], score: str, sign: int = 1
) -> _Scorer:
    """Turn a metric of fitted finders into a scorer; greater must be better."""

    def scorer(
        estimator: BaseEstimator, X: ArrayLike | None = None, y: object = None
    ) -> float:
        return sign * metric(_finder(estimator))

    name, is_error = metric.__name__, sign < 0
    # By this name pickle finds the scorer in this module.
    scorer.__name__ = scorer.__qualname__ = f"{name}_scorer"
    scorer.__doc__ = _DOCSTRING.format(
        name=name,
        sign="minus " if is_error else "",
        negated=", not negated" if is_error else "",
        score=score,
    )
    return scorer


recovery_accuracy_scorer = _make_scorer(
    _recovery.recovery_accuracy,
    "Fraction of all starts that end at a known critical point.",
)
recovery_precision_scorer = _make_scorer(
    _recovery.recovery_precision,
    """Fraction of the converged starts that end at a known critical point; NaN, which
        a search ranks last, if nothing converged.""",
)
recovery_coverage_scorer = _make_scorer(
    _recovery.recovery_coverage, "Fraction of all critical sets that were found."
)
loss_error_scorer = _make_scorer(
    _recovery.loss_error,
    """The error, negated: greater is better. NaN, which a search ranks last, if
        nothing converged.""",
    sign=-1,
)
index_error_scorer = _make_scorer(
    _recovery.index_error,
    """The error, negated: greater is better. NaN, which a search ranks last, if no
        converged start has a known index.""",
    sign=-1,
)
participation_entropy_scorer = _make_scorer(
    _entropy.participation_entropy,
    """Entropy in bits of how often each eigenvector takes part, without correction of
        its bias; NaN, which a search ranks last, if no start converged and is
        identified. Compare it between equal numbers of starts only: it grows with them.
        """.rstrip(),
)


def _finder(estimator: Any) -> Any:
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
