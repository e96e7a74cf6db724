"""Hessians from differences say how far they may be from the truth."""

import numpy as np
import pytest

from skcrit.losses import FunctionLoss
from skcrit.search.describe import UNKNOWN, describe
from skcrit.search.problem import pose
from skcrit.solvers import Status


def beyond(t, width):
    """Measure how far the first parameter is outside of an interval around zero."""
    return np.sign(t[..., 0]) * np.maximum(np.abs(t[..., 0]) - width, 0)


def trough(width, unit):
    """A valley with a flat floor, which ends in kinks of the gradient."""

    def value(t):
        t = t / unit
        return beyond(t, width) ** 2 + t[..., 1] ** 2 + t[..., 1] ** 4

    def gradient(t):
        t = t / unit
        second = 2 * t[..., 1] + 4 * t[..., 1] ** 3
        return np.stack([2 * beyond(t, width), second], axis=-1) / unit

    return FunctionLoss(value, gradient, n_params=2).fit()


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_kinks_are_in_the_error(unit):
    loss = trough(1.0, unit)
    gaps = np.geomspace(1e-6, 1.0, 200)
    x = np.concatenate([1 + gaps, 1 - gaps])
    local = loss.at(np.stack([x, np.zeros_like(x)], axis=-1) * unit)
    exact = np.zeros((len(x), 2, 2))
    exact[:, 0, 0] = np.where(x > 1, 2.0, 0.0)
    exact[:, 1, 1] = 2.0
    wrong = np.abs(local.hessian() * unit**2 - exact)
    # What extrapolation measures is an estimate, which three times as much covers, as
    # descriptions have it; rounding is added there.
    assert np.all(wrong <= 3 * local.hessian_error() * unit**2 + 1e-12)


def test_smooth_functions_keep_small_errors(rng):
    loss = FunctionLoss(
        lambda t: np.sum(np.cos(3 * t) + np.exp(t) + t**4, axis=-1),
        lambda t: -3 * np.sin(3 * t) + np.exp(t) + 4 * t**3,
        n_params=3,
    ).fit()
    theta = rng.standard_normal((200, 3))
    diagonal = -9 * np.cos(3 * theta) + np.exp(theta) + 12 * theta**2
    exact = diagonal[:, :, None] * np.eye(3)
    local = loss.at(theta)
    size = np.max(np.abs(diagonal), axis=1)[:, None, None]
    assert np.all(local.hessian_error() <= 1e-9 * size)
    assert np.all(np.abs(local.hessian() - exact) <= 1e-9 * size)


def test_no_index_is_known_beside_a_kink():
    loss = trough(1.0, 1.0)
    x = 1 - np.geomspace(1e-6, 0.5, 60)
    theta = np.stack([x, np.zeros_like(x)], axis=-1)
    status, everything = np.full(60, Status.CONVERGED), np.ones(60, dtype=bool)
    ends = describe(loss, theta, status, everything, pose(loss).scales)
    known = ends.morse_index != UNKNOWN
    assert np.all(ends.morse_index[known] == 0)
    assert np.all(ends.nullity[known] == 1)
    assert np.mean(known) > 0.3
