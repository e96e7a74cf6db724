"""Judge the starts of a fitted finder by the known critical sets of its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._typing import BoolArray, FittedFinder, FloatArray, IntArray
from skcrit.ground_truth.base import GroundTruth
from skcrit.losses.adapt import as_loss
from skcrit.utils._arguments import shown
from skcrit.utils._validation import check_fitted


@dataclass(frozen=True, eq=False)
class Judgement:
    """Verdicts on the starts of a finder, one row per start.

    A start is a *hit* if it is reported as converged, its final point is identified
    with a critical set, and the reported loss and Morse index are right. The scores are
    means of these verdicts over the starts that the truth can judge.

    Parameters
    ----------
    truth : GroundTruth
        Known critical sets of the loss that was searched.
    converged : ndarray of bool of shape (n_starts,)
        Reported convergence.
    identified : ndarray of bool of shape (n_starts,)
        Whether the final point matches a critical set unambiguously, converged or not.
    sets : ndarray of object of shape (n_starts,)
        Name of the set nearest to the final point.
    loss, predicted_loss : ndarray of shape (n_starts,)
        Reported loss, and loss of the nearest set.
    loss_tolerance : ndarray of shape (n_starts,)
        Largest difference of the two that can be explained by rounding and by the
        distance of the point from its set.
    morse_index, predicted_index : ndarray of int of shape (n_starts,)
        Reported Morse index, -1 if unknown, and that of the critical point approached,
        -1 if the truth has only a bound.
    least_index : ndarray of int of shape (n_starts,)
        The predicted index, or a lower bound of it if it is not known exactly.
    loss_right, index_right : ndarray of bool of shape (n_starts,)
        Whether reported loss and Morse index are those of the nearest set.
    hit : ndarray of bool of shape (n_starts,)
        All of converged, identified, loss_right and index_right.
    judged : ndarray of bool of shape (n_starts,)
        False for starts that the truth cannot judge. That happens only if it lists the
        sets of some Morse indices and a start reports a critical point of another
        index, near none of these sets.
    """

    truth: GroundTruth
    converged: np.ndarray
    identified: np.ndarray
    sets: np.ndarray
    loss: np.ndarray
    predicted_loss: np.ndarray
    loss_tolerance: np.ndarray
    morse_index: np.ndarray
    predicted_index: np.ndarray
    least_index: np.ndarray
    loss_right: np.ndarray
    index_right: np.ndarray
    hit: np.ndarray
    judged: np.ndarray

    @property
    def sets_found(self) -> list[Any]:
        """Distinct sets among the hits, sorted by name."""
        return sorted(set(self.sets[self.hit]))

    @property
    def accuracy(self) -> float:
        """Fraction of the starts that are hits; NaN if none can be judged."""
        return _mean(self.hit[self.judged])

    @property
    def precision(self) -> float:
        """Fraction of the converged starts that are hits; NaN without any."""
        return _mean(self.hit[self.converged & self.judged])

    @property
    def coverage(self) -> float:
        """Fraction of all known critical sets that were hit."""
        # Python integers divide exactly, however many sets there are.
        return len(self.sets_found) / self.truth.n_sets

    @property
    def loss_error(self) -> float:
        """Mean absolute loss error of the converged starts; NaN without any."""
        error = np.abs(self.loss - self.predicted_loss)
        return _mean(error[self.converged & self.judged])

    @property
    def index_error(self) -> float:
        """Mean absolute error of the index fraction; NaN without a known index."""
        excess = self.morse_index - self.least_index
        # Above a mere bound nothing is known to be wrong.
        exact = self.predicted_index >= 0
        error = np.where(exact, np.abs(excess), np.maximum(-excess, 0))
        known = self.converged & self.judged & (self.morse_index >= 0)
        return _mean(error[known] / self.truth.n_params)


def judge(finder: FittedFinder, truth: GroundTruth | None = None) -> Judgement:
    """Compare every start of a fitted finder with its nearest known critical set.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder, or any object with ``loss_``, ``final_params_`` and ``results_``.
        What it reports (``converged``, ``loss``, ``morse_index``,
        ``squared_grad_norm``) is judged at the points ``final_params_``.
    truth : GroundTruth, default=None
        Known critical points. None takes those that the loss knows,
        ``loss_.ground_truth()``.

    Returns
    -------
    judgement : Judgement
        One row per start.

    Raises
    ------
    TypeError
        If ``finder`` is not a fitted finder, or ``truth`` is not a ground truth.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If ``truth`` is None and the critical points of the loss are not known.
    ValueError
        If the points of ``truth`` have another number of parameters.

    Notes
    -----
    The truth determines how far a loss may differ from that of the set: it is the
    ``loss_tolerance`` of its :class:`~skcrit.ground_truth.Match`. A Morse index is
    right if it equals that of the truth; if the truth has only a lower bound, it must
    be known and not below the bound. The truth is given the largest gradient norm of
    the converged starts as that of each of them, which matters for degenerate points
    only.

    For linear autoencoders matching costs O(n_starts d^2 p).
    """
    check_fitted(finder, "finder", ("loss_", "final_params_", "results_"))
    truth = _truth_of(finder, truth)
    names = ("converged", "loss", "morse_index", "squared_grad_norm")
    columns = [np.asarray(finder.results_[name]) for name in names]
    converged, loss, index, squared = columns
    # Of starts that have not converged nothing is known.
    norm = np.sqrt(np.max(squared[converged], initial=0.0))
    match = truth.match(
        np.asarray(finder.final_params_, dtype=np.float64),
        grad_norm=np.where(converged, norm, np.inf),
        dtype=getattr(finder.loss_, "dtype", "float64"),
    )
    with np.errstate(invalid="ignore"):
        loss_right = np.abs(loss - match.loss) <= match.loss_tolerance
    exact = match.morse_index >= 0
    index_right = np.where(
        exact, index == match.least_index, index >= match.least_index
    )
    return Judgement(
        truth=truth,
        converged=converged,
        identified=match.identified,
        sets=match.set,
        loss=loss,
        predicted_loss=match.loss,
        loss_tolerance=match.loss_tolerance,
        morse_index=index,
        predicted_index=match.morse_index,
        least_index=match.least_index,
        loss_right=loss_right,
        index_right=index_right,
        hit=converged & match.identified & loss_right & index_right,
        judged=match.identified | ~(converged & _beside(truth, index)),
    )


def _beside(truth: Any, index: IntArray) -> BoolArray:
    """Return which Morse indices are known and not among those that a truth lists."""
    listed = getattr(truth, "listed_indices", None)
    if listed is None:
        return np.zeros(len(index), dtype=bool)
    return (index >= 0) & ~np.isin(index, listed)


def _truth_of(finder: Any, truth: Any) -> Any:
    """Return the ground truth that was given, or that of the finder's loss."""
    if truth is None:
        return as_loss(finder.loss_, "loss_").ground_truth()
    if not isinstance(truth, GroundTruth) or isinstance(truth, type):
        raise TypeError(
            "truth must be a ground truth, such as KnownPoints, or None, got "
            f"{shown(truth)}."
        )
    n_params = np.shape(finder.final_params_)[-1]
    if truth.n_params != n_params:
        raise ValueError(
            f"truth must be of points with {n_params} parameters, as the finder's, got "
            f"n_params={truth.n_params}."
        )
    return truth


def _mean(values: FloatArray) -> float:
    """Average, NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")
