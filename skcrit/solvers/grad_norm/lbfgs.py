"""L-BFGS on half the squared gradient norm, batched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, take_rows, to_host
from skcrit._typing import Array
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.solvers._vectors import dot
from skcrit.solvers.grad_norm.base import GradNormSolver
from skcrit.solvers.grad_norm.objective import cauchy_length, slope, unit
from skcrit.solvers.state import State
from skcrit.solvers.tolerance import squared_norm
from skcrit.solvers.wolfe import wolfe


class GradNormLBFGS(GradNormSolver):
    """Minimise ``|g|^2 / 2`` by L-BFGS with a search for the strong Wolfe conditions.

    Parameters
    ----------
    tol, max_iter, store_history, balance
        As in :class:`~skcrit.solvers.grad_norm.GradNormSolver`.
    memory_size : int, default=20
        Number of pairs (step, change of the slope) that are remembered.
    sufficient_decrease, curvature, max_trials
        As in :func:`~skcrit.solvers.wolfe.wolfe`, with the strong conditions.

    Notes
    -----
    An iteration costs a gradient and a product for each length tried, usually one, and
    the gradient at the new point; the first one a gradient and a product more. Storage
    is ``2 memory_size + 1`` vectors per start.

    References
    ----------
    .. [1] D. C. Liu and J. Nocedal. "On the limited memory BFGS method for large scale
       optimization". Mathematical Programming 45, 1989, doi:10.1007/BF01589116.
    .. [2] J. Nocedal and S. J. Wright. "Numerical Optimization", 2nd ed., algorithm
       7.4. Springer, 2006.
    """

    def __init__(
        self,
        *,
        tol: float | str = "auto",
        max_iter: int = 2000,
        store_history: bool | Sequence[str] = False,
        balance: bool = True,
        memory_size: int = 20,
        sufficient_decrease: float = 1e-4,
        curvature: float = 0.9,
        max_trials: int = 60,
    ) -> None:
        super().__init__(
            tol=tol, max_iter=max_iter, store_history=store_history, balance=balance
        )
        self.memory_size = memory_size
        self.line_search = {
            "sufficient_decrease": sufficient_decrease,
            "curvature": curvature,
            "max_trials": max_trials,
            "strong": True,
        }

    def fresh_carry(self, local: LocalModel) -> dict[str, Array]:  # noqa: D102 (documented in GradNormSolver)
        descent = slope(local)
        # Steps and changes of the slope, newest last; a pair of zeros stands for a
        # missing step.
        xp = array_namespace(descent)
        empty = xp.stack([xp.zeros_like(descent)] * self.memory_size, axis=1)
        return {"slope": descent, "steps": empty, "changes": empty}

    def descend(self, loss: Loss, state: State) -> State:  # noqa: D102
        local, carry = state.local, state.carry
        p = -_two_loops(loss, **carry)
        length, first = np.ones(len(state.rows)), np.zeros(len(state.rows), dtype=int)
        # If nothing is known of the scale, ask the Gauss-Newton model.
        newest, xp = carry["changes"][:, -1, :], array_namespace(p)
        # Not its square: that can underflow although the change itself does not.
        largest = xp.max(xp.abs(newest), axis=-1)
        fresh = np.flatnonzero(to_host(largest) == 0)
        if len(fresh):
            there = loss.at(take_rows(local.theta, fresh))
            length[fresh] = cauchy_length(there, take_rows(p, fresh))
            first[fresh] = 1
        search = wolfe(
            loss,
            local.theta,
            p,
            slope=carry["slope"],
            value=squared_norm(local.gradient) / 2,
            step_size=length,
            **self.line_search,
        )
        step, change = search.theta - local.theta, search.slope - carry["slope"]
        carry = {
            "slope": search.slope,
            "steps": _push(carry["steps"], step),
            "changes": _push(carry["changes"], change),
        }
        return replace(
            state,
            local=loss.at(search.theta),
            carry=carry,
            stuck=search.step_size == 0,
            n_hvp=state.n_hvp + first + search.n_trials,
            n_gradient=state.n_gradient + first + search.n_trials + 1,
        )


def _push(stack: Array, newest: Array) -> Array:
    """Drop the oldest vector and put the newest last."""
    xp = array_namespace(stack)
    return xp.concat([stack[:, 1:, :], newest[:, None, :]], axis=1)


def _two_loops(loss: Loss, slope: Array, steps: Array, changes: Array) -> Array:
    """Multiply the slope by the inverse Hessian that the pairs describe."""
    q, s, y = slope, steps, changes
    m = s.shape[1]
    rho: list[Any] = [None] * m
    alpha: list[Any] = [None] * m
    for i in reversed(range(m)):
        curved = dot(s[:, i, :], y[:, i, :])
        rho[i] = np.where(curved > 0, 1 / np.where(curved > 0, curved, 1.0), 0.0)
        alpha[i] = rho[i] * dot(s[:, i, :], q)
        q = q - loss.asarray(alpha[i])[:, None] * y[:, i, :]
    # Of the size of one squared Hessian; products of two changes would overflow.
    measure = unit(y[:, -1, :])
    newest = loss.asarray(measure)[:, None] * y[:, -1, :]
    size = dot(newest, newest) * (rho[-1] / measure)
    known = size > 0
    scale = np.where(known, measure / np.where(known, size, 1.0), unit(q))
    q = loss.asarray(scale)[:, None] * q
    for i in range(m):
        beta = rho[i] * dot(y[:, i, :], q)
        q = q + loss.asarray(alpha[i] - beta)[:, None] * s[:, i, :]
    return q
