"""
Your own finder: plain gradient descent
=======================================

A method of your own needs one function, which takes a step for a batch of points. The
loop, the stopping rules, the log, the workers, the cache, the grouping of the results,
scores and figures exist already. This example adds gradient descent, which can
only find minima, and examines it with the tools of the library.
"""

# %%
# The solver
# ----------
#
# A solver changes a state. ``state.local`` is the loss expanded at the current
# points, with ``theta``, ``gradient`` and the rest; ``replace`` makes the next state.
# Reported costs are based on the count of gradients.

import warnings
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone

from skcrit import BaseFinder, LinearAutoencoderLoss, NotConvergedWarning
from skcrit.datasets import make_gaussian_spectrum
from skcrit.inspection import ConvergenceDisplay, LossIndexDisplay
from skcrit.metrics import recovery_report
from skcrit.solvers import Solver


# [begin: solver]
class GradientDescent(Solver):
    """Descend the loss with a fixed step length."""

    def __init__(self, *, step_size, **options):
        super().__init__(**options)
        self.step_size = step_size

    def step(self, loss, state):
        """Move every point of the batch against its gradient."""
        theta = state.local.theta - self.step_size * state.local.gradient
        return replace(state, local=loss.at(theta), n_gradient=state.n_gradient + 1)


# [end: solver]

# %%
# The finder
# ----------
#
# A finder is a scikit-learn estimator: it has parameters and makes the solver
# from them. Those that all finders have are passed to ``BaseFinder``.


# [begin: finder]
class GradientDescentFinder(BaseFinder):
    """Find minima by gradient descent from many starts."""

    def __init__(
        self,
        loss=None,
        *,
        n_starts=100,
        init="gaussian",
        tol=1e-10,
        max_iter=5000,
        batch_size=None,
        n_jobs=None,
        memory=None,
        store_history=False,
        random_state=None,
        verbose=0,
        step_size=0.1,
    ):
        super().__init__(
            loss,
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
        self.step_size = step_size

    def _make_solver(self):
        return GradientDescent(
            tol=self.tol,
            max_iter=self.max_iter,
            store_history=self.store_history,
            step_size=self.step_size,
        )


# [end: finder]

# %%
# Use
# ---
#
# The finder is run, scored and drawn like the others.

# [begin: use]
X = make_gaussian_spectrum(2000, eigenvalues=[4, 3, 2, 1], random_state=0)
finder = GradientDescentFinder(
    LinearAutoencoderLoss((2,)), n_starts=20, store_history=True, random_state=0
).fit(X)
print(recovery_report(finder))
# [end: use]
# sphinx_gallery_start_ignore
assert finder.score() == 1.0
assert finder.n_critical_sets_ == 1 and finder.morse_indices_.tolist() == [0]
# sphinx_gallery_end_ignore

# %%
# Descent finds the global minimum from every start; a linear autoencoder has no other
# minimum. It finds none of the ten saddles.

# %%
# ``clone``, ``set_params`` and grid search work, because ``__init__`` only stores its
# arguments. If the step is too long, a search diverges; it keeps its last finite point
# and has the status DIVERGED.

wild = clone(finder).set_params(step_size=10.0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", NotConvergedWarning)
    wild.fit(X)
# sphinx_gallery_start_ignore
assert set(wild.results_["status"]) == {"DIVERGED"}
assert np.isfinite(wild.final_params_).all()
# sphinx_gallery_end_ignore

# %%
# The figure
# ----------
#
# The gradient norm first grows, when descent leaves the saddle at the origin, and
# dips whenever it passes another saddle.

figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
ConvergenceDisplay.from_estimator(finder, ax=axes[0])
LossIndexDisplay.from_estimator(finder, ax=axes[1])
plt.show()
