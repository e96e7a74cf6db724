"""Symmetries of hidden units: group elements written down by hand, orbits counted."""

from itertools import permutations, product
from math import factorial

import numpy as np
import pytest

from ._units import FLIPPING, flip, network, permute

close = np.testing.assert_allclose

HIDDEN = [(4,), (3, 2), (3, 4, 2)]
PERMUTED = ["softplus", "silu", "relu"]

pytestmark = pytest.mark.filterwarnings("ignore:activation=.relu.:UserWarning")


def random_element(loss, theta, rng, flips=None):
    """Move a point by a random symmetry of each hidden layer."""
    flips = loss.activation in FLIPPING if flips is None else flips
    for layer, p in enumerate(loss._widths[1:-1]):
        theta = permute(loss, theta, layer, rng.permutation(p))
        for unit in np.flatnonzero(rng.integers(0, 2, p)) if flips else ():
            theta = flip(loss, theta, layer, unit)
    return theta


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", FLIPPING + PERMUTED)
def test_symmetries_change_nothing(activation, hidden, rng):
    for params in ({}, {"alpha": 0.0}, {"loss": "log_loss"}):
        loss = network(hidden, activation, rng, **params)
        theta = rng.standard_normal((5, loss.n_params_))
        moved = np.stack([random_element(loss, t, rng) for t in theta])
        assert np.any(np.linalg.norm(moved - theta, axis=1) > 0.1)
        close(loss.value(moved), loss.value(theta), rtol=1e-12)
        invariants = loss.invariants(theta)
        close(loss.invariants(moved), invariants, atol=1e-12 * np.abs(invariants).max())
        np.testing.assert_array_equal(loss.orbit_size(moved), loss.orbit_size(theta))
        chosen = loss.representative(theta)
        close(loss.representative(moved), chosen, atol=1e-12)
        close(loss.value(chosen), loss.value(theta), rtol=1e-12)
        close(loss.invariants(chosen), invariants, atol=1e-12)
        close(loss.representative(chosen), chosen, atol=1e-12)
        if activation != "logistic":
            norms = [np.linalg.norm(loss.gradient(t), axis=-1) for t in (theta, chosen)]
            close(*norms, rtol=1e-12)


def test_without_intercepts_logistic_units_keep_their_signs(rng):
    for params in ({"fit_intercept": False}, {"penalize_intercept": True}):
        loss = network((3,), "logistic", rng, **params)
        theta = rng.standard_normal(loss.n_params_)
        assert loss.orbit_size(theta) == factorial(3)
        moved = random_element(loss, theta, rng, flips=False)
        close(loss.invariants(moved), loss.invariants(theta), atol=1e-13)
        coefs, _ = loss.unpack(theta)
        coefs = [-W for W in coefs]
        other = loss.pack(coefs, loss.unpack(theta)[1])
        assert not np.allclose(loss.invariants(other), loss.invariants(theta))


def orbit_distance(loss, a, b):
    """Smallest distance between points of two orbits, over all symmetries."""
    p, flips = loss._widths[1], loss.activation in FLIPPING
    best = np.inf
    for order in permutations(range(p)):
        moved = permute(loss, b, 0, list(order))
        for signs in product((1, -1), repeat=p) if flips else [(1,) * p]:
            other = moved
            for unit in np.flatnonzero(np.array(signs) < 0):
                other = flip(loss, other, 0, unit)
            best = min(best, np.linalg.norm(a - other))
    return best


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_distance_of_invariants_is_that_of_orbits(activation, rng):
    loss = network((3,), activation, rng)
    ratios = []
    for size in (1e-6, 1e-3, 0.1, 1.0):
        for _ in range(30):
            a = rng.standard_normal(loss.n_params_)
            b = random_element(loss, a, rng)
            b = b + size * rng.standard_normal(loss.n_params_)
            gap = np.linalg.norm(loss.invariants(a) - loss.invariants(b))
            ratios.append(gap / orbit_distance(loss, a, b))
    assert max(ratios) <= 1 + 1e-6
    assert min(ratios) > 0.2
    close(np.linalg.norm(loss.invariants(a)), np.linalg.norm(a), rtol=1e-12)


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", ["tanh", "silu"])
def test_different_orbits_are_separated(activation, hidden, rng):
    loss = network(hidden, activation, rng)
    theta = rng.standard_normal((200, loss.n_params_))
    # Neighbours that share all but one weight, and points with units in common.
    near = theta.copy()
    columns = rng.integers(0, loss.n_params_, 200)
    near[np.arange(200), columns] += 0.01
    invariants = loss.invariants(np.concatenate([theta, near]))
    gaps = np.linalg.norm(invariants[:200] - invariants[200:], axis=1)
    assert np.min(gaps) > 1e-5
    distance = np.linalg.norm(invariants[:200, None] - invariants[None, :200], axis=-1)
    assert np.min(distance[~np.eye(200, dtype=bool)]) > 0.1


def test_units_with_exchanged_parts_are_different(rng):
    # Every projection on one coordinate has the same multiset of values.
    loss = network((2,), "softplus", rng)
    theta = rng.standard_normal(loss.n_params_)
    coefs, intercepts = loss.unpack(theta)
    exchanged = loss.pack([coefs[0][:, ::-1], coefs[1]], intercepts)
    gap = np.linalg.norm(loss.invariants(theta) - loss.invariants(exchanged))
    assert gap > 0.1 * orbit_distance(loss, theta, exchanged) > 0.01


@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
@pytest.mark.parametrize("activation", ["tanh", "relu", "logistic"])
def test_invariants_are_continuous(activation, hidden, rng):
    # Along a line no step is much longer than its neighbours allow.
    loss = network(hidden, activation, rng)
    a, b = rng.standard_normal((2, loss.n_params_))
    for n in (100, 1000):
        line = a + np.linspace(0, 1, n)[:, None] * (b - a)
        steps = np.linalg.norm(np.diff(loss.invariants(line), axis=0), axis=1)
        assert np.max(steps) < 10 * np.linalg.norm(b - a) / n
