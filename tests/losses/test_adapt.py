"""Losses of any class, completed to the contract."""

import pickle

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skcrit import FunctionLoss, MLPLoss, NewtonMRFinder
from skcrit.exceptions import NoGroundTruthError
from skcrit.losses import as_loss, fitted_loss
from skcrit.solvers import NewtonMR


class Bare:
    """f(t) = sum of (t^2 - 1)^2 / 4, with nothing that is not required."""

    n_params_ = 2

    def value(self, theta):
        return np.sum((theta**2 - 1) ** 2, axis=-1) / 4

    def gradient(self, theta):
        return theta * (theta**2 - 1)

    def hvp(self, theta, v):
        return (3 * theta**2 - 1) * v


class WithSymmetries(Bare):
    """The same, which knows that signs do not matter."""

    def invariants(self, theta):
        return theta**2


THETA = np.array([[0.5, -2.0], [1.0, 3.0]])


def test_what_is_missing_has_defaults():
    loss = as_loss(Bare())
    np.testing.assert_array_equal(loss.value(THETA), Bare().value(THETA))
    hessian = (3 * THETA**2 - 1)[..., None] * np.eye(2)
    np.testing.assert_allclose(loss.hessian(THETA), hessian)
    np.testing.assert_allclose(loss.at(THETA).hessian(), hessian)
    np.testing.assert_array_equal(loss.rescale(THETA), THETA)
    np.testing.assert_array_equal(loss.representative(THETA), THETA)
    np.testing.assert_array_equal(loss.invariants(THETA), THETA)
    np.testing.assert_array_equal(loss.orbit_size(THETA), [1, 1])
    assert loss.orbit_tangents(THETA).shape == (2, 0, 2)
    assert loss.length_scale() == 1.0
    with pytest.raises(NoGroundTruthError):
        loss.ground_truth()


def test_what_networks_know_of_their_units_comes_through():
    class Wrapped:
        """A loss of a user that hands everything to a network."""

        def __init__(self, network):
            self.network = network

        def __getattr__(self, name):
            if name == "network":
                raise AttributeError(name)
            return getattr(self.network, name)

    X = np.linspace(-1, 1, 20)[:, None]
    network = MLPLoss((2,)).fit(X, np.sin(3 * X[:, 0]))
    theta = network.pack([[[1.0, 1.0]], [[0.5], [0.5]]], [[0.2, 0.2], [0.0]])
    loss = as_loss(Wrapped(network))
    assert not isinstance(loss, MLPLoss)
    assert loss.unit_degeneracies(theta).duplicated == [(0, (0, 1))]
    bound = loss.hessian_lipschitz(theta[None], 0.1)
    np.testing.assert_array_equal(bound, network.hessian_lipschitz(theta[None], 0.1))


def test_what_is_there_is_used():
    loss = as_loss(WithSymmetries())
    np.testing.assert_array_equal(loss.invariants(THETA), THETA**2)
    again = pickle.loads(pickle.dumps(loss))
    np.testing.assert_array_equal(again.invariants(THETA), THETA**2)


def test_a_loss_is_not_wrapped_twice():
    loss = FunctionLoss(np.sum, np.cos, n_params=1).fit()
    assert as_loss(loss) is loss
    adapted = as_loss(Bare())
    assert as_loss(adapted) is adapted


def test_searches_take_a_bare_loss():
    result = NewtonMR(tol=1e-24).solve(Bare(), THETA)
    np.testing.assert_allclose(np.abs(result.theta.round(9)) % 1, 0)
    finder = NewtonMRFinder(init=THETA, n_starts=2).fit(Bare())
    assert finder.converged_.all()
    assert isinstance(finder.loss_, Bare)


@pytest.mark.parametrize("use", [as_loss, lambda loss: NewtonMR().solve(loss, THETA)])
def test_missing_methods_are_named(use):
    class Half:
        n_params_ = 2

        def value(self, theta):
            return theta

    with pytest.raises(ValueError, match="gradient, hvp; Half lacks gradient, hvp"):
        use(Half())


def test_not_fitted():
    with pytest.raises(NotFittedError, match="loss must be a fitted loss; this Func"):
        as_loss(FunctionLoss(np.sum, np.cos, n_params=1))


class Targets(Bare):
    """Keeps what it is fitted to."""

    def fit(self, X, y=None):
        self.seen = X, y
        return self

    def get_params(self, deep=True):
        return {}


def test_targets_reach_the_loss():
    X, y = np.ones((3, 2)), np.arange(3)
    loss = fitted_loss(Targets(), X, y)
    assert loss.seen[1] is y
    finder = NewtonMRFinder(Targets(), n_starts=2, init=THETA).fit(X, y)
    assert finder.loss_.seen[1] is y
    assert fitted_loss(Targets(), finder.loss_) is finder.loss_


def test_an_adapted_loss_is_fitted_as_its_object_is():
    class Bowl:
        n_params_ = 2

        def fit(self, X, y=None):
            self.seen = X, y
            return self

        def value(self, theta):
            return np.sum(theta**2, axis=-1) / 2

        def gradient(self, theta):
            return 1.0 * theta

        def hvp(self, theta, v):
            return 1.0 * v

    bowl = Bowl()
    adapted = as_loss(bowl)
    assert adapted.fit([[1.0]], [2.0]) is adapted
    assert bowl.seen == ([[1.0]], [2.0])
