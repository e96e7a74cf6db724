"""Disconnectivity graphs: at which loss the minima become connected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skcrit._typing import FloatArray
from skcrit.finders import connections
from skcrit.inspection._axes import SUCCESS, axes_of, ink, name_axes
from skcrit.inspection._labels import checked_names
from skcrit.search.connections import Connections, Merge
from skcrit.utils._arguments import check_keywords, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skcrit.finders.base import BaseFinder

# What trees that nothing connects leave free above them, as a part of the height.
_STUB = 0.06


@dataclass(eq=False, repr=False)
class DisconnectivityDisplay:
    """Minima as leaves of a tree that branches at the saddles between them.

    Two minima are connected below a loss if the lowest branch that they share lies
    below it. Make one with :meth:`from_estimator` or :meth:`from_connections`.

    Parameters
    ----------
    minima : ndarray of int of shape (n_minima,)
        Numbers of the minima.
    loss : ndarray of shape (n_sets,)
        Losses of all critical sets.
    merges : list of Merge
        Points at which they become connected, by increasing loss.
    names : list of str or None, default=None
        Names of the minima; None is their numbers.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes of the last plot.
    figure_ : matplotlib.figure.Figure
        Their figure.
    positions_ : dict of int to float
        Horizontal position of each minimum.
    lines_ : matplotlib.collections.LineCollection
        The branches: a vertical line for each part, and a horizontal one for each
        saddle that joins some.
    leaves_ : matplotlib.collections.PathCollection
        Minima.

    See Also
    --------
    skcrit.connections : The numbers behind the figure.
    LandscapeGraphDisplay : All critical sets, by index and loss.

    Notes
    -----
    The figure is that of Becker and Karplus [1]_ with a level for each saddle instead
    of levels at equal distances, see also [2]_. Symmetric copies of a minimum are one
    leaf. Parts that no known path connects are separate trees; the barrier between them
    is not infinite but unknown.

    References
    ----------
    .. [1] O. M. Becker and M. Karplus. "The topology of multidimensional potential
       energy surfaces: theory and application to peptide structure and kinetics".
       J. Chem. Phys. 106, 1997.
    .. [2] D. J. Wales, M. A. Miller and T. R. Walsh. "Archetypal energy landscapes".
       Nature 394, 1998.

    Examples
    --------
    >>> from skcrit import NewtonMRFinder
    >>> from skcrit.inspection import DisconnectivityDisplay
    >>> from skcrit.proving_grounds import make_himmelblau
    >>> finder = NewtonMRFinder(n_starts=60, init="gaussian", random_state=0)
    >>> finder = finder.fit(make_himmelblau())
    >>> display = DisconnectivityDisplay.from_estimator(finder)
    >>> len(display.positions_)
    4
    """

    minima: Any
    loss: FloatArray
    merges: list[Merge]
    names: list[str] | None = None

    @classmethod
    def from_estimator(
        cls,
        finder: BaseFinder,
        *,
        names: list[str] | None = None,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw the minima that a fitted finder found, and what connects them.

        Parameters
        ----------
        finder : BaseFinder
            Fitted finder. Its ``connections_`` are used if it has any, and otherwise
            computed by :func:`skcrit.connections`.
        names : list of str, default=None
            Names of the minima, by increasing loss; None is their numbers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        line_kw : dict, default=None
            Passed to the line collection.

        Returns
        -------
        display : DisconnectivityDisplay
            The display, drawn.

        Raises
        ------
        NotFittedError
            If the finder is not fitted. Other errors are those of
            :meth:`from_connections`.
        """
        record = getattr(finder, "connections_", None)
        record = connections(finder) if record is None else record
        return cls.from_connections(record, names=names, ax=ax, line_kw=line_kw)

    @classmethod
    def from_connections(
        cls,
        connections: Connections,
        *,
        names: list[str] | None = None,
        ax: Axes | None = None,
        line_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Draw connections that were computed before.

        Parameters
        ----------
        connections : Connections
            What :func:`skcrit.connections` returns.
        names : list of str, default=None
            Names of the minima, by increasing loss; None is their numbers.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        line_kw : dict, default=None
            Passed to the line collection.

        Returns
        -------
        display : DisconnectivityDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is not one name per minimum.
        TypeError
            If ``connections`` is something else.
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        if not isinstance(connections, Connections):
            raise TypeError(
                f"connections must be Connections, got {shown(connections)}."
            )
        minima = connections.minima()
        if names is not None:
            names = checked_names(names, len(minima), "minima")
        loss, merges = connections.critical_losses, connections.merges()
        display = cls(minima, loss, merges, names)
        return display.plot(ax, line_kw=line_kw)

    def plot(
        self, ax: Axes | None = None, *, line_kw: dict[str, Any] | None = None
    ) -> Self:
        """Draw loss (vertical) over the minima, side by side.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw on; None makes a figure.
        line_kw : dict, default=None
            Passed to the line collection.

        Returns
        -------
        self : DisconnectivityDisplay
            The display.

        Raises
        ------
        ImportError
            If ``ax`` is None and Matplotlib is not installed.
        """
        from matplotlib.collections import LineCollection

        ax, line_kw = axes_of(self, ax), check_keywords(line_kw, "line_kw")
        loss = np.asarray(self.loss, dtype=float)
        minima = [int(m) for m in self.minima]
        roots = _tree(minima, self.merges)
        order = [leaf for root in roots for leaf in _leaves(root)]
        self.positions_ = {leaf: float(x) for x, leaf in enumerate(order)}
        heights = [loss[minima].min(initial=0), *(m.loss for m in self.merges)]
        top = max([*heights, *loss[minima]])
        top += _STUB * ((top - heights[0]) or 1.0)
        segments: list[Any] = []
        for root in roots:
            x, y = self._branch(root, loss, segments)
            segments.append([(x, y), (x, top)])
        style = {"color": ink(ax, 0.2), "linewidths": 1.0, "zorder": 1}
        self.lines_ = ax.add_collection(
            LineCollection(segments, **{**style, **line_kw})
        )
        places = np.array([[self.positions_[m], loss[m]] for m in minima])
        places = places.reshape(-1, 2)
        self.leaves_ = ax.scatter(*places.T, s=14, color=SUCCESS, zorder=2)
        self._label(ax, order)
        return self

    def _branch(self, node: Any, loss: Any, segments: list[Any]) -> tuple[float, float]:
        """Draw a node and all below it; return the top of its vertical line."""
        if not isinstance(node, tuple):
            return self.positions_[node], loss[node]
        merge, children = node
        ends = [self._branch(child, loss, segments) for child in children]
        for x, y in ends:
            segments.append([(x, y), (x, merge.loss)])
        at = [x for x, _ in ends]
        segments.append([(min(at), merge.loss), (max(at), merge.loss)])
        return float(np.mean(at)), merge.loss

    def _label(self, ax: Any, order: list[Any]) -> None:
        """Name minima and axes."""
        names = dict(zip((int(m) for m in self.minima), self.names or [], strict=False))
        texts = [names.get(leaf, str(leaf)) for leaf in order]
        ax.set_xticks(range(len(order)), texts)
        ax.set_xlim(-0.6, max(len(order), 1) - 0.4)
        ax.autoscale_view(scalex=False)
        name_axes(ax, "Minimum", "Loss")


def _tree(minima: list[Any], merges: list[Any]) -> Any:
    """Nest merges: a node is a minimum, or a merge and the nodes that it joins."""
    parts = {minimum: minimum for minimum in minima}
    for merge in merges:
        # Ways from a saddle can end at another one, with no listed minimum below.
        children = [parts.pop(s) for s in merge.sets if s in parts]
        if len(children) == 1:
            parts[merge.sets[0]] = children[0]
        elif children:
            parts[merge.sets[0]] = (merge, children)
    return list(parts.values())


def _leaves(node: Any) -> list[int]:
    """List the minima of a node from left to right."""
    if not isinstance(node, tuple):
        return [node]
    return [leaf for child in node[1] for leaf in _leaves(child)]
