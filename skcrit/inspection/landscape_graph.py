"""The landscape as a graph: critical sets by index and loss, joined by searches."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.exceptions import NoGroundTruthError
from skcrit.inspection._axes import FAILURE, LEGEND, SUCCESS, axes_of, ink, name_axes
from skcrit.inspection._labels import checked_names, place_names
from skcrit.losses.adapt import as_loss
from skcrit.utils._arguments import check_int, check_keywords
from skcrit.utils._validation import check_fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skcrit.finders.landscape import LandscapeExplorer

# With more sets or edges than this they are drawn as an image, and faintly.
_MAX_VECTOR = 500

# Opacity of one edge among n is ink / n^fading, set by eye for 2,500 and 20,000 edges.
# Dark lines stay visible when faint; colour and dashes distinguish connections.
_INK, _FADING = 25.0, 0.65
_SEARCH: dict[str, Any] = {"zorder": 1, "label": "search edge"}
_CONNECTION: dict[str, Any] = {"color": FAILURE, "zorder": 1.5, "label": "connection"}
_CONNECTION |= {"linestyles": "dashed"}

# Sets of one index are separate if their losses differ by more than the range divided
# by this number; otherwise they are moved sideways by this step, within this width.
_ROWS, _STEP, _WIDTH = 100, 0.3, 0.8


@dataclass(eq=False, repr=False)
class LandscapeGraphDisplay:
    """Critical sets by Morse index and loss, joined if one was reached from another.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    loss : ndarray of shape (n_sets,)
        Loss of each set.
    morse_index : ndarray of int of shape (n_sets,)
        Morse indices; sets with -1, unknown, are drawn in another colour in a column
        of their own at the right edge.
    edges : ndarray of int of shape (n_edges, 2)
        Parents and children, numbers of sets.
    names : list of str or None, default=None
        Names to write beside the sets; None writes nothing. A name is left out if there
        is no room for it.
    connections : ndarray of int of shape (n_connections, 2), default=None
        Saddles and the sets below that they connect, drawn in another colour.
    detrend : bool, default=False
        Whether to draw the loss above its linear trend in the index, without which the
        sets of large networks cannot be distinguished. It has no effect if an index is
        unknown.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.
    positions_ : ndarray of shape (n_sets, 2)
        Where the sets are drawn. The height is exact; sets of equal index and nearly
        equal loss are moved sideways, by less than half an index.
    nodes_ : matplotlib.collections.PathCollection
        Sets.
    edges_ : matplotlib.collections.LineCollection
        Edges.
    connections_ : matplotlib.collections.LineCollection or None
        Connections, dashed; the search edges are solid.
    texts_ : dict of int to matplotlib.text.Annotation
        Names that were written, by set.

    See Also
    --------
    DisconnectivityDisplay : Minima, and the saddles at which they become connected.
    LossIndexDisplay : Loss against index, over the analytical critical sets.

    Examples
    --------
    >>> from skcrit import LandscapeExplorer
    >>> from skcrit.inspection import LandscapeGraphDisplay
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> explorer = LandscapeExplorer(max_searches=100, random_state=0).fit(X)
    >>> display = LandscapeGraphDisplay.from_estimator(explorer)
    >>> display.names
    ['{0, 1}', '{0, 2}', '{0}', '{1, 2}', '{1}', '{2}', '{}']
    """

    loss: FloatArray
    morse_index: IntArray
    edges: IntArray
    names: list[str] | None = None
    _: KW_ONLY
    connections: IntArray | None = None
    detrend: bool = False

    @classmethod
    def from_estimator(
        cls,
        explorer: LandscapeExplorer,
        *,
        ax: Axes | None = None,
        names: list[str] | None = None,
        max_labels: int = 40,
        node_kw: dict[str, Any] | None = None,
        edge_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the landscape that a fitted explorer found.

        Parameters
        ----------
        explorer : LandscapeExplorer
            Fitted explorer.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        names : list of str, default=None
            Names of the sets, in the order of ``critical_points_``. None takes the
            analytical critical sets if they are known, else their numbers.
        max_labels : int, default=40
            If there are more sets, no name is drawn, and the trend of the loss is
            removed.
        node_kw, edge_kw : dict, default=None
            Passed to ``ax.scatter`` and to the line collection of the edges.

        Returns
        -------
        display : LandscapeGraphDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is not one name per set.
        NotFittedError
            If the explorer is not fitted.
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        check_fitted(explorer, "explorer", ("critical_points_", "n_searches_"))
        max_labels = check_int(max_labels, "max_labels")
        n_sets = explorer.n_critical_sets_
        if names is None:
            names = _set_names(explorer)
        else:
            names = checked_names(names, n_sets, "sets")
        known = getattr(explorer, "connections_", None)
        display = cls(
            explorer.critical_losses_,
            explorer.morse_indices_,
            explorer.edges_[:, :2],
            list(names) if n_sets <= max_labels else None,
            connections=None if known is None else known.edges()[:, :2],
            detrend=n_sets > max_labels,
        )
        return display.plot(ax, node_kw=node_kw, edge_kw=edge_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        node_kw: dict[str, Any] | None = None,
        edge_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw loss (vertical) against Morse index.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        node_kw, edge_kw : dict, default=None
            Passed to ``ax.scatter`` and to the line collection of the edges.

        Returns
        -------
        self : LandscapeGraphDisplay
            The display.

        Raises
        ------
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        ax, node_kw = axes_of(self, ax), check_keywords(node_kw, "node_kw")
        edge_kw = check_keywords(edge_kw, "edge_kw")
        index = np.asarray(self.morse_index, dtype=int)
        known = index >= 0
        y = np.asarray(self.loss, dtype=float)
        # Without an index there is no trend to be above.
        detrended = self.detrend and known.all() and len(np.unique(index)) > 1
        if detrended:
            x = index - index.mean()
            y = y - y.mean() - (x @ y) / (x @ x) * x
        self.positions_ = np.column_stack([_spread(_columns(index), y), y])
        style = {"color": ink(ax, 0.3), **_SEARCH, **edge_kw}
        self.edges_ = self._draw_lines(ax, self.edges, 0.8, (0.02, 0.45), style)
        self.connections_ = None
        if self.connections is not None:
            self._draw_connections(ax, self.connections)
        self.nodes_ = self._draw_nodes(ax, known, node_kw)
        height = "Loss above its linear trend in the index" if detrended else "Loss"
        name_axes(ax, "Morse index", height)
        n_edges = len(self.edges_.get_segments())
        title = f"{len(y):,} sets, {n_edges:,} edges"
        if np.any(self.positions_[:, 0] != _columns(index)):
            title += "\nnearly equal losses side by side"
        ax.set_title(title, fontsize="small")
        if self.connections_ is not None:
            handles = [self.edges_, self.connections_]
            ax.legend(handles=handles, loc="best", **LEGEND)
        self._mark_unknown(ax, known)
        self.texts_ = self._write_names(ax)
        return self

    def _draw_connections(self, ax: Any, pairs: Any) -> None:
        """Draw connections; a gap in their dashes shows no search edge beneath."""
        if len(pairs) <= _MAX_VECTOR:
            gap = {"color": ink(ax, 1), "zorder": 1.4}
            self._draw_lines(ax, pairs, 1.0, (1, 1), gap)
        lines = self._draw_lines(ax, pairs, 1.0, (0.05, 0.9), _CONNECTION)
        self.connections_ = lines

    def _draw_lines(
        self, ax: Any, pairs: Any, width: float, opacity: Any, style: dict[str, Any]
    ) -> Any:
        """Draw lines between sets, thinner and fainter if there are many."""
        from matplotlib.collections import LineCollection

        pairs = np.asarray(pairs, dtype=int).reshape(-1, 2)
        many = len(pairs) > _MAX_VECTOR
        ink = _INK / max(len(pairs), 1) ** _FADING
        looks = {
            "linewidths": width / 2 if many else width,
            "alpha": float(np.clip(ink, *opacity)),
            "rasterized": many,
            **style,
        }
        return ax.add_collection(LineCollection(self.positions_[pairs], **looks))

    def _draw_nodes(self, ax: Any, known: BoolArray, options: Any) -> Any:
        """Draw sets, smaller the more there are; another colour without index."""
        n_sets = len(self.positions_)
        style = {
            "s": float(np.clip(2000 / max(n_sets, 1), 3, 30)),
            "c": np.where(known, SUCCESS, FAILURE),
            "linewidths": 0,
            "zorder": 2,
            "rasterized": n_sets > _MAX_VECTOR,
        }
        if "color" in options:
            del style["c"]
        return ax.scatter(*self.positions_.T, **{**style, **options})

    def _mark_unknown(self, ax: Any, known: BoolArray) -> None:
        """Name the indices, and the column of points without an index."""
        from matplotlib.ticker import MaxNLocator

        ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        if known.all():
            return
        at = float(np.round(self.positions_[~known, 0].mean()))
        ticks = [t for t in ax.get_xticks() if 0 <= t < at - 1] if known.any() else []
        ax.set_xticks([*ticks, at], [*(f"{t:.0f}" for t in ticks), "?"])
        ax.set_xlabel(f"Morse index (?: not known, {np.sum(~known):,})")

    def _write_names(self, ax: Any) -> dict[int, Any]:
        """Write names that have room."""
        if self.names is None or len(self.positions_) == 0:
            return {}
        ax.margins(x=0.1, y=0.1)
        ax.autoscale_view()
        # The place of the axes is only known after the layout.
        root = ax.figure
        while root is not root.figure:
            root = root.figure
        root.draw_without_rendering()
        radius = np.sqrt(self.nodes_.get_sizes().max()) / 2
        return place_names(ax, self.positions_, self.names, radius)


def _columns(index: IntArray) -> IntArray:
    """Place indices on the axis, unknown ones in a column right of all others."""
    known = index >= 0
    if known.all():
        return index
    last = index[known].max(initial=0)
    gap = max(2, round(0.1 * last)) if known.any() else 0
    return np.where(known, index, last + gap)


def _spread(x: IntArray, y: FloatArray) -> FloatArray:
    """Move points of one column and nearly one height apart, sideways."""
    if len(x) == 0:
        return x.astype(float)
    height = np.ptp(y) / _ROWS
    # An offset without meaning: equal losses that differ by rounding share a row.
    row = (
        np.floor((y - y.min()) / height + 1 / np.pi) if height > 0 else np.zeros(len(y))
    )
    points = np.column_stack([x, row])
    _, group, size = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    within = np.empty(len(x))
    within[order] = np.arange(len(x)) - np.repeat(np.cumsum(size) - size, size)
    # The same step everywhere: the width of a row shows how many sets it has.
    step = min(_STEP, _WIDTH / max(size.max() - 1, 1))
    return x + step * (within - (size[group] - 1) / 2)


def _set_names(explorer: Any) -> list[Any]:
    """Name sets as the ground truth does, of eigenvectors in braces, or by number."""
    numbers = [str(i) for i in range(explorer.n_critical_sets_)]
    try:
        truth = as_loss(explorer.loss_).ground_truth()
    except NoGroundTruthError:
        return numbers
    if not numbers:
        return numbers
    match: Any = truth.match(explorer.critical_points_)
    return [
        _name_text(name) if known else number
        for name, known, number in zip(
            match.set, match.identified, numbers, strict=True
        )
    ]


def _name_text(name: Any) -> str:
    """Write the name of a set."""
    if isinstance(name, tuple):
        return "{" + ", ".join(map(str, name)) + "}"
    return str(name)
