"""Bounds of the Morse index from products, against dense eigenvalues."""

import numpy as np
import pytest

from skcrit import FunctionLoss, LinearAutoencoderLoss, MLPLoss
from skcrit.datasets import make_gaussian_spectrum
from skcrit.search import describe as describe_module
from skcrit.search import index_bounds as module
from skcrit.search.index_bounds import bound_index
from skcrit.search.problem import pose
from tests.metrics._tanh import CLASSES, finder_at, make_points, make_tanh_loss


def quadratic(eigenvalues):
    d = np.asarray(eigenvalues, dtype=float)
    return FunctionLoss(
        lambda t: np.sum(d * t**2, axis=-1) / 2,
        lambda t: d * t,
        lambda t, v: d * v,
        n_params=len(d),
    ).fit()


def bounds_of(loss, theta):
    problem = pose(loss)
    theta = problem.loss.asarray(problem.into(np.atleast_2d(theta)))
    return bound_index(problem.loss, theta, problem.scales)


def network(alpha=1e-3, activation="tanh", loss="squared_error", **params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6))
    X[:, 4:] = 0
    y = np.digitize(X[:, 0] * X[:, 1], [-0.5, 0.5])
    return MLPLoss((8,), activation, alpha=alpha, loss=loss, **params).fit(X, y)


@pytest.mark.parametrize("k", [0, 1, 3, 6])
def test_a_gap_brackets_the_index(k):
    d = np.r_[-np.linspace(1, 0.5, k), np.linspace(0.2, 3, 300 - k)]
    found = bounds_of(quadratic(d), np.zeros(300))
    assert found.n_below.tolist() == [k]
    assert (found.low[0], found.high[0]) == (k / 300, k / 300)
    assert found.fraction[0] == pytest.approx(k / 300)


def test_intervals_hold_at_their_rate():
    rng, hits = np.random.default_rng(0), []
    for _ in range(10):
        d = rng.normal(0.4, 1, 200)
        found = bounds_of(quadratic(d), np.zeros(200))
        part = np.mean(d < 0)
        assert found.n_below[0] <= np.sum(d < 0)
        hits.append(found.low[0] <= part <= found.high[0])
    assert np.mean(hits) >= 0.9


@pytest.mark.parametrize("alpha", [0.0, 1e-3])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_networks_against_dense_eigenvalues(alpha, loss, rng):
    f = network(alpha, loss=loss)
    theta = f.rescale(rng.normal(size=f.n_params_))
    values = np.linalg.eigvalsh(f.hessian(theta))
    found = bounds_of(f, theta)
    part = np.mean(values < -1e-9)
    assert found.low[0] <= part <= found.high[0]
    assert found.n_below[0] <= np.sum(values < -1e-9)


def test_what_is_not_resolved_is_nan(monkeypatch):
    monkeypatch.setattr(module, "_N_VECTORS", 5)
    d = np.geomspace(1e-8, 1, 400) * np.resize([1, -1], 400)
    found = bounds_of(quadratic(d), np.zeros(400))
    assert np.isnan(found.fraction[0])
    assert found.low[0] <= 0.5 <= found.high[0]


def test_products_that_are_not_finite_tell_nothing():
    loss = FunctionLoss(
        lambda t: np.sum(t**2, axis=-1),
        lambda t: 2 * t,
        lambda t, v: v * np.where(np.abs(t) > 1e3, np.nan, 2.0),
        n_params=50,
    ).fit()
    found = bounds_of(loss, np.full(50, 1e4))
    assert np.isnan(found.fraction[0])
    assert (found.n_below[0], found.low[0], found.high[0]) == (0, 0.0, 1.0)


def test_a_row_does_not_see_the_others(rng):
    f = network()
    theta = rng.normal(size=(3, f.n_params_))
    together, alone = bounds_of(f, theta), bounds_of(f, theta[1])
    for name in ("n_below", "fraction", "low", "high"):
        assert getattr(together, name)[1] == getattr(alone, name)[0]


@pytest.mark.parametrize("activation", ["tanh", "relu", "identity"])
@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.filterwarnings("ignore:.*relu")
def test_tangents_are_counted_before_they_are_formed(
    activation, alpha, fit_intercept, rng
):
    for loss in ("squared_error", "log_loss"):
        f = network(alpha, activation, loss, fit_intercept=fit_intercept)
        theta = rng.normal(size=f.n_params_)
        assert f.count_tangents(theta) == len(f.orbit_tangents(theta))


def test_too_many_tangents_are_left_out(monkeypatch, rng):
    f = network(alpha=0.0)
    theta = f.rescale(rng.normal(size=f.n_params_))
    monkeypatch.setattr(module, "_MAX_TANGENT_NUMBERS", 10)
    monkeypatch.setattr(type(f), "orbit_tangents", None)
    part = np.mean(np.linalg.eigvalsh(f.hessian(theta)) < -1e-9)
    found = bounds_of(f, theta)
    assert found.low[0] <= part <= found.high[0]


def test_finders_report_fraction_and_interval(monkeypatch):
    loss = make_tanh_loss()
    points = make_points(loss)
    dense = finder_at(loss, points)
    known = dense.morse_indices_ / 13
    assert known.tolist() == [index / 13 for _, index, _ in CLASSES]
    np.testing.assert_array_equal(dense.index_fractions_, known)
    np.testing.assert_array_equal(dense.index_interval_, np.stack([known] * 2, -1))
    monkeypatch.setattr(describe_module, "MAX_DENSE_FORMED", 12)
    bounded = finder_at(loss, points)
    assert np.all(bounded.morse_indices_ == -1)
    # With six eigenpairs and a gap the bounds meet.
    np.testing.assert_allclose(bounded.index_fractions_, known, atol=1e-12)
    expected = np.stack([known] * 2, -1)
    np.testing.assert_allclose(bounded.index_interval_, expected, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("eigenvalues", [[4, 3, 2, 1], [3, 3, 1, 1], [2, 1, 0, 0]])
def test_tangents_of_linear_networks_are_counted(eigenvalues, alpha):
    X = make_gaussian_spectrum(20, eigenvalues=eigenvalues, exact=True, random_state=0)
    for penalty in ("sum", "product"):
        loss = LinearAutoencoderLoss((3, 2), penalty=penalty, alpha=alpha).fit(X)
        theta = np.ones(loss.n_params_)
        assert loss.count_tangents(theta) == len(loss.orbit_tangents(theta))
