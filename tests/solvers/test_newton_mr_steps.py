"""Steps of Newton-MR: progress, tolerances, bounds, valleys."""

import numpy as np
import pytest

from skcrit.solvers import NewtonMR, Status

from ._methods import newton_mr as solve
from ._potentials import HIMMELBLAU, ROSENBROCK, SADDLE, autoencoder

# Progress


@pytest.mark.parametrize("hidden, alpha", [((2,), 0.0), ((2,), 0.1), ((2, 2), 0.0)])
def test_squared_gradient_norm_falls_monotonically(hidden, alpha, rng):
    loss = autoencoder(hidden=hidden, alpha=alpha)
    start = 0.5 * rng.standard_normal((10, loss.n_params_))
    result = solve(
        loss, start, store_history=True, balance=False, window=1, max_iter=60
    )
    for run in result.history["squared_grad_norm"]:
        assert np.all(np.diff(run) < 0)


def test_a_window_allows_increases_but_not_above_its_largest():
    window = 4
    params = {"balance": False, "store_history": True, "max_iter": 100}
    result = solve(ROSENBROCK, (-1.2, 1.0), window=window, **params)
    run = result.history["squared_grad_norm"][0]
    assert np.any(np.diff(run) > 0)
    for k in range(1, len(run)):
        assert run[k] < max(run[max(0, k - window) : k])


def test_quadratic_convergence_near_the_end(rng):
    # The logarithm of the gradient norm doubles from step to step, at last.
    loss = autoencoder()
    start = 0.5 * rng.standard_normal((20, loss.n_params_))
    result = solve(
        loss, start, tol=1e-22, inner_tol=1e-10, store_history=True, max_iter=300
    )
    orders = []
    for run in result.history["squared_grad_norm"]:
        norms = np.sqrt(run)
        small = norms[(norms < 1e-2) & (norms > 1e-14)]
        logs = np.log(small)
        orders += list(logs[1:] / logs[:-1])
    assert np.mean(result.status == Status.CONVERGED) >= 0.9
    assert len(orders) > 20
    assert 1.7 < np.median(orders) < 2.3


def test_inner_tolerance_is_the_residual_of_the_step(rng):
    loss = autoencoder()
    start = 0.5 * rng.standard_normal((20, loss.n_params_))
    loose = solve(loss, start, inner_tol=0.5, max_iter=1)
    tight = solve(loss, start, inner_tol=1e-8, max_iter=1)
    assert np.all(loose.n_hvp < tight.n_hvp)
    limited = solve(loss, start, inner_tol=1e-8, max_inner_iter=3, max_iter=1)
    verdict = loss.n_params_ + 2
    assert np.all(limited.n_hvp <= 5 + verdict)


def forcing(norms):
    """Choice 2 of Eisenstat and Walker for one search, written down."""
    eta = [0.5]
    for last, norm in zip(norms[:-1], norms[1:], strict=True):
        new, safe = 0.9 * (norm / last) ** 2, 0.9 * eta[-1] ** 2
        eta.append(min(max(new, safe) if safe > 0.1 else new, 0.9))
    return eta


@pytest.mark.parametrize("window", [1, 5])
def test_adaptive_tolerances_are_those_of_the_paper(window, rng):
    loss = autoencoder(eigenvalues=(6.0, 5.0, 4.0, 3.0, 2.0, 1.0), hidden=(3,))
    start = 0.5 * rng.standard_normal((12, loss.n_params_))
    solver = NewtonMR(inner_tol="adaptive", window=window)
    state, norms, terms = solver.setup(loss, start), [], []
    for _ in range(12):
        norms.append(np.linalg.norm(state.local.gradient, axis=-1))
        state = solver.step(loss, state)
        terms.append(state.carry["inner_tol"])
    for run, eta in zip(np.array(norms).T, np.array(terms).T, strict=True):
        np.testing.assert_allclose(eta, forcing(run), rtol=1e-12)
    assert np.min(terms) < 1e-4


def test_adaptive_tolerances_save_products_and_keep_the_order(rng):
    # Near sets of a network with 80 parameters.
    loss = autoencoder(eigenvalues=np.arange(10.0, 0.0, -1.0), hidden=(4,))
    names = [tuple(rng.permutation(10)[:4]) for _ in range(20)]
    spectrum = loss.analytical_spectrum()
    start = np.stack([spectrum.representative(tuple(sorted(n))) for n in names])
    start = start + 0.03 * rng.standard_normal(start.shape)
    params = {"tol": 1e-24, "max_inner_iter": 200, "store_history": True}
    tight = solve(loss, start, inner_tol=1e-10, **params)
    adaptive = solve(loss, start, inner_tol="adaptive", **params)
    for result in (tight, adaptive):
        assert np.all(result.status == Status.CONVERGED)
    assert np.median(adaptive.n_hvp) < 0.7 * np.median(tight.n_hvp)
    orders = []
    for run in adaptive.history["squared_grad_norm"]:
        norms = np.sqrt(run)
        logs = np.log(norms[(norms < 1e-2) & (norms > 1e-12)])
        orders += list(logs[1:] / logs[:-1])
    # A fixed tolerance would have an order of one.
    assert np.median(orders) > 1.5


# Badly scaled valleys


def test_scaled_valley_is_not_convergence():
    # ground_truth.md, section 7: the raw gradient tends to zero along W2 = t b,
    # W1 = b^T / t, the loss stays at 1.875, and there is no critical value near.
    loss = autoencoder(hidden=(1,))
    b = loss.eigenvectors_ @ np.full(4, 0.5)
    scales = np.array([1e5, 1e6, 1e7, 1e8])
    theta = np.concatenate(
        [b / scales[:, None], np.repeat(b[None], 4, 0) * scales[:, None]], axis=1
    )
    assert np.all(np.sum(loss.gradient(theta) ** 2, axis=-1) <= 2e-10)
    balanced = loss.gradient(loss.rescale(theta))
    np.testing.assert_allclose(np.linalg.norm(balanced, axis=-1), 0.559, atol=1e-3)
    stuck = solve(loss, theta, tol=1e-10, max_iter=0, balance=False)
    assert np.all(stuck.status == Status.MAX_ITER)
    for balance in (True, False):
        result = solve(loss, theta, tol=1e-10, max_iter=100, balance=balance)
        found = result.theta[result.status == Status.CONVERGED]
        norms = np.sum(loss.gradient(loss.rescale(found)) ** 2, axis=-1)
        assert np.all(norms <= 1e-10)
        assert np.all(loss.analytical_spectrum().match(found).status == "identified")
        assert len(found) == 4 or not balance


def test_balancing_leaves_the_valley():
    loss = autoencoder(hidden=(1,))
    b = loss.eigenvectors_ @ np.array([0.8, 0.5, 0.3, 0.15])
    theta = np.concatenate([b * 1e-3, b * 1e3])
    result = solve(loss, theta, tol=1e-16)
    assert result.status[0] == Status.CONVERGED
    W1, W2 = loss.weights(result.theta[0])
    assert np.linalg.norm(W1) == pytest.approx(np.linalg.norm(W2), rel=1e-6)


# Parameters of the step


@pytest.mark.parametrize("bound", [0.05, 0.3])
def test_steps_respect_their_bound(bound, rng):
    loss = autoencoder()
    start = 0.5 * rng.standard_normal((10, loss.n_params_))
    params = {"max_step": bound, "balance": False}
    previous = start
    for n_iter in range(1, 6):
        result = solve(loss, start, max_iter=n_iter, **params)
        moved = np.linalg.norm(result.theta - previous, axis=-1)
        assert np.all(moved <= bound * (1 + 1e-12))
        previous = result.theta
    assert np.any(moved > 0.5 * bound)


def test_a_large_bound_changes_nothing(rng):
    loss = autoencoder()
    start = 0.5 * rng.standard_normal((10, loss.n_params_))
    free, bounded = (
        solve(loss, start, max_iter=30, max_step=bound) for bound in (None, 1e12)
    )
    np.testing.assert_array_equal(free.theta, bounded.theta)


@pytest.mark.parametrize("gamma", [0.0, 0.7, 10.0])
def test_regularised_step(gamma):
    # One step from x of a quadratic with Hessian A: p = -(A + gamma I)^-1 g.
    A = SADDLE.hessian(np.zeros(2))
    start = np.array([3.0, 4.0])
    g = SADDLE.gradient(start)
    result = solve(
        SADDLE, start, regularization=gamma, inner_tol=1e-12, max_iter=1, tol=0.0
    )
    expected = start - np.linalg.solve(A + gamma * np.eye(2), g)
    before, after = (np.sum(SADDLE.gradient(t) ** 2) for t in (start, expected))
    if after < before:
        np.testing.assert_allclose(result.theta[0], expected, rtol=1e-10)
    else:
        assert result.squared_grad_norm[0] <= before


def test_regularisation_still_finds_critical_points():
    result = solve(HIMMELBLAU, [(3.1, 2.1), (0.1, 2.9)], regularization=1e-2)
    assert np.all(result.status == Status.CONVERGED)
    np.testing.assert_allclose(
        result.theta, [(3.0, 2.0), (0.086678, 2.884255)], atol=1e-4
    )


@pytest.mark.parametrize("step_size", [0.1, 0.5])
def test_damped_steps_converge_linearly(step_size):
    # On a quadratic a step of length gamma leaves the factor (1 - gamma)^2.
    result = solve(
        SADDLE,
        (3, 4),
        step_size=step_size,
        inner_tol=1e-14,
        store_history=True,
        max_iter=20,
    )
    run = np.array(result.history["squared_grad_norm"][0])
    np.testing.assert_allclose(run[1:] / run[:-1], (1 - step_size) ** 2, rtol=1e-6)
