"""Whether a search that ends without success stands on gradient-flat ground."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from skcrit._backend import take_rows
from skcrit._typing import BoolArray
from skcrit.linalg import KrylovSystem, flatness_level
from skcrit.solvers.base import dot
from skcrit.solvers.damped import residual_ratio

if TYPE_CHECKING:
    from skcrit.solvers.base import State

__all__ = ["explain_ends", "flatness"]

# Products that flatness spends on a point, the default of Newton-MR.
MAX_FLATNESS_COST = 50


def explain_ends(state: State, ending: BoolArray) -> State:
    """Measure how flat the loss is where searches end without success.

    Parameters
    ----------
    state : State
        Running starts.
    ending : ndarray of bool of shape (n,)
        Which of them end here.

    Returns
    -------
    state : State
        The same, with the residual ratio of a Newton step that is blind to the
        near-kernel: the ratio of a longer step is small there, for the step is huge.
    """
    rows = np.flatnonzero(ending)
    if len(rows) == 0:
        return state
    local = state.local.loss.at(take_rows(state.local.theta, rows))
    ratio, n_hvp = state.residual_ratio.copy(), state.n_hvp.copy()
    n_gradient = state.n_gradient.copy()
    ratio[rows], spent = flatness(local)
    n_hvp[rows] += spent
    n_gradient[rows] += 1
    return replace(state, residual_ratio=ratio, n_hvp=n_hvp, n_gradient=n_gradient)


def flatness(local):
    """Tell how little of the gradient a Newton step can remove.

    Parameters
    ----------
    local : LocalModel
        Loss at a batch of points.

    Returns
    -------
    ratio : ndarray of shape (n,)
        ``|H p + g| / (|H| |p| + |g|)`` for the minimum-residual step p that takes
        eigenvalues below 1e-5 of the largest for zero: near one where the gradient lies
        in the near-kernel of the Hessian, which is where searches on the gradient norm
        get stuck. A search that is merely slow has no such gradient.
    n_hvp : ndarray of int of shape (n,)
        Products spent, at most 50.
    """
    system = KrylovSystem(local.hvp, -local.gradient, MAX_FLATNESS_COST)
    p = system.truncated(flatness_level)
    norm = np.sqrt(dot(local.gradient, local.gradient))
    return residual_ratio(system, p, norm), system.n_matvec
