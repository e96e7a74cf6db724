"""The critical sets that an exploration knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.losses.base import Loss
from skcrit.search.continua import join_continua
from skcrit.search.critical_sets import Identity, group_points, match_points
from skcrit.search.describe import UNKNOWN, Description
from skcrit.search.scales import Scales

__all__ = ["Atlas"]


class Atlas:
    """All critical sets found so far, in the order of discovery.

    A continuum can have several points that stand for it.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    scales : Scales
        Its natural units.
    """

    def __init__(self, loss: Loss, scales: Scales) -> None:
        self.loss, self.scales = loss, scales
        self.sets: Description | None = None
        self.counts = np.empty(0, dtype=int)
        self.is_continuum = np.empty(0, dtype=bool)
        # Points by which sets are recognised, and the sets they stand for.
        self._points: Description | None = None
        self._label_of = np.empty(0, dtype=int)

    def __len__(self) -> int:
        return len(self.counts)

    def recognise(self, invariants: FloatArray) -> IntArray:
        """Find the known set of each end by its invariants alone; -1 for none."""
        n = len(invariants)
        # A loss may have points of different inertia with equal invariants.
        if self._points is None or not self.loss.rescale_keeps_inertia:
            return np.full(n, -1)
        unknown = np.full(n, UNKNOWN)
        ends = Identity(invariants, np.zeros(n), unknown, unknown)
        return self._labels(match_points(ends, self._points))

    def add(self, found: Description) -> tuple[IntArray, IntArray]:
        """Add those of several critical points that are new sets."""
        # Returns the set of each point, and the points that stand for new sets, in
        # order.
        groups, leaders = group_points(found)
        order = np.argsort(leaders)
        rank = np.argsort(order)
        groups, leaders = rank[groups], leaders[order]
        chosen = found.take(leaders)
        # After it was refined a point may turn out to be known.
        labels = np.full(len(leaders), -1)
        if self._points is not None:
            labels = self._labels(match_points(chosen, self._points))
        labels, fresh = self._numbered(chosen, labels)
        return labels[groups], leaders[fresh]

    def _labels(self, rows: IntArray) -> IntArray:
        """Return the sets that points stand for."""
        if len(self._label_of) == 0:
            return np.full(len(rows), -1)
        return np.where(rows >= 0, self._label_of[rows], -1)

    def _numbered(
        self, chosen: Description, labels: IntArray
    ) -> tuple[IntArray, IntArray]:
        """Give new sets their numbers, and join those on one continuum."""
        rows = np.flatnonzero(labels < 0)
        if len(rows) == 0:
            return labels, rows
        part = chosen.take(rows)
        n_known = 0 if self._points is None else len(self._label_of)
        points = part
        if self._points is not None:
            points = Description.concatenate([self._points, part])
        component, joined = join_continua(self.loss, points, self.scales, n_known)
        number: dict[int, int] = {}
        for row in range(n_known):
            number.setdefault(component[row], int(self._label_of[row]))
        fresh: list[int] = []
        for row, place in enumerate(rows):
            key = component[n_known + row]
            if key not in number:
                number[key] = len(self) + len(fresh)
                fresh.append(row)
            labels[place] = number[key]
        self._extend(part, fresh, labels[rows], joined[n_known:], points, component)
        return labels, rows[fresh]

    def _extend(
        self,
        part: Description,
        fresh: list[int],
        labels: IntArray,
        joined: BoolArray,
        points: Description,
        component: IntArray,
    ) -> None:
        """Keep new sets, and all points by which they will be recognised."""
        new = part.take(np.array(fresh, dtype=int))
        self.sets = (
            new if self.sets is None else Description.concatenate([self.sets, new])
        )
        self.counts = np.concatenate([self.counts, np.zeros(len(fresh), dtype=int)])
        flags = np.zeros(len(fresh), dtype=bool)
        self.is_continuum = np.concatenate([self.is_continuum, flags])
        self.is_continuum[labels[joined]] = True
        self._points = replace(points)
        self._label_of = np.concatenate([self._label_of, labels])
