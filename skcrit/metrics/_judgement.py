"""Judge the starts of a fitted finder by the closed-form critical sets of its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from skcrit.exceptions import NoGroundTruthError
from skcrit.utils._validation import check_fitted

if TYPE_CHECKING:
    from skcrit.analytical import AnalyticalSpectrum
    from skcrit.finders.base import BaseFinder

__all__ = ["Judgement", "judge"]

# Between the bound of first order and the tolerance: covers what is left of higher
# order at gradient norms up to the resolution of the spectrum.
_SAFETY = 2.0

# Rounding of a value, in units of eps times features times the sizes of the factors.
_ROUNDING = 10.0

# Smallest tolerance on open pivots, the default of AnalyticalSpectrum.match.
_PIVOT_RTOL = 1e-6


@dataclass(frozen=True, eq=False)
class Judgement:
    """Verdicts on the starts of a finder, one row per start.

    A start is a *hit* if it is reported as converged, its final point is identified
    with a critical set, and the reported loss and Morse index are right. The scores are
    means of these verdicts.

    Parameters
    ----------
    spectrum : AnalyticalSpectrum
        Critical sets of the loss that was searched.
    converged : ndarray of bool of shape (n_starts,)
        Reported convergence.
    identified : ndarray of bool of shape (n_starts,)
        Whether the final point matches a critical set unambiguously, converged or not.
    sets : ndarray of object of shape (n_starts,)
        Canonical name of the set nearest to the final point: a tuple of int.
    loss, predicted_loss : ndarray of shape (n_starts,)
        Reported loss, and loss of the nearest set.
    loss_tolerance : ndarray of shape (n_starts,)
        Largest difference of the two that the gradient and rounding explain.
    morse_index, predicted_index : ndarray of int of shape (n_starts,)
        Reported Morse index, -1 if unknown, and that of the nearest set, -1 where the
        formula gives a lower bound only (open pivots of a deep network).
    least_index : ndarray of int of shape (n_starts,)
        That bound where there is no predicted index, else the predicted index.
    loss_right, index_right : ndarray of bool of shape (n_starts,)
        Whether reported loss and Morse index are those of the nearest set.
    hit : ndarray of bool of shape (n_starts,)
        All of converged, identified, loss_right and index_right.
    """

    spectrum: AnalyticalSpectrum
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

    @property
    def sets_found(self) -> list[tuple[int, ...]]:
        """Distinct sets among the hits, a list of tuples in lexicographic order."""
        return sorted(set(self.sets[self.hit]))

    @property
    def accuracy(self) -> float:
        """Fraction of all starts that are hits."""
        return float(np.mean(self.hit))

    @property
    def precision(self) -> float:
        """Fraction of the converged starts that are hits; NaN without any."""
        return _mean(self.hit[self.converged])

    @property
    def coverage(self) -> float:
        """Fraction of all critical sets that were hit."""
        # Python integers divide exactly, however many sets there are.
        return len(self.sets_found) / self.spectrum.n_sets

    @property
    def loss_error(self) -> float:
        """Mean absolute loss error of the converged starts; NaN without any."""
        return _mean(np.abs(self.loss - self.predicted_loss)[self.converged])

    @property
    def index_error(self) -> float:
        """Mean absolute error of the index fraction; NaN without a known index."""
        excess = self.morse_index - self.least_index
        # Above a mere bound nothing is known to be wrong.
        exact = self.predicted_index >= 0
        error = np.where(exact, np.abs(excess), np.maximum(-excess, 0))
        known = self.converged & (self.morse_index >= 0)
        return _mean(error[known] / self.spectrum.n_params)


def judge(finder: BaseFinder) -> Judgement:
    r"""Compare every start of a fitted finder with its nearest critical set.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder, or any object with ``loss_``, ``final_params_`` and ``results_``.
        What it reports (``converged``, ``loss``, ``morse_index``) is judged at the
        points ``final_params_`` against ``loss_.analytical_spectrum()``.

    Returns
    -------
    judgement : Judgement
        One row per start.

    Raises
    ------
    TypeError
        If ``finder`` is something else.
    NotFittedError
        If the finder is not fitted.
    NoGroundTruthError
        If the critical points of the loss are not known in closed form.

    Notes
    -----
    A point with squared balanced gradient norm s is not on the critical set, and its
    loss differs from the set's. Where the Hessian has no zero eigenvalues but those of
    the set, the difference is :math:`g^T H^+ g / 2 \le s / (2 \mu)` to first order,
    with :math:`\mu` the smallest modulus of the others. Hidden units that a set leaves
    free, in a network of L > 2 layers, are flat to order L: their share of the loss is
    at most :math:`\sqrt{s} (\sqrt{s} / \omega)^{1/(L-1)}`, :math:`\omega = 2 \lambda /
    d` for the weakest positive eigenvalue; directions that the data do not see are flat
    to order 4 under the penalty "product", and :math:`\lambda` is then the smaller of
    it and the penalty's threshold. The loss is right if it differs by no more than
    twice the sum of s / mu and this share, and the rounding errors of a product of
    layers of the point's size, at the scale of the loss at the origin, the trace of C
    over d, and in the precision of the loss.

    The Morse index is right if it equals the predicted one. A deep network has an exact
    prediction, the number of inversions, only where no pivot is open; at an open pivot
    the index is larger, and every larger one is accepted. Weights below :math:`(2
    \sqrt{t} / \omega)^{1/(L-1)}`, t the largest squared gradient norm of a converged
    start, may be zero at the critical point: where only such weights open a pivot, the
    number of inversions itself is accepted too.

    Matching costs O(n_starts d^2 p).
    """
    check_fitted(finder, "finder", ("loss_", "final_params_", "results_"))
    spectrum = _spectrum(finder.loss_)
    theta = np.asarray(finder.final_params_, dtype=np.float64)
    match = spectrum.match(theta)
    columns = [finder.results_[name] for name in ("converged", "loss", "morse_index")]
    converged, loss, index = map(np.asarray, columns)
    with np.errstate(over="ignore", invalid="ignore"):
        tolerance = _SAFETY * _loss_bound(spectrum, match)
        tolerance += _rounding(spectrum, theta, getattr(finder.loss_, "dtype", float))
        loss_right = np.abs(loss - match.loss) <= tolerance
    exact = match.morse_index >= 0
    least = match.morse_index
    if not np.all(exact):
        noise = _pivot_noise(spectrum, finder.results_["squared_grad_norm"], converged)
        # Starts that have not converged count for nothing, and may not be finite.
        rows = np.flatnonzero(converged & ~exact)
        least = np.where(exact, least, match.index_lower_bound)
        least[rows] += spectrum.has_open_pivot(theta[rows], rtol=noise)
    index_right = np.where(exact, index == least, index >= least)
    return Judgement(
        spectrum=spectrum,
        converged=converged,
        identified=match.identified,
        sets=match.set,
        loss=loss,
        predicted_loss=match.loss,
        loss_tolerance=tolerance,
        morse_index=index,
        predicted_index=match.morse_index,
        least_index=least,
        loss_right=loss_right,
        index_right=index_right,
        hit=converged & match.identified & loss_right & index_right,
    )


def _spectrum(loss):
    """Return the critical sets of a loss."""
    if not hasattr(loss, "analytical_spectrum"):
        raise NoGroundTruthError(
            f"{type(loss).__name__} has no analytical_spectrum(): there is nothing to "
            "judge searches against."
        )
    return loss.analytical_spectrum()


def _loss_bound(spectrum, match):
    """Bound the distance in loss to the nearest set by the gradient, first order."""
    squared = match.squared_balanced_grad_norm
    bound = squared / spectrum.mu_min(match.mask)
    weakest, order = spectrum.smallest_positive, spectrum.depth
    if spectrum.tau > 0 and spectrum.penalty == "product":
        if spectrum.rank < spectrum.n_features:
            weakest, order = min(weakest, spectrum.tau), 4
    width = min(spectrum.hidden_layer_sizes)
    most = spectrum.max_rank if order == spectrum.depth else width
    free = match.mask.sum(axis=1) < most
    if order > 2 and weakest > 0:
        norm, omega = np.sqrt(squared), 2 * weakest / spectrum.n_features
        bound = bound + np.where(free, norm * (norm / omega) ** (1 / (order - 1)), 0.0)
    return bound


def _pivot_noise(spectrum, squared_grad_norm, converged):
    """Bound the weights that a converged start may have where the limit has none."""
    if spectrum.depth == 2 or spectrum.rank == 0 or not np.any(converged):
        return _PIVOT_RTOL
    norm = np.sqrt(np.max(np.asarray(squared_grad_norm)[converged]))
    omega = 2 * spectrum.smallest_positive / spectrum.n_features
    noise = (_SAFETY * norm / omega) ** (1 / (spectrum.depth - 1))
    return max(_PIVOT_RTOL, float(noise))


def _rounding(spectrum, theta, dtype):
    """Bound the rounding error of a computed loss."""
    # The product of the norms of L layers is largest when they are equal.
    size = (np.sum(theta**2, axis=1) / spectrum.depth) ** (spectrum.depth / 2)
    scale = spectrum.eigenvalues.sum() / spectrum.n_features
    unit = np.finfo(dtype).eps * spectrum.n_features * scale
    return _ROUNDING * unit * (1 + size)


def _mean(values):
    """Average, NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")
