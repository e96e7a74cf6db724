"""Rows of the tables, and how points are put before the library."""

import warnings
from dataclasses import dataclass

import numpy as np

from skcrit.search.engine import solve_batch
from skcrit.search.problem import pose
from skcrit.solvers import NewtonMR, Status

__all__ = ["Row", "judge", "label"]


@dataclass
class Row:
    """A line of a table: what was tried, how often, and what came out."""

    what: str
    n: int
    wrong: int
    known: float = np.nan


def label(loss, theta):
    """Have points judged as ends of searches, as every finder does for its starts.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : ndarray of shape (n, n_params)
        Points.

    Returns
    -------
    ends : Description
        A row per point.
    """
    solver = NewtonMR(max_iter=0, tol=np.inf)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return solve_batch(solver, pose(loss), theta, None)[0][1]


def judge(what, ends, index, nullity):
    """Compare reported counts with the true ones.

    Parameters
    ----------
    what : str
        Name of the row.
    ends : Description
        What the library says.
    index, nullity : array-like
        True counts, one for all points or one for each.

    Returns
    -------
    row : Row
        ``wrong`` counts known labels that are not right, and bounds that do not hold.
    """
    found = ends.morse_index
    known = found >= 0
    wrong = known & ((found != index) | (ends.nullity != nullity))
    confirmed = ends.status == Status.CONVERGED
    wrong |= confirmed & (ends.morse_index_low > index)
    wrong |= confirmed & (ends.morse_index_high < index)
    return Row(what, len(found), int(np.sum(wrong)), float(np.mean(known)))
