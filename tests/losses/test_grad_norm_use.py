"""Half the squared gradient norm in use: flat points, searches, fits."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skcrit import NewtonMRFinder
from skcrit.exceptions import NoGroundTruthError
from skcrit.losses import (
    FunctionLoss,
    GradientNormLoss,
    LinearAutoencoderLoss,
    LinearNetworkLoss,
)
from skcrit.utils.testing import check_loss

from ._grad_norm import Smooth, SmoothWithThird, functions, gradient, network, value


@pytest.mark.parametrize("hidden", [(2,), (3, 2)])
def test_critical_points_of_the_loss_are_minima(hidden, X):
    loss = network(hidden, 0.0, "sum", X)
    spectrum = loss.loss_.analytical_spectrum()
    for name in [(), (0,), (1, 3), (0, 1)]:
        theta = spectrum.representative(name)
        H, hessian = loss.loss_.hessian(theta), loss.hessian(theta)
        assert loss.value(theta) < 1e-25
        np.testing.assert_allclose(hessian, H @ H, atol=1e-12)
        assert np.min(np.linalg.eigvalsh(hessian)) > -1e-12


# f(x, y) = x^3 / 3 + x + y^2 / 2, without critical points, and gradient-flat at 0.
def flat_value(t):
    return t[..., 0] ** 3 / 3 + t[..., 0] + t[..., 1] ** 2 / 2


def flat_gradient(t):
    return np.stack([t[..., 0] ** 2 + 1, t[..., 1]], axis=-1)


def flat_hvp(t, v):
    return np.stack([2 * t[..., 0] * v[..., 0], v[..., 1]], axis=-1)


@pytest.mark.parametrize("product", [flat_hvp, None])
def test_flat_point_is_a_minimum_of_positive_value(product):
    inner = FunctionLoss(flat_value, flat_gradient, hvp=product, n_params=2)
    loss = GradientNormLoss(inner).fit()
    origin = np.zeros(2)
    np.testing.assert_allclose(loss.value(origin), 0.5)
    np.testing.assert_allclose(loss.gradient(origin), 0, atol=1e-9)
    np.testing.assert_allclose(loss.hessian(origin), np.diag([2, 1]), atol=1e-6)
    # The gradient of f, (1, 0), is in the kernel of its Hessian, diag(0, 1).
    np.testing.assert_allclose(loss.loss_.hvp(origin, [1, 0]), 0, atol=1e-9)
    finder = NewtonMRFinder(n_starts=10, init="gaussian", random_state=0).fit(loss)
    assert finder.converged_.all()
    np.testing.assert_allclose(finder.critical_losses_, [0.5])
    assert finder.morse_indices_.tolist() == [0]
    assert finder.nullities_.tolist() == [0]


# Second moment of eigenvalues 4, 2.25 and 1.
PLAIN = np.array([[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]])


def test_search_close_to_the_critical_points_of_a_network():
    loss = network((1,), 0.05, "sum", PLAIN)
    spectrum = loss.loss_.analytical_spectrum()
    names = [(), (0,), (1,), (2,)]
    starts = np.stack([spectrum.representative(name) for name in names])
    starts = starts + 0.01 * np.random.default_rng(0).standard_normal(starts.shape)
    finder = NewtonMRFinder(loss.set_params(loss__alpha=0.05), n_starts=4, init=starts)
    finder.set_params(tol=1e-20).fit(PLAIN)
    assert finder.n_features_in_ == 3
    assert isinstance(finder.loss_, GradientNormLoss)
    assert finder.converged_.all()
    # Saddles of f of every index are minima of g, of value zero.
    assert np.max(finder.results_["loss"]) < 1e-20
    assert finder.results_["morse_index"].tolist() == [0, 0, 0, 0]
    actual = finder.loss_.loss_.value(finder.final_params_)
    np.testing.assert_allclose(actual, [spectrum.losses(name) for name in names])
    with pytest.raises(NoGroundTruthError, match="of GradientNormLoss are not known"):
        finder.loss_.ground_truth()
    # Without a truth the score is the share of starts that converged.
    assert finder.score(PLAIN) == 1.0


def test_search_finds_flat_points_of_a_network():
    inner = LinearAutoencoderLoss((1,), alpha=0.05).fit(PLAIN)
    finder = NewtonMRFinder(n_starts=20, init="gaussian", tol=1e-20, random_state=0)
    finder.fit(GradientNormLoss().fit(inner))
    assert finder.converged_.sum() >= 15
    flat = finder.critical_points_[finder.critical_losses_ > 1e-6]
    assert len(flat) >= 3
    local = inner.at(flat)
    direction = local.gradient / np.linalg.norm(local.gradient, axis=1, keepdims=True)
    np.testing.assert_allclose(local.hvp(direction), 0, atol=1e-8)


def test_symmetries_that_change_lengths_are_none(X, rng):
    loss = network((2,), 0.0, "sum", X)
    W1, W2 = loss.loss_.weights(rng.standard_normal(loss.n_params_))
    theta, stretched = (loss.loss_.pack([s * W1, W2 / s]) for s in (1.0, 1e3))
    Q = np.array([[0.6, -0.8], [0.8, 0.6]])
    rotated = loss.loss_.pack([Q @ W1, W2 @ Q.T])
    np.testing.assert_allclose(loss.value(rotated), loss.value(theta), rtol=1e-12)
    assert loss.value(stretched) > 2 * loss.value(theta)
    for name in ("rescale", "invariants"):
        np.testing.assert_array_equal(getattr(loss, name)(stretched), stretched)


def test_local_model_shares_the_gradient():
    loss = GradientNormLoss(Smooth()).fit()
    calls = loss.loss_.calls_
    local = loss.at(np.ones((2, 3)))
    assert calls == {"gradient": 0, "hvp": 0}
    for _ in range(2):
        local.value, local.gradient  # noqa: B018
    assert calls == {"gradient": 1, "hvp": 1}
    local.hvp(np.ones(3))
    assert calls == {"gradient": 1, "hvp": 7}
    exact = GradientNormLoss(SmoothWithThird()).fit()
    exact.hvp(np.ones(3), np.ones(3))
    assert exact.loss_.calls_ == {"gradient": 1, "hvp": 2}


def test_fit_takes_data_or_a_fitted_loss(X):
    default = GradientNormLoss().fit(X)
    assert default.get_params() == {"loss": None}
    assert default.n_params_ == LinearAutoencoderLoss().fit(X).n_params_
    inner = LinearAutoencoderLoss((3,), dtype="float32")
    loss = GradientNormLoss(inner)
    assert loss.dtype == "float32"
    frame = pd.DataFrame(X, columns=["a", "b", "value", "gradient"])
    assert loss.fit(frame) is loss
    assert loss.loss_ is not inner
    assert not hasattr(inner, "n_params_")
    assert (loss.n_features_in_, loss.n_params_) == (4, 24)
    assert loss.feature_names_in_.tolist() == list(frame.columns)
    # A second fit forgets the first.
    given = functions().fit()
    assert loss.fit(given).loss_ is given
    assert loss.n_params_ == 3
    assert loss.dtype == "float64"
    assert not hasattr(loss, "n_features_in_")
    assert not hasattr(loss, "feature_names_in_")


def test_gradient_norm_of_a_gradient_norm():
    check_loss(GradientNormLoss(GradientNormLoss(SmoothWithThird())).fit())


def test_clone_pickle_and_set_params(X, rng):
    loss = network((2,), 0.0, "sum", X)
    copy = clone(loss)
    assert repr(copy) == repr(loss)
    assert not hasattr(copy, "loss_")
    assert copy.loss is not loss.loss
    theta = rng.standard_normal(loss.n_params_)
    for other in (copy.fit(X), pickle.loads(pickle.dumps(loss))):
        np.testing.assert_array_equal(other.gradient(theta), loss.gradient(theta))
    copy.set_params(loss__alpha=0.5).fit(X)
    assert copy.loss_.alpha == 0.5
    assert copy.value(theta) != loss.value(theta)
    assert "loss__value" in GradientNormLoss(functions()).get_params()


class WithoutProducts:
    """Almost a loss."""

    def fit(self, X=None, y=None):
        return self

    def value(self, theta):
        return 0.0

    gradient = at = value


def test_targets_reach_the_loss(rng):
    X, y = rng.standard_normal((9, 3)), rng.standard_normal((9, 2))
    loss = GradientNormLoss(LinearNetworkLoss((2,))).fit(X, y)
    assert loss.loss_.n_outputs_ == 2
    theta = rng.standard_normal(loss.n_params_)
    inner = LinearNetworkLoss((2,)).fit(X, y)
    assert loss.value(theta) == np.sum(inner.gradient(theta) ** 2) / 2


@pytest.mark.parametrize(
    "loss, X, error, message",
    [
        (None, LinearAutoencoderLoss(), NotFittedError, "X .* LinearAuto.* not fitted"),
        (None, WithoutProducts(), ValueError, "X must .* WithoutProducts lacks hvp"),
        (None, None, ValueError, "X must be an array .*, got None: Linear"),
        (None, [[np.nan]], ValueError, "X contains NaN"),
        (WithoutProducts(), None, ValueError, "'loss' parameter of GradientNormLoss"),
        (3, None, ValueError, "'loss' parameter .* None. Got 3"),
        (
            FunctionLoss(value, gradient, n_params=0),
            None,
            ValueError,
            "'n_params' .* Got 0",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_impossible_fits(loss, X, error, message):
    with pytest.raises(error, match=message):
        GradientNormLoss(loss).fit(X)


def test_impossible_points_and_use_before_fit():
    with pytest.raises(NotFittedError, match="GradientNormLoss.*not fitted"):
        GradientNormLoss().value(np.ones(3))
    loss = GradientNormLoss(functions()).fit()
    for name in ("value", "gradient", "hessian", "at"):
        with pytest.raises(
            ValueError, match=r"theta must .* for GradientNormLoss, got"
        ):
            getattr(loss, name)(np.ones(4))
    with pytest.raises(ValueError, match="v must have shape .* for GradientNormLoss"):
        loss.hvp(np.ones(3), np.ones(2))
    with pytest.raises(ValueError, match="v must have leading axes that broadcast"):
        loss.hvp(np.ones((2, 3)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="theta must be one vector"):
        loss.linear_operator(np.ones((2, 3)))
