"""The same numbers on every backend, and no hidden transfer."""

import numpy as np
import pytest

from skcrit._backend import get_namespace, to_device, to_host
from skcrit.losses import LinearAutoencoderLoss

CASES = [
    ((2,), 0.0, "sum"),
    ((6,), 0.2, "sum"),
    ((3, 2), 0.2, "product"),
    ((2, 3, 2), 0.0, "sum"),
]


@pytest.mark.parametrize("dtype, tol", [("float64", 1e-13), ("float32", 2e-5)])
@pytest.mark.parametrize("shape", [(), (3,)], ids=str)
@pytest.mark.parametrize("hidden, alpha, penalty", CASES)
def test_same_numbers(
    hidden, alpha, penalty, shape, dtype, tol, backend, on_device, X, rng
):
    params = {"alpha": alpha, "penalty": penalty}
    plain = LinearAutoencoderLoss(hidden, **params).fit(X)
    loss = LinearAutoencoderLoss(hidden, **params, backend=backend, dtype=dtype).fit(X)
    theta, u, v = rng.standard_normal((3, *shape, loss.n_params_))
    points = [to_device(array, backend, dtype) for array in (theta, u, v)]
    calls = {
        "value": lambda loss, t, u, v: loss.value(t),
        "gradient": lambda loss, t, u, v: loss.gradient(t),
        "hvp": lambda loss, t, u, v: loss.hvp(t, v),
        "hessian": lambda loss, t, u, v: loss.hessian(t),
        "third derivative": lambda loss, t, u, v: loss.third_derivative(t, u, v),
        "invariants": lambda loss, t, u, v: loss.invariants(t),
        "local value": lambda loss, t, u, v: loss.at(t).value,
        "local product": lambda loss, t, u, v: loss.at(t).hvp(v),
        "packed": lambda loss, t, u, v: loss.pack(loss.weights(t)),
        "canonical": lambda loss, t, u, v: loss.rescale(t),
        "many directions": lambda loss, t, u, v: loss.hvp(t[..., None, :], v),
    }
    for name, call in calls.items():
        if shape and name == "many directions":
            points[2], v = to_device(u[:2], backend, dtype), u[:2]
        expected = call(plain, theta, u, v)
        actual = call(loss, *points)
        assert on_device(actual, dtype), name
        assert tuple(actual.shape) == expected.shape, name
        scale = np.max(np.abs(expected))
        np.testing.assert_allclose(
            to_host(actual), expected, rtol=0, atol=tol * scale, err_msg=name
        )


def test_host_arrays_are_taken_to_the_device(backend, on_device, X):
    loss = LinearAutoencoderLoss(backend=backend).fit(X)
    theta = np.ones(loss.n_params_)
    assert on_device(loss.gradient(theta))
    assert on_device(loss.gradient(theta.tolist()))
    assert on_device(loss.hvp(theta, theta))


def test_attributes_and_errors_are_on_the_host(backend, X):
    loss = LinearAutoencoderLoss(backend=backend).fit(X)
    for name in ("second_moment_", "mean_", "eigenvalues_", "eigenvectors_"):
        assert isinstance(getattr(loss, name), np.ndarray)
    errors = loss.transform(X)
    assert isinstance(errors, np.ndarray)
    plain = LinearAutoencoderLoss().fit(X)
    np.testing.assert_allclose(errors, plain.transform(X), rtol=1e-12)


def test_linear_operator_is_on_the_host(backend, X, rng):
    loss = LinearAutoencoderLoss(backend=backend).fit(X)
    theta, v = rng.standard_normal((2, loss.n_params_))
    product = loss.linear_operator(to_device(theta, backend)) @ v
    assert isinstance(product, np.ndarray)
    expected = LinearAutoencoderLoss().fit(X).hvp(theta, v)
    np.testing.assert_allclose(product, expected, rtol=1e-12, atol=1e-13)


def test_simulated_device_is_not_the_default(X):
    # Otherwise the tests above would not see a transfer.
    xp, place = get_namespace("array_api_strict")
    assert place != xp.asarray([0.0]).device
