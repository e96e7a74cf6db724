"""The landscape as a graph: critical sets by index and loss, and what led to what."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit.exceptions import NoGroundTruthError
from skcrit.inspection._axes import GREY, SUCCESS, axes_of

__all__ = ["LandscapeGraphDisplay"]

# With more edges than this they are drawn as an image, and faintly.
_MAX_VECTOR = 500


class LandscapeGraphDisplay:
    """Critical sets by Morse index and loss, joined where one was reached from another.

    Make one with :meth:`from_estimator`.

    Parameters
    ----------
    loss : ndarray of shape (n_sets,)
        Loss of each set.
    morse_index : ndarray of int of shape (n_sets,)
        Morse indices; sets with -1, unknown, are drawn left of 0.
    edges : ndarray of int of shape (n_edges, 2)
        Parents and children, numbers of sets.
    names : list of str or None, default=None
        What to write beside the sets; None writes nothing.
    detrend : bool, default=False
        Whether to draw the loss above its linear trend in the index: of large networks
        nothing else can be told apart.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.
    nodes_ : matplotlib.collections.PathCollection
        Sets.
    edges_ : matplotlib.collections.LineCollection
        Edges.
    texts_ : list of matplotlib.text.Annotation
        Names.

    See Also
    --------
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

    def __init__(self, loss, morse_index, edges, names=None, *, detrend=False):
        self.loss = loss
        self.morse_index = morse_index
        self.edges = edges
        self.names = names
        self.detrend = detrend

    @classmethod
    def from_estimator(
        cls, explorer, *, ax=None, names=None, max_labels=40, node_kw=None, edge_kw=None
    ):
        """Draw the landscape that a fitted explorer found.

        Parameters
        ----------
        explorer : LandscapeExplorer
            Fitted explorer.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        names : list of str, default=None
            Names of the sets, in the order of ``critical_points_``. None takes the
            analytical critical sets where they are known, else their numbers.
        max_labels : int, default=40
            With more sets than this none is named, and the trend of the loss is taken
            out.
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
        check_is_fitted(explorer, ("critical_points_", "n_searches_"))
        n_sets = explorer.n_critical_sets_
        if names is not None and len(names) != n_sets:
            raise ValueError(
                f"names must have one entry for each of the {n_sets} sets, got "
                f"{len(names)}."
            )
        if names is None:
            names = _set_names(explorer)
        edges = np.array(list(explorer.graph_.edges), dtype=int).reshape(-1, 2)
        display = cls(
            explorer.critical_losses_,
            explorer.morse_indices_,
            edges,
            list(names) if n_sets <= max_labels else None,
            detrend=n_sets > max_labels,
        )
        return display.plot(ax, node_kw=node_kw, edge_kw=edge_kw)

    def plot(self, ax=None, *, node_kw=None, edge_kw=None):
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
        ax = axes_of(self, ax)
        from matplotlib.collections import LineCollection

        x, y = np.asarray(self.morse_index, float), np.asarray(self.loss, float)
        if self.detrend:
            y = y - np.polyval(np.polyfit(x, y, 1), x)
        edges = np.asarray(self.edges, dtype=int).reshape(-1, 2)
        many = len(edges) > _MAX_VECTOR
        # So faint that some thousand lines still leave paper between them.
        style = {
            "color": GREY,
            "linewidths": 0.3 if many else 0.8,
            "alpha": float(np.clip(60 / np.sqrt(max(len(edges), 1)) / 10, 0.05, 0.9)),
            "rasterized": many,
            "zorder": 1,
        }
        points = np.column_stack([x, y])
        lines = LineCollection(points[edges], **{**style, **(edge_kw or {})})
        self.edges_ = ax.add_collection(lines)
        size = float(np.clip(2000 / max(len(x), 1), 3, 40))
        style = {"s": size, "color": SUCCESS, "linewidths": 0, "zorder": 2}
        style["rasterized"] = len(x) > _MAX_VECTOR
        self.nodes_ = ax.scatter(x, y, **{**style, **(node_kw or {})})
        ax.set_xlabel("Morse index")
        ax.set_ylabel(
            "Loss above its linear trend in the index" if self.detrend else "Loss"
        )
        ax.set_title(f"{len(x):,} sets, {len(edges):,} edges", fontsize="small")
        self.texts_ = self._write_names(ax, points)
        return self

    def _write_names(self, ax, points):
        """Write names beside the sets, those of one place under each other."""
        if self.names is None or len(points) == 0:
            return []
        ax.margins(x=0.15, y=0.08)
        height = 0.035 * max(np.ptp(points[:, 1]), 1e-12)
        texts, used = [], {}
        for row in np.argsort(points[:, 1]):
            x, y = points[row]
            # A name moves up until it clears the last one in its column.
            at = max(y, used.get(x, -np.inf) + height)
            used[x] = at
            texts.append(
                ax.annotate(
                    self.names[row],
                    (x, y),
                    xytext=(x, at),
                    textcoords="data",
                    fontsize="xx-small",
                    ha="left",
                    va="center",
                    zorder=3,
                )
            )
            texts[-1].set_position((x + 0.012 * max(np.ptp(points[:, 0]), 1.0), at))
        return texts


def _set_names(explorer):
    """Name sets by the eigenvectors they contain, or by number."""
    numbers = [str(i) for i in range(explorer.n_critical_sets_)]
    try:
        spectrum = explorer.loss_.analytical_spectrum()
    except (AttributeError, NoGroundTruthError):
        return numbers
    if not numbers:
        return numbers
    match = spectrum.match(explorer.critical_points_)
    return [
        "{" + ", ".join(map(str, name)) + "}" if known else number
        for name, known, number in zip(
            match.set, match.identified, numbers, strict=True
        )
    ]
