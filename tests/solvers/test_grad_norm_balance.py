"""Balancing, counts and batches of the minimisers of the gradient norm."""

import numpy as np
import pytest

from skcrit._backend import to_device
from skcrit.solvers import Status

from ._methods import every_method, every_search, gentle, make
from ._methods import grad_norm as solve
from ._potentials import SLOPE, Counter, autoencoder

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
