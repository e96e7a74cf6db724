"""How often each eigenvector takes part in the critical points that were found."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skcrit._typing import ArrayLike, IntArray, RandomState
from skcrit.inspection._axes import (
    FAILURE,
    LEGEND,
    SUCCESS,
    axes_of,
    font_points,
    ink,
    name_axes,
    together,
    wrap,
)
from skcrit.metrics._entropy import entropy_interval, estimate_entropy
from skcrit.metrics._participation import participation
from skcrit.utils._arguments import check_keywords, check_number, check_seed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skcrit.finders.base import BaseFinder

# Width of the bars, in bins; that of the origin must be seen among many, too.
_BAR, _ORIGIN_BAR = 0.8, 0.02

# In units of the font size: the height of a line of the legend above the bars and of
# what surrounds the lines, the width of axes below which its columns do not stand side
# by side,
_LINE, _FRAME, _NARROW = 1.7, 1.7, 23

# and the width of a character and of the space between labels.
_CHARACTER, _SPACE = 0.65, 0.8


@dataclass(eq=False, repr=False)
class ParticipationDisplay:
    """Share of each eigenvector in the critical sets found, a bar per eigenvector.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    counts : ndarray of int of shape (n_bins,)
        Participation counts, of the origin last.
    labels : list of str
        Name of each bin.
    entropy : float
        Participation entropy, in bits.
    interval : tuple of (float, float), default=None
        Its confidence interval; None or NaN is not written.
    confidence_level : float, default=0.95
        Confidence level of the interval.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.
    bars_ : matplotlib.container.BarContainer
        Bars of the eigenvectors.
    origin_bar_ : matplotlib.container.BarContainer
        Bar of the origin, alone in it.
    uniform_line_ : matplotlib.lines.Line2D
        Line at the share that each bin would have if all had the same.

    See Also
    --------
    LossIndexDisplay : Loss against index of the points found.
    skcrit.metrics.participation_counts : What is counted.
    skcrit.metrics.participation_entropy_interval : How the interval is made.

    Examples
    --------
    >>> from skcrit.finders import NewtonMRFinder
    >>> from skcrit.inspection import ParticipationDisplay
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=5, random_state=0).fit(X)
    >>> display = ParticipationDisplay.from_estimator(finder, random_state=0)
    >>> display.labels
    ['0', '1', '2', 'at 0']
    """

    counts: IntArray
    labels: list[str]
    entropy: float
    interval: tuple[float, float] | None = None
    _: KW_ONLY
    confidence_level: float = 0.95

    @classmethod
    def from_estimator(
        cls,
        finder: BaseFinder,
        *,
        ax: Axes | None = None,
        bias_correction: str | None = "jackknife",
        confidence_level: float = 0.95,
        n_resamples: int = 2000,
        groups: ArrayLike | None = None,
        random_state: RandomState = None,
        bar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the participation counts of a fitted finder.

        Parameters
        ----------
        finder : BaseFinder
            Fitted finder.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        bias_correction : {None, "miller-madow", "jackknife"}, default="jackknife"
            Correction of the entropy, see ``participation_entropy``. With None, the
            interval can lie above the entropy.
        confidence_level : float, default=0.95
            Confidence level of the interval, between 0 and 1, exclusive.
        n_resamples : int, default=2000
            Number of resamples of the bootstrap.
        groups : array-like of shape (n_starts,), default=None
            Labels of starts that are not independent, see
            ``participation_entropy_interval``.
        random_state : int, RandomState, Generator or None, default=None
            Source of randomness of the resamples.
        bar_kw : dict, default=None
            Passed to ``ax.bar`` for all bars.

        Returns
        -------
        display : ParticipationDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If ``confidence_level`` or ``n_resamples`` is not a number of its kind or
            out of range, ``bias_correction`` is unknown, or ``groups`` has not one
            label per start.
        NotFittedError
            If the finder is not fitted.
        NoGroundTruthError
            If the critical points of the loss are not known in closed form.
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        found = participation(finder)
        units = found.units(groups)
        rng = check_seed(random_state)
        confidence_level = check_number(
            confidence_level, "confidence_level", low=0, high=1, closed="neither"
        )
        display = cls(
            found.counts,
            found.labels,
            estimate_entropy(units, bias_correction),
            entropy_interval(
                units, confidence_level, n_resamples, bias_correction, rng
            ),
            confidence_level=confidence_level,
        )
        return display.plot(ax, bar_kw=bar_kw)

    def plot(
        self, ax: Axes | None = None, *, bar_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw the bars, largest eigenvalue first, and the origin apart.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        bar_kw : dict, default=None
            Passed to ``ax.bar`` for all bars.

        Returns
        -------
        self : ParticipationDisplay
            The display.

        Raises
        ------
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        ax, bar_kw = axes_of(self, ax), check_keywords(bar_kw, "bar_kw")
        counts = np.asarray(self.counts)
        shares = counts / max(counts.sum(), 1)
        x = np.arange(len(shares), dtype=float)
        x[-1] += 1.0
        style = {"width": _BAR, "zorder": 2, **bar_kw}
        label = f"in sets: {counts[:-1].sum():,}"
        inside = {"color": SUCCESS, "label": label, **style}
        self.bars_ = ax.bar(x[:-1], shares[:-1], **inside)
        # The hatch distinguishes the origin if colours are lost.
        label = f"at 0: {counts[-1]:,}"
        apart: dict[str, Any] = {
            "color": FAILURE,
            "hatch": "////",
            "edgecolor": "white",
        }
        apart |= {"edgecolor": "white", "linewidth": 0, "label": label, **style}
        apart["width"] = max(apart["width"], _ORIGIN_BAR * len(x))
        self.origin_bar_ = ax.bar(x[-1:], shares[-1:], **apart)
        self.uniform_line_ = ax.axhline(
            1 / len(shares), color=ink(ax), linestyle="--", linewidth=1, zorder=3
        )
        self.uniform_line_.set_label("uniform")
        n_lines = self._label(ax, x)
        highest = max(shares.max(), 1 / len(shares))
        height = ax.get_window_extent().height * 72 / ax.figure.dpi
        room = (_FRAME + _LINE * n_lines) * font_points(LEGEND["fontsize"]) / height
        ax.set_ylim(0, highest / (1 - min(room, 0.8)))
        return self

    def _label(self, ax: Any, x: Any) -> Any:
        """Name the axes, the bars and the entropy; return the lines of the legend."""
        ax.set_xlim(x[0] - 0.7, x[-1] + max(0.7, _ORIGIN_BAR * len(x)))
        shown = self._shown(ax, x)
        ax.set_xticks(x[shown], [self.labels[i] for i in shown])
        name_axes(
            ax, "Eigenvector, by descending eigenvalue", "Share of participations"
        )
        width = ax.get_window_extent().width * 72 / ax.figure.dpi
        size = font_points(LEGEND["fontsize"])
        n_columns = 3 if width > _NARROW * size else 1
        title = wrap(self._entropy_text(), width, size)
        legend = ax.legend(
            handles=[self.bars_, self.origin_bar_, self.uniform_line_],
            loc="upper right",
            ncols=n_columns,
            columnspacing=0.8,
            title=title,
            title_fontsize=LEGEND["fontsize"],
            **LEGEND,
        )
        legend.set_alignment("left")
        return title.count("\n") + 1 + 3 // n_columns

    def _shown(self, ax: Any, x: Any) -> Any:
        """Choose the bins whose labels have room, in steps of 1, 2, 5, 10, 20 ..."""
        # get_tick_space counts labels of three times the font size.
        room = 3 * ax.xaxis.get_tick_space() / np.ptp(ax.get_xlim())
        longest = max(map(len, self.labels[:-1]), default=0)
        needed = (_CHARACTER * longest + _SPACE) / room
        steps = (m * 10**k for k in range(len(str(len(x))) + 1) for m in (1, 2, 5))
        step = next(step for step in steps if step >= min(needed, len(x)))
        width = (longest + len(self.labels[-1])) / 2
        last = x[-1] - (_CHARACTER * width + _SPACE) / room
        shown = [i for i in range(0, len(x) - 1, step) if x[i] <= last]
        return [*shown, len(x) - 1]

    def _entropy_text(self) -> Any:
        """Write the entropy, its interval, and the largest possible one."""
        if math.isnan(self.entropy):
            return "no start is identified"
        text = f"{self.entropy:.2f} bits"
        if self.interval is not None and not np.any(np.isnan(self.interval)):
            low, high = self.interval
            text += f" ({100 * self.confidence_level:g} %: {low:.2f} to {high:.2f})"
        largest = together(f"at most {math.log2(len(self.counts)):.2f}")
        return f"{text}, {largest}"
