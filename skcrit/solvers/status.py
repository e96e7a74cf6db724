"""Why a search ended, one code per start, and the rules that decide it."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from skcrit._typing import BoolArray, FloatArray, IntArray

__all__ = ["RUNNING", "Status", "explain_stop", "stop_codes"]

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
        "the search met a non-finite value or left every bound; start closer or bound "
        "the step"
    ),
    Status.UNCONFIRMED: (
        "tol is reached, and Newton steps from there lead away: tol is too loose for "
        "this loss; make it stricter, or use tol='auto'"
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
    """Decide for each start whether it stops: non-finite, tolerance, stuck, budget.

    A small step is never by itself convergence: only the gradient decides.

    Parameters
    ----------
    finite : ndarray of bool of shape (n,)
        Whether loss and gradient are finite.
    growth : ndarray of shape (n,)
        Norm of the point relative to that of its start (at least one).
    reached : ndarray of bool of shape (n,)
        Whether the gradient is within the tolerance.
    stuck : ndarray of bool of shape (n,)
        Whether the last step failed.
    n_iter : ndarray of int of shape (n,) or int
        Iterations done.
    max_iter : int
        Iterations allowed.

    Returns
    -------
    codes : ndarray of int of shape (n,)
        A :class:`Status` or ``RUNNING``.
    """
    codes = np.full(len(finite), RUNNING)
    codes[np.broadcast_to(n_iter >= max_iter, codes.shape)] = Status.MAX_ITER
    codes[stuck] = Status.STALLED
    codes[reached] = Status.CONVERGED
    codes[~finite | (growth > MAX_GROWTH)] = Status.DIVERGED
    return codes


def explain_stop(
    codes: IntArray, residual_ratio: FloatArray, kernel_ratio: FloatArray
) -> IntArray:
    """Tell gradient-flat ends from the others that made no progress.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        Codes of :func:`stop_codes`.
    residual_ratio : ndarray of shape (n,)
        ``|r| / (|H| |p| + |g|)`` with the residual ``r = H p + g``; NaN if unknown.
    kernel_ratio : ndarray of shape (n,)
        ``|H r| / (|H| |r|)``; NaN if unknown.

    Returns
    -------
    codes : ndarray of int of shape (n,)
        The same, with GRADIENT_FLAT where the first ratio is close to one and the
        second close to zero.
    """
    fruitless = np.isin(codes, (Status.STALLED, Status.MAX_ITER))
    with np.errstate(invalid="ignore"):
        flat = (residual_ratio >= FLAT_RATIO) & (kernel_ratio <= KERNEL_RATIO)
    return np.where(fruitless & flat, Status.GRADIENT_FLAT, codes)
