"""The loss of a linear network with targets: definition, derivatives, life cycle."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error

from skcrit import LinearAutoencoderLoss, LinearNetworkLoss
from skcrit._backend import to_host
from skcrit.exceptions import ResolutionWarning
from skcrit.utils.testing import check_loss
from tests.ground_truth import test_network as networks

STEP = 1e-30
NAMES = ["more-inputs", "more-outputs", "wide", "dependent-inputs", "deep", "deep-tied"]


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def points_of(loss, rng, n=4):
    return 0.6 * rng.standard_normal((n, loss.n_params_))


def outputs_of(theta, name):
    X = networks.CASES[name][0]
    outputs = X - X.mean(axis=0)
    for W in networks.ref.split(theta, networks.sizes_of(name)):
        outputs = outputs @ W.T
    return outputs


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_value_is_the_mean_squared_error(name, alpha, rng):
    loss = networks.fit(name, alpha=alpha)
    Y = networks.CASES[name][1]
    for theta in points_of(loss, rng):
        error = mean_squared_error(Y - Y.mean(axis=0), outputs_of(theta, name))
        assert loss.value(theta) == pytest.approx(error + alpha * theta @ theta)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_derivatives_by_complex_steps(name, alpha, rng):
    loss = networks.fit(name, alpha=alpha)
    theta, v = points_of(loss, rng), points_of(loss, rng)

    def gradient(t):
        return networks.gradient(t, name) + 2 * alpha * t

    def hvp(t, w):
        return np.imag(gradient(t + 1j * STEP * w)) / STEP

    size = np.max(np.abs(gradient(theta)))
    assert_allclose(loss.gradient(theta), gradient(theta), atol=1e-12 * size)
    assert_allclose(loss.hvp(theta, v), hvp(theta, v), atol=1e-12 * size)
    one = theta[0]
    hessian = np.stack([hvp(one, e) for e in np.eye(one.size)], axis=1)
    assert_allclose(loss.hessian(one), hessian, atol=1e-12 * size)
    # Products are polynomials of low degree along a line: differences are exact.
    weights = {1: 3 / 4, 2: -3 / 20, 3: 1 / 60}
    u = 0.1 * v[::-1]
    third = sum(
        s * w * (hvp(theta + s * k * u, v)) for k, w in weights.items() for s in (1, -1)
    )
    assert_allclose(loss.third_derivative(theta, u, v), third, atol=1e-11 * size)


@pytest.mark.parametrize("hidden", [(2,), (6,), (2, 3)])
@pytest.mark.parametrize("alpha", [0.0, 0.2])
def test_agrees_with_the_autoencoder(hidden, alpha, X, rng):
    one = LinearNetworkLoss(hidden, alpha=alpha).fit(X, X)
    same = LinearNetworkLoss(hidden, alpha=alpha).fit(X)
    other = LinearAutoencoderLoss(hidden, alpha=alpha).fit(X)
    assert one.n_params_ == other.n_params_
    theta, v = points_of(one, rng), points_of(one, rng)
    for call in (
        lambda loss: loss.value(theta),
        lambda loss: loss.gradient(theta),
        lambda loss: loss.hvp(theta, v),
        lambda loss: loss.hessian(theta),
        lambda loss: loss.third_derivative(theta, v, theta),
        lambda loss: loss.rescale(theta),
        lambda loss: loss.curvature(theta),
        lambda loss: loss.invariants_scale(),
        lambda loss: loss.length_scale(),
    ):
        expected = np.asarray(call(other))
        scale = np.max(np.abs(expected))
        assert_allclose(call(one), expected, atol=1e-12 * scale)
        assert_array_equal(call(one), call(same))
    errors = other.transform(X, theta)
    assert_allclose(one.sample_errors(X, X, theta), errors, atol=1e-12)
    # The invariants are the same up to isometries.
    ours, theirs = one.invariants(theta), other.invariants(theta)
    for i in range(4):
        for j in range(i):
            gap = np.linalg.norm(theirs[i] - theirs[j])
            assert np.linalg.norm(ours[i] - ours[j]) == pytest.approx(gap)


def test_contract(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        check_loss(networks.fit(name))
        check_loss(networks.fit(name, alpha=0.1))


def test_rows_do_not_depend_on_their_batch(name, rng):
    loss = networks.fit(name)
    theta, v = points_of(loss, rng, 7), points_of(loss, rng, 7)
    together = loss.value(theta), loss.gradient(theta), loss.hvp(theta, v)
    for row in range(7):
        alone = loss.value(theta[row]), loss.gradient(theta[row])
        assert_array_equal(alone[0], together[0][row])
        assert_array_equal(alone[1], together[1][row])
        assert_array_equal(loss.hvp(theta[row], v[row]), together[2][row])


def test_backends(name, rng):
    loss = networks.fit(name)
    strict = networks.fit(name, backend="array_api_strict")
    theta, v = points_of(loss, rng), points_of(loss, rng)
    for call in (
        lambda loss: loss.value(theta),
        lambda loss: loss.gradient(theta),
        lambda loss: loss.hvp(theta, v),
        lambda loss: loss.hessian(theta),
        lambda loss: loss.rescale(theta),
        lambda loss: loss.invariants(theta),
        lambda loss: loss.orbit_tangents(theta),
    ):
        expected = call(loss)
        atol = 1e-12 * np.max(np.abs(expected))
        assert_allclose(to_host(call(strict)), expected, atol=atol)
    single = networks.fit(name, dtype="float32")
    assert single.gradient(theta).dtype == np.float32
    assert_allclose(single.value(theta), loss.value(theta), rtol=1e-4)


def test_rescale_stays_on_the_orbit(name, rng):
    loss = networks.fit(name)
    theta = points_of(loss, rng)
    scaled = loss.rescale(theta)
    assert_allclose(loss.value(scaled), loss.value(theta), rtol=1e-10)
    assert_allclose(loss.invariants(scaled), loss.invariants(theta), atol=1e-9)
    for below, above in zip(
        loss.weights(scaled)[:-1], loss.weights(scaled)[1:], strict=True
    ):
        left = np.swapaxes(above, -1, -2) @ above
        assert_allclose(left, below @ np.swapaxes(below, -1, -2), atol=1e-10)
    assert loss.rescale_keeps_inertia == (not name.startswith("deep"))


def test_invariants_tell_sets_apart_and_orbits_together(name):
    loss = networks.fit(name)
    spectrum = loss.analytical_spectrum()
    names = spectrum.all_sets()
    points = np.stack([spectrum.representative(n) for n in names])
    moved = np.stack([spectrum.representative(n, i) for i, n in enumerate(names)])
    scale = loss.invariants_scale()
    ours, theirs = loss.invariants(points) / scale, loss.invariants(moved) / scale
    assert_allclose(theirs, ours, atol=1e-9)
    if "tied" not in name:  # else the traces come to the entries
        # Every direction of the data that a point uses has length one in these units.
        expected = np.sqrt([len(n) for n in names])
        assert_allclose(np.linalg.norm(ours, axis=1), expected, atol=1e-9)
    gaps = np.linalg.norm(ours[:, None] - ours, axis=-1) + 2 * np.eye(len(names))
    assert np.min(gaps) > 1 - 1e-9


def test_best_network_is_linear_regression():
    X, Y = networks.regression(4, 3)
    model = LinearRegression().fit(X, Y)
    loss = LinearNetworkLoss((3,)).fit(X, Y)
    expected = mean_squared_error(Y, model.predict(X))
    assert loss.residual_ == pytest.approx(expected, rel=1e-12)
    spectrum = loss.analytical_spectrum()
    assert spectrum.losses((0, 1, 2)) == pytest.approx(expected, rel=1e-12)
    assert_allclose(loss.predict(X), model.predict(X), atol=1e-10)
    assert_allclose(loss.sample_errors(X, Y).mean(axis=0), [expected], rtol=1e-12)


def test_predictions_and_errors_of_samples(rng):
    X, Y = networks.regression(4, 3)
    loss = LinearNetworkLoss((2,)).fit(X, Y)
    theta = points_of(loss, rng, 3)
    errors = loss.sample_errors(X, Y, theta)
    assert errors.shape == (25, 3)
    assert_allclose(errors.mean(axis=0), loss.value(theta), rtol=1e-12)
    assert_allclose(loss.sample_errors(X, Y, theta[1])[:, 0], errors[:, 1])
    output = loss.predict(X[:5], theta[1])
    assert_allclose(np.mean((output - Y[:5]) ** 2, axis=1), errors[:5, 1])
    with pytest.raises(ValueError, match="y must have 3 columns"):
        loss.sample_errors(X, Y[:, :2], theta)
    with pytest.raises(
        ValueError, match="y must be finite numbers with a row for each"
    ):
        loss.sample_errors(X, Y[:4], theta)
    with pytest.raises(ValueError, match=r"theta must be one vector .* \(3, 14\)"):
        loss.predict(X, theta)
    with pytest.raises(ValueError, match=r"theta must have shape \(n_points, 14\)"):
        loss.sample_errors(X, Y, theta[None])


def test_one_target_may_be_a_vector():
    X, Y = networks.regression(4, 1)
    one = LinearNetworkLoss((2,)).fit(X, Y[:, 0])
    other = LinearNetworkLoss((2,)).fit(X, Y)
    assert_array_equal(one.cross_moment_, other.cross_moment_)
    assert one.n_outputs_ == 1


def test_without_centring():
    X, Y = networks.regression(3, 2)
    loss = LinearNetworkLoss((2,), center=False).fit(X, Y)
    assert_allclose(loss.second_moment_, X.T @ X / 25)
    assert_allclose(loss.cross_moment_, Y.T @ X / 25)
    assert not np.any(loss.target_mean_)
    assert loss.value(np.zeros(loss.n_params_)) == pytest.approx(np.mean(Y**2))


def test_length_scale_and_starts_follow_the_units():
    X, Y = networks.regression(4, 3)
    for hidden in ((2,), (2, 2)):
        one = LinearNetworkLoss(hidden).fit(X, Y)
        other = LinearNetworkLoss(hidden).fit(X / 8, 8 * Y)
        factor = 64 ** (1 / (len(hidden) + 1))
        assert other.length_scale() == pytest.approx(factor * one.length_scale())
        starts = [loss.draw_starts([np.random.default_rng(0)]) for loss in (one, other)]
        assert_allclose(starts[1], factor * starts[0])
    assert LinearNetworkLoss().fit(X, np.ones(25)).length_scale() == 1.0


def test_curvature_is_half_the_norm_at_the_minimum():
    # Exactly so for white inputs and one singular value; else about.
    loss = networks.fit("more-inputs")
    theta = loss.analytical_spectrum().representative((0, 1))
    norm = np.linalg.norm(loss.hessian(theta), 2)
    assert 0.2 < loss.curvature(theta[None])[0] / (norm / 2) < 5


def test_near_ties_and_zeros_are_merged_in_loss_and_spectrum():
    X, Y = networks.tied()
    loss = LinearNetworkLoss((2,), tie_rtol=1e-1)
    with pytest.warns(ResolutionWarning) as caught:
        loss.fit(X, Y * [1.0, 1.0, 1.01, 1.0])
    assert any("moved eigenvalues" in str(warning.message) for warning in caught)
    spectrum = loss.analytical_spectrum()
    assert len(spectrum.multiplicities) == 3
    for one in spectrum.all_sets():
        theta = spectrum.representative(one, 0)
        assert np.max(np.abs(loss.gradient(theta))) < 1e-10
        assert loss.value(theta) == pytest.approx(spectrum.losses(one), abs=1e-12)


def test_small_parts_of_the_inputs_can_be_dropped():
    X, Y = networks.regression(3, 2)
    X = np.hstack([X, X[:, :1] + 1e-5 * np.random.default_rng(0).normal(size=(25, 1))])
    with pytest.warns(ResolutionWarning):
        loss = LinearNetworkLoss((2,), zero_rtol=1e-12).fit(X, Y)
    assert loss.analytical_spectrum().n_params == 2 * 6
    with pytest.warns(ResolutionWarning, match="3 .* counted as zero"):
        fewer = LinearNetworkLoss((2,), zero_rtol=1e-10).fit(X, Y)
    spectrum = fewer.analytical_spectrum()
    for one in spectrum.all_sets():
        theta = spectrum.representative(one, 1)
        assert np.max(np.abs(fewer.gradient(theta))) < 1e-9


def test_clone_and_pickle(name, rng):
    loss = networks.fit(name)
    theta = points_of(loss, rng)
    copy = pickle.loads(pickle.dumps(loss))
    assert_array_equal(copy.gradient(theta), loss.gradient(theta))
    X, Y, _ = networks.CASES[name]
    assert_array_equal(clone(loss).fit(X, Y).value(theta), loss.value(theta))


@pytest.mark.parametrize(
    "params, y, message",
    [
        ({"hidden_layer_sizes": (0,)}, None, "hidden_layer_sizes must be"),
        ({"alpha": -1}, None, "'alpha' parameter of LinearNetworkLoss"),
        ({"dtype": "int"}, None, "'dtype' parameter of LinearNetworkLoss"),
        ({}, np.ones(3), "y must be finite numbers with a row for each of the 25"),
        ({}, np.full(25, np.nan), "y must be finite numbers"),
        ({}, np.ones((25, 0)), "y must be finite numbers"),
        ({}, ["a"] * 25, "y must be an array of real numbers"),
        ({}, 1e100 * np.arange(25.0), "y must be small enough"),
        ({"dtype": "float32"}, 1e-12 * np.arange(25.0), "y must be large enough"),
    ],
)
def test_bad_input(params, y, message):
    X, _ = networks.regression(3, 2)
    with pytest.raises(ValueError, match=message):
        LinearNetworkLoss(**params).fit(X, y)


def test_not_fitted():
    loss = LinearNetworkLoss()
    for call in (loss.analytical_spectrum, loss.length_scale):
        with pytest.raises(NotFittedError):
            call()
    with pytest.raises(NotFittedError):
        loss.predict(np.ones((2, 3)))
