"""A fit on a loss is a fit on its data, however it is divided."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skcrit import (
    GradNormFinder,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NotConvergedWarning,
    SaddleDynamicsFinder,
)
from skcrit.metrics import judge

from .. import _tally
from ._strategies import data, prop

pytestmark = pytest.mark.filterwarnings("ignore::skcrit.ResolutionWarning")


def fitted(finder, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return finder.fit(X)


def assert_equal(a, b):
    """Compare two fits, bit by bit."""
    for name in ("final_params_", "critical_points_", "counts_", "morse_indices_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    for name, column in a.results_.items():
        np.testing.assert_array_equal(column, b.results_[name])


FINDERS = (
    lambda **p: NewtonMRFinder(**p),
    lambda **p: GradNormFinder(minimizer="lm", **p),
    lambda **p: SaddleDynamicsFinder(**p),
)


@prop(6, 700)
@given(
    data(),
    st.integers(0, 2**31 - 1),
    st.sampled_from(range(3)),
    st.sampled_from([(1,), (2,), (2, 2)]),
    st.integers(1, 6),
    st.booleans(),
)
def test_a_loss_and_its_data(X, seed, which, hidden, batch_size, center):
    _tally.count("input", "fits on a loss and on its data")
    loss = LinearAutoencoderLoss(hidden, center=center)
    params = {"n_starts": 5, "init": "gaussian", "max_iter": 30, "random_state": seed}
    first = fitted(FINDERS[which](loss=loss, **params), X)
    fitted_loss = LinearAutoencoderLoss(hidden, center=center).fit(X)
    second = fitted(FINDERS[which](batch_size=batch_size, **params), fitted_loss)
    assert_equal(first, second)


def test_degenerate_ends_do_not_depend_on_their_batch():
    # Ends that Newton steps do not confirm are searched on, each to a goal of its own.
    X = np.array([[0.8, -0.59, 0.45], [-0.96, 0.77, -0.39], [-0.47, 0.34, -0.31]])
    X = np.concatenate([X, [[0.63, -0.52, 0.25]]])
    loss = LinearAutoencoderLoss((2, 2)).fit(X)
    params = {"n_starts": 64, "init": "gaussian", "max_iter": 30, "random_state": 1294}
    whole = fitted(SaddleDynamicsFinder(**params), loss)
    assert np.any(whole.converged_ & (whole.results_["nullity"] == -1))
    # The last of them is alone in a batch of these.
    parts = fitted(SaddleDynamicsFinder(batch_size=21, **params), loss)
    assert_equal(whole, parts)


@prop(6, 700)
@given(data(), st.integers(0, 2**31 - 1), st.sampled_from(range(3)), st.integers(1, 3))
def test_nothing_wrong_is_reported(X, seed, which, p):
    # With a tolerance that suits the data: the squared resolution of the ground truth.
    _tally.count("input", "precision on random data")
    loss = LinearAutoencoderLoss((p,)).fit(X)
    resolution = loss.analytical_spectrum().resolution
    # Worse conditions have a test of their own below.
    if not 1e-8 * loss.eigenvalues_[0] < resolution < np.inf:
        return
    params = {"n_starts": 5, "init": "gaussian", "random_state": seed}
    tol = (1e-2 * resolution) ** 2
    finder = fitted(FINDERS[which](tol=tol, max_iter=60, **params), loss)
    verdict = judge(finder)
    converged = finder.converged_
    known = finder.results_["morse_index"] >= 0
    assert np.all(verdict.identified[converged])
    assert np.all(verdict.loss_right[converged])
    assert np.all(verdict.index_right[converged & known])


def test_the_index_at_condition_1e8():
    # A gauge mode is split by about the gradient, less than the smallest curvature,
    # until a correction follows the directions that the data make weak.
    X = np.diag([1.0, 1e-4]) @ [[0.6, 0.8], [-0.8, 0.6]]
    loss = LinearAutoencoderLoss((1,)).fit(np.concatenate([X, -X]))
    tol = (1e-2 * loss.analytical_spectrum().resolution) ** 2
    params = {"n_starts": 40, "init": "gaussian", "random_state": 0}
    finder = fitted(NewtonMRFinder(tol=tol, max_iter=60, **params), loss)
    verdict = judge(finder)
    known = finder.converged_ & (finder.results_["morse_index"] >= 0)
    assert np.all(verdict.index_right[known])
