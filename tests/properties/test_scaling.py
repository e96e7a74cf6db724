"""Nothing depends on the unit of the data, but the tolerance that has it.

A power of two changes no digit of anything: losses, thresholds and whole searches must
come out equal, bit by bit, from data of 2^-199 to 2^199, which are 1e-60 to 1e60.
Powers of ten round, and a search that rounds differently can end elsewhere.
"""

import warnings

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from skcrit import (
    GradientNormLoss,
    GradNormFinder,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NewtonTRFinder,
    NotConvergedWarning,
    SaddleDynamicsFinder,
    TrajectoryStarts,
)
from skcrit.metrics import judge

from .. import _tally
from ._strategies import data, points, prop, relative, scales

seeds = st.integers(0, 2**32 - 1)
powers = st.integers(-199, 199)
pytestmark = pytest.mark.filterwarnings("ignore::skcrit.ResolutionWarning")

FINDERS = {
    "Newton-MR": (NewtonMRFinder, {}),
    "Newton-MR, plain": (NewtonMRFinder, {"balance": False, "window": 1}),
    "Newton-TR": (NewtonTRFinder, {}),
    "gd": (GradNormFinder, {"minimizer": "gd"}),
    "momentum": (GradNormFinder, {"minimizer": "momentum"}),
    "btls": (GradNormFinder, {"minimizer": "btls"}),
    "l-bfgs": (GradNormFinder, {"minimizer": "l-bfgs"}),
    "l-bfgs, plain": (GradNormFinder, {"minimizer": "l-bfgs", "balance": False}),
    "lm": (GradNormFinder, {"minimizer": "lm"}),
    "saddle dynamics": (SaddleDynamicsFinder, {}),
    "saddle dynamics, natural": (SaddleDynamicsFinder, {"index": "natural"}),
}


@prop(10, 4000)
@given(data(), seeds, scales, st.sampled_from([(2,), (1, 2)]))
def test_losses_and_thresholds_in_powers_of_ten(X, seed, scale, hidden):
    _tally.count("input", "scaling of data")
    loss = LinearAutoencoderLoss(hidden).fit(X)
    other = LinearAutoencoderLoss(hidden).fit(scale * X)
    unit = scale**2
    expected = unit * loss.eigenvalues_
    assert relative(other.eigenvalues_, expected) <= 1e-13
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        truth, there = loss.analytical_spectrum(), other.analytical_spectrum()
    # An eigenvalue near a threshold may fall on either side of it, and is announced.
    if caught:
        return
    assert there.n_sets == truth.n_sets
    assert there.multiplicities.tolist() == truth.multiplicities.tolist()
    assert there.index_histogram() == truth.index_histogram()
    theta, v = points(loss, seed)
    for name, args in (("value", ()), ("gradient", ()), ("hvp", (v,))):
        expected = getattr(loss, name)(theta, *args)
        actual = getattr(other, name)(theta, *args) / unit
        assert relative(actual, expected, loss.eigenvalues_[0]) <= 1e-12
    for name in truth.sample_sets(2, seed):
        point = truth.representative(name)
        assert there.match(point).set == truth.match(point).set


@prop(10, 4000)
@given(data(), seeds, powers, st.sampled_from([0.0, 0.1]), st.booleans())
def test_losses_and_thresholds_in_powers_of_two(X, seed, power, alpha, weights):
    _tally.count("input", "scaling of data")
    unit = 2.0**power
    # A penalty has the unit of the squared data too.
    options = {"penalty": "sum" if weights else "product"}
    loss = LinearAutoencoderLoss((2,), alpha=alpha, **options).fit(X)
    scaled = {"alpha": alpha * unit**2, **options}
    other = LinearAutoencoderLoss((2,), **scaled).fit(unit * X)
    theta, v = points(loss, seed)
    for name, args in (("value", ()), ("gradient", ()), ("hvp", (v,))):
        expected = unit**2 * getattr(loss, name)(theta, *args)
        np.testing.assert_array_equal(getattr(other, name)(theta, *args), expected)
    truth, there = loss.analytical_spectrum(), other.analytical_spectrum()
    match, far = truth.match(theta), there.match(theta)
    np.testing.assert_array_equal(far.mask, match.mask)
    np.testing.assert_array_equal(far.status, match.status)
    np.testing.assert_array_equal(far.loss, unit**2 * match.loss)
    assert there.resolution == unit**2 * truth.resolution


@prop(6, 1000)
@given(data(d=3), seeds, st.integers(-99, 99))
def test_the_gradient_norm_as_a_loss(X, seed, power):
    # Its gradient has the fourth power of the unit, and is squared in a search.
    _tally.count("input", "scaling of data")
    unit = 2.0**power
    inner = LinearAutoencoderLoss((2,)).fit(X)
    loss = GradientNormLoss().fit(inner)
    other = GradientNormLoss().fit(LinearAutoencoderLoss((2,)).fit(unit * X))
    theta, v = points(inner, seed)
    for name, args in (("value", ()), ("gradient", ()), ("hvp", (v,))):
        expected = unit**4 * getattr(loss, name)(theta, *args)
        np.testing.assert_array_equal(getattr(other, name)(theta, *args), expected)


def fit(cls, params, X, unit, seed, init="gaussian"):
    """Search with a tolerance in the unit of the squared gradient."""
    loss = LinearAutoencoderLoss((2,)).fit(unit * X)
    tol = 1e-18 * (2 * loss.eigenvalues_[0] / 3) ** 2
    finder = cls(n_starts=4, init=init, tol=tol, max_iter=40, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return finder.set_params(**params).fit(loss)


@pytest.mark.parametrize("method", FINDERS)
@prop(2, 60)
@example(seed=120405, power=171)  # one of them diverges, beyond the largest float
@given(st.integers(0, 2**20), powers)
def test_searches(method, seed, power):
    _tally.count("input", "scaling of data")
    cls, params = FINDERS[method]
    X = np.random.default_rng(seed).standard_normal((9, 3)) * [2.0, 1.5, 1.0]
    unit = 2.0**power
    base, scaled = (fit(cls, params, X, u, seed) for u in (1.0, unit))
    np.testing.assert_array_equal(scaled.final_params_, base.final_params_)
    for name, power_of_unit in (("loss", 2), ("squared_grad_norm", 4)):
        with np.errstate(over="ignore"):  # where a search diverged
            expected = unit**power_of_unit * base.results_[name]
        np.testing.assert_array_equal(scaled.results_[name], expected)
    for name in ("status", "n_iter", "morse_index", "nullity", "critical_set"):
        np.testing.assert_array_equal(scaled.results_[name], base.results_[name])


@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_starts_on_a_trajectory(unit):
    X = np.random.default_rng(0).standard_normal((9, 3)) * [2.0, 1.5, 1.0]
    init = TrajectoryStarts(n_steps=200)
    finder = fit(NewtonMRFinder, {}, X, unit, 0, init)
    base = fit(NewtonMRFinder, {}, X, 1.0, 0, init)
    np.testing.assert_allclose(finder.start_params_, base.start_params_, rtol=1e-9)
    assert judge(finder).precision == 1.0


@pytest.mark.parametrize("unit", [1e-160, 1e-80, 1e80, 1e160])
def test_data_whose_squared_gradients_no_float_holds(unit):
    X = unit * np.array([[1.0, 2.0], [3.0, 5.0], [2.0, 0.0]])
    with pytest.raises(ValueError, match="X must be .* enough for squared gradients"):
        LinearAutoencoderLoss((1,)).fit(X)
    single = LinearAutoencoderLoss((1,), dtype="float32")
    with pytest.raises(ValueError, match=r"float32.*use dtype='float64'"):
        single.fit(X / unit * unit**0.125)
