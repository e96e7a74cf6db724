"""Index fractions of networks whose Hessian is too large to be formed.

The digits of scikit-learn are enlarged from 8x8 to 28x28 pixels, bordered with dead
ones.
"""

import resource
import time
from functools import partial

import numpy as np
from tools import bounds_at, enlarged_digits, fitted

from skcrit import MLPLoss, NewtonMRFinder

# Repetitions of a gradient or product, whose median is taken.
N_TIMES = 5


def seconds_of(call):
    """Return the median processor time of a call."""
    spent = []
    for _ in range(N_TIMES):
        begin = time.process_time()
        call()
        spent.append(time.process_time() - begin)
    return float(np.median(spent))


def examine(hidden, alpha, n_samples, n_starts, max_iter):
    """Search a few critical points, and bound the index where searches end.

    Parameters
    ----------
    hidden : int
        Hidden units.
    alpha : float
        Weight of the penalty.
    n_samples, n_starts, max_iter : int
        Numbers of images, of searches and of iterations of each.

    Returns
    -------
    row : dict
        What was measured.
    """
    X, y = enlarged_digits(n_samples)
    loss = MLPLoss((hidden,), "silu", loss="log_loss", alpha=alpha)
    finder = NewtonMRFinder(loss, n_starts=n_starts, max_iter=max_iter, random_state=0)
    finder.set_params(tol=1e-4)
    finder, searched = fitted(finder, X, y)
    theta = finder.final_params_[0]
    loss, begin = finder.loss_, time.process_time()
    found = bounds_at(loss, theta).inertia
    bounded = time.process_time() - begin
    local, v = loss.at(theta), np.ones_like(theta)
    return {
        "network": f"784-{hidden}-10",
        "parameters": finder.n_params_,
        "alpha": alpha,
        "images": n_samples,
        "searches, iterations of each": [n_starts, max_iter],
        "status": finder.results_["status"].tolist(),
        "squared gradient norms": finder.results_["squared_grad_norm"].tolist(),
        "level": float(found.level[0]),
        "negative, flat, positive": found.share[0].tolist(),
        "their intervals": np.stack([found.low[0], found.high[0]], axis=-1).tolist(),
        "units that are silent, constant or duplicated": str(
            loss.unit_degeneracies(theta)
        ),
        "processor seconds: gradient, product, search, verdict": [
            round(seconds_of(lambda: loss.gradient(theta)), 4),
            round(seconds_of(lambda: local.hvp(v)), 4),
            round(searched.processor / n_starts, 1),
            round(bounded, 1),
        ],
        # Of the process so far: networks come by size, and after small ones.
        "peak memory, MB": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        ),
    }


def tasks(small=False):
    """List the networks.

    Parameters
    ----------
    small : bool, default=False
        Whether to do little.

    Yields
    ------
    task : callable
        Returns what was measured, for each network.
    """
    sizes = (100, 1, 5) if small else (500, 2, 30)
    for hidden in (30,) if small else (30, 100):
        for alpha in (0.1, 0.0):
            yield partial(examine, hidden, alpha, *sizes)
