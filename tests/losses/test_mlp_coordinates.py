"""Searches of networks do not depend on the units of the data."""

import pickle
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_wine
from sklearn.preprocessing import scale

from skcrit import GradNormFinder, MLPLoss, NewtonMRFinder
from skcrit.exceptions import NotConvergedWarning
from skcrit.search import describe as module
from skcrit.search.describe import describe
from skcrit.search.index_bounds import bound_index
from skcrit.search.scales import natural_scales
from skcrit.starts import GaussianStarts, make_starts


@pytest.fixture
def data(rng):
    """Columns in units between 1e-3 and 1e3, far from zero; targets alike."""
    X = rng.normal(size=(30, 3)) * [1e-3, 20, 1e3] + [0.02, 300, -500]
    y = 150 + 70 * np.tanh(scale(X)[:, 0]) + 10 * rng.normal(size=30)
    return X, y


def losses(X, y):
    """Yield fitted losses of all kinds."""
    for alpha in (0.0, 0.1):
        for fit_intercept, penalize in ((1, 0), (1, 1), (0, 0)):
            keywords = {
                "alpha": alpha,
                "fit_intercept": bool(fit_intercept),
                "penalize_intercept": bool(penalize),
            }
            yield MLPLoss((3, 2), **keywords).fit(X, y)
            yield MLPLoss((3,), "logistic", **keywords).fit(X)
            classes = np.digitize(y, np.quantile(y, [0.3, 0.6]))
            yield MLPLoss((3,), loss="log_loss", **keywords).fit(X, classes)


def fitted(finder, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return finder.fit(*data)


def test_the_loss_is_the_same_function_of_other_coordinates(data, rng):
    for loss in losses(*data):
        coordinates = loss.coordinates()
        assert not coordinates.is_isometry
        inside, n = coordinates.loss, loss.n_params_
        theta = rng.normal(size=(2, n))
        points = coordinates.back(theta)
        np.testing.assert_allclose(coordinates.into(points), theta, atol=1e-11)
        np.testing.assert_allclose(inside.value(theta), loss.value(points), rtol=1e-10)
        # The map is affine; its matrix in rows.
        matrix = coordinates.back(np.eye(n)) - coordinates.back(np.zeros(n))
        gradient, hessian = inside.gradient(theta), inside.hessian(theta)
        size = np.max(np.abs(gradient))
        expected = loss.gradient(points) @ matrix.T
        np.testing.assert_allclose(gradient, expected, atol=1e-9 * size)
        expected = matrix @ loss.hessian(points) @ matrix.T
        size = np.max(np.abs(hessian))
        np.testing.assert_allclose(hessian, expected, atol=1e-9 * size)
        v = rng.normal(size=(2, n))
        product = (hessian @ v[..., None])[..., 0]
        np.testing.assert_allclose(inside.hvp(theta, v), product, atol=1e-9 * size)


@pytest.mark.parametrize("unit", [1e-300, 1e-60, 1e60])
def test_extreme_units(data, unit):
    X, y = data
    loss = MLPLoss((2,), alpha=0.1).fit(X * unit, y)
    coordinates = loss.coordinates()
    theta = np.ones(loss.n_params_)
    assert np.all(np.isfinite(coordinates.loss.gradient(theta)))
    assert np.all(np.isfinite(coordinates.back(theta)))


def test_data_are_about_standardised_in_them(data):
    loss = MLPLoss((3,)).fit(*data)
    inside = loss.coordinates().loss
    for array in (inside._X, inside._targets.values):
        assert np.all(np.abs(np.mean(array, axis=0)) <= 1.1)
        np.testing.assert_allclose(np.std(array, axis=0), 1, rtol=0.6)
    # They are their own coordinates then, also in another process.
    again = pickle.loads(pickle.dumps(inside))
    theta = np.linspace(-1, 1, loss.n_params_)
    for other in (inside.coordinates().loss, again):
        assert other.coordinates().is_isometry
        np.testing.assert_array_equal(other.gradient(theta), inside.gradient(theta))


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_standardised_data_are_left_alone(alpha):
    X, y = load_wine(return_X_y=True)
    loss = MLPLoss((3,), loss="log_loss", alpha=alpha).fit(scale(X), y)
    assert loss.coordinates().loss is loss
    # So are labels and pixels that are rare.
    X = np.zeros((1000, 3))
    X[:2, 0], X[::2, 1], X[:5, 2] = 1, 1, 0.5
    loss = MLPLoss((3,), alpha=alpha).fit(X, np.arange(1000) / 1000)
    assert loss.coordinates().loss is loss


@pytest.mark.parametrize("Finder", [NewtonMRFinder, GradNormFinder])
def test_a_search_does_not_depend_on_units(data, Finder):
    X, y = data
    unit, goal = 2.0 ** np.array([12, -3, 7]), 2.0**9
    loss = MLPLoss((2,), "logistic")
    one = fitted(Finder(loss, n_starts=5, random_state=0), X, y)
    two = fitted(Finder(loss, n_starts=5, random_state=0), X * unit, y * goal)
    assert one.n_critical_sets_ > 0
    for name in ("status", "n_iter", "morse_index", "critical_set"):
        np.testing.assert_array_equal(one.results_[name], two.results_[name])
    np.testing.assert_array_equal(one.critical_losses_ * goal**2, two.critical_losses_)
    (W, V), (b, c) = one.loss_.unpack(one.critical_points_)
    expected = [W / unit[:, None], V * goal], [b, c * goal]
    np.testing.assert_array_equal(two.loss_.pack(*expected), two.critical_points_)


def test_starts_are_those_of_standardised_data(data):
    X, y = data
    loss = MLPLoss((4,)).fit(X, y)
    (W, _), (b, c) = loss.unpack(make_starts("gaussian", loss, 300, 0))
    # Units of hidden neurons see numbers of size one.
    before = np.einsum("snh,in->sih", W, X) + b[:, None, :]
    assert 0.5 < np.sqrt(np.mean(before**2)) < 2
    np.testing.assert_allclose(np.mean(c), 128, atol=64)
    # A number is in the unit of theta.
    plain = GaussianStarts(scale=1.0).sample(loss, 300, 0)
    np.testing.assert_allclose(np.std(plain, axis=0), 1, rtol=0.3)
    assert make_starts("auto", loss, 20, 0).shape == (20, loss.n_params_)


def test_results_do_not_depend_on_batches(data):
    X, y = data
    finder = NewtonMRFinder(MLPLoss((2,), alpha=0.1), n_starts=7, random_state=0)
    one = fitted(finder, X, y)
    points, ends = one.critical_points_, one.final_params_
    two = fitted(finder.set_params(batch_size=2), X, y)
    np.testing.assert_array_equal(points, two.critical_points_)
    np.testing.assert_array_equal(ends, two.final_params_)


def test_searches_converge_in_clinical_units():
    """In the units of the data none of these searches did."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    finder = NewtonMRFinder(MLPLoss((2,), "logistic"), n_starts=8, random_state=0)
    fitted(finder, X, y)
    assert np.sum(finder.converged_) >= 4
    gradient = finder.loss_.gradient(finder.critical_points_)
    # What rounding leaves of sums of products of numbers up to 300 and 350.
    assert np.max(np.abs(gradient)) < 1e-7


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_constant_and_dependent_columns(alpha, rng):
    """A column that is constant has no unit, and dependent ones share no penalty."""
    X = rng.normal(size=(30, 3)) * [1, 100, 1e4] + [0, 50, 0]
    X = np.column_stack([X, np.full(30, 0.1), np.zeros(30)])
    y = 100 * rng.normal(size=30)
    inside = MLPLoss((2,), alpha=alpha).fit(X, y).coordinates().loss
    np.testing.assert_array_equal(inside._X[:, 3:], 0)
    seen, theta = inside.data_subspace(), rng.normal(size=inside.n_params_)
    theta = seen.expand(seen.reduce(theta))
    other = rng.normal(size=inside.n_params_)
    other = other - seen.expand(seen.reduce(other))
    assert seen.n_coordinates == inside.n_params_ - 4 and np.any(other)
    product = inside.hvp(theta, other)
    np.testing.assert_allclose(product, seen.decay * other, atol=1e-12)
    X = np.column_stack([X, X[:, 0] * 100 + X[:, 1]])
    inside = MLPLoss((2,), alpha=alpha).fit(X, y).coordinates().loss
    assert (inside.data_subspace() is None) == (alpha > 0)


@pytest.mark.parametrize("tol", ["auto", 1e-6])
def test_gradient_norms_are_those_of_the_user(data, tol):
    # The units are far from one, and the middles far from zero.
    finder = NewtonMRFinder(
        MLPLoss((2,)), n_starts=4, tol=tol, random_state=0, store_history=True
    )
    fitted(finder, *data)
    gradient = finder.loss_.gradient(finder.final_params_)
    expected = np.sum(gradient * gradient, axis=-1)
    got = finder.results_["squared_grad_norm"]
    # Rounding of points far from zero: in the unit of the largest gradients.
    size = np.nanmax(finder.history_["squared_grad_norm"], axis=1)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-18 * size.max())
    first = finder.loss_.gradient(finder.start_params_)
    begins = finder.history_["squared_grad_norm"][:, 0]
    np.testing.assert_allclose(begins, np.sum(first * first, axis=-1), rtol=1e-6)
    if tol != "auto":
        assert np.any(finder.converged_)
        assert np.all(got[finder.converged_] <= tol)


def test_shares_of_large_hessians_are_those_of_the_user(data, rng, monkeypatch):
    # They refer to a level relative to the largest eigenvalue, which is another one in
    # other units. The search hands a copy to its workers.
    monkeypatch.setattr(module, "MAX_DENSE_FORMED", 5)
    loss = MLPLoss((2,), alpha=0.1).fit(*data)
    theta = loss.draw_starts([rng, rng])
    coordinates = loss.coordinates()
    inside = pickle.loads(pickle.dumps(coordinates.loss))
    found = describe(
        inside,
        coordinates.into(theta),
        np.zeros(2, dtype=int),
        np.ones(2, dtype=bool),
        natural_scales(inside),
    )
    expected = bound_index(loss, theta, natural_scales(loss))
    np.testing.assert_allclose(found.inertia.share, expected.inertia.share, atol=1e-9)
    np.testing.assert_allclose(found.inertia.level, expected.inertia.level, rtol=1e-6)
    values = np.linalg.eigvalsh(loss.hessian(theta))
    share = np.mean(values < -found.inertia.level[:, None] * values[:, -1:], axis=1)
    assert np.all(found.index_fraction_low <= share + 1e-12)
    assert np.all(share <= found.index_fraction_high + 1e-12)
