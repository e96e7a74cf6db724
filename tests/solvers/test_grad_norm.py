"""Minimisers of the gradient norm on functions whose critical points are known."""

import numpy as np
import pytest

from skcrit._backend import to_device
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from skcrit.solvers import (
    GradNormDescent,
    GradNormLBFGS,
    GradNormLM,
    GradNormSolver,
    GradNormWolfe,
    Status,
)
from skcrit.solvers.grad_norm import lbfgs
from skcrit.solvers.wolfe import wolfe

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

# Name: class and parameters.
METHODS = {
    "gd": (GradNormDescent, {}),
    "momentum": (GradNormDescent, {"momentum": 0.5}),
    "btls": (GradNormWolfe, {}),
    "l-bfgs": (GradNormLBFGS, {}),
    "lm": (GradNormLM, {}),
    "lm krylov": (GradNormLM, {"linear_solver": "krylov"}),
}
SEARCHES = ("btls", "l-bfgs", "lm", "lm krylov")
every_method = pytest.mark.parametrize("method", METHODS)
every_search = pytest.mark.parametrize("method", SEARCHES)


def make(method, **params):
    solver, own = METHODS[method]
    return solver(**{**own, **params})


def solve(method, loss, theta0, **params):
    theta0 = np.atleast_2d(np.asarray(theta0, float))
    return make(method, **params).solve(loss, theta0)


def gentle(method):
    """Steps of fixed length that are short enough wherever the tests start."""
    return {"learning_rate": 0.05} if method in {"gd", "momentum"} else {}


def slope(loss, theta):
    return loss.hvp(theta, loss.gradient(theta))


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


def slow(method):
    return {
        "gd": {"learning_rate": 1e-3},
        "momentum": {"learning_rate": 1e-3},
        "lm": {"damping": 1.0},
        "lm krylov": {"damping": 1.0},
    }.get(method, {})


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


# Balancing


def unbalanced(loss, rng, n=5):
    """Starts of condition 1e4: the layers differ by that factor."""
    theta = 0.5 * rng.standard_normal((n, loss.n_params_))
    half = loss.n_params_ // 2
    theta[:, :half] *= 1e2
    theta[:, half:] *= 1e-2
    return theta


def layer_ratio(loss, theta):
    first, second = loss.weights(theta)
    norms = [np.linalg.norm(W, axis=(-2, -1)) for W in (first, second)]
    return norms[0] / norms[1]


@every_method
def test_starts_out_of_balance_are_moved(method, rng):
    loss = autoencoder()
    start = unbalanced(loss, rng)
    moved, left = (
        solve(method, loss, start, balance=balance, max_iter=0)
        for balance in (True, False)
    )
    np.testing.assert_array_equal(left.theta, start)
    np.testing.assert_array_equal(moved.theta, loss.rescale(start))
    np.testing.assert_allclose(layer_ratio(loss, moved.theta), 1, rtol=1e-10)
    np.testing.assert_allclose(moved.loss, left.loss, rtol=1e-9)
    # A move before the first gradient costs nothing.
    np.testing.assert_array_equal(moved.n_gradient, left.n_gradient)


@every_method
def test_iterates_stay_in_balance(method, rng):
    loss = autoencoder()
    start = unbalanced(loss, rng, n=10)
    for n_iter in (1, 4, 20):
        result = solve(method, loss, start, max_iter=n_iter)
        scaled = loss.rescale(result.theta)
        squared = [np.sum(theta**2, axis=-1) for theta in (result.theta, scaled)]
        kept = result.status != Status.STALLED
        assert np.all(squared[0][kept] <= 1.05 * squared[1][kept] * (1 + 1e-10))


@every_method
def test_balanced_iterates_are_left_alone(method, rng):
    # A penalty on the weights leaves no freedom of scale.
    loss = autoencoder(alpha=0.1)
    start = 0.5 * rng.standard_normal((5, loss.n_params_))
    balanced, free = (
        solve(method, loss, start, balance=balance, max_iter=20)
        for balance in (True, False)
    )
    np.testing.assert_array_equal(balanced.theta, free.theta)
    np.testing.assert_array_equal(balanced.n_hvp, free.n_hvp)


def test_without_balance_the_gradient_norm_falls_in_a_valley(rng):
    # The layers drift apart, and no critical point is near; balanced starts find one.
    loss = autoencoder()
    start = unbalanced(loss, rng, n=10)
    result = solve("l-bfgs", loss, start, balance=True, max_iter=500)
    found = result.status == Status.CONVERGED
    assert np.mean(found) >= 0.7
    match = loss.analytical_spectrum().match(result.theta[found])
    assert np.all(match.status == "identified")
    free = solve("l-bfgs", loss, start, balance=False, max_iter=500)
    assert np.mean(free.status == Status.CONVERGED) < np.mean(found)


# Counts


def counted(method, balance, start, **params):
    counter = Counter(autoencoder())
    counter.loss.rescale = counter.inner.rescale
    if method in {"gd", "momentum"}:
        params["learning_rate"] = 0.02
    params = {"balance": balance, "tol": 0.0, **params}
    return counter, solve(method, counter.loss, start, **params)


@every_method
@pytest.mark.parametrize("balance", [True, False])
@pytest.mark.parametrize("max_iter", [0, 1, 7])
def test_counts_are_what_the_loss_sees(max_iter, balance, method, rng):
    start = 0.5 * rng.standard_normal(16)
    counter, result = counted(method, balance, start, max_iter=max_iter)
    assert result.n_iter[0] == max_iter
    assert result.n_gradient[0] == counter.n_gradient
    assert result.n_hvp[0] == counter.n_hvp


@every_method
def test_counts_include_balancing(method, rng):
    # Let the layers drift apart, so that there are moves on the way.
    start = unbalanced(autoencoder(), rng, n=1)[0]
    moves = []
    counter = Counter(autoencoder())
    counter.loss.rescale = counter.inner.rescale
    counter.loss.rescale = lambda theta: counter.inner.rescale(theta)
    params = {"learning_rate": 0.2} if method in {"gd", "momentum"} else {}
    solver = make(method, tol=0.0, max_iter=30, **params)
    fresh = solver.fresh_carry

    def spy(local):
        moves.append(len(local.theta))
        return fresh(local)

    solver.fresh_carry = spy
    result = solver.solve(counter.loss, start[None])
    assert result.n_gradient[0] == counter.n_gradient
    assert result.n_hvp[0] == counter.n_hvp
    assert len(moves) >= 1


@every_search
def test_counts_of_a_run_that_fails(method):
    counter = Counter(SLOPE)
    counter.loss.rescale = counter.inner.rescale
    result = solve(method, counter.loss, (1.0, 1.0))
    assert result.status[0] == Status.GRADIENT_FLAT
    assert result.n_gradient[0] == counter.n_gradient
    assert result.n_hvp[0] == counter.n_hvp


# Products of the verdict on a run that fails, with 16 parameters.
VERDICT = 16 + 2


def test_costs_are_those_of_the_documentation(rng):
    start = 0.5 * rng.standard_normal(16)
    n = 10
    per_step = {"gd": 1, "momentum": 1, "lm": 16}
    for method, cost in per_step.items():
        result = counted(method, True, start, max_iter=n)[1]
        assert 0 <= result.n_hvp[0] - n * cost <= VERDICT
    result = counted("lm krylov", True, start, max_iter=n, max_inner_iter=5)[1]
    assert 0 <= result.n_hvp[0] - 5 * n <= VERDICT


@every_method
def test_counts_of_a_batch(method, rng):
    start = 0.5 * rng.standard_normal((6, 16))
    counter, result = counted(method, True, start, max_iter=15, tol=1e-4)
    # Rows near convergence are looked at once more, at their rescaled points, and
    # those that stay are formed again when others end.
    assert result.n_hvp.sum() == counter.n_hvp
    assert counter.n_gradient >= result.n_gradient.sum()


# Batches and backends


@every_method
@pytest.mark.parametrize("balance", [True, False])
def test_rows_do_not_depend_on_the_batch(balance, method, rng):
    loss = autoencoder(eigenvalues=(5.0, 4.0, 3.0, 2.0, 1.0), hidden=(3,))
    start = 0.5 * rng.standard_normal((10, loss.n_params_))
    start[3] *= 3
    params = {"balance": balance, "max_iter": 25, "tol": 1e-3, "store_history": True}
    together = solve(method, loss, start, **params)
    backwards = solve(method, loss, start[::-1], **params)
    for i in (0, 3, 9):
        alone = solve(method, loss, start[i], **params)
        for result, row in ((alone, 0), (backwards, 9 - i)):
            np.testing.assert_array_equal(result.theta[row], together.theta[i])
            for name in ("loss", "n_hvp", "n_gradient", "status", "n_iter"):
                assert getattr(result, name)[row] == getattr(together, name)[i]
            np.testing.assert_array_equal(
                result.residual_ratio[row], together.residual_ratio[i]
            )
            for name, runs in together.history.items():
                np.testing.assert_array_equal(result.history[name][row], runs[i])


@every_method
def test_device_gives_the_results_of_numpy(method, rng):
    host, device = (
        autoencoder(backend=backend) for backend in ("numpy", "array_api_strict")
    )
    start = 0.5 * rng.standard_normal((5, host.n_params_))
    expected = solve(method, host, start, max_iter=12)
    for theta0 in (start, to_device(start, "array_api_strict")):
        result = make(method, max_iter=12).solve(device, theta0)
        assert isinstance(result.theta, np.ndarray)
        np.testing.assert_array_equal(result.status, expected.status)
        np.testing.assert_array_equal(result.n_iter, expected.n_iter)
        np.testing.assert_allclose(result.loss, expected.loss, rtol=1e-5)


@every_method
def test_device_with_a_start_that_is_not_finite(method, rng):
    loss = autoencoder(backend="array_api_strict")
    start = 0.3 * rng.standard_normal((3, loss.n_params_))
    start[1, 2] = np.nan
    result = solve(method, loss, start, max_iter=5, **gentle(method))
    assert (result.status == Status.DIVERGED).tolist() == [False, True, False]


@every_method
def test_float32_runs_in_float32(method, rng):
    loss = autoencoder(dtype="float32")
    start = 0.3 * rng.standard_normal((8, loss.n_params_))
    params = {"tol": 1e-6, "max_iter": 2000, **gentle(method)}
    result = solve(method, loss, start, **params)
    found = result.theta[result.status == Status.CONVERGED]
    assert len(found) >= 5
    assert np.all(np.sum(autoencoder().gradient(found) ** 2, axis=-1) < 1e-5)


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
