"""Orbits of hidden units: their sizes, tangents and rescaled points."""

from itertools import permutations, product
from math import factorial

import numpy as np
import pytest
from scipy.optimize import root

from skcrit import MLPLoss
from skcrit.utils.testing import check_loss

from ._units import FLIPPING, flip, network, permute

close = np.testing.assert_allclose

pytestmark = pytest.mark.filterwarnings("ignore:activation=.relu.:UserWarning")


def brute_force_orbit(loss, theta):
    """Count the distinct points that all symmetries reach."""
    points = [theta]
    for layer, p in enumerate(loss._widths[1:-1]):
        moved = []
        for point in points:
            for order in permutations(range(p)):
                permuted = permute(loss, point, layer, list(order))
                flips = loss.activation in FLIPPING
                for signs in product((1, -1), repeat=p) if flips else [(1,) * p]:
                    other = permuted
                    for unit in np.flatnonzero(np.array(signs) < 0):
                        other = flip(loss, other, layer, unit)
                    moved.append(other)
        points = np.unique(np.round(moved, 9) + 0.0, axis=0)
    return len(points)


@pytest.mark.parametrize("activation", ["tanh", "logistic", "softplus"])
def test_orbit_size_of_special_points(activation, rng):
    loss = network((3,), activation, rng)
    generic = rng.standard_normal(loss.n_params_)
    coefs, intercepts = loss.unpack(generic)

    def with_units(rows):
        # Put copies of units, with a sign or zero, into the three places.
        parts = [np.zeros_like(a) for a in (coefs[0], intercepts[0], coefs[1])]
        for place, (unit, sign) in enumerate(rows):
            parts[0][:, place] = sign * coefs[0][:, unit]
            parts[1][place] = sign * intercepts[0][unit]
            parts[2][place] = sign * coefs[1][unit]
        W, b, V = parts
        last = intercepts[1]
        if activation == "logistic":
            last = last - V.sum(axis=0) / 2  # where signs are signs
        return loss.pack([W, V], [b, last])

    cases = [
        [(0, 1), (1, 1), (2, 1)],
        [(0, 1), (0, 1), (2, 1)],
        [(0, 1), (0, -1), (2, 1)],
        [(0, 1), (0, 1), (0, -1)],
        [(0, 0), (1, 1), (2, 1)],
        [(0, 0), (0, 0), (2, 1)],
        [(0, 0), (0, 0), (0, 0)],
    ]
    sizes = [brute_force_orbit(loss, with_units(rows)) for rows in cases]
    points = np.stack([with_units(rows) for rows in cases])
    assert loss.orbit_size(points).tolist() == sizes
    # A unit without incoming weights only, and one without outgoing weights only.
    for part in (0, 1):
        coefs, intercepts = ([a.copy() for a in x] for x in loss.unpack(generic))
        if part == 0:
            coefs[0][:, 1], intercepts[0][1] = 0, 0
        else:
            coefs[1][1] = 0
        point = loss.pack(coefs, intercepts)
        assert loss.orbit_size(point) == brute_force_orbit(loss, point)


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_orbit_size_of_deep_networks(activation, rng):
    loss = network((2, 2), activation, rng)
    theta = rng.standard_normal(loss.n_params_)
    coefs, intercepts = loss.unpack(theta)
    points = [theta, np.zeros_like(theta)]
    # Twins in the first layer.
    W, b = coefs[0].copy(), intercepts[0].copy()
    W[:, 1], b[1] = W[:, 0], b[0]
    V = coefs[1].copy()
    V[1] = V[0]
    points.append(loss.pack([W, V, coefs[2]], [b, *intercepts[1:]]))
    # Equal incoming weights, but different outgoing ones.
    points.append(loss.pack([W, coefs[1], coefs[2]], [b, *intercepts[1:]]))
    # Both layers exchange their units together: no unit has a twin.
    V = np.array([[1.0, 0.3], [0.3, 1.0]])
    U, c = coefs[2].copy(), intercepts[1].copy()
    U[1], c[1] = U[0], c[0]
    points.append(loss.pack([W, V, U], [b, c, intercepts[2]]))
    # No unit of the first layer has incoming weights.
    points.append(loss.pack([0 * W, *coefs[1:]], [0 * b, *intercepts[1:]]))
    sizes = [brute_force_orbit(loss, point) for point in points]
    assert loss.orbit_size(np.stack(points)).tolist() == sizes
    assert len(set(sizes)) >= 3


def test_large_orbits_are_exact(rng):
    loss = network((30,), "tanh", rng)
    size = loss.orbit_size(rng.standard_normal(loss.n_params_))
    assert size[()] == factorial(30) * 2**30


CONTINUOUS = [
    ("tanh", {"loss": "log_loss", "alpha": 0.0}, 5),
    ("tanh", {"loss": "log_loss"}, 1),
    ("tanh", {"loss": "log_loss", "fit_intercept": False}, 0),
    ("tanh", {"loss": "log_loss", "penalize_intercept": True}, 0),
    ("tanh", {"alpha": 0.0}, 0),
    ("relu", {"alpha": 0.0}, 4),
    ("relu", {}, 0),
    ("identity", {"alpha": 0.0, "fit_intercept": False}, 16),
    ("identity", {"alpha": 0.0}, 20),
    ("identity", {}, 10),
    ("identity", {"penalize_intercept": True}, 6),
    ("tanh", {"alpha": 0.0, "n_samples": 2}, 8),
]


def finite_step(loss, theta, tangent, size=1e-5):
    return theta + size * tangent / np.linalg.norm(tangent)


@pytest.mark.parametrize("activation, params, n_tangents", CONTINUOUS)
def test_tangents_of_continuous_symmetries(activation, params, n_tangents, rng):
    loss = network((4,), activation, rng, **params)
    theta = rng.standard_normal((2, loss.n_params_))
    tangents = loss.orbit_tangents(theta)
    assert tangents.shape == (2, n_tangents, loss.n_params_)
    gradient = loss.gradient(theta)
    slopes = np.einsum("bij,bj->bi", tangents, gradient)
    close(slopes, 0, atol=1e-13)
    if n_tangents == 0:
        return
    assert np.all(np.linalg.norm(tangents, axis=-1) > 0.1)
    # The group acts: H t = -(dA)^T g for the generator A of each one-parameter group;
    # at least t' H t follows from the value being constant to second order.
    for tangent in tangents[0]:
        value = loss.value(np.stack([theta[0], finite_step(loss, theta[0], tangent)]))
        close(value[0], value[1], atol=1e-8)
    # Invariants do not change along the orbits.
    moved = finite_step(loss, theta[0], tangents[0, -1])
    gap = np.linalg.norm(loss.invariants(moved) - loss.invariants(theta[0]))
    assert gap < 1e-8


@pytest.mark.parametrize("hidden", [(2,), (2, 2)], ids=str)
@pytest.mark.parametrize(
    "activation, params",
    [
        ("identity", {"alpha": 0.0}),
        ("identity", {}),
        ("tanh", {"loss": "log_loss"}),
        ("silu", {"loss": "log_loss", "alpha": 0.5}),
    ],
)
def test_hessian_is_zero_along_tangents_at_critical_points(
    activation, params, hidden, rng
):
    loss = network(hidden, activation, rng, **params)
    for seed in range(20):
        theta = 0.7 * np.random.default_rng(seed).standard_normal(loss.n_params_)
        found = root(loss.gradient, theta, jac=loss.hessian, method="lm", tol=1e-15)
        if np.max(np.abs(loss.gradient(found.x))) < 1e-13:
            break
    else:
        raise AssertionError("no critical point was found")
    tangents = loss.orbit_tangents(found.x)
    assert len(tangents)
    hessian = loss.hessian(found.x)
    close(tangents @ hessian, 0, atol=1e-10 * np.linalg.norm(hessian, 2))


@pytest.mark.parametrize("hidden", [(4,), (3, 2), (3, 4, 2)], ids=str)
@pytest.mark.parametrize(
    "activation, params",
    [
        ("relu", {"alpha": 0.0}),
        ("relu", {"alpha": 0.0, "loss": "log_loss"}),
        ("tanh", {"alpha": 0.0, "loss": "log_loss"}),
        ("tanh", {"loss": "log_loss"}),
        ("silu", {"alpha": 0.0, "n_samples": 3}),
    ],
)
def test_rescaled_points(activation, params, hidden, rng):
    loss = network(hidden, activation, rng, **params)
    theta = rng.standard_normal((4, loss.n_params_))
    scaled = loss.rescale(theta)
    close(loss.value(scaled), loss.value(theta), rtol=1e-12)
    close(loss.rescale(scaled), scaled, atol=1e-10)
    close(loss.invariants(scaled), loss.invariants(theta), atol=1e-9)
    assert np.all(np.linalg.norm(scaled, axis=1) < np.linalg.norm(theta, axis=1))
    # It is the point of least norm: orthogonal to its orbit.
    tangents = loss.orbit_tangents(scaled)
    close(np.einsum("bij,bj->bi", tangents, scaled), 0, atol=1e-9)
    if activation == "relu":
        moved = theta.copy()
        coefs, intercepts = ([a.copy() for a in x] for x in loss.unpack(moved))
        factor = rng.uniform(0.1, 10, hidden[0])
        coefs[0] *= factor
        intercepts[0] *= factor
        coefs[1] /= factor[:, None]
        moved = loss.pack(coefs, intercepts)
        close(loss.value(moved), loss.value(theta), rtol=1e-10)
        close(loss.invariants(moved), loss.invariants(theta), atol=1e-8)
        close(loss.rescale(moved), scaled, atol=1e-8)


def test_contract_with_continuous_symmetries(rng):
    for activation, params in (
        ("softplus", {"alpha": 0.0, "loss": "log_loss"}),
        ("silu", {"alpha": 0.0, "n_samples": 3}),
        ("identity", {"alpha": 0.0}),
    ):
        check_loss(network((3, 2), activation, rng, **params))


def test_weights_that_no_sample_sees(rng):
    # A constant column beside an intercept, and a column that repeats another.
    X = rng.standard_normal((15, 4))
    X[:, 1], X[:, 3] = 2.0, -3 * X[:, 0]
    loss = MLPLoss((2,)).fit(X, X[:, 2])
    tangents = loss.orbit_tangents(rng.standard_normal(loss.n_params_))
    assert len(tangents) == 2 * 2
    theta = rng.standard_normal(loss.n_params_)
    moved = theta + rng.standard_normal(4) @ tangents
    close(loss.value(moved), loss.value(theta), rtol=1e-12)
    close(loss.invariants(moved), loss.invariants(theta), atol=1e-12)
    # A penalty sees them.
    loss = MLPLoss((2,), alpha=0.1).fit(X, X[:, 2])
    assert len(loss.orbit_tangents(theta)) == 0


def test_tangents_that_would_fill_the_memory_are_refused(rng):
    # 900 of 1000 pixels are always zero: 90 000 vectors of 101 101 numbers, 73 GB.
    X = np.zeros((150, 1000))
    X[:, :100] = rng.standard_normal((150, 100))
    loss = MLPLoss((100,)).fit(X, X[:, 0])
    theta = rng.standard_normal(loss.n_params_)
    assert loss.count_tangents(theta) == 90_000
    with pytest.raises(ValueError, match="return 90000 vectors.*seen_tangents"):
        loss.orbit_tangents(theta)
    assert loss.seen_tangents(theta).shape == (0, loss.n_params_)


def test_identity_has_one_orbit_component_and_its_map_as_invariants(rng):
    loss = network((3, 2), "identity", rng, alpha=0.0)
    theta = rng.standard_normal((3, loss.n_params_))
    assert loss.orbit_size(theta).tolist() == [1, 1, 1]
    np.testing.assert_array_equal(loss.representative(theta), theta)
    maps = loss.invariants(theta).reshape(3, 2, 4)
    network_outputs = [
        loss.to_estimator(t).predict(np.concatenate([np.eye(3), np.zeros((1, 3))]))
        for t in theta
    ]
    outputs = np.stack(network_outputs)
    close(maps[..., 3], outputs[:, 3], rtol=1e-12)
    close(maps[..., :3], np.swapaxes(outputs[:, :3] - outputs[:, 3:], 1, 2), atol=1e-12)
