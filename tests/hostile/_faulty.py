"""A finder whose solver notes every batch, and fails when a file says so."""

import os
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from skcrit import BaseFinder, LinearAutoencoderLoss
from skcrit.losses import Loss
from skcrit.solvers import NewtonMR

__all__ = ["X", "FaultyFinder", "Well", "batches", "main"]

X = np.array([[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]])


class FaultyNewton(NewtonMR):
    """Newton-MR that notes its batches in a file."""

    log = ""

    def solve(self, loss, theta0):
        fault = Path(f"{self.log}.fault")
        kind, after = fault.read_text().split() if fault.exists() else ("none", 0)
        # The file's name says when: not the number of notes alone, since workers race.
        if kind != "none" and batches(self.log) >= int(after):
            _fail(kind, fault)
        with open(self.log, "a") as log:
            log.write("solved\n")
        return super().solve(loss, theta0)


def _fail(kind, fault):
    """Fail once, or slow down."""
    if kind == "slow":
        time.sleep(0.2)
        return
    fault.unlink(missing_ok=True)
    if kind == "raise":
        raise FloatingPointError("the loss has no value here")
    os.kill(os.getpid(), signal.SIGKILL)


class FaultyFinder(BaseFinder):
    """All parameters are those of BaseFinder; the log is an attribute of the class."""

    log = ""

    def _make_solver(self):
        solver = FaultyNewton(tol=self.tol, max_iter=self.max_iter)
        solver.log = type(self).log
        return solver


def batches(log):
    """Count the batches that were solved."""
    path = Path(log)
    return path.read_text().count("\n") if path.exists() else 0


def fit(log, memory, **params):
    """Search in 8 batches of 2 starts."""
    FaultyFinder.log = str(log)
    params = {"n_starts": 16, "batch_size": 2, "init": "gaussian", **params}
    loss = LinearAutoencoderLoss((2,)).fit(X)
    return FaultyFinder(memory=memory, **{"random_state": 0, **params}).fit(loss)


class Well(Loss):
    """A double well in each of two parameters, with faults of its own."""

    def __init__(self, fault="none"):
        self.fault = fault

    def fit(self, X=None, y=None):
        self.n_params_ = 2
        return self

    def value(self, theta):
        value = np.sum((theta**2 - 1) ** 2, axis=-1)
        if self.fault == "nan":
            value = np.where(theta[..., 0] > 3, np.nan, value)
        return value[..., None] if self.fault == "shape of value" else value

    def gradient(self, theta):
        gradient = 4 * theta * (theta**2 - 1)
        if self.fault == "nan":
            gradient = np.where(theta[..., :1] > 3, np.nan, gradient)
        if self.fault == "raise":
            raise FloatingPointError("the loss has no value here")
        return gradient[..., :1] if self.fault == "shape of gradient" else gradient

    def hvp(self, theta, v):
        product = (12 * theta**2 - 4) * v
        if self.fault == "asymmetric":
            product = product + np.stack([3 * v[..., 1], 0 * v[..., 1]], axis=-1)
        return product[..., :1] if self.fault == "shape of hvp" else product


def no_value(theta):
    """Return what is no array of numbers."""
    return


def main():
    """Fit with the arguments of the command line: log, memory, number of workers."""
    log, memory, n_jobs = sys.argv[1:4]
    finder = fit(log, memory, n_jobs=int(n_jobs))
    print(finder.results_["loss"].tobytes().hex())


def interrupted():
    """Fit again and again, interrupted at random moments, until a fit gets through."""
    log, memory, seed = sys.argv[1:4]
    rng, interrupts = np.random.default_rng(int(seed)), 0

    def interrupt(signum, frame):
        raise KeyboardInterrupt

    signal.signal(signal.SIGALRM, interrupt)
    warnings.simplefilter("ignore")  # what could not be written is written later
    for _ in range(30):
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.001, 0.05))
        try:
            fit(log, memory)
        except KeyboardInterrupt:
            interrupts += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finder = fit(log, memory)
    print(interrupts, finder.results_["loss"].tobytes().hex())
