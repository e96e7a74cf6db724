"""Minimisers of the gradient norm on functions whose critical points are known."""

import numpy as np
import pytest

from skcrit.losses import FunctionLoss
from skcrit.solvers import GradNormLBFGS, GradNormSolver, GradNormWolfe, Status

from ._methods import SEARCHES, every_method, every_search, gentle, slow
from ._methods import grad_norm as solve
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

TABLE = [
    ("saddle", SADDLE, (3.0, 4.0), (-12 / 13, -2 / 13), 1),
    ("bowl", BOWL, (3.0, 4.0), (0.0, 0.0), 0),
    ("hill of the circle", CIRCLE, (0.1, 0.0), (0.0, 0.0), 2),
] + [
    (f"himmelblau {k}", HIMMELBLAU, np.add(point, (0.05, -0.04)), point, morse)
    for k, (point, morse) in enumerate(HIMMELBLAU_POINTS)
]


@every_method
@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_known_critical_points(row, method):
    _, loss, start, point, morse = row
    result = solve(method, loss, start, tol=1e-16, max_iter=3000)
    assert result.status[0] == Status.CONVERGED
    np.testing.assert_allclose(result.theta[0], point, atol=2e-6)
    assert index(loss, result.theta[0]) == morse
    assert result.squared_grad_norm[0] <= 1e-16
    assert result.loss[0] == loss.value(result.theta[0])


@pytest.mark.parametrize("method", ["l-bfgs", "lm", "lm krylov"])
@pytest.mark.parametrize("start", [(0.5, 0.5), (1.2, 1.2), (2.0, 3.0)])
def test_rosenbrock(method, start):
    # Its |g|^2 / 2 has curvatures of ratio 6e6.
    result = solve(method, ROSENBROCK, start, tol=1e-20)
    assert result.status[0] == Status.CONVERGED
    np.testing.assert_allclose(result.theta[0], 1.0, atol=1e-6)
    assert result.n_iter[0] < 500


@pytest.mark.parametrize("method", SEARCHES)
def test_a_valley_without_an_end(method):
    # To the left of the saddle of |g| its valley leads to infinity, where |g| tends to
    # one: the classical start of Rosenbrock's function is lost for these methods.
    result = solve(method, ROSENBROCK, (-1.2, 1.0), max_iter=100)
    assert result.status[0] in {Status.MAX_ITER, Status.GRADIENT_FLAT}
    assert result.theta[0, 0] < -1
    assert result.squared_grad_norm[0] > 1


@pytest.mark.parametrize("method", SEARCHES)
def test_points_of_himmelblau_from_random_starts(method, rng):
    result = solve(method, HIMMELBLAU, rng.uniform(-5, 5, size=(100, 2)))
    found = result.theta[result.status == Status.CONVERGED]
    assert len(found) >= 80
    points = np.array([point for point, _ in HIMMELBLAU_POINTS])
    distance = np.linalg.norm(found[:, None] - points, axis=-1)
    assert np.max(np.min(distance, axis=1)) < 1e-5
    assert len(set(np.argmin(distance, axis=1))) == 9


def rounded(start):
    """Compute the tolerance that one step can reach from so far away."""
    return (1e-13 * (1 + np.max(np.abs(start)))) ** 2


@pytest.mark.parametrize("start", [(3, 4), (100, -7), (1e-3, 1e5), (0, 0)])
def test_one_step_on_a_quadratic(start):
    # Levenberg-Marquardt with hardly a damping is Newton's method there; with all
    # curvatures the same, so is the steepest descent by the length of the model.
    for method in ("lm", "lm krylov"):
        result = solve(method, SADDLE, start, damping=1e-20, tol=rounded(start))
        assert result.n_iter[0] == 1
        assert result.status[0] == Status.CONVERGED
    n_iter = int(np.any(start))
    for method in ("btls", "l-bfgs"):
        assert solve(method, BOWL, start).n_iter[0] == n_iter
    assert solve("gd", BOWL, start, learning_rate=1.0).n_iter[0] == n_iter


@every_method
def test_starts_at_critical_points(method):
    points = [(0.0, 0.0), (1.0, 0.0), (0.6, 0.8)]
    result = solve(method, CIRCLE, points, tol=1e-28)
    assert np.all(result.status == Status.CONVERGED)
    assert result.n_iter.tolist() == [0, 0, 0]
    assert result.n_gradient.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(result.theta, points)


@every_method
def test_degenerate_point(method):
    result = solve(method, MONKEY, (0.5, 0.2), tol=1e-5, max_iter=5000)
    assert result.status[0] == Status.CONVERGED
    assert np.linalg.norm(result.theta[0]) < 0.05


@every_method
def test_network_ends_in_critical_points(method, rng):
    loss = autoencoder()
    start = 0.3 * rng.standard_normal((8, loss.n_params_))
    params = {"tol": 1e-11, "max_iter": 4000, **gentle(method)}
    result = solve(method, loss, start, **params)
    found = result.status == Status.CONVERGED
    assert np.mean(found) >= 0.8
    match = loss.analytical_spectrum().match(result.theta[found])
    assert np.all(match.status == "identified")
    for theta, morse in zip(result.theta[found], match.morse_index, strict=True):
        eigenvalues = np.linalg.eigvalsh(loss.hessian(theta))
        assert np.sum(eigenvalues < -1e-5) == morse
    # Minimising the gradient norm is no descent on the loss: there are saddles.
    assert np.any(match.morse_index > 0)


# Ends without a critical point


@every_search
@pytest.mark.parametrize("start", [(0.0, 3.0), (1.0, 1.0), (-0.5, 2.0)])
def test_gradient_flat(start, method):
    # |g|^2 of x^3 + x + y^2 has its minimum 1 at the origin, where the gradient (1, 0)
    # lies in the kernel of the Hessian.
    result = solve(method, SLOPE, start)
    assert result.status[0] == Status.GRADIENT_FLAT
    assert result.residual_ratio[0] == pytest.approx(1, abs=1e-4)
    assert result.squared_grad_norm[0] == pytest.approx(1)
    np.testing.assert_allclose(result.theta[0], 0, atol=1e-4)
    assert result.n_iter[0] < 1000


@every_search
def test_start_at_the_flat_point(method):
    result = solve(method, SLOPE, (0.0, 0.0))
    assert result.status[0] == Status.GRADIENT_FLAT
    assert result.n_iter[0] == 0
    assert result.residual_ratio[0] == pytest.approx(1)


@pytest.mark.parametrize("method", ["gd", "momentum"])
def test_gradient_flat_by_descent(method):
    # Steps of fixed length never fail; the budget ends the search.
    params = {"learning_rate": 0.05, "max_iter": 400}
    result = solve(method, SLOPE, [(0.3, 1.0), (0.0, 0.0)], **params)
    assert result.status.tolist() == [Status.GRADIENT_FLAT] * 2
    np.testing.assert_allclose(result.squared_grad_norm, 1)


@every_method
def test_no_critical_point_is_never_convergence(method, rng):
    start = rng.uniform(-2, 2, size=(30, 2))
    result = solve(method, SLOPE, start, max_iter=100)
    assert Status.CONVERGED not in result.status
    finite = result.status != Status.DIVERGED
    assert np.all(result.squared_grad_norm[finite] >= 1)


@every_method
def test_a_linear_loss_is_flat_everywhere(method):
    loss = FunctionLoss(
        lambda t: t[..., 0],
        lambda t: np.zeros_like(t) + [1.0, 0.0],
        lambda t, v: 0 * v,
        n_params=2,
    ).fit()
    result = solve(method, loss, (1.0, 2.0), max_iter=5)
    assert result.status[0] == Status.GRADIENT_FLAT
    assert result.theta.tolist() == [[1.0, 2.0]]


@every_search
def test_stalled_below_rounding(method):
    starts = np.array([point for point, _ in HIMMELBLAU_POINTS]) + 0.1
    result = solve(method, HIMMELBLAU, starts, tol=0.0)
    # At some points rounding allows the exact zero.
    assert set(result.status) <= {Status.STALLED, Status.CONVERGED}
    assert np.all(result.squared_grad_norm < 1e-22)


@pytest.mark.parametrize("method", ["gd", "momentum"])
def test_too_large_a_learning_rate_diverges(method, rng):
    start = rng.uniform(-4, 4, size=(10, 2))
    result = solve(method, HIMMELBLAU, start, learning_rate=1.0)
    assert np.all(result.status == Status.DIVERGED)
    assert np.all(np.isfinite(result.theta))
    result = solve(method, BOWL, start, learning_rate=4.0)
    assert np.all(result.status == Status.DIVERGED)


@every_method
def test_budget(method):
    result = solve(method, ROSENBROCK, (-1.2, 1.0), max_iter=3, store_history=True)
    assert result.status[0] in {Status.MAX_ITER, Status.GRADIENT_FLAT}
    assert result.n_iter[0] == 3
    assert len(result.history["loss"][0]) == 4
    # A point that is nowhere near flat is not called so.
    result = solve(method, SADDLE, (3.0, 4.0), max_iter=1, tol=0.0, **slow(method))
    assert result.status[0] == Status.MAX_ITER
    assert result.residual_ratio[0] < 0.9


@every_method
def test_no_iterations_at_all(method):
    result = solve(method, BOWL, [(1.0, 2.0), (0.0, 0.0)], max_iter=0)
    assert result.status.tolist() == [Status.MAX_ITER, Status.CONVERGED]
    assert result.n_iter.tolist() == [0, 0]


@every_method
@pytest.mark.parametrize("balance", [True, False])
def test_non_finite_starts_diverge_and_disturb_nobody(balance, method, rng):
    loss = autoencoder()
    good = 0.3 * rng.standard_normal((4, loss.n_params_))
    good[0, :8] *= 50  # out of balance
    bad = good.copy()
    bad[0, 3] = np.nan
    bad[1, 0] = np.inf
    bad[2, 1] = -np.inf
    bad[3] *= 1e120  # finite, with an infinite gradient
    order = [0, 4, 5, 1, 2, 6, 3, 7]
    params = {"balance": balance, "max_iter": 25}
    result = solve(method, loss, np.concatenate([bad, good])[order], **params)
    alone = solve(method, loss, good, **params)
    is_bad = np.array(order) < 4
    assert np.all(result.status[is_bad] == Status.DIVERGED)
    assert np.all(result.n_iter[is_bad] == 0)
    np.testing.assert_array_equal(result.theta[is_bad][:3], bad[:3])
    for name in ("theta", "status", "n_iter", "n_gradient", "n_hvp"):
        np.testing.assert_array_equal(
            getattr(result, name)[~is_bad], getattr(alone, name)
        )


@every_search
def test_non_finite_neighbourhood_is_avoided(method):
    # Outside the disc of radius two the gradient is NaN.
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
    start = [(1.2, 0.3), (1.0, -1.6)]
    result = solve(method, loss, start)
    assert np.all(result.status == Status.CONVERGED)
    np.testing.assert_allclose(result.theta, 0, atol=1e-4)


# The contract


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="descend"):
        GradNormSolver()


def test_parameters_are_kept():
    solver = GradNormLBFGS(tol=1e-3, max_iter=7, memory_size=3, curvature=0.2)
    assert (solver.tol, solver.max_iter, solver.memory_size) == (1e-3, 7, 3)
    assert solver.line_search["curvature"] == 0.2
    assert solver.line_search["strong"] is True
    assert "strong" not in GradNormWolfe(max_trials=9).line_search
