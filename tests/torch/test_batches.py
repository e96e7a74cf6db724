"""A row gives the same numbers, to the last bit, in every batch of every size."""

import numpy as np
import pytest

from skcrit.losses import _torch_model

from ._modules import NAMES, fitted

SIZES = (1, 7, 31, 33, 64)


def evaluate(loss, theta, v):
    local = loss.at(theta)
    return {
        "value": loss.value(theta),
        "gradient": loss.gradient(theta),
        "hvp": loss.hvp(theta, v),
        "at value": local.value,
        "at gradient": local.gradient,
        "at hvp": local.hvp(v),
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_batch_size_and_place_change_no_bit(name, dtype, rng):
    loss = fitted(name, rng, dtype=dtype)
    n_rows = 100 if loss.chunk_size_ > 1 else 10
    theta, v = rng.standard_normal((2, n_rows, loss.n_params_)).astype(dtype)
    together = evaluate(loss, theta, v)
    for key in ("value", "gradient", "hvp"):
        np.testing.assert_array_equal(together[key], together[f"at {key}"])
    order = rng.permutation(n_rows)
    for size in SIZES:
        rows = order[:size]
        for key, part in evaluate(loss, theta[rows], v[rows]).items():
            np.testing.assert_array_equal(part, together[key][rows], f"{key} {size}")


def test_chunk_size_changes_no_bit(rng):
    theta, v = rng.standard_normal((2, 150, 43))
    expected = None
    for chunk_size in (32, 64, 129, None):
        loss = fitted("GELU", np.random.default_rng(0), chunk_size=chunk_size)
        assert loss.chunk_size_ % 32 == 0
        actual = evaluate(loss, theta, v)
        expected = expected or actual
        for key, numbers in actual.items():
            np.testing.assert_array_equal(numbers, expected[key])


@pytest.mark.parametrize("chunk_size", [None, 1])
def test_products_broadcast(chunk_size, rng):
    loss = fitted("Tanh", rng, chunk_size=chunk_size)
    theta = rng.standard_normal((2, 3, loss.n_params_))
    v = rng.standard_normal((5, loss.n_params_))
    product = loss.hvp(theta[..., None, :], v)
    assert product.shape == (2, 3, 5, loss.n_params_)
    for i, j, k in np.ndindex(2, 3, 5):
        np.testing.assert_array_equal(product[i, j, k], loss.hvp(theta[i, j], v[k]))
    np.testing.assert_array_equal(loss.at(theta[0, 0]).hvp(v), product[0, 0])
    np.testing.assert_array_equal(loss.hvp(theta, v[0]), product[..., 0, :])
    with pytest.raises(ValueError, match="v must have leading axes that broadcast"):
        loss.hvp(theta, v)


@pytest.mark.parametrize(
    "chunk_size, shape",
    [(None, s) for s in ((), (0,), (3,), (2, 2), (20,))]
    + [(1, s) for s in ((0,), (3,))],
    ids=str,
)
def test_shapes(chunk_size, shape, rng):
    loss = fitted("mse", rng, chunk_size=chunk_size)
    n_params = loss.n_params_
    theta = rng.standard_normal((*shape, n_params))
    local = loss.at(theta)
    assert loss.value(theta).shape == local.value.shape == shape
    assert loss.gradient(theta).shape == (*shape, n_params)
    assert loss.hvp(theta, theta).shape == (*shape, n_params)
    hessian = loss.hessian(theta)
    assert hessian.shape == local.hessian().shape == (*shape, n_params, n_params)
    np.testing.assert_array_equal(hessian, np.swapaxes(hessian, -1, -2))
    for index in list(np.ndindex(shape))[::7]:
        products = loss.hvp(theta[index], np.eye(n_params))
        scale = np.abs(products).max()
        np.testing.assert_allclose(hessian[index], products, atol=1e-13 * scale)


@pytest.mark.parametrize("chunk_size", [None, 1])
def test_rows_that_are_not_finite_stay_alone(chunk_size, rng):
    loss = fitted("Softplus", rng, chunk_size=chunk_size)
    theta, v = rng.standard_normal((2, 3, loss.n_params_))
    expected = evaluate(loss, theta, v)
    for bad in (np.nan, np.inf, 1e300):
        spoilt = theta.copy()
        spoilt[1] = bad
        for key, result in evaluate(loss, spoilt, v).items():
            np.testing.assert_array_equal(result[::2], expected[key][::2])


def test_arguments_are_left_alone(rng):
    loss = fitted("Tanh", rng)
    theta, v = rng.standard_normal((2, 32, loss.n_params_))
    copies = theta.copy(), v.copy()
    results = evaluate(loss, theta, v)
    for result in results.values():
        result[...] = 0
    np.testing.assert_array_equal(theta, copies[0])
    np.testing.assert_array_equal(v, copies[1])
    # What was returned is not a part of the loss.
    assert np.all(loss.value(theta) != 0)


@pytest.mark.parametrize("chunk_size", [None, 1])
def test_graphs_that_are_too_large_are_not_kept(chunk_size, rng, monkeypatch):
    loss = fitted("Tanh", rng, chunk_size=chunk_size)
    theta, v = rng.standard_normal((2, 17, loss.n_params_))
    kept = evaluate(loss, theta, v) | {"hessian": loss.at(theta).hessian()}
    monkeypatch.setattr(_torch_model, "_KEPT_BYTES", 10 * loss._network.row_bytes)
    again = evaluate(loss, theta, v) | {"hessian": loss.at(theta).hessian()}
    for key, numbers in kept.items():
        np.testing.assert_array_equal(again[key], numbers)


def test_a_local_model_evaluates_the_module_once(rng):
    loss = fitted("Tanh", rng)
    theta, v = rng.standard_normal((2, 5, loss.n_params_))
    calls = []
    loss._network.module.register_forward_hook(lambda *_: calls.append(1))
    local = loss.at(theta)
    assert local.value.shape == (5,)
    assert local.gradient.shape == local.hvp(v).shape == (5, loss.n_params_)
    np.testing.assert_array_equal(local.hvp(v), local.hvp(v))
    assert len(calls) == 1
