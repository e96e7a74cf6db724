"""Identities of derivatives and of batches, on random networks."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skcrit import GradientNormLoss

from .. import _tally
from ._strategies import networks, points, prop, relative

seeds = st.integers(0, 2**32 - 1)
# What rounding leaves of an identity, per type.
RTOL = {"float64": 1e-10, "float32": 2e-3}

pytestmark = pytest.mark.filterwarnings("ignore::skcrit.ResolutionWarning")


@prop(12, 14000)
@given(networks(), seeds)
def test_products_are_the_hessian(loss, seed):
    _tally.count("input", "derivative identities")
    theta, v = points(loss, seed)
    local = loss.at(theta)
    hessian = local.hessian()
    assert relative(hessian, np.swapaxes(hessian, -1, -2)) <= RTOL[loss.dtype]
    dense = np.einsum("nij,nj->ni", hessian, v)
    assert relative(local.hvp(v), dense, np.max(np.abs(hessian))) <= RTOL[loss.dtype]
    np.testing.assert_array_equal(local.hvp(0 * v), 0 * v)


@prop(12, 8000)
@given(networks(dtypes=("float64",)), seeds)
def test_gradients_and_products_are_derivatives(loss, seed):
    # Along a line everything is a polynomial of low degree, which eight differences
    # integrate exactly: mean value identities with Gauss's nodes have no step to tune.
    _tally.count("input", "derivative identities")
    theta, v = points(loss, seed)
    nodes, weights = np.polynomial.legendre.leggauss(8)
    steps = (nodes + 1) / 2
    along = [loss.at(theta + t * v) for t in steps]
    pairs = list(zip(weights / 2, along, strict=True))
    ahead, here = loss.at(theta + v), loss.at(theta)
    slope = sum(w * np.sum(m.gradient * v, axis=-1) for w, m in pairs)
    size = max(np.max(np.abs(m.value)) for m in along)
    assert relative(ahead.value - here.value, slope, size) <= 1e-10
    change = sum(w * m.hvp(v) for w, m in pairs)
    size = max(np.max(np.abs(m.gradient)) for m in along)
    assert relative(ahead.gradient - here.gradient, change, size) <= 1e-10


@prop(8, 4000)
@given(networks(dtypes=("float64",), depths=(1, 2)), seeds)
def test_gradient_norm_loss(loss, seed):
    _tally.count("input", "derivative identities")
    theta, v = points(loss, seed)
    outer, inner = GradientNormLoss().fit(loss).at(theta), loss.at(theta)
    assert relative(outer.value, np.sum(inner.gradient**2, axis=-1) / 2) <= 1e-12
    assert relative(outer.gradient, inner.hvp(inner.gradient)) <= 1e-12
    hessian = outer.hessian()
    dense = np.einsum("nij,nj->ni", hessian, v)
    assert relative(outer.hvp(v), dense, np.max(np.abs(hessian))) <= 1e-9


@prop(12, 8000)
@given(networks(), seeds)
def test_a_row_is_the_same_in_every_batch(loss, seed):
    _tally.count("input", "batch consistency")
    theta, v = points(loss, seed, n=4)
    together, order = loss.at(theta), np.array([2, 0, 3, 1])
    alone = [loss.at(row) for row in theta]
    shuffled = loss.at(theta[order])
    for name in ("value", "gradient"):
        expected = getattr(together, name)
        rows = [getattr(local, name) for local in alone]
        np.testing.assert_array_equal(np.stack(rows), expected)
        np.testing.assert_array_equal(getattr(shuffled, name), expected[order])
    products = together.hvp(v)
    np.testing.assert_array_equal(shuffled.hvp(v[order]), products[order])
    for row, local in enumerate(alone):
        np.testing.assert_array_equal(local.hvp(v[row]), products[row])
    for name in ("rescale", "invariants"):
        rows = [getattr(loss, name)(row) for row in theta]
        np.testing.assert_array_equal(np.stack(rows), getattr(loss, name)(theta))


@prop(8, 5000)
@given(networks(dtypes=("float64",)), seeds)
def test_the_loss_is_never_negative_and_the_spectrum_bounds_it(loss, seed):
    _tally.count("input", "ground truth")
    theta, _ = points(loss, seed)
    value = loss.value(theta)
    assert np.all(value >= 0)
    if loss.alpha > 0 and len(loss._shapes) > 2:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of labels that may flip
        spectrum = loss.analytical_spectrum()
    best = spectrum.losses(tuple(range(spectrum.max_rank)))
    assert np.all(value >= best * (1 - 1e-9) - 1e-14 * loss.eigenvalues_.sum())
    for name in spectrum.sample_sets(3, seed):
        point = spectrum.representative(name, random_state=seed % 1000)
        size = np.max(np.abs(loss.gradient(theta))) + loss.eigenvalues_[0]
        assert np.max(np.abs(loss.gradient(point))) <= 1e-9 * size * 100
        lowest = spectrum.losses(name)
        # If the data are nearly blind, 1e-16 of the largest eigenvalue is rounding.
        assert abs(loss.value(point) - lowest) <= 1e-9 * loss.eigenvalues_.sum()
