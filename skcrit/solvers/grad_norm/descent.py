"""Gradient descent on half the squared gradient norm, with or without momentum."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skcrit._backend import array_namespace
from skcrit._typing import Array
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.solvers.grad_norm.base import GradNormSolver
from skcrit.solvers.grad_norm.objective import slope
from skcrit.solvers.state import State


@dataclass(eq=False, repr=False, kw_only=True)
class GradNormDescent(GradNormSolver):
    """Descend ``|g|^2 / 2`` with steps of fixed length: ``v = momentum v + H g``.

    Parameters
    ----------
    tol, max_iter, store_history, balance
        As in :class:`~skcrit.solvers.grad_norm.GradNormSolver`.
    learning_rate : float or "auto", default="auto"
        Length of the steps: ``theta - learning_rate * v``. "auto" is 0.4 over the
        squared curvature of the loss at the start: 0.1 on data of covariance ``diag(1,
        ..., 16)``.
    momentum : float, default=0.0
        Fraction of the last velocity that is kept (Polyak 1964).

    Notes
    -----
    An iteration costs one gradient and one product.
    """

    carry_cost = 0

    max_iter: int = 50000
    learning_rate: float | str = "auto"
    momentum: float = 0.0

    def fresh_carry(self, local: LocalModel) -> dict[str, Array]:  # noqa: D102 (documented in GradNormSolver)
        xp, theta = array_namespace(local.theta), local.theta
        if self.learning_rate == "auto":
            unit = local.loss.curvature(theta)
            rate = 0.4 / np.where(unit > 0, unit, 1.0) ** 2
        else:
            rate = np.full(theta.shape[0], float(self.learning_rate))
        return {"velocity": xp.zeros_like(theta), "rate": local.loss.asarray(rate)}

    def descend(self, loss: Loss, state: State) -> State:  # noqa: D102
        local, rate = state.local, state.carry["rate"]
        velocity = self.momentum * state.carry["velocity"] + slope(local)
        return replace(
            state,
            local=loss.at(local.theta - rate[:, None] * velocity),
            carry={"velocity": velocity, "rate": rate},
            n_hvp=state.n_hvp + 1,
            n_gradient=state.n_gradient + 1,
        )
