"""Newton-TR: damped Newton steps for a ladder of shifts, the best one taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skcrit._backend import replace_rows, take_rows
from skcrit._typing import ArrayLike, FloatArray
from skcrit.linalg.dense import MAX_DENSE_LADDER
from skcrit.losses.base import Loss
from skcrit.solvers.base import Solver
from skcrit.solvers.damped import factorize
from skcrit.solvers.state import State
from skcrit.solvers.tolerance import squared_norm

# The published ladder 1e2, 1e1, ..., 1e-7, on data where the curvature is 2.
LADDER = tuple(50.0 * 0.1**k for k in range(10))


@dataclass(eq=False, repr=False, kw_only=True)
class NewtonTR(Solver):
    """Solve ``(H + gamma I) p = -g`` for a ladder of gamma, and take the best step.

    Large shifts give short steps along the gradient, small ones Newton steps. Of all
    points ``theta + step_size * p`` the one with the smallest gradient norm is taken,
    if it is smaller than the present one.

    Parameters
    ----------
    tol, max_iter, store_history
        As in :class:`~skcrit.solvers.Solver`.
    gammas, step_size, linear_solver, max_inner_iter
        As in :class:`~skcrit.NewtonTRFinder`.

    Notes
    -----
    An iteration costs ``n_params`` ("dense": a Hessian) or ``max_inner_iter``
    ("krylov") products, and a gradient for each shift and one at the new point.

    References
    ----------
    .. [1] Y. Dauphin, R. Pascanu, C. Gulcehre, K. Cho, S. Ganguli and Y. Bengio.
       "Identifying and attacking the saddle point problem in high-dimensional
       non-convex optimization". arXiv:1406.2572, 2014.
    """

    tol: float | str = "auto"
    max_iter: int = 500
    store_history: bool | Sequence[str] = False
    gammas: ArrayLike | str = "auto"
    step_size: float = 1.0
    linear_solver: str = "auto"
    max_inner_iter: int = 50

    def setup(self, loss: Loss, theta0: FloatArray) -> State:  # noqa: D102 (documented in Solver)
        state = super().setup(loss, theta0)
        if isinstance(self.gammas, str):
            unit = loss.curvature(state.local.theta)[:, None]
            # A flat loss has no unit; it has no gradient to follow either.
            gammas = np.where(unit > 0, unit, 1.0) * np.array(LADDER)
        else:
            gammas = np.tile(np.asarray(self.gammas, float), (len(state.rows), 1))
        return replace(state, carry={"gammas": gammas})

    def step(self, loss: Loss, state: State) -> State:  # noqa: D102
        local, squared = state.local, squared_norm(state.local.gradient)
        system = factorize(
            local, self.linear_solver, self.max_inner_iter, MAX_DENSE_LADDER
        )
        best, theta = squared.copy(), local.theta
        for gamma in state.carry["gammas"].T:
            p = system.shifted(loss.asarray(gamma))
            trial = local.theta + self.step_size * p
            norm = squared_norm(loss.gradient(trial))
            better = np.flatnonzero(norm < best)
            best[better] = norm[better]
            theta = replace_rows(theta, better, take_rows(trial, better))
        return replace(
            state,
            local=loss.at(theta),
            stuck=best == squared,
            n_hvp=state.n_hvp + system.n_matvec,
            n_gradient=state.n_gradient + state.carry["gammas"].shape[1] + 1,
        )
