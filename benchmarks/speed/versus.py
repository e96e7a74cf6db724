"""All methods from the same starts: success, products, gradients, seconds."""

import time

import numpy as np

from skcrit import TrajectoryStarts

from . import problems
from .objective import judge
from .solvers import METHODS

__all__ = ["compare"]


# Methods that are also run from more starts: a batch of ours costs less per start then.
FROM_MORE = ("NewtonMRFinder", "scipy root, lm")


def compare(n_starts=100, n_more=500):
    """Run every method on the study's network from starts on descents.

    Parameters
    ----------
    n_starts : int
        Number of starts.
    n_more : int
        Number of starts from which Newton-MR and SciPy's Levenberg-Marquardt method run
        once more.

    Returns
    -------
    rows : list of dict
        A row per method; counts and seconds are per start.
    """
    loss, _ = problems.network(16, 4)
    runs = [(name, name, n_starts) for name in METHODS]
    runs += [(f"{name}, {n_more} starts", name, n_more) for name in FROM_MORE]
    rows = []
    for title, name, n in runs:
        sampler = TrajectoryStarts(by="height", n_trajectories=5)
        theta0 = sampler.sample(loss, n, np.random.RandomState(0))
        begin = time.perf_counter()
        theta, n_hvp, n_gradient = METHODS[name](loss, theta0)
        took = time.perf_counter() - begin
        rows.append({
            "method": title,
            **judge(loss, theta),
            "products": float(n_hvp / n),
            "gradients": float(n_gradient / n),
            "milliseconds": 1e3 * took / n,
        })
    return rows
