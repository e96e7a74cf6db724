"""Searches that creep, handed over to bounded steps with natural signs."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np

from skcrit._backend import array_namespace, replace_rows, take_rows, to_host
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.losses.base import Loss
from skcrit.losses.symmetries import rescaled
from skcrit.solvers._trust import adapted
from skcrit.solvers._vectors import norm
from skcrit.solvers.base import Solver
from skcrit.solvers.natural_step import UNCHOSEN, natural_step
from skcrit.solvers.signed_step import LONGEST
from skcrit.solvers.state import State
from skcrit.solvers.tolerance import squared_norm

# A search creeps when this many iterations have not brought its squared gradient norm
# down to a tenth of the best before. On the paper's data 97 in 100 searches of
# Newton-MR never wait that long, and on badly scaled data it can go on for hundreds.
_PATIENCE = 20
_PROGRESS = 0.1

# When the number of ascent directions is chosen again: the second time after twice as
# many steps, lest a search go back and forth on one way.
_AGAIN = (_PATIENCE, 3 * _PATIENCE)

# The steps that take over need not lower the gradient norm at first, and they are
# bounded: with many directions to go they halve it only now and then.
_LAST_PATIENCE = 100
_LAST_PROGRESS = 0.5

# A descent makes progress too if the loss is lower than where progress was last noted,
# and the point at least this many length scales away from there: along a bent valley
# the gradient norm stays the same, and a descent that creeps hardly moves.
_FAR = LONGEST

# What is carried besides what the method carries.
_WATCH = (
    "n_fallback",
    "n_waiting",
    "best",
    "mark",
    "has_fallen",
    "fallback_index",
    "is_free",
    "home",
    "trust",
)


class Fallback(Solver):
    """Run a method, and continue slow or stuck searches with natural steps.

    If the squared gradient norm of a search does not fall to a tenth in 20 iterations,
    or if it finds no step, it continues with
    :func:`~skcrit.solvers.natural_step.natural_step`: up along as many eigenvectors of
    the Hessian as have negative eigenvalues at that point, down along the others, each
    direction with a bound of its own. At first all of them together are half a length
    scale long; the bound is doubled or halved depending on how well the quadratic model
    predicts the gradient. Such steps do not minimise a function and so cannot be
    trapped in its minima. If 20 of them do not halve the squared gradient norm, and
    again if 60 do not, the number of directions is chosen anew, because the search may
    be among critical points of other indices. If 100 steps do not, the search ends at
    the point at which the method was left, for example at a gradient-flat point.

    A search that goes down in all directions makes progress in another way as well: if
    its loss has fallen, and it has moved by half a length scale. Along a bent valley it
    can go on like that for hundreds of iterations.

    Parameters
    ----------
    solver : Solver
        The method. If it chooses an index for each start, that index is kept.
    index : ndarray of int of shape (n_starts,) or None, default=None
        Numbers of ascent directions, never chosen again, of starts that take natural
        steps from the beginning; -1, or None for all, begins with the method.

    Notes
    -----
    All other searches are the same as without it, bit for bit. Points of symmetric
    losses are rescaled after each natural step. The column "n_fallback" counts these
    steps.
    """

    def __init__(self, solver: Solver, index: IntArray | None = None) -> None:
        super().__init__(
            tol=solver.tol,
            max_iter=solver.max_iter,
            store_history=solver.store_history,
        )
        self.solver = solver
        self.index = index
        self.columns = (*solver.columns, "n_fallback")

    def select(self, rows: slice | BoolArray) -> Self:  # noqa: D102 (documented in Solver)
        part = copy(self)
        part.solver = self.solver.select(rows)
        part.index = None if self.index is None else self.index[rows]
        return part

    def can_join(self, state: State) -> bool:  # noqa: D102
        return self.solver.can_join(state)

    def setup(self, loss: Loss, theta0: Array) -> State:  # noqa: D102
        state = self.solver.setup(loss, theta0)
        n = len(state.rows)
        index = np.full(n, UNCHOSEN) if self.index is None else self.index
        count, best = np.zeros(n, dtype=int), np.full(n, np.inf)
        asked = index != UNCHOSEN
        trust = np.full(n, _least_trust(state))
        theta = state.local.theta
        watch = count, count, best, theta, asked, index, ~asked, theta, trust
        carry = state.carry | dict(zip(_WATCH, watch, strict=True))
        return replace(state, carry=carry)

    def step(self, loss: Loss, state: State) -> State:  # noqa: D102
        state = _watched(loss, state)
        fallen = state.carry["has_fallen"]
        if not fallen.any():
            return self._own(loss, state)
        if fallen.all():
            return _natural(loss, state)
        rows, others = np.flatnonzero(fallen), np.flatnonzero(~fallen)
        natural = _natural(loss, state.take(rows))
        own = self._own(loss, state.take(others))
        return _merged(loss, state, (rows, natural), (others, own))

    def _stop(self, state: State, finite: FloatArray, reached: BoolArray) -> IntArray:
        """Decide which starts end here; the method may let its own go on."""
        codes = super()._stop(state, finite, reached)
        own = self.solver._stop(state, finite, reached)
        return np.where(state.carry["has_fallen"], codes, own)

    def _own(self, loss: Loss, state: State) -> State:
        """Take a step of the method; what finds none falls back with the next one."""
        own = {name: c for name, c in state.carry.items() if name not in _WATCH}
        after = self.solver.step(loss, replace(state, carry=own))
        carry = state.carry | after.carry
        carry["has_fallen"] = after.stuck.copy()
        return replace(after, carry=carry, stuck=np.zeros_like(after.stuck))


def _watched(loss: Loss, state: State) -> State:
    """Note the progress of searches, and find those that creep."""
    carry = state.carry.copy()
    squared = squared_norm(state.local.gradient)
    progress = np.where(carry["has_fallen"], _LAST_PROGRESS, _PROGRESS)
    better = squared <= progress * carry["best"]
    carry["best"] = np.where(better, squared, carry["best"])
    better |= _gets_on(loss, state, carry["n_waiting"] + 1)
    carry["n_waiting"] = np.where(better, 0, carry["n_waiting"] + 1)
    carry["mark"] = _chosen(loss, better, state.local.theta, carry["mark"])
    creeps = ~carry["has_fallen"] & (carry["n_waiting"] >= _PATIENCE)
    carry["has_fallen"] = carry["has_fallen"] | creeps
    begins = carry["has_fallen"] & (carry["n_fallback"] == 0)
    # The steps that take over have a patience of their own.
    carry["n_waiting"] = np.where(begins, 0, carry["n_waiting"])
    carry["home"] = _chosen(loss, begins, state.local.theta, carry["home"])
    if "index_asked" in carry:
        free = begins & (carry["fallback_index"] == UNCHOSEN)
        index = np.where(free, carry["index_asked"], carry["fallback_index"])
        carry["fallback_index"] = index
        carry["is_free"] = carry["is_free"] & ~(free & (index != UNCHOSEN))
    # Where it is now there may be no critical point of the index chosen: choose again.
    again = carry["has_fallen"] & carry["is_free"] & np.isin(carry["n_waiting"], _AGAIN)
    carry["fallback_index"] = np.where(again, UNCHOSEN, carry["fallback_index"])
    return replace(state, carry=carry)


def _gets_on(loss: Loss, state: State, n_waiting: IntArray) -> BoolArray:
    """Return which descents have gone far when their patience would end."""
    carry, fallen = state.carry, state.carry["has_fallen"]
    own = carry.get("index_asked", np.full(len(fallen), UNCHOSEN))
    index = np.where(fallen, carry["fallback_index"], own)
    over = n_waiting >= np.where(fallen, _LAST_PATIENCE, _PATIENCE)
    rows = np.flatnonzero(over & (index == 0))
    result = np.zeros(len(fallen), dtype=bool)
    if len(rows):
        mark, here = (take_rows(a, rows) for a in (carry["mark"], state.local.theta))
        far = norm((here - mark) / loss.asarray(loss.length_scale())) >= _FAR
        result[rows] = far & to_host(loss.value(here) < loss.value(mark))
    return result


def _natural(loss: Loss, state: State) -> State:
    """Take a natural step with all starts."""
    carry = state.carry.copy()
    step = natural_step(loss, state.local, carry["fallback_index"], carry["trust"])
    carry["fallback_index"] = step.index
    carry["trust"] = adapted(
        carry["trust"], step.error, step.growth, _least_trust(state)
    )
    carry["n_fallback"] = carry["n_fallback"] + 1
    # What took natural steps from its beginning has the method left to try.
    first = carry["n_fallback"] == state.n_iter
    gives_up = carry["n_waiting"] >= _LAST_PATIENCE
    theta = rescaled(loss, state.local.theta + step.p)
    theta = _chosen(loss, gives_up, carry["home"], theta)
    begins, stuck = gives_up & first, gives_up & ~first
    carry["has_fallen"] = carry["has_fallen"] & ~begins
    fresh = {
        "n_fallback": 0,
        "n_waiting": 0,
        "best": np.inf,
        "fallback_index": UNCHOSEN,
        "trust": _least_trust(state),
    }
    for name, value in fresh.items():
        carry[name] = np.where(begins, value, carry[name])
    return replace(
        state,
        local=loss.at(theta),
        carry=carry,
        stuck=stuck,
        n_hvp=state.n_hvp + step.n_hvp,
        n_gradient=state.n_gradient + 2,
    )


def _least_trust(state: State) -> float:
    """Return the factor for which all directions together have the length of one."""
    return state.local.theta.shape[-1] ** -0.5


def _chosen(loss: Loss, which: BoolArray, theta: Array, other: Array) -> Array:
    """Return points of one batch in some rows, and of another in the rest."""
    rows = loss.asarray(which) > 0
    return array_namespace(theta).where(rows[:, None], theta, other)


def _merged(loss: Loss, state: State, *parts: tuple[IntArray, State]) -> State:
    """Put starts that took different steps together again."""
    # Local models have no rows to put together: one is made of all points at the end.
    nowhere: Any = None
    theta, merged = state.local.theta, replace(state, local=nowhere)
    for rows, part in parts:
        theta = replace_rows(theta, rows, part.local.theta)
        merged = merged.replace(rows, replace(part, local=nowhere))
    return replace(merged, local=loss.at(theta))
