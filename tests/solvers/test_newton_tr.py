"""Newton-TR on functions whose critical points are known."""

import numpy as np
import pytest

from skcrit._backend import to_device
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from skcrit.solvers import NewtonTR, Status
from skcrit.solvers.newton_tr import LADDER

from ._potentials import (
    BOWL,
    CIRCLE,
    HIMMELBLAU,
    HIMMELBLAU_POINTS,
    MONKEY,
    ROSENBROCK,
    SADDLE,
    SLOPE,
    Counter,
    autoencoder,
    index,
)

SOLVERS = ("dense", "krylov")


def solve(loss, theta0, **params):
    return NewtonTR(**params).solve(loss, np.atleast_2d(np.asarray(theta0, float)))


# Known critical points

TABLE = [
    ("saddle", SADDLE, (3.0, 4.0), (-12 / 13, -2 / 13), 1),
    ("bowl", BOWL, (3.0, 4.0), (0.0, 0.0), 0),
    ("rosenbrock", ROSENBROCK, (0.5, 0.5), (1.0, 1.0), 0),
    ("hill of the circle", CIRCLE, (0.1, 0.0), (0.0, 0.0), 2),
] + [
    (f"himmelblau {k}", HIMMELBLAU, np.add(point, (0.1, -0.08)), point, morse)
    for k, (point, morse) in enumerate(HIMMELBLAU_POINTS)
]


@pytest.mark.parametrize("linear_solver", SOLVERS)
@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_known_critical_points(row, linear_solver):
    _, loss, start, point, morse = row
    result = solve(loss, start, tol=1e-20, linear_solver=linear_solver)
    assert result.status[0] == Status.CONVERGED
    np.testing.assert_allclose(result.theta[0], point, atol=2e-6)
    assert index(loss, result.theta[0]) == morse
    assert result.squared_grad_norm[0] <= 1e-20
    assert result.loss[0] == loss.value(result.theta[0])


@pytest.mark.parametrize("linear_solver", SOLVERS)
@pytest.mark.parametrize("start", [(3, 4), (100, -7), (1e-3, 1e5), (0, 0)])
def test_one_step_on_a_quadratic(start, linear_solver):
    # A zero in the ladder is the Newton step.
    params = {"gammas": [10.0, 0.0, 1.0], "linear_solver": linear_solver}
    # What one step can reach from so far away.
    params["tol"] = (1e-13 * (1 + np.max(np.abs(start)))) ** 2
    result = solve(SADDLE, start, **params)
    assert result.n_iter[0] == 1
    assert result.status[0] == Status.CONVERGED


def test_degenerate_point_is_reached_linearly():
    result = solve(MONKEY, (1.0, 0.3), gammas=[0.0], store_history=True, tol=1e-16)
    assert result.status[0] == Status.CONVERGED
    norms = np.array(result.history["squared_grad_norm"][0])
    np.testing.assert_allclose(norms[1:] / norms[:-1], 1 / 16, rtol=1e-6)


def test_valley_of_minima(rng):
    angle = rng.uniform(0, 2 * np.pi, 20)
    start = 1.3 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    result = solve(CIRCLE, start, tol=1e-24)
    assert np.all(result.status == Status.CONVERGED)
    np.testing.assert_allclose(result.theta, start / 1.3, atol=1e-9)


def test_starts_at_critical_points():
    points = [(0.0, 0.0), (1.0, 0.0), (0.6, 0.8)]
    result = solve(CIRCLE, points, tol=1e-28)
    assert np.all(result.status == Status.CONVERGED)
    assert result.n_iter.tolist() == [0, 0, 0]
    assert result.n_gradient.tolist() == [1, 1, 1]
    assert result.n_hvp.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(result.theta, points)


@pytest.mark.parametrize("linear_solver", SOLVERS)
def test_network_ends_in_critical_points(linear_solver, rng):
    loss = autoencoder()
    start = 0.5 * rng.standard_normal((40, loss.n_params_))
    result = solve(loss, start, tol=1e-16, linear_solver=linear_solver)
    found = result.status == Status.CONVERGED
    assert np.mean(found) >= 0.5
    match = loss.analytical_spectrum().match(result.theta[found])
    assert np.all(match.status == "identified")
    for theta, morse in zip(result.theta[found], match.morse_index, strict=True):
        eigenvalues = np.linalg.eigvalsh(loss.hessian(theta))
        assert np.sum(eigenvalues < -1e-6) == morse


# The ladder


def brute_force(loss, theta, gammas, step_size=1.0):
    """One step, written down: all candidates, the best one."""
    g, H = loss.gradient(theta), loss.hessian(theta)
    points = [theta]
    for gamma in gammas:
        matrix = H + gamma * np.eye(len(theta))
        points.append(theta - step_size * np.linalg.solve(matrix, g))
    norms = [np.sum(loss.gradient(point) ** 2) for point in points]
    return points[np.argmin(norms)], min(norms)


@pytest.mark.parametrize("step_size", [1.0, 0.4])
@pytest.mark.parametrize(
    "gammas", [[3.0, 0.3, 0.03], [1e-3, -0.5, 20.0, -3.0], [7.0]], ids=str
)
def test_the_best_candidate_is_taken(gammas, step_size, rng):
    params = {"gammas": gammas, "step_size": step_size, "max_iter": 1, "tol": 0.0}
    for loss in (HIMMELBLAU, ROSENBROCK, autoencoder()):
        start = rng.standard_normal((20, loss.n_params_))
        result = solve(loss, start, **params)
        for row, theta in enumerate(start):
            point, norm = brute_force(loss, theta, gammas, step_size)
            np.testing.assert_allclose(result.theta[row], point, rtol=1e-8, atol=1e-9)
            assert result.squared_grad_norm[row] == pytest.approx(norm, rel=1e-8)


def test_a_whole_run_is_the_brute_force(rng):
    theta = np.array([-1.2, 1.0])
    gammas = [100.0, 1.0, 0.01]
    for n_iter in range(1, 8):
        theta, norm = brute_force(ROSENBROCK, theta, gammas)
        result = solve(ROSENBROCK, (-1.2, 1.0), gammas=gammas, max_iter=n_iter)
        np.testing.assert_allclose(result.theta[0], theta, rtol=1e-7)
        assert result.squared_grad_norm[0] == pytest.approx(norm, rel=1e-6)


def test_the_order_of_the_ladder_does_not_matter(rng):
    start = rng.uniform(-2, 2, size=(30, 2))
    gammas = [10.0, 1.0, 1e-1, 1e-3, 0.0]
    for loss in (HIMMELBLAU, SLOPE):
        down, up = (solve(loss, start, gammas=g) for g in (gammas, gammas[::-1]))
        np.testing.assert_array_equal(down.status, up.status)
        np.testing.assert_array_equal(down.residual_ratio, up.residual_ratio)
        np.testing.assert_array_equal(down.theta, up.theta)


def test_published_ladder_on_the_data_of_the_study(rng):
    loss = LinearAutoencoderLoss((4,)).fit(
        make_gaussian_spectrum(100, exact=True, random_state=0)
    )
    published = 10.0 ** np.arange(2, -8, -1)
    memory = (
        NewtonTR().setup(loss, rng.standard_normal((3, loss.n_params_))).carry["gammas"]
    )
    assert memory.shape == (3, len(LADDER))
    np.testing.assert_allclose(memory, np.tile(published, (3, 1)), rtol=1e-12)


@pytest.mark.parametrize("unit", [2.0**-6, 2.0**5])
def test_auto_follows_the_unit_of_the_data(unit, rng):
    # Weights have no unit: loss, gradient and Hessian scale with the squared data.
    plain, scaled = autoencoder(), autoencoder(unit=unit)
    start = 0.5 * rng.standard_normal((10, plain.n_params_))
    memories = [
        NewtonTR().setup(loss, start).carry["gammas"] for loss in (plain, scaled)
    ]
    np.testing.assert_allclose(memories[1], unit**2 * memories[0], rtol=1e-12)
    expected = solve(plain, start, tol=1e-14, max_iter=8)
    result = solve(scaled, start, tol=1e-14 * unit**4, max_iter=8)
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-4, atol=1e-5)


def test_given_shifts_do_not_follow_the_unit():
    solver = NewtonTR(gammas=[3.0, -1.0])
    memory = solver.setup(autoencoder(unit=7.0), np.ones((2, 16))).carry["gammas"]
    assert memory.tolist() == [[3.0, -1.0]] * 2


# Progress


@pytest.mark.parametrize("linear_solver", SOLVERS)
@pytest.mark.parametrize("hidden, alpha", [((2,), 0.0), ((2,), 0.1), ((2, 2), 0.0)])
def test_gradient_norm_falls_monotonically(hidden, alpha, linear_solver, rng):
    loss = autoencoder(hidden=hidden, alpha=alpha)
    start = 0.5 * rng.standard_normal((10, loss.n_params_))
    params = {"linear_solver": linear_solver, "max_iter": 60, "max_inner_iter": 6}
    result = solve(loss, start, store_history=True, **params)
    for run in result.history["squared_grad_norm"]:
        assert np.all(np.diff(run) < 0)


def test_quadratic_convergence_near_the_end(rng):
    # The ladder ends at 5e-8 of the curvature: down to there the order is two.
    starts = np.repeat([point for point, _ in HIMMELBLAU_POINTS], 5, axis=0)
    starts = starts + rng.uniform(-0.3, 0.3, starts.shape)
    result = solve(HIMMELBLAU, starts, tol=1e-22, store_history=True)
    assert np.all(result.status == Status.CONVERGED)
    orders = []
    for run in result.history["squared_grad_norm"]:
        norms = np.sqrt(run)
        logs = np.log(norms[(norms < 1e-1) & (norms > 1e-8)])
        orders += list(logs[1:] / logs[:-1])
    assert len(orders) >= 15
    assert np.median(orders) > 1.7


def test_one_small_shift_is_newtons_method():
    theta = np.array([3.3, 2.4])
    run = solve(HIMMELBLAU, theta, gammas=[1e-12], max_iter=4, tol=0.0)
    for _ in range(4):
        theta = theta - np.linalg.solve(
            HIMMELBLAU.hessian(theta), HIMMELBLAU.gradient(theta)
        )
    np.testing.assert_allclose(run.theta[0], theta, atol=1e-12)


# Ends without a critical point


@pytest.mark.parametrize("linear_solver", SOLVERS)
def test_gradient_flat(linear_solver):
    # Here the gradient (1, 0) is in the kernel of the Hessian.
    result = solve(SLOPE, (0.0, 0.0), linear_solver=linear_solver)
    assert result.status[0] == Status.GRADIENT_FLAT
    assert result.residual_ratio[0] == pytest.approx(1, abs=1e-6)
    assert result.squared_grad_norm[0] == pytest.approx(1)
    assert result.n_iter[0] == 0


def test_a_linear_loss_is_flat_everywhere():
    loss = FunctionLoss(
        lambda t: t[..., 0],
        lambda t: np.zeros_like(t) + [1.0, 0.0],
        lambda t, v: 0 * v,
        n_params=2,
    ).fit()
    for linear_solver in SOLVERS:
        result = solve(loss, (1.0, 2.0), linear_solver=linear_solver)
        # Damped steps are pure gradient steps, and change nothing.
        assert result.status[0] in {Status.STALLED, Status.GRADIENT_FLAT}
        assert result.theta.tolist() == [[1.0, 2.0]]


def test_no_critical_point_is_never_convergence(rng):
    result = solve(SLOPE, rng.uniform(-2, 2, size=(60, 2)), max_iter=100)
    ends = {Status.GRADIENT_FLAT, Status.STALLED, Status.MAX_ITER}
    assert set(result.status) <= ends
    assert np.all(result.squared_grad_norm >= 1)


def test_stalled_where_every_candidate_is_worse():
    # Down from the hill by more than its width, at every shift of the ladder.
    result = solve(CIRCLE, (0.1, 0.0), gammas=[1.5, 2.0, 4.0])
    assert result.status[0] == Status.STALLED
    assert result.n_iter[0] == 0
    assert result.theta.tolist() == [[0.1, 0.0]]


def test_stalled_below_rounding():
    starts = np.array([point for point, _ in HIMMELBLAU_POINTS]) + 0.1
    result = solve(HIMMELBLAU, starts, tol=0.0)
    assert set(result.status) <= {Status.STALLED, Status.CONVERGED}
    assert np.all(result.squared_grad_norm < 1e-22)


def test_budget():
    result = solve(ROSENBROCK, (-1.2, 1.0), max_iter=2, store_history=True)
    assert result.status[0] == Status.MAX_ITER
    assert result.n_iter[0] == 2
    assert len(result.history["loss"][0]) == 3


def test_no_iterations_at_all():
    result = solve(BOWL, [(1.0, 2.0), (0.0, 0.0)], max_iter=0)
    assert result.status.tolist() == [Status.MAX_ITER, Status.CONVERGED]
    assert result.n_iter.tolist() == [0, 0]


@pytest.mark.parametrize("linear_solver", SOLVERS)
def test_non_finite_starts_diverge_and_disturb_nobody(linear_solver, rng):
    loss = autoencoder()
    good = 0.3 * rng.standard_normal((3, loss.n_params_))
    bad = good.copy()
    bad[0, 3] = np.nan
    bad[1, 0] = np.inf
    bad[2] *= 1e120  # finite, with an infinite gradient
    order = [0, 3, 4, 1, 5, 2]
    params = {"linear_solver": linear_solver}
    result = solve(loss, np.concatenate([bad, good])[order], **params)
    alone = solve(loss, good, **params)
    is_bad = np.array(order) < 3
    assert np.all(result.status[is_bad] == Status.DIVERGED)
    assert np.all(result.n_iter[is_bad] == 0)
    for name in ("theta", "status", "n_iter", "n_gradient", "n_hvp"):
        np.testing.assert_array_equal(
            getattr(result, name)[~is_bad], getattr(alone, name)
        )


def test_non_finite_candidates_are_not_taken():
    # Outside of a disc the gradient is NaN: the Newton step from 1.5 goes there.
    def gradient(theta):
        inside = np.sum(theta**2, axis=-1, keepdims=True) < 4
        g = np.stack([np.sin(theta[..., 0]), theta[..., 1]], -1)
        return np.where(inside, g, np.nan)

    loss = FunctionLoss(
        lambda t: 1 - np.cos(t[..., 0]) + t[..., 1] ** 2 / 2,
        gradient,
        lambda t, v: np.stack([np.cos(t[..., 0]) * v[..., 0], v[..., 1]], -1),
        n_params=2,
    ).fit()
    result = solve(loss, (1.5, 0.3))
    assert result.status[0] == Status.CONVERGED
    np.testing.assert_allclose(result.theta[0], 0, atol=1e-4)


# Counts, batches and backends


@pytest.mark.parametrize("linear_solver", SOLVERS)
def test_counts_are_what_the_loss_sees(linear_solver, rng):
    counter = Counter(autoencoder())
    start = 0.5 * rng.standard_normal(counter.loss.n_params_)
    result = solve(
        counter.loss,
        start,
        max_iter=12,
        tol=1e-20,
        gammas=[10.0, 1.0, 0.1, 0.01],
        linear_solver=linear_solver,
        max_inner_iter=7,
    )
    assert result.n_iter[0] > 2
    assert result.n_gradient[0] == counter.n_gradient
    assert result.n_hvp[0] == counter.n_hvp
    n_steps = result.n_iter[0] + (result.status[0] == Status.STALLED)
    # A Krylov space of all dimensions and two more products explain the failure.
    verdict = 16 + 2
    step = {"dense": 16, "krylov": 7}[linear_solver]
    assert counter.n_hvp == n_steps * step + verdict
    assert counter.n_gradient == 1 + 5 * n_steps + 1


def test_auto_asks_for_the_size_of_the_hessian(rng):
    # 20 products a start where a loss does not know it: they are not counted.
    counter = Counter(autoencoder())
    result = solve(counter.loss, 0.5 * rng.standard_normal((2, 16)), max_iter=5)
    assert counter.n_hvp == result.n_hvp.sum() + 40


def test_choice_of_the_linear_solver(rng):
    small, large = autoencoder(), autoencoder(np.arange(1.0, 18.0), hidden=(8,))
    for loss, choice in ((small, "dense"), (large, "krylov")):
        start = 0.1 * rng.standard_normal((1, loss.n_params_))
        auto, explicit = (
            solve(loss, start, max_iter=2, linear_solver=name)
            for name in ("auto", choice)
        )
        np.testing.assert_array_equal(auto.theta, explicit.theta)
        np.testing.assert_array_equal(auto.n_hvp, explicit.n_hvp)


def test_a_full_space_is_as_good_as_the_hessian(rng):
    loss = autoencoder()
    start = 0.5 * rng.standard_normal((8, loss.n_params_))
    gammas = [3.0, 0.3, 0.03]
    dense, krylov = (
        solve(loss, start, max_iter=4, gammas=gammas, linear_solver=name)
        for name in SOLVERS
    )
    np.testing.assert_allclose(krylov.theta, dense.theta, rtol=1e-6, atol=1e-7)
    assert np.all(krylov.n_hvp <= dense.n_hvp)


@pytest.mark.parametrize("linear_solver", SOLVERS)
def test_rows_do_not_depend_on_the_batch(linear_solver, rng):
    loss = autoencoder(eigenvalues=(5.0, 4.0, 3.0, 2.0, 1.0), hidden=(3,))
    start = 0.5 * rng.standard_normal((10, loss.n_params_))
    params = {"linear_solver": linear_solver, "max_iter": 20, "max_inner_iter": 12}
    together = solve(loss, start, **params)
    backwards = solve(loss, start[::-1], **params)
    assert len(np.unique(together.n_iter)) > 1
    for i in (0, 4, 9):
        alone = solve(loss, start[i], **params)
        for result, row in ((alone, 0), (backwards, 9 - i)):
            np.testing.assert_array_equal(result.theta[row], together.theta[i])
            for name in ("loss", "n_hvp", "n_gradient", "status", "residual_ratio"):
                expected = getattr(together, name)[i]
                np.testing.assert_equal(getattr(result, name)[row], expected)


@pytest.mark.parametrize("linear_solver", SOLVERS)
def test_device_gives_the_results_of_numpy(linear_solver, rng):
    host, device = (
        autoencoder(backend=backend) for backend in ("numpy", "array_api_strict")
    )
    start = 0.5 * rng.standard_normal((5, host.n_params_))
    params = {"max_iter": 8, "linear_solver": linear_solver}
    expected = solve(host, start, **params)
    there = to_device(start, "array_api_strict")
    for theta0 in (start, there):
        result = NewtonTR(**params).solve(device, theta0)
        assert isinstance(result.theta, np.ndarray)
        np.testing.assert_array_equal(result.status, expected.status)
        np.testing.assert_allclose(result.loss, expected.loss, rtol=1e-6)


@pytest.mark.parametrize("linear_solver", SOLVERS)
def test_float32_runs_in_float32(linear_solver, rng):
    loss = autoencoder(dtype="float32")
    start = 0.5 * rng.standard_normal((10, loss.n_params_))
    result = solve(loss, start, tol=1e-8, linear_solver=linear_solver)
    found = result.theta[result.status == Status.CONVERGED]
    assert len(found) >= 4
    assert np.all(np.sum(autoencoder().gradient(found) ** 2, axis=-1) < 1e-7)
