"""Half the squared gradient norm as a loss: derivatives, flat points, contract."""

import numpy as np
import pytest

from skcrit._backend import to_device, to_host
from skcrit.losses import GradientNormLoss, LinearAutoencoderLoss
from skcrit.utils.testing import check_loss
from tests.losses import _reference

from ._grad_norm import (
    Smooth,
    SmoothWithThird,
    functions,
    gradient,
    hvp,
    network,
    third_derivative,
)

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


def losses(X):
    for hidden, alpha, penalty in NETWORKS:
        inner = LinearAutoencoderLoss(hidden, alpha=alpha, penalty=penalty)
        yield GradientNormLoss(inner).fit(X)
    for inner in (functions(), functions(hvp=hvp), Smooth(), SmoothWithThird()):
        yield GradientNormLoss(inner).fit()


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
