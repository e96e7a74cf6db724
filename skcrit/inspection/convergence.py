"""The gradient along each search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skcrit._typing import BoolArray, FloatArray
from skcrit.inspection._axes import FAILURE, LEGEND, SUCCESS, axes_of, ink, name_axes
from skcrit.metrics._tolerance import resolved_tols
from skcrit.utils._arguments import check_keywords
from skcrit.utils._validation import check_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skcrit.finders.base import BaseFinder

# Fraction of the tolerance that the axis shows: the last Newton step can end tens of
# decades below.
_ROOM = 1e-6

# Largest power of ten on the axis: float64 ends a little above.
_HIGHEST = 300


@dataclass(eq=False, repr=False)
class ConvergenceDisplay:
    """Squared gradient norm by iteration, a line per start.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    squared_grad_norm : ndarray of shape (n_starts, n_iter + 1)
        Squared gradient norm of every iterate, column 0 at the start; NaN after the
        end of a run.
    converged : ndarray of bool of shape (n_starts,)
        Which starts converged.
    tol : float or ndarray of shape (n_starts,)
        Tolerance of the searches, or that of each start: an absolute bound on the
        squared gradient norm. The median is drawn, unless it is zero.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.
    lines_ : list of matplotlib.lines.Line2D
        Line of each start.
    tol_line_ : matplotlib.lines.Line2D or None
        Line of the tolerance.

    See Also
    --------
    LossIndexDisplay : Loss against index of the points found.

    Examples
    --------
    >>> from skcrit.finders import NewtonMRFinder
    >>> from skcrit.inspection import ConvergenceDisplay
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=5, store_history=True, random_state=0).fit(X)
    >>> display = ConvergenceDisplay.from_estimator(finder)
    >>> len(display.lines_)
    5
    """

    squared_grad_norm: FloatArray
    converged: BoolArray
    tol: float | FloatArray

    @classmethod
    def from_estimator(
        cls,
        finder: BaseFinder,
        *,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the searches of a fitted finder.

        With ``tol="auto"`` every start has a tolerance of its own, the level of
        rounding at its end.

        Parameters
        ----------
        finder : BaseFinder
            Finder fitted with ``store_history=True``.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        line_kw : dict, default=None
            Passed to ``ax.plot`` for every start.

        Returns
        -------
        display : ConvergenceDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the finder kept no history.
        NotFittedError
            If the finder is not fitted.
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        check_fitted(finder, "finder", ("converged_", "final_params_", "tol"))
        if "squared_grad_norm" not in getattr(finder, "history_", ()):
            raise ValueError(
                f"{cls.__name__} needs the history of the searches: fit the finder, a "
                f"{type(finder).__name__}, with store_history=True."
            )
        squared = np.asarray(finder.history_["squared_grad_norm"])
        tol = float(finder.tol) if finder.tol != "auto" else resolved_tols(finder)
        display = cls(squared, np.asarray(finder.converged_), tol)
        return display.plot(ax, line_kw=line_kw)

    def plot(
        self, ax: Axes | None = None, *, line_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw both axes logarithmic, the first linear between iterations 0 and 1.

        Each run ends with a mark: a dot if it converged, a cross if it failed. A cross
        can lie below ``tol``, because the rescaled point has to reach ``tol``, too, and
        Newton steps from there have to confirm it. Values that are zero or below a
        millionth of ``tol`` are outside the axes.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        line_kw : dict, default=None
            Passed to ``ax.plot`` for every start.

        Returns
        -------
        self : ConvergenceDisplay
            The display.

        Raises
        ------
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        ax, line_kw = axes_of(self, ax), check_keywords(line_kw, "line_kw")
        styles = {
            True: {"color": SUCCESS, "marker": "o", "markersize": 2.5, "zorder": 2},
            False: {"color": FAILURE, "marker": "x", "markersize": 4, "zorder": 2.1},
        }
        shared = {"linewidth": 0.7, "alpha": 0.8, **line_kw}
        self.lines_ = []
        for run, converged in zip(self.squared_grad_norm, self.converged, strict=True):
            run = run[: np.sum(~np.isnan(run))]
            style = {**styles[bool(converged)], **shared, "markevery": [len(run) - 1]}
            self.lines_ += ax.plot(np.arange(len(run)), run, **style)
        self._draw_tolerance(ax)
        self._label(ax, styles)
        return self

    def _draw_tolerance(self, ax: Any) -> None:
        """Draw the tolerance, and keep what is far below it from squeezing the rest."""
        ax.set_yscale("log")
        self.tol_line_ = None
        tols = np.atleast_1d(np.asarray(self.tol, dtype=float))
        tols = tols[~np.isnan(tols)]
        tol = float(np.median(tols)) if len(tols) else 0.0
        if tol > 0:
            ax.set_ylim(bottom=max(ax.get_ylim()[0], _ROOM * tol))
            self.tol_line_ = ax.axhline(
                tol, color=ink(ax), linestyle="--", linewidth=1, zorder=1.9
            )
            self.tol_line_.set_label(
                f"tolerance {tol:.0e}" + (", median" if np.ptp(tols) > 0 else "")
            )

    def _label(self, ax: Any, styles: Any) -> None:
        """Name the axes and the colours, with counts."""
        from matplotlib.lines import Line2D
        from matplotlib.ticker import StrMethodFormatter, SymmetricalLogLocator

        longest = max(self.squared_grad_norm.shape[1] - 1, 1)
        # A logarithm has no place for iteration 0, and a shifted axis would misname
        # all the others.
        ax.set_xscale("symlog", linthresh=1, linscale=0.5)
        ax.set_xlim(0, longest * 1.1)
        digits = range(2, 10)
        ax.xaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1))
        ax.xaxis.set_minor_locator(
            SymmetricalLogLocator(base=10, linthresh=1, subs=digits)
        )
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        name_axes(ax, "Iteration", "Squared gradient norm")
        n_converged = int(np.sum(self.converged))
        counts = {True: n_converged, False: len(self.converged) - n_converged}
        names = {True: "converged", False: "failed"}
        handles = [
            Line2D([], [], linewidth=1, **styles[key], label=f"{names[key]}: {count}")
            for key, count in counts.items()
        ]
        if self.tol_line_ is not None:
            handles.append(self.tol_line_)
        legend = ax.legend(handles=handles, loc="upper right", **LEGEND)
        self._make_room(ax, legend)

    def _make_room(self, ax: Any, legend: Any) -> None:
        """Raise the axis until the legend stands above all runs."""
        lines = [text.get_window_extent().height for text in legend.get_texts()]
        # Two more lines for the frame and the space between lines.
        height = sum(lines) * (1 + 2 / len(lines))
        share = min(height / ax.get_window_extent().height, 0.6)
        low, high = np.log10(ax.get_ylim())
        ax.set_ylim(top=10 ** min(low + (high - low) / (1 - share), _HIGHEST))
