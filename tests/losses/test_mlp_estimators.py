"""Networks of scikit-learn on data as they come: what a user may hand over."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import scale

from skcrit import MLPLoss

PARAMS = {"activation": "tanh", "solver": "lbfgs", "alpha": 1.0, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def wine(scaled=True):
    X, y = load_wine(return_X_y=True)
    return scale(X) if scaled else X, y


def classifier(**params):
    return MLPClassifier((4,), **{**PARAMS, "max_iter": 100, **params})


def regressor(**params):
    return MLPRegressor(
        hidden_layer_sizes=(4,), **{**PARAMS, "max_iter": 100, **params}
    )


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("kind", ["int", "text", "bool", "float32", "list"])
def test_the_data_of_the_training_are_taken_without_a_warning(kind, scaled):
    X, y = wine(scaled)
    if kind == "text":
        y = np.array(["a", "b", "c"], dtype=object)[y]
    elif kind == "bool":
        y = y > 0
    elif kind == "float32":
        X = X.astype(np.float32)
    elif kind == "list":
        X, y = X.tolist(), y.tolist()
    network = classifier().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, theta = MLPLoss.from_estimator(network, X, y)
    assert abs(loss.value(theta) - network.loss_) < 1e-6 * network.loss_
    again = loss.to_estimator(theta).predict(X)
    np.testing.assert_array_equal(again, network.predict(X))


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_numbers_of_any_size_are_taken_without_a_warning(n_outputs, scaled):
    # scikit-learn's loss_ of two outputs is another one than its gradient belongs to.
    X, y = load_diabetes(return_X_y=True, scaled=scaled)
    y = np.column_stack([y, y**2])[:, :n_outputs]
    network = regressor().fit(X, y[:, 0] if n_outputs == 1 else y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, theta = MLPLoss.from_estimator(network, X, y)
    if n_outputs == 1:
        assert abs(loss.value(theta) - network.loss_) < 1e-9 * network.loss_


def test_other_data_than_those_of_the_training_are_noticed():
    X, y = wine()
    network = classifier().fit(X, y)
    # The pitfall of a pipeline: the network was trained behind a scaler.
    with pytest.warns(UserWarning, match="not the data of its training"):
        MLPLoss.from_estimator(network, wine(scaled=False)[0], y)
    with pytest.warns(UserWarning, match="not the data of its training"):
        MLPLoss.from_estimator(network, X[::2], y[::2])
    with pytest.warns(UserWarning, match="not the data of its training"):
        MLPLoss.from_estimator(network, X, (y + 1) % 3)


def test_loss_of_an_epoch_is_not_compared():
    # Other solvers report a mean over an epoch, before its last steps.
    X, y = wine()
    network = classifier(solver="adam").fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss, theta = MLPLoss.from_estimator(network, X, y)
    assert abs(loss.value(theta) - network.loss_) > 1e-3 * network.loss_
