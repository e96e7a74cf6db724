"""Paths down from a saddle: steepest descent, and descent along one direction only."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from skcrit._backend import array_namespace, chunks_of_rows, replace_rows, to_host
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.linalg.dense import MAX_DENSE_FORMED
from skcrit.losses.base import Loss
from skcrit.solvers._exponential import Flow
from skcrit.solvers.base import Solver
from skcrit.solvers.eigenpairs import dense_eigenpairs
from skcrit.solvers.state import State

# The correction of a step may be this part of it. The next step is as long as this
# allows, within these factors; what is too long or errs too much is cut.
_ERROR, _SAFETY, _GROWTH, _CUT = 0.01, 0.9, 5.0, 0.25
_MAX_CUTS = 12


@dataclass(eq=False, repr=False, kw_only=True)
class Descent(Solver):
    r"""Integrate the gradient flow, or its variant that goes down one direction only.

    With eigenpairs :math:`\lambda_i, q_i` of the Hessian the point moves by

    .. math::

        \dot\theta = -\sum_i s_i (q_i^T g) q_i.

    Steepest descent has :math:`s_i = 1`. Index-lowering dynamics has :math:`s_i = 1`
    for the eigenvector that continues a given direction, and :math:`s_i =
    \mathrm{sign}(\lambda_i)` for all others, so that along these the loss stays
    stationary. From a saddle this leads to one with fewer unstable directions, and
    rounding errors do not grow.

    Steps are those of the exponential Rosenbrock method of order three; the difference
    from the step of order two measures the error [1]_, and signs do not change during a
    step. A step is exact if the loss is quadratic, stiff or not, and near the end it is
    Newton's.

    Parameters
    ----------
    tol, max_iter, store_history
        As in :class:`~skcrit.solvers.Solver`.
    direction : ndarray of shape (n_starts, n_params) or None, default=None
        Directions to go down, of any length. None is steepest descent.
    lowers_index : ndarray of bool of shape (n_starts,) or None, default=None
        Which starts follow index-lowering dynamics; None is all with a direction.
    max_step : float, default=0.25
        Longest step, in length scales of the loss.

    Notes
    -----
    An iteration costs a dense Hessian (``n_params`` products), its eigenvectors, and
    two gradients, one more for each time that a step is cut.

    References
    ----------
    .. [1] M. Hochbruck, A. Ostermann and J. Schweitzer. "Exponential Rosenbrock-type
       methods". SIAM J. Numerical Analysis 47, 2009.
    """

    tol: float | str = "auto"
    max_iter: int = 500
    store_history: bool | Sequence[str] = False
    direction: FloatArray | None = None
    lowers_index: BoolArray | None = None
    max_step: float = 0.25

    def select(self, rows: slice | BoolArray) -> Self:  # noqa: D102 (documented in Solver)
        part = copy(self)
        if self.direction is not None:
            part.direction = self.direction[rows]
        if self.lowers_index is not None:
            part.lowers_index = self.lowers_index[rows]
        return part

    def setup(self, loss: Loss, theta0: FloatArray) -> State:  # noqa: D102
        if loss.n_params_ > MAX_DENSE_FORMED:
            raise ValueError(
                "Descent decomposes dense Hessians: its loss must have at most "
                f"{MAX_DENSE_FORMED} parameters, got {loss.n_params_}."
            )
        state = super().setup(loss, theta0)
        theta, n = state.local.theta, len(state.rows)
        direction = array_namespace(theta).zeros_like(theta)
        if self.direction is not None:
            direction = loss.asarray(self.direction)
        lowers = self.lowers_index
        if lowers is None:
            lowers = np.full(n, self.direction is not None)
        carry = {
            "direction": direction,
            "lowers": np.asarray(lowers),
            "time": np.full(n, np.inf),
        }
        return replace(state, carry=carry)

    def step(self, loss: Loss, state: State) -> State:  # noqa: D102
        carry, theta = dict(state.carry), state.local.theta
        time, stuck = carry["time"].copy(), state.stuck.copy()
        n_gradient = state.n_gradient + 1
        for rows in chunks_of_rows(np.arange(len(stuck)), loss.n_params_**2, theta):
            flow, direction = _linearised(loss, state.take(rows))
            moved, longer, spent = self._moved(loss, flow, time[rows])
            carry["direction"] = replace_rows(carry["direction"], rows, direction)
            theta = replace_rows(theta, rows, moved)
            time[rows], stuck[rows] = longer, longer == 0
            n_gradient[rows] += spent
        return replace(
            state,
            local=loss.at(theta),
            carry=carry | {"time": time},
            stuck=stuck,
            n_hvp=state.n_hvp + loss.n_params_,
            n_gradient=n_gradient,
        )

    def _moved(
        self, loss: Loss, flow: Flow, time: FloatArray
    ) -> tuple[Array, FloatArray, IntArray]:
        """Step, with cuts until length and error are small; say how long to go next."""
        unit = loss.asarray(loss.length_scale())
        theta, time = flow.theta, np.minimum(time, flow.longest())
        spent, longer = np.zeros(len(time), dtype=int), np.zeros(len(time))
        pending = np.arange(len(time))
        for _ in range(_MAX_CUTS):
            part, h = flow.take(pending), time[pending]
            moved, length, error = part.step(loss, h, unit)
            spent[pending] += 1
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = error / length
                factor = _SAFETY * np.cbrt(_ERROR / ratio)
                factor = np.minimum(factor, self.max_step / length)
            accepted = (ratio <= _ERROR) & (length <= self.max_step)
            accepted |= length == 0
            rows = pending[accepted]
            theta = replace_rows(theta, rows, moved[accepted])
            longer[rows] = h[accepted] * np.clip(factor[accepted], _CUT, _GROWTH)
            cut = np.where(np.isfinite(factor), np.clip(factor, 1e-3, _CUT), _CUT)
            time[pending] = h * cut
            pending = pending[~accepted]
            if len(pending) == 0:
                break
        return theta, longer, spent


def _linearised(loss: Loss, state: Any) -> tuple[Flow, Array]:
    """Decompose Hessians, choose signs, and find what continues the directions."""
    pairs = dense_eigenpairs(state.local, state.local.gradient, units="given")
    vectors, values = pairs.vectors, to_host(pairs.values)
    xp = array_namespace(vectors)
    before = state.carry["direction"][..., None]
    along = to_host((xp.matrix_transpose(vectors) @ before)[..., 0])
    followed = np.zeros_like(along)
    rows, nearest = np.arange(len(along)), np.argmax(np.abs(along), axis=1)
    followed[rows, nearest] = np.where(along[rows, nearest] < 0, -1.0, 1.0)
    others = state.carry["lowers"][:, None] & (followed == 0)
    signs = np.where(others, np.sign(values), 1.0)
    components = to_host(pairs.components)
    flow = Flow(state.local.theta, vectors, values, components, signs)
    return flow, pairs.combine(loss.asarray(followed))
