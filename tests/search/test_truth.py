"""No index, nullity or status that is reported as known is wrong.

Each test is a kind of mistake that was found once: weak eigenvalues, differences in
place of products, points far from the origin, degenerate points, tails.
"""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from skcrit import NewtonMRFinder, NewtonTRFinder, SaddleDynamicsFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.exceptions import NotConvergedWarning
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from skcrit.search.degenerate import grows_all_around
from skcrit.search.describe import describe
from skcrit.search.problem import pose
from skcrit.solvers import Status

from ._surfaces import (
    FADING,
    KINK,
    bent,
    exponential_tail,
    lennard_jones,
    morse,
    pole,
    power,
    ring,
    simplex,
    turned,
    weak_quartic,
    well,
)


def judged(loss, theta):
    problem = pose(loss)
    status = np.full(len(theta), Status.CONVERGED)
    everything = np.ones(len(theta), dtype=bool)
    inside = problem.into(theta)
    return describe(problem.loss, inside, status, everything, problem.scales)


def assert_inertia(found, index, nullity, known=1.0):
    """What is known is right, and enough is known; bounds hold everywhere."""
    is_known = found.morse_index >= 0
    assert np.mean(is_known) >= known
    index, nullity = np.broadcast_arrays(index, nullity, subok=False)
    index = np.broadcast_to(index, is_known.shape)
    nullity = np.broadcast_to(nullity, is_known.shape)
    np.testing.assert_array_equal(found.morse_index[is_known], index[is_known])
    np.testing.assert_array_equal(found.nullity[is_known], nullity[is_known])
    assert np.all(found.morse_index_low <= index)
    assert np.all(found.morse_index_high >= index)


def on_sphere(n, n_points, rng):
    u = rng.standard_normal((n_points, n))
    return u / np.linalg.norm(u, axis=1, keepdims=True)


@pytest.mark.parametrize("products", [True, False])
@pytest.mark.parametrize("radius", [1.0, 100.0, 1000.0])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_ring_of_minima(n, radius, products, rng):
    off = 1 + 1e-7 * rng.standard_normal((40, 1))
    theta = radius * on_sphere(n, 40, rng) * off
    found = judged(ring(n, radius, products=products), theta)
    assert set(found.status) == {Status.CONVERGED}
    assert_inertia(found, 0, n - 1)


@pytest.mark.parametrize("center", [10.0, 1e2, 1e3, 1e4])
def test_far_from_the_origin(center, rng):
    theta = center + on_sphere(2, 60, rng) * (1 + 1e-6 * rng.standard_normal((60, 1)))
    found = judged(ring(2, 1.0, center), theta)
    assert_inertia(found, 0, 1)


@pytest.mark.parametrize("products", [True, False])
@pytest.mark.parametrize("center", [0.0, 1e3, 1e4])
@pytest.mark.parametrize("n_atoms, nullity", [(2, 5), (3, 6), (4, 6)])
def test_clusters_of_atoms(n_atoms, nullity, center, products, rng):
    loss = lennard_jones(n_atoms, products, center)
    theta = np.array([center + simplex(n_atoms, rng) for _ in range(20)])
    found = judged(loss, theta + 1e-6 * rng.standard_normal(theta.shape))
    assert_inertia(found, 0, nullity)


@pytest.mark.parametrize("products", [True, False])
@pytest.mark.parametrize("distance", [1e-9, 1e-7, 1e-6])
def test_weak_eigenvalues_have_a_sign(distance, products, rng):
    theta = distance * rng.standard_normal((60, 4))
    found = judged(weak_quartic(products), theta)
    assert_inertia(found, 1, 0)


@pytest.mark.parametrize("pull", [0.0, 1e-11, 1e-8, 1e-6])
def test_weak_forces_far_from_the_origin_are_not_zero(pull, rng):
    # Coordinates of that size are rounded, which changes the Hessian by 1e-8 and more.
    atoms = lennard_jones(3, True, 1e4)
    loss = FunctionLoss(
        lambda t: atoms.value(t) + pull * np.sum((t - 1e4) ** 2, axis=-1) / 2,
        lambda t: atoms.gradient(t) + pull * (t - 1e4),
        lambda t, v: atoms.hvp(t, v) + pull * v,
        n_params=9,
    ).fit()
    triangle = simplex(3, rng).reshape(3, 3)
    theta = np.ravel(triangle - triangle.mean(axis=0)) + 1e4
    found = judged(loss, theta + 1e-7 * rng.standard_normal((10, 9)))
    # Atoms that are drawn to a centre can turn about it, and no more.
    assert_inertia(found, 0, 3 if pull else 6, 0.0 if pull else 1.0)


def test_points_between_two_saddles_are_not_confirmed_for_one(rng):
    # Another critical point lies 7e-5 away: what is that far off may be at either.
    theta = 1e-4 * rng.standard_normal((100, 4))
    found = judged(weak_quartic(), theta)
    loss = weak_quartic()
    confirmed = found.status == Status.CONVERGED
    exact = np.linalg.eigvalsh(loss.hessian(found.point[confirmed]))
    np.testing.assert_array_equal(
        found.morse_index[confirmed], np.sum(exact < 0, axis=1)
    )
    assert np.max(np.abs(loss.gradient(found.point[confirmed]))) < 1e-12


SPECTRA = {
    "3e-8": ([3.0, 2.0, 1.0, 3e-8], 1e-9, 0.95),
    "1e-11": ([3.0, 2.0, 1.0, 1e-11], 1e-12, 0.95),
    "1e-12": ([3.0, 2.5, 2.0, 1e-12], 1e-15, 1.0),
    "two weak": ([5.0, 4.0, 3.0, 2.0, 2e-7, 1e-7], 1e-9, 0.95),
    "even": ([5.0, 4.0, 3.0, 2.0, 1.0], 1e-7, 1.0),
}


@pytest.mark.filterwarnings("ignore::skcrit.ResolutionWarning")
@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("spectrum", SPECTRA, ids=str)
def test_spectra_of_large_ratio(spectrum, p, rng):
    eigenvalues, distance, known = SPECTRA[spectrum]
    X = make_gaussian_spectrum(
        100, eigenvalues=eigenvalues, exact=True, rotate=True, random_state=0
    )
    assert_every_set(LinearAutoencoderLoss((p,)).fit(X), distance, rng, known)


@pytest.mark.filterwarnings("ignore::skcrit.ResolutionWarning")
@pytest.mark.parametrize("columns", [[0, 3, 4, 5], range(30)], ids=["four", "all"])
def test_raw_data(columns, rng):
    X = load_breast_cancer().data[:, columns]
    assert_every_set(LinearAutoencoderLoss((2,)).fit(X), 1e-12, rng)


def assert_every_set(loss, distance, rng, known=0.95):
    spectrum = loss.analytical_spectrum()
    sets = list(spectrum.index_sets())
    theta = np.array([spectrum.representative(s) for s in sets])
    found = judged(loss, theta + distance * rng.standard_normal(theta.shape))
    index, nullity = spectrum.morse_indices(sets), spectrum.nullities(sets)
    assert_inertia(found, index, nullity, known)


def test_single_precision_is_right_or_unknown(rng):
    X = make_gaussian_spectrum(
        100, eigenvalues=[5, 4, 3, 2e-3, 1e-4], exact=True, rotate=True, random_state=0
    )
    loss = LinearAutoencoderLoss((2,), dtype="float32").fit(X)
    spectrum = loss.analytical_spectrum()
    sets = list(spectrum.index_sets())
    theta = np.array([spectrum.representative(s) for s in sets])
    found = judged(loss, theta + 1e-5 * rng.standard_normal(theta.shape))
    index, nullity = spectrum.morse_indices(sets), spectrum.nullities(sets)
    assert_inertia(found, index, nullity, known=0.0)


@pytest.mark.parametrize("m", [4, 6, 8])
@pytest.mark.parametrize("plus_square", [True, False])
def test_degenerate_points(m, plus_square, rng):
    loss = power(m, 2 if plus_square else 4, plus_square)
    theta = 1e-2 * rng.standard_normal((40, loss.n_params_))
    found = judged(loss, theta)
    assert set(found.status) == {Status.CONVERGED}
    assert_inertia(found, 0, 1 if plus_square else 4)
    np.testing.assert_allclose(found.point, 0, atol=1e-4)


def test_tails_escape(rng):
    far = np.stack([rng.uniform(12, 40, 40), 1e-8 * rng.standard_normal(40)], axis=1)
    found = judged(exponential_tail(), far)
    assert set(found.status) == {Status.ESCAPED}
    around = on_sphere(2, 40, rng) * rng.uniform(3.5, 6, (40, 1))
    found = judged(well(), around)
    assert set(found.status) == {Status.ESCAPED}
    assert np.all(found.morse_index == -1)
    bottom = judged(well(), 1e-6 * rng.standard_normal((10, 2)))
    assert_inertia(bottom, 0, 0)


@pytest.mark.parametrize("tol", ["auto", 1e90])
@pytest.mark.parametrize("length", [1.0, None])
def test_poles_are_no_critical_points(length, tol):
    # At x = 1e-15 a last digit of the length scale is a fifth of the way to the pole.
    x = np.geomspace(1e-18, 0.5, 120)[:, None]
    finder = NewtonMRFinder(
        pole(length), init=np.concatenate([x, -x]), n_starts=240, max_iter=0, tol=tol
    )
    with pytest.warns(NotConvergedWarning):
        finder.fit()
    assert not finder.converged_.any()


def test_steep_forces_that_vanish_confirm_no_tail(rng):
    # Two atoms at rest, which a few steps bring about, and one that drifts away.
    loss = lennard_jones(3, products=True)
    theta = np.array([20.949, -2.025, 8.717, -9.409, 2.254, -4.391, -9.708, 1.3, -4.4])
    finder = SaddleDynamicsFinder(
        init=theta + 1e-6 * rng.standard_normal((20, 9)), n_starts=20, max_iter=1
    )
    with pytest.warns(NotConvergedWarning):
        finder.fit(loss)
    assert not np.any(finder.converged_)


@pytest.mark.parametrize("degrees", [30, 45])
def test_steep_directions_that_collapse_confirm_no_turned_tail(degrees, rng):
    # What is left of the gradient, exp(-50), is seen along the tail and has no step:
    # the eigenvalue there is below the errors of the Hessian.
    loss = turned(exponential_tail(), degrees)
    x, y = rng.uniform(42, 65, 40), 10 ** rng.uniform(0, 2, 40)
    angle = np.deg2rad(degrees)
    turn = np.array([
        [np.cos(angle), -np.sin(angle)],
        [np.sin(angle), np.cos(angle)],
    ])
    start = np.stack([x, y], axis=1) @ turn
    finder = NewtonTRFinder(loss, init=start, n_starts=40, max_iter=20)
    with pytest.warns(NotConvergedWarning):
        finder.fit()
    assert not finder.converged_.any()


def test_gradients_grow_all_around_degenerate_points(rng):
    for loss in (power(4), power(6), power(4, 3, plus_square=False)):
        scales = pose(loss).scales
        beside = 1e-5 * rng.standard_normal((20, loss.n_params_))
        assert grows_all_around(loss, beside, scales).all()
    far = [[25.0, 0.0], [46.0, 1e-14], [60.0, -1e-12], [800.0, 0.0]]
    for loss in (exponential_tail(), turned(exponential_tail(), 0), well()):
        assert not grows_all_around(loss, np.array(far), pose(loss).scales).any()


def test_gradients_grow_all_around_the_origin_of_a_deep_network(rng):
    X, theta = rng.standard_normal((30, 3)), 1e-5 * rng.standard_normal((4, 16))
    for backend in ("numpy", "array_api_strict"):
        loss = LinearAutoencoderLoss((2, 2), center=False, backend=backend).fit(X)
        assert grows_all_around(loss, theta, pose(loss).scales).all()


def on_parabola(x, degrees):
    angle = np.deg2rad(degrees)
    turn = np.array([
        [np.cos(angle), -np.sin(angle)],
        [np.sin(angle), np.cos(angle)],
    ])
    return turn, np.stack([x, x * x], axis=1) @ turn


@pytest.mark.parametrize("degrees", [0, 20, 70])
def test_curved_tails_are_followed(degrees, rng):
    x = np.concatenate([rng.uniform(40, 100, 20), 10 ** rng.uniform(2, 4, 20)])
    turn, theta = on_parabola(x, degrees)
    found = judged(bent(turn, *FADING), theta)
    assert np.all(found.status != Status.CONVERGED)
    assert set(found.status[20:]) == {Status.ESCAPED}


@pytest.mark.parametrize("degrees", [0, 20, 70])
def test_curved_valleys_are_critical(degrees, rng):
    turn, theta = on_parabola(rng.uniform(1.1, 50, 30), degrees)
    level = [lambda x: 0 * x] * 3
    for profile in (KINK, level):
        found = judged(bent(turn, *profile), theta)
        assert set(found.status) == {Status.CONVERGED}
        assert_inertia(found, 0, 1)


def test_declared_symmetries_hide_no_tail(rng):
    # Atoms that are far apart feel nothing: all eigenvalues are zero, and those of the
    # three declared motions of the plane cannot be distinguished from the others.
    loss = morse(3, 2, declared=True)
    theta = np.array([-209.0, 536, -1877, -20, 5, -582]) + rng.standard_normal((20, 6))
    assert set(judged(loss, theta).status) == {Status.ESCAPED}


def test_gradients_that_underflow_are_those_of_tails(rng):
    # exp(-745) is zero: to the last bit these losses are constant there.
    far = np.stack([rng.uniform(800, 1e5, 20), np.zeros(20)], axis=1)
    assert set(judged(exponential_tail(), far).status) == {Status.ESCAPED}
    around = on_sphere(2, 40, rng) * 10 ** rng.uniform(1.5, 5, (40, 1))
    assert set(judged(well(), around).status) == {Status.ESCAPED}


@pytest.mark.parametrize("degrees", [30, 45])
def test_gradients_below_rounding_errors_are_those_of_tails(degrees, rng):
    # exp(-70) is below the rounding errors that y^2 leaves where both are mixed.
    far = turned(exponential_tail(), -degrees)
    x = np.concatenate([rng.uniform(70, 100, 20), 10 ** rng.uniform(2, 4, 20)])
    angle = np.deg2rad(degrees)
    theta = x[:, None] * [np.cos(angle), np.sin(angle)]
    found = judged(far, theta + 1e-9 * rng.standard_normal((40, 2)))
    assert set(found.status) == {Status.ESCAPED}


@pytest.mark.parametrize("power", [2, 3])
@pytest.mark.parametrize("degrees", [0, 30])
def test_plateaus_that_end_at_a_kink_are_critical(degrees, power, rng):
    # A power of max(1 - x, 0), as where a dead unit wakes: one-sided, and no tail.
    def slack(t):
        return np.maximum(1 - t[..., 0], 0)

    plateau = FunctionLoss(
        lambda t: slack(t) ** power + t[..., 1] ** 2,
        lambda t: np.stack([-power * slack(t) ** (power - 1), 2 * t[..., 1]], axis=-1),
        lambda t, v: np.stack(
            [
                power
                * (power - 1)
                * slack(t) ** (power - 2)
                * (t[..., 0] < 1)
                * v[..., 0],
                2 * v[..., 1],
            ],
            axis=-1,
        ),
        n_params=2,
    ).fit()
    angle = np.deg2rad(degrees)
    x = rng.uniform(1.1, 50, (20, 1))
    theta = x * [np.cos(angle), np.sin(angle)]
    found = judged(turned(plateau, -degrees), theta)
    assert set(found.status) == {Status.CONVERGED}
    assert_inertia(found, 0, 1)


def test_flat_valleys_and_constants_are_critical(rng):
    valley = FunctionLoss(
        lambda t: t[..., 0] ** 2 * t[..., 1] ** 2,
        lambda t: 2 * t * t[..., ::-1] ** 2,
        lambda t, v: (
            2 * v * t[..., ::-1] ** 2 + 4 * np.prod(t, -1)[..., None] * v[..., ::-1]
        ),
        n_params=2,
    ).fit()
    on_axis = np.stack([rng.uniform(0.5, 2, 10), np.zeros(10)], axis=1)
    assert_inertia(judged(valley, on_axis), 0, 1)


@pytest.mark.parametrize("products", [True, False])
@pytest.mark.parametrize("force", [1e8, 1e10])
def test_forces_that_cancel_hide_no_degenerate_point(force, products, rng):
    # A gradient is zero to the last bit in a whole region around the monkey saddle,
    # where the Hessians have signs, but none of these points is critical.
    def gradient(t):
        x, y = t[..., 0], t[..., 1]
        pull = np.stack([3 * (x * x - y * y), -6 * x * y], axis=-1)
        return (pull + force) - force

    def hvp(t, v):
        a, b = 6 * t[..., :1], 6 * t[..., 1:]
        return np.concatenate(
            [a * v[..., :1] - b * v[..., 1:], -b * v[..., :1] - a * v[..., 1:]], axis=-1
        )

    loss = FunctionLoss(
        lambda t: t[..., 0] ** 3 - 3 * t[..., 0] * t[..., 1] ** 2,
        gradient,
        hvp if products else None,
        n_params=2,
    ).fit()
    turn = rng.uniform(0, 2 * np.pi, 30)
    radius = 0.5 * np.sqrt(np.spacing(force) / 6)
    theta = radius * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    assert np.all(loss.gradient(theta) == 0)
    assert_inertia(judged(loss, theta), 0, 2, known=0.0)


@pytest.mark.parametrize("products", [True, False])
def test_forces_that_cancel_leave_regular_points_known(products, rng):
    loss = FunctionLoss(
        lambda t: np.sum((t * t - 1) ** 2, axis=-1),
        lambda t: (4 * t * (t * t - 1) + 1e8) - 1e8,
        (lambda t, v: (12 * t * t - 4) * v) if products else None,
        n_params=2,
    ).fit()
    places = rng.integers(-1, 2, (40, 2)).astype(float)
    found = judged(loss, places + 1e-9 * rng.standard_normal(places.shape))
    assert_inertia(found, np.sum(places == 0, axis=1), 0)
