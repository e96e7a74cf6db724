"""A good loss, losses with a fault each, and what is said of these."""

import array_api_strict
import numpy as np

from skcrit.exceptions import NoGroundTruthError
from skcrit.losses import Loss

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


class LengthRaises(Quartic):
    def length_scale(self):
        raise RuntimeError("no ruler")


class NegativeLength(Quartic):
    def length_scale(self):
        return -1.0


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
    LengthRaises: "length_scale raises RuntimeError: no ruler",
    NegativeLength: r"length_scale must return positive numbers, got .*-1",
    AnotherLibrary: "gradient must return an array of numpy, got one of array_api_str",
    ChangesInPickles: "value is different after pickling",
    CannotBePickled: "it cannot be pickled, which memory and saving need",
}
