"""The critical sets of a fitted finder as a table, for every loss."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from skcrit._tables import data_frame, html_table, text_table
from skcrit._typing import BoolArray, FittedFinder, FloatArray, IntArray
from skcrit.linalg.dense import MAX_DENSE_FORMED
from skcrit.losses.adapt import as_loss
from skcrit.metrics._euler import ATTRIBUTES, alarm_text
from skcrit.utils._validation import check_fitted

if TYPE_CHECKING:
    import pandas

# Rows that are printed; to_dict and to_frame have all.
_MAX_ROWS = 40

# With at least this many sets, and more than this share of them reached by one start
# only, something is likely to be wrong.
_MANY_SETS, _SINGLETONS = 10, 0.9


@dataclass(frozen=True, eq=False)
class Summary:
    """Critical sets that a finder has found, one row each, by increasing loss.

    It prints as a table of at most 40 sets and shows as one in notebooks.

    Parameters
    ----------
    title : str
        What was fitted, how many of its searches converged, and why an exploration
        ended before it had tried every direction.
    n_params : int
        Number of parameters of the loss.
    loss : ndarray of shape (n_sets,)
        Loss of each set.
    morse_index, nullity : ndarray of int of shape (n_sets,)
        Numbers of negative and of zero eigenvalues of the Hessian; -1 if unknown.
    morse_index_low, morse_index_high : ndarray of int of shape (n_sets,)
        Bounds of the Morse index.
    count : ndarray of int of shape (n_sets,)
        How many searches ended in the set.
    orbit_size : ndarray of int of shape (n_sets,)
        Number of points, or of connected components, that discrete symmetries of the
        loss make of one point; 1 if the loss declares no symmetry.
    confirmed : ndarray of bool of shape (n_sets,)
        Whether Newton steps from the end of a search led to the critical point. They
        need dense Hessians: beyond 4096 parameters it is False.
    alarm : str, default=""
        What the Euler sum of a coercive loss, or a Morse inequality, proves to be wrong
        with the list, if anything.

    See Also
    --------
    skcrit.metrics.recovery_report : Reports also how the searches ended.
    """

    title: str
    n_params: int
    loss: FloatArray
    morse_index: IntArray
    nullity: IntArray
    morse_index_low: IntArray
    morse_index_high: IntArray
    count: IntArray
    orbit_size: IntArray
    confirmed: BoolArray
    alarm: str = ""

    def __len__(self) -> int:
        return len(self.loss)

    def __repr__(self) -> str:
        lines = [self.title, text_table(self._cells(_MAX_ROWS))]
        if len(self) > _MAX_ROWS:
            lines.append(f"and {len(self) - _MAX_ROWS} more sets")
        if self.alarm:
            lines.append(self.alarm)
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        more = len(self) - _MAX_ROWS
        title = self.title + (f", the first {_MAX_ROWS}" if more > 0 else "")
        title += f". {self.alarm}" if self.alarm else ""
        return html_table(title, self._cells(_MAX_ROWS))

    def to_dict(self) -> dict[str, Any]:
        """Return the table as columns.

        Returns
        -------
        columns : dict of str to ndarray of shape (n_sets,)
            "set" (row of ``critical_points_``), "loss", "morse_index", "nullity",
            "morse_index_low", "morse_index_high", "count", "orbit_size" and
            "confirmed".
        """
        names = [
            f.name for f in fields(self) if f.name not in ("title", "n_params", "alarm")
        ]
        columns = {name: getattr(self, name) for name in names}
        return {"set": np.arange(len(self)), **columns}

    def to_frame(self) -> pandas.DataFrame:
        """Return the table as a data frame (needs pandas).

        Returns
        -------
        frame : pandas.DataFrame
            The columns of :meth:`to_dict`, with "set" as the index.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return data_frame(self.to_dict()).set_index("set")

    def rows(self, order: IntArray) -> dict[str, list[str]]:
        """Return some rows as texts.

        Parameters
        ----------
        order : ndarray of int of shape (m,)
            Sets, in the order of the rows.

        Returns
        -------
        cells : dict of str to list of str
            Columns of the printed table. An unknown number is "?"; an unknown Morse
            index with useful bounds is "low-high".
        """
        bounds = zip(
            self.morse_index[order],
            self.morse_index_low[order],
            self.morse_index_high[order],
            strict=True,
        )
        return {
            "set": [str(row) for row in order],
            "loss": [f"{value:.6g}" for value in self.loss[order]],
            "index": [_index_text(*row, self.n_params) for row in bounds],
            "nullity": ["?" if n < 0 else str(n) for n in self.nullity[order]],
            "count": [str(value) for value in self.count[order]],
            "orbit size": [str(value) for value in self.orbit_size[order]],
            "confirmed": ["yes" if value else "no" for value in self.confirmed[order]],
        }

    def _cells(self, n_most: int) -> dict[str, Any]:
        return self.rows(np.arange(min(len(self), n_most)))


def summarize(finder: FittedFinder) -> Summary:
    """Tabulate the critical sets of a finder, and warn of too many singletons."""
    check_fitted(finder, "finder", ATTRIBUTES)
    _warn_of_singletons(finder.counts_)
    loss = as_loss(finder.loss_, "loss_")
    low, high, confirmed = _from_starts(finder, loss.n_params_)
    labels = np.asarray(finder.results_["critical_set"])
    n_sets, n_converged = len(finder.critical_losses_), int(np.sum(labels >= 0))
    ended = getattr(finder, "stop_reason_", "exhausted")
    return Summary(
        title=(
            f"{type(finder).__name__} on {type(finder.loss_).__name__}: {n_sets} "
            f"critical set{'' if n_sets == 1 else 's'}, {n_converged} of "
            f"{len(labels)} searches converged"
            f"{'' if ended == 'exhausted' else f', ended early: {ended}'}"
        ),
        n_params=loss.n_params_,
        loss=finder.critical_losses_,
        morse_index=finder.morse_indices_,
        nullity=finder.nullities_,
        morse_index_low=low,
        morse_index_high=high,
        count=finder.counts_,
        orbit_size=loss.orbit_size(loss.asarray(finder.critical_points_)),
        confirmed=confirmed,
        alarm=alarm_text(finder),
    )


def _warn_of_singletons(counts: IntArray) -> None:
    """Warn if nearly all of ten or more sets were reached by one search only."""
    n_sets, n_single = len(counts), int(np.sum(np.asarray(counts) == 1))
    if n_sets < _MANY_SETS or n_single <= _SINGLETONS * n_sets:
        return
    warnings.warn(
        f"{n_single} of {n_sets} critical sets were reached by one search only. Either "
        "there are far more sets than searches: increase n_starts (or max_searches); "
        "or the loss has symmetries or flat directions that it does not declare, so "
        "that one set counts many times: see invariants, orbit_size and orbit_tangents "
        "of skcrit.Loss, and the symmetries of FunctionLoss and TorchLoss.",
        UserWarning,
        stacklevel=3,
    )


def _from_starts(finder: Any, n_params: int) -> tuple[IntArray, IntArray, BoolArray]:
    """Collect bounds of the index and confirmations from the starts of each set."""
    names = ("critical_set", "morse_index_low", "morse_index_high", "distance")
    labels, low, high, distance = (np.asarray(finder.results_[n]) for n in names)
    index = np.asarray(finder.morse_indices_)
    least, most = np.zeros_like(index), np.full_like(index, n_params)
    confirmed = index >= 0
    for row in range(len(index)):
        rows = np.flatnonzero(labels == row)
        lows, highs = low[rows], high[rows]
        # An explorer describes a set once and keeps no distances, but bounds. Bounds
        # from products alone can belong to points that were not confirmed.
        bounded = ((lows > 0) | (highs < n_params)) & (n_params <= MAX_DENSE_FORMED)
        seen = np.isfinite(distance[rows]) | bounded
        confirmed[row] |= bool(seen.any())
        if index[row] >= 0:
            least[row] = most[row] = index[row]
        elif np.max(lows, initial=0) <= np.min(highs, initial=n_params):
            least[row] = np.max(lows, initial=0)
            most[row] = np.min(highs, initial=n_params)
    return least, most, confirmed


def _index_text(index: int, low: int, high: int, n_params: int) -> str:
    """Write a Morse index, or its bounds if they say anything."""
    if index >= 0:
        return str(index)
    return "?" if (low, high) == (0, n_params) else f"{low}-{high}"
