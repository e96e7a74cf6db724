"""How recovery depends on the tolerance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skcrit._typing import ArrayLike, BoolArray, FloatArray
from skcrit.inspection._axes import (
    FAILURE,
    LEGEND,
    SUCCESS,
    axes_of,
    ink,
    name_axes,
    together,
)
from skcrit.model_selection import tolerance_curve
from skcrit.utils._arguments import check_keywords, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skcrit.finders.base import BaseFinder
    from skcrit.losses.base import Loss
    from skcrit.model_selection import ToleranceCurve

# Colour, marker and line each distinguish the scores; the marker's size makes what lies
# underneath visible if two scores are equal. Without a colour they have that of words.
_STYLES = {
    "converged": ("converged", FAILURE, "s", "--", 6.5),
    "precision": ("precision", "#CC79A7", "D", "-.", 5.5),
    "accuracy": ("accuracy", SUCCESS, "o", "-", 4),
    "index_error": ("mean index error", None, "^", ":", 4),
}

# Distance of infinity and zero from the other tolerances, as a fraction of their span.
_GAP = 0.18


@dataclass(eq=False, repr=False)
class ToleranceDisplay:
    """Recovery against the tolerance, a line per score.

    Make one with :meth:`from_estimator` or :meth:`from_curve`.

    Parameters
    ----------
    tols : ndarray of shape (n_tols,)
        Tolerances, absolute, on the squared gradient norm. Infinity stands for the
        starting points.
    scores : dict of str to ndarray of shape (n_tols,)
        Fractions by name: "converged", "accuracy", "precision" or "index_error"; NaN
        leaves a gap.
    n_starts : int
        Number of starts behind every fraction.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.
    lines_ : dict of str to matplotlib.lines.Line2D
        Line of each score over the tolerances that a logarithmic axis has.
    edge_lines_ : dict of str to matplotlib.lines.Line2D
        Marks of each score at infinity and at zero.

    See Also
    --------
    skcrit.model_selection.tolerance_curve : The numbers behind the figure.
    ConvergenceDisplay : Squared gradient norm by iteration.

    Examples
    --------
    >>> from skcrit.finders import NewtonMRFinder
    >>> from skcrit.inspection import ToleranceDisplay
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=5, random_state=0)
    >>> display = ToleranceDisplay.from_estimator(finder, X, tols=[1, 1e-4, 1e-8])
    >>> list(display.lines_)
    ['converged', 'accuracy', 'index_error']
    """

    tols: FloatArray
    scores: dict[str, Any]
    n_starts: int

    @classmethod
    def from_estimator(
        cls,
        finder: BaseFinder,
        X: ArrayLike | Loss,
        tols: ArrayLike = (np.inf, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10),
        *,
        y: ArrayLike | None = None,
        scores: str | Sequence[str] = ("converged", "accuracy", "index_error"),
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Search once, and draw the scores against the tolerance.

        Parameters
        ----------
        finder : BaseFinder
            Finder, fitted or not; it is cloned, and its ``tol`` is not used.
        X : array-like of shape (n_samples, n_features), or fitted Loss
            What the finder is fitted to.
        tols : array-like of shape (n_tols,), \
                default=(inf, 1e-2, 1e-4, 1e-6, 1e-8, 1e-10)
            Tolerances in any order, absolute, on the squared gradient norm; infinity
            stands for the starting points.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets, for losses that have them.
        scores : sequence of {"converged", "accuracy", "precision", "index_error"}, \
                default=("converged", "accuracy", "index_error")
            What to draw.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        line_kw : dict, default=None
            Passed to ``ax.plot`` for every score.

        Returns
        -------
        display : ToleranceDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If a score is unknown; and whatever ``tolerance_curve`` raises.
        ImportError
            If ``ax`` is None and Matplotlib is not installed.

        Notes
        -----
        If the critical points of the loss are not known, only "converged" has a line:
        the other scores are NaN.
        """
        scores = _check_scores(scores)
        curve = tolerance_curve(finder, X, tols, y=y)
        return cls.from_curve(curve, scores=scores, ax=ax, line_kw=line_kw)

    @classmethod
    def from_curve(
        cls,
        curve: ToleranceCurve,
        *,
        scores: str | Sequence[str] = ("converged", "accuracy", "index_error"),
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw a curve that was computed before.

        Parameters
        ----------
        curve : ToleranceCurve
            What :func:`~skcrit.model_selection.tolerance_curve` returns.
        scores : sequence of {"converged", "accuracy", "precision", "index_error"}, \
                default=("converged", "accuracy", "index_error")
            What to draw.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        line_kw : dict, default=None
            Passed to ``ax.plot`` for every score.

        Returns
        -------
        display : ToleranceDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If a score is unknown.
        TypeError
            If ``curve`` is something else.
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        if not all(hasattr(curve, name) for name in ("tols", "finders", "accuracy")):
            raise TypeError(f"curve must be a ToleranceCurve, got {shown(curve)}.")
        values = {name: getattr(curve, name) for name in _check_scores(scores)}
        display = cls(curve.tols, values, len(curve.finders[0].converged_))
        return display.plot(ax, line_kw=line_kw)

    def plot(
        self, ax: Axes | None = None, *, line_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the scores over a logarithmic axis, strict tolerances to the right.

        Infinity and zero, which a logarithmic axis does not have, are drawn beyond its
        ends, without a line to them.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        line_kw : dict, default=None
            Passed to ``ax.plot`` for every score.

        Returns
        -------
        self : ToleranceDisplay
            The display.

        Raises
        ------
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        ax, line_kw = axes_of(self, ax), check_keywords(line_kw, "line_kw")
        tols = np.asarray(self.tols, dtype=float)
        # What no axis can show is drawn at the places of zero and infinity.
        tols = np.where(tols > 1e200, np.inf, np.where(tols < 1e-200, 0.0, tols))
        inner = (tols > 0) & np.isfinite(tols)
        x, ends = _places(tols, inner)
        self.lines_, self.edge_lines_ = {}, {}
        for name, values in self.scores.items():
            label, color, marker, linestyle, size = _STYLES[name]
            style = {"color": color or ink(ax), "marker": marker, "markersize": size}
            # Open marks: what lies underneath shines through.
            style |= {"markerfacecolor": "none", "zorder": 2, **line_kw}
            values = np.asarray(values, dtype=float)
            order = np.flatnonzero(inner)[np.argsort(x[inner])]
            (self.lines_[name],) = ax.plot(
                x[order],
                values[order],
                **{"linestyle": linestyle, "label": label, **style},
            )
            (self.edge_lines_[name],) = ax.plot(
                x[~inner], values[~inner], **{**style, "linestyle": "none"}
            )
        self._label(ax, ends)
        return self

    def _label(self, ax: Any, ends: dict[str, float]) -> None:
        """Name the axes, their direction, and what stands beyond the ends."""
        from matplotlib.ticker import NullLocator

        ax.set_xscale("log")
        low, high = min(ends.values()), max(ends.values())
        margin = max((high / low) ** 0.05, 1.5)
        ax.set_xlim(high * margin, low / margin)
        ax.set_ylim(-0.06, 1.06)
        least, most = np.log10([ends["first"], ends["last"]])
        decades = range(int(np.ceil(least - 1e-9)), int(np.floor(most + 1e-9)) + 1)
        # get_tick_space counts labels of three times the font size; these are wider.
        step = -(-len(decades) // max(2, ax.xaxis.get_tick_space() * 3 // 4))
        decades = decades[:: max(step, 1)]
        ticks = [10.0**k for k in decades]
        names = [f"$10^{{{k}}}$" for k in decades]
        for end, name in (("infinity", "∞"), ("zero", "0")):
            if end in ends:
                ticks.append(ends[end])
                names.append(name)
                inner = ends["last" if end == "infinity" else "first"]
                between = {"color": ink(ax, 0.5), "linewidth": 0.8, "zorder": 1}
                ax.axvline(np.sqrt(ends[end] * inner), **between)
        ax.set_xticks(ticks, names)
        ax.xaxis.set_minor_locator(NullLocator())
        name = f"Tolerance on the squared gradient norm {together('(loose → strict)')}"
        name_axes(ax, name, f"Fraction ({self.n_starts:,} starts)")
        # The curves can be anywhere between 0 and 1: it stands above them.
        ax.legend(
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=2,
            columnspacing=1.0,
            frameon=False,
            **LEGEND,
        )


def _check_scores(scores: Any) -> Any:
    """Return the names of scores as a tuple, in the order of drawing."""
    try:
        names = (scores,) if isinstance(scores, str) else tuple(scores)
    except TypeError:
        names = ()
    unknown = [n for n in names if not isinstance(n, str) or n not in _STYLES]
    if unknown or not names:
        raise ValueError(
            f"scores must be a non-empty sequence of names out of {list(_STYLES)}, "
            f"got {shown(scores)}."
        )
    return tuple(name for name in _STYLES if name in names)


def _places(tols: FloatArray, inner: BoolArray) -> tuple[FloatArray, dict[str, float]]:
    """Place tolerances on the axis; return the places and where the axis ends."""
    first, last = (tols[inner].min(), tols[inner].max()) if inner.any() else (0.1, 1.0)
    step = 10 ** max(_GAP * np.log10(last / first), 1.0)
    ends = {"first": first, "last": last}
    if np.isinf(tols).any():
        ends["infinity"] = last * step
    if (tols == 0).any():
        ends["zero"] = first / step
    x = np.where(np.isinf(tols), last * step, np.where(tols == 0, first / step, tols))
    return x, ends
