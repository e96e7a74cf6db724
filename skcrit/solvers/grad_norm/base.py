"""What all minimisers of half the squared gradient norm share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skcrit._backend import replace_rows, take_rows
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.losses.symmetries import rescaled
from skcrit.solvers._vectors import dot
from skcrit.solvers.base import Solver
from skcrit.solvers.state import State

# A point is out of balance when its squared norm exceeds the rescaled point's by this
# factor. Balancing forgets what a method has learnt: it should not happen at each step.
MAX_IMBALANCE = 1.05


@dataclass(eq=False, repr=False, kw_only=True)
class GradNormSolver(Solver):
    """Minimise ``|g|^2 / 2``, from a rescaled point of the symmetry orbit.

    A method defines :meth:`fresh_carry` and :meth:`descend`.

    Parameters
    ----------
    tol, max_iter, store_history
        As in :class:`~skcrit.solvers.Solver`.
    balance : bool, default=True
        Whether an iterate moves to the rescaled point of its symmetry orbit if its
        squared norm exceeds that of the rescaled point by 5 %.

    Notes
    -----
    The gradient norm is not constant along the symmetry orbits of a network: scaling
    one layer up and the next one down makes it small although no critical point is
    near. Without ``balance`` a minimiser of the gradient norm does just that. If slopes
    are remembered, a move costs a new slope, that is a gradient and a product.
    """

    # Gradients and products that fresh_carry spends on a start.
    carry_cost = 1

    tol: float | str = "auto"
    max_iter: int = 2000
    store_history: bool | Sequence[str] = False
    balance: bool = True

    @abstractmethod
    def fresh_carry(self, local: LocalModel) -> dict[str, Array]:
        """Make the columns of starts that have just begun.

        Parameters
        ----------
        local : LocalModel
            Loss at a batch of points.

        Returns
        -------
        carry : dict of str to array of shape (n, ...)
            Columns with a row per start.
        """

    @abstractmethod
    def descend(self, loss: Loss, state: State) -> State:
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
        """

    def setup(self, loss: Loss, theta0: FloatArray) -> State:  # noqa: D102 (documented in Solver)
        state = super().setup(loss, theta0)
        theta, _ = self._balanced(loss, state.local.theta, ~state.stuck)
        local = loss.at(theta)
        carry = self.fresh_carry(local)
        return replace(
            state, local=local, carry=carry, n_hvp=state.n_hvp + self.carry_cost
        )

    def step(self, loss: Loss, state: State) -> State:  # noqa: D102
        state = self.descend(loss, state)
        theta, rows = self._balanced(loss, state.local.theta, ~state.stuck)
        if len(rows) == 0:
            return state
        # What has moved starts anew.
        fresh = self.fresh_carry(loss.at(take_rows(theta, rows)))
        carry = {
            name: replace_rows(column, rows, fresh[name])
            for name, column in state.carry.items()
        }
        n_hvp, n_gradient = state.n_hvp.copy(), state.n_gradient.copy()
        n_hvp[rows] += self.carry_cost
        n_gradient[rows] += self.carry_cost
        return replace(
            state,
            local=loss.at(theta),
            carry=carry,
            n_hvp=n_hvp,
            n_gradient=n_gradient,
        )

    def _balanced(
        self, loss: Loss, theta: Array, movable: BoolArray
    ) -> tuple[Array, IntArray]:
        """Move what is out of balance to its rescaled point, and name the rows."""
        if not self.balance:
            return theta, np.empty(0, dtype=int)
        scaled = rescaled(loss, theta)
        # False if a point is not finite.
        excess = dot(theta, theta) > MAX_IMBALANCE * dot(scaled, scaled)
        rows = np.flatnonzero(excess & movable)
        return replace_rows(theta, rows, take_rows(scaled, rows)), rows
