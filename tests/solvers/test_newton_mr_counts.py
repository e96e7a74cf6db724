"""Counts, histories, batches and backends of Newton-MR."""

import numpy as np
import pytest

from skcrit._backend import to_device
from skcrit.losses import FunctionLoss, MLPLoss
from skcrit.losses._mlp_model import MLPModel
from skcrit.solvers import NewtonMR, Status

from ._methods import newton_mr as solve
from ._potentials import Counter, autoencoder


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
