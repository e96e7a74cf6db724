"""Searches that creep go on in natural steps; the others do not notice."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.preprocessing import StandardScaler

from skcrit import LinearAutoencoderLoss, NewtonMRFinder, SaddleDynamicsFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import FunctionLoss
from skcrit.solvers import Fallback, NewtonMR, Status
from skcrit.solvers import natural_step as module
from skcrit.solvers._trust import adapted, misses
from skcrit.solvers.eigenpairs import Eigenpairs, dense_eigenpairs
from skcrit.solvers.natural_step import UNCHOSEN, natural_step

from ._potentials import BOWL, HIMMELBLAU, SADDLE

BREAST_CANCER = load_breast_cancer().data


@pytest.mark.filterwarnings("ignore::skcrit.exceptions.ResolutionWarning")
@pytest.mark.parametrize("finder", [NewtonMRFinder, SaddleDynamicsFinder])
@pytest.mark.parametrize(
    "X",
    [
        load_wine().data,
        BREAST_CANCER[:, :10],
        StandardScaler().fit_transform(BREAST_CANCER[:, :10]),
    ],
    ids=["wine", "breast cancer", "standardised"],
)
def test_defaults_are_right_on_real_data(finder, X):
    loss = LinearAutoencoderLoss((2,))
    fit = finder(loss, n_starts=10, init="gaussian", random_state=0).fit(X)
    assert fit.score() == 1.0


def test_the_fallback_is_counted_and_leaves_others_alone():
    loss = LinearAutoencoderLoss((2,)).fit(load_wine().data).coordinates().loss
    streams = [np.random.default_rng(i) for i in range(6)]
    starts = loss.draw_starts(streams)
    method = NewtonMR(max_iter=50)
    alone, result = method.solve(loss, starts), Fallback(method).solve(loss, starts)
    own = result.extra["n_fallback"] == 0
    assert 0 < np.sum(own) < len(own)
    np.testing.assert_array_equal(result.theta[own], alone.theta[own])
    np.testing.assert_array_equal(result.n_hvp[own], alone.n_hvp[own])
    assert np.sum(result.status == 0) > np.sum(alone.status == 0)
    # A start does not depend on its batch.
    for row in (np.flatnonzero(own)[0], np.flatnonzero(~own)[0]):
        single = Fallback(method).solve(loss, starts[[row]])
        np.testing.assert_array_equal(single.theta[0], result.theta[row])


def test_a_natural_step_turns_the_lowest_directions_up():
    # Up along x, where the curvature is -2, down along y and z; 0.5 is the bound.
    A = np.diag([-2.0, 1.0, 4.0])
    loss = FunctionLoss(
        lambda t: np.sum(t * (t @ A), axis=-1) / 2,
        lambda t: t @ A,
        lambda t, v: v @ A,
        n_params=3,
    ).fit()
    theta = np.array([[0.1, 0.02, -0.03], [10.0, 0.0, 0.0]])
    step = natural_step(loss, loss.at(theta), np.full(2, UNCHOSEN))
    np.testing.assert_allclose(step.p[0], -theta[0], rtol=1e-12)
    np.testing.assert_allclose(step.p[1], [-0.5, 0, 0], rtol=1e-12)
    assert step.index.tolist() == [1, 1]
    forced = natural_step(loss, loss.at(theta[:1]), np.array([0]))
    np.testing.assert_allclose(forced.p[0], [0.1, -0.02, 0.03], rtol=1e-12)


def test_models_are_trusted_by_the_gradients_behind_steps(rng):
    before, after, change, unit = rng.standard_normal((4, 3, 5))
    error, growth = misses(before, after, change, unit)
    for i in range(3):
        size = np.linalg.norm(unit[i] * before[i])
        miss = np.linalg.norm(unit[i] * (after[i] - (before[i] + change[i])))
        np.testing.assert_allclose(error[i], miss / size, rtol=1e-12)
        grown = np.linalg.norm(unit[i] * after[i]) / size
        np.testing.assert_allclose(growth[i], grown, rtol=1e-12)
    # A quadratic function is its own model, whatever the bounds of a step.
    theta = rng.standard_normal((4, 2))
    for trust in (0.1, 10.0):
        step = natural_step(SADDLE, SADDLE.at(theta), np.full(4, UNCHOSEN), trust)
        np.testing.assert_allclose(step.error, 0.0, atol=1e-12)
    # Missed by its own size, by three quarters, by a third, and hardly, growing or not.
    error = np.array([1.1, 0.75, 0.3, 0.3, 0.005, 0.005])
    growth = np.array([2.0, 0.5, 0.5, 0.5, 0.5, 2.0])
    trust = np.array([1.0, 0.5, 0.25, 4.0, 4.0, 4.0])
    expected = [0.5, 0.5, 0.5, 4.0, 8.0, 4.0]
    np.testing.assert_array_equal(adapted(trust, error, growth, 0.1), expected)
    np.testing.assert_array_equal(adapted(trust[:1], error[:1], growth[:1], 0.8), 0.8)


def test_each_direction_of_a_natural_step_has_a_bound_of_its_own():
    # The direction that is far from where it leads holds up no other one.
    A = np.diag([-2.0, 1.0, 4.0])
    loss = FunctionLoss(
        lambda t: np.sum(t * (t @ A), axis=-1) / 2,
        lambda t: t @ A,
        lambda t, v: v @ A,
        n_params=3,
    ).fit()
    loss.length_scale = lambda: np.array([1.0, 10.0, 0.1])
    theta = np.array([[10.0, 4.0, -3.0]])
    step = natural_step(loss, loss.at(theta), np.full(1, UNCHOSEN))
    np.testing.assert_allclose(step.p, [[-0.5, -4.0, 0.05]], rtol=1e-12)


def test_the_error_is_that_of_the_quadratic_model():
    theta = np.array([[0.3, -0.6], [2.0, 1.0]])
    step = natural_step(HIMMELBLAU, HIMMELBLAU.at(theta), np.full(2, UNCHOSEN), 0.1)
    g, H = HIMMELBLAU.gradient(theta), HIMMELBLAU.hessian(theta)
    missed = HIMMELBLAU.gradient(theta + step.p) - g - (H @ step.p[..., None])[..., 0]
    assert np.all(step.error > 0)
    unit = dense_eigenpairs(HIMMELBLAU.at(theta), g, units="own").unit
    expected = np.linalg.norm(unit * missed, axis=1)
    expected /= np.linalg.norm(unit * g, axis=1)
    np.testing.assert_allclose(step.error, expected, rtol=1e-9)


def test_a_long_slope_is_no_reason_to_end():
    # A quadratic model is exact here, and the minimum 1e5 length scales away.
    loss = FunctionLoss(
        lambda t: np.sum((t - 1e5) ** 2, axis=-1),
        lambda t: 2 * (t - 1e5),
        lambda t, v: 2 * v,
        n_params=2,
    ).fit()
    loss.length_scale = lambda: 1.0
    result = Fallback(NoStep()).solve(loss, np.zeros((1, 2)))
    assert result.status[0] == Status.CONVERGED
    assert result.n_iter[0] < 40


@pytest.mark.filterwarnings("ignore::skcrit.exceptions.ResolutionWarning")
def test_searches_on_badly_conditioned_data_arrive():
    # With one bound for all directions four of these 20 searches stopped on their way.
    loss = LinearAutoencoderLoss((5,))
    finder = NewtonMRFinder(loss, n_starts=20, init="gaussian", random_state=0)
    assert finder.fit(BREAST_CANCER[:, :14]).score() == 1.0


@pytest.mark.parametrize("in_units", [True, False])
def test_lengths_are_those_of_the_vectors(in_units):
    rng = np.random.default_rng(0)
    vectors = np.linalg.qr(rng.standard_normal((2, 4, 4)))[0]
    basis = np.linalg.qr(rng.standard_normal((2, 9, 4)))[0].swapaxes(1, 2)
    own = rng.uniform(1, 100, (2, 9)) if in_units else None
    for base, n in ((basis, 9), (None, 4)):
        unit = None if own is None else own[:, :n]
        pairs = Eigenpairs(None, None, vectors, basis=base, unit=unit)
        length = rng.uniform(0.1, 10, n)
        each = [pairs.combine(np.tile(row, (2, 1))) for row in np.eye(4)]
        expected = np.linalg.norm(np.stack(each, axis=1) / length, axis=-1)
        np.testing.assert_allclose(pairs.lengths(length), expected, rtol=1e-12)


def test_a_search_without_critical_points_ends():
    loss = FunctionLoss(
        lambda t: t[..., 0] + t[..., 1] ** 2,
        lambda t: np.stack([np.ones_like(t[..., 0]), 2 * t[..., 1]], axis=-1),
        lambda t, v: np.stack([0 * v[..., 0], 2 * v[..., 1]], axis=-1),
        n_params=2,
    ).fit()
    result = Fallback(NewtonMR()).solve(loss, np.array([[0.0, 1.0]]))
    assert result.status[0] in (Status.STALLED, Status.GRADIENT_FLAT)
    assert result.n_iter[0] < 150


class NoStep(NewtonMR):
    """A method that finds no step."""

    def step(self, loss, state):
        return replace(state, stuck=np.ones(len(state.rows), dtype=bool))


def test_the_index_is_chosen_again_where_no_point_has_it():
    # The only critical point is a minimum left of zero. The search begins between, on a
    # slope of negative curvature, and up there lies nothing.
    def bell(t):
        return 1 / np.cosh(t - 2) ** 2

    loss = FunctionLoss(
        lambda t: np.sum(t**2 / 2 + 3 * np.tanh(t - 2), axis=-1),
        lambda t: t + 3 * bell(t),
        lambda t, v: (1 - 6 * bell(t) * np.tanh(t - 2)) * v,
        n_params=1,
    ).fit()
    start = np.array([[2.66]])
    assert loss.hessian(start)[0, 0, 0] < 0
    minimum = brentq(lambda x: x + 3 * bell(x), -1, 0)
    result = Fallback(NoStep()).solve(loss, start)
    assert result.status[0] == Status.CONVERGED
    np.testing.assert_allclose(result.theta, minimum, rtol=1e-10)
    # What was asked for stays.
    asked = Fallback(NoStep(), index=np.array([1])).solve(loss, start)
    assert asked.status[0] == Status.STALLED


def test_what_was_asked_for_an_index_in_vain_is_searched_by_the_method():
    # A bowl has no critical point of index 1 and one of index 0.
    solver = Fallback(NewtonMR(max_iter=300), np.array([1, -1]))
    result = solver.solve(BOWL, np.full((2, 2), 0.5))
    alone = NewtonMR(max_iter=300).solve(BOWL, np.full((1, 2), 0.5))
    assert result.status.tolist() == [Status.CONVERGED] * 2
    np.testing.assert_array_equal(result.theta[0], alone.theta[0])
    np.testing.assert_array_equal(result.theta[1], alone.theta[0])
    assert result.n_iter[0] == 100 + result.n_iter[1] + 1


def test_an_index_that_is_asked_for_is_reached():
    solver = Fallback(NewtonMR(max_iter=300), np.array([0, 1, 2]))
    result = solver.solve(HIMMELBLAU, np.tile([[0.3, -0.6]], (3, 1)))
    assert result.status.tolist() == [Status.CONVERGED] * 3
    values = np.linalg.eigvalsh(HIMMELBLAU.hessian(result.theta))
    assert np.sum(values < 0, axis=1).tolist() == [0, 1, 2]


def test_many_parameters_go_on_with_the_signs_of_ritz_values(monkeypatch):
    # As beyond 512 parameters: no dense Hessian, and each direction has its own sign.
    X = make_gaussian_spectrum(40, eigenvalues=[3, 2, 1], exact=True, random_state=0)
    loss = LinearAutoencoderLoss((2,)).fit(X)
    theta0 = 0.5 * np.random.default_rng(0).standard_normal((6, loss.n_params_))
    local = loss.at(theta0)
    asked, trust = np.full(6, UNCHOSEN), np.full(6, 0.5)
    dense = natural_step(loss, local, asked, trust)
    monkeypatch.setattr(module, "MAX_DENSE_FALLBACK", 4)
    few = natural_step(loss, local, asked, trust)
    assert np.all(few.n_hvp <= 100)
    # The Krylov space of 12 products is the whole space: the steps are the same.
    np.testing.assert_allclose(few.p, dense.p, atol=1e-6)
    solver = Fallback(NewtonMR(max_iter=200, max_backtracks=0))
    result = solver.solve(loss, theta0)
    assert np.sum(result.extra["n_fallback"] > 0) >= 5
    ended = result.status == Status.CONVERGED
    assert ended.sum() >= 5
    np.testing.assert_allclose(loss.gradient(result.theta[ended]), 0, atol=1e-10)
