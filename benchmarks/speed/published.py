"""One Newton-MR iteration against automatic differentiation over the samples."""

import os
import subprocess
import sys
from pathlib import Path

import autograd
import autograd.numpy as anp
import numpy as np
from joblib import Parallel, delayed
from scipy.sparse.linalg import LinearOperator, minres

from skcrit.solvers import NewtonMR

from . import problems
from .machine import seconds

__all__ = ["against_autograd", "published_seconds"]

# Inner products of one Newton-MR iteration, as the study counts.
N_INNER = 25

N_SAMPLES = 10_000

# Arrays of the samples are so large that glibc would request each from the system and
# return it, if its thresholds were not raised.
KEEP = {"MALLOC_MMAP_THRESHOLD_": "1000000000", "MALLOC_TRIM_THRESHOLD_": "1000000000"}


def against_autograd(n_starts=100):
    """Compare one Newton-MR iteration with differentiation over the samples.

    Parameters
    ----------
    n_starts : int
        Starts of our batch; the others are done one by one.

    Returns
    -------
    rows : list of dict
        A row per way; the last two columns say how many times longer it takes than
        one worker of ours, and than two.
    """
    loss, _ = problems.network(16, 4, n_samples=N_SAMPLES)
    theta = problems.points(loss, n_starts)
    ours = [_per_step(loss, theta, n_workers) for n_workers in (1, 2)]
    ways = {
        f"skcrit, a batch of {n_starts}": ours[0],
        f"skcrit, two workers, a batch of {n_starts} each": ours[1],
        f"autograd over {N_SAMPLES} samples": _in_a_process({}),
        "the same, with an allocator that keeps memory": _in_a_process(KEEP),
    }
    return [
        {
            "way": way,
            "milliseconds": 1e3 * took,
            "times one worker": took / ours[0],
            "times two workers": took / ours[1],
        }
        for way, took in ways.items()
    ]


def _per_step(loss, theta, n_workers, n_steps=100):
    """Time an iteration per start, with a batch for each worker."""
    with Parallel(n_jobs=n_workers) as parallel:
        calls = [delayed(_take_steps)(loss, theta, n_steps)] * n_workers
        took = seconds(lambda: parallel(calls), repeats=3)
    return took / (n_steps * n_workers * len(theta))


def _take_steps(loss, theta, n_steps):
    """Take the same step again and again."""
    solver = NewtonMR(tol=0.0, max_iter=1, max_inner_iter=N_INNER, inner_tol=0.0)
    state = solver.setup(loss, theta)
    for _ in range(n_steps):
        solver.step(loss, state)


def _in_a_process(variables):
    """Time the published way with environment variables of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import *; print(published_seconds())"],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def published_seconds():
    """Time one iteration from one start in the published way.

    Returns
    -------
    seconds : float
        Median.
    """
    loss, X = problems.network(16, 4, n_samples=N_SAMPLES)
    theta = problems.points(loss, 1)[0]
    gradient, hvp = _autograd_derivatives(loss, X)
    np.testing.assert_allclose(gradient(theta), loss.gradient(theta), atol=1e-10)
    v = np.random.default_rng(0).standard_normal(loss.n_params_)
    np.testing.assert_allclose(hvp(theta, v), loss.hvp(theta, v), atol=1e-10)
    return seconds(lambda: _published_step(theta, gradient, hvp))


def _autograd_derivatives(loss, X):
    """Differentiate the mean squared error over the samples, as the study did."""
    data, shapes = (X - loss.mean_).T, [(4, 16), (16, 4)]

    def value(theta):
        first = anp.reshape(theta[:64], shapes[0])
        last = anp.reshape(theta[64:], shapes[1])
        residual = anp.dot(last, anp.dot(first, data)) - data
        return anp.sum(residual**2) / data.size

    gradient = autograd.grad(value)
    product = autograd.grad(lambda theta, v: anp.dot(gradient(theta), v))
    return gradient, product


def _published_step(theta, gradient, hvp):
    """Take one Newton-MR step: products in a loop, then the search for a length."""
    g = gradient(theta)
    size = (len(theta),) * 2
    operator = LinearOperator(size, matvec=lambda v: hvp(theta, v), dtype=float)
    p, _ = minres(operator, -g, rtol=0.0, maxiter=N_INNER)
    length, slope = 1.0, g @ hvp(theta, p)
    while True:
        new = gradient(theta + length * p)
        if new @ new <= g @ g + 2e-4 * length * slope or length < 1e-8:
            return theta + length * p
        length /= 2
