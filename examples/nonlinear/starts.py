"""Speed on 4-5-3: ten starts, beside the published finder."""

from functools import partial

import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale
from tools import fitted

from skcrit import (
    GradNormFinder,
    MLPLoss,
    NewtonMRFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)

# Fits with each finder, of whose times the median is taken.
N_FITS = 3


def finders():
    """List what searches 4-5-3 from ten starts."""
    common = {"n_starts": 10, "init": "gaussian", "random_state": 0}
    return [
        NewtonMRFinder(**common),
        NewtonMRFinder(max_iter=100, **common),
        NewtonMRFinder(tol=1e-20, **common),
        NewtonMRFinder(tol=1e-20, max_iter=100, **common),
        GradNormFinder(minimizer="lm", **common),
        GradNormFinder(minimizer="lm", max_iter=500, **common),
        SaddleDynamicsFinder(**common),
        NewtonTRFinder(max_iter=200, fallback=False, **common),
        # Others, to see what the ten starts are worth.
        NewtonMRFinder(
            tol=1e-20, max_iter=100, n_starts=100, init="gaussian", random_state=1
        ),
    ]


def ten_starts(finder):
    """Search 4-5-3 with softplus units on iris from ten starts.

    The published finder took 10.2 s per start, it is not known of which kind, and got 2
    of 10 other starts below 1e-20.
    """
    X, y = load_iris(return_X_y=True)
    # Penalty: 1e-3 times the squared norm of the weights.
    loss = MLPLoss((5,), "softplus", loss="log_loss", alpha=0.3).fit(scale(X), y)
    spent = []
    for _ in range(N_FITS):
        finder, seconds = fitted(finder, loss)
        spent.append([seconds.processor, seconds.wall])
    seconds = np.median(spent, axis=0) / finder.n_starts
    small_gradient = finder.results_["squared_grad_norm"] < 1e-20
    # The classes are of equal size: log 3 is the loss without any weights.
    constant = np.abs(finder.results_["loss"] - np.log(3)) < 1e-9
    return {
        "what": "4-5-3 softplus on iris",
        "finder": type(finder).__name__,
        "starts": finder.n_starts,
        "max_iter, tol": [finder.max_iter, finder.tol],
        "below 1e-20": int(np.sum(small_gradient)),
        "of them constant predictors": int(np.sum(small_gradient & constant)),
        "confirmed": int(np.sum(finder.converged_)),
        "sets": finder.n_critical_sets_,
        "seconds per start: processor, wall": np.round(seconds, 3).tolist(),
    }


def tasks(small=False):
    """List the finders.

    Parameters
    ----------
    small : bool, default=False
        Whether to do little.

    Yields
    ------
    task : callable
        Returns what was measured, for each finder.
    """
    for finder in finders()[3:4] if small else finders():
        yield partial(ten_starts, finder)
