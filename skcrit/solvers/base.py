"""The loop that every solver runs: a batch of starts, each dropped when it ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from skcrit._backend import array_namespace, take_rows, to_host
from skcrit._tables import html_table, text_table
from skcrit._typing import Array, BoolArray
from skcrit.losses.adapt import as_loss
from skcrit.solvers.status import RUNNING, Status, explain_stop, stop_codes

if TYPE_CHECKING:
    from skcrit.losses.base import LocalModel, Loss

__all__ = ["Solver", "SolverResult", "State", "history_names"]

# What can be kept of every iterate.
HISTORY = ("loss", "squared_grad_norm", "theta")


@dataclass
class State:
    """Running starts of a batch: device arrays for the mathematics, host for the log.

    Attributes
    ----------
    local : LocalModel
        Loss at the current points.
    rows : ndarray of int of shape (n,)
        Numbers of the starts in the batch.
    start_norm : ndarray of shape (n,)
        Norms of the starting points, at least one.
    n_gradient, n_hvp : ndarray of int of shape (n,)
        Gradients and Hessian-vector products spent.
    stuck : ndarray of bool of shape (n,)
        Whether the last step failed.
    residual_ratio : ndarray of shape (n,)
        ``|H p + g| / (|H| |p| + |g|)`` of the last step, NaN before the first.
    inner_status : ndarray of int of shape (n,)
        Status of the last linear solve, -1 before the first.
    memory : array of shape (n, ...)
        Whatever a solver carries from step to step, on host or device.
    n_iter : int
        Iterations done, the same for all that still run.
    """

    local: LocalModel
    rows: np.ndarray
    start_norm: np.ndarray
    n_gradient: np.ndarray
    n_hvp: np.ndarray
    stuck: np.ndarray
    residual_ratio: np.ndarray
    inner_status: np.ndarray
    memory: np.ndarray
    n_iter: int = 0

    def take(self, keep: BoolArray) -> Self:
        """Select starts.

        Parameters
        ----------
        keep : ndarray of bool of shape (n,)
            Which to select.

        Returns
        -------
        state : State
            The selected starts.
        """
        if keep.all():
            return self
        rows = np.flatnonzero(keep)
        arrays = {
            f.name: take_rows(getattr(self, f.name), rows)
            for f in fields(self)
            if f.name not in {"local", "n_iter"}
        }
        theta = take_rows(self.local.theta, rows)
        return replace(self, local=self.local.loss.at(theta), **arrays)


@dataclass
class SolverResult:
    """Outcome of a batch, one row per start, on the host.

    It prints as a table of the medians by status.

    Attributes
    ----------
    theta : ndarray of shape (n_starts, n_params)
        Last finite points.
    loss : ndarray of shape (n_starts,)
        Loss there.
    squared_grad_norm : ndarray of shape (n_starts,)
        Squared gradient norm there.
    n_iter, n_gradient, n_hvp : ndarray of int of shape (n_starts,)
        Iterations, gradients and Hessian-vector products spent.
    status : ndarray of int of shape (n_starts,)
        Codes of :class:`~skcrit.solvers.Status`.
    inner_status : ndarray of int of shape (n_starts,)
        Status of the last linear solve, -1 where there was none.
    residual_ratio : ndarray of shape (n_starts,)
        ``|H p + g| / (|H| |p| + |g|)`` of the last step, NaN where there was none.
    history : dict of str to list of ndarray
        Per start what was asked for of all its iterates, by name.
    """

    theta: np.ndarray
    loss: np.ndarray
    squared_grad_norm: np.ndarray
    n_iter: np.ndarray
    n_gradient: np.ndarray
    n_hvp: np.ndarray
    status: np.ndarray
    inner_status: np.ndarray
    residual_ratio: np.ndarray
    history: dict = field(default_factory=dict)

    def __repr__(self):
        return f"{self._title()}\n{text_table(self._by_status())}"

    def _repr_html_(self):
        return html_table(self._title(), self._by_status())

    def _title(self):
        n_starts, n_params = self.theta.shape
        return f"{type(self).__name__}: {n_starts} starts, {n_params} parameters"

    def _by_status(self):
        """Count the starts of each status, and say how far they came."""
        rows = {code.name: self.status == code for code in Status}
        rows = {name: mask for name, mask in rows.items() if mask.any()}

        def medians(column):
            return [np.median(column[mask]) for mask in rows.values()]

        return {
            "status": list(rows),
            "starts": [int(mask.sum()) for mask in rows.values()],
            "iterations": medians(self.n_iter),
            "products": medians(self.n_hvp),
            "loss": medians(self.loss),
            "squared grad norm": medians(self.squared_grad_norm),
        }


class Solver(ABC):
    """Search critical points from a batch of starts.

    A method defines :meth:`step`; the loop, the stopping rules and the log are here.

    Parameters
    ----------
    tol : float, default=1e-10
        Absolute, on the squared gradient norm: a start has converged when its squared
        gradient norm is at most ``tol``, at its own point and at the rescaled point of
        its symmetry orbit.
    max_iter : int, default=500
        Largest number of iterations per start.
    store_history : bool or list of str, default=False
        What to keep of every iterate: names out of "loss", "squared_grad_norm" and
        "theta"; True is the first two.
    """

    def __init__(
        self,
        *,
        tol: float = 1e-10,
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

    def select(self, rows: slice) -> Self:
        """Return the solver for some of the starts, where starts have parameters.

        Parameters
        ----------
        rows : slice
            Which starts of all make a batch.

        Returns
        -------
        solver : Solver
            Solver of the batch, by default this one.
        """
        return self

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
            start_norm=np.maximum(_norm(local.theta), 1.0),
            n_gradient=np.ones(n, dtype=int),
            n_hvp=np.zeros(n, dtype=int),
            stuck=np.zeros(n, dtype=bool),
            residual_ratio=np.full(n, np.nan),
            inner_status=np.full(n, -1),
            memory=np.empty((n, 0)),
        )

    def solve(self, loss: Loss, theta0: Array) -> SolverResult:
        """Run a batch of starts to its end.

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
            If the loss lacks a method that the solver needs.
        """
        return self.solve_tols(loss, theta0, (self.tol,))[0]

    # Trial points far away overflow; they are rejected, which is all there is to say.
    @np.errstate(over="ignore", invalid="ignore")
    def solve_tols(
        self, loss: Loss, theta0: Array, tols: Sequence[float]
    ) -> list[SolverResult]:
        """Run a batch of starts once, and stop it at several tolerances.

        Parameters
        ----------
        loss : Loss
            Fitted loss.
        theta0 : array of shape (n_starts, n_params)
            Starting points, on host or device.
        tols : sequence of float
            Tolerances in place of ``tol``.

        Returns
        -------
        results : list of SolverResult
            What :meth:`solve` would return at each tolerance: a step may not depend on
            ``tol``, so that every looser run is the beginning of the strictest.

        Raises
        ------
        ValueError
            If the loss lacks a method that the solver needs.
        """
        loss = as_loss(loss)
        state = self.setup(loss, theta0)
        n_starts = len(state.rows)
        logs = [_Log(n_starts, loss.n_params_) for _ in tols]
        history, names = _History(n_starts), history_names(self.store_history)
        while True:
            if state.n_iter == 0:
                _check_shapes(loss, state.local)
            value, squared = to_host(state.local.value), squared_norm(state.local)
            runs = [log.running[state.rows] for log in logs]
            pairs = zip(runs, tols, strict=True)
            near = np.any([run & (squared <= tol) for run, tol in pairs], axis=0)
            worst = _worst_norm(state, squared, np.flatnonzero(near))
            if names:
                theta = to_host(state.local.theta) if "theta" in names else None
                columns = {"loss": value, "squared_grad_norm": squared, "theta": theta}
                history.record(state, {name: columns[name] for name in names})
            finite = np.isfinite(value) & np.isfinite(squared)
            for log, tol in zip(logs, tols, strict=True):
                codes = self._stop(state, finite, worst, tol)
                log.record(state, value, squared, codes)
            state = state.take(
                np.any([log.running[state.rows] for log in logs], axis=0)
            )
            if len(state.rows) == 0:
                return [history.attach(log.result) for log in logs]
            state = self.step(loss, replace(state, n_iter=state.n_iter + 1))

    def _stop(self, state, finite, squared, tol):
        """Decide which starts end here, and why."""
        codes = stop_codes(
            finite=finite,
            growth=_norm(state.local.theta) / state.start_norm,
            squared_grad_norm=squared,
            tol=tol,
            stuck=state.stuck,
            n_iter=state.n_iter,
            max_iter=self.max_iter,
        )
        return explain_stop(codes, state.residual_ratio)


def _check_shapes(loss, local):
    """Refuse a loss whose results would be broadcast to something else."""
    n, n_params = local.theta.shape
    for name, expected in (("value", (n,)), ("gradient", (n, n_params))):
        shape = tuple(np.shape(getattr(local, name)))
        if shape != expected:
            raise ValueError(
                f"{name} of {type(loss).__name__} must have shape {expected} at {n} "
                f"points, got shape {shape}. skcrit.utils.testing.check_loss says more."
            )


def _worst_norm(state, squared, rows):
    """Take the larger of the norms at a point and at its rescaled point, for rows."""
    # Along the badly scaled valleys of a symmetric loss the gradient tends to zero and
    # no critical point is near. The rescaled point is where this shows.
    if len(rows) == 0:
        return squared
    loss, theta = state.local.loss, take_rows(state.local.theta, rows)
    scaled = loss.rescale(theta)
    if scaled is theta:
        return squared
    worst = squared.copy()
    worst[rows] = np.maximum(squared[rows], squared_norm(loss.at(scaled)))
    return worst


class _Log:
    """Collect what is known of each start until it ends."""

    def __init__(self, n_starts, n_params):
        self.running = np.ones(n_starts, dtype=bool)
        self.result = SolverResult(
            theta=np.full((n_starts, n_params), np.nan),
            loss=np.full(n_starts, np.nan),
            squared_grad_norm=np.full(n_starts, np.nan),
            n_iter=np.zeros(n_starts, dtype=int),
            n_gradient=np.zeros(n_starts, dtype=int),
            n_hvp=np.zeros(n_starts, dtype=int),
            status=np.full(n_starts, Status.MAX_ITER),
            inner_status=np.full(n_starts, -1),
            residual_ratio=np.full(n_starts, np.nan),
        )

    def record(self, state, value, squared, codes):
        """Note everything about the starts that end here."""
        done = self.running[state.rows] & (codes != RUNNING)
        if not done.any():
            return
        self.running[state.rows[done]] = False
        ended, result = state.rows[done], self.result
        result.theta[ended] = to_host(state.local.theta)[done]
        result.loss[ended] = value[done]
        result.squared_grad_norm[ended] = squared[done]
        result.n_iter[ended] = state.n_iter - state.stuck[done]
        result.n_gradient[ended] = state.n_gradient[done]
        result.n_hvp[ended] = state.n_hvp[done]
        result.status[ended] = codes[done]
        result.inner_status[ended] = state.inner_status[done]
        result.residual_ratio[ended] = state.residual_ratio[done]


def history_names(store_history: bool | Sequence[str]) -> tuple[str, ...]:
    """Say what is kept of every iterate.

    Parameters
    ----------
    store_history : bool or list of str
        Parameter of a solver or finder.

    Returns
    -------
    names : tuple of str
        Names of the columns.

    Raises
    ------
    ValueError
        If a name is none of ``HISTORY``.
    """
    if isinstance(store_history, bool | np.bool_):
        return HISTORY[:2] if store_history else ()
    unknown = isinstance(store_history, str) or any(
        not isinstance(name, str) or name not in HISTORY for name in store_history
    )
    if unknown:
        raise ValueError(
            f"store_history must be a bool or a list of names out of {HISTORY}, got "
            f"{store_history!r}."
        )
    return tuple(dict.fromkeys(store_history))


class _History:
    """Collect the iterates of all starts, once for all tolerances."""

    def __init__(self, n_starts):
        self.n_starts, self.rows, self.columns = n_starts, [], {}

    def record(self, state, columns):
        """Note the current iterates."""
        # A start that found no step stands where it stood: it has no new iterate.
        new = ~state.stuck
        self.rows.append(state.rows[new])
        for name, values in columns.items():
            self.columns.setdefault(name, []).append(np.array(values[new], float))

    def attach(self, result):
        """Give a result the iterates of its starts, each up to its end."""
        if not self.rows:
            return result
        rows = np.concatenate(self.rows)
        order = np.argsort(rows, kind="stable")
        ends = np.cumsum(np.bincount(rows, minlength=self.n_starts))[:-1]
        history = {}
        for name, parts in self.columns.items():
            runs = np.split(np.concatenate(parts)[order], ends)
            pairs = zip(runs, result.n_iter, strict=True)
            history[name] = [run[: n_iter + 1] for run, n_iter in pairs]
        return replace(result, history=history)


def dot(a, b):
    """Multiply vectors row by row.

    Parameters
    ----------
    a, b : array of shape (n, n_params)
        Vectors.

    Returns
    -------
    product : ndarray of shape (n,)
        Inner products, on the host.
    """
    xp = array_namespace(a)
    return to_host(xp.sum(a * b, axis=-1))


def squared_norm(local):
    """Compute the squared gradient norm on the host.

    Parameters
    ----------
    local : LocalModel
        Loss at a batch of points.

    Returns
    -------
    squared_grad_norm : ndarray of shape (n,)
        Sums of squares; infinite or NaN where the gradient is not finite. Where all
        squares underflow it is the smallest normal number, which bounds them: only a
        gradient of zeros has norm zero.
    """
    xp = array_namespace(local.gradient)
    gradient = local.gradient
    with np.errstate(over="ignore", invalid="ignore"):
        squared = xp.sum(gradient * gradient, axis=-1)
        lost = (squared == 0) & xp.any(gradient != 0, axis=-1)
        tiny = xp.full_like(squared, float(xp.finfo(squared.dtype).smallest_normal))
        return to_host(xp.where(lost, tiny, squared))


def _norm(theta):
    """Compute the norms of points on the host."""
    xp = array_namespace(theta)
    with np.errstate(over="ignore", invalid="ignore"):
        return to_host(xp.sqrt(xp.sum(theta * theta, axis=-1)))
