"""The published programs' arithmetic, against loops over a single start."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from skcrit import LinearAutoencoderLoss, TrajectoryStarts
from skcrit.datasets import make_gaussian_spectrum
from skcrit.linalg import minres_qlp
from skcrit.solvers import Status
from skcrit.solvers.flatness import flatness

PATH = Path(__file__).parents[2] / "examples" / "paper" / "as_published.py"
SPEC = importlib.util.spec_from_file_location("as_published", PATH)
published = importlib.util.module_from_spec(SPEC)
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(PATH.parent)
    SPEC.loader.exec_module(published)

SOLVERS = {
    "MR": published.PublishedNewtonMR,
    "repaired": lambda **params: published.PublishedNewtonMR(repaired=True, **params),
    "TR": published.PublishedNewtonTR,
    "GNM": published.PublishedGradNorm,
}


@pytest.fixture(scope="module")
def loss():
    X = make_gaussian_spectrum(500, eigenvalues=[6, 5, 4, 3, 2, 1], random_state=0)
    return LinearAutoencoderLoss((2,)).fit(X)


@pytest.fixture(scope="module")
def theta0(loss):
    return TrajectoryStarts(n_trajectories=2, n_steps=1000).sample(loss, 8, 0)


@pytest.fixture(scope="module")
def descents(loss, theta0):
    """Gradient norm minimisations, some of which collapse."""
    return published.PublishedGradNorm(tol=0.0, max_iter=1500).solve(loss, theta0)


def square(v):
    return float(np.sum(v * v))


def newton_mr(loss, theta, n_steps, repaired):
    """Iterate the published Newton-MR on one start: squared gradient norms."""

    def merit(point):
        g = loss.gradient(point)
        return square(g if repaired else loss.gradient(g))

    alpha, norms = 0.1, []
    for _ in range(n_steps):
        g = loss.gradient(theta)
        norms.append(square(g))
        local = loss.at(theta[None])
        p = minres_qlp(local.hvp, -g[None], max_iter=25, refine=False).x[0]
        slope = 2 * 1e-4 * (loss.hvp(theta, p) @ g)
        while merit(theta + alpha * p) > merit(theta) + alpha * slope:
            alpha *= 0.5
        theta = theta + alpha * p
        alpha = min(alpha / 0.5, 1.0) if repaired else alpha / 0.5
    return norms


def krylov_minimum(operator, b, size):
    """Minimise ``|A x - b|`` over a Krylov space by plain Lanczos, on unit vectors."""
    basis, T = [b / np.linalg.norm(b)], np.zeros((size + 1, size))
    for k in range(size):
        w = operator(basis[k])
        if k > 0:
            # The operator is not symmetric, but the recurrence believes that it is.
            T[k - 1, k] = T[k, k - 1]
            w = w - T[k, k - 1] * basis[k - 1]
        T[k, k] = basis[k] @ w
        w = w - T[k, k] * basis[k]
        T[k + 1, k] = np.linalg.norm(w)
        basis.append(w / T[k + 1, k])
    right = np.linalg.norm(b) * np.eye(size + 1)[0]
    return np.array(basis[:size]).T @ np.linalg.lstsq(T, right)[0]


def shifted(loss, theta):
    """Add the number that should have been a multiple of the vector."""
    return lambda v: loss.hvp(theta, v) + np.sum(1e-7 * theta)


def newton_tr(loss, theta, n_steps, size):
    """Iterate the published Newton-TR on one start: squared gradient norms."""
    norms = []
    for _ in range(n_steps):
        g = loss.gradient(theta)
        norms.append(square(g))
        best, operator = theta, shifted(loss, theta)
        # Ten times the same operator, because all look up the last shift.
        for _ in range(10):
            p = krylov_minimum(operator, -g, size)
            if square(loss.gradient(theta + 0.1 * p)) < square(g):
                best = theta + 0.1 * p
        theta = best
    return norms


def grad_norm(loss, theta, n_steps):
    """Iterate the published gradient norm minimisation on one start."""
    alpha, norms = 0.1, []

    def expand(point):
        g = loss.gradient(point)
        return square(g) / 2, loss.hvp(point, g)

    for _ in range(n_steps):
        phi, q = expand(theta)
        norms.append(2 * phi)
        while alpha > 0:
            new, new_q = expand(theta - alpha * q)
            decreased = new <= phi - 1e-4 * alpha * square(q)
            if decreased and q @ new_q <= 0.9 * square(q):
                break
            alpha *= 0.5
        if np.array_equal(theta, theta - alpha * q):
            break
        theta, alpha = theta - alpha * q, alpha / 0.5
    return norms


@pytest.mark.parametrize("repaired", [False, True])
def test_newton_mr_steps(loss, theta0, repaired):
    solver = published.PublishedNewtonMR(
        repaired=repaired, tol=0.0, max_iter=11, store_history=True
    )
    result = solver.solve(loss, theta0[:3])
    for row in range(3):
        expected = newton_mr(loss, theta0[row], 12, repaired)
        got = result.history["squared_grad_norm"][row]
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-20)


def test_newton_tr_steps(loss, theta0, monkeypatch):
    # The small network has 24 parameters: 25 inner iterations would end in rounding.
    monkeypatch.setitem(published.INNER, "max_iter", 6)
    solver = published.PublishedNewtonTR(tol=0.0, max_iter=9, store_history=True)
    result = solver.solve(loss, theta0[:3])
    for row in range(3):
        expected = newton_tr(loss, theta0[row], 10, 6)
        got = result.history["squared_grad_norm"][row]
        np.testing.assert_allclose(got, expected[: len(got)], rtol=1e-8)
        assert np.all(np.array(expected[len(got) :]) == expected[len(got) - 1])
    # Ten solves of six products, and the two closing products of each; then the
    # verdict on what did not arrive.
    moved = result.n_iter == 9
    assert moved.any()
    *_, n_hvp = flatness(loss.at(result.theta[moved]))
    assert np.all(result.n_hvp[moved] == 9 * 10 * 8 + n_hvp)


def test_grad_norm_steps(loss, theta0):
    solver = published.PublishedGradNorm(tol=0.0, max_iter=40, store_history=True)
    result = solver.solve(loss, theta0)
    for row in range(len(theta0)):
        got = result.history["squared_grad_norm"][row]
        expected = grad_norm(loss, theta0[row], 41)
        assert len(got) == len(expected)
        np.testing.assert_allclose(got, expected, rtol=1e-8)


def test_newton_tr_converges_linearly(loss, theta0):
    solver = published.PublishedNewtonTR(tol=1e-20, max_iter=400, store_history=True)
    result = solver.solve(loss, theta0)
    converged = np.flatnonzero(result.squared_grad_norm < 1e-20)
    assert len(converged) >= 4
    rates = []
    for row in converged:
        decades = np.log10(result.history["squared_grad_norm"][row])
        last = decades[decades < -10]
        rates.append((last[0] - last[-1]) / (len(last) - 1))
    # The residual falls by 1 - 0.1 a step, never by more.
    assert np.median(rates) == pytest.approx(-2 * np.log10(0.9), rel=0.05)


def test_grad_norm_collapses_although_a_step_exists(loss, descents):
    early = descents.status == Status.STALLED
    assert early.any()
    theta = descents.theta[early]
    exists, length = published.collapses(loss, theta)
    assert exists.all()
    for point, alpha in zip(theta, length, strict=True):
        q = loss.hvp(point, loss.gradient(point))
        new = point - alpha * q
        new_g = loss.gradient(new)
        decrease = square(loss.gradient(point)) - square(new_g)
        assert decrease >= 2 * 1e-4 * alpha * square(q)
        assert q @ loss.hvp(new, new_g) <= 0.9 * square(q)


def test_no_step_where_nothing_is_finite(loss):
    exists, length = published.collapses(loss, np.full((1, 24), np.nan))
    assert not exists.any()
    assert np.isnan(length).all()


@pytest.mark.parametrize("name", SOLVERS)
def test_rows_do_not_depend_on_the_batch(loss, theta0, name):
    solver = SOLVERS[name](tol=0.0, max_iter=12)
    together = solver.solve(loss, theta0)
    for row in range(len(theta0)):
        alone = solver.solve(loss, theta0[row : row + 1])
        assert np.array_equal(alone.theta[0], together.theta[row])
        assert alone.n_hvp[0] == together.n_hvp[row]
        assert alone.n_gradient[0] == together.n_gradient[row]


def ladder(solver, loss, theta0):
    """Collect the first length of each search, of all starts."""
    state, lengths = solver.setup(loss, theta0), []
    for _ in range(25):
        lengths.append(state.carry["alpha"])
        state = solver.step(loss, state)
    return np.concatenate(lengths)


def test_ladder_contains_no_unit_step(loss, theta0):
    lengths = ladder(published.PublishedNewtonMR(), loss, theta0)
    assert np.all(np.frexp(lengths / 0.1)[0] == 0.5)
    assert not np.any(lengths == 1)
    assert np.any(lengths > 1)
    lengths = ladder(published.PublishedNewtonMR(repaired=True), loss, theta0)
    assert lengths.max() == 1


def test_leak_along_chains(loss, theta0):
    params = {"tol": 0.0, "max_iter": 5, "leak": True}
    both = published.PublishedNewtonMR(n_chains=2, **params).solve(loss, theta0[:4])
    solver = published.PublishedNewtonMR(**params)
    for chain in range(2):
        one = solver.solve(loss, theta0[chain:4:2])
        assert np.array_equal(one.theta, both.theta[chain::2])
    again = solver.solve(loss, theta0[1:4:2])
    assert np.array_equal(again.theta, one.theta)
    fresh = published.PublishedNewtonMR(tol=0.0, max_iter=5).solve(loss, theta0[:4])
    assert np.array_equal(fresh.theta[:2], both.theta[:2])
    # The second chain goes on with a length below 0.1, on which its end depends.
    assert not np.array_equal(fresh.theta[3], both.theta[3])


def test_leak_depends_on_where_the_tolerance_ends_a_search(loss, theta0):
    params = {"max_iter": 40, "leak": True}
    tols = (1e-1, 1e-10)
    solver = published.PublishedNewtonMR(tol=0.0, **params)
    for tol, result in zip(
        tols, solver.solve_tols(loss, theta0[:3], tols), strict=True
    ):
        alone = published.PublishedNewtonMR(tol=tol, **params).solve(loss, theta0[:3])
        assert np.array_equal(result.theta, alone.theta)
        assert np.array_equal(result.n_iter, alone.n_iter)


def test_leak_ends_all_later_searches_after_a_collapse(loss, theta0, descents):
    early = np.flatnonzero(descents.status == Status.STALLED)
    first = early[np.argmin(descents.n_iter[early])]
    starts = theta0[[first, 0, 1]]
    solver = published.PublishedGradNorm(leak=True, tol=0.0, max_iter=1500)
    result = solver.solve(loss, starts)
    assert np.all(result.status == Status.STALLED)
    assert result.n_iter[1:].tolist() == [0, 0]
    assert np.array_equal(result.theta[1:], starts[1:])


@pytest.mark.parametrize("name", ["NewtonMR", "NewtonTR", "GradNorm"])
# In twenty iterations the published programs do not arrive.
@pytest.mark.filterwarnings("ignore::skcrit.exceptions.NotConvergedWarning")
def test_finders(loss, theta0, name, monkeypatch):
    # 25 inner iterations would end in rounding, which depends on the coordinates.
    monkeypatch.setitem(published.INNER, "max_iter", 6)
    finder = getattr(published, f"Published{name}Finder")
    finder = finder(n_starts=8, init=theta0, max_iter=20, tol=1e-10)
    assert clone(finder).get_params()["n_starts"] == 8
    finder.fit(loss)
    # The same arithmetic as in the user's coordinates ...
    solver = getattr(published, f"Published{name}")(max_iter=20, tol=1e-10)
    plain = solver.solve(loss, theta0)
    np.testing.assert_allclose(finder.final_params_, plain.theta, atol=1e-9)
    assert np.array_equal(finder.results_["n_iter"], plain.n_iter)
    # ... bit by bit in those of the search.
    coordinates = loss.coordinates()
    solver = finder._make_solver()
    inside = solver.solve(coordinates.loss, coordinates.into(theta0))
    assert np.array_equal(finder.final_params_, coordinates.back(inside.theta))


def test_newton_tr_needs_the_coordinates_of_the_authors(loss, theta0, monkeypatch):
    monkeypatch.setitem(published.INNER, "max_iter", 6)
    coordinates = loss.coordinates()
    solver = published.PublishedNewtonTR(tol=1e-10, max_iter=1)
    inside = solver.solve(coordinates.loss, coordinates.into(theta0))
    difference = coordinates.back(inside.theta) - solver.solve(loss, theta0).theta
    assert np.abs(difference).max() > 1e-8


def test_finder_leaks_within_one_batch(loss, theta0):
    finder = published.PublishedNewtonMRFinder(n_starts=8, init=theta0, leak=True)
    with pytest.raises(ValueError, match="batch_size of at least n_starts=8, got None"):
        finder.fit(loss)
    assert finder.set_params(batch_size=8)._make_solver().leak
