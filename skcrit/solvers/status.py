"""Why a search ended, one code per start, and the rules that decide it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from skcrit._typing import BoolArray, FloatArray, IntArray

RUNNING = -1

# A point counts as gradient-flat when the best step removes less than a tenth of the
# gradient from the linear system, and what it leaves lies in the kernel of the Hessian
# (the thresholds of Frye et al. 2021, arXiv:2003.10397).
FLAT_RATIO = 0.9
KERNEL_RATIO = 5e-4

# A point counts as lost when its norm has grown by this factor.
MAX_GROWTH = 1e8


class Status(IntEnum):
    """Outcome of a search from one start."""

    CONVERGED = 0
    GRADIENT_FLAT = 1
    STALLED = 2
    MAX_ITER = 3
    DIVERGED = 4
    UNCONFIRMED = 5
    ESCAPED = 6

    @property
    def text(self) -> str:
        """The outcome in a sentence that says what to do about it."""
        return _TEXTS[self]


_TEXTS = {
    Status.CONVERGED: (
        "the squared gradient norm is at most tol, and Newton steps to the level of "
        "rounding stay near"
    ),
    Status.GRADIENT_FLAT: (
        "the gradient lies in the near-kernel of the Hessian as far as the search saw "
        "it; start elsewhere, or solve more accurately (inner_tol, max_inner_iter)"
    ),
    Status.STALLED: (
        "no step was accepted; try more lengths (max_backtracks, max_trials), or "
        "loosen tol, which may lie below rounding"
    ),
    Status.MAX_ITER: "the budget is spent; increase max_iter or loosen tol",
    Status.DIVERGED: (
        "a value was not finite, or the point went very far away; start closer, or "
        "bound the step"
    ),
    Status.UNCONFIRMED: (
        "tol is reached, but Newton steps from there lead away; use tol='auto'. If it "
        "is 'auto', rounding hides the gradient: scale the data or the parameters"
    ),
    Status.ESCAPED: (
        "the gradient vanishes towards infinity, or the search left the bounds: there "
        "is no critical point on the way; add a penalty, or start elsewhere"
    ),
}


def stop_codes(
    *,
    finite: BoolArray,
    growth: FloatArray,
    reached: BoolArray,
    stuck: BoolArray,
    n_iter: IntArray | int,
    max_iter: int,
) -> IntArray:
    """Decide for each start whether it stops: non-finite, tolerance, stuck, budget."""
    # A small step is never by itself convergence: only the gradient decides. growth is
    # the norm of the point relative to that of its start (at least one).
    codes = np.full(len(finite), RUNNING)
    codes[np.broadcast_to(n_iter >= max_iter, codes.shape)] = Status.MAX_ITER
    codes[stuck] = Status.STALLED
    codes[reached] = Status.CONVERGED
    codes[~finite | (growth > MAX_GROWTH)] = Status.DIVERGED
    return codes


def explain_stop(
    codes: IntArray, residual_ratio: FloatArray, kernel_ratio: FloatArray
) -> IntArray:
    """Distinguish gradient-flat ends from others that made no progress."""
    # The ratios are those of flatness, NaN if unknown: the first close to one, the
    # second close to zero.
    fruitless = np.isin(codes, (Status.STALLED, Status.MAX_ITER))
    with np.errstate(invalid="ignore"):
        flat = (residual_ratio >= FLAT_RATIO) & (kernel_ratio <= KERNEL_RATIO)
    return np.where(fruitless & flat, Status.GRADIENT_FLAT, codes)
