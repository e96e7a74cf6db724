"""The methods: ours in a batch, SciPy's one start after the other."""

import warnings

import numpy as np
from scipy.optimize import minimize, root

from skcrit import GradNormFinder, NewtonMRFinder, SaddleDynamicsFinder
from skcrit.exceptions import NotConvergedWarning

from .objective import TOL

__all__ = ["METHODS"]

# Iterations that every method may take.
MAX_ITER = 1000


class Counted:
    """A loss at one point at a time, as SciPy wants it, that counts what it is asked.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    """

    def __init__(self, loss):
        self.loss, self.n_gradient, self.n_hvp = loss, 0, 0

    def gradient(self, theta):
        """Compute the gradient."""
        self.n_gradient += 1
        return self.loss.gradient(theta)

    def hessian(self, theta):
        """Form the Hessian, which stands for a product with each unit vector."""
        self.n_hvp += len(theta)
        return self.loss.hessian(theta)

    def half_square(self, theta):
        """Compute half the squared gradient norm and its gradient ``H g``."""
        self.n_gradient += 1
        self.n_hvp += 1
        local = self.loss.at(theta)
        g = local.gradient
        return g @ g / 2, local.hvp(g)


def _ours(finder):
    """Run one of our finders."""

    def run(loss, theta0):
        finder.set_params(init=theta0, n_starts=len(theta0), tol=TOL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            finder.fit(loss)
        counts = (finder.results_[name].sum() for name in ("n_hvp", "n_gradient"))
        return finder.final_params_, *counts

    return run


def _theirs(search):
    """Run a method of SciPy from every start."""

    def run(loss, theta0):
        counted = Counted(loss)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            # A run that fails is judged by where it ends.
            warnings.simplefilter("ignore")
            ends = [_safely(search, counted, start) for start in theta0]
        return np.stack(ends), counted.n_hvp, counted.n_gradient

    return run


def _safely(search, counted, start):
    """Keep the start if a method ends with an exception."""
    try:
        return search(counted, start).x
    except (ValueError, FloatingPointError, np.linalg.LinAlgError):
        return start


def _hybr(loss, start):
    options = {"maxfev": MAX_ITER, "xtol": 1e-14}
    return root(loss.gradient, start, jac=loss.hessian, method="hybr", options=options)


def _lm(loss, start):
    options = {"maxiter": MAX_ITER, "ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}
    return root(loss.gradient, start, jac=loss.hessian, method="lm", options=options)


def _krylov(loss, start):
    options = {"maxiter": MAX_ITER // 5, "fatol": TOL**0.5 / 10}
    return root(loss.gradient, start, method="krylov", options=options)


def _minimize(method):
    def search(loss, start):
        options = {"maxiter": MAX_ITER, "gtol": 1e-12}
        if method == "L-BFGS-B":
            options["ftol"] = 0.0
        return minimize(
            loss.half_square, start, jac=True, method=method, options=options
        )

    return search


METHODS = {
    "NewtonMRFinder": _ours(NewtonMRFinder(max_iter=MAX_ITER, fallback=False)),
    "NewtonMRFinder, batches of 20": _ours(
        NewtonMRFinder(max_iter=MAX_ITER, fallback=False, batch_size=20)
    ),
    "GradNormFinder, l-bfgs": _ours(
        GradNormFinder(minimizer="l-bfgs", max_iter=MAX_ITER, fallback=False)
    ),
    "GradNormFinder, lm": _ours(
        GradNormFinder(minimizer="lm", max_iter=MAX_ITER, fallback=False)
    ),
    "SaddleDynamicsFinder": _ours(
        SaddleDynamicsFinder(index="natural", max_iter=MAX_ITER, random_state=0)
    ),
    "scipy root, hybr": _theirs(_hybr),
    "scipy root, lm": _theirs(_lm),
    "scipy root, krylov": _theirs(_krylov),
    "scipy minimize, BFGS": _theirs(_minimize("BFGS")),
    "scipy minimize, L-BFGS-B": _theirs(_minimize("L-BFGS-B")),
}
