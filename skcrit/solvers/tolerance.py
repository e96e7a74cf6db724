"""When a gradient counts as zero: a number, or the level of rounding."""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace, take_rows, to_host
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.linalg import spectral_norm
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.solvers.state import State

# Rounding errors of a gradient, in units of eps times the curvature times the size of
# the point, and of a value, in units of eps times its size: a few operations per entry,
# and some more for safety.
ROUNDING = 64.0

# Iterations between two looks at the curvature.
_REFRESH = 25


class Tolerance:
    """Decide which starts of a batch have reached a tolerance.

    A number is an absolute bound on the squared gradient norm. "auto" has no unit: the
    gradient, per length scale of the loss, must be as small as rounding allows, at most
    ``64 eps`` times the curvature times the size of the point.
    """

    def __init__(self, loss: Loss, n_starts: int, tol: float | str) -> None:
        self.loss, self.tol = loss, tol
        if tol == "auto":
            self.length = loss.asarray(loss.length_scale())
            self.eps = float(np.finfo(loss.dtype).eps)
            self.curvature = np.zeros(n_starts)

    def measure(self, local: LocalModel, squared: FloatArray) -> FloatArray:
        """Return the squared gradient norm, for "auto" per length scale."""
        if self.tol != "auto":
            return squared
        return squared_norm(local.gradient * self.length)

    def bound(self, state: State, measure: FloatArray) -> FloatArray:
        """Return the bound on the measure for each running start."""
        # Products spent on the curvature are added to the counts of the state.
        if self.tol != "auto":
            return np.full(len(state.rows), float(self.tol))
        old = np.flatnonzero(state.n_iter % _REFRESH == 0)
        if len(old):
            self._refresh(state, old)
        bound = self._bound(state)
        # The curvature of an earlier point may have been larger: look again.
        near = np.flatnonzero(measure <= bound)
        if len(near):
            self._refresh(state, near)
            bound = self._bound(state)
        return bound

    def _bound(self, state: State) -> FloatArray:
        """Square the rounding errors that the curvature and the size of points make."""
        xp = array_namespace(state.local.theta)
        relative = state.local.theta / self.length
        size = np.sqrt(to_host(xp.sum(relative * relative, axis=-1)))
        level = ROUNDING * self.eps * self.curvature[state.rows] * np.maximum(size, 1)
        return level**2

    def _refresh(self, state: State, rows: IntArray) -> None:
        """Estimate the curvature per squared length scale at some of the points."""
        theta = take_rows(state.local.theta, rows)
        curvature = scaled_curvature(self.loss, theta, self.length)
        self.curvature[state.rows[rows]] = curvature
        state.n_hvp[rows] += self.loss.curvature_cost


def scaled_curvature(loss: Loss, theta: Array, length: Array) -> FloatArray:
    """Estimate from below the size of the Hessian per squared length scale."""
    if length.ndim == 0:
        return loss.curvature(theta) * float(length) ** 2
    local = loss.at(theta)
    draw = np.random.default_rng(0).standard_normal(theta.shape[-1])
    draw = loss.asarray(np.broadcast_to(draw, theta.shape))
    return to_host(spectral_norm(lambda v: length * local.hvp(length * v), draw))


def squared_norm(gradient: Array) -> FloatArray:
    """Compute squared gradient norms on the host."""
    # If all squares underflow, it is the smallest normal number, which bounds them:
    # only a gradient of zeros has norm zero.
    xp = array_namespace(gradient)
    with np.errstate(over="ignore", invalid="ignore"):
        squared = xp.sum(gradient * gradient, axis=-1)
        lost = (squared == 0) & xp.any(gradient != 0, axis=-1)
        tiny = xp.full_like(squared, float(xp.finfo(squared.dtype).smallest_normal))
        return to_host(xp.where(lost, tiny, squared))
