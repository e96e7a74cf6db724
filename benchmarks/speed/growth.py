"""How time and memory grow: with samples, with starts, with batches and workers."""

import os
import time
import tracemalloc
import warnings

import numpy as np
from joblib import Parallel, delayed

from skcrit import LinearAutoencoderLoss, NewtonMRFinder
from skcrit.exceptions import NotConvergedWarning
from skcrit.solvers import NewtonMR

from . import problems
from .machine import seconds

__all__ = ["batches", "samples", "starts", "workers"]


def samples(sizes=(1_000, 10_000, 100_000, 1_000_000)):
    """Time fitting a loss and using it, for growing numbers of samples.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of samples.

    Returns
    -------
    rows : list of dict
        A row per size: the fit over one product ``X.T @ X``, and a Hessian product.
    """
    rows = []
    for n in sizes:
        X = np.random.default_rng(0).standard_normal((n, 64))
        loss = LinearAutoencoderLoss((8,)).fit(X)
        local, v = loss.at(problems.points(loss, 100)), problems.points(loss, 100)
        product = seconds(lambda X=X: X.T @ X, repeats=3)
        fit = seconds(lambda X=X: LinearAutoencoderLoss((8,)).fit(X), repeats=3)
        hvp = seconds(lambda local=local, v=v: local.hvp(v))
        rows.append({
            "samples": n,
            "fit, milliseconds": 1e3 * fit,
            "over one product": fit / product,
            "Hessian product, microseconds": 1e6 * hvp,
        })
    return rows


def starts(sizes=(10, 100, 1_000, 10_000), backend="numpy", max_iter=5):
    """Time fits with growing numbers of starts, and measure the memory they need.

    Parameters
    ----------
    sizes : sequence of int
        Numbers of starts.
    backend : str
        Array library.
    max_iter : int
        Iterations of each start: the same work for all.

    Returns
    -------
    rows : list of dict
        A row per size: time per start, and peak memory beyond what is returned.
    """
    loss, _ = problems.network(16, 4, backend)
    rows = []
    for n in sizes:
        theta = problems.points(loss, n)
        finder = NewtonMRFinder(
            init=theta, n_starts=n, max_iter=max_iter, tol=0.0, fallback=False
        )

        def fit(finder=finder):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotConvergedWarning)
                finder.fit(loss)

        took = seconds(fit, backend, repeats=3 if n <= 1_000 else 1, at_least=0.0)
        tracemalloc.start()
        fit()
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        rows.append({
            "starts": n,
            "milliseconds per start": 1e3 * took / n,
            "MB kept": kept / 1e6,
            "MB beyond that at the peak": (peak - kept) / 1e6,
        })
    return rows


def batches(sizes=(16, 64, 128, 256, 512), backend="numpy", n_starts=512):
    """Time a search in batches of several sizes.

    Parameters
    ----------
    sizes : sequence of int
        Starts per batch.
    backend : str
        Array library.
    n_starts : int
        Starts in all.

    Returns
    -------
    rows : list of dict
        A row per size.
    """
    loss, _ = problems.network(16, 4, backend)
    theta = problems.points(loss, n_starts)
    solver = NewtonMR(tol=1e-10, max_iter=20)
    rows = []
    for size in sizes:
        parts = [theta[i : i + size] for i in range(0, n_starts, size)]

        def solve(parts=parts):
            for part in parts:
                solver.solve(loss, part)

        took = seconds(solve, backend, repeats=2)
        rows.append({"batch": size, "milliseconds per start": 1e3 * took / n_starts})
    return rows


def workers(n_starts=1000, n_turns=9):
    """Time a fit with one and with two workers, and two fits beside each other.

    What two processes reach that have nothing to do with each other, each with half of
    the starts, is what the machine allows.

    Parameters
    ----------
    n_starts : int
        Number of starts.
    n_turns : int
        How often both are timed; their ratio is the median of those of all turns.

    Returns
    -------
    rows : list of dict
        A row per number of workers.
    """
    _, X = problems.network(16, 4)
    loss = LinearAutoencoderLoss((4,)).fit(X)
    theta = problems.points(loss, n_starts)
    halves = [theta[: n_starts // 2], theta[n_starts // 2 :]]
    ways = {
        "1": lambda: _fit(loss, theta),
        "2": lambda: _fit(loss, theta, n_jobs=2),
        "2, independent": lambda: Parallel(n_jobs=2)(
            delayed(_fit)(loss, half) for half in halves
        ),
    }
    took = {name: [] for name in ways}
    for turn in range(1 + n_turns):
        for name, way in ways.items():
            begin = time.perf_counter()
            way()
            if turn:  # the first one starts the workers
                took[name].append(time.perf_counter() - begin)
    rows = []
    for name, times in took.items():
        ratios = np.array(took["1"]) / np.array(times)
        rows.append({
            "workers": name,
            "cores": os.cpu_count(),
            "seconds": float(np.median(times)),
            "times faster": float(np.median(ratios)),
            "least": float(np.min(ratios)),
            "most": float(np.max(ratios)),
        })
    return rows


def _fit(loss, theta, n_jobs=1):
    """Search from all starts."""
    finder = NewtonMRFinder(init=theta, n_starts=len(theta), tol=1e-10, n_jobs=n_jobs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        finder.fit(loss)
