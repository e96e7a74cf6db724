"""The length scale of a function is where it has its structure, in any unit."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import brentq, rosen, rosen_der
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from skcrit.losses import FunctionLoss
from skcrit.losses.scale import estimate_length, turning_length
from skcrit.proving_grounds import make_himmelblau


def fit(loss):
    return loss.fit()


def test_rounding_errors_are_no_turns():
    # 0.1 + 0.2 - 0.3 is a rounding error: so is the slope along the second axis, and
    # its sign changes with the last digit.
    def nothing(t):
        return 0.1 * t[..., 1] + 0.2 * t[..., 1] - 0.3 * t[..., 1]

    loss = fit(
        FunctionLoss(
            lambda t: (t[..., 0] ** 2 - 1) ** 2,
            lambda t: np.stack(
                [4 * t[..., 0] * (t[..., 0] ** 2 - 1), nothing(t)], axis=-1
            ),
            n_params=2,
        )
    )
    length = estimate_length(loss, np.zeros(2))
    assert 0.5 < length[0] < 1.0
    assert 0.5 < length[1] < 2.0


def mixture(data, unit=1.0):
    """Two normal distributions: a logit, two means in a unit, a common log scale."""

    def parts(t):
        a, m, k, s = (t[..., i, None] for i in range(4))
        x, y = (data - m / unit) * np.exp(-s), (data - k / unit) * np.exp(-s)
        first = -np.logaddexp(0, -a) - x**2 / 2 - s
        second = -np.logaddexp(0, a) - y**2 / 2 - s
        return a, x, y, s, first, second

    def gradient(t):
        a, x, y, s, first, second = parts(t)
        both = np.logaddexp(first, second)
        p, q = np.exp(first - both), np.exp(second - both)
        share = 1 / (1 + np.exp(-a))
        each = [
            p * (1 - share) - q * share,
            p * x * np.exp(-s) / unit,
            q * y * np.exp(-s) / unit,
            p * x**2 + q * y**2 - 1,
        ]
        return -np.stack([np.mean(part, axis=-1) for part in each], axis=-1)

    return fit(
        FunctionLoss(
            lambda t: -np.mean(np.logaddexp(*parts(t)[-2:]), axis=-1),
            gradient,
            n_params=4,
        )
    )


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("column", range(4))
def test_slopes_below_the_rounding_of_the_loss_have_no_length(column, unit):
    # At the origin both distributions are the same, and their shares do not matter.
    length = mixture(scale(load_iris().data)[:, column], unit).length_scale()
    # Beyond a logit of 37 a share is one up to rounding errors.
    assert 0.1 < length[0] < 37
    assert np.all((length[1:3] > 0.1 * unit) & (length[1:3] < 10 * unit))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("constant", [0.0, 1e4, 1e10])
def test_a_constant_does_not_hide_the_length(unit, constant):
    # The second parameter is multiplied by zero.
    def inside(t):
        return (t[..., 0] + 0.0 * t[..., 1]) / unit

    loss = fit(
        FunctionLoss(
            lambda t: constant + (inside(t) ** 2 - 1) ** 2,
            lambda t: (
                4 * (inside(t) * (inside(t) ** 2 - 1))[..., None] * [1.0, 0.0] / unit
            ),
            n_params=2,
        )
    )
    length = loss.length_scale() / unit
    assert np.all((length > 0.5) & (length < 2))


@pytest.mark.parametrize("penalty", [1e-2, 1e-4, 1e-6])
def test_a_weak_penalty_does_not_set_the_length(penalty):
    # On one side rays turn at the minimum, beside 150. On the other side the slope is
    # that of the modulus, until far away the penalty bends it.
    loss = fit(
        FunctionLoss(
            lambda t: (
                np.sum(np.hypot(1, t - 150), axis=-1)
                + penalty / 2 * np.sum(t**2, axis=-1)
            ),
            lambda t: (t - 150) / np.hypot(1, t - 150) + penalty * t,
            n_params=2,
        )
    )
    minimum = brentq(lambda t: (t - 150) / np.hypot(1, t - 150) + penalty * t, 0, 150)
    length = estimate_length(loss, np.zeros(2))
    assert np.all((length > minimum / 2) & (length < 2 * minimum))


def rosenbrock(n_params, unit=1.0, **declared):
    """SciPy's valley, whose minimum lies at ``unit`` and turns beside the origin."""

    def columns(t):
        return np.moveaxis(t / unit, -1, 0)

    return fit(
        FunctionLoss(
            lambda t: rosen(columns(t)),
            lambda t: np.moveaxis(rosen_der(columns(t)), 0, -1) / unit,
            n_params=n_params,
            **declared,
        )
    )


@pytest.mark.parametrize("n_params", [4, 7])
@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e3])
def test_the_length_of_a_valley_is_not_its_width(n_params, unit):
    loss = rosenbrock(n_params, unit)
    assert np.min(turning_length(loss, np.zeros(n_params))) < 0.02 * unit
    assert_allclose(loss.length_scale(), np.full(n_params, unit), rtol=0.01)
    # Starts stay where the loss turns.
    starts = loss.draw_starts([np.random.default_rng(i) for i in range(9)])
    assert np.max(np.abs(starts)) < 0.6 * unit


def test_without_a_valley_the_length_is_where_rays_turn():
    # Wells, a ring, a slope that never ends, and one that only its penalty ends.
    losses = [
        make_himmelblau(),
        FunctionLoss(
            lambda t: (np.sum(t**2, axis=-1) - 9) ** 2,
            lambda t: 4 * t * (np.sum(t**2, axis=-1, keepdims=True) - 9),
            n_params=2,
        ).fit(),
        FunctionLoss(
            lambda t: np.exp(-t[..., 0]) + t[..., 1] ** 2,
            lambda t: np.stack([-np.exp(-t[..., 0]), 2 * t[..., 1]], axis=-1),
            n_params=2,
        ).fit(),
    ]
    for loss in losses:
        turns = turning_length(loss, np.zeros(2))
        assert_array_equal(estimate_length(loss, np.zeros(2)), turns)


def steep_well(raises):
    """A double well of Python's numbers, which raise OverflowError far from it."""

    def batched(function, name):
        def call(t):
            t = t if name in raises else np.clip(t, -15, 15)
            return np.vectorize(function, otypes=[float])(t)

        return call

    value = batched(lambda x: math.exp(x * x) - 3 * x * x, "value")
    gradient = batched(lambda x: 2 * x * math.exp(x * x) - 6 * x, "gradient")
    return FunctionLoss(lambda t: value(t)[..., 0], gradient, n_params=1).fit()


def test_functions_that_raise_where_they_overflow():
    # The minima are at plus and minus sqrt(log 3).
    (length,) = steep_well(()).length_scale()
    assert_allclose(length, np.sqrt(np.log(3)), rtol=0.15)
    only_value = steep_well(("value",))
    with pytest.raises(OverflowError):
        only_value.value([[1e9]])
    assert_allclose(only_value.length_scale(), length)
    # Without gradients along the rays nothing is known.
    for raises in (("gradient",), ("value", "gradient")):
        assert steep_well(raises).length_scale().tolist() == [1.0]


def _wells(t):
    return np.sum((t**2 - 1) ** 2 + 0.3 * t, axis=-1)


def _wells_gradient(t):
    return 4 * t * (t**2 - 1) + 0.3


def _pair(t):
    """Energy of two atoms on a line, with a pole where they meet."""
    r = t[..., 1] - t[..., 0]
    return r**-12 - 2 * r**-6


def _pair_gradient(t):
    r = t[..., 1] - t[..., 0]
    slope = 12 * (r**-7 - r**-13)
    return np.stack([-slope, slope], axis=-1)


def _logistic(t):
    return np.logaddexp(0, t[..., 0] - 2 * t[..., 1]) + 0.05 * np.sum(t**2, axis=-1)


def _logistic_gradient(t):
    rate = 1 / (1 + np.exp(2 * t[..., 1] - t[..., 0]))
    return np.stack([rate, -2 * rate], axis=-1) + 0.1 * t


@pytest.mark.parametrize("unit", [1e-15, 1e-12, 1e-10, 1e-9, 1e9, 1e10, 1e14])
@pytest.mark.parametrize(
    ("value", "gradient"),
    [
        (_wells, _wells_gradient),
        (_pair, _pair_gradient),
        (_logistic, _logistic_gradient),
    ],
)
def test_lengths_follow_the_unit_from_nuclei_to_frequencies(value, gradient, unit):
    def lengths(unit):
        loss = FunctionLoss(
            lambda t: value(t / unit), lambda t: gradient(t / unit) / unit, n_params=2
        ).fit()
        with np.errstate(all="ignore"):
            return loss.length_scale() / unit

    # Radii come in eighths of a decade, and a turn beside one may fall to the next.
    assert_allclose(np.log10(lengths(unit) / lengths(1.0)), 0, atol=0.13)
