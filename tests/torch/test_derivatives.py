"""Values and derivatives, against closed forms and complex steps of NumPy code."""

import numpy as np
import pytest
import torch
from torch import nn

from skcrit import TorchLoss
from skcrit.utils.testing import check_loss

from ._modules import NAMES, dense, fitted, half_square

STEP = 1e-30


def complex_step(function, theta):
    """Differentiate NumPy code that takes complex numbers, to the last digits."""
    steps = 1j * STEP * np.eye(theta.shape[-1])
    columns = [np.imag(function(theta + step)) / STEP for step in steps]
    return np.stack(columns, axis=-1)


def tanh_network(theta, X, y, alpha):
    """Value and gradient of a 2-3-1 network by hand: mean of squares and penalty."""
    W, b, u, c = theta[:6].reshape(3, 2), theta[6:9], theta[9:12], theta[12]
    hidden = np.tanh(X @ W.T + b)
    rest = 2 * (hidden @ u + c - y) / len(X)
    inner = rest[:, None] * u * (1 - hidden**2)
    parts = [(inner.T @ X).ravel(), inner.sum(0), hidden.T @ rest, rest.sum()[None]]
    value = np.mean((hidden @ u + c - y) ** 2) + alpha * np.sum(theta**2)
    return value, np.concatenate(parts) + 2 * alpha * theta


def softmax_network(theta, X, labels, alpha):
    """Value of a 4-5-3 network with softplus units: mean cross-entropy and penalty."""
    W, b = theta[:20].reshape(5, 4), theta[20:25]
    V, c = theta[25:40].reshape(3, 5), theta[40:]
    scores = np.log1p(np.exp(X @ W.T + b)) @ V.T + c
    chosen = scores[np.arange(len(X)), labels]
    entropy = np.log(np.exp(scores).sum(-1)) - chosen
    return entropy.mean() + alpha * np.sum(theta**2)


@pytest.mark.parametrize("chunk_size", [None, 1])
def test_squared_error_of_tanh_units(chunk_size, rng):
    X, y = rng.standard_normal((20, 2)), rng.standard_normal(20)
    loss = TorchLoss(dense(2, 3, 1), nn.MSELoss(), alpha=0.3, chunk_size=chunk_size)
    loss.fit(X, y[:, None])
    theta = rng.standard_normal((4, 13))
    hessian = loss.hessian(theta)
    for row, point in enumerate(theta):
        value, gradient = tanh_network(point, X, y, 0.3)
        np.testing.assert_allclose(loss.value(point), value, rtol=1e-13)
        np.testing.assert_allclose(loss.gradient(point), gradient, rtol=1e-12)
        expected = complex_step(lambda t: tanh_network(t, X, y, 0.3)[1], point)
        scale = np.abs(expected).max()
        np.testing.assert_allclose(hessian[row], expected, atol=1e-13 * scale)
        v = rng.standard_normal(13)
        np.testing.assert_allclose(loss.hvp(point, v), expected @ v, atol=1e-12 * scale)


def test_cross_entropy_of_softplus_units(rng):
    X, labels = rng.standard_normal((30, 4)), rng.integers(0, 3, size=30)
    network = dense(4, 5, 3, activation=nn.Softplus)
    loss = TorchLoss(network, nn.functional.cross_entropy, alpha=0.1).fit(X, labels)
    theta = rng.standard_normal((3, 43))
    for point, gradient in zip(theta, loss.gradient(theta), strict=True):
        expected = softmax_network(point, X, labels, 0.1)
        np.testing.assert_allclose(loss.value(point), expected, rtol=1e-13)
        expected = complex_step(lambda t: softmax_network(t, X, labels, 0.1), point)
        np.testing.assert_allclose(gradient, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_quadratic_in_closed_form(dtype, rng):
    X, y = rng.standard_normal((15, 4)), rng.standard_normal((15, 2))
    loss = TorchLoss(dense(4, 2), half_square, alpha=0.7, dtype=dtype).fit(X, y)
    A = np.column_stack([X, np.ones(15)])
    theta = rng.standard_normal((5, 10))
    W = np.concatenate([theta[:, :8].reshape(5, 2, 4), theta[:, 8:, None]], axis=-1)
    rest = np.einsum("ij,nkj->nik", A, W) - y
    slope = np.einsum("nik,ij->nkj", rest, A)
    tol = {"float64": 1e-12, "float32": 1e-4}[dtype]
    value, gradient = loss.value(theta), loss.gradient(theta)
    assert value.dtype == gradient.dtype == loss.hessian(theta[0]).dtype == dtype
    expected = np.sum(rest**2, axis=(1, 2)) / 2 + 0.7 * np.sum(theta**2, axis=1)
    np.testing.assert_allclose(value, expected, rtol=tol)
    expected = np.concatenate([slope[:, :, :4].reshape(5, 8), slope[:, :, 4]], axis=1)
    np.testing.assert_allclose(gradient, expected + 1.4 * theta, rtol=tol, atol=tol)
    H = loss.hessian(theta[0])
    np.testing.assert_allclose(H[:4, :4], X.T @ X + 1.4 * np.eye(4), atol=30 * tol)
    np.testing.assert_array_equal(H[:4, 4:8], 0)


def test_objective_that_is_linear_has_no_curvature(rng):
    loss = TorchLoss(dense(3, 1), lambda output, _: output.mean()).fit(np.eye(3))
    theta, v = rng.standard_normal((2, 5, 4))
    expected = [1 / 3, 1 / 3, 1 / 3, 1]
    np.testing.assert_allclose(loss.gradient(theta), np.tile(expected, (5, 1)))
    np.testing.assert_array_equal(loss.hvp(theta, v), 0)
    np.testing.assert_array_equal(loss.hessian(theta[0]), 0)


@pytest.mark.parametrize("name", NAMES)
def test_contract(name, rng):
    loss = fitted(name, rng)
    assert (loss.chunk_size_ > 1) == (name != "recurrent")
    check_loss(loss, n_points=3)


@pytest.mark.parametrize("name", ["Softplus", "tied"])
def test_contract_of_rows_one_after_another(name, rng):
    loss = fitted(name, rng, chunk_size=1)
    assert loss.chunk_size_ == 1
    check_loss(loss, n_points=3)


def test_contract_in_single_precision(rng):
    theta = rng.standard_normal((3, 43))
    single, double = (
        fitted("Tanh", np.random.default_rng(0), dtype=dtype)
        for dtype in ("float32", "float64")
    )
    check_loss(single)
    np.testing.assert_allclose(single.value(theta), double.value(theta), rtol=1e-5)


def test_rows_and_loops_agree(rng):
    theta = rng.standard_normal((3, 43))
    v = rng.standard_normal((3, 43))
    one, many = (
        fitted("SiLU", np.random.default_rng(3), chunk_size=c) for c in (1, 64)
    )
    # The same data, another initial module: parameters are arguments.
    for name, arguments in {
        "value": (theta,),
        "gradient": (theta,),
        "hvp": (theta, v),
        "hessian": (theta,),
    }.items():
        actual, expected = (getattr(loss, name)(*arguments) for loss in (one, many))
        np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-14)


def test_gradients_inside_no_grad(rng):
    loss = fitted("Tanh", rng)
    theta = rng.standard_normal(loss.n_params_)
    expected = loss.gradient(theta)
    with torch.no_grad():
        np.testing.assert_array_equal(loss.gradient(theta), expected)
