"""Claims about the runs that are checked point by point."""

import numpy as np
from as_published import collapses

from skcrit.losses import GradientNormLoss

__all__ = [
    "early_stops",
    "flat_minima",
    "published_index",
    "reached",
    "slope_of_newton_tr",
]

# What the study calls a negative eigenvalue of the Hessian.
PUBLISHED_CUTOFF = -1e-5

# How searches end that have reached their tolerance: at a critical point, away from
# any, and on the way to infinity. Only the first have converged.
REACHED = ("CONVERGED", "UNCONFIRMED", "ESCAPED")

# A slope |H g| below this part of |H| |g| counts as zero, an eigenvalue of the Hessian
# of the gradient norm above this part of the largest counts as not negative.
SLOPE, EIGENVALUE = 1e-6, -1e-6


def published_index(finder):
    """Compute the index as the study does, at the end points as they are.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.

    Returns
    -------
    index : ndarray of shape (n_starts,)
        Fraction of the eigenvalues of the Hessian below -1e-5.
    """
    eigenvalues = np.linalg.eigvalsh(finder.loss_.hessian(finder.final_params_))
    return np.mean(eigenvalues < PUBLISHED_CUTOFF, axis=1)


def reached(finder):
    """Find the runs that have reached the tolerance of a finder.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.

    Returns
    -------
    reached : ndarray of bool of shape (n_starts,)
        Whether the squared gradient norm is at most ``tol``, which is all that the
        study asks for; not every such point has a critical point nearby.
    """
    return np.isin(finder.results_["status"], REACHED)


def slope_of_newton_tr(finder, low=1e-24, high=1e-6):
    """Measure by how much the published Newton-TR converges per iteration.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder with a history.
    low, high : float
        Range of the squared gradient norm that counts as the end of a run.

    Returns
    -------
    slopes : ndarray of shape (n_runs,)
        Decades of squared gradient norm per iteration of the runs that get to ``low``.
    """
    slopes = []
    for run in finder.history_["squared_grad_norm"]:
        run = run[np.isfinite(run)]
        inside = np.flatnonzero((run < high) & (run > low))
        if len(inside) > 1 and run[-1] <= low:
            fall = np.log10(run[inside[0]] / run[inside[-1]])
            slopes.append(fall / (inside[-1] - inside[0]))
    return np.array(slopes)


def early_stops(finder):
    """Look for an acceptable step wherever gradient norm minimisation stopped early.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.

    Returns
    -------
    n_stops : int
        Runs that stopped before their budget was spent, and above 1e-20.
    n_collapses : int
        Those of them at which a step that meets both Wolfe conditions exists.
    """
    early = finder.results_["n_iter"] < finder.max_iter
    early &= finder.results_["squared_grad_norm"] > 1e-20
    exists, _ = collapses(finder.loss_, finder.final_params_[early])
    return int(np.sum(early)), int(np.sum(exists))


def flat_minima(finder, tol):
    """Find the failed runs that ended at a local minimum of the gradient norm.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder.
    tol : float
        Runs with a larger squared gradient norm have failed.

    Returns
    -------
    n_failed : int
        Failed runs.
    n_minima : int
        Those at which the slope ``H g`` vanishes and the Hessian of ``|g|^2 / 2`` has
        no negative eigenvalue.
    slope : float
        Median of ``|H g| / (|H| |g|)`` over the failed runs, NaN without any.
    """
    theta = finder.final_params_[finder.results_["squared_grad_norm"] >= tol]
    if len(theta) == 0:
        return 0, 0, np.nan
    loss = GradientNormLoss().fit(finder.loss_)
    gradient, slope = finder.loss_.gradient(theta), loss.gradient(theta)
    size = np.linalg.norm(finder.loss_.hessian(theta), ord=2, axis=(1, 2))
    ratio = np.linalg.norm(slope, axis=1)
    ratio /= size * np.linalg.norm(gradient, axis=1)
    eigenvalues = np.linalg.eigvalsh(loss.hessian(theta))
    bowl = eigenvalues[:, 0] > EIGENVALUE * eigenvalues[:, -1]
    minima = (ratio < SLOPE) & bowl
    return len(theta), int(np.sum(minima)), float(np.median(ratio))
