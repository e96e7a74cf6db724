"""Saddle dynamics on functions whose critical points are known."""

import numpy as np
import pytest

from skcrit._backend import to_device
from skcrit.losses import FunctionLoss
from skcrit.solvers import SaddleDynamics, Status

from ._methods import saddle_dynamics as solve
from ._potentials import BOWL, HIMMELBLAU, HIMMELBLAU_POINTS, SADDLE, SLOPE, autoencoder


@pytest.mark.parametrize("index", [0, 1, 2])
def test_only_points_of_the_index_attract(index, rng):
    starts = rng.uniform(-4, 4, size=(60, 2))
    result = solve(HIMMELBLAU, starts, index=index, max_step=0.3, tol=1e-20)
    ended = result.status == Status.CONVERGED
    # Outside, two directions up have no end.
    assert ended.mean() > (0.25 if index == 2 else 0.8)
    points = np.array([point for point, _ in HIMMELBLAU_POINTS])
    indices = np.array([k for _, k in HIMMELBLAU_POINTS])
    gaps = np.linalg.norm(result.theta[ended][:, None] - points, axis=-1)
    assert gaps.min(axis=1).max() < 1e-5
    assert set(indices[gaps.argmin(axis=1)]) == {index}


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
def test_it_departs_from_points_of_a_higher_index(eigensolver):
    points = np.array([point for point, _ in HIMMELBLAU_POINTS])
    indices = np.array([k for _, k in HIMMELBLAU_POINTS])
    # On the point itself, and on the stable side of it to all but rounding.
    for index in (0, 1):
        starts = points[indices > index]
        exact = solve(HIMMELBLAU, starts).theta
        for start in (starts, exact):
            result = solve(HIMMELBLAU, start, index=index, eigensolver=eigensolver)
            ended = result.status == Status.CONVERGED
            assert ended.mean() > 0.8
            gaps = np.linalg.norm(result.theta[ended][:, None] - points, axis=-1)
            assert set(indices[gaps.argmin(axis=1)]) == {index}
            assert np.all(result.extra["n_departures"] >= 1)


def test_it_departs_three_times():
    # From the top of every one of many hills it comes to another one's.
    loss = FunctionLoss(
        lambda t: np.sum(np.cos(2 * np.pi * t), axis=-1),
        lambda t: -2 * np.pi * np.sin(2 * np.pi * t),
        lambda t, v: -4 * np.pi**2 * np.cos(2 * np.pi * t) * v,
        n_params=2,
        length=2.0,
    ).fit()
    result = solve(loss, np.zeros((1, 2)), index=0, max_iter=20)
    assert result.status[0] == Status.CONVERGED
    assert result.extra["n_departures"][0] <= 3


@pytest.mark.parametrize("point, index", HIMMELBLAU_POINTS)
def test_natural_signs_keep_any_index(point, index):
    start = np.add(point, (0.05, -0.04))
    result = solve(HIMMELBLAU, start, tol=1e-20)
    assert result.status[0] == Status.CONVERGED
    np.testing.assert_allclose(result.theta[0], point, atol=2e-6)


def test_an_index_of_a_network_is_reached_up_to_its_nullity(rng):
    loss = autoencoder()
    starts = 0.05 * rng.standard_normal((40, loss.n_params_))
    index = rng.integers(0, 9, size=40)
    result = solve(loss, starts, index=index, tol=1e-20)
    assert np.all(result.status == Status.CONVERGED)
    match = loss.analytical_spectrum().match(result.theta)
    assert match.identified.all()
    nullity = loss.analytical_spectrum().nullities(list(match.set))
    top = match.morse_index + nullity
    # One in a thousand: where eigenvalues cross, a run has removed all but 1e-13 of a
    # direction that is unstable at its end, and stops before that has grown.
    assert np.mean((match.morse_index <= index) & (index <= top)) >= 0.95


@pytest.mark.parametrize("loss, index", [(BOWL, 0), (SADDLE, 1)])
def test_one_step_on_a_quadratic_of_the_index(loss, index):
    result = solve(loss, (0.2, -0.1), index=index, max_step=10.0)
    assert result.n_iter[0] == 1
    assert result.status[0] == Status.CONVERGED


def test_wrong_index_leads_away():
    result = solve(BOWL, (0.2, -0.1), index=1, max_iter=100)
    assert result.status[0] != Status.CONVERGED
    assert np.linalg.norm(result.theta[0]) > 1


def test_converges_quadratically_at_the_end(rng):
    loss = autoencoder()
    starts = loss.analytical_spectrum().representative((0, 2))[None]
    starts = starts + 0.01 * rng.standard_normal(starts.shape)
    result = solve(loss, starts, tol=1e-28, store_history=True)
    norms = np.sqrt(result.history["squared_grad_norm"][0])
    inside = norms[(norms < 1e-2) & (norms > 1e-9)]
    assert len(inside) >= 2
    assert np.all(inside[1:] < 50 * inside[:-1] ** 2)


def test_steps_are_bounded(rng):
    loss = autoencoder()
    start = 0.3 * rng.standard_normal((5, loss.n_params_))
    params = {"balance": False, "max_step": 0.05, "tol": 0.0}
    previous = start
    for n in range(1, 6):
        result = solve(loss, start, max_iter=n, **params)
        move = np.linalg.norm(result.theta - previous, axis=1)
        assert np.all(move <= 0.05 * (1 + 1e-12))
        previous = result.theta


def test_quantiles_choose_among_the_negative_eigenvalues(rng):
    loss = autoencoder()
    starts = 0.3 * rng.standard_normal((30, loss.n_params_))
    u = rng.random(30)
    negative = np.sum(np.linalg.eigvalsh(loss.hessian(starts)) < -1e-9, axis=1)
    index = np.floor(u * (negative + 1)).astype(int)
    params = {"balance": False, "max_iter": 7}
    by_quantile = solve(loss, starts, quantile=u, **params)
    by_index = solve(loss, starts, index=index, **params)
    np.testing.assert_array_equal(by_quantile.theta, by_index.theta)
    assert np.all(by_quantile.n_hvp == by_index.n_hvp + loss.n_params_)


def test_costs_are_those_of_the_documentation(rng):
    loss = autoencoder()
    start = 0.3 * rng.standard_normal((4, loss.n_params_))
    result = solve(loss, start, max_iter=3, tol=0.0)
    verdict = loss.n_params_ + 2
    assert result.n_hvp.tolist() == [3 * loss.n_params_ + verdict] * 4
    assert result.n_gradient.tolist() == [5] * 4
    result = solve(
        loss, start, max_iter=3, tol=0.0, eigensolver="lobpcg", max_inner_iter=5
    )
    assert result.n_hvp.tolist() == [15 + verdict] * 4


def test_full_krylov_space_gives_the_dense_step(rng):
    loss = autoencoder()
    start = 0.3 * rng.standard_normal((6, loss.n_params_))
    dense, krylov = (
        solve(loss, start, max_iter=2, eigensolver=name).theta
        for name in ("dense", "lobpcg")
    )
    np.testing.assert_allclose(krylov, dense, atol=1e-7)


@pytest.mark.parametrize("balance", [True, False])
def test_rows_do_not_depend_on_the_batch(balance, rng):
    loss = autoencoder(eigenvalues=(5.0, 4.0, 3.0, 2.0, 1.0), hidden=(3,))
    starts = 0.3 * rng.standard_normal((9, loss.n_params_))
    solver = SaddleDynamics(
        quantile=rng.random(9), balance=balance, max_iter=30, store_history=True
    )
    together = solver.solve(loss, starts)
    for i in (0, 4, 8):
        rows = slice(i, i + 1)
        alone = solver.select(rows).solve(loss, starts[rows])
        np.testing.assert_array_equal(alone.theta[0], together.theta[i])
        assert alone.n_iter[0] == together.n_iter[i]


def test_a_start_that_is_not_finite_harms_nobody(rng):
    loss = autoencoder()
    starts = 0.3 * rng.standard_normal((3, loss.n_params_))
    expected = solve(loss, starts, max_iter=5)
    starts[1, 0] = np.nan
    result = solve(loss, starts, max_iter=5)
    assert result.status[1] == Status.DIVERGED
    for row in (0, 2):
        np.testing.assert_array_equal(result.theta[row], expected.theta[row])


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
def test_device_gives_the_results_of_numpy(eigensolver, rng):
    host, device = (
        autoencoder(backend=backend) for backend in ("numpy", "array_api_strict")
    )
    start = 0.3 * rng.standard_normal((4, host.n_params_))
    params = {"quantile": rng.random(4), "max_iter": 8, "eigensolver": eigensolver}
    expected = SaddleDynamics(**params).solve(host, start)
    there = to_device(start, "array_api_strict")
    for theta0 in (start, there):
        result = SaddleDynamics(**params).solve(device, theta0)
        np.testing.assert_allclose(result.theta, expected.theta, atol=1e-6)
        np.testing.assert_array_equal(result.status, expected.status)


# Counts and ends


@pytest.mark.parametrize("eigensolver, n_hvp", [("dense", 16), ("lobpcg", 5)])
@pytest.mark.parametrize("quantile", [False, True])
def test_counts_are_what_the_loss_sees(eigensolver, n_hvp, quantile, rng):
    seen = {"gradient": 0, "hvp": 0}
    inner = autoencoder()

    def gradient(theta):
        seen["gradient"] += len(theta)
        return inner.gradient(theta)

    def hvp(theta, v):
        seen["hvp"] += int(np.sum(np.any(v != 0, axis=-1)))
        return inner.hvp(theta, v)

    loss = FunctionLoss(inner.value, gradient, hvp, n_params=16).fit()
    loss.length_scale()  # estimated once for a loss, by gradients that no search spends
    seen.update(gradient=0, hvp=0)
    params = {"eigensolver": eigensolver, "max_inner_iter": 5, "max_iter": 6}
    if quantile:
        params["quantile"] = np.array([0.5])
    result = solve(loss, 0.3 * rng.standard_normal(16), tol=0.0, **params)
    assert result.n_gradient[0] == seen["gradient"] == 8
    assert result.n_hvp[0] == seen["hvp"]
    # LOBPCG takes as many as it needs.
    expected = (6 + quantile) * n_hvp + 16 + 2
    if quantile and eigensolver == "lobpcg":
        assert result.n_hvp[0] > expected
    else:
        # The Krylov space of the verdict can be smaller than all of the space.
        assert expected - 16 < result.n_hvp[0] <= expected


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
def test_bad_starts_diverge_and_disturb_nobody(eigensolver, rng):
    loss = autoencoder()
    good = 0.3 * rng.standard_normal((3, loss.n_params_))
    bad = good.copy()
    bad[0, 3] = np.nan
    bad[1, 0] = np.inf
    bad[2] *= 1e120  # finite, with an infinite gradient
    order = [0, 3, 4, 1, 5, 2]
    is_bad = np.array(order) < 3
    u = rng.random(6)
    params = {"eigensolver": eigensolver, "max_iter": 40}
    starts = np.concatenate([bad, good])[order]
    result = solve(loss, starts, quantile=u, **params)
    alone = solve(loss, good, quantile=u[~is_bad], **params)
    assert np.all(result.status[is_bad] == Status.DIVERGED)
    assert np.all(result.n_iter[is_bad] == 0)
    for name in ("theta", "status", "n_iter", "n_gradient", "n_hvp"):
        np.testing.assert_array_equal(
            getattr(result, name)[~is_bad], getattr(alone, name)
        )


def test_starts_at_critical_points_stay():
    points = np.array([point for point, _ in HIMMELBLAU_POINTS])
    exact = solve(HIMMELBLAU, points, tol=1e-24).theta
    result = solve(HIMMELBLAU, exact, tol=1e-20)
    assert result.n_iter.tolist() == [0] * 9
    np.testing.assert_array_equal(result.theta, exact)


def test_no_critical_point_is_never_convergence(rng):
    starts = rng.uniform(-2, 2, size=(30, 2))
    for index in (0, 1, 2, "natural"):
        result = solve(SLOPE, starts, index=index, max_iter=60)
        assert not np.any(result.status == Status.CONVERGED)
