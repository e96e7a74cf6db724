"""Half the squared gradient norm as a loss: derivatives, flat points, contract."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skcrit import NewtonMRFinder
from skcrit._backend import to_device, to_host
from skcrit.exceptions import NoGroundTruthError
from skcrit.losses import (
    FunctionLoss,
    GradientNormLoss,
    LinearAutoencoderLoss,
    LinearNetworkLoss,
    Loss,
)
from skcrit.utils.testing import check_loss
from tests.losses import _reference

NETWORKS = [
    ((2,), 0.0, "sum"),
    ((2,), 0.3, "sum"),
    ((2,), 0.3, "product"),
    ((6,), 0.3, "sum"),
    ((3, 2), 0.0, "sum"),
    ((3, 2), 0.3, "sum"),
    ((3, 2), 0.3, "product"),
]

# Central difference of tenth order, by the number of steps.
TENTH_ORDER = {1: 5 / 6, 2: -5 / 21, 3: 5 / 84, 4: -5 / 504, 5: 1 / 1260}


# f(t) = sum_i t_i^4 / 4 + sin(sum_i t_i), with D^3 f [u, v, .] in closed form.
def total(t):
    return np.sum(t, axis=-1, keepdims=True)


def value(t):
    return np.sum(t**4, axis=-1) / 4 + np.sin(total(t))[..., 0]


def gradient(t):
    return t**3 + np.cos(total(t))


def hvp(t, v):
    return 3 * t**2 * v - np.sin(total(t)) * total(v)


def third_derivative(t, u, v):
    return 6 * t * u * v - np.cos(total(t)) * total(u) * total(v)


class Smooth(Loss):
    """The function above, counting its evaluations."""

    def fit(self, X=None, y=None):
        self.n_params_ = 3
        self.calls_ = {"gradient": 0, "hvp": 0}
        return self

    def value(self, theta):
        return value(self._as_points(theta))

    def gradient(self, theta):
        self.calls_["gradient"] += 1
        return gradient(self._as_points(theta))

    def hvp(self, theta, v):
        self.calls_["hvp"] += 1
        theta = self._as_points(theta)
        return hvp(theta, self._as_directions(v, theta))


class SmoothWithThird(Smooth):
    """The contraction on the loss only, not on its local model."""

    def third_derivative(self, theta, u, v):
        return third_derivative(theta, u, v)


def functions(**params):
    return FunctionLoss(value, gradient, n_params=3, **params)


def losses(X):
    for hidden, alpha, penalty in NETWORKS:
        inner = LinearAutoencoderLoss(hidden, alpha=alpha, penalty=penalty)
        yield GradientNormLoss(inner).fit(X)
    for inner in (functions(), functions(hvp=hvp), Smooth(), SmoothWithThird()):
        yield GradientNormLoss(inner).fit()


def network(hidden, alpha, penalty, X, **params):
    inner = LinearAutoencoderLoss(hidden, alpha=alpha, penalty=penalty, **params)
    return GradientNormLoss(inner).fit(X)


def slope(function, theta, v, step=0.1):
    """Differentiate along v; for polynomials up to degree ten, exact to rounding."""
    return (
        sum(
            weight * (function(theta + k * step * v) - function(theta - k * step * v))
            for k, weight in TENTH_ORDER.items()
        )
        / step
    )


@pytest.mark.parametrize("hidden, alpha, penalty", NETWORKS)
def test_value_and_gradient_of_networks(hidden, alpha, penalty, X, rng):
    loss = network(hidden, alpha, penalty, X)
    theta = rng.standard_normal(loss.n_params_)
    arguments = (X - X.mean(axis=0), (4, *hidden, 4), alpha, penalty)

    def reference(theta):
        return np.sum(_reference.backpropagate(theta, *arguments) ** 2) / 2

    np.testing.assert_allclose(loss.value(theta), reference(theta), rtol=1e-12)
    unit = 1j * _reference.STEP * np.eye(theta.size)
    expected = [np.imag(reference(theta + e)) / _reference.STEP for e in unit]
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(loss.gradient(theta), expected, atol=1e-12 * scale)


@pytest.mark.parametrize("hidden, alpha, penalty", NETWORKS)
def test_products_of_networks(hidden, alpha, penalty, X, rng):
    loss = network(hidden, alpha, penalty, X)
    theta, v = rng.standard_normal((2, 5, loss.n_params_))
    v = v / np.linalg.norm(v, axis=-1, keepdims=True)
    expected = slope(loss.gradient, theta, v)
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(loss.hvp(theta, v), expected, atol=1e-11 * scale)


@pytest.mark.parametrize(
    "inner, tol",
    [
        (SmoothWithThird(), 1e-13),
        (Smooth(), 1e-11),
        (functions(hvp=hvp), 1e-11),
        (functions(), 1e-6),
    ],
    ids=["third derivative", "differences", "functions", "differences of differences"],
)
def test_derivatives_of_functions(inner, tol, rng):
    loss = GradientNormLoss(inner).fit()
    theta, v = rng.standard_normal((2, 20, 3))
    g = gradient(theta)
    np.testing.assert_array_equal(loss.value(theta), np.sum(g**2, axis=-1) / 2)
    np.testing.assert_allclose(loss.gradient(theta), hvp(theta, g), atol=1e-8)
    expected = hvp(theta, hvp(theta, v)) + third_derivative(theta, g, v)
    scale = np.max(np.abs(expected))
    np.testing.assert_allclose(loss.hvp(theta, v), expected, atol=tol * scale)
    np.testing.assert_array_equal(loss.hvp(theta, 0 * v), 0)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e-8, 1e8, 1e145])
def test_differences_of_every_size(size, rng):
    # D^3 f [grad f, v, .] is of the size of f squared.
    class Scaled(Smooth):
        def gradient(self, theta):
            return size * super().gradient(theta)

        def hvp(self, theta, v):
            return size * super().hvp(theta, v)

    local = GradientNormLoss().fit(Scaled().fit()).at(rng.standard_normal((4, 3)))
    models, factor = local._moved
    v = rng.standard_normal((4, 3))
    terms = [m.hvp(v) / size for m in models]
    third = factor / size * (8 * (terms[0] - terms[1]) - (terms[2] - terms[3])) / 12
    expected = third_derivative(local.theta, gradient(local.theta), v)
    np.testing.assert_allclose(third, expected, atol=1e-10 * np.max(np.abs(expected)))


def test_products_are_symmetric_and_the_hessian_has_them_as_columns(X, rng):
    for loss in losses(X):
        theta = rng.standard_normal((2, 3, loss.n_params_))
        products = loss.hvp(theta[..., None, :], np.eye(loss.n_params_))
        hessian = loss.hessian(theta)
        scale = np.max(np.abs(hessian))
        transposed = np.swapaxes(products, -1, -2)
        np.testing.assert_allclose(products, transposed, atol=1e-7 * scale)
        np.testing.assert_allclose(products, hessian, atol=1e-7 * scale)
        np.testing.assert_array_equal(hessian, np.swapaxes(hessian, -1, -2))
        assert loss.hessian(theta[0, 0]).shape == hessian.shape[2:]


def test_rows_are_the_same_in_every_batch(X, rng):
    for loss in losses(X):
        theta, v = rng.standard_normal((2, 2, 3, loss.n_params_))
        batch = loss.value(theta), loss.gradient(theta), loss.hvp(theta, v)
        for index in np.ndindex(2, 3):
            row, w = theta[index], v[index]
            one = loss.value(row), loss.gradient(row), loss.hvp(row, w)
            for expected, actual in zip(batch, one, strict=True):
                np.testing.assert_array_equal(expected[index], actual)
        spoilt = theta.copy()
        spoilt[0, 1] = np.inf
        with np.errstate(all="ignore"):
            product = loss.hvp(spoilt, v)
        np.testing.assert_array_equal(product[:, ::2], batch[2][:, ::2])


def test_directions_broadcast(X, rng):
    for loss in losses(X):
        theta = rng.standard_normal((2, loss.n_params_))
        v = rng.standard_normal((5, loss.n_params_))
        product = loss.hvp(theta[:, None], v)
        assert product.shape == (2, 5, loss.n_params_)
        np.testing.assert_array_equal(product[1], loss.at(theta[1]).hvp(v))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("hidden, alpha, penalty", NETWORKS[2:6])
def test_contract_of_networks(hidden, alpha, penalty, dtype, backend, X):
    check_loss(network(hidden, alpha, penalty, X, backend=backend, dtype=dtype))


@pytest.mark.parametrize("inner", [functions(), functions(hvp=hvp), Smooth()])
def test_contract_of_functions(inner):
    check_loss(GradientNormLoss(inner).fit())


@pytest.mark.parametrize("third", [True, False], ids=["exact", "differences"])
@pytest.mark.parametrize("dtype, tol", [("float64", 1e-12), ("float32", 2e-5)])
def test_same_numbers_on_every_backend(
    third, dtype, tol, backend, on_device, monkeypatch, X, rng
):
    if not third:
        hide = staticmethod(lambda inner, theta: None)
        model = "skcrit.losses.grad_norm._GradientNormModel._third_derivative"
        monkeypatch.setattr(model, hide)
    plain = network((3, 2), 0.3, "product", X, dtype=dtype)
    loss = network((3, 2), 0.3, "product", X, dtype=dtype, backend=backend)
    assert (loss.backend, loss.dtype) == (backend, dtype)
    theta, v = rng.standard_normal((2, 3, loss.n_params_))
    theta[1] = 0.0  # a critical point: nothing to difference along
    points = [to_device(array, backend, dtype) for array in (theta, v)]
    for call in (
        lambda loss, t, v: loss.value(t),
        lambda loss, t, v: loss.gradient(t),
        lambda loss, t, v: loss.hvp(t, v),
        lambda loss, t, v: loss.hessian(t),
        lambda loss, t, v: loss.rescale(t),
    ):
        expected, actual = call(plain, theta, v), call(loss, *points)
        assert on_device(actual, dtype)
        scale = np.max(np.abs(expected))
        np.testing.assert_allclose(to_host(actual), expected, atol=tol * scale)


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
