"""Symmetries close to a point of smaller orbit."""

import numpy as np
import pytest

from skcrit.losses import FunctionLoss
from skcrit.search.frame import make_frame
from skcrit.search.scales import natural_scales

# Rotates the first two parameters.
J = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
WEAK = 0.01


def value(theta):
    """Evaluate r^4 / 4 - 0.01 r^2 / 2 + z^2 / 2, which rotations leave alone."""
    x, y, z = np.moveaxis(theta, -1, 0)
    square = x * x + y * y
    return square**2 / 4 - WEAK * square / 2 + z * z / 2


def gradient(theta):
    x, y, z = np.moveaxis(theta, -1, 0)
    slope = x * x + y * y - WEAK
    return np.stack([slope * x, slope * y, z], axis=-1)


def hvp(theta, v):
    x, y, _ = np.moveaxis(theta, -1, 0)
    a, b, c = np.moveaxis(v, -1, 0)
    slope, along = x * x + y * y - WEAK, 2 * (x * a + y * b)
    return np.stack([slope * a + along * x, slope * b + along * y, c], axis=-1)


def valley(unit=1.0):
    """Make the loss, whose tangents have the given unit."""
    return FunctionLoss(
        value,
        gradient,
        hvp,
        n_params=3,
        length=1.0,
        symmetries=lambda theta: unit * (theta @ J.T)[..., None, :],
    ).fit()


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e-15])
def test_no_tangent_next_to_the_origin(size):
    # The curvature is so small that only a strict bound refutes what looks like one.
    loss, point = valley(), size * np.array([[0.6, 0.8, 0.0]])
    frame = make_frame(loss, loss.at(point), natural_scales(loss), false=1e-6)
    assert frame.n_tangent.tolist() == [0]
    np.testing.assert_allclose(frame.values, [[-WEAK, -WEAK, 1.0]])


@pytest.mark.parametrize("unit", [1.0, 1e-30, 1e30])
def test_tangents_of_any_length(unit):
    # At the minima, a circle, the tangent is a null direction whatever its length.
    loss = valley(unit)
    frame = make_frame(loss, loss.at([[0.06, 0.08, 0.0]]), natural_scales(loss))
    assert frame.n_tangent.tolist() == [1]
    np.testing.assert_allclose(frame.values[0, :2], [2 * WEAK, 1.0])
    np.testing.assert_allclose(frame.tangent_norm, 0.0, atol=1e-14)
