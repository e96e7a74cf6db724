"""Backtracking on the squared gradient norm."""

import numpy as np
import pytest

from skcrit._backend import to_device, to_host
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from skcrit.solvers.line_search import armijo, push_reference

from ._potentials import HIMMELBLAU


def squared(loss, theta):
    return np.sum(loss.gradient(theta) ** 2, axis=-1)


def slope_along(loss, theta, p):
    return 2 * np.sum(loss.hvp(theta, loss.gradient(theta)) * p, axis=-1)


def newton(loss, theta):
    step = np.linalg.solve(loss.hessian(theta), -loss.gradient(theta)[..., None])
    return step[..., 0]


@pytest.fixture
def search(rng):
    """Points, Newton steps (descent directions of the gradient norm) and slopes."""
    theta = rng.uniform(-5, 5, size=(200, 2))
    p = newton(HIMMELBLAU, theta)
    return {
        "loss": HIMMELBLAU,
        "theta": theta,
        "p": p,
        "reference": squared(HIMMELBLAU, theta),
        "slope": slope_along(HIMMELBLAU, theta, p),
    }


OPTIONS = [
    {},
    {"sufficient_decrease": 0.3, "backtrack": 0.7},
    {"step_size": 0.1},
    {"step_size": 4.0, "backtrack": 0.1, "sufficient_decrease": 0.0},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_first_acceptable_length_is_taken(search, options):
    result = armijo(**search, **options)
    rho = options.get("sufficient_decrease", 1e-4)
    backtrack = options.get("backtrack", 0.5)
    theta, p = search["theta"], search["p"]
    for i in range(len(theta)):
        gamma, n_tried = options.get("step_size", 1.0), 0
        while n_tried < 31:
            n_tried += 1
            bound = search["reference"][i] + rho * gamma * min(search["slope"][i], 0)
            if squared(HIMMELBLAU, theta[i] + gamma * p[i]) <= bound:
                break
            gamma *= backtrack
        assert result.step_size[i] == gamma
        assert result.n_gradient[i] == n_tried
        np.testing.assert_array_equal(result.theta[i], theta[i] + gamma * p[i])
    assert len(np.unique(result.step_size)) > 1


def test_armijo_condition_holds(search):
    result = armijo(**search)
    assert np.all(result.step_size > 0)
    decrease = squared(HIMMELBLAU, result.theta) - search["reference"]
    assert np.all(decrease <= 1e-4 * result.step_size * search["slope"])


def test_uphill_steps_are_refused(search):
    search["p"] = -search["p"]
    result = armijo(**search, max_backtracks=4)
    refused = result.step_size == 0
    assert np.mean(refused) > 0.5
    np.testing.assert_array_equal(result.theta[refused], search["theta"][refused])
    assert np.all(result.n_gradient[refused] == 5)
    # A positive slope, which is rounding, does not allow an increase.
    assert np.all(squared(HIMMELBLAU, result.theta) <= search["reference"])


def test_steps_without_effect_are_refused(search):
    search.update(p=0 * search["p"], slope=0 * search["slope"])
    result = armijo(**search)
    assert np.all(result.step_size == 0)


def test_a_larger_reference_accepts_more(search):
    strict = armijo(**search)
    search["reference"] = 100 * search["reference"]
    loose = armijo(**search)
    assert np.all(loose.step_size >= strict.step_size)
    assert np.mean(loose.step_size) > np.mean(strict.step_size)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_gradients_are_never_accepted(bad):
    # Finite on the unit disc only; the unit step leaves it.
    def gradient(theta):
        inside = np.sum(theta**2, axis=-1, keepdims=True) < 1
        return np.where(inside, theta, bad)

    loss = FunctionLoss(lambda t: np.sum(t, axis=-1), gradient, n_params=2).fit()
    theta = np.array([[0.5, 0.0], [0.5, 0.5]])
    p = np.array([[-2.0, 0.0], [-0.5, -0.5]])
    result = armijo(loss, theta, p, reference=squared(loss, theta), slope=np.zeros(2))
    assert result.step_size.tolist() == [0.25, 1.0]
    assert result.n_gradient.tolist() == [3, 1]
    assert np.all(np.isfinite(result.theta))


def test_non_finite_steps_are_refused(search):
    search["p"][3] = np.nan
    search["p"][5, 1] = np.inf
    with np.errstate(invalid="ignore", over="ignore"):
        result = armijo(**search)
    assert result.step_size[[3, 5]].tolist() == [0, 0]
    np.testing.assert_array_equal(result.theta[[3, 5]], search["theta"][[3, 5]])
    assert np.all(np.delete(result.step_size, [3, 5]) > 0)


def test_rows_are_independent(search):
    together = armijo(**search)
    for i in (0, 7, 30):
        row = slice(i, i + 1)
        alone = armijo(
            HIMMELBLAU, **{k: v[row] for k, v in search.items() if k != "loss"}
        )
        np.testing.assert_array_equal(alone.theta, together.theta[row])
        assert alone.step_size == together.step_size[row]
        assert alone.n_gradient == together.n_gradient[row]


def test_only_pending_rows_are_evaluated(search):
    sizes = []

    class Counting(FunctionLoss):
        def gradient(self, theta):
            sizes.append(len(theta))
            return HIMMELBLAU.gradient(theta)

    loss = Counting(HIMMELBLAU.value, HIMMELBLAU.gradient, HIMMELBLAU.hvp, 2).fit()
    search["loss"] = loss
    result = armijo(**search)
    assert sum(sizes) == np.sum(result.n_gradient)
    assert sizes[0] == 200
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 200


def test_device_gives_the_numbers_of_numpy(rng):
    X = make_gaussian_spectrum(50, eigenvalues=[4, 2, 1], exact=True, random_state=0)
    theta, p = rng.standard_normal((2, 30, 12))
    results = []
    for backend in ("numpy", "array_api_strict"):
        loss = LinearAutoencoderLoss(backend=backend).fit(X)
        plain = LinearAutoencoderLoss().fit(X)
        results.append(
            armijo(
                loss,
                to_device(theta, backend),
                to_device(p, backend),
                reference=squared(plain, theta),
                slope=slope_along(plain, theta, p),
            )
        )
    host, device = results
    assert isinstance(device.step_size, np.ndarray)
    np.testing.assert_array_equal(device.step_size, host.step_size)
    np.testing.assert_array_equal(device.n_gradient, host.n_gradient)
    np.testing.assert_allclose(to_host(device.theta), host.theta, rtol=1e-14)


def test_memory_keeps_a_window():
    memory = np.empty((2, 0))
    kept = []
    for k in range(5):
        memory = push_reference(memory, np.array([k, 10.0 - k]), window=3)
        kept.append(memory.tolist())
    assert kept[0] == [[0.0], [10.0]]
    assert kept[1] == [[0.0, 1.0], [10.0, 9.0]]
    assert kept[4] == [[2.0, 3.0, 4.0], [8.0, 7.0, 6.0]]
    assert push_reference(memory, np.zeros(2), window=1).tolist() == [[0.0], [0.0]]
