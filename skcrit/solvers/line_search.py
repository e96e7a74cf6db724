"""Backtracking on the squared gradient norm, for a batch of starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._backend import replace_rows, take_rows
from skcrit._typing import Array
from skcrit.solvers.tolerance import squared_norm


@dataclass
class LineSearchResult:
    """Accepted points of a line search."""

    theta: object  # the old ones if no step was accepted
    step_size: np.ndarray  # zero if none was
    n_gradient: np.ndarray


def armijo(
    loss: Any,
    theta: Array,
    p: Array,
    *,
    reference: Any,
    slope: Any,
    step_size: Any = 1.0,
    sufficient_decrease: Any = 1e-4,
    backtrack: Any = 0.5,
    max_backtracks: Any = 30,
) -> LineSearchResult:
    """Shorten steps until the squared gradient norm decreases sufficiently."""
    # The first length gamma of step_size * backtrack**j is accepted for which
    #     |g(theta + gamma p)|^2 <= reference + sufficient_decrease * gamma * slope
    # and the left side is below the reference, so that a step must have an effect.
    # The reference is the squared gradient norm at theta, or for a non-monotone search
    # the largest of the last few. The slope is 2 p^T H g; a positive one, from rounding
    # or a regularised system, counts as zero. A length costs one gradient, but only for
    # starts that still search. Points with a non-finite gradient are never accepted.
    n = len(reference)
    accepted_size, n_gradient = np.zeros(n), np.zeros(n, dtype=int)
    new_theta, pending, gamma = theta, np.arange(n), step_size
    slope = np.minimum(slope, 0.0)
    for _ in range(max_backtracks + 1):
        scaled = loss.asarray(gamma)
        trial = take_rows(theta, pending) + scaled * take_rows(p, pending)
        squared = squared_norm(loss.gradient(trial))
        n_gradient[pending] += 1
        bound = reference[pending] + sufficient_decrease * gamma * slope[pending]
        good = (squared <= bound) & (squared < reference[pending])
        if good.any():
            rows = pending[good]
            accepted_size[rows] = gamma
            values = take_rows(trial, np.flatnonzero(good))
            new_theta = replace_rows(new_theta, rows, values)
        pending = pending[~good]
        if len(pending) == 0:
            break
        gamma = gamma * backtrack
    return LineSearchResult(new_theta, accepted_size, n_gradient)


def push_reference(recent: Array, squared: Array, window: int) -> Array:
    """Remember the last few squared gradient norms of each start, newest last."""
    # Their largest is the reference of armijo (Grippo, Lampariello & Lucidi 1986).
    return np.concatenate([recent, squared[:, None]], axis=1)[:, -int(window) :]
