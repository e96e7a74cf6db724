"""The Lipschitz constant of the Hessian is never exceeded, and not far too large."""

from fractions import Fraction

import numpy as np
import pytest

from skcrit import MLPLoss

from .test_layers import make

SMOOTH = ["identity", "tanh", "logistic", "softplus", "silu", "erf"]


def third_norm(loss, theta, rng, n_draws=8):
    """Estimate the norm of the third derivative, from below, by power iterations."""
    best = 0.0
    for _ in range(n_draws):
        u = rng.standard_normal(loss.n_params_)
        for _ in range(20):
            u /= np.linalg.norm(u)
            u = loss.third_derivative(theta, u, u) + 1e-12 * u
            best = max(best, np.linalg.norm(u))
    return best


def largest_quotient(loss, theta, radius, rng, n_pairs=40):
    """Compare the Hessian at random pairs of points of a ball."""
    directions = rng.standard_normal((n_pairs, 2, loss.n_params_))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    ends = theta + radius * directions * rng.uniform(size=(n_pairs, 2, 1)) ** 0.2
    # One pair along a diameter, and short steps near the rim.
    ends[0] = theta + radius * directions[0, :1] * [[1.0], [-1.0]]
    ends[1::3, 1] = theta + (ends[1::3, 0] - theta) * 0.99
    hessians = loss.hessian(ends)
    gaps = np.linalg.norm(hessians[:, 0] - hessians[:, 1], 2, axis=(-2, -1))
    return np.max(gaps / np.linalg.norm(ends[:, 0] - ends[:, 1], axis=-1))


@pytest.mark.parametrize("hidden", [(3,), (3, 2), (2, 2, 2)], ids=str)
@pytest.mark.parametrize("kind", ["squared_error", "logistic", "softmax"])
@pytest.mark.parametrize("activation", SMOOTH)
def test_never_exceeded(activation, kind, hidden, rng):
    loss, _ = make(hidden, activation, kind, rng, alpha=0.1)
    for size, radius in ((0.3, 0.01), (1.0, 0.5), (2.0, 2.0)):
        theta = size * rng.standard_normal(loss.n_params_)
        bound = loss.hessian_lipschitz(theta, radius)
        assert largest_quotient(loss, theta, radius, rng) <= bound < np.inf
        # At the rim of the ball the third derivative is bounded as well.
        rim = rng.standard_normal(loss.n_params_)
        rim = theta + radius * rim / np.linalg.norm(rim)
        assert third_norm(loss, rim, rng, n_draws=2) <= bound


def test_not_far_too_large(rng):
    X = np.random.default_rng(0).normal(size=(20, 2))
    y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] ** 2
    loss = MLPLoss((3,), alpha=0.1).fit(X, y)
    ratios = []
    for theta in 0.7 * rng.standard_normal((20, loss.n_params_)):
        bound = loss.hessian_lipschitz(theta, 1e-4)
        ratios.append(bound / third_norm(loss, theta, rng))
    assert 1 <= min(ratios) and np.median(ratios) < 15 and max(ratios) < 30


def test_it_grows_with_the_radius_and_not_with_the_penalty(rng):
    loss, _ = make((3,), "tanh", "softmax", rng)
    theta = rng.standard_normal((5, loss.n_params_))
    radii = [0.0, 0.01, 0.1, 1.0, 10.0]
    bounds = np.stack([loss.hessian_lipschitz(theta, radius) for radius in radii])
    assert np.all(np.diff(bounds, axis=0) > 0)
    np.testing.assert_allclose(bounds[1], bounds[0], rtol=0.1)
    assert np.all(bounds[0] >= [third_norm(loss, t, rng) for t in theta])
    per_point = loss.hessian_lipschitz(theta, radii)
    np.testing.assert_array_equal(per_point, np.diag(bounds))
    penalised, _ = make((3,), "tanh", "softmax", np.random.default_rng(42), alpha=3.0)
    assert penalised.hessian_lipschitz(theta, 0.1).shape == (5,)


def test_a_linear_network_with_squared_error_of_degree_four(rng):
    # Its third derivative is linear in theta: the bound is computed by hand.
    loss = MLPLoss((1,), "identity", fit_intercept=False).fit([[1.0]], [[0.0]])
    # f = (a b)^2 / 2, with the third derivative 2 (b, a) times (aab, abb).
    theta = np.array([1.5, 0.5])
    exact = third_norm(loss, theta, rng)
    assert exact <= loss.hessian_lipschitz(theta, 0.0) <= 3 * exact


@pytest.mark.parametrize("activation", ["tanh", "logistic", "softplus", "silu", "erf"])
def test_it_holds_where_z_is_rounded(activation, rng):
    # Large weights that cancel leave z with few correct digits. The exact z, as the
    # intercept of a unit without weights, has no bound above that of the first one.
    loss = MLPLoss((1,), activation, alpha=0.1).fit([[0.1]], [1.0])
    for size in (1e3, 1e8, 1e12):
        weight, wanted = size * rng.uniform(1, 2, 40), rng.uniform(-4, 4, 40)
        intercept = wanted - 0.1 * weight
        z = [
            float(Fraction(w) * Fraction(0.1) + Fraction(b))
            for w, b in zip(weight, intercept, strict=True)
        ]
        one, zero = np.ones(40), np.zeros(40)
        far = np.stack([weight, intercept, 2 * one, zero], axis=1)
        near = np.stack([zero, z, 2 * one, zero], axis=1)
        bound = loss.hessian_lipschitz(far, 0.0)
        assert np.all(bound >= loss.hessian_lipschitz(near, 0.0) * (1 - 1e-9))


def test_single_precision_is_rounded_upwards(rng):
    X, y = rng.standard_normal((50, 2)), rng.standard_normal(50)
    X = X.astype("float32").astype(float)
    double = MLPLoss((3,), alpha=0.1).fit(X, y)
    single = MLPLoss((3,), alpha=0.1, dtype="float32").fit(X, y)
    theta = rng.standard_normal((50, double.n_params_)).astype("float32")
    bound = single.hessian_lipschitz(theta, 0.5)
    assert np.all(bound >= double.hessian_lipschitz(theta.astype(float), 0.5))


def test_relu_has_no_bound(rng):
    with pytest.warns(UserWarning, match="not smooth"):
        loss = MLPLoss((2,), "relu").fit(rng.standard_normal((5, 2)), np.ones(5))
    assert np.all(loss.hessian_lipschitz(np.ones((3, 9)), 0.1) == np.inf)


@pytest.mark.parametrize(
    "radius, match",
    [
        (-1.0, "nonnegative"),
        (np.nan, "nonnegative"),
        (np.inf, "nonnegative"),
        ([1.0, 2.0, 3.0], "shape"),
        ("far", "radius"),
    ],
)
def test_radius(radius, match, rng):
    loss, _ = make((2,), "tanh", "squared_error", rng)
    with pytest.raises(ValueError, match=match):
        loss.hessian_lipschitz(np.zeros((2, loss.n_params_)), radius)
