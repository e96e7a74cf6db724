"""Inertia at points that only nearly are critical."""

import numpy as np
import pytest

from skcrit.datasets import make_gaussian_spectrum
from skcrit.linalg import eigh_apart
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from skcrit.search import describe as module
from skcrit.search import frame
from skcrit.search.describe import UNKNOWN, Description
from skcrit.search.problem import pose
from skcrit.solvers import Status


def autoencoder(eigenvalues, hidden, unit=1.0, **params):
    X = make_gaussian_spectrum(
        100, eigenvalues=eigenvalues, exact=True, rotate=True, random_state=0
    )
    return LinearAutoencoderLoss(hidden, **params).fit(unit * X)


def describe(loss, theta, examine=None):
    """Describe points of a user, as the engine does, in coordinates of the user."""
    problem = pose(loss)
    examine = np.ones(len(theta), dtype=bool) if examine is None else examine
    status = np.where(examine, Status.CONVERGED, Status.MAX_ITER)
    finite = np.all(np.isfinite(theta), axis=1, keepdims=True)
    inside = np.where(finite, problem.into(np.where(finite, theta, 0.0)), theta)
    found = module.describe(problem.loss, inside, status, examine, problem.scales)
    return problem.points_back(found)


def in_gauge(loss, theta, condition, rng):
    """Change the basis of the hidden layer by a matrix of given condition."""
    p = loss.weights(theta)[0].shape[-2]
    U, V = np.linalg.qr(rng.standard_normal((2, p, p)))[0]
    s = np.geomspace(1, 1 / condition, p) * np.sqrt(condition)
    M, inverse = (U * s) @ V, (V.T / s) @ U.T
    W1, W2 = loss.weights(theta)
    return loss.pack([M @ W1, W2 @ inverse])


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("distance", [0.0, 1e-8, 1e-6])
@pytest.mark.parametrize("condition", [1.0, 1e3, 1e6])
def test_inertia_of_displaced_points(unit, distance, condition, rng):
    loss = autoencoder([6.0, 4.0, 3.0, 2.0, 1.0], (3,), unit)
    spectrum = loss.analytical_spectrum()
    sets = list(spectrum.index_sets())
    points = np.array([spectrum.representative(s) for s in sets])
    points = points + distance * rng.standard_normal(points.shape)
    theta = np.array([in_gauge(loss, t, condition, rng) for t in points])
    result = describe(loss, theta)
    np.testing.assert_array_equal(result.morse_index, spectrum.morse_indices(sets))
    np.testing.assert_array_equal(result.nullity, spectrum.nullities(sets))
    values = spectrum.losses(sets)
    np.testing.assert_allclose(result.loss, values, atol=1e-10 * unit**2)
    # The correction brings the points to their sets.
    match = spectrum.match(result.point)
    assert match.set.tolist() == sets
    assert np.max(match.distance) < 1e-6


@pytest.mark.parametrize("condition", [1.0, 1e6])
def test_coarse_points_are_right_or_not_confirmed(condition, rng):
    # The squared gradient norm is up to 1e-5 here, far above any sensible tolerance.
    loss = autoencoder([6.0, 4.0, 3.0, 2.0, 1.0], (3,))
    spectrum = loss.analytical_spectrum()
    sets = [s for s in spectrum.index_sets() for _ in range(5)]
    points = np.array([spectrum.representative(s) for s in sets])
    for distance, share in ((1e-5, 0.99), (1e-4, 0.95), (1e-3, 0.7)):
        moved = points + distance * rng.standard_normal(points.shape)
        theta = np.array([in_gauge(loss, t, condition, rng) for t in moved])
        result = describe(loss, theta)
        known = result.morse_index != UNKNOWN
        right = (result.morse_index == spectrum.morse_indices(sets)) & (
            result.nullity == spectrum.nullities(sets)
        )
        np.testing.assert_array_equal(right, known)
        assert np.mean(known) >= share


@pytest.mark.parametrize(
    "eigenvalues, hidden, params",
    [
        ([4.0, 2.0, 1.0], (5,), {}),
        ([4.0, 2.0, 2.0, 1.0], (2,), {}),
        ([4.0, 2.0, 1.0, 0.0], (2,), {}),
        ([4.0, 2.0, 1.0], (2,), {"alpha": 0.1}),
        ([4.0, 2.0, 1.0], (2,), {"alpha": 0.1, "penalty": "product"}),
    ],
)
@pytest.mark.parametrize("distance", [1e-8, 1e-7])
def test_inertia_of_other_networks(eigenvalues, hidden, params, distance, rng):
    loss = autoencoder(eigenvalues, hidden, **params)
    spectrum = loss.analytical_spectrum()
    sets = [s for s in spectrum.index_sets() for _ in range(3)]
    theta = np.array([spectrum.representative(s, rng) for s in sets])
    result = describe(loss, theta + distance * rng.standard_normal(theta.shape))
    np.testing.assert_array_equal(result.morse_index, spectrum.morse_indices(sets))
    np.testing.assert_array_equal(result.nullity, spectrum.nullities(sets))


@pytest.mark.parametrize("hidden", [(2, 2), (3, 2, 3)], ids=str)
def test_deep_sets_of_full_rank(hidden, rng):
    # The Hessian is regular up to symmetries only where the rank is the largest.
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], hidden)
    spectrum = loss.analytical_spectrum()
    sets = [s for s in spectrum.index_sets() if len(s) == 2]
    theta = np.array([spectrum.representative(s, rng) for s in sets])
    result = describe(loss, theta + 1e-6 * rng.standard_normal(theta.shape))
    np.testing.assert_array_equal(result.morse_index, spectrum.morse_indices(sets))


def test_deep_degenerate_sets_are_right_or_unknown(rng):
    # Where k < r_max no cutoff can be right; a wrong count must not be reported.
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], (2, 2))
    spectrum = loss.analytical_spectrum()
    sets = [s for s in spectrum.index_sets() if len(s) < 2 for _ in range(5)]
    theta = np.array([spectrum.representative(s, rng, kind="open") for s in sets])
    result = describe(loss, theta + 1e-7 * rng.standard_normal(theta.shape))
    match = spectrum.match(theta)
    known = result.morse_index != UNKNOWN
    right = result.morse_index >= match.index_lower_bound
    assert np.all(right[known])


def test_counts_are_those_of_the_exact_hessian_at_a_simple_saddle():
    scales = np.array([3.0, -2.0, 0.5, -0.1])
    loss = FunctionLoss(
        lambda t: np.sum(scales * t**2, axis=-1) / 2,
        lambda t: scales * t,
        lambda t, v: scales * v,
        n_params=4,
    ).fit()
    result = describe(loss, np.full((1, 4), 1e-3))
    assert result.morse_index.tolist() == [2]
    assert result.nullity.tolist() == [0]
    np.testing.assert_allclose(result.point, 0, atol=1e-12)
    np.testing.assert_allclose(result.loss, 0, atol=1e-15)


def test_shapes_and_balanced_norm(rng):
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], (2,))
    theta = rng.standard_normal((7, loss.n_params_))
    examine = np.array([True, False] * 3 + [True])
    result = describe(loss, theta, examine)
    assert result.point.shape == theta.shape
    assert result.invariants.shape == (7, 16)
    for name in ("loss", "squared_balanced_grad_norm", "morse_index", "uncertainty"):
        assert getattr(result, name).shape == (7,)
    balanced = loss.rescale(theta)
    norms = np.sum(loss.gradient(balanced) ** 2, axis=-1)
    np.testing.assert_allclose(result.squared_balanced_grad_norm, norms, rtol=1e-9)
    # Random points are not critical, and the others were not examined.
    assert np.all(result.morse_index == UNKNOWN)
    assert np.all(result.nullity == UNKNOWN)
    np.testing.assert_array_equal(result.morse_index_high[~examine], 16)
    assert set(result.status[examine]) <= {Status.UNCONFIRMED, Status.ESCAPED}
    assert set(result.status[~examine]) == {Status.MAX_ITER}
    np.testing.assert_allclose(result.loss, loss.value(theta), rtol=1e-12)


def test_non_finite_rows_disturb_nobody(rng):
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], (2,))
    spectrum = loss.analytical_spectrum()
    theta = np.array([spectrum.representative(s, rng) for s in [(0, 1), (2,), ()]])
    bad = np.full((3, loss.n_params_), [[np.nan], [np.inf], [1e200]])
    converged = np.array([False, True] * 3)
    rows = np.stack([bad, theta], axis=1).reshape(6, -1)
    result = describe(loss, rows, converged)
    alone = describe(loss, theta)
    np.testing.assert_array_equal(result.morse_index[1::2], alone.morse_index)
    np.testing.assert_array_equal(result.loss[1::2], alone.loss)
    np.testing.assert_array_equal(result.point[1::2], alone.point)
    assert np.all(result.morse_index[::2] == UNKNOWN)
    assert np.all(np.isnan(result.loss[:4:2]))
    assert np.all(np.isnan(result.squared_balanced_grad_norm[:4:2]))


def test_unknown_beyond_the_largest_dense_hessian(monkeypatch, rng):
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], (2,))
    theta = np.array([loss.analytical_spectrum().representative((0, 1), rng)])
    for limit, expected in ((16, 0), (15, UNKNOWN)):
        monkeypatch.setattr(module, "MAX_DENSE_FORMED", limit)
        result = describe(loss, theta)
        assert result.morse_index.tolist() == [expected]
        assert result.loss[0] == pytest.approx(0.75)


def test_chunks_change_nothing(monkeypatch, rng):
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], (2,))
    spectrum = loss.analytical_spectrum()
    theta = np.array([spectrum.representative(s, rng) for s in spectrum.index_sets()])
    theta = theta + 1e-5 * rng.standard_normal(theta.shape)
    whole = describe(loss, theta)
    monkeypatch.setattr("skcrit._backend._HOST_NUMBERS", 3 * 16**2)
    parts = describe(loss, theta)
    for name in ("point", "loss", "morse_index", "nullity", "uncertainty"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_near_the_set_two_eigenproblems_are_enough(monkeypatch, rng):
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], (2,))
    spectrum = loss.analytical_spectrum()
    # Of full rank: elsewhere balancing takes the root of the noise, which is not near.
    names = [name for name in spectrum.index_sets() if len(name) == 2]
    theta = np.array([spectrum.representative(name, rng) for name in names])
    decomposed = []

    def counting(matrices, level):
        decomposed.append(len(matrices))
        return eigh_apart(matrices, level)

    monkeypatch.setattr(frame, "eigh_apart", counting)
    found = describe(loss, theta + 1e-6 * rng.standard_normal(theta.shape))
    assert sum(decomposed) == 2 * len(theta)
    np.testing.assert_array_equal(found.morse_index, spectrum.morse_indices(names))


def columns(record):
    """Name all arrays of a description, those of the inertia too."""
    return vars(record) | vars(record.inertia) | {"inertia": record.inertia.share}


def test_batches_can_be_joined(rng):
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], (2,))
    theta = rng.standard_normal((5, loss.n_params_))
    whole = describe(loss, theta)
    joined = Description.concatenate([
        describe(loss, theta[:2]),
        describe(loss, theta[2:]),
    ])
    for name, column in columns(whole).items():
        np.testing.assert_array_equal(columns(joined)[name], column)


def test_device_gives_the_counts_of_numpy(rng):
    host, device = (
        autoencoder([4.0, 3.0, 2.0, 1.0], (2,), backend=backend)
        for backend in ("numpy", "array_api_strict")
    )
    spectrum = host.analytical_spectrum()
    theta = np.array([spectrum.representative(s, rng) for s in spectrum.index_sets()])
    theta = theta + 1e-6 * rng.standard_normal(theta.shape)
    expected, result = describe(host, theta), describe(device, theta)
    result = columns(result)
    for name, column in columns(expected).items():
        assert isinstance(result[name], np.ndarray), name
        np.testing.assert_allclose(
            result[name], column, rtol=1e-6, atol=1e-9, err_msg=name
        )


@pytest.mark.parametrize("distance", [0.0, 1e-9, 1e-6, 1e-4])
def test_uncertainty_covers_the_error_of_the_invariants(distance, rng):
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], (2,))
    spectrum = loss.analytical_spectrum()
    exact = np.array([spectrum.representative(s) for s in spectrum.index_sets()])
    theta = exact + distance * rng.standard_normal(exact.shape)
    result = describe(loss, theta)
    # In the eigenbasis, where the engine looks at it.
    problem = pose(loss)
    truth = module.invariants_of(problem.loss, problem.into(exact))
    error = np.linalg.norm(result.invariants - truth, axis=1)
    assert np.all(error <= 10 * result.uncertainty + 1e-9)
    moved = np.linalg.norm(theta - exact, axis=1)
    assert np.all(result.distance <= 2 * moved + 1e-12)
