"""The connections between saddles and other sets, and the barriers that they imply."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from skcrit._rows import Rows
from skcrit._tables import data_frame, text_table
from skcrit._typing import FloatArray, IntArray

if TYPE_CHECKING:
    import pandas

DYNAMICS = ("descent", "lowering")

# Number of pairs that are printed.
_MAX_ROWS = 40


@dataclass
class Merge:
    """A saddle at which the sublevel sets of several minima become connected.

    Attributes
    ----------
    loss : float
        Loss of the saddle.
    saddle : int
        Row of the saddle.
    sets : tuple of int
        The lowest set of each component that is joined.
    """

    loss: float
    saddle: int
    sets: tuple[int, ...]


@dataclass
class Connections(Rows):
    """Ways down from saddles, a row each; what :func:`skcrit.connections` returns.

    It prints as a table of the pairs.

    Attributes
    ----------
    saddle : ndarray of int of shape (n_ways,)
        Where the way begins, a row of ``critical_points_``.
    end : ndarray of int of shape (n_ways,)
        Where it ends; -1 if it ends at no critical point, or at one that is not listed.
    direction : ndarray of int of shape (n_ways,)
        Number of the unstable eigenvector, the weakest is 0.
    sign : ndarray of int of shape (n_ways,)
        One or minus one: orientation along the eigenvector.
    dynamics : ndarray of str of shape (n_ways,)
        "descent" (gradient flow) or "lowering" (index-lowering dynamics).
    status : ndarray of str of shape (n_ways,)
        How it ended, as in ``results_``.
    critical_losses, morse_indices : ndarray of shape (n_sets,)
        Those of all sets.
    new_points : ndarray of shape (n_new, n_params)
        Critical points at which ways ended and that are not listed. They prove that the
        list is incomplete.
    """

    saddle: IntArray
    end: IntArray
    direction: IntArray
    sign: IntArray
    dynamics: Any
    status: Any
    critical_losses: FloatArray
    morse_indices: IntArray
    new_points: FloatArray

    def edges(self, dynamics: str | None = None) -> IntArray:
        """List the pairs of a saddle and a set below it.

        Parameters
        ----------
        dynamics : {"descent", "lowering"} or None, default=None
            Only ways of this kind; None is both.

        Returns
        -------
        edges : ndarray of int of shape (n_edges, 3)
            Saddle, set below, and the number of ways from one to the other. Ways that
            did not end at a listed set of smaller loss are left out.

        Raises
        ------
        ValueError
            If ``dynamics`` is something else.
        """
        if dynamics is not None and dynamics not in DYNAMICS:
            raise ValueError(
                f"dynamics must be one of {DYNAMICS} or None, got {dynamics!r}."
            )
        loss = self.critical_losses
        keep = (self.end >= 0) & (loss[self.end] < loss[self.saddle])
        if dynamics is not None:
            keep &= self.dynamics == dynamics
        pairs = np.column_stack([self.saddle, self.end])[keep]
        edges, counts = np.unique(pairs, axis=0, return_counts=True)
        return np.column_stack([edges, counts]).astype(int)

    def merges(self) -> list[Merge]:
        """List the saddles at which the sublevel sets of minima become connected.

        Returns
        -------
        merges : list of Merge
            By increasing loss. The lowest known way between two minima reaches the loss
            of the saddle at which their components join.

        Notes
        -----
        Only descents are used, because all points of such a way lie below its saddle.
        If the list contains all saddles of index one, each with both of its ways, the
        losses are the exact barriers; otherwise they are upper bounds.
        """
        edges = self.edges("descent")
        lowest = np.arange(len(self.critical_losses))

        def find(node: int) -> int:
            while lowest[node] != node:
                node = lowest[node]
            return int(node)

        found = []
        below = {int(s): edges[edges[:, 0] == s, 1] for s in np.unique(edges[:, 0])}
        for saddle in sorted(below, key=lambda s: (self.critical_losses[s], s)):
            parts = {find(int(end)) for end in below[saddle]}
            sets = tuple(sorted(parts, key=lambda s: (self.critical_losses[s], s)))
            for node in (saddle, *sets):
                lowest[node] = sets[0]
            if len(sets) > 1:
                loss = float(self.critical_losses[saddle])
                found.append(Merge(loss, saddle, sets))
        return found

    def minima(self) -> IntArray:
        """List the sets of index zero.

        Returns
        -------
        minima : ndarray of int of shape (n_minima,)
            Rows of ``critical_points_``, by increasing loss.
        """
        return np.flatnonzero(self.morse_indices == 0)

    def barriers(self) -> FloatArray:
        """Compute the losses that ways from minimum to minimum must reach.

        Returns
        -------
        barriers : ndarray of shape (n_minima, n_minima)
            Loss of the highest point of the lowest way that is known, for the sets of
            :meth:`minima`; on the diagonal the loss of the minimum, infinite if no
            way is known.

        Notes
        -----
        Upper bounds, exact if all saddles of index one are listed.
        """
        minima = self.minima()
        n_sets = len(self.critical_losses)
        barrier = np.full((n_sets, n_sets), np.inf)
        np.fill_diagonal(barrier, self.critical_losses)
        part = {int(s): [int(s)] for s in range(n_sets)}
        for merge in self.merges():
            groups = [part.pop(s) for s in merge.sets]
            for number, group in enumerate(groups):
                for other in groups[:number]:
                    barrier[np.ix_(group, other)] = merge.loss
                    barrier[np.ix_(other, group)] = merge.loss
            part[merge.sets[0]] = [s for group in groups for s in group]
        return barrier[np.ix_(minima, minima)]

    def to_dict(self) -> dict[str, Any]:
        """Tabulate the ways.

        Returns
        -------
        columns : dict of str to ndarray of shape (n_ways,)
            "saddle", "end", "direction", "sign", "dynamics" and "status".
        """
        names = [f.name for f in fields(self)][:6]
        return {name: getattr(self, name) for name in names}

    def to_frame(self) -> pandas.DataFrame:
        """Tabulate the ways as a data frame; needs pandas.

        Returns
        -------
        frame : pandas.DataFrame
            A row per way, with the columns of :meth:`to_dict`.
        """
        return data_frame(self.to_dict())

    def __str__(self) -> str:
        edges = self.edges()
        lost = int(np.sum(self.end < 0))
        text = f"{len(edges)} pairs of a saddle and a set below, {len(self.end)} ways"
        if lost:
            text += f", {lost} of them to no listed set"
        if len(self.new_points):
            text += f"; {len(self.new_points)} critical points are not listed"
        if len(edges) == 0:
            return text
        shown = edges[:_MAX_ROWS]
        saddle, below, ways = shown.T
        table = {
            "saddle": saddle,
            "index": self.morse_indices[saddle],
            "loss": self.critical_losses[saddle],
            "below": below,
            "its index": self.morse_indices[below],
            "its loss": self.critical_losses[below],
            "ways": ways,
        }
        lines = [text, text_table(table)]
        if len(edges) > _MAX_ROWS:
            lines.append(f"and {len(edges) - _MAX_ROWS} more pairs")
        return "\n".join(lines)

    __repr__ = __str__
