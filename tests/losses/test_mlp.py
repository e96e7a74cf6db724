"""MLPLoss is the training loss of scikit-learn's networks, on every kind of data."""

import pickle
import platform
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.neural_network import MLPClassifier, MLPRegressor

from skcrit import LinearAutoencoderLoss, MLPLoss
from skcrit._backend import to_host
from skcrit.exceptions import NoGroundTruthError
from skcrit.losses._output_losses import OUTPUT_LOSSES
from skcrit.utils.testing import check_loss

from ._mlp_targets import targets

close = np.testing.assert_allclose


def sklearn_objective(estimator, loss, theta, X):
    """Ask scikit-learn for value and gradient of its training loss, in our layout."""
    coefs, intercepts = loss.unpack(theta)
    estimator = clone(estimator)
    fitted = loss.to_estimator(theta)
    vars(estimator).update(vars(fitted))
    estimator.coefs_ = [np.array(W) for W in coefs]
    estimator.intercepts_ = [np.array(b) for b in intercepts]
    Y = loss._targets.values
    empty = [None] * len(coefs)
    value, coef_grads, intercept_grads = estimator._backprop(
        X,
        Y,
        *sample_weight_of(estimator),
        [X, *empty],
        list(empty),
        [np.empty_like(W) for W in estimator.coefs_],
        [np.empty_like(b) for b in estimator.intercepts_],
    )
    return value, loss.pack(coef_grads, intercept_grads)


def sample_weight_of(estimator):
    """No weights, for versions of scikit-learn that have them (from 1.7 on)."""
    names = estimator._backprop.__code__.co_varnames
    return (None,) if "sample_weight" in names else ()


@pytest.mark.parametrize("kind", ["number", "two classes", "classes", "labels"])
@pytest.mark.parametrize("activation", ["identity", "tanh", "logistic", "relu"])
@pytest.mark.parametrize("hidden", [(5,), (4, 3)], ids=str)
@pytest.mark.filterwarnings("ignore:activation=.relu.:UserWarning")
def test_value_and_gradient_are_scikit_learns(kind, activation, hidden, X, rng):
    y = targets(kind, X, rng)
    cls = MLPRegressor if kind == "number" else MLPClassifier
    estimator = cls(
        hidden_layer_sizes=hidden,
        activation=activation,
        alpha=0.3,
        solver="lbfgs",
        max_iter=20,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, y)
    loss, theta = MLPLoss.from_estimator(estimator, X, y)
    close(loss.value(theta), estimator.loss_, rtol=1e-12)
    for point in (theta, 0.5 * rng.standard_normal(len(theta))):
        value, gradient = sklearn_objective(estimator, loss, point, X)
        close(loss.value(point), value, rtol=1e-12)
        # Near a critical point the gradient is smaller than what it is summed from.
        atol = 1e-12 * np.abs(gradient).max() + 1e-16
        close(loss.gradient(point), gradient, rtol=0, atol=atol)


def test_a_gradient_alone_takes_no_values(X, rng, monkeypatch):
    loss = MLPLoss((3, 2), loss="log_loss").fit(X, rng.integers(3, size=len(X)))
    theta = rng.normal(size=(4, loss.n_params_))
    known = loss.at(theta).gradient

    def values(*arguments):
        raise AssertionError("values")

    monkeypatch.setattr(OUTPUT_LOSSES["softmax"], "values", values, raising=True)
    np.testing.assert_array_equal(loss.gradient(theta), known)
    with pytest.raises(AssertionError, match="values"):
        loss.at(theta).gradient  # noqa: B018


def test_several_numbers_count_as_in_the_gradient_of_scikit_learn(X, rng):
    # Its value takes the mean over outputs of what its gradient sums: its issue 8349.
    y = targets("numbers", X, rng)
    estimator = MLPRegressor(activation="tanh", alpha=0.3, solver="lbfgs")
    estimator.set_params(hidden_layer_sizes=(4,), random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(X, y)
    loss, theta = MLPLoss.from_estimator(estimator, X, y)
    _, gradient = sklearn_objective(estimator, loss, theta + 0.1, X)
    close(loss.gradient(theta + 0.1), gradient, rtol=0, atol=1e-12)
    penalty = loss.value(theta) - np.mean(loss.transform(X, theta))
    close(penalty + np.mean(loss.transform(X, theta)) / 2, estimator.loss_, rtol=1e-12)


@pytest.mark.parametrize("kind", ["number", "numbers", "two classes", "classes"])
def test_estimators_come_back(kind, X, rng):
    y = targets(kind, X, rng)
    cls = MLPRegressor if kind.startswith("number") else MLPClassifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator = cls(activation="logistic", random_state=0, max_iter=30)
        estimator.set_params(hidden_layer_sizes=(4,), random_state=0).fit(X, y)
    loss, theta = MLPLoss.from_estimator(estimator, X, y)
    back = pickle.loads(pickle.dumps(loss.to_estimator(theta)))
    np.testing.assert_array_equal(back.predict(X), estimator.predict(X))
    assert back.score(X, y) == estimator.score(X, y)
    if cls is MLPClassifier:
        np.testing.assert_array_equal(back.predict_proba(X), estimator.predict_proba(X))
    close(back.loss_, loss.value(theta))
    assert back.get_params()["activation"] == "logistic"
    again, same = MLPLoss.from_estimator(back, X, y)
    np.testing.assert_array_equal(same, theta)
    assert again.get_params() == loss.get_params()


def test_estimators_keep_names_of_columns(X):
    frame = pd.DataFrame(X, columns=list("abcd"))
    loss = MLPLoss((3,)).fit(frame, X[:, 0])
    network = loss.to_estimator(np.ones(loss.n_params_))
    assert network.feature_names_in_.tolist() == list("abcd")
    assert network.predict(frame).shape == (9,)


def test_what_is_no_estimator_is_refused(X, rng):
    y = targets("classes", X, rng)
    with pytest.raises(TypeError, match="MLPRegressor or MLPClassifier"):
        MLPLoss.from_estimator(MLPLoss(), X, y)
    with pytest.raises(NotFittedError):
        MLPLoss.from_estimator(MLPClassifier(), X, y)
    network = MLPLoss((2,), loss="log_loss").fit(X, y)
    network = network.to_estimator(np.zeros(network.n_params_))
    with pytest.raises(ValueError, match="classes"):
        MLPLoss.from_estimator(network, X, y == "a")
    network.loss = "poisson"
    with pytest.raises(ValueError, match="poisson"):
        MLPLoss.from_estimator(network, X, y)
    loss = MLPLoss((2,), "silu").fit(X, X[:, 0])
    with pytest.raises(ValueError, match="activation"):
        loss.to_estimator(np.zeros(loss.n_params_))
    loss = MLPLoss((2,)).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="one vector"):
        loss.to_estimator(np.zeros((1, loss.n_params_)))


@pytest.mark.parametrize("kind", ["number", "numbers", "two classes", "classes", None])
@pytest.mark.parametrize("activation", ["tanh", "softplus", "identity"])
def test_contract(kind, activation, X, rng):
    y = None if kind is None else targets(kind, X, rng)
    numbers = kind is None or kind.startswith("number")
    loss = "squared_error" if numbers else "log_loss"
    for params in ({}, {"alpha": 0.1, "fit_intercept": False}):
        check_loss(MLPLoss((3, 2), activation, loss=loss, **params).fit(X, y))


def test_contract_in_single_precision(X, rng):
    y = targets("classes", X, rng)
    loss = MLPLoss((3,), "silu", loss="log_loss", dtype="float32").fit(X, y)
    check_loss(loss, points=0.5 * rng.standard_normal((4, loss.n_params_)))


@pytest.mark.parametrize("dtype, tol", [("float64", 1e-13), ("float32", 1e-4)])
@pytest.mark.parametrize("activation", ["tanh", "erf", "logistic"])
@pytest.mark.parametrize("hidden", [(3,), (2, 3)], ids=str)
def test_same_numbers_on_every_backend(
    hidden, activation, dtype, tol, backend, on_device, X, rng
):
    params = {"activation": activation, "loss": "log_loss", "alpha": 0.2}
    y = targets("classes", X, rng)
    plain = MLPLoss(hidden, **params).fit(X, y)
    loss = MLPLoss(hidden, **params, backend=backend, dtype=dtype).fit(X, y)
    theta, u, v = rng.standard_normal((3, 3, loss.n_params_))
    calls = {
        "value": lambda loss, t, u, v: loss.value(t),
        "gradient": lambda loss, t, u, v: loss.gradient(t),
        "hvp": lambda loss, t, u, v: loss.hvp(t, v),
        "many directions": lambda loss, t, u, v: loss.hvp(t[:, None, :], v),
        "crossed": lambda loss, t, u, v: loss.hvp(t[None, :, :], v[:2, None, :]),
        "hessian": lambda loss, t, u, v: loss.hessian(t),
        "third": lambda loss, t, u, v: loss.third_derivative(t, u, v),
        "local": lambda loss, t, u, v: loss.at(t).hvp(v),
        "invariants": lambda loss, t, u, v: loss.invariants(t),
        "rescaled": lambda loss, t, u, v: loss.rescale(t),
        "representative": lambda loss, t, u, v: loss.representative(t),
        "tangents": lambda loss, t, u, v: loss.orbit_tangents(t),
        "packed": lambda loss, t, u, v: loss.pack(*loss.unpack(t)),
        "lipschitz": lambda loss, t, u, v: loss.hessian_lipschitz(t, 0.1),
    }
    points = [loss.asarray(array) for array in (theta, u, v)]
    for name, call in calls.items():
        expected, actual = call(plain, theta, u, v), call(loss, *points)
        assert on_device(actual, dtype), name
        assert tuple(actual.shape) == expected.shape, name
        scale = np.max(np.abs(expected), initial=1e-300)
        close(to_host(actual), expected, rtol=0, atol=tol * scale, err_msg=name)
    close(loss.transform(X, points[0]), plain.transform(X, theta), rtol=1e3 * tol)
    np.testing.assert_array_equal(loss.orbit_size(points[0]), plain.orbit_size(theta))


@pytest.mark.parametrize("n_features", [5, 41])
@pytest.mark.parametrize("n_samples", [1, 20, 300, 1500])
@pytest.mark.parametrize("hidden", [(1,), (7, 2), (30,)], ids=str)
def test_rows_do_not_depend_on_their_batch(n_samples, hidden, n_features, rng):
    X, y = rng.standard_normal((n_samples, n_features)), np.arange(n_samples) % 3
    for loss in (
        MLPLoss(hidden, "softplus", loss="log_loss", alpha=0.1).fit(X, y),
        MLPLoss(hidden, fit_intercept=False).fit(X),
    ):
        theta, v = rng.standard_normal((2, 45, loss.n_params_))
        whole = [loss.value(theta), loss.gradient(theta), loss.hvp(theta, v)]
        for size in (1, 2, 16):
            t, w = theta[-size:], v[-size:]
            part = [loss.value(t), loss.gradient(t), loss.hvp(t, w)]
            for expected, actual in zip(whole, part, strict=True):
                np.testing.assert_array_equal(actual, expected[-size:])
        one = loss.at(theta[3])
        np.testing.assert_array_equal(one.hvp(v[3]), whole[2][3])
        np.testing.assert_array_equal(one.value, whole[0][3])
        many = loss.hvp(theta[:2, None], v[:6])
        np.testing.assert_array_equal(many[1, 5], loss.hvp(theta[1], v[5]))
        for name in ("invariants", "rescale"):
            rows = getattr(loss, name)(theta)
            np.testing.assert_array_equal(getattr(loss, name)(theta[7]), rows[7])


@pytest.mark.parametrize("shape", [(0,), (3,), (2, 1), (2, 0)], ids=str)
def test_shapes_of_batches(shape, X, rng):
    loss = MLPLoss((3, 2)).fit(X, X[:, 0])
    n_params = loss.n_params_
    theta = rng.standard_normal((*shape, n_params))
    assert loss.value(theta).shape == shape
    for result in (loss.gradient(theta), loss.hvp(theta, theta), loss.rescale(theta)):
        assert result.shape == (*shape, n_params)
    assert loss.third_derivative(theta, theta, theta).shape == (*shape, n_params)
    assert loss.hessian(theta).shape == (*shape, n_params, n_params)
    assert loss.invariants(theta).shape[:-1] == shape
    assert loss.representative(theta).shape == (*shape, n_params)
    assert loss.orbit_size(theta).shape == shape
    assert loss.hessian_lipschitz(theta, 0.1).shape == shape
    assert loss.orbit_tangents(theta).shape == (*shape, 0, n_params)


def test_linear_autoencoder(X, rng):
    alpha, n, d = 0.3, *X.shape
    loss = MLPLoss((2,), "identity", fit_intercept=False, alpha=alpha).fit(X)
    other = LinearAutoencoderLoss((2,), center=False, alpha=alpha / (n * d)).fit(X)
    theta, v = rng.standard_normal((2, 3, loss.n_params_))
    factor = d / 2
    close(loss.value(theta), factor * other.value(theta), rtol=1e-13)
    close(loss.gradient(theta), factor * other.gradient(theta), atol=1e-13)
    close(loss.hvp(theta, v), factor * other.hvp(theta, v), atol=1e-12)
    close(loss.hessian(theta), factor * other.hessian(theta), atol=1e-12)
    close(
        loss.third_derivative(theta, v, v),
        factor * other.third_derivative(theta, v, v),
        atol=1e-12,
    )
    ours, theirs = loss.analytical_spectrum(), other.analytical_spectrum()
    assert ours.n_sets == theirs.n_sets > 3
    sets = ours.sample_sets(ours.n_sets, random_state=0)
    close(ours.losses(sets), factor * theirs.losses(sets), rtol=1e-12)
    np.testing.assert_array_equal(ours.morse_indices(sets), theirs.morse_indices(sets))
    for name in sets:
        point = ours.representative(name, random_state=1)
        close(loss.gradient(point), 0, atol=1e-12)
        close(loss.value(point), ours.losses(name), rtol=1e-12)


@pytest.mark.parametrize("hidden", [(2,), (3, 2)], ids=str)
def test_spectrum_without_penalty(hidden, X):
    loss = MLPLoss(hidden, "identity", fit_intercept=False).fit(X)
    spectrum = loss.ground_truth()
    for name in spectrum.sample_sets(5, random_state=0):
        close(loss.gradient(spectrum.representative(name)), 0, atol=1e-12)
    check_loss(loss)


def test_no_spectrum_of_other_networks(X):
    for loss in (
        MLPLoss((2,), fit_intercept=False).fit(X),
        MLPLoss((2,), "identity").fit(X),
        MLPLoss((2,), "identity", fit_intercept=False).fit(X, X[:, 0]),
        MLPLoss((2, 2), "identity", fit_intercept=False, alpha=1.0).fit(X),
    ):
        with pytest.raises(NoGroundTruthError):
            loss.analytical_spectrum()


PAGES = """
import resource
import numpy as np
from skcrit import MLPLoss
rng = np.random.default_rng(0)
loss = MLPLoss((16,), loss="log_loss").fit(
    rng.normal(size=(600, 64)), rng.integers(10, size=600)
)
theta = rng.normal(size=loss.n_params_)
faults = []
for _ in range(3):
    loss.hessian(theta)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[-1] - faults[0])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_memory_of_a_hessian_is_used_again():
    # One Hessian of 1210 parameters takes some 17 000 pages in all.
    command = [sys.executable, "-c", PAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 5_000
