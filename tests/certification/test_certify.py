"""Certificates say the truth, and nothing that is not true is certified."""

import numpy as np
import pytest

from skcrit import (
    FunctionLoss,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    LinearNetworkLoss,
    MLPLoss,
    certify,
)
from skcrit.losses.adapt import as_loss


def check_against(certificates, index, nullity, loss):
    """Compare what is certified with the closed form, for one row per set."""
    done = certificates.certified
    np.testing.assert_array_equal(certificates.morse_index[done], index[done])
    np.testing.assert_array_equal(certificates.nullity[done], nullity[done])
    slack = 1e-14 * np.max(np.abs(loss))  # the closed form is rounded, too
    assert np.all(certificates.loss_low[done] <= loss[done] + slack)
    assert np.all(certificates.loss_high[done] >= loss[done] - slack)


def test_every_set_of_an_autoencoder(autoencoder, truth):
    points, index, nullity, losses = truth
    record = certify(autoencoder, points)
    assert record.n_certified == record.n_distinct == len(points) == 26
    check_against(record, index, nullity, losses)
    assert np.all(record.error <= record.radius) and np.all(record.error < 1e-7)
    assert np.all(record.loss_high - record.loss_low < 1e-9)
    assert record.reason == [""] * 26
    order = np.argsort(record.loss_low, kind="stable")
    np.testing.assert_array_equal(record.critical_set[order], np.arange(26))


@pytest.mark.parametrize(
    "params",
    [
        {"alpha": 0.05},
        {"alpha": 0.05, "penalty": "product"},
        {"hidden_layer_sizes": (2, 2), "which": "full"},
        {"hidden_layer_sizes": (5,)},
    ],
    ids=str,
)
def test_other_linear_networks(params, rng):
    X = rng.standard_normal((30, 4)) * [2.0, 1.5, 1.0, 0.7]
    full = params.pop("which", None)
    loss = LinearAutoencoderLoss(**{"hidden_layer_sizes": (2,), **params}).fit(X)
    spectrum = loss.analytical_spectrum()
    sets = [s for s in spectrum.all_sets() if full is None or len(s) == 2]
    record = certify(loss, [spectrum.representative(s) for s in sets])
    assert record.n_certified == record.n_distinct == len(sets)
    inertia = spectrum.morse_indices(sets), spectrum.nullities(sets)
    check_against(record, *inertia, spectrum.losses(sets))


@pytest.mark.parametrize("n_outputs", [4, 3])
def test_a_network_with_targets(n_outputs, rng):
    X = rng.standard_normal((40, 4))
    Y = X @ rng.standard_normal((4, n_outputs)) + rng.standard_normal((40, n_outputs))
    loss = LinearNetworkLoss((2,)).fit(X, Y)
    spectrum = loss.analytical_spectrum()
    sets = spectrum.all_sets()
    record = certify(loss, [spectrum.representative(s) for s in sets])
    check_against(
        record,
        *(spectrum.morse_indices(sets), spectrum.nullities(sets)),
        spectrum.losses(sets),
    )
    # With fewer outputs than inputs, free units may read what explains nothing: sets
    # with free units are larger than orbits of the hidden layer's group.
    full = [n_outputs == 4 or len(s) == 2 for s in sets]
    np.testing.assert_array_equal(record.certified, full)
    assert record.n_distinct == sum(full)
    left = [
        reason
        for reason, is_full in zip(record.reason, full, strict=True)
        if not is_full
    ]
    assert all("degenerate beyond the symmetry" in reason for reason in left)


def test_points_of_one_orbit_are_one_set(autoencoder, truth, rng):
    weights = autoencoder.weights(truth[0][-1])
    points = []
    for _ in range(5):
        M = np.linalg.qr(rng.standard_normal((3, 3)))[0] + 0.2 * np.eye(3)
        points.append(autoencoder.pack([M @ weights[0], weights[1] @ np.linalg.inv(M)]))
    record = certify(autoencoder, points)
    assert record.n_certified == 5 and record.n_distinct == 1
    assert np.all(record.critical_set == 0)


def test_sets_of_equal_loss_and_index_are_told_apart_by_their_maps():
    # lambda = (6, 3, 2, 1): (0,) and (1, 2, 3) share their loss; scaled copies of
    # (4, 1) against (3, 2) share loss and, as index and nullity, their inertia.
    X = np.sqrt(6) * np.diag(np.sqrt([6.0, 5, 4, 3, 2, 1]))
    loss = LinearAutoencoderLoss((2,), center=False).fit(X)
    spectrum = loss.analytical_spectrum()
    sets = spectrum.all_sets()
    record = certify(loss, [spectrum.representative(s) for s in sets])
    values = np.round(spectrum.losses(sets), 9)
    kinds = set(zip(values, spectrum.morse_indices(sets), strict=True))
    assert len(kinds) < len(sets) == record.n_distinct == record.n_certified


def test_random_perturbations_are_never_falsely_certified(autoencoder, truth, rng):
    points, index, nullity, losses = truth
    rows = rng.integers(0, len(points), 400)
    size = 10 ** rng.uniform(-14, 0.5, 400)
    moves = rng.standard_normal((400, points.shape[1]))
    moves *= (size / np.linalg.norm(moves, axis=1))[:, None]
    # With any reach, so that many points arrive.
    for reach in (1e-6, 1.0):
        record = certify(autoencoder, points[rows] + moves, reach=reach)
        match = autoencoder.analytical_spectrum().match(record.point)
        done = record.certified
        assert 0 < np.sum(done) < 400
        assert np.all(match.identified[done])
        np.testing.assert_array_equal(record.morse_index[done], match.morse_index[done])
        slack = 1e-14 * losses.max()
        assert np.all(record.loss_low[done] <= match.loss[done] + slack)
        assert np.all(record.loss_high[done] >= match.loss[done] - slack)
        by_index = {(i, n) for i, n in zip(index, nullity, strict=True)}
        found = zip(record.morse_index[done], record.nullity[done], strict=True)
        assert set(found) <= by_index
        assert all(record.reason[i] for i in np.flatnonzero(~done))
        if reach < 1:
            assert not np.any(done[size > 1e-2])
            np.testing.assert_array_equal(record.point[done].shape[1], points.shape[1])


def wrong_points(loss, truth):
    """Return points that are not critical, by the name of what is wrong."""
    points = truth[0]
    rng = np.random.default_rng(0)
    move = rng.standard_normal(points.shape)
    off = points + 1e-3 * move / np.linalg.norm(move, axis=1)[:, None]
    b = np.ones((5, 1)) / np.sqrt(5)
    zero = np.zeros((2, 5))
    valley = [
        loss.pack([np.vstack([b.T / t, zero]), np.hstack([t * b, zero.T])])
        for t in (1.0, 1e2, 1e4, 1e8, 1e150)
    ]
    # A stray row: the end-to-end matrix of a critical point, but not its gradient.
    W1, W2 = (
        W.copy() for W in loss.weights(loss.analytical_spectrum().representative((0,)))
    )
    free = int(np.argmin(np.linalg.norm(W2, axis=0)))
    W1[free] = 0.3
    nan = points[:2].copy()
    nan[0, 0], nan[1, 3] = np.nan, np.inf
    return {
        "off": off,
        "valley": np.array(valley),
        "stray": loss.pack([W1, W2])[None],
        "not finite": nan,
        "random": rng.standard_normal((20, points.shape[1])),
    }


@pytest.mark.parametrize("kind", ["off", "valley", "stray", "not finite", "random"])
def test_wrong_points(kind, autoencoder, truth):
    points = wrong_points(autoencoder, truth)[kind]
    record = certify(autoencoder, points)
    assert not np.any(record.certified | record.estimated)
    assert np.all(record.morse_index == -1) and np.all(np.isnan(record.radius))
    word = {"not finite": "not finite", "valley": ""}.get(kind, "not a critical point")
    assert all(reason and word in reason for reason in record.reason)
    assert record.n_distinct == 0 and np.all(record.critical_set == -1)


def test_a_ring_of_minima_has_no_known_euler_characteristic():
    # (x^2 + y^2 - 1)^2 / 4, whose rotations are declared, and orbits are not counted.
    ring = FunctionLoss(
        lambda t: (np.sum(t**2, axis=-1) - 1) ** 2 / 4,
        lambda t: (np.sum(t**2, axis=-1, keepdims=True) - 1) * t,
        n_params=2,
        symmetries=lambda t: np.stack([-t[..., 1], t[..., 0]], axis=-1)[..., None, :],
    ).fit()
    record = certify(ring, [[0.6, 0.8]])
    assert (record.estimated.tolist(), record.nullity.tolist()) == ([True], [1])
    assert np.isnan(record.euler).all()
    with pytest.raises(ValueError, match=r"does not know that of the orbits"):
        record.euler_sum()


def quartic():
    """Return (x^2 - 1)^2 + x y^2: with K known by hand, and a degenerate relative."""
    return FunctionLoss(
        lambda t: (t[..., 0] ** 2 - 1) ** 2 + t[..., 1] ** 2,
        lambda t: np.stack(
            [4 * t[..., 0] * (t[..., 0] ** 2 - 1), 2 * t[..., 1]], axis=-1
        ),
        lambda t, v: v * np.stack([12 * t[..., 0] ** 2 - 4, 2 + 0 * t[..., 1]], -1),
        2,
        hessian_lipschitz=lambda t, r: 24 * (np.abs(t[..., 0]) + r),
        evaluation_error=lambda t: (1e-14 + 0 * t[..., 0],) * 3,
    ).fit()


def test_a_function_with_its_own_bounds():
    points = np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.5, 0.0]])
    record = certify(quartic(), points)
    np.testing.assert_array_equal(record.certified, [True, True, True, False])
    np.testing.assert_array_equal(record.morse_index, [0, 1, 0, -1])
    np.testing.assert_array_equal(record.nullity, [0, 0, 0, -1])
    # Both minima have the same loss and index: they differ as points.
    assert record.n_distinct == 3
    with pytest.raises(ValueError, match="every point, 1 of 4 are undecided"):
        record.euler_sum()
    assert certify(quartic(), points[:3]).euler_sum() == 1
    # No ball contains another critical point, or a point of a singular Hessian.
    assert np.all(record.radius[:3] < 1 - 1 / np.sqrt(3))


@pytest.mark.parametrize("lacking", ["hessian_lipschitz", "evaluation_error"])
def test_without_a_bound_it_is_an_estimate(lacking):
    loss = quartic().set_params(**{lacking: None}).fit()
    record = certify(loss, np.array([[-1.0, 0.0], [0.0, 0.0], [0.3, 0.0]]))
    assert not np.any(record.certified)
    np.testing.assert_array_equal(record.estimated, [True, True, False])
    np.testing.assert_array_equal(record.morse_index, [0, 1, -1])
    what = {"hessian_lipschitz": "third derivative", "evaluation_error": "rounding"}
    assert what[lacking] in record.reason[0] and "estimated" in record.reason[0]
    assert record.n_distinct == 0 and "not proved" in str(record)


@pytest.mark.parametrize("power", [3, 4, 6])
def test_degenerate_points(power):
    loss = FunctionLoss(
        lambda t: t[..., 0] ** power + t[..., 1] ** 2,
        lambda t: np.stack([power * t[..., 0] ** (power - 1), 2 * t[..., 1]], -1),
        lambda t, v: (
            v
            * np.stack(
                [power * (power - 1) * t[..., 0] ** (power - 2), 2 + 0 * t[..., 1]], -1
            )
        ),
        2,
        hessian_lipschitz=lambda t, r: 1e3 * (np.abs(t[..., 0]) + r + 1),
        evaluation_error=lambda t: (1e-15 + 0 * t[..., 0],) * 3,
    ).fit()
    points = [[0.0, 0.0], [1e-9, 0.0], [1e-5, 1e-9], [1e-2, 0.0]]
    record = certify(loss, points)
    assert not np.any(record.certified | record.estimated)
    assert all(record.reason) and "degenerate" in record.reason[0]


def test_degenerate_sets_of_deep_and_singular_networks(rng):
    X = rng.standard_normal((30, 3)) * [2.0, 1.5, 1.0]
    deep = LinearAutoencoderLoss((2, 2)).fit(X)
    record = certify(deep, [np.zeros(deep.n_params_)])
    assert not record.certified[0] and "degenerate" in record.reason[0]
    # Fewer samples than features: the nullity is beyond the hidden layer's group.
    singular = LinearAutoencoderLoss((2,)).fit(rng.standard_normal((3, 5)))
    spectrum = singular.analytical_spectrum()
    points = [spectrum.representative(s) for s in spectrum.all_sets()]
    record = certify(singular, points)
    assert not np.any(record.certified)
    assert all("degenerate" in reason for reason in record.reason)


def test_gradient_flat_points():
    # exp(-x) + y^2: the gradient vanishes, and there is no critical point.
    loss = FunctionLoss(
        lambda t: np.exp(-t[..., 0]) + t[..., 1] ** 2,
        lambda t: np.stack([-np.exp(-t[..., 0]), 2 * t[..., 1]], -1),
        lambda t, v: v * np.stack([np.exp(-t[..., 0]), 2 + 0 * t[..., 1]], -1),
        2,
        hessian_lipschitz=lambda t, r: np.exp(r - t[..., 0]),
        evaluation_error=lambda t: (1e-16 + 0 * t[..., 0],) * 3,
    ).fit()
    points = [[x, 0.0] for x in (1.0, 10.0, 30.0, 37.0, 100.0, 700.0, 800.0)]
    for reach in (1e-6, 1.0, 1e3):
        record = certify(loss, points, reach=reach)
        assert not np.any(record.certified | record.estimated) and all(record.reason)


def test_the_finder_certifies_what_it_found(rng):
    X = rng.standard_normal((30, 4)) * [2.0, 1.5, 1.0, 0.7]
    explorer = LandscapeExplorer(
        LinearAutoencoderLoss((2,)), max_searches=400, random_state=0
    ).fit(X)
    record = explorer.certify()
    assert record.n_certified == record.n_distinct == explorer.n_critical_sets_ == 11
    np.testing.assert_array_equal(record.morse_index, explorer.morse_indices_)
    np.testing.assert_array_equal(record.nullity, explorer.nullities_)
    assert len(record.to_frame()) == 11
    assert "11 certified" in str(record) and "11 points given" in str(record)


def test_results_depend_neither_on_workers_nor_on_the_batch(autoencoder, truth):
    points = truth[0][:6]
    together = certify(autoencoder, points)
    two = certify(autoencoder, points, n_jobs=2)
    alone = [certify(autoencoder, p) for p in points]
    for name in ("radius", "error", "loss_low", "loss_high", "point"):
        one = np.concatenate([getattr(record, name) for record in alone])
        np.testing.assert_array_equal(getattr(together, name), one)
        np.testing.assert_array_equal(getattr(two, name), one)


def test_single_precision_and_devices(truth, autoencoder):
    X = np.sqrt(3) * np.diag([2.0, 1.5, 1.0])
    single = LinearAutoencoderLoss((2,), center=False, dtype="float32").fit(X)
    spectrum = single.analytical_spectrum()
    sets = spectrum.all_sets()
    points = [spectrum.representative(s) for s in sets]
    record = certify(single, points, reach=1e-4)
    done = record.certified
    assert np.any(done)
    np.testing.assert_array_equal(
        record.morse_index[done], spectrum.morse_indices(sets)[done]
    )
    assert np.all(record.loss_high[done] - record.loss_low[done] > 1e-7)
    device = LinearAutoencoderLoss((2,), center=False, backend="array_api_strict").fit(
        X
    )
    assert certify(device, points).n_certified == len(sets)


def test_objects_that_are_no_loss_are_adapted():
    class Saddle:
        n_params_ = 2

        def value(self, t):
            return t[..., 0] ** 2 - t[..., 1] ** 2

        def gradient(self, t):
            return t * np.array([2.0, -2.0])

        def hvp(self, t, v):
            return v * np.array([2.0, -2.0]) + 0 * t

    record = certify(as_loss(Saddle()), [0.0, 0.0])
    assert record.estimated[0] and record.morse_index[0] == 1


@pytest.mark.parametrize(
    "theta, params, match",
    [
        (np.zeros(3), {}, "theta"),
        (np.zeros((2, 2, 30)), {}, "theta"),
        ("far", {}, "theta"),
        (np.zeros(30), {"reach": -1.0}, "reach"),
        (np.zeros(30), {"reach": np.nan}, "reach"),
        (np.zeros(30), {"n_jobs": 0}, "n_jobs"),
    ],
)
def test_arguments(theta, params, match, autoencoder):
    with pytest.raises(ValueError, match=match):
        certify(autoencoder, theta, **params)
    with pytest.raises(ValueError, match="gradient"):
        certify(object(), theta)


def test_no_points(autoencoder):
    record = certify(autoencoder, np.empty((0, 30)))
    assert record.n_certified == record.n_distinct == 0
    assert "0 points given" in str(record)


def test_relu_is_an_estimate_at_most(rng):
    with pytest.warns(UserWarning, match="not smooth"):
        loss = MLPLoss((2,), "relu", alpha=1.0).fit(
            rng.standard_normal((9, 2)), np.ones(9)
        )
    assert not np.any(certify(loss, np.ones((3, loss.n_params_))).certified)


def test_computed_tangents_of_a_circle_of_minima_are_an_estimate():
    # f = (|t|^2 - 1)^2 has the third derivative 24 (t . u) for unit vectors u.
    def square(t):
        return np.sum(t**2, axis=-1)

    circle = FunctionLoss(
        lambda t: (square(t) - 1) ** 2,
        lambda t: 4 * (square(t) - 1)[..., None] * t,
        lambda t, v: (
            4 * (square(t) - 1)[..., None] * v
            + 8 * np.sum(t * v, axis=-1, keepdims=True) * t
        ),
        n_params=2,
        symmetries=lambda t: np.stack([-t[..., 1], t[..., 0]], axis=-1)[..., None, :],
        invariants=lambda t: square(t)[..., None],
        hessian_lipschitz=lambda t, radius: 24 * (np.sqrt(square(t)) + radius),
    ).fit()
    record = certify(circle, [[0.6, 0.8], [0.0, 0.0]])
    assert np.all(record.estimated) and not np.any(record.certified)
    np.testing.assert_array_equal(record.morse_index, [0, 2])
    np.testing.assert_array_equal(record.nullity, [1, 0])
    assert record.reason[0] == "no bound on rounding errors or tangents: estimated"
    assert record.reason[1] == "no bound on rounding errors: estimated"
