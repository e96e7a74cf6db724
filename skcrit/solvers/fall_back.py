"""What a search does that creeps: bounded Newton steps with natural signs for a while."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skcrit._backend import replace_rows, take_rows
from skcrit._typing import Array, BoolArray
from skcrit.linalg.dense import MAX_DENSE_COUNT
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.solvers._vectors import norm
from skcrit.solvers.base import Solver
from skcrit.solvers.saddle_dynamics import SaddleDynamics
from skcrit.solvers.state import State
from skcrit.solvers.tolerance import squared_norm

__all__ = ["FallBackSolver"]

# A search creeps if its squared gradient norm has not fallen to this part within
# ``patience`` iterations; Newton steps that work need three or four for that.
_PROGRESS = 1e-2

# Natural steps in a row. Searches that consist of nothing else take 15 to 65 of them on
# the data of benchmarks/real_data.py.
_N_NATURAL = 100

# A step below this part of the point is none.
_NOTHING = 4 * np.finfo(float).eps


class FallBackSolver(Solver):
    r"""Search by a merit function, and without one where that creeps.

    A method defines :meth:`search_step`. Merit functions of the gradient have traps
    where there is no critical point, and truncated linear systems do not see weak
    directions. A start that is stuck, or whose squared gradient norm has not fallen to
    a hundredth within ``patience`` iterations, takes the steps

    .. math:: p = -\sum_i \frac{\mathrm{sign}(\lambda_i) q_i^T g}
              {\max(|\lambda_i|, \epsilon |H|)} q_i,

    of :class:`~skcrit.solvers.SaddleDynamics` with ``index="natural"``. After 100 of
    them without success it returns to where it left, to go on if it crept, and to end
    if it was stuck.

    Parameters
    ----------
    tol, max_iter, store_history
        As in :class:`~skcrit.solvers.Solver`.
    fall_back : {"natural", None}, default="natural"
        What a creeping start does. None leaves it to itself, as in published methods.
    patience : int, default=30
        Iterations until a start that does not progress is said to creep.

    Notes
    -----
    A natural step costs a gradient and, up to 1024 parameters, a dense Hessian
    (``n_params`` products); beyond that 100 products. The column "n_fall_back" counts
    such steps.
    """

    columns: tuple[str, ...] = ("n_fall_back",)

    def __init__(
        self,
        *,
        tol: float | str = "auto",
        max_iter: int = 500,
        store_history: bool | Sequence[str] = False,
        fall_back: str | None = "natural",
        patience: int = 30,
    ) -> None:
        super().__init__(tol=tol, max_iter=max_iter, store_history=store_history)
        self.fall_back = fall_back
        self.patience = patience

    @abstractmethod
    def search_step(self, loss: Loss, state: State) -> State:
        """Take one iteration of the method itself, as :meth:`step`.

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

    def fresh_carry(self, local: LocalModel) -> dict[str, Array]:
        """Make what the method carries for starts about which nothing is known.

        Parameters
        ----------
        local : LocalModel
            Loss at a batch of points.

        Returns
        -------
        carry : dict of str to array of shape (n, ...)
            Columns with a row per start.
        """
        return {}

    # Gradients and products that fresh_carry spends on a start.
    carry_cost = 0

    def watched(self, state: State) -> State:
        """Begin to watch the progress of a batch; for the end of ``setup``.

        Parameters
        ----------
        state : State
            The batch at its starts.

        Returns
        -------
        state : State
            The same, with the columns that this class needs.
        """
        n = len(state.rows)
        watch = {
            "n_fall_back": np.zeros(n, dtype=int),
            # Natural steps still to take in a row, iterations since the last look, and
            # the squared gradient norm then.
            "natural_left": np.zeros(n, dtype=int),
            "since": np.zeros(n, dtype=int),
            "home": state.local.theta,
            "was_stuck": np.zeros(n, dtype=bool),
            "reference_grad": squared_norm(state.local.gradient),
        }
        return replace(state, carry={**state.carry, **watch})

    def step(self, loss: Loss, state: State) -> State:  # noqa: D102 (documented in Solver)
        if self.fall_back is None:
            return self.search_step(loss, state)
        state = self._judged(state)
        natural = state.carry["natural_left"] > 0
        if not natural.any():
            return self._rescued(self.search_step(loss, state))
        if natural.all():
            return self._natural_step(loss, state)
        own = self._rescued(self.search_step(loss, state.take(np.flatnonzero(~natural))))
        rest = self._natural_step(loss, state.take(np.flatnonzero(natural)))
        return _merged(loss, state, [(~natural, own), (natural, rest)])

    def _judged(self, state: State) -> State:
        """Look at the progress of each start, and send those that creep away."""
        carry = dict(state.carry)
        squared = squared_norm(state.local.gradient)
        since = carry["since"] + (carry["natural_left"] == 0)
        due = since > self.patience
        creeps = due & (squared > _PROGRESS * carry["reference_grad"])
        carry["since"] = np.where(due, 0, since)
        carry["reference_grad"] = np.where(due, squared, carry["reference_grad"])
        return replace(state, carry=_leaving(state, carry, creeps))

    def _rescued(self, state: State) -> State:
        """Let starts that have just got stuck for the first time go on."""
        first = state.stuck & (state.carry["n_fall_back"] == 0)
        if not first.any():
            return state
        carry = _leaving(state, dict(state.carry), first)
        return replace(state, carry=carry, stuck=state.stuck & ~first)

    def _natural_step(self, loss: Loss, state: State) -> State:
        """Take a bounded Newton step with natural signs."""
        solver = self._natural_solver(loss)
        index = np.full(len(state.rows), -1)
        inner = solver._with_guesses(replace(state, carry={"index": index}))
        after = solver.step(loss, inner)
        moved = norm(after.local.theta - state.local.theta)
        still = moved <= _NOTHING * norm(state.local.theta)
        carry = dict(state.carry)
        carry["n_fall_back"] = carry["n_fall_back"] + 1
        carry["natural_left"] = carry["natural_left"] - 1
        carry["natural_left"][still] = 0
        return self._returned(loss, replace(after, carry=carry))

    def _returned(self, loss: Loss, state: State) -> State:
        """Bring starts back whose natural steps led nowhere."""
        over = np.flatnonzero(state.carry["natural_left"] == 0)
        if len(over) == 0:
            return state
        home = take_rows(state.carry["home"], over)
        carry, stuck = dict(state.carry), state.stuck.copy()
        for name, values in self.fresh_carry(loss.at(home)).items():
            carry[name] = replace_rows(carry[name], over, values)
        stuck[over] = carry["was_stuck"][over]
        n_hvp, n_gradient = state.n_hvp.copy(), state.n_gradient.copy()
        n_hvp[over] += self.carry_cost
        n_gradient[over] += self.carry_cost
        return replace(
            state,
            local=loss.at(replace_rows(state.local.theta, over, home)),
            carry=carry,
            stuck=stuck,
            n_hvp=n_hvp,
            n_gradient=n_gradient,
        )

    def _natural_solver(self, loss: Loss) -> SaddleDynamics:
        """Return the solver whose steps a creeping start takes."""
        dense = loss.n_params_ <= MAX_DENSE_COUNT
        return SaddleDynamics(
            index="natural",
            balance=getattr(self, "balance", True),
            eigensolver="dense" if dense else "auto",
        )


def _leaving(state: State, carry: dict[str, Any], leaves: BoolArray) -> dict[str, Any]:
    """Note for starts that leave their method where they were, and why."""
    rows = np.flatnonzero(leaves)
    there = take_rows(state.local.theta, rows)
    carry["home"] = replace_rows(carry["home"], rows, there)
    carry["natural_left"] = np.where(leaves, _N_NATURAL, carry["natural_left"])
    carry["was_stuck"] = np.where(leaves, state.stuck, carry["was_stuck"])
    return carry


def _merged(loss: Loss, state: State, parts: list[tuple[BoolArray, State]]) -> State:
    """Join the rows of a batch that went different ways."""
    theta = state.local.theta
    columns = {name: state.carry[name] for name in state.carry}
    plain = {name: getattr(state, name).copy() for name in ("n_hvp", "n_gradient")}
    stuck = state.stuck.copy()
    for mask, part in parts:
        rows = np.flatnonzero(mask)
        theta = replace_rows(theta, rows, part.local.theta)
        stuck[rows] = part.stuck
        for name, column in plain.items():
            column[rows] = getattr(part, name)
        for name in columns:
            columns[name] = replace_rows(columns[name], rows, part.carry[name])
    return replace(state, local=loss.at(theta), carry=columns, stuck=stuck, **plain)
