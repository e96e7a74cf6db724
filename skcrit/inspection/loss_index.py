"""Loss against index of critical points."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skcrit._typing import BoolArray, FloatArray, RandomState
from skcrit.exceptions import NoGroundTruthError
from skcrit.ground_truth.base import GroundTruth
from skcrit.inspection._axes import FAILURE, GREY, LEGEND, SUCCESS, axes_of, name_axes
from skcrit.metrics._judgement import judge
from skcrit.utils._arguments import check_int, check_keywords, check_seed
from skcrit.utils._validation import check_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skcrit.finders.base import BaseFinder

# Beyond this many points a vector graphic gets slow; they are drawn as an image in it.
_MAX_VECTOR = 5000

# Beyond this many known sets each is small.
_MANY = 200

# The place of points without index, in units of the width of the axes.
_EDGE = 0.985

_RING: dict[str, Any] = {
    "s": 22,
    "facecolors": "none",
    "edgecolors": SUCCESS,
    "linewidths": 1.1,
    "zorder": 2,
}
_CROSS: dict[str, Any] = {
    "s": 28,
    "marker": "x",
    "color": FAILURE,
    "linewidths": 1.4,
    "zorder": 3,
}
_TICK: dict[str, Any] = {
    "s": 60,
    "marker": "_",
    "color": FAILURE,
    "linewidths": 1.2,
    "zorder": 3,
}


@dataclass(eq=False, repr=False)
class LossIndexDisplay:
    """Loss against index of numerical critical points, over the known ones.

    The index is the number of negative Hessian eigenvalues, over that of parameters.
    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    loss, index_fraction : ndarray of shape (n_points,)
        Loss and index of each converged start; NaN if the index is not known.
    n_starts : int
        Number of starts, converged or not.
    hit : ndarray of bool of shape (n_points,), default=None
        Which of the points are identified with a known critical set and have its
        loss and index; None if the truth is not known.
    judged : ndarray of bool of shape (n_points,), default=None
        Which of the points the truth can judge; None is all.
    analytical_loss : ndarray of shape (n_drawn,), default=None
        Loss of known critical sets; None if they are not known.
    analytical_index_fraction : ndarray of shape (n_drawn,), default=None
        Index of the same sets.
    n_sets : int, default=None
        Number of all known critical sets: more than ``n_drawn`` if those are a
        random sample.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.
    points_ : list of matplotlib.collections.PathCollection
        Numerical points: hits, misses and those without index, if there are any.
    analytical_points_ : matplotlib.collections.PathCollection or None
        Known critical sets.

    See Also
    --------
    ConvergenceDisplay : Squared gradient norm by iteration.
    skcrit.metrics.recovery_report : The numbers behind the figure.

    Examples
    --------
    >>> from skcrit.finders import NewtonMRFinder
    >>> from skcrit.inspection import LossIndexDisplay
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=5, random_state=0).fit(X)
    >>> display = LossIndexDisplay.from_estimator(finder)
    >>> display.n_sets, len(display.loss)
    (7, 5)
    """

    loss: FloatArray
    index_fraction: FloatArray
    n_starts: int
    _: KW_ONLY
    hit: BoolArray | None = None
    judged: BoolArray | None = None
    analytical_loss: FloatArray | None = None
    analytical_index_fraction: FloatArray | None = None
    n_sets: int | None = None

    @classmethod
    def from_estimator(
        cls,
        finder: BaseFinder,
        *,
        truth: GroundTruth | None = None,
        ax: Axes | None = None,
        max_sets: int = 10_000,
        random_state: RandomState = None,
        point_kw: dict[str, Any] | None = None,
        analytical_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the critical points that a fitted finder found.

        Parameters
        ----------
        finder : BaseFinder
            Fitted finder.
        truth : GroundTruth, default=None
            Known critical points. None takes those that the loss knows; if these are
            not known, the numerical points are drawn alone.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        max_sets : int, default=10000
            Largest number of known critical sets to draw. If there are more, as
            many are drawn at random, uniformly and with replacement, and the legend
            says so.
        random_state : int, RandomState, Generator or None, default=None
            Source of randomness of that sample.
        point_kw, analytical_kw : dict, default=None
            Passed to ``ax.scatter`` for the numerical and the known points.

        Returns
        -------
        display : LossIndexDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the finder is not fitted.
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        check_fitted(finder, "finder", ("loss_", "results_", "converged_", "n_params_"))
        max_sets, rng = check_int(max_sets, "max_sets"), check_seed(random_state)
        index = np.asarray(finder.results_["morse_index"])
        converged = np.asarray(finder.converged_)
        fraction = np.where(index >= 0, index / finder.n_params_, np.nan)
        display = cls(
            np.asarray(finder.results_["loss"])[converged],
            fraction[converged],
            len(index),
        )
        try:
            judgement = judge(finder, truth)
        except NoGroundTruthError:
            return display.plot(ax, point_kw=point_kw)
        truth = judgement.truth
        if truth.n_sets <= max_sets:
            sets = truth.all_sets(max_sets)
        else:
            sets = truth.sample_sets(max_sets, rng)
        indices = truth.morse_indices(sets)
        display.hit = judgement.hit[converged]
        display.judged = judgement.judged[converged]
        display.analytical_loss = truth.losses(sets)
        fractions = np.where(indices >= 0, indices / truth.n_params, np.nan)
        display.analytical_index_fraction = fractions
        display.n_sets = truth.n_sets
        return display.plot(ax, point_kw=point_kw, analytical_kw=analytical_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        point_kw: dict[str, Any] | None = None,
        analytical_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw loss (vertical) against index.

        If the index of a point is not known, a tick at the edge marks its loss.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        point_kw, analytical_kw : dict, default=None
            Passed to ``ax.scatter`` for the numerical and the known points.

        Returns
        -------
        self : LossIndexDisplay
            The display.

        Raises
        ------
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        ax, point_kw = axes_of(self, ax), check_keywords(point_kw, "point_kw")
        analytical_kw = check_keywords(analytical_kw, "analytical_kw")
        self.analytical_points_ = None
        if self.analytical_loss is not None:
            self.analytical_points_ = self._draw_analytical(ax, analytical_kw)
        self.points_ = self._draw_numerical(ax, point_kw)
        name_axes(ax, "Index / number of parameters", "Loss")
        # No points have a high index and a low loss.
        unknown = not np.all(np.isfinite(self.index_fraction))
        ax.legend(loc="lower right", borderaxespad=2.0 if unknown else 0.5, **LEGEND)
        return self

    def _draw_analytical(self, ax: Any, options: Any) -> Any:
        """Draw the known critical sets, underneath."""
        loss: Any = self.analytical_loss
        n_drawn, n_sets = len(loss), self.n_sets or 0
        label = f"known: {n_drawn:,} sets"
        if n_drawn < n_sets:
            total = f"{n_sets:,}" if n_sets < 10**9 else f"{n_sets:.1e}"
            label = f"known: {n_drawn:,} random\nof {total} sets"
        # A few dots are to be seen, many must be distinguished.
        size = 6 if n_drawn > _MANY else 12
        style = {"s": size, "color": GREY, "linewidths": 0, "zorder": 1, "label": label}
        style["rasterized"] = n_drawn > _MAX_VECTOR
        return ax.scatter(
            self.analytical_index_fraction, self.analytical_loss, **{**style, **options}
        )

    def _draw_numerical(self, ax: Any, options: Any) -> list[Any]:
        """Draw hits as rings, misses as crosses, and what has no index at the edge."""
        known = np.isfinite(self.index_fraction)
        hits = known if self.hit is None else known & self.hit
        name = "converged" if self.hit is None else "hits"
        label = f"{name}: {np.sum(hits)} of {self.n_starts} starts"
        points = [self._scatter(ax, hits, label, {**_RING, **options})]
        beside = np.zeros_like(known) if self.judged is None else known & ~self.judged
        if np.any(beside):
            label = f"of other indices: {np.sum(beside)}"
            style = {**_RING, "edgecolors": GREY, **options}
            points.append(self._scatter(ax, beside, label, style))
        misses = known & ~hits & ~beside
        if np.any(misses):
            label = f"missed: {np.sum(misses)}"
            points.append(self._scatter(ax, misses, label, {**_CROSS, **options}))
        if not np.all(known):
            label = f"index not resolved: {np.sum(~known)}"
            edge = {**_TICK, "transform": ax.get_yaxis_transform(), **options}
            points.append(self._scatter(ax, ~known, label, edge))
            # What is placed by the axes does not stretch them by itself.
            losses = np.column_stack([self.loss[~known]] * 2)
            ax.update_datalim(losses, updatex=False)
            ax.autoscale_view()
        return points

    def _scatter(
        self, ax: Any, rows: BoolArray, label: str, style: dict[str, float | str]
    ) -> Any:
        """Draw some of the numerical points."""
        x = np.where(np.isfinite(self.index_fraction), self.index_fraction, _EDGE)
        return ax.scatter(x[rows], self.loss[rows], label=label, **style)
