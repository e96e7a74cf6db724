"""What is noted of a batch while it runs: ends for each tolerance, and iterates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from skcrit._backend import to_host
from skcrit._rows import Rows
from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.solvers.flatness import flatness
from skcrit.solvers.state import SolverResult, State
from skcrit.solvers.status import RUNNING, Status

# What can be kept of every iterate.
HISTORY = ("loss", "squared_grad_norm", "theta", "residual_ratio", "kernel_ratio")

# Ends that are looked at once more.
_FAILED = (Status.STALLED, Status.MAX_ITER, Status.GRADIENT_FLAT)


@dataclass
class Look(Rows):
    """What a last look at the ends of failed searches found, a row per start."""

    residual_ratio: FloatArray  # how flat the loss is; NaN if not examined
    kernel_ratio: FloatArray
    n_hvp: IntArray  # products spent; beside them one gradient

    @classmethod
    def nothing(cls, n: int) -> Self:
        """Make a record of starts that were not observed: NaN, and no cost."""
        return cls(np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, dtype=int))


class Log:
    """Collect what is known of each start until it ends.

    ``columns`` are the names of what the method adds.
    """

    def __init__(self, n_starts: int, n_params: int, columns: Sequence[str]) -> None:
        def nan() -> FloatArray:
            return np.full(n_starts, np.nan)

        def zero() -> IntArray:
            return np.zeros(n_starts, dtype=int)

        self.running = np.ones(n_starts, dtype=bool)
        self.result = SolverResult(
            theta=np.full((n_starts, n_params), np.nan),
            loss=nan(),
            squared_grad_norm=nan(),
            n_iter=zero(),
            n_gradient=zero(),
            n_hvp=zero(),
            status=np.full(n_starts, Status.MAX_ITER),
            residual_ratio=nan(),
            kernel_ratio=nan(),
            extra={name: zero() for name in columns},
        )

    def record(
        self,
        state: State,
        value: FloatArray,
        squared: FloatArray,
        codes: IntArray,
        look: Look,
    ) -> None:
        """Note everything about the starts that end here, by their codes."""
        # Only starts that failed at this tolerance have a look, and its costs, in their
        # rows.
        done = self.running[state.rows] & (codes != RUNNING)
        if not done.any():
            return
        self.running[state.rows[done]] = False
        ended, result = state.rows[done], self.result
        result.theta[ended] = to_host(state.local.theta)[done]
        result.loss[ended] = value[done]
        result.squared_grad_norm[ended] = squared[done]
        result.n_iter[ended] = (state.n_iter - state.stuck)[done]
        result.n_gradient[ended] = state.n_gradient[done]
        result.n_hvp[ended] = state.n_hvp[done]
        result.status[ended] = codes[done]
        failed = done & np.isin(codes, _FAILED)
        ended = state.rows[failed]
        result.residual_ratio[ended] = look.residual_ratio[failed]
        result.kernel_ratio[ended] = look.kernel_ratio[failed]
        result.n_gradient[ended] += look.n_hvp[failed] > 0
        result.n_hvp[ended] += look.n_hvp[failed]
        ended = state.rows[done]
        for name, column in list(result.extra.items()):
            ends = to_host(state.carry[name])[done]
            if not np.can_cast(ends.dtype, column.dtype, "same_kind"):
                column = result.extra[name] = column.astype(ends.dtype)
            column[ended] = ends


def history_names(store_history: bool | Sequence[str]) -> tuple[str, ...]:
    """Return what is kept of every iterate, or raise ValueError."""
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


class History:
    """Collect the iterates of all starts, once for all tolerances."""

    def __init__(self, n_starts: int, names: tuple[str, ...]) -> None:
        self.n_starts, self.names = n_starts, names
        self.rows: list[IntArray] = []
        self.columns: dict[str, list[FloatArray]] = {name: [] for name in names}

    def record(self, state: State, value: FloatArray, squared: FloatArray) -> None:
        """Note the current iterates."""
        if not self.names:
            return
        # A start that found no step stands where it stood: it has no new iterate.
        new: BoolArray = ~state.stuck
        self.rows.append(state.rows[new])
        columns = {"loss": value, "squared_grad_norm": squared}
        if "theta" in self.names:
            columns["theta"] = to_host(state.local.theta)
        if "residual_ratio" in self.names or "kernel_ratio" in self.names:
            ratios = flatness(state.local)[:2]
            columns["residual_ratio"], columns["kernel_ratio"] = ratios
        for name in self.names:
            self.columns[name].append(np.array(columns[name][new], float))

    def attach(self, result: SolverResult) -> SolverResult:
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
