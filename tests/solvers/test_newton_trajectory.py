"""Newton trajectories: they keep the direction of the gradient, and turn."""

from dataclasses import replace

import numpy as np
import pytest

from skcrit.losses import FunctionLoss
from skcrit.proving_grounds import (
    make_central_configurations,
    make_himmelblau,
    make_quadratic_network,
    make_separable_quartic,
    make_six_hump_camel,
    make_three_hump_camel,
)
from skcrit.solvers import NewtonTrajectory, Status


def starts_of(loss, n, seed=0):
    return loss.draw_starts([np.random.default_rng((seed, i)) for i in range(n)])


@pytest.mark.parametrize(
    "loss",
    [make_himmelblau(), make_central_configurations(4), make_separable_quartic()],
)
def test_the_gradient_keeps_its_direction(loss):
    solver, theta0 = NewtonTrajectory(order=5), starts_of(loss, 6)
    state = solver.setup(loss, theta0)
    first = state.local.gradient
    length = np.linalg.norm(first, axis=1)
    u = first / length[:, None]
    looked = 0
    for _ in range(25):
        state = solver.step(loss, replace(state, n_iter=state.n_iter + 1))
        track = state.carry["track"]
        g = loss.gradient(track.theta)
        np.testing.assert_array_equal(g, track.gradient)
        across = g - np.sum(g * u, axis=1)[:, None] * u
        # What is left is a small part of what a step changes.
        change = np.linalg.norm(loss.hessian(track.theta), 2, axis=(-2, -1))
        off = np.linalg.norm(across, axis=1) / (change * solver.max_step)
        on_curve = ~track.is_landing
        looked += np.sum(on_curve)
        assert np.all(off[on_curve] <= 0.05 * np.max(loss.length_scale()))
    assert looked > 50


def test_a_line_is_followed_through_turning_points():
    # In one dimension the curve is the line, and sigma turns at the inflections.
    loss = make_separable_quartic(1, tilt=0.0)
    solver = NewtonTrajectory(order=np.array([1, 2, 3, 4]))
    result = solver.solve(loss, np.full((4, 1), -1.7))
    np.testing.assert_allclose(result.theta[:3, 0], [-1, 0, 1], atol=1e-12)
    np.testing.assert_array_equal(result.extra["n_passed"], [0, 1, 2, 3])
    assert result.status.tolist() == [Status.CONVERGED] * 3 + [Status.ESCAPED]


def test_known_points_are_passed():
    loss = make_separable_quartic(1, tilt=0.0)

    def known(loss, theta):
        return np.abs(theta[:, 0] - 1) > 1e-9  # all but the last

    solver = NewtonTrajectory(order=np.array([1, 2]), known=known)
    result = solver.solve(loss, np.full((2, 1), -1.7))
    assert result.status.tolist() == [Status.CONVERGED, Status.ESCAPED]
    np.testing.assert_allclose(result.theta[0], 1, atol=1e-12)
    np.testing.assert_array_equal(result.extra["n_passed"], [2, 3])
    # The way is that of a start that ends there without knowing.
    end = NewtonTrajectory(order=3).solve(loss, np.full((1, 1), -1.7))
    np.testing.assert_array_equal(end.theta[0], result.theta[0])
    assert end.n_hvp[0] < result.n_hvp[0]


def test_all_points_of_one_curve():
    # With g_y = x + 2 y = sigma u_y the curve of the three-hump camel is a graph over
    # x, which passes all five points from left to right.
    loss = make_three_hump_camel()
    theta0 = np.tile([-2.2, 0.3], (5, 1))
    solver = NewtonTrajectory(order=np.arange(5) + 1, reach=40)
    result = solver.solve(loss, theta0)
    known = loss.ground_truth().points
    np.testing.assert_allclose(result.theta, known[np.argsort(known[:, 0])], atol=1e-9)


def test_the_other_way_from_a_start_between_points():
    # Downhill to one well and out; then back to the start and over the barrier.
    loss = make_separable_quartic(1, tilt=0.0)
    result = NewtonTrajectory(order=np.array([1, 2, 3])).solve(
        loss, np.full((3, 1), 0.4)
    )
    ends = result.theta[:, 0]
    assert set(np.round(ends, 9).tolist()) == {-1.0, 0.0, 1.0}
    assert np.all(result.status == Status.CONVERGED)


@pytest.mark.parametrize("loss", [make_himmelblau(), make_six_hump_camel()])
def test_neighbours_on_a_curve_have_indices_of_different_parity(loss):
    theta0 = np.repeat(starts_of(loss, 30), 2, axis=0)
    result = NewtonTrajectory(order=np.tile([1, 2], 30)).solve(loss, theta0)
    found = np.all(result.status.reshape(30, 2) == Status.CONVERGED, axis=1)
    values = np.linalg.eigvalsh(loss.hessian(result.theta))
    parity = np.sum(values < 0, axis=1).reshape(30, 2) % 2
    assert np.sum(found) >= 25
    assert np.all(parity[found, 0] != parity[found, 1])


def test_symmetries_do_not_stop_it():
    loss = make_quadratic_network()
    result = NewtonTrajectory().solve(loss, starts_of(loss, 20))
    assert np.mean(result.status == Status.CONVERGED) >= 0.9
    match = loss.ground_truth().match(result.theta)
    assert np.all(match.identified[result.status == Status.CONVERGED])


def test_rows_do_not_depend_on_their_batch():
    loss = make_central_configurations(4)
    theta0 = starts_of(loss, 12)
    solver = NewtonTrajectory(order=np.arange(12) % 3 + 1, max_iter=60)
    whole = solver.solve(loss, theta0)
    rows = np.zeros(12, dtype=bool)
    rows[[1, 7, 8]] = True
    part = solver.select(rows).solve(loss, theta0[rows])
    np.testing.assert_array_equal(part.theta, whole.theta[rows])
    for name in ("status", "n_iter", "n_hvp", "n_gradient"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[rows])


def test_looser_tolerances_stop_earlier_on_the_same_way():
    loss, theta0 = make_himmelblau(), starts_of(make_himmelblau(), 8)
    loose, strict = NewtonTrajectory().solve_tols(loss, theta0, [1e-2, 1e-20])
    alone = NewtonTrajectory(tol=1e-2).solve(loss, theta0)
    np.testing.assert_array_equal(loose.theta, alone.theta)
    assert np.all(loose.n_iter <= strict.n_iter)


def test_costs():
    loss, calls = make_himmelblau(), []

    def hvp(theta, v):
        calls.append(("hvp", np.broadcast_shapes(theta.shape, v.shape)))
        return loss.hvp(theta, v)

    def gradient(theta):
        calls.append(("gradient", theta.shape))
        return loss.gradient(theta)

    counted = FunctionLoss(
        loss.value, gradient, hvp, n_params=2, length=loss.length_scale()
    ).fit()
    result = NewtonTrajectory(tol=1e-18).solve(counted, np.array([[1.0, 4.0]]))
    products = sum(np.prod(shape[:-1]) for name, shape in calls if name == "hvp")
    gradients = sum(np.prod(shape[:-1]) for name, shape in calls if name == "gradient")
    assert result.n_hvp == products == 2 * result.n_iter
    # The counts are upper bounds: points whose gradient is known are not asked again.
    assert abs(result.n_gradient[0] - gradients) <= 0.2 * gradients


def test_other_array_libraries():
    here, there = make_himmelblau(), make_himmelblau(backend="array_api_strict")
    theta0 = starts_of(here, 6)
    solver = NewtonTrajectory(order=np.array([1, 2, 3, 1, 2, 3]))
    one, other = solver.solve(here, theta0), solver.solve(there, theta0)
    np.testing.assert_allclose(other.theta, one.theta, atol=1e-10)
    np.testing.assert_array_equal(other.status, one.status)


def test_curves_that_lead_nowhere():
    # A gradient that never changes, and one that vanishes towards infinity.
    slope = FunctionLoss(
        lambda t: t[..., 0], lambda t: t * 0 + [1.0, 0.0], n_params=2, length=1.0
    ).fit()
    result = NewtonTrajectory().solve(slope, np.array([[0.3, 0.2]]))
    assert result.status.tolist() == [Status.ESCAPED]
    tail = FunctionLoss(
        lambda t: np.exp(-t[..., 0]),
        lambda t: -np.exp(-t),
        lambda t, v: np.exp(-t) * v,
        n_params=1,
        length=1.0,
    ).fit()
    result = NewtonTrajectory(tol=1e-30).solve(tail, np.array([[0.5]]))
    assert result.status.tolist() == [Status.ESCAPED]


def test_a_pole_is_no_critical_point():
    # x + 1 / x^2 / 4 has one: the pole at zero changes the sign of the slope too.
    loss = FunctionLoss(
        lambda t: t[..., 0] + t[..., 0] ** -2 / 4,
        lambda t: 1 - t**-3 / 2,
        lambda t, v: 1.5 * t**-4 * v,
        n_params=1,
        length=1.0,
    ).fit()
    result = NewtonTrajectory(tol=1e-20).solve(loss, np.array([[-1.03], [1.6]]))
    assert result.status[1] == Status.CONVERGED
    assert result.theta[1, 0] == pytest.approx(0.5 ** (1 / 3), rel=1e-9)
    assert result.status[0] != Status.CONVERGED or result.theta[0, 0] > 0.5


POINTS, WEIGHTS = np.array([[0, 0], [4, 0], [1, 3.0]]), np.array([[3.0], [1], [1]])


def attraction(power):
    """Weighted distances from three points, or potentials of three masses."""

    def parts(theta):
        between = theta[..., None, :] - POINTS
        return between, np.linalg.norm(between, axis=-1, keepdims=True)

    def value(theta):
        return np.sum(WEIGHTS * parts(theta)[1] ** power / power, axis=(-2, -1))

    def gradient(theta):
        between, distance = parts(theta)
        return np.sum(WEIGHTS * between * distance ** (power - 2), axis=-2)

    return FunctionLoss(value, gradient, n_params=2).fit()


@pytest.mark.parametrize("power", [1, -1])
def test_before_a_singularity_it_does_not_go_on(power, rng):
    # Steps are halved with the distance from a kink or a pole: that has no end.
    starts = rng.uniform(-4, 6, size=(60, 2))
    with np.errstate(all="ignore"):
        result = NewtonTrajectory(max_iter=400).solve(attraction(power), starts)
    assert np.sum(result.status == Status.STALLED) > 5
    assert not np.any(result.status == Status.MAX_ITER)


def test_at_a_critical_point_nothing_is_done():
    loss = make_himmelblau()
    result = NewtonTrajectory().solve(loss, np.array([[3.0, 2.0]]))
    assert result.status.tolist() == [Status.CONVERGED] and result.n_iter[0] == 0


def test_dense_hessians_have_a_limit():
    loss = make_separable_quartic(4097)
    with pytest.raises(ValueError, match="at most 4096 parameters, got 4097"):
        NewtonTrajectory().solve(loss, np.zeros((1, 4097)))
