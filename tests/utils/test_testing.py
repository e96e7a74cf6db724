"""Good losses pass, and for each kind of broken loss the message names its fault."""

import array_api_strict
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skcrit.exceptions import NoGroundTruthError, ResolutionWarning
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss, Loss
from skcrit.utils.testing import check_gradient, check_hvp, check_loss

CENTRE = np.array([1.0, -2.0, 0.5])


# A quartic without symmetries: f(t) = sum_i (t_i - c_i)^4 / 4 + (sum_i t_i)^2 / 2.
def value(theta):
    x = theta - CENTRE
    return np.sum(x**4, axis=-1) / 4 + np.sum(theta, axis=-1) ** 2 / 2


def gradient(theta):
    return (theta - CENTRE) ** 3 + np.sum(theta, axis=-1, keepdims=True)


def hvp(theta, v):
    return 3 * (theta - CENTRE) ** 2 * v + np.sum(v, axis=-1, keepdims=True)


class Quartic(Loss):
    """A good loss; the broken ones below override one method each."""

    def fit(self, X=None, y=None):
        self.n_params_ = 3
        return self

    def value(self, theta):
        return value(self._as_points(theta))

    def gradient(self, theta):
        return gradient(self._as_points(theta))

    def hvp(self, theta, v):
        theta = self._as_points(theta)
        return hvp(theta, self._as_directions(v, theta))


class WrongSign(Quartic):
    def gradient(self, theta):
        return -gradient(theta)

    def hvp(self, theta, v):
        return -hvp(theta, v)


class TwiceTheGradient(Quartic):
    def gradient(self, theta):
        return 2 * gradient(theta)

    def hvp(self, theta, v):
        return 2 * hvp(theta, v)


class WrongComponent(Quartic):
    def gradient(self, theta):
        return gradient(theta) * [1.0, 1.0, 1.001]

    def hvp(self, theta, v):
        return hvp(theta, v) * [1.0, 1.0, 1.001]


class HalfTheProduct(Quartic):
    def hvp(self, theta, v):
        return hvp(theta, v) / 2


class Asymmetric(Quartic):
    def hvp(self, theta, v):
        return hvp(theta, v) + 0.1 * np.roll(v, 1, axis=-1)


class NotLinear(Quartic):
    def hvp(self, theta, v):
        return hvp(theta, v) + 0.01 * np.abs(v)


class OffsetProduct(Quartic):
    def hvp(self, theta, v):
        return hvp(theta, v) + 1.0


class ValueOfTheWholeBatch(Quartic):
    def value(self, theta):
        return np.sum(value(theta))


class NormalisedOverTheBatch(Quartic):
    def gradient(self, theta):
        x = np.reshape(theta, (-1, 3))
        return gradient(theta) * (1 + 1e-3 * x.shape[0])


class OnePointOnly(Quartic):
    def hvp(self, theta, v):
        return np.diag(3 * (theta - CENTRE) ** 2) @ v + np.sum(v)


class TooLong(Quartic):
    def gradient(self, theta):
        return np.concatenate([gradient(theta), gradient(theta)], axis=-1)


class OverwritesTheta(Quartic):
    def gradient(self, theta):
        theta -= CENTRE
        return theta**3 + np.sum(theta + CENTRE, axis=-1, keepdims=True)


class OverwritesV(Quartic):
    def hvp(self, theta, v):
        product = hvp(theta, v)
        v *= 0
        return product


class NotANumber(Quartic):
    def value(self, theta):
        return value(theta) * np.nan


class Float32(Quartic):
    def gradient(self, theta):
        return gradient(theta).astype(np.float32)


class ReturnsLists(Quartic):
    def gradient(self, theta):
        return gradient(theta).tolist()


class Raises(Quartic):
    def hvp(self, theta, v):
        raise RuntimeError("no memory left")


class Remembers(Quartic):
    def fit(self, X=None, y=None):
        self.calls_ = 0
        return super().fit()

    def value(self, theta):
        self.calls_ += 1
        return value(theta) * (1 + 1e-9 * self.calls_)


class WrongHessian(Quartic):
    def hessian(self, theta):
        return super().hessian(theta) + np.eye(3)


class WrongLocalModel(Quartic):
    def at(self, theta):
        local = super().at(theta)
        local.gradient = -local.gradient
        return local


class EmptyLocalModel(Quartic):
    def at(self, theta):
        return None


class WrongOperator(Quartic):
    def linear_operator(self, theta):
        return -1 * super().linear_operator(theta)


class LeavesTheOrbit(Quartic):
    def rescale(self, theta):
        return theta + 1.0


class WrongSpectrum(Quartic):
    def analytical_spectrum(self):
        return self

    def sample_sets(self, n, random_state=None):
        return [(0,)]

    def representative(self, name):
        return np.zeros(3)

    def losses(self, name):
        return -1.0


class ConvertsItsArguments(Quartic):
    def __init__(self, sizes=(2,)):
        self.sizes = list(sizes)


class LosesParameters(Quartic):
    def __init__(self, scale=1.0):
        self.scale = scale

    def __sklearn_clone__(self):
        return Quartic()


class AnotherLibrary(Quartic):
    def gradient(self, theta):
        return array_api_strict.asarray(gradient(theta))


class ChangesInPickles(Quartic):
    shift_ = 0.0

    def value(self, theta):
        return value(theta) + self.shift_

    def __getstate__(self):
        return {**super().__getstate__(), "shift_": 1.0}


class CannotBePickled(Quartic):
    def fit(self, X=None, y=None):
        self.function_ = lambda: None
        return super().fit()


class NoTruthToday(Quartic):
    def analytical_spectrum(self):
        raise NoGroundTruthError("not with these parameters")


class HasNoSpectrum(Quartic):
    @property
    def analytical_spectrum(self):
        raise AttributeError("analytical_spectrum")


class Large(Quartic):
    def fit(self, X=None, y=None):
        self.n_params_ = 5000
        return self

    def value(self, theta):
        return np.sum(theta**4, axis=-1) / 4

    def gradient(self, theta):
        return theta**3

    def hvp(self, theta, v):
        return 3 * theta**2 * v

    def hessian(self, theta):
        raise MemoryError


class Logarithm(Quartic):
    def value(self, theta):
        return np.sum(np.log(theta), axis=-1)

    def gradient(self, theta):
        return 1 / theta

    def hvp(self, theta, v):
        return -v / theta**2


class Rough(Quartic):
    def gradient(self, theta):
        return gradient(theta) * [1.0, 1.0, 1.001]

    def hvp(self, theta, v):
        product = hvp(theta, v)
        return product * (1 + 1e-3)


BROKEN = {
    WrongSign: "gradient is not the derivative of value, but -1 times that",
    TwiceTheGradient: "gradient is not the derivative of value, but 2 times that",
    WrongComponent: "gradient is not the derivative of value: along a random direction",
    HalfTheProduct: "hvp is not the derivative of gradient, but 0.5 times that",
    Asymmetric: "hvp is not symmetric",
    NotLinear: "hvp is not linear in v",
    OffsetProduct: "hvp of v = 0 is not zero",
    ValueOfTheWholeBatch: r"value must return shape \(5,\) .* \(5, 3\), got shape \(\)",
    NormalisedOverTheBatch: "gradient of a point depends on the batch that it is in",
    OnePointOnly: r"hvp raised ValueError for arguments of shape \(5, 3\) and \(5, 3\)",
    TooLong: r"gradient must return shape \(3,\) .* \(3,\), got shape \(6,\)",
    OverwritesTheta: "gradient overwrites its argument theta",
    OverwritesV: "hvp overwrites its argument v",
    NotANumber: "value is not finite at finite points",
    Float32: "gradient must return dtype float64, got float32",
    ReturnsLists: "gradient must return an array of numpy, got list",
    Raises: "hvp raised RuntimeError .* no memory left",
    Remembers: "value returns something else when called again",
    WrongHessian: "hessian does not agree with hvp on the unit vectors",
    WrongLocalModel: r"at\(theta\).gradient does not agree with gradient",
    EmptyLocalModel: r"at\(theta\).value cannot be used: 'NoneType'",
    WrongOperator: "linear_operator does not agree with hvp",
    LeavesTheOrbit: "value changes along rescale",
    WrongSpectrum: r"the analytical critical point \(0,\) is not critical",
    ConvertsItsArguments: "it cannot be cloned",
    LosesParameters: "clone loses parameters",
    AnotherLibrary: "gradient must return an array of numpy, got one of array_api_str",
    ChangesInPickles: "value is different after pickling",
    CannotBePickled: "it cannot be pickled, which n_jobs and memory need",
}


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
