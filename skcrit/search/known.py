"""Critical sets of earlier rounds, which are removed from a search by deflation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._typing import Array, BoolArray
from skcrit.losses.base import Loss
from skcrit.losses.symmetries import rescaled
from skcrit.search.critical_sets import Identity, match_points
from skcrit.search.describe import UNKNOWN, Description, invariants_of


@dataclass
class KnownSets:
    """Recognise points of critical sets by their invariants."""

    sets: Description  # a point of each set

    def __call__(self, loss: Loss, theta: Array) -> BoolArray:
        """Return which points are in one of the sets."""
        # Nothing is recognised if points of different inertia can have equal
        # invariants.
        n = theta.shape[0]
        if not loss.rescale_keeps_inertia or len(self.sets.morse_index) == 0:
            return np.zeros(n, dtype=bool)
        invariants, unknown = invariants_of(loss, rescaled(loss, theta)), [UNKNOWN] * n
        inertia = np.array(unknown, dtype=int)
        ends = Identity(invariants, np.zeros(n), inertia, inertia)
        return match_points(ends, self.sets) >= 0
