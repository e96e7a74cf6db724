"""Loss against index of critical points."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit.exceptions import NoGroundTruthError
from skcrit.inspection._axes import FAILURE, GREY, LEGEND, SUCCESS, axes_of
from skcrit.metrics._judgement import judge

__all__ = ["LossIndexDisplay"]

# Beyond this many points a vector graphic gets slow; they are drawn as an image in it.
_MAX_VECTOR = 5000


class LossIndexDisplay:
    """Loss against index of numerical critical points, over the analytical ones.

    The index is the number of negative Hessian eigenvalues, over that of parameters.
    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    loss, index_fraction : ndarray of shape (n_points,)
        Loss and index of each converged start whose index is known.
    n_starts : int
        Number of starts, converged or not.
    hit : ndarray of bool of shape (n_points,), default=None
        Which of the points are identified with an analytical critical set and have its
        loss and index; None where the truth is not known.
    analytical_loss, analytical_index_fraction : ndarray of shape (n_drawn,), default=None
        Loss and index of analytical critical sets; None where they are not known.
    n_sets : int, default=None
        Number of all analytical critical sets: more than ``n_drawn`` if those are a
        random sample.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.
    points_ : list of matplotlib.collections.PathCollection
        Numerical points: hits and misses, or all of them without a truth.
    analytical_points_ : matplotlib.collections.PathCollection or None
        Analytical points.

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

    def __init__(
        self,
        loss,
        index_fraction,
        n_starts,
        *,
        hit=None,
        analytical_loss=None,
        analytical_index_fraction=None,
        n_sets=None,
    ):
        self.loss = loss
        self.index_fraction = index_fraction
        self.n_starts = n_starts
        self.hit = hit
        self.analytical_loss = analytical_loss
        self.analytical_index_fraction = analytical_index_fraction
        self.n_sets = n_sets

    @classmethod
    def from_estimator(
        cls,
        finder,
        *,
        ax=None,
        max_sets=10_000,
        random_state=None,
        point_kw=None,
        analytical_kw=None,
    ):
        """Draw the critical points that a fitted finder found.

        Parameters
        ----------
        finder : BaseFinder
            Fitted finder.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        max_sets : int, default=10000
            Largest number of analytical critical sets to draw. If there are more, as
            many are drawn at random, uniformly and with replacement, and the legend
            says so.
        random_state : int, RandomState instance or None, default=None
            Source of randomness of that sample.
        point_kw, analytical_kw : dict, default=None
            Passed to ``ax.scatter`` for the numerical and the analytical points.

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
        check_is_fitted(finder, ("loss_", "results_"))
        index = np.asarray(finder.results_["morse_index"])
        known = np.asarray(finder.converged_) & (index >= 0)
        display = cls(
            np.asarray(finder.results_["loss"])[known],
            index[known] / finder.n_params_,
            len(index),
        )
        try:
            judgement = judge(finder)
        except NoGroundTruthError:
            return display.plot(ax, point_kw=point_kw)
        spectrum = judgement.spectrum
        if spectrum.n_sets <= max_sets:
            sets = spectrum.all_sets(max_sets)
        else:
            sets = spectrum.sample_sets(max_sets, random_state)
        display.hit = judgement.hit[known]
        display.analytical_loss = spectrum.losses(sets)
        display.analytical_index_fraction = spectrum.index_fractions(sets)
        display.n_sets = spectrum.n_sets
        return display.plot(ax, point_kw=point_kw, analytical_kw=analytical_kw)

    def plot(self, ax=None, *, point_kw=None, analytical_kw=None):
        """Draw loss (vertical) against index.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        point_kw, analytical_kw : dict, default=None
            Passed to ``ax.scatter`` for the numerical and the analytical points.

        Returns
        -------
        self : LossIndexDisplay
            The display.

        Raises
        ------
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        ax = axes_of(self, ax)
        self.analytical_points_ = None
        if self.analytical_loss is not None:
            self.analytical_points_ = self._draw_analytical(ax, analytical_kw or {})
        self.points_ = self._draw_numerical(ax, point_kw or {})
        ax.set_xlabel("Index / number of parameters")
        ax.set_ylabel("Loss")
        # Loss grows with index: the upper left corner is the empty one.
        ax.legend(loc="upper left", **LEGEND)
        return self

    def _draw_analytical(self, ax, options):
        """Draw the analytical points, underneath."""
        n_drawn = len(self.analytical_loss)
        label = f"analytical: {self.n_sets} sets"
        if n_drawn < self.n_sets:
            label = f"analytical: {n_drawn} random\nof {self.n_sets:.3g} sets"
        style = {"s": 6, "color": GREY, "linewidths": 0, "zorder": 1, "label": label}
        style["rasterized"] = n_drawn > _MAX_VECTOR
        return ax.scatter(
            self.analytical_index_fraction, self.analytical_loss, **{**style, **options}
        )

    def _draw_numerical(self, ax, options):
        """Draw the numerical points: hits as rings, misses as crosses."""
        hits = np.ones(len(self.loss), dtype=bool) if self.hit is None else self.hit
        total = f" of {self.n_starts} starts"
        name = "converged" if self.hit is None else "hits"
        ring = {"s": 22, "facecolors": "none", "edgecolors": SUCCESS, "linewidths": 1.1}
        cross = {"s": 28, "marker": "x", "color": FAILURE, "linewidths": 1.4}
        groups = [(hits, f"{name}: {np.sum(hits)}{total}", {**ring, "zorder": 2})]
        if not np.all(hits):
            n_missed = np.sum(~hits)
            groups.append((~hits, f"missed: {n_missed}", {**cross, "zorder": 3}))
        return [
            ax.scatter(
                self.index_fraction[rows],
                self.loss[rows],
                **{**style, "label": label, **options},
            )
            for rows, label, style in groups
        ]
