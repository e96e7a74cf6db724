"""Newton-MR on functions whose critical points are known."""

import numpy as np
import pytest

from skcrit.linalg import LinearStatus
from skcrit.losses import FunctionLoss
from skcrit.solvers import NewtonMR, Solver, Status

from ._methods import TABLE
from ._methods import newton_mr as solve
from ._potentials import (
    BOWL,
    CIRCLE,
    HIMMELBLAU,
    HIMMELBLAU_POINTS,
    MONKEY,
    ROSENBROCK,
    SADDLE,
    SLOPE,
    autoencoder,
    index,
)

# Known critical points


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_known_critical_points(row):
    _, loss, start, point, morse = row
    result = solve(loss, start, tol=1e-20)
    assert result.status[0] == Status.CONVERGED
    np.testing.assert_allclose(result.theta[0], point, atol=2e-6)
    assert index(loss, result.theta[0]) == morse
    assert result.squared_grad_norm[0] <= 1e-20
    assert result.loss[0] == loss.value(result.theta[0])


def test_all_points_of_himmelblau_from_random_starts(rng):
    result = solve(HIMMELBLAU, rng.uniform(-5, 5, size=(150, 2)))
    assert np.all(result.status == Status.CONVERGED)
    points = np.array([point for point, _ in HIMMELBLAU_POINTS])
    distance = np.linalg.norm(result.theta[:, None] - points, axis=-1)
    assert np.max(np.min(distance, axis=1)) < 1e-5
    assert len(set(np.argmin(distance, axis=1))) == 9


@pytest.mark.parametrize("start", [(3, 4), (100, -7), (1e-3, 1e5), (0, 0)])
def test_one_step_on_a_quadratic(start):
    # The tolerance is what one step can reach from so far away.
    result = solve(SADDLE, start, tol=(1e-13 * (1 + np.max(np.abs(start)))) ** 2)
    assert result.n_iter[0] == 1
    assert result.status[0] == Status.CONVERGED


@pytest.mark.parametrize("start", [(1.0, 0.3), (1e-2, 5e-3)])
def test_degenerate_point_is_reached_linearly(start):
    # H p = -g halves the distance to the monkey saddle: its Hessian vanishes there.
    result = solve(MONKEY, start, store_history=True, tol=1e-16)
    assert result.status[0] == Status.CONVERGED
    assert np.linalg.norm(result.theta[0]) < 1e-4
    norms = np.array(result.history["squared_grad_norm"][0])
    np.testing.assert_allclose(norms[1:] / norms[:-1], 1 / 16, rtol=1e-6)


def test_valley_of_minima(rng):
    angle = rng.uniform(0, 2 * np.pi, 20)
    start = 1.3 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    result = solve(CIRCLE, start, tol=1e-24)
    assert np.all(result.status == Status.CONVERGED)
    # The minimum-norm step is radial: the kernel along the valley is not entered.
    np.testing.assert_allclose(result.theta, start / 1.3, atol=1e-9)


def test_starts_at_critical_points():
    points = [(0.0, 0.0), (1.0, 0.0), (0.6, 0.8)]
    result = solve(CIRCLE, points, tol=1e-28)
    assert np.all(result.status == Status.CONVERGED)
    assert result.n_iter.tolist() == [0, 0, 0]
    assert result.n_gradient.tolist() == [1, 1, 1]
    assert result.n_hvp.tolist() == [0, 0, 0]
    assert result.extra["inner_status"].tolist() == [-1, -1, -1]
    np.testing.assert_array_equal(result.theta, points)
    assert np.all(np.isnan(result.residual_ratio))


# Ends without a critical point


@pytest.mark.parametrize("start", [(0.0, 0.0), (0.0, 3.0), (1.0, 1.0)])
def test_gradient_flat(start):
    # The gradient of x^3 + x + y^2 tends to (1, 0), which is in the kernel of H.
    result = solve(SLOPE, start)
    assert result.status[0] == Status.GRADIENT_FLAT
    assert result.residual_ratio[0] == pytest.approx(1, abs=1e-6)
    assert result.squared_grad_norm[0] == pytest.approx(1)
    assert result.extra["inner_status"][0] == LinearStatus.INCONSISTENT
    # A step of length zero does not count: the budget is not spent on it.
    assert result.n_iter[0] <= 10


def test_no_critical_point_is_never_convergence(rng):
    result = solve(SLOPE, rng.uniform(-2, 2, size=(60, 2)), max_iter=100)
    ends = {Status.GRADIENT_FLAT, Status.STALLED, Status.MAX_ITER}
    assert set(result.status) <= ends
    assert np.all(result.squared_grad_norm >= 1)
    assert np.all(np.isfinite(result.theta))


def test_stalled_below_rounding():
    starts = np.array([point for point, _ in HIMMELBLAU_POINTS]) + 0.1
    result = solve(HIMMELBLAU, starts, tol=0.0)
    # At some points rounding allows the exact zero.
    assert set(result.status) == {Status.STALLED, Status.CONVERGED}
    assert np.all(result.squared_grad_norm < 1e-24)
    assert np.all(result.n_iter < 30)


def test_stalled_without_backtracking():
    result = solve(ROSENBROCK, (-1.2, 1.0), max_backtracks=0)
    assert result.status[0] == Status.STALLED
    assert result.squared_grad_norm[0] > 1


def test_budget():
    result = solve(ROSENBROCK, (-1.2, 1.0), max_iter=5, store_history=True)
    assert result.status[0] == Status.MAX_ITER
    assert result.n_iter[0] == 5
    assert len(result.history["loss"][0]) == 6


def test_no_iterations_at_all():
    starts = [(1.0, 2.0), (0.0, 0.0)]
    result = solve(BOWL, starts, max_iter=0, store_history=True)
    assert result.status.tolist() == [Status.MAX_ITER, Status.CONVERGED]
    assert result.n_iter.tolist() == [0, 0]
    np.testing.assert_array_equal(result.theta, starts)
    runs = [run.tolist() for run in result.history["squared_grad_norm"]]
    assert runs == [[5.0], [0.0]]


@pytest.mark.parametrize("balance", [True, False])
def test_non_finite_starts_diverge_and_disturb_nobody(balance, rng):
    loss = autoencoder()
    good = 0.3 * rng.standard_normal((4, loss.n_params_))
    bad = good.copy()
    bad[0, 3] = np.nan
    bad[1, 0] = np.inf
    bad[2, 1] = -np.inf
    bad[3] *= 1e120  # finite, with an infinite gradient
    order = [0, 4, 5, 1, 2, 6, 3, 7]
    result = solve(loss, np.concatenate([bad, good])[order], balance=balance)
    alone = solve(loss, good, balance=balance)
    is_bad = np.array(order) < 4
    assert np.all(result.status[is_bad] == Status.DIVERGED)
    assert np.all(result.n_iter[is_bad] == 0)
    kept = result.theta[is_bad][:3]
    np.testing.assert_array_equal(kept, bad[:3])
    np.testing.assert_array_equal(result.theta[~is_bad], alone.theta)
    np.testing.assert_array_equal(result.status[~is_bad], alone.status)
    for name in ("n_iter", "n_gradient", "n_hvp", "squared_grad_norm"):
        np.testing.assert_array_equal(
            getattr(result, name)[~is_bad], getattr(alone, name)
        )


def bounded_gradient(theta):
    inside = np.sum(theta**2, axis=-1, keepdims=True) < 4
    return np.where(
        inside, np.stack([np.sin(theta[..., 0]), theta[..., 1]], -1), np.nan
    )


def bounded_hvp(theta, v):
    return np.stack([np.cos(theta[..., 0]) * v[..., 0], v[..., 1]], -1)


def test_non_finite_neighbourhood_is_avoided():
    # Outside the disc of radius two the gradient is NaN; the Newton step from 1.5 goes
    # there, shorter ones lead to the minimum at the origin.
    loss = FunctionLoss(
        lambda t: 1 - np.cos(t[..., 0]) + t[..., 1] ** 2 / 2,
        bounded_gradient,
        bounded_hvp,
        n_params=2,
    ).fit()
    result = solve(loss, (1.5, 0.3))
    assert result.status[0] == Status.CONVERGED
    np.testing.assert_allclose(result.theta[0], 0, atol=1e-4)
    assert result.n_gradient[0] > 2 * result.n_iter[0] + 1


def test_last_finite_point_is_kept():
    # With a NaN everywhere but at the start no step can be taken.
    def gradient(theta):
        here = np.all(theta == 1.0, axis=-1, keepdims=True)
        return np.where(here, theta, np.nan)

    loss = FunctionLoss(
        lambda t: np.sum(t, axis=-1), gradient, lambda t, v: v, n_params=2
    ).fit()
    result = solve(loss, (1.0, 1.0))
    assert result.status[0] == Status.STALLED
    assert result.theta.tolist() == [[1.0, 1.0]]
    assert result.squared_grad_norm[0] == 2


def test_runaway_diverges():
    # exp(-x) has its infimum at infinity; Newton steps of length one go there.
    loss = FunctionLoss(
        lambda t: np.log(1 + t[..., 0] ** 2),
        lambda t: 2 * t / (1 + t**2),
        lambda t, v: 2 * (1 - t**2) / (1 + t**2) ** 2 * v,
        n_params=1,
    ).fit()
    result = solve(loss, [2.0], tol=0.0)
    assert result.status[0] == Status.DIVERGED
    assert np.isfinite(result.theta[0, 0])
    assert result.theta[0, 0] > 1e7


def test_every_status_can_be_reached():
    flat, stalled = solve(SLOPE, (0, 0)), solve(ROSENBROCK, (-1.2, 1), max_backtracks=0)
    lost, spent = solve(BOWL, (np.nan, 0.0)), solve(ROSENBROCK, (0, 0), max_iter=1)
    found = solve(BOWL, (1.0, 0.0))
    ends = [Status(r.status[0]) for r in (found, flat, stalled, spent, lost)]
    # What a solver alone cannot say is whether a critical point is there.
    assert ends == list(Status)[:5]


# The contract


def test_a_solver_is_abstract():
    with pytest.raises(TypeError, match="step"):
        Solver()


def test_parameters_are_kept():
    solver = NewtonMR(tol=1e-3, max_iter=7, window=3, backtrack=0.2)
    assert (solver.tol, solver.max_iter, solver.window) == (1e-3, 7, 3)
    assert solver.line_search["backtrack"] == 0.2


def test_a_nearly_singular_hessian_does_not_hide_a_gradient_flat_end():
    # The slope along x has a minimum of about 0.3 near x = 1, where the curvature is
    # almost zero: steps are huge, and none is accepted.
    slope = np.polynomial.Polynomial([2.0, 1.0]) * np.polynomial.Polynomial([
        1.1,
        -2,
        1,
    ])
    value, curvature = slope.integ(), slope.deriv()
    loss = FunctionLoss(
        lambda t: value(t[..., 0]) + t[..., 1] ** 2 / 2,
        lambda t: np.stack([slope(t[..., 0]), t[..., 1]], axis=-1),
        lambda t, v: np.stack([curvature(t[..., 0]) * v[..., 0], v[..., 1]], axis=-1),
        n_params=2,
    ).fit()
    result = NewtonMR(window=1).solve(loss, np.array([[1.5, 1.0]]))
    assert result.squared_grad_norm[0] > 0.01
    assert result.status[0] == Status.GRADIENT_FLAT
    assert result.residual_ratio[0] > 0.9
