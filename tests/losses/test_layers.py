"""Derivatives of networks against loops over samples and complex steps."""

import numpy as np
import pytest

from skcrit import MLPLoss
from skcrit._backend import to_host

from ._networks import PHI, Network
from ._reference import relative_error

HIDDEN = [(4,), (3, 2), (3, 2, 3)]
OUTPUTS = ["squared_error", "logistic", "softmax"]
SMOOTH = [name for name in PHI if name != "relu"]


def make(hidden, activation, kind, rng, n_samples=7, **params):
    """Return a fitted loss, the reference, and parameters that are not extreme."""
    X = rng.standard_normal((n_samples, 3))
    if kind == "squared_error":
        y = Y = rng.standard_normal((n_samples, 2))
    else:
        classes = 2 if kind == "logistic" else 3
        y = np.arange(n_samples) % classes
        Y = y[:, None] if kind == "logistic" else np.eye(3)[y]
    loss_name = "squared_error" if kind == "squared_error" else "log_loss"
    loss = MLPLoss(hidden, activation, loss=loss_name, **params).fit(X, y)
    reference = Network(
        (3, *hidden, Y.shape[1]),
        activation,
        X,
        Y.astype(float),
        kind,
        alpha=loss.alpha,
        intercept=loss.fit_intercept,
        penalize_intercept=loss.penalize_intercept,
    )
    return loss, reference


@pytest.fixture(
    params=[
        {},
        {"alpha": 0.3},
        {"alpha": 0.3, "penalize_intercept": True},
        {"alpha": 0.3, "fit_intercept": False},
    ],
    ids=["plain", "penalty", "on intercepts", "no intercepts"],
)
def params(request):
    return request.param


@pytest.mark.filterwarnings("ignore:activation='relu'")
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("activation", PHI)
def test_derivatives(activation, kind, hidden, params, rng):
    loss, reference = make(hidden, activation, kind, rng, **params)
    theta, v = 0.7 * rng.standard_normal((2, loss.n_params_))
    value, gradient = reference.value(theta), reference.gradient(theta)
    assert abs(loss.value(theta) - value) <= 1e-13 * abs(value)
    assert relative_error(loss.gradient(theta), gradient) < 1e-12
    assert relative_error(loss.hvp(theta, v), reference.hvp(theta, v)) < 1e-12
    local = loss.at(theta)
    assert relative_error(local.hvp(v), reference.hvp(theta, v)) < 1e-12
    assert relative_error(local.gradient, gradient) < 1e-12


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("activation", SMOOTH)
def test_third_derivative(activation, kind, hidden, rng):
    loss, reference = make(hidden, activation, kind, rng, alpha=0.2)
    theta, u, v = 0.7 * rng.standard_normal((3, loss.n_params_))
    actual = loss.third_derivative(theta, u, v)
    # The circles have radius 0.1: rounding is divided by its square.
    assert relative_error(actual, reference.third_derivative(theta, u, v)) < 1e-11
    swapped = loss.third_derivative(theta, v, u)
    assert relative_error(swapped, actual) < 1e-12
    w = rng.standard_normal(loss.n_params_)
    turned = loss.third_derivative(theta, u, w)
    assert abs(actual @ w - turned @ v) < 1e-12 * np.linalg.norm(actual) * len(w)


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", SMOOTH)
@pytest.mark.parametrize("kind", OUTPUTS)
def test_hessian(kind, activation, hidden, rng):
    loss, reference = make(hidden, activation, kind, rng, alpha=0.2)
    theta = 0.7 * rng.standard_normal((2, 2, loss.n_params_))
    hessian = loss.hessian(theta)
    np.testing.assert_array_equal(hessian, np.swapaxes(hessian, -1, -2))
    for index in np.ndindex(2, 2):
        columns = [reference.hvp(theta[index], e) for e in np.eye(loss.n_params_)]
        assert relative_error(hessian[index], np.stack(columns, axis=1)) < 1e-12
    np.testing.assert_array_equal(loss.at(theta).hessian(), hessian)


@pytest.mark.parametrize("backend", ["numpy", "array_api_strict"])
@pytest.mark.parametrize("intercept", [True, False])
def test_many_features_in_blocks(intercept, backend, rng, monkeypatch):
    # Blocks of 32 samples, the last one of 6.
    monkeypatch.setattr("skcrit.losses._mlp_model._HOST_NUMBERS", 2**6)
    X, Y = rng.standard_normal((70, 40)), rng.standard_normal((70, 2))
    params = {"alpha": 0.3, "fit_intercept": intercept, "backend": backend}
    loss = MLPLoss((5,), "silu", **params).fit(X, Y)
    reference = Network(
        (40, 5, 2), "silu", X, Y, "squared_error", alpha=0.3, intercept=intercept
    )
    theta, v = 0.4 * rng.standard_normal((2, loss.n_params_))
    points = [loss.asarray(array) for array in (theta, v)]
    for found, expected in [
        (loss.gradient(points[0]), reference.gradient(theta)),
        (loss.hvp(*points), reference.hvp(theta, v)),
        (loss.at(points[0]).hvp(points[1]), reference.hvp(theta, v)),
    ]:
        assert relative_error(to_host(found), expected) < 1e-12


@pytest.mark.parametrize("hidden", [(3,), (3, 2, 4)], ids=str)
def test_hessian_in_portions(hidden, rng, monkeypatch):
    loss, _ = make(hidden, "silu", "softmax", rng, alpha=0.2)
    theta = rng.standard_normal((5, loss.n_params_))
    whole = loss.hessian(theta)
    np.testing.assert_array_equal(loss.hessian(theta[3]), whole[3])
    # One row of inputs at a time.
    monkeypatch.setattr("skcrit.losses._mlp_hessian._MOST_NUMBERS", 1)
    assert relative_error(loss.hessian(theta), whole) < 1e-14


def test_blocks_of_samples_and_chunks_of_points(rng, monkeypatch):
    # The same sums in other portions; 50 samples make two blocks of 32 here.
    theta, v = rng.standard_normal((2, 9, 5 * 4 + 2 * 6))
    results = []
    for numbers in (2**6, 2**20):
        monkeypatch.setattr("skcrit.losses._mlp_model._HOST_NUMBERS", numbers)
        loss, _ = make((5,), "tanh", "squared_error", np.random.default_rng(0), 50)
        local = loss.at(theta)
        results.append([local.value, local.gradient, local.hvp(v), loss.hessian(theta)])
    for small, large in zip(*results, strict=True):
        assert relative_error(small, large) < 1e-13


def test_sweeps_are_kept_only_within_a_limit(rng, monkeypatch):
    loss, _ = make((5,), "tanh", "squared_error", rng)
    theta, v = rng.standard_normal((2, 6, loss.n_params_))
    expected = loss.at(theta).hvp(v)
    monkeypatch.setattr("skcrit.losses._mlp_model._HOST_KEPT", 0)
    local = loss.at(theta)
    np.testing.assert_array_equal(local.hvp(v), expected)
    assert not local._sweeps
    assert not loss.at(theta)._sweeps


@pytest.mark.parametrize("activation", SMOOTH)
def test_forward_sweeps_are_kept_of_more_points(activation, rng, monkeypatch):
    loss, _ = make((4, 5), activation, "softmax", rng)
    theta, v = rng.standard_normal((2, 6, loss.n_params_))
    local = loss.at(theta)
    expected = [local.gradient, local.hvp(v), local.hvp(-v), local.hessian()]
    for limit in (6 * loss.numbers_per_point_, 6 * loss._numbers_forward):
        monkeypatch.setattr("skcrit.losses._mlp_model._HOST_KEPT", limit)
        local = loss.at(theta)
        found = [local.gradient, local.hvp(v), local.hvp(-v), local.hessian()]
        for array, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(array, other)
        kept = set.union(*(set(vars(sweep)) for sweep in local._sweeps.values()))
        assert ("_slopes" in kept) == (limit >= 6 * loss.numbers_per_point_)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n_samples", [2, 5, 8])
@pytest.mark.parametrize("activation", ["tanh", "logistic", "softplus", "silu"])
def test_rows_of_small_networks_round_alike(activation, n_samples, dtype, rng):
    # Products of small matrices round by the distance of their rows in memory.
    X, Y = rng.standard_normal((n_samples, 3)), rng.standard_normal((n_samples, 9))
    for hidden in [(8, 10, 6), (1, 10), (10,)]:
        loss = MLPLoss(hidden, activation, dtype=dtype).fit(X, Y)
        theta, v = rng.standard_normal((2, 5, loss.n_params_)).astype(dtype)
        batch = [loss.gradient(theta), loss.hvp(theta, v), loss.hessian(theta)]
        for row in range(5):
            t, w = theta[row], v[row]
            alone = [loss.gradient(t), loss.hvp(t, w), loss.hessian(t)]
            for rows, result in zip(batch, alone, strict=True):
                np.testing.assert_array_equal(rows[row], result)
            np.testing.assert_array_equal(loss.at(t).hvp(v)[row], batch[1][row])


def test_relu_of_a_dead_unit_is_flat(rng):
    with pytest.warns(UserWarning, match="not smooth"):
        loss = MLPLoss((2,), "relu").fit(rng.standard_normal((5, 2)), np.ones(5))
    coefs = [np.zeros((2, 2)), np.ones((2, 1))]
    theta = loss.pack(coefs, [np.array([-1.0, 1.0]), np.zeros(1)])
    gradient = loss.unpack(loss.gradient(theta))
    np.testing.assert_array_equal(gradient[0][0][:, 0], 0)
    assert gradient[1][0][0] == 0 and gradient[0][1][0, 0] == 0
