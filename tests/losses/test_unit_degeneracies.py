"""Critical points of a small network, embedded in a larger one: nullity and its cause.

Fukumizu and Amari (2000) and Simsek and others (2021, arXiv:2105.12221) describe the
embeddings; what is asserted here is derived or counted independently.
"""

import tracemalloc
from math import comb, factorial

import numpy as np
import pytest
from scipy.optimize import root

from skcrit import MLPLoss, NewtonMRFinder

close = np.testing.assert_allclose


def data(n_outputs, rng):
    """Make targets from a network of two units, with some noise."""
    X = rng.standard_normal((25, 2))
    W, b = np.array([[1.0, -0.8], [0.7, 1.2]]), np.array([0.3, -0.5])
    V = np.array([[1.0, -0.7], [-1.2, 0.4]])[:, :n_outputs]
    noise = 0.1 * rng.standard_normal((25, n_outputs))
    return X, np.tanh(X @ W + b) @ V + 0.2 + noise


def small_critical_point(loss):
    """Find the minimum near the network that made the data: both units are in use."""
    W, b = [[1.0, -0.8], [0.7, 1.2]], [0.3, -0.5]
    V = np.array([[1.0, -0.7], [-1.2, 0.4]])[:, : loss.n_outputs_]
    start = loss.pack([W, V], [b, np.full(loss.n_outputs_, 0.2)])
    theta = root(loss.gradient, start, jac=loss.hessian, tol=1e-14).x
    close(loss.gradient(theta), 0, atol=1e-13)
    assert np.min(np.linalg.eigvalsh(loss.hessian(theta))) > 1e-4
    return theta


def nullity(loss, theta):
    values = np.abs(np.linalg.eigvalsh(loss.hessian(theta)))
    assert not np.any((values > 1e-10) & (values < 1e-7))
    return int(np.sum(values < 1e-8))


def split(small, large, theta, shares, signs=(1, 1)):
    """Divide unit 0 of a network of one hidden layer into several."""
    (W, V), (b, c) = small.unpack(theta)
    copies = list(zip(shares[1:], signs[1:], strict=True))
    W = np.column_stack([W, *(sign * W[:, 0] for _, sign in copies)])
    b = np.append(b, [sign * b[0] for _, sign in copies])
    V = np.concatenate([V, *(share * sign * V[:1] for share, sign in copies)])
    V[0] = shares[0] * V[0]
    return large.pack([W, V], [b, c])


@pytest.fixture(params=[1, 2], ids=["one output", "two outputs"])
def n_outputs(request):
    return request.param


@pytest.mark.parametrize("shares", [(0.3, 0.7), (-0.5, 1.5), (0.2, 0.3, 0.5)], ids=str)
def test_split_units(shares, n_outputs, rng):
    X, y = data(n_outputs, rng)
    small = MLPLoss((2,)).fit(X, y)
    large = MLPLoss((1 + len(shares),)).fit(X, y)
    theta = small_critical_point(small)
    signs = (1, -1, 1)[: len(shares)]
    point = split(small, large, theta, shares, signs)
    close(large.value(point), small.value(theta), rtol=1e-12)
    close(large.gradient(point), 0, atol=1e-11)
    found = large.unit_degeneracies(point)
    units = (0, *range(2, 1 + len(shares)))
    assert found.duplicated == [(0, units)]
    assert found.silent == found.constant == []
    # Shares that add up to one: as many directions as there are copies.
    assert found.nullity == len(shares) - 1 == nullity(large, point)
    close(found.directions @ found.directions.T, np.eye(found.nullity), atol=1e-12)
    close(found.directions @ large.hessian(point), 0, atol=1e-9)
    assert "are duplicates" in str(found)
    # The whole affine space is critical.
    other = split(small, large, theta, np.array(shares)[::-1], signs)
    close(large.gradient(other), 0, atol=1e-11)
    assert np.linalg.norm(other - point) > 0.1


def test_a_silent_copy_frees_its_incoming_weights(rng):
    # With one output and a unit in use, the sum of d phi' x over samples vanishes:
    # neither weights into a silent copy nor its outgoing weight have a curvature.
    X, y = data(1, rng)
    small, large = MLPLoss((2,)).fit(X, y), MLPLoss((3,)).fit(X, y)
    point = split(small, large, small_critical_point(small), (1.0, 0.0))
    close(large.gradient(point), 0, atol=1e-11)
    found = large.unit_degeneracies(point)
    assert found.silent == [(0, 2)] and found.duplicated == [(0, (0, 2))]
    assert found.nullity == nullity(large, point) == 4
    assert str(found).endswith("4 free directions")


@pytest.mark.parametrize("intercept", [0.0, 0.7])
def test_constant_units(intercept, n_outputs, rng):
    X, y = data(n_outputs, rng)
    small, large = MLPLoss((2,)).fit(X, y), MLPLoss((3,)).fit(X, y)
    theta = small_critical_point(small)
    (W, V), (b, c) = small.unpack(theta)
    W, b = np.column_stack([W, np.zeros(2)]), np.append(b, intercept)
    point = large.pack([W, np.concatenate([V, np.zeros((1, n_outputs))])], [b, c])
    close(large.gradient(point), 0, atol=1e-11)
    found = large.unit_degeneracies(point)
    assert found.constant == found.silent == [(0, 2)]
    assert found.nullity == nullity(large, point) > 0
    close(found.directions @ large.hessian(point), 0, atol=1e-9)


def test_a_penalty_leaves_nothing_free(rng):
    X, y = data(1, rng)
    loss = MLPLoss((3,), alpha=0.5, penalize_intercept=True).fit(X, y)
    found = loss.unit_degeneracies(np.zeros(loss.n_params_))
    assert found.silent == found.constant == [(0, 0), (0, 1), (0, 2)]
    assert found.duplicated == [(0, (0, 1, 2))]
    assert found.nullity == 0 == nullity(loss, np.zeros(loss.n_params_))


def test_ordinary_units_have_no_record(rng):
    X, y = data(2, rng)
    for hidden in [(3,), (3, 2)]:
        loss = MLPLoss(hidden, "silu").fit(X, y)
        found = loss.unit_degeneracies(rng.standard_normal(loss.n_params_))
        assert found.silent == found.constant == found.duplicated == []
        assert found.directions.shape == (0, loss.n_params_)
        assert str(found) == "no degenerate units"


def test_continuous_symmetries_are_not_counted(rng):
    # All columns of the last layer may be shifted under the softmax, also those of
    # duplicated units: this is no degeneracy of theirs.
    X, y = data(1, rng)
    labels = np.digitize(y[:, 0], [-0.3, 0.3])
    loss = MLPLoss((2,), loss="log_loss").fit(X, labels)
    point = np.zeros(loss.n_params_)
    # The intercepts at the frequencies of the classes: critical with W = 0.
    shares = np.log(np.bincount(labels) / len(labels))
    point = loss.pack([np.zeros((2, 2)), np.zeros((2, 3))], [np.ones(2), shares])
    close(loss.gradient(point), 0, atol=1e-12)
    found = loss.unit_degeneracies(point)
    tangents = loss.orbit_tangents(point)
    assert len(tangents) == 3
    rank = np.linalg.matrix_rank(np.concatenate([found.directions, tangents]))
    assert rank == found.nullity + 3 == nullity(loss, point)


def test_deep_networks(rng):
    X, y = data(1, rng)
    loss = MLPLoss((2, 3), alpha=0.0).fit(X, y)
    theta = rng.standard_normal(loss.n_params_)
    coefs, intercepts = loss.unpack(theta)
    coefs[1][:, 2] = -coefs[1][:, 0]
    intercepts[1][2] = -intercepts[1][0]
    coefs[2][1] = 0
    found = loss.unit_degeneracies(loss.pack(coefs, intercepts))
    assert found.duplicated == [(1, (0, 2))] and found.silent == [(1, 1)]


def test_arguments(rng):
    X, y = data(1, rng)
    loss = MLPLoss((2,)).fit(X, y)
    with pytest.raises(ValueError, match="one vector"):
        loss.unit_degeneracies(np.zeros((1, loss.n_params_)))
    with pytest.raises(ValueError, match="rtol"):
        loss.unit_degeneracies(np.zeros(loss.n_params_), rtol=-1.0)


@pytest.mark.parametrize("m", [2, 3, 4, 5])
def test_number_of_manifolds_of_split_units(m, rng):
    # Each of m units copies one of two different units, with a sign: there are 2^m
    # times the surjections, which Simsek and others count for other activations. A
    # manifold holds as many points of an orbit as its copies can change places.
    X, y = data(1, rng)
    loss = MLPLoss((m,)).fit(X, y)
    W, b, V = rng.standard_normal((2, 2)), rng.standard_normal(2), rng.uniform(1, 2, 2)
    total = 0
    for n_first in range(1, m):
        copied = np.repeat([0, 1], [n_first, m - n_first])
        shares = rng.uniform(size=m)
        for unit in (0, 1):
            shares[copied == unit] /= shares[copied == unit].sum()
        point = loss.pack(
            [W[:, copied], (shares * V[copied])[:, None]], [b[copied], [0.0]]
        )
        places = factorial(n_first) * factorial(m - n_first)
        total += int(loss.orbit_size(point)) // places
    surjections = sum((-1) ** k * comb(2, k) * (2 - k) ** m for k in range(3))
    assert total == surjections * 2**m


def test_a_manifold_of_split_units_is_one_set(rng):
    # One unit as two with the shares s and 1 - s, a line of critical points. Units may
    # change places, so that s and 1 - s are the same point.
    X, y = data(1, rng)
    small, large = MLPLoss((2,)).fit(X, y), MLPLoss((3,)).fit(X, y)
    theta = small_critical_point(small)
    shares = [(s, 1 - s) for s in (0.2, 0.3, 0.4, 0.45)]
    starts = np.stack([split(small, large, theta, s) for s in shares])
    finder = NewtonMRFinder(n_starts=4, init=starts).fit(large)
    assert finder.n_critical_sets_ == 1
    assert finder.counts_.tolist() == [4]
    assert finder.is_continuum_.all()
    assert finder.nullities_.tolist() == [1]


def test_what_no_sample_sees_is_a_symmetry_and_no_degeneracy(rng):
    # One of three inputs is always zero, and unit 2 is silent: its incoming weights are
    # free, but for the one that is free anyway.
    X, y = data(1, rng)
    X = np.column_stack([X, np.zeros(len(X))])
    loss = MLPLoss((3,)).fit(X, y)
    W = np.concatenate([rng.standard_normal((2, 3)), np.zeros((1, 3))])
    point = loss.pack([W, [[1.0], [-0.7], [0.0]]], [rng.standard_normal(3), [0.2]])
    # Targets are the outputs, so that the silent unit's weights have no curvature.
    loss.fit(X, loss.to_estimator(point).predict(X))
    found = loss.unit_degeneracies(point)
    assert found.silent == [(0, 2)]
    tangents = loss.orbit_tangents(point)
    assert len(tangents) == 3
    close(found.directions @ tangents.T, 0, atol=1e-12)
    assert found.nullity == 3
    close(found.directions @ loss.hessian(point), 0, atol=1e-12)


def test_degenerate_units_of_a_large_network(rng):
    """Nothing of the size of the square of the parameters is formed."""
    X = np.zeros((20, 784))
    X[:, 100:400] = rng.standard_normal((20, 300))
    loss = MLPLoss((100,)).fit(X, X[:, 100:110])
    coefs, intercepts = loss.unpack(0.1 * rng.standard_normal(loss.n_params_))
    coefs[0][:, 8], intercepts[0][8] = coefs[0][:, 7], intercepts[0][7]
    point = loss.pack(coefs, intercepts)
    loss.fit(X, loss.to_estimator(point).predict(X))
    tracemalloc.start()
    found = loss.unit_degeneracies(point)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loss.n_params_ == 79_510
    assert found.duplicated == [(0, (7, 8))]
    # Each of ten outputs may exchange what it reads from the two, where all fit.
    assert found.nullity == 10
    assert peak < 3e8


def test_a_point_that_is_not_finite_has_no_degeneracies(rng):
    loss = MLPLoss((2,), "tanh").fit(rng.normal(size=(9, 2)), rng.normal(size=9))
    theta = rng.normal(size=loss.n_params_)
    theta[3] = np.nan
    with pytest.raises(ValueError, match="theta must be finite, got"):
        loss.unit_degeneracies(theta)
    with pytest.raises(ValueError, match="theta must be one vector"):
        loss.unit_degeneracies(np.zeros((2, loss.n_params_)))
