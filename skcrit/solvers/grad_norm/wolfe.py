"""Steepest descent on half the squared gradient norm, with a Wolfe search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from skcrit._typing import Array
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.solvers.grad_norm.base import GradNormSolver
from skcrit.solvers.grad_norm.objective import cauchy_length, slope, unit
from skcrit.solvers.state import State
from skcrit.solvers.tolerance import squared_norm
from skcrit.solvers.wolfe import wolfe


class GradNormWolfe(GradNormSolver):
    """Descend ``|g|^2 / 2`` along ``-H g``; bracketing and zooming find the length.

    The first length tried is that of the Gauss-Newton model along the direction.

    Parameters
    ----------
    tol, max_iter, store_history, balance
        As in :class:`~skcrit.solvers.grad_norm.GradNormSolver`.
    sufficient_decrease, curvature, max_trials
        As in :func:`~skcrit.solvers.wolfe.wolfe`, with the weak conditions.

    Notes
    -----
    An iteration costs one product for the first length, a gradient and a product for
    each length tried, and the gradient at the new point. The slope of the accepted
    length is used by the next iteration.
    """

    def __init__(
        self,
        *,
        tol: float | str = "auto",
        max_iter: int = 10000,
        store_history: bool | Sequence[str] = False,
        balance: bool = True,
        sufficient_decrease: float = 1e-4,
        curvature: float = 0.9,
        max_trials: int = 60,
    ) -> None:
        super().__init__(
            tol=tol, max_iter=max_iter, store_history=store_history, balance=balance
        )
        self.line_search = {
            "sufficient_decrease": sufficient_decrease,
            "curvature": curvature,
            "max_trials": max_trials,
        }

    def fresh_carry(self, local: LocalModel) -> dict[str, Array]:  # noqa: D102 (documented in GradNormSolver)
        return {"slope": slope(local)}

    def descend(self, loss: Loss, state: State) -> State:  # noqa: D102
        local, descent = state.local, state.carry["slope"]
        p = -loss.asarray(unit(descent))[:, None] * descent
        search = wolfe(
            loss,
            local.theta,
            p,
            slope=descent,
            value=squared_norm(local.gradient) / 2,
            step_size=cauchy_length(local, p),
            **self.line_search,
        )
        return replace(
            state,
            local=loss.at(search.theta),
            carry={"slope": search.slope},
            stuck=search.step_size == 0,
            n_hvp=state.n_hvp + 1 + search.n_trials,
            n_gradient=state.n_gradient + search.n_trials + 1,
        )
