"""The critical sets that an exploration knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from skcrit._rows import GrowingRows
from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.losses.base import Loss
from skcrit.search.continua import join_continua, may_be_joined
from skcrit.search.critical_sets import Catalogue, Identity, group_points
from skcrit.search.describe import UNKNOWN, Description, invariants_of
from skcrit.search.scales import Scales


class Atlas:
    """All critical sets found so far, in the order of discovery.

    A continuum can be represented by several points.
    """

    def __init__(self, loss: Loss, scales: Scales) -> None:
        self.loss, self.scales = loss, scales
        self.counts = np.empty(0, dtype=int)
        self.is_continuum = np.empty(0, dtype=bool)
        # Points by which sets are recognised, the sets that they represent, and the
        # point of each set. Invariants are computed again for the few points that are
        # compared.
        self._points: GrowingRows | None = None
        self._catalogue = Catalogue()
        self._label_of = np.empty(0, dtype=int)
        self.point_of = np.empty(0, dtype=int)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def points(self) -> Description:
        """All points by which sets are recognised, without invariants, not copied."""
        assert self._points is not None
        points: Description = self._points.rows
        return points

    def take(self, labels: IntArray) -> Description:
        """Return the descriptions of sets, without invariants."""
        return self.points.take(self.point_of[labels])

    def recognise(self, invariants: FloatArray) -> IntArray:
        """Find the known set of each end by its invariants alone; -1 if unknown."""
        n = len(invariants)
        # A loss may have points of different inertia with equal invariants.
        if not self.loss.rescale_keeps_inertia:
            return np.full(n, -1)
        unknown = np.full(n, UNKNOWN)
        return self._labels(Identity(invariants, np.zeros(n), unknown, unknown))

    def add(self, found: Description) -> tuple[IntArray, IntArray]:
        """Add the critical points that belong to new sets."""
        # Returns the set of each point, and the points that represent new sets, in
        # order.
        groups, leaders = group_points(found)
        order = np.argsort(leaders)
        rank = np.argsort(order)
        groups, leaders = rank[groups], leaders[order]
        chosen = found.take(leaders)
        # A point that was refined may now be recognised as known.
        labels, fresh = self._numbered(chosen, self._labels(chosen))
        return labels[groups], leaders[fresh]

    def _labels(self, points: Description | Identity) -> IntArray:
        """Return the known sets of points; -1 if no set matches."""
        rows = self._catalogue.match(points, self._invariants)
        return np.append(self._label_of, -1)[rows]

    def _invariants(self, rows: IntArray) -> FloatArray:
        """Compute the invariants of known points."""
        point = self.points.point[rows]
        return invariants_of(self.loss, self.loss.asarray(point))

    def _numbered(
        self, chosen: Description, labels: IntArray
    ) -> tuple[IntArray, IntArray]:
        """Give new sets their numbers, and join those on one continuum."""
        rows = np.flatnonzero(labels < 0)
        if len(rows) == 0:
            return labels, rows
        part = chosen.take(rows)
        known = self._on_continua()
        points = part
        if len(known):
            old = self.points.take(known)
            old = replace(old, invariants=self._invariants(known))
            points = Description.concatenate([old, part])
        component, joined = join_continua(self.loss, points, self.scales, len(known))
        number: dict[int, int] = {}
        for row, point in enumerate(known):
            number.setdefault(component[row], int(self._label_of[point]))
        fresh: list[int] = []
        for row, place in enumerate(rows):
            key = component[len(known) + row]
            if key not in number:
                number[key] = len(self) + len(fresh)
                fresh.append(row)
            labels[place] = number[key]
        self._extend(part, fresh, labels[rows], joined[len(known) :])
        return labels, rows[fresh]

    def _on_continua(self) -> IntArray:
        """Return the known points that a walk may connect with others."""
        if self._points is None:
            return np.empty(0, dtype=int)
        return np.flatnonzero(may_be_joined(self.points))

    def _extend(
        self, part: Description, fresh: list[int], labels: IntArray, joined: BoolArray
    ) -> None:
        """Keep new sets, and all points by which they will be recognised."""
        self.counts = np.concatenate([self.counts, np.zeros(len(fresh), dtype=int)])
        flags = np.zeros(len(fresh), dtype=bool)
        self.is_continuum = np.concatenate([self.is_continuum, flags])
        self.is_continuum[labels[joined]] = True
        first = len(self._label_of) + np.array(fresh, dtype=int)
        self.point_of = np.concatenate([self.point_of, first])
        self._label_of = np.concatenate([self._label_of, labels])
        self._catalogue.add(part)
        part = replace(part, invariants=part.invariants[:, :0])
        if self._points is None:
            self._points = GrowingRows(part)
        else:
            self._points.add(part)
