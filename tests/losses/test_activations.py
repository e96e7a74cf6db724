"""Activations: derivatives, tails, and bounds that hold and are attained."""

import numpy as np
import pytest

from skcrit.losses._activations import ACTIVATIONS, logistic, softplus
from skcrit.losses._output_losses import OUTPUT_LOSSES

from ._networks import PHI

SMOOTH = sorted(name for name in ACTIVATIONS if ACTIVATIONS[name].smooth)


def derivatives(name, z):
    """Evaluate an activation and its three derivatives, None filled in."""
    activation = ACTIVATIONS[name]
    a, kept = activation.value(z)
    slope = activation.slope(a, kept)
    bend = activation.bend(a, kept, slope)
    twist = activation.twist(a, kept, slope)
    filled = [1 + 0 * z if slope is None else slope]
    return a, *filled, *(0 * z if d is None else d for d in (bend, twist))


def circle(function, z, order, radius=0.5, n=64):
    """Derivative of a function by Cauchy's integral."""
    turns = np.exp(2j * np.pi * np.arange(n) / n)
    terms = [function(z + radius * t) / t**order for t in turns]
    factor = {0: 1, 1: 1, 2: 2, 3: 6}[order]
    return factor * np.real(np.mean(terms, axis=0)) / radius**order


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name):
    z = np.linspace(-4, 4, 161)
    for order, actual in enumerate(derivatives(name, z)):
        expected = circle(PHI[name][0], z, order)
        np.testing.assert_allclose(actual, expected, rtol=0, atol=3e-13)


@pytest.mark.parametrize("name", SMOOTH)
def test_bounds_hold_and_are_attained(name):
    z = np.linspace(-20, 20, 400001)
    bounds = ACTIVATIONS[name].bounds
    for bound, values in zip(bounds, derivatives(name, z)[1:], strict=True):
        largest = np.max(np.abs(values))
        assert largest <= bound * (1 + 1e-14)
        assert largest >= bound * (1 - 1e-7)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_far_out_nothing_overflows(name):
    z = np.array([-1e4, -700.0, -40.0, 40.0, 700.0, 1e4])
    for values in derivatives(name, z):
        assert np.all(np.isfinite(values))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_parity(name):
    z = np.linspace(0.1, 3, 30)
    there, back = (ACTIVATIONS[name].value(s * z)[0] for s in (1, -1))
    odd = np.allclose(back, -there, rtol=1e-14)
    affine = np.allclose(back - 0.5, -(there - 0.5), rtol=1e-14)
    found = "odd" if odd else "affine" if affine else None
    assert found == ACTIVATIONS[name].parity


def test_tails_are_accurate_relative_to_themselves():
    z = np.array([-30.0, -100.0, -700.0])
    np.testing.assert_allclose(logistic(z), np.exp(z), rtol=1e-12)
    np.testing.assert_allclose(softplus(z), np.exp(z), rtol=1e-12)
    np.testing.assert_allclose(softplus(-z), -z, rtol=1e-12)


def test_not_a_number_stays():
    for name in ACTIVATIONS:
        assert np.isnan(ACTIVATIONS[name].value(np.array([np.nan]))[0][0])


@pytest.mark.parametrize("kind", ["logistic", "softmax"])
def test_bounds_of_losses_hold_and_are_nearly_attained(kind, rng):
    loss, shape = OUTPUT_LOSSES[kind], (3, 2000)
    z = rng.standard_normal(shape) * rng.uniform(0.1, 4, size=shape[1])
    if kind == "softmax":
        z[2, ::2] = -30  # two classes are the worst case
    y = np.eye(3)[rng.integers(0, 3, shape[1])].T
    state, largest = loss.state(z), np.zeros(3)
    for _ in range(20):
        # Power iterations on the third derivative find its norm.
        u = rng.standard_normal(shape)
        for _ in range(30):
            u = u / np.linalg.norm(u, axis=0)
            w = loss.contraction(state, u, u)
            largest[2] = max(largest[2], np.max(np.linalg.norm(w, axis=0)))
            u = w + 1e-12 * rng.standard_normal(shape)
    u = rng.standard_normal(shape)
    for _ in range(60):
        u = loss.product(state, u / np.linalg.norm(u, axis=0))
        largest[1] = max(largest[1], np.max(np.linalg.norm(u, axis=0)))
        u = u + 1e-12 * rng.standard_normal(shape)
    largest[0] = np.max(np.linalg.norm(loss.slope(state, y), axis=0))
    bounds = np.array(loss.bounds)
    assert np.all(largest <= bounds * (1 + 1e-12))
    assert np.all(largest[1:] >= 0.97 * bounds[1:])


def test_softmax_of_large_outputs_is_finite():
    z, y = np.array([[800.0], [0.0], [-800.0]]), np.array([[0.0], [1.0], [0.0]])
    loss = OUTPUT_LOSSES["softmax"]
    assert loss.values(z, y)[0] == 800.0
    np.testing.assert_array_equal(loss.state(z)[:, 0], [1, 0, 0])
