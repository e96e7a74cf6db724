"""Newton-MR on functions whose critical points are known."""

import numpy as np
import pytest

from skcrit._backend import to_device
from skcrit.linalg import LinearStatus
from skcrit.losses import FunctionLoss, MLPLoss
from skcrit.losses._mlp_model import MLPModel
from skcrit.solvers import NewtonMR, Solver, Status

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


def solve(loss, theta0, inner_tol=0.01, **params):
    # The default of inner_tol is a matter of speed, tests want accurate steps.
    solver = NewtonMR(inner_tol=inner_tol, **params)
    return solver.solve(loss, np.atleast_2d(np.asarray(theta0, float)))


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


@pytest.mark.parametrize("inner_tol", [0.01, "adaptive"])
@pytest.mark.parametrize("balance", [True, False])
def test_counts_are_what_the_loss_sees(balance, inner_tol, rng):
    counter = Counter(autoencoder())
    start = 0.5 * rng.standard_normal(counter.loss.n_params_)
    params = {"balance": balance, "inner_tol": inner_tol}
    result = solve(counter.loss, start, max_iter=12, **params)
    assert result.n_iter[0] > 3
    assert result.n_gradient[0] == counter.n_gradient
    assert result.n_hvp[0] == counter.n_hvp


def test_counts_of_a_batch(rng):
    counter = Counter(autoencoder())
    start = 0.5 * rng.standard_normal((6, counter.loss.n_params_))
    result = solve(counter.loss, start, max_iter=40)
    assert result.n_hvp.sum() == counter.n_hvp
    # When starts end, the gradients of the others are formed again.
    n_ends = len(np.unique(result.n_iter))
    again = counter.n_gradient - result.n_gradient.sum()
    assert 0 <= again <= n_ends * len(start)


def test_products_that_are_reported_are_nearly_all_that_are_computed(rng):
    loss = autoencoder(eigenvalues=np.arange(1.0, 9.0), hidden=(3,))
    start = rng.standard_normal((60, loss.n_params_))
    n_computed = []

    def hvp(theta, v):
        n_computed.append(len(v))
        return loss.hvp(theta, v)

    counted = FunctionLoss(loss.value, loss.gradient, hvp, n_params=loss.n_params_)
    result = solve(counted.fit(), start, max_iter=60)
    assert len(np.unique(result.n_hvp)) > 20
    assert result.n_hvp.sum() <= sum(n_computed) <= 1.15 * result.n_hvp.sum()


def test_history_has_an_entry_per_iterate(rng):
    loss = autoencoder()
    start = 0.5 * rng.standard_normal((8, loss.n_params_))
    result = solve(loss, start, store_history=True, max_iter=40)
    for name in ("loss", "squared_grad_norm"):
        runs = result.history[name]
        assert [len(run) - 1 for run in runs] == result.n_iter.tolist()
        np.testing.assert_array_equal([r[-1] for r in runs], getattr(result, name))
    balanced = loss.rescale(start)
    np.testing.assert_allclose(
        [run[0] for run in result.history["loss"]], loss.value(balanced), rtol=1e-12
    )
    assert solve(loss, start, max_iter=2).history == {}


def test_start_values_are_those_of_the_start_without_balancing(rng):
    loss = autoencoder()
    start = 0.5 * rng.standard_normal((8, loss.n_params_))
    result = solve(loss, start, store_history=True, balance=False, max_iter=2)
    first = [run[0] for run in result.history["squared_grad_norm"]]
    expected = np.sum(loss.gradient(start) ** 2, axis=-1)
    np.testing.assert_allclose(first, expected, rtol=1e-14)


# Batches and backends


@pytest.mark.parametrize("inner_tol", [0.01, "adaptive"])
@pytest.mark.parametrize("balance", [True, False])
def test_rows_do_not_depend_on_the_batch(balance, inner_tol, rng):
    loss = autoencoder(eigenvalues=(5.0, 4.0, 3.0, 2.0, 1.0), hidden=(3,))
    start = 0.5 * rng.standard_normal((12, loss.n_params_))
    params = {"balance": balance, "max_iter": 20, "store_history": True}
    params["inner_tol"] = inner_tol
    together = solve(loss, start, **params)
    backwards = solve(loss, start[::-1], **params)
    assert len(np.unique(together.n_iter)) > 1
    for i in (0, 5, 11):
        alone = solve(loss, start[i], **params)
        for result, row in ((alone, 0), (backwards, 11 - i)):
            np.testing.assert_array_equal(result.theta[row], together.theta[i])
            for name in ("loss", "squared_grad_norm", "n_hvp", "n_gradient", "status"):
                assert getattr(result, name)[row] == getattr(together, name)[i]
            for name, runs in together.history.items():
                np.testing.assert_array_equal(result.history[name][row], runs[i])


@pytest.mark.parametrize(
    "hidden, inner_tol", [((2,), 0.01), ((2, 2), 0.01), ((2,), "adaptive")], ids=str
)
def test_device_gives_the_results_of_numpy(hidden, inner_tol, rng):
    host, device = (
        autoencoder(hidden=hidden, backend=backend)
        for backend in ("numpy", "array_api_strict")
    )
    start = 0.5 * rng.standard_normal((5, host.n_params_))
    params = {"inner_tol": inner_tol, "max_iter": 15}
    expected = solve(host, start, **params)
    results = [solve(device, start, **params)]
    there = to_device(start, "array_api_strict")
    results.append(NewtonMR(**params).solve(device, there))
    for result in results:
        assert isinstance(result.theta, np.ndarray)
        np.testing.assert_array_equal(result.status, expected.status)
        np.testing.assert_allclose(result.loss, expected.loss, rtol=1e-7)
        done = expected.status == Status.CONVERGED
        found, wanted = (host.invariants(r.theta[done]) for r in (result, expected))
        np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_float32_runs_in_float32(rng):
    loss = autoencoder(dtype="float32")
    start = 0.5 * rng.standard_normal((10, loss.n_params_))
    result = solve(loss, start, tol=1e-8)
    assert np.mean(result.status == Status.CONVERGED) >= 0.9
    exact = autoencoder()
    found = result.theta[result.status == Status.CONVERGED]
    assert np.all(np.sum(exact.gradient(found) ** 2, axis=-1) < 1e-7)


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


def small_network():
    """Fit a network of 13 parameters, whose Hessians are formed for the steps."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    return MLPLoss((3,), alpha=0.1, penalize_intercept=True).fit(X, y)


def test_steps_with_a_formed_hessian_are_those_of_products(monkeypatch):
    loss = small_network()
    theta = np.random.default_rng(1).normal(size=(6, loss.n_params_))
    formed = NewtonMR(max_iter=1).solve(loss, theta)
    monkeypatch.setattr(MLPModel, "forms_cheaply", False)
    products = NewtonMR(max_iter=1).solve(loss, theta)
    np.testing.assert_allclose(formed.theta, products.theta, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(formed.n_iter, products.n_iter)


def test_a_formed_hessian_counts_as_its_columns():
    loss = small_network()
    theta = np.random.default_rng(1).normal(size=(6, loss.n_params_))
    result = NewtonMR(max_iter=2, tol=1e-300).solve(loss, theta)
    # The verdict on what has not converged costs products too.
    assert np.all(result.n_hvp >= 2 * loss.n_params_)
    few = NewtonMR(max_iter=2, tol=1e-300, max_inner_iter=5).solve(loss, theta)
    assert np.all(few.n_hvp < result.n_hvp)


def test_steps_with_a_formed_hessian_do_not_depend_on_the_batch():
    loss = small_network()
    theta = np.random.default_rng(2).normal(size=(20, loss.n_params_))
    together = NewtonMR(max_iter=40).solve(loss, theta)
    for row in (0, 7, 19):
        alone = NewtonMR(max_iter=40).solve(loss, theta[row : row + 1])
        np.testing.assert_array_equal(alone.theta[0], together.theta[row])
        assert alone.n_hvp[0] == together.n_hvp[row]
