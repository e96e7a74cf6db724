"""The estimator around a solver, whatever the solver."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcrit import (
    BaseFinder,
    FunctionLoss,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    TrajectoryStarts,
)
from skcrit.losses import LocalModel

from ._finders import (
    COLUMNS,
    FINDERS,
    PseudoInverseFinder,
    assert_same_fit,
    ignore_failures,
    small,
)

# A user's method


@ignore_failures
def test_a_method_of_ones_own(X):
    finder = small(PseudoInverseFinder, n_starts=30).fit(X)
    assert np.mean(finder.converged_) > 0.3
    assert finder.score(X) == pytest.approx(np.mean(finder.converged_))
    assert finder.transform(X).shape == (60, finder.n_critical_sets_)
    assert clone(finder).get_params() == finder.get_params()
    assert set(finder.results_) == set(COLUMNS)
    again = pickle.loads(pickle.dumps(finder))
    assert_same_fit(again, finder)


@ignore_failures
def test_a_method_of_ones_own_in_a_grid_search(X):
    search = GridSearchCV(
        small(PseudoInverseFinder), {"max_iter": [0, 60]}, cv=2, refit=False
    )
    scores = search.fit(X).cv_results_["mean_test_score"]
    assert scores[0] == 0
    assert scores[1] > 0.3


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="_make_solver"):
        BaseFinder()


# Data or a loss


@ignore_failures
@pytest.mark.parametrize("cls", FINDERS)
def test_a_fitted_loss_in_place_of_data(cls, X):
    loss = LinearAutoencoderLoss((3,))
    on_data = small(cls, loss).fit(X)
    on_loss = small(cls).fit(clone(loss).fit(X))
    assert_same_fit(on_loss, on_data)
    assert on_loss.n_features_in_ == 4
    np.testing.assert_array_equal(on_loss.transform(X), on_data.transform(X))


def test_the_loss_is_cloned(X):
    loss = LinearAutoencoderLoss()
    finder = small(loss=loss).fit(X)
    assert finder.loss_ is not loss
    assert not hasattr(loss, "n_params_")
    given = clone(loss).fit(X)
    assert small().fit(given).loss_ is given


def saddle_value(theta):
    return theta[..., 0] ** 2 - theta[..., 1] ** 2


def saddle_gradient(theta):
    return theta * [2.0, -2.0]


def test_a_loss_without_data():
    loss = FunctionLoss(saddle_value, saddle_gradient, n_params=2).fit()
    finder = small().fit(loss)
    assert finder.n_critical_sets_ == 1
    assert finder.morse_indices_.tolist() == [1]
    assert finder.counts_.tolist() == [12]
    np.testing.assert_allclose(finder.critical_points_, 0, atol=1e-6)
    assert not hasattr(finder, "n_features_in_")
    assert not hasattr(finder, "transform")
    # Without a ground truth: the share that ended at a point of known index.
    assert finder.score() == 1.0


def test_trajectory_starts_of_a_loss_without_data():
    loss = FunctionLoss(saddle_value, saddle_gradient, n_params=2).fit()
    finder = small(init=TrajectoryStarts(n_steps=50, n_trajectories=2)).fit(loss)
    assert finder.morse_indices_.tolist() == [1]


def test_a_function_loss_as_parameter(X):
    loss = FunctionLoss(saddle_value, saddle_gradient, n_params=2)
    finder = small(loss=loss).fit(X)
    assert finder.n_critical_sets_ == 1
    assert finder.n_features_in_ == 4


# Composition


def test_parameters_of_the_loss_can_be_set(X):
    finder = small(loss=LinearAutoencoderLoss())
    finder.set_params(loss__alpha=0.1, loss__hidden_layer_sizes=(3,)).fit(X)
    assert finder.loss_.alpha == 0.1
    assert finder.n_params_ == 24
    best = finder.loss_.analytical_spectrum().losses([(0, 1, 2)])[0]
    assert np.all(finder.critical_losses_ >= best - 1e-9)


def test_pipeline(X):
    pipeline = make_pipeline(StandardScaler(), small())
    errors = pipeline.fit_transform(X * [1.0, 10.0, 100.0, 1000.0])
    finder = pipeline[-1]
    assert errors.shape == (60, finder.n_critical_sets_)
    np.testing.assert_allclose(np.trace(finder.loss_.second_moment_), 4)
    assert 0 <= pipeline.score(X) <= 1


def test_pickling(fitted, X):
    again = pickle.loads(pickle.dumps(fitted))
    assert_same_fit(again, fitted)
    np.testing.assert_array_equal(again.transform(X), fitted.transform(X))
    assert again.score(X) == fitted.score(X)
    assert again.get_params()["max_iter"] == 40


def test_clone_forgets_the_fit(fitted):
    copy = clone(fitted)
    assert not hasattr(copy, "loss_")
    assert copy.get_params()["init"].get_params() == fitted.init.get_params()


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_the_unit_of_the_data_does_not_matter(unit, X):
    # tol is in the unit of the squared gradient: the fourth power of that of the data.
    init = TrajectoryStarts(n_steps=300)
    base = small(init=init, tol=1e-12).fit(X)
    scaled = small(init=init, tol=1e-12 * unit**4).fit(unit * X)
    assert np.all(base.converged_)
    assert np.all(scaled.converged_)
    np.testing.assert_array_equal(scaled.morse_indices_, base.morse_indices_)
    np.testing.assert_array_equal(scaled.counts_, base.counts_)
    np.testing.assert_allclose(
        scaled.critical_losses_, unit**2 * base.critical_losses_, rtol=1e-8
    )


class Contract:
    """The methods of the contract and nothing else, on a double well."""

    n_params_ = 2

    def fit(self, X, y=None):
        return self

    def value(self, theta):
        return (theta[..., 0] ** 2 - 1) ** 2 + theta[..., 1] ** 2

    def gradient(self, theta):
        x, y = theta[..., 0], theta[..., 1]
        return np.stack([4 * x * (x**2 - 1), 2 * y], axis=-1)

    def hvp(self, theta, v):
        curvature = np.stack(
            [12 * theta[..., 0] ** 2 - 4, np.full(theta.shape[:-1], 2.0)], axis=-1
        )
        return curvature * v

    def hessian(self, theta):
        return self.hvp(theta[..., None, :], np.eye(2))

    def at(self, theta):
        return LocalModel(self, theta)

    def rescale(self, theta):
        return theta

    def invariants(self, theta):
        return theta


@pytest.mark.parametrize("init", ["auto", TrajectoryStarts(n_trajectories=3)])
def test_a_loss_needs_the_contract_and_no_base_class(init):
    finder = NewtonMRFinder(n_starts=30, init=init, random_state=0).fit(Contract())
    assert finder.converged_.all()
    assert set(finder.morse_indices_) <= {0, 1}
    assert set(finder.critical_losses_.round(8)) <= {0.0, 1.0}
    assert not hasattr(finder, "n_features_in_")


def test_a_data_frame_with_columns_named_like_methods_is_data(X):
    frame = pd.DataFrame(X[:, :2], columns=["value", "gradient"])
    finder = small().fit(frame)
    assert finder.n_features_in_ == 2
