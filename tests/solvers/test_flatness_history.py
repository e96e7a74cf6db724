"""How flat the loss is at every iterate of a search."""

import warnings

import numpy as np

from skcrit import MLPLoss, NewtonMRFinder
from skcrit.exceptions import NotConvergedWarning
from skcrit.solvers.flatness import flatness


def test_ratios_of_every_iterate(rng):
    X = rng.normal(size=(20, 2))
    finder = NewtonMRFinder(
        MLPLoss((3,), alpha=0.1),
        n_starts=5,
        max_iter=8,
        store_history=["residual_ratio", "theta", "kernel_ratio"],
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        finder.fit(X, X[:, 0] * X[:, 1])
    history = finder.history_
    known = np.isfinite(history["theta"][..., 0])
    for name in ("residual_ratio", "kernel_ratio"):
        assert history[name].shape == known.shape
        np.testing.assert_array_equal(np.isfinite(history[name]), known)
    theta = history["theta"][known]
    ratio, kernel, _ = flatness(finder.loss_.at(theta))
    np.testing.assert_allclose(history["residual_ratio"][known], ratio, atol=1e-9)
    np.testing.assert_allclose(history["kernel_ratio"][known], kernel, atol=1e-9)
    failed = finder.results_["status"] == "MAX_ITER"
    last = history["residual_ratio"][:, -1]
    np.testing.assert_array_equal(
        last[failed], finder.results_["residual_ratio"][failed]
    )
