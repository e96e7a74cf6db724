"""The Wolfe search: conditions recomputed from scratch, counts and rows."""

import numpy as np
import pytest

from skcrit._backend import to_device, to_host
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from skcrit.solvers.line_search import armijo
from skcrit.solvers.wolfe import wolfe

from ._potentials import BOWL, CIRCLE, HIMMELBLAU, ROSENBROCK, SADDLE, SLOPE, polynomial

LENGTHS = [10.0**k for k in (-12, -6, -2, 0, 3, 8)]


def random_polynomial(rng, degree=4):
    """A polynomial with even leading terms: its gradient norm grows everywhere."""
    terms = {
        f"x{i}y{j}": rng.standard_normal()
        for i in range(degree + 1)
        for j in range(degree + 1 - i)
    }
    terms[f"x{degree}y0"] = terms[f"x0y{degree}"] = 3.0
    return polynomial(**terms)


def quadratic(rng, n=6):
    A = rng.standard_normal((n, n))
    A, b = (A + A.T) / 2, rng.standard_normal(n)
    return FunctionLoss(
        lambda t: np.sum(t * (t @ A), axis=-1) / 2 + t @ b,
        lambda t: t @ A + b,
        lambda t, v: v @ A,
        n_params=n,
    ).fit()


def line(loss, theta, p, t):
    """Half the squared gradient norm and its derivative at lengths t, from scratch."""
    points = theta + np.asarray(t)[:, None] * p
    g = loss.gradient(points)
    product = loss.hvp(points, g)
    return np.sum(g * g, axis=-1) / 2, np.sum(product * p, axis=-1)


def start(loss, theta, p=None):
    """Make the arguments of a search; downhill unless a direction is given."""
    g = loss.gradient(theta)
    slope = loss.hvp(theta, g)
    return {
        "theta": theta,
        "p": -slope if p is None else p,
        "slope": slope,
        "value": np.sum(g * g, axis=-1) / 2,
    }


def search(loss, arguments, step_size, **params):
    n = len(arguments["value"])
    arguments = {**arguments, "step_size": np.broadcast_to(step_size, n)}
    return wolfe(loss, **arguments, **params)


def check(loss, arguments, result, c1, c2, strong):
    """Check the conditions at accepted points; return which rows have moved."""
    theta, p = arguments["theta"], arguments["p"]
    moved = result.step_size > 0
    zero = np.zeros(len(theta))
    value, first = line(loss, theta, p, zero)
    phi, derivative = line(loss, theta, p, result.step_size)
    loose = 1e-12 * value + 1e-13 * np.abs(first) * result.step_size
    assert np.all((phi <= value + c1 * result.step_size * first + loose)[moved])
    assert np.all((phi < value)[moved])
    slack = 1e-10 * np.abs(first)
    if strong:
        assert np.all((np.abs(derivative) <= c2 * np.abs(first) + slack)[moved])
    else:
        assert np.all((derivative >= c2 * first - slack)[moved])
    points = theta + result.step_size[:, None] * p
    np.testing.assert_array_equal(result.theta, np.where(moved[:, None], points, theta))
    expected = loss.hvp(result.theta, loss.gradient(result.theta))
    np.testing.assert_allclose(result.slope, expected, rtol=1e-10, atol=1e-12)
    return moved


# The conditions


@pytest.mark.parametrize("strong", [False, True])
@pytest.mark.parametrize("c1, c2", [(1e-4, 0.9), (1e-4, 0.1), (0.3, 0.31), (0.5, 0.9)])
@pytest.mark.parametrize("step_size", LENGTHS)
def test_conditions_hold_from_any_first_length(step_size, c1, c2, strong, rng):
    params = {"sufficient_decrease": c1, "curvature": c2, "strong": strong}
    losses = [random_polynomial(rng) for _ in range(3)]
    for loss in [*losses, quadratic(rng), ROSENBROCK, HIMMELBLAU, SADDLE]:
        theta = rng.uniform(-2, 2, size=(8, loss.n_params_))
        arguments = start(loss, theta)
        result = search(loss, arguments, step_size, **params)
        moved = check(loss, arguments, result, c1, c2, strong)
        assert moved.all()
        assert np.all(result.n_trials < 60)


@pytest.mark.parametrize("strong", [False, True])
def test_conditions_hold_along_any_descent(strong, rng):
    for loss in (random_polynomial(rng), quadratic(rng), HIMMELBLAU):
        theta = rng.uniform(-2, 2, size=(40, loss.n_params_))
        p = rng.standard_normal(theta.shape) * 10.0 ** rng.integers(-3, 4, (40, 1))
        arguments = start(loss, theta, p)
        result = search(loss, arguments, 1.0, strong=strong)
        moved = check(loss, arguments, result, 1e-4, 0.9, strong)
        descent = np.sum(arguments["slope"] * p, axis=-1) < 0
        assert 5 < np.sum(descent) < 35
        np.testing.assert_array_equal(moved, descent)
        np.testing.assert_array_equal(result.n_trials > 0, descent)


def test_an_acceptable_first_length_is_taken_at_once(rng):
    # Along -H g of a quadratic the best length of the model is exact.
    loss = quadratic(rng)
    arguments = start(loss, rng.standard_normal((10, 6)))
    image = loss.hvp(arguments["theta"], arguments["slope"])
    slope = arguments["slope"]
    best = np.sum(slope**2, axis=-1) / np.sum(image**2, axis=-1)
    result = search(loss, arguments, best, strong=True, curvature=1e-3)
    assert result.n_trials.tolist() == [1] * 10
    np.testing.assert_array_equal(result.step_size, best)


def test_backtracking_cannot_lengthen_a_step(rng):
    # From 1e-12 the step stays as short as it is, and leaves the gradient as it was.
    theta = rng.uniform(-2, 2, size=(20, 2))
    arguments = start(HIMMELBLAU, theta)
    value, slope, p = (arguments[name] for name in ("value", "slope", "p"))
    first = np.sum(slope * p, axis=-1)
    backtracked = armijo(
        HIMMELBLAU,
        theta,
        p,
        reference=2 * value,
        slope=2 * first,
        step_size=1e-12,
    )
    assert np.all(backtracked.step_size <= 1e-12)
    derivative = line(HIMMELBLAU, theta, p, backtracked.step_size)[1]
    assert np.all(derivative < 0.9 * first)
    result = search(HIMMELBLAU, arguments, 1e-12)
    assert check(HIMMELBLAU, arguments, result, 1e-4, 0.9, False).all()
    assert np.all(result.step_size > 1e3 * backtracked.step_size)


def published(loss, theta, p, slope, value, step_size, c1=1e-4, c2=0.9):
    """Backtracking with both conditions, as published: it only ever shortens."""
    first = np.sum(slope * p)
    for _ in range(200):
        phi, derivative = line(loss, theta, p, [step_size])
        if phi[0] <= value + c1 * step_size * first and derivative[0] >= c2 * first:
            break
        step_size = step_size / 2
    return step_size


def test_collapse_of_the_published_search():
    # f = x^2 / 2: |g|^2 / 2 = x^2 / 2, from x = 1 along -1. Lengths in [0.1, 2 - 2e-4]
    # are acceptable. A first length below 0.1 fails the second condition, and halving
    # it fails forever; above, there is one to find.
    theta = np.array([[1.0, 0.0]])
    arguments = start(BOWL, theta)
    one_row = {name: arguments[name][0] for name in ("theta", "p", "slope", "value")}
    for step_size in (0.05, 1e-3, 1e-8):
        assert published(BOWL, **one_row, step_size=step_size) < 1e-50
        result = search(BOWL, arguments, step_size)
        assert 0.1 <= result.step_size[0] <= 2 - 2e-4
    assert published(BOWL, **one_row, step_size=1.0) == 1.0


def test_collapse_on_the_gradient_norm_of_a_network():
    # Steps that are halved from one iteration to the next get stuck below the shortest
    # acceptable length somewhere on the way.
    X = make_gaussian_spectrum(60, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0)
    loss = LinearAutoencoderLoss((2,)).fit(X)
    theta = 0.1 * np.random.default_rng(0).standard_normal((6, loss.n_params_))
    arguments = start(loss, theta)
    lengths = np.full(6, 1e-3)
    for i in range(6):
        row = {name: arguments[name][i] for name in ("theta", "p", "slope", "value")}
        assert published(loss, **row, step_size=lengths[i]) < 1e-50
    result = search(loss, arguments, lengths)
    assert check(loss, arguments, result, 1e-4, 0.9, False).all()
    assert np.all(result.step_size > 1e-2)


# Places without an acceptable length


def test_directions_that_do_not_descend_are_not_moved(rng):
    theta = rng.uniform(-2, 2, size=(6, 2))
    arguments = start(HIMMELBLAU, theta)
    p = arguments["slope"] * np.array([1.0, 1.0, 0.0, -1.0, np.nan, 1.0])[:, None]
    result = search(HIMMELBLAU, {**arguments, "p": p}, 1e-3)
    assert (result.step_size > 0).tolist() == [False] * 3 + [True] + [False] * 2
    assert (result.n_trials > 0).tolist() == [False] * 3 + [True] + [False] * 2
    still = [0, 1, 2, 4, 5]
    np.testing.assert_array_equal(result.theta[still], theta[still])
    np.testing.assert_array_equal(result.slope[still], arguments["slope"][still])


def bounded(bad):
    """A quadratic whose functions are not finite outside of a disc."""

    def cut(theta, values):
        outside = np.sum(theta**2, axis=-1, keepdims=True) > 4
        return np.where(outside, bad, values)

    return FunctionLoss(
        lambda t: np.sum(t**2, axis=-1),
        lambda t: cut(t, t * [1.0, -0.5]),
        lambda t, v: cut(t, v * [1.0, -0.5]),
        n_params=2,
    ).fit()


@pytest.mark.filterwarnings("ignore:(invalid|overflow):RuntimeWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("step_size", [1.0, 50.0, 1e8, 1e300, np.inf])
@pytest.mark.parametrize("strong", [False, True])
def test_trials_that_are_not_finite_are_too_long(strong, step_size, bad):
    loss = bounded(bad)
    arguments = start(loss, np.array([[1.0, 1.0], [0.1, 1.7]]))
    result = search(loss, arguments, step_size, strong=strong, max_trials=2000)
    if np.isinf(step_size):
        # Nothing lies between here and infinity, but it ends.
        assert np.all(np.isfinite(result.theta))
        return
    assert check(loss, arguments, result, 1e-4, 0.9, strong).all()


def test_nowhere_finite():
    loss = FunctionLoss(
        lambda t: t[..., 0],
        lambda t: np.where(t == 1.0, t, np.nan),
        lambda t, v: v,
        n_params=1,
    ).fit()
    arguments = start(loss, np.ones((1, 1)))
    result = search(loss, arguments, 1.0, max_trials=17)
    assert result.step_size[0] == 0
    assert result.theta.tolist() == [[1.0]]
    assert result.n_trials[0] == 17


def test_a_function_that_only_falls_spends_all_trials():
    # |g|^2 / 2 = 1e30 - x falls evenly: no length meets the second condition.
    loss = FunctionLoss(
        lambda t: t[..., 0],
        lambda t: np.sqrt(2.0 * np.maximum(1e30 - t, 1.0)),
        lambda t, v: -v / np.sqrt(2.0 * np.maximum(1e30 - t, 1.0)),
        n_params=1,
    ).fit()
    arguments = start(loss, np.zeros((1, 1)))
    result = search(loss, arguments, 1.0, max_trials=20)
    assert result.n_trials[0] == 20
    assert result.step_size[0] == 0


def test_no_length_is_no_step():
    arguments = start(BOWL, np.ones((1, 2)))
    result = search(BOWL, arguments, 0.0)
    assert result.step_size[0] == 0
    assert result.n_trials[0] == 1


def test_beside_a_minimum_nothing_gets_worse():
    # The minimum of |g| is positive: the decrease that is left is below rounding.
    arguments = start(SLOPE, np.array([[1e-12, 0.0], [-1e-11, 1e-13], [1e-4, 1e-5]]))
    result = search(SLOPE, arguments, 1.0)
    phi = line(SLOPE, result.theta, 0 * result.theta, np.zeros(3))[0]
    assert np.all(phi <= arguments["value"])
    assert (result.step_size > 0).tolist() == [False, False, True]


# Counts and rows


@pytest.mark.parametrize("max_trials", [1, 3, 60])
@pytest.mark.parametrize("step_size", [1e-9, 1e-3, 1.0, 1e4])
def test_trials_are_counted(step_size, max_trials, rng):
    asked = {"gradient": 0, "hvp": 0}

    def gradient(theta):
        asked["gradient"] += len(theta)
        return HIMMELBLAU.gradient(theta)

    def hvp(theta, v):
        asked["hvp"] += len(theta)
        return HIMMELBLAU.hvp(theta, v)

    loss = FunctionLoss(HIMMELBLAU.value, gradient, hvp, n_params=2).fit()
    arguments = start(HIMMELBLAU, rng.uniform(-4, 4, size=(15, 2)))
    result = search(loss, arguments, step_size, max_trials=max_trials)
    assert asked == dict.fromkeys(asked, result.n_trials.sum())
    assert np.all(result.n_trials <= max_trials)
    failed = result.step_size == 0
    assert np.all(result.n_trials[failed] == max_trials)
    if max_trials == 60:
        assert not failed.any()


@pytest.mark.parametrize("strong", [False, True])
def test_rows_do_not_depend_on_the_batch(strong, rng):
    X = make_gaussian_spectrum(60, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0)
    network = LinearAutoencoderLoss((2,)).fit(X)
    for loss in (HIMMELBLAU, network):
        arguments = start(loss, rng.uniform(-1, 1, size=(9, loss.n_params_)))
        lengths = 10.0 ** rng.integers(-9, 9, 9)
        together = search(loss, arguments, lengths, strong=strong)
        assert len(np.unique(together.n_trials)) > 2
        for rows in ([4], [8, 0, 3], list(range(8, -1, -1))):
            part = {name: array[rows] for name, array in arguments.items()}
            some = search(loss, part, lengths[rows], strong=strong)
            for name, array in vars(together).items():
                np.testing.assert_array_equal(getattr(some, name), array[rows])


def test_arguments_are_left_alone(rng):
    arguments = start(CIRCLE, rng.uniform(-2, 2, size=(5, 2)))
    copies = {name: array.copy() for name, array in arguments.items()}
    lengths = np.full(5, 1e-5)
    search(CIRCLE, arguments, lengths)
    for name, array in copies.items():
        np.testing.assert_array_equal(arguments[name], array)
    assert lengths.tolist() == [1e-5] * 5


def test_device_gives_the_numbers_of_numpy(rng):
    X = make_gaussian_spectrum(60, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0)
    host, device = (
        LinearAutoencoderLoss((2,), backend=backend).fit(X)
        for backend in ("numpy", "array_api_strict")
    )
    arguments = start(host, rng.uniform(-1, 1, size=(6, host.n_params_)))
    expected = search(host, arguments, 1e-3)
    there = {
        name: array if name == "value" else to_device(array, "array_api_strict")
        for name, array in arguments.items()
    }
    result = search(device, there, 1e-3)
    np.testing.assert_array_equal(result.n_trials, expected.n_trials)
    np.testing.assert_allclose(result.step_size, expected.step_size, rtol=1e-9)
    assert isinstance(result.step_size, np.ndarray)
    for name in ("theta", "slope"):
        array = getattr(result, name)
        assert array.device == there["theta"].device
        np.testing.assert_allclose(to_host(array), getattr(expected, name), rtol=1e-8)
