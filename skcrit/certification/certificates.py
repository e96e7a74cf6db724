"""The record of certificates: a row per point, and their sum."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from skcrit._rows import Rows
from skcrit._tables import data_frame
from skcrit._typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Certificates(Rows):
    """What is proved of points, in rows, as returned by :func:`skcrit.certify`.

    Attributes
    ----------
    certified : ndarray of bool of shape (n,)
        Whether it is proved that a critical point is near, and which index it has.
    estimated : ndarray of bool of shape (n,)
        Whether the same test succeeded with estimates in place of bounds, because the
        loss does not bound its third derivative or its rounding errors. This is not a
        proof.
    radius : ndarray of shape (n,)
        Within this distance of ``point``, on the slice through it orthogonal to its
        symmetry orbit, there is exactly one critical point: exactly one critical orbit
        meets the slice there. NaN if undecided.
    error : ndarray of shape (n,)
        Bound on the distance from ``point`` to that critical point; NaN if undecided.
    loss_low, loss_high : ndarray of shape (n,)
        Bounds on the loss at the critical point; NaN if undecided.
    morse_index, nullity : ndarray of int of shape (n,)
        Negative and zero eigenvalues of the Hessian at the critical point; -1 if
        undecided. The nullity is the dimension of the critical set, which is the orbit.
    critical_set : ndarray of int of shape (n,)
        Number of the critical set, -1 if undecided. The first points of different
        numbers lie on different sets, which is proved for certified points. A point
        that is not proved to differ from one of these first points has its number.
    moved : ndarray of shape (n,)
        How far the given point was from ``point``, in length scales of the loss.
    euler : ndarray of shape (n,)
        Euler characteristic of the orbit; NaN if it is not known, or undecided. It is
        computed, not proved.
    point : ndarray of shape (n, n_params)
        The centre of the balls: the given point after Newton steps.
    reason : list of str
        Why nothing was proved; empty if the point is certified.
    is_coercive : bool or None
        Whether the loss grows in every direction, if that is known.
    """

    certified: BoolArray
    estimated: BoolArray
    radius: FloatArray
    error: FloatArray
    loss_low: FloatArray
    loss_high: FloatArray
    morse_index: IntArray
    nullity: IntArray
    critical_set: IntArray
    moved: FloatArray
    euler: FloatArray
    point: FloatArray
    reason: list[str]
    is_coercive: bool | None = None

    @property
    def n_certified(self) -> int:
        """Number of certified points."""
        return int(np.sum(self.certified))

    @property
    def n_distinct(self) -> int:
        """Number of critical sets that are proved to exist and to be different."""
        return len(self._leaders(self.certified))

    def _leaders(self, among: BoolArray) -> IntArray:
        """Return the first row of each set."""
        rows = np.flatnonzero(among)
        _, first = np.unique(self.critical_set[rows], return_index=True)
        return rows[first]

    def euler_sum(self) -> int:
        r"""Sum (-1)^index times the Euler characteristic over the distinct sets.

        For a coercive loss, all of whose critical sets are manifolds with a Hessian
        that is nonsingular across them, the sum over all sets is 1 (Morse and Bott).
        Any other number proves that sets are missing, if the certificates are proofs;
        1 proves nothing.

        Returns
        -------
        total : int
            The sum over the distinct sets, certified or estimated.

        Raises
        ------
        ValueError
            If the loss is known not to be coercive, an orbit's Euler characteristic is
            not known, or a point is undecided.
        """
        decided = self.certified | self.estimated
        if not np.all(decided):
            raise ValueError(
                f"euler_sum needs a certificate of every point, {np.sum(~decided)} of "
                f"{len(decided)} are undecided: {self._reasons()}."
            )
        if self.is_coercive is False:
            raise ValueError(
                "euler_sum needs a loss that grows in every direction; this one is "
                "known not to, for instance because some of its weights have no "
                "penalty."
            )
        rows = self._leaders(decided)
        if np.any(np.isnan(self.euler[rows])):
            raise ValueError(
                "euler_sum needs the Euler characteristic of every critical set; the "
                "loss does not know that of the orbits of its continuous symmetries "
                "(orbit_euler)."
            )
        signs = np.where(self.morse_index[rows] % 2 == 0, 1.0, -1.0)
        return round(float(np.sum(signs * self.euler[rows])))

    def to_dict(self) -> dict[str, Any]:
        """Tabulate the certificates.

        Returns
        -------
        table : dict of str to ndarray or list
            All columns with a number or a text per point.
        """
        wide = ("point", "is_coercive")
        names = [f.name for f in fields(self) if f.name not in wide]
        return {name: getattr(self, name) for name in names}

    def to_frame(self) -> pd.DataFrame:
        """Tabulate the certificates as a data frame; needs pandas.

        Returns
        -------
        frame : pandas.DataFrame
            A row per point, with the columns of :meth:`to_dict`.
        """
        return data_frame(self.to_dict())

    def _reasons(self) -> str:
        """Count the kinds of reasons, most frequent first."""
        kinds = [text.split(":")[0] for text in self.reason if text]
        names, counts = np.unique(np.array(kinds, dtype=object), return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return "; ".join(f"{counts[i]} {names[i]}" for i in order)

    def __str__(self) -> str:
        done = self.certified | self.estimated
        left = self.take(np.flatnonzero(~done))
        lines = [
            f"{len(self.certified):6d} points given",
            f"{self.n_certified:6d} certified",
            f"{self.n_distinct:6d} distinct critical sets, proved",
            f"{len(left.certified):6d} undecided",
        ]
        if np.any(self.estimated):
            lines.insert(3, f"{np.sum(self.estimated):6d} estimated, not proved")
        if len(left.certified):
            lines[-1] += f": {left._reasons()}"
        return "\n".join(lines)

    __repr__ = __str__
