"""The loss that is searched, with its coordinates and units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import FloatArray, IntArray
from skcrit.losses.adapt import as_loss
from skcrit.losses.base import Loss
from skcrit.losses.coordinates import Coordinates
from skcrit.search.describe import Description
from skcrit.search.scales import Scales, natural_scales
from skcrit.solvers.state import SolverResult

# Number of points that are transformed together.
_ROWS = 2**12


@dataclass
class Problem:
    """Everything that a worker needs besides the starts."""

    coordinates: Coordinates  # the loss in them, and the ways to and from them
    scales: Scales  # natural units there

    @property
    def loss(self) -> Loss:
        """The loss in the coordinates of the search."""
        return self.coordinates.loss

    def into(self, theta: FloatArray) -> FloatArray:
        """Express points of the user in the coordinates of the search, on the host."""
        inside = self.coordinates.into(self.loss.asarray(theta))
        return np.asarray(to_host(inside), dtype=float)

    def back(self, theta: FloatArray, rows: IntArray | None = None) -> FloatArray:
        """Express points in the coordinates of the user, unless they are not finite."""
        # In parts, so that at most one copy of many points is made.
        rows = np.arange(len(theta)) if rows is None else rows
        result = np.empty((len(rows), theta.shape[1]))
        for begin in range(0, len(rows), _ROWS):
            part = theta[rows[begin : begin + _ROWS]]
            finite = np.all(np.isfinite(part), axis=-1, keepdims=True)
            safe = self.loss.asarray(np.where(finite, part, 0.0))
            back = to_host(self.coordinates.back(safe))
            result[begin : begin + _ROWS] = np.where(finite, back, part)
        return result

    def runs_back(self, runs: SolverResult) -> SolverResult:
        """Express results of a solver in the coordinates of the user."""
        history = dict(runs.history)
        if "theta" in history:
            history["theta"] = [self.back(run) for run in history["theta"]]
        return replace(runs, theta=self.back(runs.theta), history=history)

    def points_back(self, points: Description) -> Description:
        """Express descriptions in the coordinates of the user."""
        return replace(points, point=self.back(points.point))


def pose(loss: Any) -> Problem:
    """Choose coordinates and measure natural units, once for all batches."""
    coordinates = as_loss(loss).coordinates()
    return Problem(coordinates, natural_scales(coordinates.loss))
