"""What all minimisers of half the squared gradient norm share."""

from abc import abstractmethod
from dataclasses import replace

import numpy as np

from skcrit._backend import replace_rows, take_rows
from skcrit.solvers.base import Solver
from skcrit.solvers.grad_norm.objective import FLATNESS_COST, dot, flatness

__all__ = ["GradNormSolver"]

# A point is out of balance when its squared norm exceeds the canonical point's by this
# factor. Balancing forgets what a method has learnt: it should not happen at each step.
MAX_IMBALANCE = 1.05


class GradNormSolver(Solver):
    """Minimise ``|g|^2 / 2``, from a well-scaled point of the symmetry orbit.

    A method defines :meth:`fresh_memory` and :meth:`descend`.

    Parameters
    ----------
    tol, max_iter, store_history
        As in :class:`~skcrit.solvers.Solver`.
    balance : bool, default=True
        Whether iterates whose squared norm exceeds that of the canonical point of their
        symmetry orbit by 5 % move there.

    Notes
    -----
    The gradient norm is not constant along the symmetry orbits of a network: scaling
    one layer up and the next one down makes it small without a critical point. Without
    ``balance`` a minimiser of the gradient norm does just that. A move costs one
    gradient and what the new memory costs. A run that fails costs 21 products more at
    its end, to tell whether the gradient lies in the kernel of the Hessian there.
    """

    # Products that fresh_memory spends on a start.
    memory_cost = 1

    def __init__(self, *, tol=1e-10, max_iter=2000, store_history=False, balance=True):
        super().__init__(tol=tol, max_iter=max_iter, store_history=store_history)
        self.balance = balance

    @abstractmethod
    def fresh_memory(self, local):
        """Make the memory of starts about which nothing is known yet.

        Parameters
        ----------
        local : LocalModel
            Loss at a batch of points.

        Returns
        -------
        memory : array of shape (n, ...)
            A row per start.
        """

    @abstractmethod
    def descend(self, loss, state):
        """Take one iteration with all running starts.

        Parameters
        ----------
        loss : Loss
            Fitted loss.
        state : State
            Running starts.

        Returns
        -------
        state : State
            The same starts, one iteration later.
        slope : array of shape (n, n_params) or None
            Slopes ``H g``, by which to explain a failure; None if that is done.
        """

    def setup(self, loss, theta0):  # noqa: D102 (documented in Solver)
        state = super().setup(loss, theta0)
        memory = self.fresh_memory(state.local)
        state = replace(state, memory=memory, n_hvp=state.n_hvp + self.memory_cost)
        return self._balanced(loss, state)

    def step(self, loss, state):  # noqa: D102
        state, slope = self.descend(loss, state)
        if slope is not None:
            state = _explained(state, slope, self.max_iter)
        return self._balanced(loss, state)

    def _balanced(self, loss, state):
        """Move what is out of balance, and let it start anew."""
        theta = state.local.theta
        finite = np.isfinite(dot(theta, theta))
        if not self.balance or not finite.all():
            # Factorisations refuse NaN; such starts end before the next iteration.
            return state
        canonical = loss.canonicalize(theta)
        excess = dot(theta, theta) > MAX_IMBALANCE * dot(canonical, canonical)
        rows = np.flatnonzero(excess & ~state.stuck)
        if len(rows) == 0:
            return state
        moved = loss.at(take_rows(canonical, rows))
        n_hvp, n_gradient = state.n_hvp.copy(), state.n_gradient.copy()
        n_hvp[rows] += self.memory_cost
        n_gradient[rows] += 1
        memory = replace_rows(state.memory, rows, self.fresh_memory(moved))
        local = loss.at(replace_rows(theta, rows, moved.theta))
        return replace(
            state, local=local, memory=memory, n_hvp=n_hvp, n_gradient=n_gradient
        )


def _explained(state, slope, max_iter):
    """Measure how flat the loss is where a search ends without success."""
    ending = np.flatnonzero(state.stuck | (state.n_iter == max_iter))
    if len(ending) == 0:
        return state
    local = state.local.loss.at(take_rows(state.local.theta, ending))
    ratio, n_hvp = state.residual_ratio.copy(), state.n_hvp.copy()
    ratio[ending] = flatness(local, take_rows(slope, ending))
    n_hvp[ending] += FLATNESS_COST
    return replace(state, residual_ratio=ratio, n_hvp=n_hvp)
