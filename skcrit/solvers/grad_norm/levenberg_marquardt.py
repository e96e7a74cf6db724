"""Levenberg-Marquardt on the gradient: Gauss-Newton on half its squared norm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skcrit._backend import replace_rows, take_rows
from skcrit._typing import Array
from skcrit.linalg.dense import MAX_DENSE_TRIALS
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.solvers.damped import factorize
from skcrit.solvers.grad_norm.base import GradNormSolver
from skcrit.solvers.state import State
from skcrit.solvers.tolerance import squared_norm

# Smaller dampings have no effect, and would take many trials to raise again.
MIN_DAMPING = 1e-30


@dataclass(eq=False, repr=False, kw_only=True)
class GradNormLM(GradNormSolver):
    """Solve ``(H^2 + mu I) p = -H g`` and adapt mu to how well the model predicts.

    Parameters
    ----------
    tol, max_iter, store_history, balance
        As in :class:`~skcrit.solvers.grad_norm.GradNormSolver`.
    damping : float, default=1e-3
        First mu, relative to the squared spectral norm of the Hessian.
    linear_solver : {"auto", "dense", "krylov"}, default="auto"
        "dense" uses the eigenvectors of the Hessian, "krylov" the Krylov space of the
        gradient. Both are computed once for all mu that are tried at a point. "auto" is
        "dense" up to 64 parameters.
    max_inner_iter : int, default=50
        Dimension of the Krylov space.
    max_trials : int, default=40
        Largest number of mu tried at a point.

    Notes
    -----
    An iteration costs ``n_params`` ("dense": a Hessian) or ``max_inner_iter``
    ("krylov") products, and a gradient for each mu tried and one at the new point. Mu
    follows the gain ratio as Nielsen (1999) proposed.

    References
    ----------
    .. [1] K. Levenberg. "A method for the solution of certain non-linear problems in
       least squares". Quarterly of Applied Mathematics 2, 1944.
    .. [2] D. W. Marquardt. "An algorithm for least-squares estimation of nonlinear
       parameters". J. SIAM 11, 1963, doi:10.1137/0111030.
    .. [3] H. B. Nielsen. "Damping parameter in Marquardt's method". Report IMM-REP-
       1999-05, Technical University of Denmark, 1999.
    """

    carry_cost = 0

    max_iter: int = 500
    damping: float = 1e-3
    linear_solver: str = "auto"
    max_inner_iter: int = 50
    max_trials: int = 40

    def fresh_carry(self, local: LocalModel) -> dict[str, Array]:  # noqa: D102 (documented in GradNormSolver)
        # Relative to the squared norm of the Hessian at each point.
        return {"mu": np.full(local.theta.shape[0], self.damping)}

    def descend(self, loss: Loss, state: State) -> State:  # noqa: D102
        local, squared = state.local, squared_norm(state.local.gradient)
        system = factorize(
            local, self.linear_solver, self.max_inner_iter, MAX_DENSE_TRIALS
        )
        search = _Search(local.theta, squared, state.carry["mu"])
        for _ in range(self.max_trials):
            search.try_all(loss, system)
            if not search.pending.any():
                break
        return replace(
            state,
            local=loss.at(search.theta),
            carry={"mu": search.mu},
            stuck=search.pending,
            n_hvp=state.n_hvp + system.n_matvec,
            n_gradient=state.n_gradient + search.n_trials + 1,
        )


class _Search:
    """Raise mu from the value of the last step until the gradient norm falls."""

    def __init__(self, theta: Any, squared: Any, mu: Any) -> None:
        self.start, self.theta = theta, theta
        self.squared, self.mu = squared, mu.copy()
        self.factor = np.full(len(squared), 2.0)
        self.n_trials = np.zeros(len(squared), dtype=int)
        self.pending = np.ones(len(squared), dtype=bool)

    def try_all(self, loss: Any, system: Any) -> None:
        """Try a step with the current mu in all rows that still search."""
        weight = loss.asarray(self.mu * np.maximum(system.norm, 1e-300) ** 2)
        p = system.regularized(weight)
        rows = np.flatnonzero(self.pending)
        trial = take_rows(self.start, rows) + take_rows(p, rows)
        norm = squared_norm(loss.gradient(trial))
        self.n_trials[rows] += 1
        predicted = self.squared[rows] - system.residual_norm(p)[rows] ** 2
        gain = (self.squared[rows] - norm) / np.where(predicted > 0, predicted, np.inf)
        good = (gain > 0) & (norm < self.squared[rows])
        self.theta = replace_rows(
            self.theta, rows[good], take_rows(trial, np.flatnonzero(good))
        )
        # Nielsen 1999: down to a third if the model is right, up faster and faster.
        shrink = np.maximum(1 / 3, 1 - (2 * gain[good] - 1) ** 3)
        self.mu[rows[good]] = np.maximum(self.mu[rows[good]] * shrink, MIN_DAMPING)
        self.mu[rows[~good]] *= self.factor[rows[~good]]
        self.factor[rows[~good]] *= 2
        self.pending[rows[good]] = False
