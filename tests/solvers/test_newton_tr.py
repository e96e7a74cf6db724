"""Newton-TR on functions whose critical points are known."""

import numpy as np
import pytest

from skcrit.losses import FunctionLoss
from skcrit.solvers import Status

from ._methods import SOLVERS, TABLE
from ._methods import newton_tr as solve
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
