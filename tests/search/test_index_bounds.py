"""Bounds of the Morse index from products, against dense eigenvalues."""

import numpy as np
import pytest

from skcrit import FunctionLoss, LinearAutoencoderLoss, MLPLoss, NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.search import describe as describe_module
from skcrit.search import index_bounds as module
from skcrit.search import zero_modes
from skcrit.search.index_bounds import bound_index
from skcrit.search.problem import pose
from tests.losses._tanh import CLASSES, finder_at, make_points, make_tanh_loss


def quadratic(eigenvalues):
    d = np.asarray(eigenvalues, dtype=float)
    return FunctionLoss(
        lambda t: np.sum(d * t**2, axis=-1) / 2,
        lambda t: d * t,
        lambda t, v: d * v,
        n_params=len(d),
    ).fit()


@pytest.fixture(params=["dense", "products"])
def way(request, monkeypatch):
    if request.param == "products":
        monkeypatch.setattr(module, "MAX_DENSE_FORMED", 0)
        monkeypatch.setattr(module, "_N_VECTORS", 60)
    return request.param


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
def test_a_gap_brackets_the_index(k, way):
    d = np.r_[-np.linspace(1, 0.5, k), np.linspace(0.2, 3, 300 - k)]
    found = bounds_of(quadratic(d), np.zeros(300))
    assert found.n_below[0] == k
    assert (found.low[0], found.high[0]) == (k / 300, k / 300)
    assert found.fraction[0] == pytest.approx(k / 300)


def shares_of(d, level):
    d, level = np.asarray(d), level * np.max(np.abs(d))
    return np.array([np.mean(d < -level), np.mean(abs(d) <= level), np.mean(d > level)])


def test_intervals_hold_at_their_rate(way):
    rng, hits = np.random.default_rng(0), []
    for _ in range(10):
        d = rng.normal(0.4, 1, 200)
        found = bounds_of(quadratic(d), np.zeros(200))
        part = np.mean(d < 0)
        assert found.n_below[0] <= np.sum(d < 0)
        hits.append(found.low[0] <= part <= found.high[0])
    assert np.mean(hits) >= 0.9


def test_a_crowd_at_zero_is_flat_to_a_level(monkeypatch):
    """Signs down to rounding stay unknown; the shares at a level are known."""
    monkeypatch.setattr(module, "MAX_DENSE_FORMED", 0)
    monkeypatch.setattr(module, "_N_VECTORS", 50)
    rng, hits = np.random.default_rng(0), []
    for _ in range(4):
        # Nine in ten are between 1e-12 and 1e-5, of either sign.
        d = 10 ** rng.uniform(-12, -5, 3000) * rng.choice([-1, 1], 3000)
        d[:300] = rng.uniform(0.3, 1, 300) * rng.choice([-1, 1, 1], 300)
        found = bounds_of(quadratic(d), np.zeros(3000))
        assert np.isnan(found.fraction[0])
        assert found.high[0] - found.low[0] > 0.5
        shares = found.inertia
        # The norm is estimated, from below.
        assert 1e-6 < shares.level[0] < 0.3
        true = shares_of(d, shares.level[0])
        hits.append((shares.low[0] <= true) & (true <= shares.high[0]))
        assert np.sum(shares.share[0]) == pytest.approx(1)
        width = shares.high[0] - shares.low[0]
        assert width[0] < 0.02
        assert np.all(width < 0.035)
    assert np.mean(hits) >= 0.9


def crowded(rng, n):
    """Most eigenvalues are nearly zero, as without a penalty; one in ten is not."""
    d = 10 ** rng.uniform(-12, -5, n) * rng.choice([-1, 1], n)
    d[: n // 10] = rng.uniform(0.3, 1, n // 10) * rng.choice([-1, 1, 1, 1], n // 10)
    return rng.permutation(d)


def found_at_zero(d):
    finder = NewtonMRFinder(quadratic(d), init=np.zeros((1, len(d))), n_starts=1)
    return finder.fit()


def test_index_intervals_of_finders_hold_at_their_level(monkeypatch):
    monkeypatch.setattr(describe_module, "MAX_DENSE_FORMED", 0)
    monkeypatch.setattr(module, "MAX_DENSE_FORMED", 0)
    monkeypatch.setattr(module, "_N_VECTORS", 50)
    rng, hits = np.random.default_rng(1), []
    for _ in range(20):
        d = crowded(rng, 500)
        finder = found_at_zero(d)
        level, (low, high) = finder.inertia_levels_[0], finder.index_interval_[0]
        assert 1e-6 < level < 0.3
        hits.append(low <= shares_of(d, level)[0] <= high)
        assert low <= finder.index_fractions_[0] <= high
        # What is claimed of all negative eigenvalues, flat ones included.
        most = 1 - finder.inertia_intervals_[0, 2, 0]
        assert low <= np.mean(d < 0) <= most
    # Of at least 95 %: 18 of 20 have a probability of 0.92 then, 17 one of 0.98.
    assert np.sum(hits) >= 17


def test_index_intervals_are_narrow_where_eigenvalues_crowd_at_zero(monkeypatch):
    """Width below 0.01, though hardly a sign is known down to rounding."""
    monkeypatch.setattr(module, "_N_VECTORS", 60)
    d = crowded(np.random.default_rng(2), 5000)
    finder = found_at_zero(d)
    low, high = finder.index_interval_[0]
    assert low <= shares_of(d, finder.inertia_levels_[0])[0] <= high < low + 0.01
    assert finder.inertia_shares_[0, 1] == pytest.approx(0.9, abs=0.01)
    assert finder.morse_indices_[0] == -1


def test_directions_that_no_sample_sees(rng, way):
    """Whole and reduced Hessian have the same eigenvalues, with the known rest."""
    X = rng.normal(size=(12, 4)) @ rng.normal(size=(4, 15))
    X[:, 3] = 0
    for alpha, penalize_intercept in ((0.0, False), (0.1, False), (0.1, True)):
        f = MLPLoss((4,), alpha=alpha, penalize_intercept=penalize_intercept)
        f.fit(X, X[:, :2] ** 2)
        seen, theta = f.data_subspace(), rng.normal(size=f.n_params_)
        assert seen.n_coordinates == 4 * 5 + 10
        theta = seen.expand(seen.reduce(theta))
        H, c = f.hessian(theta), rng.normal(size=seen.n_coordinates)
        np.testing.assert_allclose(seen.reduce(seen.expand(c)), c, atol=1e-13)
        other = rng.normal(size=f.n_params_)
        other = other - seen.expand(seen.reduce(other))
        np.testing.assert_allclose(seen.reduce(other), 0, atol=1e-13)
        np.testing.assert_allclose(H @ other, seen.decay * other, atol=1e-13)
        values = np.linalg.eigvalsh(H)
        found = bounds_of(f, theta)
        true = np.mean(values < -1e-12)
        assert found.low[0] <= true <= found.high[0]
        level = found.inertia.level[0] * np.max(np.abs(values))
        for side, count in enumerate((values < -level, abs(values) <= level)):
            part = np.mean(count)
            assert found.inertia.low[0, side] <= part + 1e-12
            assert found.inertia.high[0, side] >= part - 1e-12
        if way == "dense":
            assert found.low[0] == pytest.approx(true)
            assert found.fraction[0] == pytest.approx(true)


def test_no_subspace_where_the_data_see_everything(rng):
    f = MLPLoss((3,)).fit(rng.normal(size=(20, 4)), rng.normal(size=20))
    assert f.data_subspace() is None
    assert quadratic([1.0, 2.0]).data_subspace() is None


@pytest.mark.parametrize("alpha", [0.0, 1e-3])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_networks_against_dense_eigenvalues(alpha, loss, rng, way):
    f = network(alpha, loss=loss)
    theta = f.rescale(rng.normal(size=f.n_params_))
    values = np.linalg.eigvalsh(f.hessian(theta))
    found = bounds_of(f, theta)
    part = np.mean(values < -1e-9)
    assert found.low[0] <= part <= found.high[0]
    assert found.n_below[0] <= np.sum(values < -1e-9)


def test_tangents_of_points_that_are_not_critical(rng, way):
    """There the Hessian is not zero along the directions of symmetries."""
    X = make_gaussian_spectrum(60, eigenvalues=np.arange(12, 0, -1.0), random_state=0)
    f = LinearAutoencoderLoss((4,)).fit(X)
    hits = []
    for size in (1e-2, 0.1, 1.0):
        theta = size * rng.normal(size=f.n_params_)
        values = np.linalg.eigvalsh(f.hessian(theta))
        found = bounds_of(f, theta)
        hits.append(found.low[0] <= np.mean(values < 0) <= found.high[0])
        # None of the sixteen directions counts as zero.
        assert found.inertia.low[0, 1] == 0
    assert all(hits)


def counted(d):
    """Return a quadratic form and the numbers of its products, call by call."""
    calls = []

    def product(t, v):
        calls.append(v.shape[0])
        return d * v

    values = quadratic(d)
    return FunctionLoss(
        values.value, values.gradient, product, n_params=len(d)
    ).fit(), calls


def halves(rng, n, part):
    """Eigenvalues of two signs with a gap at zero, as near a strict saddle."""
    return np.where(rng.random(n) < part, -1, 1) * rng.uniform(0.5, 1.5, n)


@pytest.mark.parametrize("part", [0.1, 0.5])
def test_few_products_suffice_beside_a_gap(part, rng):
    """A quarter of those for a crowd, and no interval is wider for it."""
    n = 5000
    f, calls = counted(halves(rng, n, part))
    problem = pose(f)
    calls.clear()
    found = bound_index(problem.loss, np.zeros((1, n)), problem.scales)
    assert sum(calls) < 400
    # Of four random vectors without an error of their quadrature.
    normal = 2 * 1.96 * np.sqrt(2 * part * (1 - part) / (4 * n))
    assert found.high[0] - found.low[0] <= 1.1 * normal
    assert found.fraction[0] == pytest.approx(part, abs=0.02)


def test_intervals_from_few_products_hold_at_their_rate(monkeypatch):
    monkeypatch.setattr(module, "MAX_DENSE_FORMED", 0)
    rng, hits = np.random.default_rng(0), []
    for _ in range(60):
        d = halves(rng, 400, rng.uniform(0.05, 0.95))
        found = bounds_of(quadratic(d), np.zeros(400))
        part, level = np.mean(d < 0), found.inertia.level[0]
        hits.append(found.low[0] <= part <= found.high[0])
        assert level < 1e-9
    # Of 60 with a probability of 0.95 less than 52 have one of 0.005.
    assert 52 <= np.sum(hits)


def test_what_is_not_resolved_is_nan(monkeypatch):
    monkeypatch.setattr(module, "MAX_DENSE_FORMED", 0)
    monkeypatch.setattr(module, "_N_VECTORS", 5)
    d = np.geomspace(1e-8, 1, 400) * np.resize([1, -1], 400)
    found = bounds_of(quadratic(d), np.zeros(400))
    assert np.isnan(found.fraction[0])
    assert found.low[0] <= 0.5 <= found.high[0]


def test_products_that_are_not_finite_tell_nothing(way):
    loss = FunctionLoss(
        lambda t: np.sum(t**2, axis=-1),
        lambda t: 2 * t,
        lambda t, v: v * np.where(np.abs(t) > 1e3, np.nan, 2.0),
        n_params=50,
    ).fit()
    found = bounds_of(loss, np.full(50, 1e4))
    assert np.isnan(found.fraction[0])
    assert (found.n_below[0], found.low[0], found.high[0]) == (0, 0.0, 1.0)
    assert np.isnan(found.inertia.level[0])
    assert found.inertia.high[0].tolist() == [1, 1, 1]


def test_a_row_does_not_see_the_others(rng, way):
    f = network()
    theta = rng.normal(size=(3, f.n_params_))
    together, alone = bounds_of(f, theta), bounds_of(f, theta[1])
    for name in ("n_below", "fraction", "low", "high"):
        assert getattr(together, name)[1] == getattr(alone, name)[0]
    np.testing.assert_array_equal(together.inertia.share[1], alone.inertia.share[0])


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
    monkeypatch.setattr(zero_modes, "_MAX_TANGENT_NUMBERS", 10)
    monkeypatch.setattr(type(f), "orbit_tangents", None)
    part = np.mean(np.linalg.eigvalsh(f.hessian(theta)) < -1e-9)
    found = bounds_of(f, theta)
    assert found.low[0] <= part <= found.high[0]


def test_a_flat_loss():
    found = bounds_of(quadratic(np.zeros(8)), np.zeros(8))
    assert found.inertia.share[0].tolist() == [0, 1, 0]
    assert found.inertia.level[0] == 0


def test_finders_report_fraction_and_interval(monkeypatch):
    loss = make_tanh_loss()
    points = make_points(loss)
    dense = finder_at(loss, points)
    known = dense.morse_indices_ / 13
    assert known.tolist() == [index / 13 for _, index, _ in CLASSES]
    np.testing.assert_array_equal(dense.index_fractions_, known)
    np.testing.assert_array_equal(dense.index_interval_, np.stack([known] * 2, -1))
    shares = np.stack([known, 0 * known, 1 - known], -1)
    np.testing.assert_allclose(dense.inertia_shares_, shares, atol=1e-12)
    assert dense.inertia_intervals_.shape == (len(known), 3, 2)
    assert np.all(dense.inertia_levels_ < 1e-8)
    monkeypatch.setattr(describe_module, "MAX_DENSE_FORMED", 12)
    bounded = finder_at(loss, points)
    assert np.all(bounded.morse_indices_ == -1)
    # With six eigenpairs and a gap the bounds meet.
    np.testing.assert_allclose(bounded.index_fractions_, known, atol=1e-12)
    expected = np.stack([known] * 2, -1)
    np.testing.assert_allclose(bounded.index_interval_, expected, atol=1e-12)
    np.testing.assert_allclose(bounded.inertia_shares_, shares, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.1])
@pytest.mark.parametrize("eigenvalues", [[4, 3, 2, 1], [3, 3, 1, 1], [2, 1, 0, 0]])
def test_tangents_of_linear_networks_are_counted(eigenvalues, alpha):
    X = make_gaussian_spectrum(20, eigenvalues=eigenvalues, exact=True, random_state=0)
    for penalty in ("sum", "product"):
        loss = LinearAutoencoderLoss((3, 2), penalty=penalty, alpha=alpha).fit(X)
        theta = np.ones(loss.n_params_)
        assert loss.count_tangents(theta) == len(loss.orbit_tangents(theta))


@pytest.mark.parametrize("backend", ["numpy", "array_api_strict"])
def test_a_saddle_of_a_linear_network_on_any_backend(monkeypatch, backend):
    """Nine zero eigenvalues of 54 are known, and three are negative."""
    monkeypatch.setattr(module, "MAX_DENSE_FORMED", 0)
    X = make_gaussian_spectrum(50, eigenvalues=np.arange(9, 0, -1.0), random_state=0)
    problem = pose(LinearAutoencoderLoss((3,), backend=backend).fit(X))
    below = np.zeros((3, 9))
    # Instead of the third eigenvector the sixth.
    below[[0, 1, 2], [0, 1, 5]] = 1
    theta = problem.loss.asarray(np.append(below, below.T)[None])
    found = bound_index(problem.loss, theta, problem.scales)
    assert found.n_below[0] == 3
    assert (found.low[0], found.high[0]) == (3 / 54, 3 / 54)
    np.testing.assert_allclose(found.inertia.share[0], [3 / 54, 9 / 54, 42 / 54])
