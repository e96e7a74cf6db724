"""The tolerance that each start of a finder had to reach."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import Array, FittedFinder, FloatArray
from skcrit.losses.adapt import as_loss
from skcrit.solvers.state import State
from skcrit.solvers.tolerance import Tolerance

# Points whose curvature is measured at a time.
_CHUNK = 256


def resolved_tols(finder: FittedFinder) -> FloatArray:
    """Compute the tolerance of each start as a squared gradient norm."""
    # With "auto" it is the level of rounding at the last point, NaN if that is not
    # finite, and costs curvature_cost products per start. If the loss has a length
    # scale for each parameter, it is the level along the parameter with the largest.
    points = np.asarray(finder.final_params_, dtype=np.float64)
    if finder.tol != "auto":
        return np.full(len(points), float(finder.tol))
    coordinates = as_loss(finder.loss_, "loss_").coordinates()
    tols = np.full(len(points), np.nan)
    rows = np.flatnonzero(np.all(np.isfinite(points), axis=1))
    for begin in range(0, len(rows), _CHUNK):
        part = rows[begin : begin + _CHUNK]
        theta = coordinates.loss.asarray(points[part])
        tols[part] = _auto(coordinates.loss, coordinates.into(theta))
    return tols


def largest_tol(finder: FittedFinder) -> float:
    """Return the largest tolerance of the starts that converged, or else of all."""
    tols = resolved_tols(finder)
    converged = np.asarray(finder.converged_, dtype=bool)
    tols = tols[converged] if converged.any() else tols
    tols = tols[~np.isnan(tols)]
    return float(np.max(tols)) if len(tols) else float("nan")


def _auto(loss: Any, theta: Array) -> FloatArray:
    """Return the level of rounding at points in the coordinates of the search."""
    n = theta.shape[0]
    zeros = np.zeros(n, dtype=int)
    state = State(
        local=loss.at(theta),
        rows=np.arange(n),
        start_norm=np.ones(n),
        n_gradient=zeros,
        n_hvp=zeros.copy(),
        stuck=np.zeros(n, dtype=bool),
        n_iter=zeros,
    )
    rule = Tolerance(loss, len(state.rows), "auto")
    bound = rule.bound(state, np.full(n, np.inf))
    return bound / np.max(to_host(rule.length)) ** 2
