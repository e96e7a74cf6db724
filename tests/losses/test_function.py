"""Losses made of a user's functions."""

import pickle
from functools import partial

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skcrit.exceptions import NoGroundTruthError
from skcrit.losses import FunctionLoss


# f(t) = sum_i t_i^4 / (4 s_i^4) + (sum_i t_i / s_i)^2 / 2, of natural size s.
def value(t, s):
    x = t / s
    return np.sum(x**4, axis=-1) / 4 + np.sum(x, axis=-1) ** 2 / 2


def gradient(t, s):
    x = t / s
    return (x**3 + np.sum(x, axis=-1, keepdims=True)) / s


def hvp(t, v, s):
    x, w = t / s, v / s
    return (3 * x**2 * w + np.sum(w, axis=-1, keepdims=True)) / s


def make(s=1.0, *, with_hvp=False, n_params=3):
    functions = [partial(f, s=s) for f in (value, gradient)]
    product = partial(hvp, s=s) if with_hvp else None
    return FunctionLoss(*functions, hvp=product, n_params=n_params)


@pytest.mark.parametrize("with_hvp", [False, True])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3)], ids=str)
def test_functions_are_called(with_hvp, shape, rng):
    loss = make(with_hvp=with_hvp).fit()
    theta, v = rng.standard_normal((2, *shape, 3))
    np.testing.assert_array_equal(loss.value(theta), value(theta, 1.0))
    np.testing.assert_array_equal(loss.gradient(theta), gradient(theta, 1.0))
    expected = hvp(theta, v, 1.0)
    tol = 0 if with_hvp else 1e-8
    np.testing.assert_allclose(loss.hvp(theta, v), expected, rtol=tol, atol=tol)
    local = loss.at(theta)
    np.testing.assert_array_equal(local.value, loss.value(theta))
    np.testing.assert_array_equal(local.gradient, loss.gradient(theta))
    np.testing.assert_array_equal(local.hvp(v), loss.hvp(theta, v))
    np.testing.assert_array_equal(local.hessian(), loss.hessian(theta))


@pytest.mark.parametrize("with_hvp", [False, True])
def test_hessian_is_symmetric(with_hvp, rng):
    loss = make(with_hvp=with_hvp).fit()
    theta = rng.standard_normal((2, 3))
    hessian = loss.hessian(theta)
    np.testing.assert_array_equal(hessian, np.swapaxes(hessian, -1, -2))
    expected = hvp(theta[:, None], np.eye(3), 1.0)
    np.testing.assert_allclose(hessian, expected, atol=1e-8)


@pytest.mark.parametrize("v_size", [1e-300, 1e-30, 1e-8, 1.0, 1e8, 1e30, 1e290])
@pytest.mark.parametrize("theta_size", [0.0, 1e-3, 1.0, 1e4])
def test_differences_at_every_size(v_size, theta_size, rng):
    loss = make().fit()
    theta, v = rng.standard_normal((2, 10, 3))
    theta = theta_size * theta
    expected = v_size * hvp(theta, v, 1.0)
    error = np.abs(loss.hvp(theta, v_size * v) - expected)
    # Of the size of H and v, not of H v: v may lie close to the kernel of H.
    scale = (3 + 3 * np.max(theta**2, axis=-1)) * v_size * np.linalg.norm(v, axis=-1)
    assert np.max(error / scale[:, None]) < 1e-8


def test_differences_with_parameters_of_different_sizes(rng):
    s = np.array([1e4, 1.0, 1e2])
    loss = make(s).fit()
    theta = s * rng.standard_normal((10, 3))
    # A step that suits the largest parameter would be far too long for the smallest.
    expected = hvp(theta[:, None], np.eye(3), s)
    actual = loss.hvp(theta[:, None], np.eye(3))
    scale = np.max(np.abs(expected), axis=-1, keepdims=True)
    assert np.max(np.abs(actual - expected) / scale) < 1e-6


def test_difference_along_zero_is_zero():
    loss = make().fit()
    v = np.array([[0.0, 0, 0], [1, 0, 0]])
    product = loss.hvp(np.ones(3), v)
    np.testing.assert_array_equal(product[0], 0)
    np.testing.assert_allclose(product[1], [4, 1, 1], rtol=1e-8)


@pytest.mark.parametrize("with_hvp", [False, True])
def test_directions_broadcast(with_hvp, rng):
    loss = make(with_hvp=with_hvp).fit()
    theta, v = rng.standard_normal((4, 3)), rng.standard_normal((5, 3))
    assert loss.hvp(theta[:, None], v).shape == (4, 5, 3)
    with pytest.raises(ValueError, match=r"v must .* broadcast .* got shape \(5, 3\)"):
        loss.hvp(theta, v)


def test_function_may_overwrite_the_arrays_of_a_product():
    def greedy(t, v):
        t += 1
        v *= 0
        return v

    loss = FunctionLoss(value, gradient, hvp=greedy, n_params=2).fit()
    theta, v = np.ones((3, 2)), np.ones(2)
    loss.hvp(theta, v)
    np.testing.assert_array_equal(theta, 1)
    np.testing.assert_array_equal(v, 1)


@pytest.mark.parametrize("X", [None, np.ones((4, 7))], ids=["nothing", "data"])
def test_fit_learns_nothing(X):
    loss = make()
    assert loss.fit(X) is loss
    assert loss.n_params_ == 3
    assert not hasattr(loss, "n_features_in_")


@pytest.mark.parametrize(
    "params, message",
    [
        ({"n_params": None}, r"'n_params' .* int in the range \[1, inf\). Got None"),
        ({"n_params": 0}, "'n_params' .* Got 0"),
        ({"n_params": 2.0}, "'n_params' .* Got 2.0"),
        ({"value": None}, "'value' .* callable. Got None"),
        ({"gradient": 3}, "'gradient' .* callable. Got 3"),
        ({"hvp": "auto"}, "'hvp' .* callable or None. Got 'auto'"),
    ],
)
def test_impossible_parameters(params, message):
    loss = FunctionLoss(
        **{"value": value, "gradient": gradient, "n_params": 3} | params
    )
    with pytest.raises(ValueError, match=message):
        loss.fit()


@pytest.mark.parametrize("name", ["value", "gradient", "hvp"])
@pytest.mark.parametrize(
    "result, message",
    [
        (np.ones((2, 2)), r"an array of shape .* got shape \(2, 2\)"),
        (None, "an array .* got NoneType: nothing, is a return statement missing"),
        ("a", "an array of real numbers, got str"),
    ],
    ids=["shape", "nothing", "text"],
)
def test_functions_that_return_something_else(name, result, message):
    functions = {"value": value, "gradient": gradient, "hvp": hvp}
    functions[name] = lambda *args: result
    loss = FunctionLoss(**functions, n_params=3).fit()
    arguments = [np.ones(3)] * (2 if name == "hvp" else 1)
    with pytest.raises(ValueError, match=f"{name} must return {message}"):
        getattr(loss, name)(*arguments)


def test_impossible_points_and_use_before_fit():
    loss = make()
    with pytest.raises(NotFittedError, match="FunctionLoss.*not fitted"):
        loss.value(np.ones(3))
    loss.fit()
    with pytest.raises(
        ValueError, match=r"theta must .* \(\.\.\., 3\) for FunctionLos"
    ):
        loss.gradient(np.ones(4))
    with pytest.raises(ValueError, match=r"v must have shape .* got shape \(2,\)"):
        loss.hvp(np.ones(3), np.ones(2))


def test_get_params_and_set_params():
    loss = make()
    first = {"value", "gradient", "hvp", "n_params"}
    declared = {"bounds", "length", "symmetries", "invariants", "representative"}
    assert set(loss.get_params()) == first | declared | {
        "ground_truth",
        "hessian_lipschitz",
        "evaluation_error",
        "is_coercive",
    }
    assert loss.set_params(n_params=5, hvp=hvp) is loss
    assert loss.get_params()["hvp"] is hvp
    assert loss.fit().n_params_ == 5
    with pytest.raises(ValueError, match="Invalid parameter 'size' for FunctionLoss"):
        loss.set_params(size=3)


def test_clone_and_pickle():
    loss = make(2.0).fit()
    copy = clone(loss)
    assert copy.get_params().keys() == loss.get_params().keys()
    with pytest.raises(NotFittedError, match="not fitted"):
        copy.value(np.ones(3))
    for other in (copy.fit(), pickle.loads(pickle.dumps(loss))):
        np.testing.assert_array_equal(
            other.gradient(np.ones(3)), loss.gradient(np.ones(3))
        )


def test_has_no_ground_truth():
    with pytest.raises(NoGroundTruthError, match="FunctionLoss .* LinearAutoencoderLo"):
        make().fit().analytical_spectrum()


def test_bounds_on_errors_have_one_number_per_point():
    loss = FunctionLoss(
        lambda t: np.sum(t**2, axis=-1) / 2,
        lambda t: t,
        n_params=2,
        evaluation_error=lambda t: (np.zeros(len(t)), np.zeros(len(t))),
    ).fit()
    message = r"evaluation_error must return three arrays of shape \(3,\)"
    with pytest.raises(ValueError, match=message):
        loss.evaluation_error(np.zeros((3, 2)))


@pytest.mark.parametrize("shape", [(0, 4), (3, 0, 4)])
def test_functions_that_need_a_point_are_not_called_without_one(shape):
    # As of points in space: reshape cannot infer a length of an array without entries.
    def pairs(t):
        return t.reshape(*t.shape[:-1], -1, 2)

    loss = FunctionLoss(
        lambda t: np.sum(pairs(t) ** 4, axis=(-1, -2)),
        lambda t: (4 * pairs(t) ** 3).reshape(t.shape),
        lambda t, v: (12 * pairs(t) ** 2 * pairs(v)).reshape(t.shape),
        n_params=4,
        invariants=lambda t: np.sum(pairs(t) ** 2, axis=-1),
        representative=lambda t: np.abs(pairs(t)).reshape(t.shape),
        symmetries=lambda t: 0 * pairs(t)[..., :1].repeat(4, axis=-1)[..., :1, :],
    ).fit()
    nothing = np.ones(shape)
    assert loss.value(nothing).shape == shape[:-1]
    assert loss.gradient(nothing).shape == shape
    assert loss.hvp(nothing, nothing).shape == shape
    assert loss.invariants(nothing).shape == (*shape[:-1], 2)
    assert loss.representative(nothing).shape == shape
    assert loss.orbit_tangents(nothing).shape == (*shape[:-1], 1, 4)
