"""All methods from the same starts: success, products, gradients, seconds."""

import time

import numpy as np

from skcrit import TrajectoryStarts

from . import problems
from .objective import judge
from .solvers import METHODS

__all__ = ["compare"]


def compare(n_starts=100):
    """Run every method on the study's network from starts on descents.

    Parameters
    ----------
    n_starts : int
        Number of starts.

    Returns
    -------
    rows : list of dict
        A row per method; counts and seconds are per start.
    """
    loss, _ = problems.network(16, 4)
    sampler = TrajectoryStarts(by="height", n_trajectories=5)
    theta0 = sampler.sample(loss, n_starts, np.random.RandomState(0))
    rows = []
    for name, run in METHODS.items():
        begin = time.perf_counter()
        theta, n_hvp, n_gradient = run(loss, theta0)
        took = time.perf_counter() - begin
        rows.append({
            "method": name,
            **judge(loss, theta),
            "products": float(n_hvp / n_starts),
            "gradients": float(n_gradient / n_starts),
            "milliseconds": 1e3 * took / n_starts,
        })
    return rows
