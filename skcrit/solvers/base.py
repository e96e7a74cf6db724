"""The loop that every solver runs: a batch of starts, each dropped when it ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from skcrit._backend import take_rows, to_host
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.losses.adapt import as_loss
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.solvers._vectors import norm
from skcrit.solvers.flatness import flatness
from skcrit.solvers.log import History, Log, Look, history_names
from skcrit.solvers.state import SolverResult, State
from skcrit.solvers.status import Status, explain_stop, stop_codes
from skcrit.solvers.tolerance import Tolerance, squared_norm
from skcrit.utils._arguments import shown

# A batch is filled up when it has become as small as this part of its width: what
# enters must be prepared, and the rest be joined with it.
_FULL = 0.75


class Solver(ABC):
    """Search critical points from a batch of starts.

    A method defines :meth:`step`; this class has the loop, the stopping rules, the
    examination of starts that fail, and the log.

    Parameters
    ----------
    tol : float or "auto", default="auto"
        A float is an absolute bound on the squared gradient norm: a start has reached
        it when its squared gradient norm is at most ``tol``, at its own point and at
        the rescaled point of its symmetry orbit. "auto" has no unit and is as strict as
        rounding allows, see :class:`~skcrit.solvers.tolerance.Tolerance`.
    max_iter : int, default=500
        Largest number of iterations per start.
    store_history : bool or list of str, default=False
        What to keep of every iterate: names out of "loss", "squared_grad_norm",
        "theta", "residual_ratio" and "kernel_ratio"; True is the first two. The last
        two cost at most 52 products per iterate, which no count includes.

    Attributes
    ----------
    columns : tuple of str
        Entries of ``carry``, one number per start, that become columns of the results.
    """

    columns: tuple[str, ...] = ()

    # How many starts run at a time; None is all. If some have ended, others that
    # wait take their places. No result depends on it.
    width: int | None = None

    def __init__(
        self,
        *,
        tol: float | str = "auto",
        max_iter: int = 500,
        store_history: bool | Sequence[str] = False,
    ) -> None:
        self.tol = tol
        self.max_iter = max_iter
        self.store_history = store_history

    @abstractmethod
    def step(self, loss: Loss, state: State) -> State:
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
            The same starts, one iteration later; a start that found no step keeps its
            point and is marked ``stuck``.
        """

    def select(self, rows: slice | BoolArray) -> Self:
        """Return the solver for some of the starts, if starts have parameters.

        Parameters
        ----------
        rows : slice or ndarray of bool of shape (n_starts,)
            Which starts of all make a batch.

        Returns
        -------
        solver : Solver
            Solver of the batch, by default this one.
        """
        return self

    def can_join(self, state: State) -> bool:
        """Return whether other starts can enter a running batch.

        Parameters
        ----------
        state : State
            Running starts.

        Returns
        -------
        can_join : bool
            False if columns of ``carry`` have another shape in every batch.
        """
        return True

    def setup(self, loss: Loss, theta0: Array) -> State:
        """Place a batch at its starts.

        Parameters
        ----------
        loss : Loss
            Fitted loss.
        theta0 : array of shape (n_starts, n_params)
            Starting points, on host or device.

        Returns
        -------
        state : State
            The batch before its first iteration.
        """
        n = theta0.shape[0]
        local = loss.at(loss.asarray(theta0))
        return State(
            local=local,
            rows=np.arange(n),
            start_norm=np.maximum(norm(local.theta), 1.0),
            n_gradient=np.ones(n, dtype=int),
            n_hvp=np.zeros(n, dtype=int),
            stuck=np.zeros(n, dtype=bool),
            n_iter=np.zeros(n, dtype=int),
        )

    def solve(self, loss: Loss, theta0: Array) -> SolverResult:
        """Run starts to their ends.

        Parameters
        ----------
        loss : Loss
            Fitted loss.
        theta0 : array of shape (n_starts, n_params)
            Starting points, on host or device.

        Returns
        -------
        result : SolverResult
            One row per start.

        Raises
        ------
        ValueError
            If the loss lacks a method of the contract, or its results have wrong
            shapes.
        """
        return self.solve_tols(loss, theta0, (self.tol,))[0]

    # Trial points far away overflow; they are rejected, which is all there is to say.
    @np.errstate(over="ignore", invalid="ignore")
    def solve_tols(
        self,
        loss: Loss,
        theta0: Array,
        tols: Sequence[float | str],
    ) -> list[SolverResult]:
        """Run starts once, and stop them at several tolerances.

        Parameters
        ----------
        loss : Loss
            Fitted loss.
        theta0 : array of shape (n_starts, n_params)
            Starting points, on host or device.
        tols : sequence of float or "auto"
            Tolerances in place of ``tol``.

        Returns
        -------
        results : list of SolverResult
            What :meth:`solve` would return at each tolerance. A step may not depend on
            ``tol``, so that every looser run is the beginning of the strictest.

        Raises
        ------
        ValueError
            If the loss lacks a method of the contract, or its results have wrong
            shapes.
        """
        loss = as_loss(loss)
        n_starts = theta0.shape[0]
        waiting = _Waiting(self, loss, theta0)
        state = waiting.enter(None)
        _check_shapes(loss, state.local)
        self._check_columns(state)
        logs = [Log(n_starts, loss.n_params_, self.columns) for _ in tols]
        rules = [Tolerance(loss, n_starts, tol) for tol in tols]
        history = History(n_starts, history_names(self.store_history))
        while True:
            value = to_host(state.local.value)
            squared = squared_norm(loss._users_gradient(state.local.gradient))
            history.record(state, value, squared)
            finite = np.isfinite(value) & np.isfinite(squared)
            codes = [
                self._stop(state, finite, _reached(state, squared, log, rule))
                for log, rule in zip(logs, rules, strict=True)
            ]
            codes, look = _explained(state, codes)
            for log, code in zip(logs, codes, strict=True):
                log.record(state, value, squared, code, look)
            running = np.any([log.running[state.rows] for log in logs], axis=0)
            if running.any():
                if not running.all():
                    state = state.take(np.flatnonzero(running))
                state = waiting.enter(self._stepped(loss, state))
            elif waiting.n_left:
                state = waiting.enter(None)
            else:
                return [history.attach(log.result) for log in logs]

    def _stepped(self, loss: Loss, state: State) -> State:
        """Take a step, and refuse what is no state of the same starts."""
        after: Any = self.step(loss, replace(state, n_iter=state.n_iter + 1))
        shape = tuple(np.shape(state.local.theta))
        came = "" if isinstance(after, State) else f"got {shown(after)}"
        if not came and tuple(np.shape(after.local.theta)) != shape:
            came = f"got points of shape {tuple(np.shape(after.local.theta))}"
        if came:
            raise ValueError(
                f"step of {type(self).__name__} must return a State of the same "
                f"starts, with local at points of shape {shape}, {came}. "
                "dataclasses.replace(state, ...) makes one."
            )
        return after

    def _check_columns(self, state: State) -> None:
        """Refuse names of columns that the method does not carry."""
        for name in self.columns:
            column: Any = state.carry.get(name)
            if np.shape(column) != state.rows.shape:
                raise ValueError(
                    f"columns of {type(self).__name__} must be names of entries of "
                    "carry with one number per start, which setup makes, got "
                    f"{name!r}; carry has {sorted(state.carry)}."
                )

    def _stop(self, state: State, finite: FloatArray, reached: FloatArray) -> IntArray:
        """Decide which starts end here, and why."""
        return stop_codes(
            finite=finite,
            growth=norm(state.local.theta) / state.start_norm,
            reached=reached,
            stuck=state.stuck,
            n_iter=state.n_iter,
            max_iter=self.max_iter,
        )


class _Waiting:
    """Starts that wait for a place in a batch that runs."""

    def __init__(self, solver: Solver, loss: Loss, theta0: Array) -> None:
        self.solver, self.loss, self.theta0 = solver, loss, theta0
        self.n_starts = theta0.shape[0]
        self.width = min(solver.width or self.n_starts, self.n_starts)
        self.n_entered = 0

    @property
    def n_left(self) -> int:
        """Number of starts that wait."""
        return self.n_starts - self.n_entered

    def enter(self, state: State | None) -> State:
        """Fill free places, if there are enough of them."""
        n_running = 0 if state is None else len(state.rows)
        full = n_running > _FULL * self.width or self.n_left == 0
        if state is not None and (full or not self.solver.can_join(state)):
            return state
        first = self.n_entered
        rows = slice(first, min(first + self.width - n_running, self.n_starts))
        self.n_entered = rows.stop
        solver = (
            self.solver if rows == slice(0, self.n_starts) else self.solver.select(rows)
        )
        fresh = solver.setup(self.loss, self.theta0[rows, ...])
        fresh = replace(fresh, rows=np.arange(rows.start, rows.stop))
        return fresh if state is None else State.concatenate([state, fresh])


def _check_shapes(loss: Loss, local: LocalModel) -> None:
    """Refuse a loss whose results would be broadcast to something else."""
    n, n_params = local.theta.shape
    for name, expected in (("value", (n,)), ("gradient", (n, n_params))):
        shape = tuple(np.shape(getattr(local, name)))
        if shape != expected:
            raise ValueError(
                f"{name} of {type(loss).__name__} must have shape {expected} at {n} "
                f"points, got shape {shape}. skcrit.utils.testing.check_loss says more."
            )


def _reached(
    state: State, squared: FloatArray, log: Log, rule: Tolerance
) -> FloatArray:
    """Find the starts that have reached a tolerance, at their rescaled points too."""
    # Along the badly scaled valleys of a symmetric loss the gradient tends to zero and
    # no critical point is near. The rescaled point is where this shows.
    measure = rule.measure(state.local, squared)
    bound = rule.bound(state, measure)
    reached = measure <= bound
    rows = np.flatnonzero(reached & log.running[state.rows])
    if len(rows) == 0:
        return reached
    theta = take_rows(state.local.theta, rows)
    moved = state.local.loss.rescale(theta)
    if moved is theta:
        return reached
    loss = state.local.loss
    there = loss.at(moved)
    squared = squared_norm(loss._users_gradient(there.gradient))
    reached[rows] &= rule.measure(there, squared) <= bound[rows]
    return reached


def _explained(state: State, codes: list[IntArray]) -> tuple[list[IntArray], Look]:
    """Distinguish gradient-flat ends from others that made no progress."""
    look = Look.nothing(len(state.rows))
    fruitless = np.isin(codes, (Status.STALLED, Status.MAX_ITER)).any(axis=0)
    rows = np.flatnonzero(fruitless)
    # A start that was given no iteration has not failed.
    rows = rows[state.n_iter[rows] > 0]
    if len(rows) == 0:
        return codes, look
    look = look.replace(rows, Look(*flatness(state.local.take(rows))))
    ratios = look.residual_ratio, look.kernel_ratio
    return [explain_stop(code, *ratios) for code in codes], look
