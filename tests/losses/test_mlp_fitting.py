"""Data, labels and layouts that MLPLoss takes, and those that it refuses."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skcrit import MLPLoss

from ._mlp_targets import targets

close = np.testing.assert_allclose


def test_layout(X):
    loss = MLPLoss((2,)).fit(X, X[:, 0])
    coefs, intercepts = loss.unpack(np.arange(13.0))
    assert [W.shape for W in coefs] == [(4, 2), (2, 1)]
    np.testing.assert_array_equal(coefs[0].T, [[0, 1, 2, 3], [5, 6, 7, 8]])
    np.testing.assert_array_equal(intercepts[0], [4, 9])
    np.testing.assert_array_equal(loss.pack(coefs, intercepts), np.arange(13))
    np.testing.assert_array_equal(loss.pack(coefs)[[4, 9, 12]], 0)
    batch = np.arange(78.0).reshape(2, 3, 13)
    np.testing.assert_array_equal(loss.pack(*loss.unpack(batch)), batch)


def test_wrong_layouts_are_refused(X):
    loss = MLPLoss((2,)).fit(X, X[:, 0])
    coefs, intercepts = loss.unpack(np.arange(13.0))
    with pytest.raises(ValueError, match="coefs must have shapes"):
        loss.pack(coefs[::-1], intercepts)
    with pytest.raises(ValueError, match="intercepts must have shapes"):
        loss.pack(coefs, intercepts[:1])
    with pytest.raises(ValueError, match="coefs must be a list"):
        loss.pack(3.0)
    bare = MLPLoss((2,), fit_intercept=False).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="fit_intercept=False"):
        bare.pack(coefs, [b + 1 for b in intercepts])
    assert bare.pack(coefs).shape == (10,)
    assert all(np.all(b == 0) for b in bare.unpack(np.ones(10))[1])


def test_autoencoder_has_the_data_as_targets(X, rng):
    loss, other = MLPLoss((3,)).fit(X), MLPLoss((3,)).fit(X, X)
    theta = rng.standard_normal((2, loss.n_params_))
    np.testing.assert_array_equal(loss.gradient(theta), other.gradient(theta))
    new = X[:4] + 1
    close(loss.transform(new, theta), other.transform(new, theta, new))


def test_losses_of_samples(X, rng):
    y = targets("classes", X, rng)
    loss = MLPLoss((3,), loss="log_loss", alpha=0.5).fit(X, y)
    theta = rng.standard_normal((4, loss.n_params_))
    losses = loss.transform(X, theta)
    assert losses.shape == (9, 4)
    plain = MLPLoss((3,), loss="log_loss").fit(X, y)
    close(losses.mean(axis=0), plain.value(theta), rtol=1e-13)
    # Targets of known samples are looked up, in any order.
    np.testing.assert_array_equal(loss.transform(X[[5, 2]], theta), losses[[5, 2]])
    np.testing.assert_array_equal(loss.transform(X, theta, y), losses)
    mixed = loss.transform(np.concatenate([X + 1, X[:1]]), theta)
    assert np.all(np.isnan(mixed[:-1]))
    np.testing.assert_array_equal(mixed[-1], losses[0])
    assert loss.transform(X + 1, theta[0], y).shape == (9, 1)
    close(loss.transform(X), np.log(3))  # at the origin
    with pytest.raises(ValueError, match="theta must have shape"):
        loss.transform(X, theta[None])


def test_a_sample_with_two_targets_is_not_looked_up(X):
    twice = np.concatenate([X, X[:1]])
    loss = MLPLoss((3,)).fit(twice, np.arange(10.0))
    assert loss.transform(twice).shape == (10, 1)
    unknown = np.isnan(loss.transform(X))
    assert unknown[0] and not np.any(unknown[1:])


@pytest.mark.parametrize(
    "convert",
    [
        lambda a: np.asarray(a).tolist(),
        lambda a: pd.DataFrame(a) if np.ndim(a) == 2 else pd.Series(a),
        lambda a: np.asarray(a).astype(object),
        lambda a: np.asfortranarray(a),
    ],
    ids=["list", "pandas", "object", "fortran"],
)
@pytest.mark.parametrize("kind", ["number", "numbers", "classes"])
def test_kinds_of_data(kind, convert, X, rng):
    y = targets(kind, X, rng)
    name = "log_loss" if kind == "classes" else "squared_error"
    expected = MLPLoss((3,), loss=name).fit(X, y)
    loss = MLPLoss((3,), loss=name).fit(convert(X), convert(y))
    theta = rng.standard_normal(loss.n_params_)
    np.testing.assert_array_equal(loss.gradient(theta), expected.gradient(theta))


def test_labels(X, rng):
    y = targets("classes", X, rng)
    loss = MLPLoss((3,), loss="log_loss").fit(X, y)
    assert loss.classes_.tolist() == ["a", "b", "c"] and loss.n_outputs_ == 3
    assert MLPLoss((3,), loss="log_loss").fit(X, y == "a").n_outputs_ == 1
    loss.set_params(loss="squared_error").fit(X, X[:, 0])
    assert not hasattr(loss, "classes_") and loss.n_outputs_ == 1


@pytest.mark.parametrize(
    "params, y, match",
    [
        ({"loss": "log_loss"}, None, "y must be the labels"),
        ({"loss": "log_loss"}, np.linspace(0, 1, 9), "y must be labels"),
        ({"loss": "log_loss"}, ["a"] * 8, "y must have shape"),
        ({}, ["a"] * 9, "y must be an array of real numbers"),
        ({}, [1.0, np.nan] + [0.0] * 7, "y must be finite"),
        ({}, np.zeros((9, 2, 2)), "y must have shape"),
        ({}, np.zeros((9, 0)), "y must have shape"),
        ({}, np.zeros(8), "y must have shape"),
        ({}, np.full(9, 1e80), "y must be small enough"),
        ({}, np.full(9, 1e-80), "y must be large enough"),
        ({"dtype": "float32"}, np.full(9, 1e8), "y must be small enough"),
        ({"activation": "sine"}, np.zeros(9), "activation"),
        ({"loss": "hinge"}, np.zeros(9), "loss"),
        ({"alpha": -1.0}, np.zeros(9), "alpha"),
        ({"hidden_layer_sizes": ()}, np.zeros(9), "hidden_layer_sizes"),
        ({"fit_intercept": 3}, np.zeros(9), "fit_intercept"),
        ({"dtype": "float16"}, np.zeros(9), "dtype"),
    ],
)
def test_what_cannot_be_fitted(params, y, match, X):
    with pytest.raises(ValueError, match=match):
        MLPLoss(**params).fit(X, y)


def test_data_out_of_range(X):
    with pytest.raises(ValueError, match="X must be small enough"):
        MLPLoss().fit(1e80 * X, X[:, 0])


def test_relu_warns(X):
    with pytest.warns(UserWarning, match="not smooth"):
        MLPLoss(activation="relu").fit(X)


def test_not_fitted():
    for call in ("value", "unpack", "invariants", "transform"):
        with pytest.raises(NotFittedError):
            getattr(MLPLoss(), call)(np.zeros((1, 3)))
    with pytest.raises(NotFittedError):
        MLPLoss().pack([np.zeros((2, 2))])
    with pytest.raises(NotFittedError):
        MLPLoss().analytical_spectrum()


def test_pickling_keeps_everything_and_little(X, rng):
    y = targets("classes", X, rng)
    loss = MLPLoss((3,), "silu", loss="log_loss", alpha=0.1).fit(X, y)
    theta = rng.standard_normal((2, loss.n_params_))
    invariants = loss.invariants(theta)
    size = len(pickle.dumps(loss))
    copy = pickle.loads(pickle.dumps(loss))
    np.testing.assert_array_equal(copy.gradient(theta), loss.gradient(theta))
    np.testing.assert_array_equal(copy.invariants(theta), invariants)
    np.testing.assert_array_equal(copy.transform(X, theta), loss.transform(X, theta))
    # Whether something was asked does not change what is stored.
    assert size == len(pickle.dumps(clone(loss).fit(X, y)))


def test_clone_and_parameters(X):
    loss = MLPLoss((3,), "erf", alpha=0.1).fit(X)
    copy = clone(loss)
    assert copy.get_params() == loss.get_params() and not hasattr(copy, "n_params_")
    copy.set_params(alpha=0.0, hidden_layer_sizes=5).fit(X)
    assert copy.n_params_ == 5 * 5 + 4 * 6


def test_a_second_fit_forgets_the_first(X, rng):
    loss = MLPLoss((3,), "relu").set_params(activation="logistic").fit(X)
    loss.invariants(np.zeros(loss.n_params_))
    other = X[:, :2]
    loss.fit(other)
    theta = rng.standard_normal(loss.n_params_)
    expected = clone(loss).fit(other).invariants(theta)
    np.testing.assert_array_equal(loss.invariants(theta), expected)


def test_starts(X, rng):
    loss = MLPLoss((50, 30)).fit(X, X[:, 0])
    streams = [np.random.default_rng(seed) for seed in range(200)]
    starts = loss.draw_starts(streams)
    assert starts.shape == (200, loss.n_params_)
    coefs, intercepts = loss.unpack(starts)
    for W, b in zip(coefs, intercepts, strict=True):
        bound = np.sqrt(6 / sum(W.shape[1:]))
        for part in (W, b):
            assert np.abs(part).max() <= bound < 1.1 * np.abs(part).max()
            close(part.std(), bound / np.sqrt(3), rtol=0.1)
    norms = np.linalg.norm(starts, axis=1)
    close(np.sqrt(np.mean(norms**2)), np.sqrt(2) * loss.length_scale(), rtol=0.02)
    # A start depends on its own stream only.
    np.testing.assert_array_equal(
        loss.draw_starts([np.random.default_rng(7)])[0], starts[7]
    )
    wide, narrow = (
        MLPLoss((50,), activation).fit(X).length_scale()
        for activation in ("tanh", "logistic")
    )
    close(wide, np.sqrt(3) * narrow)
