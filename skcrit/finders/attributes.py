"""From the outcome of a search to the fitted attributes of a finder."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from skcrit._typing import FloatArray, IntArray
from skcrit.linalg import LinearStatus
from skcrit.search.engine import SearchResult
from skcrit.solvers.status import Status

# Columns of methods that hold codes, by name.
_CODES: dict[str, type[IntEnum]] = {"inner_status": LinearStatus}


def fitted_attributes(result: SearchResult) -> dict[str, Any]:
    """Collect the fitted attributes of a finder, as BaseFinder documents them."""
    runs, sets = result.runs, result.sets
    found = result.labels >= 0
    attributes = {
        "start_params_": result.starts,
        "final_params_": runs.theta,
        "converged_": runs.status == Status.CONVERGED,
        "n_iter_": int(np.max(runs.n_iter, initial=0)),
        "results_": results_table(result),
        "critical_points_": sets.point,
        "critical_losses_": sets.loss,
        "morse_indices_": sets.morse_index,
        "index_fractions_": sets.index_fraction,
        "index_interval_": np.stack(
            [sets.index_fraction_low, sets.index_fraction_high], axis=-1
        ),
        "inertia_shares_": sets.inertia.share,
        "inertia_intervals_": np.stack([sets.inertia.low, sets.inertia.high], axis=-1),
        "inertia_levels_": sets.inertia.level,
        "nullities_": sets.nullity,
        "n_critical_sets_": len(sets.loss),
        "counts_": np.bincount(result.labels[found], minlength=len(sets.loss)),
        "is_continuum_": result.is_continuum,
    }
    if runs.history:
        attributes["history_"] = _padded(runs.history)
    return attributes


def results_table(result: SearchResult) -> dict[str, Any]:
    """Tabulate the starts of a search, ready for ``pandas.DataFrame``."""
    runs, ends = result.runs, result.ends
    return {
        "loss": runs.loss,
        "squared_grad_norm": runs.squared_grad_norm,
        "squared_balanced_grad_norm": ends.squared_balanced_grad_norm,
        "n_iter": runs.n_iter,
        "n_gradient": runs.n_gradient,
        "n_hvp": runs.n_hvp,
        "status": _names(Status, runs.status),
        "residual_ratio": runs.residual_ratio,
        "kernel_ratio": runs.kernel_ratio,
        **{name: _text(name, column) for name, column in runs.extra.items()},
        "converged": runs.status == Status.CONVERGED,
        "distance": ends.distance,
        "morse_index": ends.morse_index,
        "morse_index_low": ends.morse_index_low,
        "morse_index_high": ends.morse_index_high,
        "nullity": ends.nullity,
        "critical_set": result.labels,
    }


def _text(name: str, column: IntArray) -> Any:
    """Spell out a column of codes; leave others as they are."""
    return _names(_CODES[name], column) if name in _CODES else column


def _names(codes: type[IntEnum], values: IntArray) -> Any:
    """Spell codes out; -1 is nothing."""
    return np.array([codes(v).name if v >= 0 else "" for v in values])


def _padded(history: dict[str, list[FloatArray]]) -> dict[str, FloatArray]:
    """Put runs of different lengths into arrays, NaN after their ends."""
    padded = {}
    for name, runs in history.items():
        length = max(len(run) for run in runs)
        padded[name] = np.full((len(runs), length, *runs[0].shape[1:]), np.nan)
        for row, run in enumerate(runs):
            padded[name][row, : len(run)] = run
    return padded
