"""Saddle dynamics on functions whose critical points are known."""

import numpy as np
import pytest
import scipy.linalg

from skcrit._backend import to_device
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from skcrit.proving_grounds import make_lennard_jones
from skcrit.solvers import SaddleDynamics, Status
from skcrit.solvers._lasting import lasting_tangents

from ._potentials import (
    BOWL,
    HIMMELBLAU,
    HIMMELBLAU_POINTS,
    SADDLE,
    SLOPE,
    autoencoder,
    polynomial,
)

SETS = [(), (0,), (1,), (2,), (3,), (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def solve(loss, theta0, **params):
    theta0 = np.atleast_2d(np.asarray(theta0, float))
    if isinstance(params.get("index"), int):
        params["index"] = np.full(len(theta0), params["index"])
    return SaddleDynamics(**params).solve(loss, theta0)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_only_points_of_the_index_attract(index, rng):
    starts = rng.uniform(-4, 4, size=(60, 2))
    result = solve(HIMMELBLAU, starts, index=index, max_step=0.3, tol=1e-20)
    ended = result.status == Status.CONVERGED
    # Outside, two directions up have no end.
    assert ended.mean() > (0.25 if index == 2 else 0.8)
    points = np.array([point for point, _ in HIMMELBLAU_POINTS])
    indices = np.array([k for _, k in HIMMELBLAU_POINTS])
    gaps = np.linalg.norm(result.theta[ended][:, None] - points, axis=-1)
    assert gaps.min(axis=1).max() < 1e-5
    assert set(indices[gaps.argmin(axis=1)]) == {index}


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
def test_it_departs_from_points_of_a_higher_index(eigensolver):
    points = np.array([point for point, _ in HIMMELBLAU_POINTS])
    indices = np.array([k for _, k in HIMMELBLAU_POINTS])
    # On the point itself, and on the stable side of it to all but rounding.
    for index in (0, 1):
        starts = points[indices > index]
        exact = solve(HIMMELBLAU, starts).theta
        for start in (starts, exact):
            result = solve(HIMMELBLAU, start, index=index, eigensolver=eigensolver)
            ended = result.status == Status.CONVERGED
            assert ended.mean() > 0.8
            gaps = np.linalg.norm(result.theta[ended][:, None] - points, axis=-1)
            assert set(indices[gaps.argmin(axis=1)]) == {index}
            assert np.all(result.extra["n_departures"] >= 1)


def test_it_departs_three_times():
    # From the top of every one of many hills it comes to another one's.
    loss = FunctionLoss(
        lambda t: np.sum(np.cos(2 * np.pi * t), axis=-1),
        lambda t: -2 * np.pi * np.sin(2 * np.pi * t),
        lambda t, v: -4 * np.pi**2 * np.cos(2 * np.pi * t) * v,
        n_params=2,
        length=2.0,
    ).fit()
    result = solve(loss, np.zeros((1, 2)), index=0, max_iter=20)
    assert result.status[0] == Status.CONVERGED
    assert result.extra["n_departures"][0] <= 3


@pytest.mark.parametrize("point, index", HIMMELBLAU_POINTS)
def test_natural_signs_keep_any_index(point, index):
    start = np.add(point, (0.05, -0.04))
    result = solve(HIMMELBLAU, start, tol=1e-20)
    assert result.status[0] == Status.CONVERGED
    np.testing.assert_allclose(result.theta[0], point, atol=2e-6)


def test_an_index_of_a_network_is_reached_up_to_its_nullity(rng):
    loss = autoencoder()
    starts = 0.05 * rng.standard_normal((40, loss.n_params_))
    index = rng.integers(0, 9, size=40)
    result = solve(loss, starts, index=index, tol=1e-20)
    assert np.all(result.status == Status.CONVERGED)
    match = loss.analytical_spectrum().match(result.theta)
    assert match.identified.all()
    nullity = loss.analytical_spectrum().nullities(list(match.set))
    top = match.morse_index + nullity
    # One in a thousand: where eigenvalues cross, a run has removed all but 1e-13 of a
    # direction that is unstable at its end, and stops before that has grown.
    assert np.mean((match.morse_index <= index) & (index <= top)) >= 0.95


@pytest.mark.parametrize("loss, index", [(BOWL, 0), (SADDLE, 1)])
def test_one_step_on_a_quadratic_of_the_index(loss, index):
    result = solve(loss, (0.2, -0.1), index=index, max_step=10.0)
    assert result.n_iter[0] == 1
    assert result.status[0] == Status.CONVERGED


def test_wrong_index_leads_away():
    result = solve(BOWL, (0.2, -0.1), index=1, max_iter=100)
    assert result.status[0] != Status.CONVERGED
    assert np.linalg.norm(result.theta[0]) > 1


def test_converges_quadratically_at_the_end(rng):
    loss = autoencoder()
    starts = loss.analytical_spectrum().representative((0, 2))[None]
    starts = starts + 0.01 * rng.standard_normal(starts.shape)
    result = solve(loss, starts, tol=1e-28, store_history=True)
    norms = np.sqrt(result.history["squared_grad_norm"][0])
    inside = norms[(norms < 1e-2) & (norms > 1e-9)]
    assert len(inside) >= 2
    assert np.all(inside[1:] < 50 * inside[:-1] ** 2)


def test_steps_are_bounded(rng):
    loss = autoencoder()
    start = 0.3 * rng.standard_normal((5, loss.n_params_))
    params = {"balance": False, "max_step": 0.05, "tol": 0.0}
    previous = start
    for n in range(1, 6):
        result = solve(loss, start, max_iter=n, **params)
        move = np.linalg.norm(result.theta - previous, axis=1)
        assert np.all(move <= 0.05 * (1 + 1e-12))
        previous = result.theta


def test_quantiles_choose_among_the_negative_eigenvalues(rng):
    loss = autoencoder()
    starts = 0.3 * rng.standard_normal((30, loss.n_params_))
    u = rng.random(30)
    negative = np.sum(np.linalg.eigvalsh(loss.hessian(starts)) < -1e-9, axis=1)
    index = np.floor(u * (negative + 1)).astype(int)
    params = {"balance": False, "max_iter": 7}
    by_quantile = solve(loss, starts, quantile=u, **params)
    by_index = solve(loss, starts, index=index, **params)
    np.testing.assert_array_equal(by_quantile.theta, by_index.theta)
    assert np.all(by_quantile.n_hvp == by_index.n_hvp + loss.n_params_)


def test_costs_are_those_of_the_documentation(rng):
    loss = autoencoder()
    start = 0.3 * rng.standard_normal((4, loss.n_params_))
    result = solve(loss, start, max_iter=3, tol=0.0)
    verdict = loss.n_params_ + 2
    assert result.n_hvp.tolist() == [3 * loss.n_params_ + verdict] * 4
    assert result.n_gradient.tolist() == [5] * 4
    result = solve(
        loss, start, max_iter=3, tol=0.0, eigensolver="lobpcg", max_inner_iter=5
    )
    assert result.n_hvp.tolist() == [15 + verdict] * 4


def test_full_krylov_space_gives_the_dense_step(rng):
    loss = autoencoder()
    start = 0.3 * rng.standard_normal((6, loss.n_params_))
    dense, krylov = (
        solve(loss, start, max_iter=2, eigensolver=name).theta
        for name in ("dense", "lobpcg")
    )
    np.testing.assert_allclose(krylov, dense, atol=1e-7)


@pytest.mark.parametrize("balance", [True, False])
def test_rows_do_not_depend_on_the_batch(balance, rng):
    loss = autoencoder(eigenvalues=(5.0, 4.0, 3.0, 2.0, 1.0), hidden=(3,))
    starts = 0.3 * rng.standard_normal((9, loss.n_params_))
    solver = SaddleDynamics(
        quantile=rng.random(9), balance=balance, max_iter=30, store_history=True
    )
    together = solver.solve(loss, starts)
    for i in (0, 4, 8):
        rows = slice(i, i + 1)
        alone = solver.select(rows).solve(loss, starts[rows])
        np.testing.assert_array_equal(alone.theta[0], together.theta[i])
        assert alone.n_iter[0] == together.n_iter[i]


def test_a_start_that_is_not_finite_harms_nobody(rng):
    loss = autoencoder()
    starts = 0.3 * rng.standard_normal((3, loss.n_params_))
    expected = solve(loss, starts, max_iter=5)
    starts[1, 0] = np.nan
    result = solve(loss, starts, max_iter=5)
    assert result.status[1] == Status.DIVERGED
    for row in (0, 2):
        np.testing.assert_array_equal(result.theta[row], expected.theta[row])


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
def test_device_gives_the_results_of_numpy(eigensolver, rng):
    host, device = (
        autoencoder(backend=backend) for backend in ("numpy", "array_api_strict")
    )
    start = 0.3 * rng.standard_normal((4, host.n_params_))
    params = {"quantile": rng.random(4), "max_iter": 8, "eigensolver": eigensolver}
    expected = SaddleDynamics(**params).solve(host, start)
    there = to_device(start, "array_api_strict")
    for theta0 in (start, there):
        result = SaddleDynamics(**params).solve(device, theta0)
        np.testing.assert_allclose(result.theta, expected.theta, atol=1e-6)
        np.testing.assert_array_equal(result.status, expected.status)


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


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_symmetries_do_not_count_as_negative(dtype, rng):
    # In float32 half of the zero eigenvalues at a saddle are negative by rounding.
    X = make_gaussian_spectrum(
        100, eigenvalues=(4.0, 3.0, 2.0, 1.0), exact=True, random_state=0
    )
    rotation, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    loss = LinearAutoencoderLoss((2,), dtype=dtype).fit(X @ rotation)
    exact = LinearAutoencoderLoss((2,)).fit(X @ rotation).analytical_spectrum()
    starts = np.stack([exact.representative(name) for name in SETS])
    solver = SaddleDynamics(quantile=np.full(len(SETS), 1 - 1e-12))
    chosen = solver.setup(loss, starts).carry["index_asked"]
    np.testing.assert_array_equal(chosen, exact.morse_indices(SETS))


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


# Counts and ends


@pytest.mark.parametrize("eigensolver, n_hvp", [("dense", 16), ("lobpcg", 5)])
@pytest.mark.parametrize("quantile", [False, True])
def test_counts_are_what_the_loss_sees(eigensolver, n_hvp, quantile, rng):
    seen = {"gradient": 0, "hvp": 0}
    inner = autoencoder()

    def gradient(theta):
        seen["gradient"] += len(theta)
        return inner.gradient(theta)

    def hvp(theta, v):
        seen["hvp"] += int(np.sum(np.any(v != 0, axis=-1)))
        return inner.hvp(theta, v)

    loss = FunctionLoss(inner.value, gradient, hvp, n_params=16).fit()
    loss.length_scale()  # estimated once for a loss, by gradients that no search spends
    seen.update(gradient=0, hvp=0)
    params = {"eigensolver": eigensolver, "max_inner_iter": 5, "max_iter": 6}
    if quantile:
        params["quantile"] = np.array([0.5])
    result = solve(loss, 0.3 * rng.standard_normal(16), tol=0.0, **params)
    assert result.n_gradient[0] == seen["gradient"] == 8
    assert result.n_hvp[0] == seen["hvp"]
    # LOBPCG takes as many as it needs.
    expected = (6 + quantile) * n_hvp + 16 + 2
    if quantile and eigensolver == "lobpcg":
        assert result.n_hvp[0] > expected
    else:
        # The Krylov space of the verdict can be smaller than all of the space.
        assert expected - 16 < result.n_hvp[0] <= expected


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
def test_bad_starts_diverge_and_disturb_nobody(eigensolver, rng):
    loss = autoencoder()
    good = 0.3 * rng.standard_normal((3, loss.n_params_))
    bad = good.copy()
    bad[0, 3] = np.nan
    bad[1, 0] = np.inf
    bad[2] *= 1e120  # finite, with an infinite gradient
    order = [0, 3, 4, 1, 5, 2]
    is_bad = np.array(order) < 3
    u = rng.random(6)
    params = {"eigensolver": eigensolver, "max_iter": 40}
    starts = np.concatenate([bad, good])[order]
    result = solve(loss, starts, quantile=u, **params)
    alone = solve(loss, good, quantile=u[~is_bad], **params)
    assert np.all(result.status[is_bad] == Status.DIVERGED)
    assert np.all(result.n_iter[is_bad] == 0)
    for name in ("theta", "status", "n_iter", "n_gradient", "n_hvp"):
        np.testing.assert_array_equal(
            getattr(result, name)[~is_bad], getattr(alone, name)
        )


def test_starts_at_critical_points_stay():
    points = np.array([point for point, _ in HIMMELBLAU_POINTS])
    exact = solve(HIMMELBLAU, points, tol=1e-24).theta
    result = solve(HIMMELBLAU, exact, tol=1e-20)
    assert result.n_iter.tolist() == [0] * 9
    np.testing.assert_array_equal(result.theta, exact)


def test_no_critical_point_is_never_convergence(rng):
    starts = rng.uniform(-2, 2, size=(30, 2))
    for index in (0, 1, 2, "natural"):
        result = solve(SLOPE, starts, index=index, max_iter=60)
        assert not np.any(result.status == Status.CONVERGED)


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


# Symmetries passed over


def climbs_beside_the_orbit(loss, theta, index, floor):
    """Step of the dynamics on the complement of the tangents, by SciPy."""
    g, H = loss.gradient(theta), loss.hessian(theta)
    Q = scipy.linalg.null_space(loss.orbit_tangents(theta), rcond=1e-8)
    values, vectors = np.linalg.eigh(Q.T @ H @ Q)
    # The floor shrinks with the gradient, in units of the longest step.
    size = np.abs(values).max()
    floor = min(floor, np.linalg.norm(g) / size / 1e3)
    scaled = vectors.T @ Q.T @ g / np.maximum(np.abs(values), floor * size)
    return -Q @ vectors @ np.where(np.arange(len(values)) < index, -scaled, scaled)


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_step_beside_the_symmetries_is_the_brute_force(eigensolver, index, rng):
    # Seven atoms far from rest: along rotations the Hessian is as large as the
    # gradient. Two samples lie near a minimum, whose zero modes would be the lowest.
    loss = make_lennard_jones(7)
    truth = loss.ground_truth()
    starts = np.concatenate([
        truth.points[:2] + 0.02 * rng.standard_normal((2, 21)),
        truth.points[:2] + 0.1 * rng.standard_normal((2, 21)),
    ])
    result = solve(
        loss,
        starts,
        index=index,
        max_iter=1,
        max_step=1e3,
        tol=0,
        skip_symmetries=True,
        eigensolver=eigensolver,
        max_inner_iter=21,
    )
    for start, end in zip(starts, result.theta, strict=True):
        expected = climbs_beside_the_orbit(loss, start, index, 1e-2)
        error = np.linalg.norm(end - start - expected) / np.linalg.norm(expected)
        assert error <= 1e-6


@pytest.mark.parametrize("width", [1, 3, 8])
def test_skipped_symmetries_do_not_depend_on_the_batch(width, rng):
    loss = make_lennard_jones(5)
    starts = loss.draw_starts([np.random.default_rng(i) for i in range(8)])
    params = {"eigensolver": "lobpcg", "max_inner_iter": 6, "max_iter": 12}
    params |= {"skip_symmetries": True, "index": np.arange(8) % 3}
    together = SaddleDynamics(**params).solve(loss, starts)
    for begin in range(0, 8, width):
        rows = slice(begin, begin + width)
        alone = SaddleDynamics(**params).select(rows).solve(loss, starts[rows])
        np.testing.assert_array_equal(alone.theta, together.theta[rows])
        np.testing.assert_array_equal(alone.n_hvp, together.n_hvp[rows])


def test_tangents_last_if_the_step_does_not_undo_them(rng):
    # Rotations of two planes of R^6, and a translation: the step leads to a point that
    # one of the rotations, and one only, does not move. Any combinations of the three
    # say the same, in any unit.
    theta = np.array([3.0, 4.0, 1e-3, 2e-3, 1.0, 1.0])
    p = np.array([1.0, -1.0, -1e-3, -2e-3, 5.0, 0.0])

    def tangents(t, mixed):
        rows = np.zeros((3, 6))
        rows[0, :2], rows[1, 2:4], rows[2, 4] = (-t[1], t[0]), (-t[3], t[2]), 100
        return mixed @ rows

    for mixed in (np.eye(3), rng.standard_normal((3, 3)), 1e-4 * np.eye(3)):
        before = np.stack([tangents(theta, mixed)] * 2)
        after = np.stack([tangents(theta + p, mixed), tangents(theta + 0.5 * p, mixed)])
        lasting, some_vanish = lasting_tangents(before, after)
        assert some_vanish.tolist() == [True, False]
        for rows, names in zip(lasting, ([0, 2], [0, 1, 2]), strict=True):
            expected = tangents(theta, np.eye(3))[names]
            expected = expected.T @ np.linalg.pinv(expected.T)
            # The shortest tangent is 5e4 times shorter than the longest.
            np.testing.assert_allclose(rows.T @ rows, expected, atol=1e-9)


def test_orbits_that_shrink_hide_no_way_down(rng):
    # 6-3-6: near saddles of lower rank, rotations of the free units have short
    # tangents, along which the Hessian is as negative as it is there. With these left
    # out, searches returned to such saddles, whose index is 10.
    loss = autoencoder(eigenvalues=(6.0, 5.0, 4.0, 3.0, 2.0, 1.0), hidden=(3,))
    starts = rng.standard_normal((30, loss.n_params_))
    starts *= rng.random((30, 1)) / np.linalg.norm(starts, axis=1, keepdims=True) * 4
    for eigensolver in ("dense", "lobpcg"):
        result = solve(
            loss,
            starts,
            index=8,
            eigensolver=eigensolver,
            max_inner_iter=5,
            skip_symmetries=True,
            max_iter=100,
        )
        ended = result.status == Status.CONVERGED
        # An index of 8 is higher than that of some regions, in which searches circle.
        assert ended.mean() >= 0.9
        match = loss.analytical_spectrum().match(result.theta[ended])
        assert match.identified.all()
        assert np.all(match.morse_index <= 8)
