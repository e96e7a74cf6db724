"""The minimisers of the gradient norm against plain loops, and how fast they end."""

import numpy as np
import pytest

from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import LinearAutoencoderLoss
from skcrit.solvers import GradNormDescent, GradNormLM, Status
from skcrit.solvers.grad_norm import lbfgs
from skcrit.solvers.wolfe import wolfe

from ._methods import every_method, every_search, make
from ._methods import grad_norm as solve
from ._potentials import (
    HIMMELBLAU,
    HIMMELBLAU_POINTS,
    MONKEY,
    ROSENBROCK,
    SLOPE,
    autoencoder,
)


def slope(loss, theta):
    return loss.hvp(theta, loss.gradient(theta))


# Plain references


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("rate", [1e-5, 1e-4])
def test_descent_is_a_plain_loop(rate, momentum):
    theta, velocity = np.array([1.0, -2.0]), np.zeros(2)
    params = {"learning_rate": rate, "momentum": momentum, "tol": 0.0}
    for n_iter in range(1, 30):
        velocity = momentum * velocity + slope(HIMMELBLAU, theta)
        theta = theta - rate * velocity
        if n_iter in {1, 2, 5, 29}:
            result = solve("gd", HIMMELBLAU, (1.0, -2.0), max_iter=n_iter, **params)
            np.testing.assert_allclose(result.theta[0], theta, rtol=1e-12)


def two_loops(q, pairs):
    """Algorithm 7.4 of Nocedal & Wright, for one start."""
    alphas = []
    for s, y in reversed(pairs):
        alphas.append((s @ q) / (s @ y))
        q = q - alphas[-1] * y
    if pairs:
        s, y = pairs[-1]
        q = q * (s @ y) / (y @ y)
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        q = q + (alpha - (y @ q) / (s @ y)) * s
    return q


def plain_lbfgs(loss, theta, n_iter, memory_size):
    """L-BFGS for one start, from scratch except for the line search."""
    descent, pairs = slope(loss, theta), []
    for _ in range(n_iter):
        p = -two_loops(descent, pairs)
        g, length = loss.gradient(theta), 1.0
        if not pairs:
            image = loss.hvp(theta, p)
            length = -(g @ image) / (image @ image)
        search = wolfe(
            loss,
            theta[None],
            p[None],
            slope=descent[None],
            value=np.array([g @ g / 2]),
            step_size=np.array([length]),
            strong=True,
        )
        new, new_descent = search.theta[0], search.slope[0]
        pairs = [*pairs, (new - theta, new_descent - descent)][-memory_size:]
        theta, descent = new, new_descent
    return theta


@pytest.mark.parametrize("memory_size", [1, 3, 20])
def test_lbfgs_is_the_textbook_algorithm(memory_size, rng):
    for loss in (HIMMELBLAU, ROSENBROCK, autoencoder()):
        start = rng.uniform(-1, 1, loss.n_params_)
        for n_iter in (1, 2, 3, 6, 9):
            expected = plain_lbfgs(loss, start, n_iter, memory_size)
            result = solve(
                "l-bfgs",
                loss,
                start,
                memory_size=memory_size,
                max_iter=n_iter,
                balance=False,
                tol=0.0,
            )
            np.testing.assert_allclose(result.theta[0], expected, rtol=1e-6, atol=1e-9)


def test_lbfgs_directions_descend(rng, monkeypatch):
    slopes = []

    def spy(loss, theta, p, *, slope, **params):
        slopes.append(np.sum(p * slope, axis=-1))
        return wolfe(loss, theta, p, slope=slope, **params)

    monkeypatch.setattr(lbfgs, "wolfe", spy)
    for loss in (HIMMELBLAU, SLOPE, MONKEY, autoencoder(), autoencoder(hidden=(2, 2))):
        start = rng.uniform(-1, 1, (20, loss.n_params_))
        solve("l-bfgs", loss, start, max_iter=60)
    slopes = np.concatenate(slopes)
    assert len(slopes) > 500
    assert np.all(slopes < 0)


def plain_lm(loss, theta, n_iter, damping):
    """Levenberg-Marquardt with Nielsen's rule for one start, by dense formulas."""
    mu = damping
    for _ in range(n_iter):
        g, H = loss.gradient(theta), loss.hessian(theta)
        factor, norm = 2.0, np.linalg.norm(H, 2)
        while True:
            matrix = H @ H + mu * norm**2 * np.eye(len(g))
            p = -np.linalg.solve(matrix, H @ g)
            after = np.sum(loss.gradient(theta + p) ** 2)
            gain = (g @ g - after) / (g @ g - np.sum((g + H @ p) ** 2))
            if gain > 0:
                break
            mu, factor = mu * factor, 2 * factor
        theta, mu = theta + p, mu * max(1 / 3, 1 - (2 * gain - 1) ** 3)
    return theta, mu


@pytest.mark.parametrize("method", ["lm", "lm krylov"])
@pytest.mark.parametrize("damping", [1e-4, 1e-2, 3.0])
def test_levenberg_marquardt_by_dense_formulas(damping, method, rng):
    for loss in (HIMMELBLAU, autoencoder()):
        start = rng.uniform(-1, 1, loss.n_params_)
        for n_iter in (1, 2, 5):
            expected, mu = plain_lm(loss, start, n_iter, damping)
            params = {"damping": damping, "tol": 0.0, "balance": False}
            result = solve(method, loss, start, max_iter=n_iter, **params)
            np.testing.assert_allclose(result.theta[0], expected, rtol=1e-5, atol=1e-7)
            solver = make(method, **params)
            state = solver.setup(loss, start[None])
            for _ in range(n_iter):
                state = solver.step(loss, state)
            np.testing.assert_allclose(state.carry["mu"], [mu], rtol=1e-5)


def test_damping_does_not_fall_without_end():
    # Each step towards the degenerate point lowers mu: left alone it would underflow,
    # and no number of trials would raise it again.
    solver = GradNormLM()
    state = solver.setup(MONKEY, np.array([[1.0, 0.3]]))
    for _ in range(150):
        state = solver.step(MONKEY, state)
    assert np.linalg.norm(state.local.theta) < 1e-30
    assert 1e-31 < state.carry["mu"][0] < 1e-20


def test_published_learning_rate_on_the_data_of_the_study(rng):
    loss = LinearAutoencoderLoss((4,)).fit(
        make_gaussian_spectrum(100, exact=True, random_state=0)
    )
    theta = rng.standard_normal((3, loss.n_params_))
    carry = GradNormDescent().setup(loss, theta).carry
    np.testing.assert_allclose(carry["rate"], 0.1, rtol=1e-12)
    carry = GradNormDescent(learning_rate=0.03).setup(loss, theta).carry
    assert carry["rate"].tolist() == [0.03] * 3


@every_method
@pytest.mark.parametrize("unit", [2.0**-4, 2.0**3])
def test_the_unit_of_the_data_does_not_matter(unit, method, rng):
    # Powers of two change no digit: the searches are the same.
    plain, scaled = autoencoder(), autoencoder(unit=unit)
    start = 0.5 * rng.standard_normal((6, plain.n_params_))
    expected = solve(method, plain, start, tol=1e-8, max_iter=8)
    result = solve(method, scaled, start, tol=1e-8 * unit**4, max_iter=8)
    np.testing.assert_array_equal(result.n_iter, expected.n_iter)
    np.testing.assert_array_equal(result.status, expected.status)
    np.testing.assert_allclose(result.theta, expected.theta, rtol=1e-6, atol=1e-8)


# Progress


@every_search
@pytest.mark.parametrize("hidden, alpha", [((2,), 0.0), ((2,), 0.1), ((2, 2), 0.0)])
def test_gradient_norm_falls_monotonically(hidden, alpha, method, rng):
    loss = autoencoder(hidden=hidden, alpha=alpha)
    start = 0.5 * rng.standard_normal((10, loss.n_params_))
    params = {"balance": False, "store_history": True, "max_iter": 60}
    result = solve(method, loss, start, **params)
    for run in result.history["squared_grad_norm"]:
        assert np.all(np.diff(run) < 0)


def orders(method, loss, start, low, **params):
    """Ratios of successive logarithms of the gradient norm below 1e-2."""
    result = solve(method, loss, start, store_history=True, **params)
    found = []
    for run in result.history["squared_grad_norm"]:
        norms = np.sqrt(run)
        logs = np.log(norms[(norms < 1e-2) & (norms > low)])
        found += list(logs[1:] / logs[:-1])
    return result, np.array(found)


@pytest.mark.parametrize("method", ["lm", "lm krylov"])
def test_levenberg_marquardt_ends_superlinearly(method, rng):
    # With a fixed small mu the order is two; a falling mu keeps it above one.
    starts = np.repeat([point for point, _ in HIMMELBLAU_POINTS], 4, axis=0)
    starts = starts + rng.uniform(-0.3, 0.3, starts.shape)
    params = {"tol": 1e-22, "damping": 1e-10}
    result, order = orders(method, HIMMELBLAU, starts, 1e-10, **params)
    assert np.all(result.status == Status.CONVERGED)
    assert len(order) >= 9
    assert np.median(order) > 1.7
    result, order = orders(method, HIMMELBLAU, starts, 1e-10, tol=1e-22)
    assert np.all(result.status == Status.CONVERGED)
    assert np.median(order) > 1.3
    assert np.all(result.n_iter < 30)


def test_lbfgs_ends_superlinearly():
    # In two dimensions the pairs soon hold all curvature: the factor falls.
    starts = np.array([point for point, _ in HIMMELBLAU_POINTS]) + 0.1
    params = {"tol": 1e-20, "store_history": True}
    result = solve("l-bfgs", HIMMELBLAU, starts, **params)
    assert np.all(result.status == Status.CONVERGED)
    last = [np.sqrt(run[-1] / run[-2]) for run in result.history["squared_grad_norm"]]
    assert np.median(last) < 0.05
    slow = solve("gd", HIMMELBLAU, starts, **params)
    assert np.median(slow.n_iter) > 2 * np.median(result.n_iter)
