"""Steps of saddle dynamics, and the indices that it seeks."""

import numpy as np
import pytest

from skcrit.losses import FunctionLoss
from skcrit.solvers import SaddleDynamics, Status

from ._methods import saddle_dynamics as solve
from ._potentials import HIMMELBLAU, SETS, SLOPE, autoencoder, polynomial

# The step


def brute_force(loss, theta, index, floor=1e-2, max_step=0.5):
    """One step, written down."""
    g = loss.gradient(theta)
    values, vectors = np.linalg.eigh(loss.hessian(theta))
    size = np.abs(values).max()
    epsilon = min(floor, np.linalg.norm(g) / (size * max_step))
    p = np.zeros_like(theta)
    for i, (value, q) in enumerate(zip(values, vectors.T, strict=True)):
        sign = np.sign(value) if index == "natural" else 1 - 2 * (i < index)
        p -= sign * (q @ g) / max(abs(value), epsilon * size) * q
    return theta + p * min(1, max_step / np.linalg.norm(p))


@pytest.mark.parametrize("index", [0, 1, 5, "natural"])
@pytest.mark.parametrize(
    "params", [{"max_step": 0.5}, {"floor": 0.5, "max_step": 0.03}], ids=str
)
def test_a_step_is_the_brute_force(index, params, rng):
    for loss in (HIMMELBLAU, autoencoder()):
        start = rng.standard_normal((10, loss.n_params_))
        result = solve(loss, start, index=index, max_iter=1, balance=False, **params)
        expected = [brute_force(loss, theta, index, **params) for theta in start]
        np.testing.assert_allclose(result.theta, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("index", [0, 1, 2, "natural"])
def test_null_directions_are_not_moved(index):
    # At x = 0 the gradient is (1, 2 y) and the curvatures are 0 and 2.
    result = solve(SLOPE, (0.0, 0.2), index=index, max_iter=1, max_step=0.5)
    up = index == 2
    np.testing.assert_array_equal(result.theta, [[0.0, 0.4 if up else 0.0]])


def test_the_floor_shrinks_where_a_curvature_is_below_it(rng):
    # With a floor of 1e-2 that stays, the weak direction would shrink by 10 % a step.
    loss = polynomial(x2y0=0.5, x0y2=5e-4, x1y2=1e-3)
    start = rng.uniform(-0.1, 0.1, size=(10, 2))
    result = solve(loss, start, index=0, tol=1e-24, store_history=True)
    assert np.all(result.status == Status.CONVERGED)
    assert result.n_iter.max() < 30
    for run in result.history["squared_grad_norm"]:
        norms = np.sqrt(run)
        inside = norms[(norms < 1e-4) & (norms > 1e-13)]
        # Until the square is below rounding.
        assert np.all(inside[1:] < 1e4 * inside[:-1] ** 2 + 1e-13)


# Indices


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
@pytest.mark.parametrize("dtype, tol", [("float64", 1e-20), ("float32", 1e-9)])
def test_natural_signs_return_to_every_set_of_a_network(eigensolver, dtype, tol, rng):
    exact, loss = autoencoder(), autoencoder(dtype=dtype)
    spectrum = exact.analytical_spectrum()
    starts = np.stack([spectrum.representative(name) for name in SETS])
    starts = starts + 0.02 * rng.standard_normal(starts.shape)
    result = solve(loss, starts, tol=tol, eigensolver=eigensolver)
    assert np.all(result.status == Status.CONVERGED)
    match = spectrum.match(result.theta)
    assert match.identified.all()
    assert [tuple(name) for name in match.set] == SETS


def test_the_index_of_a_set_attracts_to_it(rng):
    loss = autoencoder()
    spectrum = loss.analytical_spectrum()
    starts = np.stack([spectrum.representative(name) for name in SETS])
    starts = starts + 1e-3 * rng.standard_normal(starts.shape)
    result = solve(loss, starts, index=spectrum.morse_indices(SETS), tol=1e-20)
    assert np.all(result.status == Status.CONVERGED)
    match = spectrum.match(result.theta)
    nullity = spectrum.nullities(list(match.set))
    assert np.all(match.morse_index <= spectrum.morse_indices(SETS))
    assert np.all(spectrum.morse_indices(SETS) <= match.morse_index + nullity)


def test_quantiles_divide_the_unit_interval_evenly():
    # The maximum has two negative eigenvalues, a saddle one, a minimum none.
    for index, start in ((2, (-0.27, -0.92)), (1, (0.09, 2.88)), (0, (3.0, 2.0))):
        u = np.append(np.arange(60) / 60, np.nextafter(1.0, 0.0))
        solver = SaddleDynamics(quantile=u)
        chosen = solver.setup(HIMMELBLAU, np.tile(start, (61, 1))).carry["index_asked"]
        expected = [*np.repeat(np.arange(index + 1), 60 // (index + 1)), index]
        np.testing.assert_array_equal(chosen, expected)


def test_select_takes_the_rows_and_leaves_the_solver():
    u, index = np.arange(5) / 5, np.arange(5)
    solver = SaddleDynamics(quantile=u, max_iter=7)
    part = solver.select(slice(1, 3))
    assert part.quantile.tolist() == [0.2, 0.4]
    assert part.max_iter == 7
    assert solver.quantile is u
    assert SaddleDynamics(index=index).select(slice(3, 9)).index.tolist() == [3, 4]
    assert SaddleDynamics().select(slice(0, 1)).index == "natural"


def test_the_lowest_are_those_of_the_hessian_not_of_the_gradient(rng):
    # The gradient is orthogonal to the lowest eigenvector: its Krylov space does not
    # know of it, and would take the second lowest for the first.
    curvature = np.r_[-2.0, -1.0, np.linspace(1, 3, 18)]
    loss = FunctionLoss(
        lambda t: (t**2) @ curvature / 2,
        lambda t: curvature * t,
        lambda t, v: curvature * v,
        n_params=20,
    ).fit()
    start = rng.standard_normal((2, 20))
    start[:, 0] = 0.0
    params = {"index": 1, "max_iter": 1, "max_step": 0.1}
    dense, free = (
        solve(loss, start, eigensolver=name, **params).theta
        for name in ("dense", "lobpcg")
    )
    np.testing.assert_allclose(free, dense, atol=1e-6)
    assert np.all((dense - start)[:, 1] * start[:, 1] > 0)  # down, away from the saddle


@pytest.mark.parametrize("index", [1, 2, "quantile"])
def test_products_alone_find_what_decompositions_find(index, rng):
    loss = autoencoder(eigenvalues=(6.0, 5.0, 4.0, 3.0, 2.0, 1.0), hidden=(3,))
    starts = 0.3 * rng.standard_normal((12, loss.n_params_))
    params = {"quantile": rng.random(12) / 4} if index == "quantile" else {}
    if index != "quantile":
        params["index"] = index
    result = solve(loss, starts, eigensolver="lobpcg", tol=1e-20, **params)
    assert np.mean(result.status == Status.CONVERGED) > 0.9
    ended = result.status == Status.CONVERGED
    match = loss.analytical_spectrum().match(result.theta[ended])
    assert match.identified.all()
    if index != "quantile":
        nullity = loss.analytical_spectrum().nullities(list(match.set))
        assert np.all(match.morse_index <= index)
        assert np.all(index <= match.morse_index + nullity)


def test_auto_follows_the_crossover():
    solver = SaddleDynamics()
    assert solver._is_dense(np.array([0, 30]), 256).all()
    assert solver._is_dense(np.array([-1, 0, 6, 7]), 512).tolist() == [
        False,
        False,
        False,
        True,
    ]


def test_an_index_that_needs_a_huge_hessian_is_refused():
    loss = FunctionLoss(
        lambda t: np.sum(t**2, axis=-1), lambda t: 2 * t, n_params=5000
    ).fit()
    with pytest.raises(ValueError, match="index must be at most 625 .* got 700"):
        SaddleDynamics(index=np.array([3, 700])).solve(loss, np.ones((2, 5000)))
    # Without the crossover the basis of products may be a third of the parameters.
    solver = SaddleDynamics(index=np.array([3, 1700]), eigensolver="lobpcg")
    with pytest.raises(ValueError, match="index must be at most 16.. .* got 1700"):
        solver.solve(loss, np.ones((2, 5000)))


def test_krylov_rows_do_not_depend_on_the_batch(rng):
    loss = autoencoder()
    starts = 0.3 * rng.standard_normal((9, loss.n_params_))
    solver = SaddleDynamics(
        quantile=rng.random(9), eigensolver="lobpcg", max_inner_iter=9, max_iter=15
    )
    together = solver.solve(loss, starts)
    for i in (0, 4, 8):
        rows = slice(i, i + 1)
        alone = solver.select(rows).solve(loss, starts[rows])
        np.testing.assert_array_equal(alone.theta[0], together.theta[i])
