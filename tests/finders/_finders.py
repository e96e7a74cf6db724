"""Small fits, a user's own method, as small as it can be, and one that is watched."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from joblib import hash as hash_of

from skcrit import BaseFinder, LinearAutoencoderLoss, NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.solvers import Solver

# Searches that fail are the subject, or do not matter, where this is used.
ignore_failures = pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")


# Columns of results_ that every method has, and their kinds.
COLUMNS = {
    "loss": "f",
    "squared_grad_norm": "f",
    "squared_balanced_grad_norm": "f",
    "n_iter": "i",
    "n_gradient": "i",
    "n_hvp": "i",
    "status": "U",
    "residual_ratio": "f",
    "kernel_ratio": "f",
    "converged": "b",
    "distance": "f",
    "morse_index": "i",
    "morse_index_low": "i",
    "morse_index_high": "i",
    "nullity": "i",
    "critical_set": "i",
}


def data(eigenvalues=(4.0, 3.0, 2.0, 1.0), n_samples=60, **options):
    return make_gaussian_spectrum(
        n_samples, eigenvalues=eigenvalues, exact=True, random_state=0, **options
    )


def autoencoder(eigenvalues, hidden, **params):
    X = make_gaussian_spectrum(100, eigenvalues=eigenvalues, exact=True, random_state=0)
    return LinearAutoencoderLoss(hidden, **params).fit(X)


def small(cls=NewtonMRFinder, loss=None, **params):
    params = {"n_starts": 12, "init": "gaussian", "random_state": 0, **params}
    return cls(loss, **params)


def assert_same_fit(a, b):
    """Bitwise."""
    for name in ("start_params_", "final_params_", "converged_", "critical_points_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    for name in ("critical_losses_", "morse_indices_", "nullities_", "counts_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    assert a.results_.keys() == b.results_.keys()
    for name, column in a.results_.items():
        np.testing.assert_array_equal(b.results_[name], column, err_msg=name)


class PseudoInverse(Solver):
    """Full Newton steps with the pseudoinverse of the dense Hessian."""

    def __init__(self, *, cut=1e-6, log=None, **params):
        super().__init__(**params)
        self.cut = cut
        self.log = log

    def solve(self, loss, theta0):
        if self.log is not None:
            log = Path(self.log)
            done = log.read_text().count("\n") if log.exists() else 0
            if done >= 2 and log.with_suffix(".armed").exists():
                raise KeyboardInterrupt
            log.write_text("solved\n" * (done + 1))
        return super().solve(loss, theta0)

    def step(self, loss, state):
        theta, hessian = state.local.theta, state.local.hessian()
        inverse = np.linalg.pinv(hessian, rcond=self.cut, hermitian=True)
        p = -(inverse @ state.local.gradient[..., None])[..., 0]
        p = p / np.maximum(1, np.linalg.norm(p, axis=-1, keepdims=True))
        n_gradient = state.n_gradient + 1
        return replace(state, local=loss.at(theta + p), n_gradient=n_gradient)


class PseudoInverseFinder(BaseFinder):
    """Only the solver is defined: all parameters are those of BaseFinder."""

    def _make_solver(self):
        return PseudoInverse(
            tol=self.tol, max_iter=self.max_iter, store_history=self.store_history
        )


FINDERS = [NewtonMRFinder, PseudoInverseFinder]


class LoggingFinder(BaseFinder):
    """A parameter of its own: where the solver notes that it was called."""

    _parameter_constraints = {**BaseFinder._parameter_constraints, "log": [str]}

    def __init__(
        self,
        loss=None,
        *,
        n_starts=100,
        init="height",
        tol=1e-10,
        max_iter=500,
        batch_size=None,
        n_jobs=None,
        memory=None,
        store_history=False,
        random_state=None,
        verbose=0,
        log="",
    ):
        super().__init__(
            loss=loss,
            n_starts=n_starts,
            init=init,
            tol=tol,
            max_iter=max_iter,
            batch_size=batch_size,
            n_jobs=n_jobs,
            memory=memory,
            store_history=store_history,
            random_state=random_state,
            verbose=verbose,
        )
        self.log = log

    def _make_solver(self):
        return PseudoInverse(tol=self.tol, max_iter=self.max_iter, log=self.log)


class Watched:
    """A solver that leaves a file for each batch that it has solved.

    A file "fatal" in the folder holds the number of solved batches at which the next
    one ends badly: the process that takes it away dies at once, as by the kernel's
    killer, or, if the file says "wait", stands still until somebody ends it.
    """

    def __init__(self, solver, folder):
        self.solver = solver
        self.folder = folder

    def solve(self, loss, theta0):
        self.suffer()
        result = self.solver.solve(loss, theta0)
        name = f"solved-{hash_of(theta0)}-{os.getpid()}-{uuid4().hex}"
        (self.folder / name).touch()
        return result

    def suffer(self):
        fatal = self.folder / "fatal"
        try:
            limit, *how = fatal.read_text().split()
            if len(solved(self.folder)) < int(limit):
                return
            # Only one process can take it.
            fatal.rename(self.folder / "suffered")
        except FileNotFoundError:
            return
        if how == ["wait"]:
            time.sleep(600)
        os.kill(os.getpid(), signal.SIGKILL)


def solved(folder):
    """Name the batches that were solved and the processes, as often as it was done."""
    return sorted(tuple(path.name.split("-")[1:3]) for path in folder.glob("solved-*"))


class WatchedFinder(NewtonMRFinder):
    """Newton-MR that is watched in ``folder``, which is no parameter."""

    folder = None

    def _make_solver(self):
        return Watched(super()._make_solver(), self.folder)
