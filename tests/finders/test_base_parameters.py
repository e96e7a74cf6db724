"""Starts and parameters that finders take, and those that they refuse."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skcrit import (
    FunctionLoss,
    GaussianStarts,
    LinearAutoencoderLoss,
    NotConvergedWarning,
    TrajectoryStarts,
)

from ._finders import LoggingFinder, small


def bowl_value(theta):
    return np.sum(theta**2, axis=-1) / 2


def bowl_gradient(theta):
    return 1.0 * theta


# Starts


class Ones:
    """A sampler that is no estimator."""

    def sample(self, loss, n_starts, random_state=None):
        draw = random_state.standard_normal((n_starts, loss.n_params_))
        return 1 + 0.1 * draw


def test_kinds_of_starts(X):
    loss = LinearAutoencoderLoss().fit(X)
    seed = 0
    expected = GaussianStarts().sample(loss, 12, seed)
    for init in ("gaussian", GaussianStarts(), expected, expected.tolist()):
        finder = small(init=init).fit(X)
        np.testing.assert_array_equal(finder.start_params_, expected)
    bowl = FunctionLoss(bowl_value, bowl_gradient, n_params=2).fit()
    for init in ("height", "iteration"):
        expected = TrajectoryStarts(by=init).sample(bowl, 3, seed)
        with pytest.warns(NotConvergedWarning, match="3 starts lie on one gradient"):
            finder = small(init=init, n_starts=3).fit(bowl)
        np.testing.assert_array_equal(finder.start_params_, expected)
    own = small(init=Ones(), n_starts=5).fit(X)
    assert np.all(np.abs(own.start_params_ - 1) < 0.6)


def test_given_starts_are_copied(X):
    theta0 = GaussianStarts().sample(LinearAutoencoderLoss().fit(X), 12, 0)
    finder = small(init=theta0).fit(X)
    before = finder.start_params_.copy()
    theta0[:] = 0
    np.testing.assert_array_equal(finder.start_params_, before)


def test_sampler_parameters_can_be_set(X):
    finder = small(init=GaussianStarts()).set_params(init__scale=0.0).fit(X)
    assert np.all(finder.start_params_ == 0)
    assert finder.counts_.tolist() == [12]
    assert finder.morse_indices_.tolist() == [8]


@pytest.mark.parametrize(
    "init, message",
    [
        (np.zeros((12, 15)), r"init must have shape .*\(12, 16\), got \(12, 15\)"),
        (np.zeros((11, 16)), r"init must have shape .*\(12, 16\), got \(11, 16\)"),
        (np.zeros(16), r"init must have shape .*got \(16,\)"),
        ("uniform", "init must be one of .*'gaussian'.*got 'uniform'"),
        (np.full((12, 16), np.nan), "init contains NaN"),
        (np.full((12, 16), np.inf), "init contains infinity"),
        (object(), "init must be a name, an array .* or a sampler, got <object"),
        (None, "init must be a name, an array .* or a sampler, got None"),
        (3, "init must be a name, an array .* or a sampler, got 3"),
        (np.full((12, 16), "a"), "init|convert"),
        (np.zeros((12, 16), dtype=complex), "[Cc]omplex"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_wrong_starts(init, message, X):
    with pytest.raises(ValueError, match=message):
        small(init=init).fit(X)


# Parameters


@pytest.mark.parametrize(
    "name, value",
    [
        ("n_starts", 0),
        ("n_starts", 1.5),
        ("tol", -1),
        ("tol", "small"),
        ("tol", np.nan),
        ("max_iter", -1),
        ("max_iter", 1.5),
        ("batch_size", 0),
        ("n_jobs", "a"),
        ("n_jobs", 1.5),
        ("store_history", "yes"),
        ("random_state", "a"),
        ("verbose", -1),
        ("inner_tol", 1),
        ("inner_tol", -0.1),
        ("inner_tol", "auto"),
        ("max_inner_iter", 0),
        ("max_step", 0),
        ("regularization", -1e-3),
        ("balance", "yes"),
        ("window", 0),
        ("step_size", 0),
        ("sufficient_decrease", 1),
        ("backtrack", 1),
        ("backtrack", 0),
        ("max_backtracks", -1),
    ],
)
def test_bad_parameters(name, value, X):
    finder = small().set_params(**{name: value})
    with pytest.raises(
        ValueError, match=f"'{name}' parameter of NewtonMRFinder must be"
    ):
        finder.fit(X)


def test_bad_memory(X):
    with pytest.raises(ValueError, match="'memory' parameter of NewtonMRFinder must"):
        small(memory=3).fit(X)


def test_bad_parameter_of_a_method_of_ones_own(X):
    with pytest.raises(ValueError, match="'log' parameter of LoggingFinder must be"):
        small(LoggingFinder, log=3).fit(X)


class NoProducts:
    """A loss that lacks methods."""

    def fit(self, X, y=None):
        return self

    def value(self, theta):
        return theta

    def gradient(self, theta):
        return theta


@pytest.mark.parametrize(
    "loss, lacks",
    [
        (object(), "a loss with .*object lacks value, gradient, hvp, fit"),
        (NoProducts(), "a loss with .*NoProducts lacks hvp"),
        ("mse", "a loss with .*str lacks value"),
        (LinearAutoencoderLoss, "an instance of a loss, got the class Linear"),
    ],
    ids=["object", "partial", "string", "class"],
)
def test_things_that_are_no_loss(loss, lacks, X):
    with pytest.raises(ValueError, match=f"loss must be {lacks}"):
        small(loss=loss).fit(X)


def test_a_loss_that_lacks_methods_in_place_of_data():
    with pytest.raises(ValueError, match="X must be a loss .* NoProducts lacks hvp"):
        small().fit(NoProducts())


def test_an_unfitted_loss_in_place_of_data():
    with pytest.raises(NotFittedError, match="LinearAutoencoderLoss.* not fitted"):
        small().fit(LinearAutoencoderLoss())


def test_bad_parameters_of_the_loss(X):
    with pytest.raises(ValueError, match="'alpha' parameter of LinearAutoencoderLoss"):
        small(loss=LinearAutoencoderLoss(alpha=-1)).fit(X)
