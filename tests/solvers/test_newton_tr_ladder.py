"""The ladder of Newton-TR, its progress and its counts."""

import numpy as np
import pytest

from skcrit._backend import to_device
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import LinearAutoencoderLoss
from skcrit.solvers import NewtonTR, Status
from skcrit.solvers.newton_tr import LADDER

from ._methods import SOLVERS
from ._methods import newton_tr as solve
from ._potentials import (
    HIMMELBLAU,
    HIMMELBLAU_POINTS,
    ROSENBROCK,
    SLOPE,
    Counter,
    autoencoder,
)

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
