"""Good losses pass, and for each kind of broken loss the message names its fault."""

from functools import partial

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skcrit.exceptions import ResolutionWarning
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss
from skcrit.utils.testing import check_gradient, check_hvp, check_loss

from ._broken_losses import (
    BROKEN,
    CENTRE,
    Asymmetric,
    EmptyLocalModel,
    HalfTheProduct,
    HasNoSpectrum,
    Large,
    LeavesTheOrbit,
    Logarithm,
    NoTruthToday,
    OverwritesV,
    Quartic,
    Remembers,
    Rough,
    TwiceTheGradient,
    WrongComponent,
    WrongHessian,
    WrongSign,
    gradient,
    hvp,
    value,
)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_broken_losses(broken):
    with pytest.raises(AssertionError, match=BROKEN[broken]) as info:
        check_loss(broken().fit())
    assert str(info.value).startswith(f"{broken.__name__} has ")


@pytest.mark.parametrize(
    "broken",
    [WrongSign, WrongComponent, HalfTheProduct, WrongHessian, OverwritesV, Remembers],
    ids=lambda cls: cls.__name__,
)
def test_faults_of_one_method_do_not_accuse_others(broken):
    innocent = {"value", "gradient", "hvp", "hessian", "rescale"}
    guilty = {
        WrongSign: {"gradient"},
        # Its dense matrix is the symmetric part of the products.
        WrongComponent: {"gradient", "hvp", "hessian"},
        HalfTheProduct: {"hvp"},
        WrongHessian: {"hessian"},
        OverwritesV: {"hvp"},
        Remembers: {"value", "gradient"},
    }[broken]
    with pytest.raises(AssertionError) as info:
        check_loss(broken().fit())
    lines = str(info.value).splitlines()[1:]
    accused = {line.split()[1] for line in lines}
    assert not accused & (innocent - guilty)


def test_everything_is_reported_at_once():
    class ManyFaults(Quartic):
        gradient = TwiceTheGradient.gradient
        at = EmptyLocalModel.at
        rescale = LeavesTheOrbit.rescale

        def hvp(self, theta, v):
            return 2 * hvp(theta, v) + 0.1 * np.roll(v, 1, axis=-1)

    with pytest.raises(AssertionError) as info:
        check_loss(ManyFaults().fit())
    message = str(info.value)
    for part in ("but 2 times", "not symmetric", "at(theta).hvp", "changes along"):
        assert part in message
    count = int(message.split("has ")[1].split()[0])
    assert count == message.count("\n- ") >= 4


def test_what_is_missing():
    class Bare:
        n_params_ = 3
        value, gradient = staticmethod(value), staticmethod(gradient)

    with pytest.raises(
        AssertionError, match="methods are missing: hvp, hessian, at, l"
    ):
        check_loss(Bare())
    with pytest.raises(
        AssertionError, match="it is not fitted: fit must set n_params_"
    ):
        check_loss(Quartic())
    loss = Quartic().fit()
    loss.n_params_ = 3.0
    with pytest.raises(AssertionError, match="must be a positive int, got 3.0"):
        check_loss(loss)
    loss = Quartic().fit()
    loss.dtype, loss.backend = "float16", "torch"
    with pytest.raises(AssertionError, match="(?s)got 'float16'.*got 'torch'"):
        check_loss(loss)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("backend", ["numpy", "array_api_strict"])
@pytest.mark.parametrize("hidden", [(2,), (6,), (3, 2), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("alpha, penalty", [(0, "sum"), (0.3, "sum"), (0.3, "product")])
def test_linear_autoencoder_passes(hidden, alpha, penalty, backend, dtype, rng):
    if backend != "numpy" and hidden == (2, 3, 2):
        hidden = (2, 2)  # the simulated device is slow
    loss = LinearAutoencoderLoss(
        hidden, alpha=alpha, penalty=penalty, backend=backend, dtype=dtype
    )
    check_loss(loss.fit(rng.standard_normal((9, 3))), n_points=3)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("n_samples", [3, 20])
def test_linear_autoencoder_passes_on_other_data(scale, n_samples, rng):
    X = scale * rng.standard_normal((n_samples, 4))
    check_loss(LinearAutoencoderLoss().fit(X))
    check_loss(LinearAutoencoderLoss((2, 2)).fit(X))


def test_constant_loss_passes():
    with pytest.warns(ResolutionWarning, match="X has no variance"):
        loss = LinearAutoencoderLoss().fit(np.ones((3, 2)))
    check_loss(loss)


@pytest.mark.parametrize("product", [None, hvp])
def test_function_loss_passes(product):
    check_loss(FunctionLoss(value, gradient, product, n_params=3).fit())


def test_subclass_passes_at_any_seed(global_random_seed):
    check_loss(Quartic().fit(), random_state=global_random_seed, n_points=2)
    check_loss(Quartic().fit(), points=[[1e3, 1e-3, 1.0], [0, 0, 0]])


def test_a_loss_without_truth_passes():
    check_loss(NoTruthToday().fit())
    check_loss(HasNoSpectrum().fit())


def test_large_losses_are_not_made_dense():

    check_loss(Large().fit())


def test_points_may_be_chosen():

    loss = Logarithm().fit()
    with pytest.raises(AssertionError, match="value is not finite .* choose points"):
        check_loss(loss)
    check_loss(loss, points=[[1.0, 2.0, 3.0], [4.0, 1.0, 2.0]])


def test_tolerance():

    with pytest.raises(AssertionError, match="rtol=1e-06"):
        check_loss(Rough().fit())
    check_loss(Rough().fit(), rtol=0.01)


@pytest.mark.parametrize("points", [np.ones(3), np.ones((1, 3)), np.ones((2, 4))])
def test_impossible_points(points):
    with pytest.raises(
        ValueError, match=r"must have shape \(n_points, 3\).* got shape"
    ):
        check_loss(Quartic().fit(), points=points)


def test_too_few_points():
    with pytest.raises(ValueError, match="n_points must be at least 2, got 1"):
        check_loss(Quartic().fit(), n_points=1)


@pytest.mark.parametrize("theta", [CENTRE + 1, np.ones((4, 3)), np.zeros(3)])
def test_check_gradient(theta):
    check_gradient(Quartic().fit(), theta)
    check_gradient(Asymmetric().fit(), theta)
    with pytest.raises(AssertionError, match="has 1 problem:\n- gradient is not the"):
        check_gradient(WrongSign().fit(), theta)


@pytest.mark.parametrize("theta", [CENTRE + 1, np.ones((4, 3)), np.zeros(3)])
def test_check_hvp(theta):
    check_hvp(Quartic().fit(), theta)
    check_hvp(WrongSign().fit(), theta)  # the product fits its wrong gradient
    with pytest.raises(AssertionError, match="(?s)not the derivative.*not symmetric"):
        check_hvp(Asymmetric().fit(), theta)


def test_check_at_a_critical_point():
    # No slope to compare with: rounding must not count as an error.
    loss = LinearAutoencoderLoss().fit(np.random.default_rng(0).normal(size=(20, 4)))
    theta = loss.analytical_spectrum().representative((0, 2))
    check_gradient(loss, theta)
    check_hvp(loss, theta)


def test_building_blocks_need_a_fitted_loss():
    for check in (check_gradient, check_hvp):
        with pytest.raises((ValueError, NotFittedError), match="loss must be fitted"):
            check(Quartic(), np.ones(3))
        with pytest.raises(ValueError, match=r"shape \(n_points, 3\), got .* \(1, 2\)"):
            check(Quartic().fit(), np.ones(2))


@pytest.mark.parametrize("unit", [1e-10, 1e-9, 1.0, 1e6, 1e12])
@pytest.mark.parametrize("energy", [1e-19, 1.0, 1e9])
def test_units_are_no_fault(unit, energy):
    loss = FunctionLoss(
        partial(in_units, value, unit, energy),
        partial(in_units, gradient, unit, energy / unit),
        n_params=3,
    ).fit()
    check_loss(loss)
    wrong = FunctionLoss(
        partial(in_units, value, unit, energy),
        partial(in_units, gradient, unit, -energy / unit),
        n_params=3,
    ).fit()
    with pytest.raises(AssertionError, match=r"1 problem.*\n.*but -1 times that"):
        check_loss(wrong)


def in_units(function, unit, factor, theta):
    return factor * function(theta / unit)
