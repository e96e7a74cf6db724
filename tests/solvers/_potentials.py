"""Functions whose critical points are known, and a count of what is asked of them."""

from functools import partial

import numpy as np

from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss


def polynomial_value(terms, theta):
    x, y = theta[..., 0], theta[..., 1]
    return sum(c * x**i * y**j for (i, j), c in terms.items())


def derivative(terms, axis):
    """Differentiate a polynomial, given as coefficients by exponents."""
    result = {}
    for exponents, c in terms.items():
        power = exponents[axis]
        if power:
            lower = tuple(e - (k == axis) for k, e in enumerate(exponents))
            result[lower] = result.get(lower, 0.0) + power * c
    return result


def polynomial_gradient(slopes, theta):
    parts = [polynomial_value(slope, theta) + 0.0 * theta[..., 0] for slope in slopes]
    return np.stack(parts, axis=-1)


def polynomial_hvp(curvatures, theta, v):
    rows = [polynomial_gradient(row, theta) for row in curvatures]
    return np.stack([np.sum(row * v, axis=-1) for row in rows], axis=-1)


def polynomial(**terms):
    """Make a loss of terms such as x2y1=3.0, with exact derivatives."""
    terms = {(int(name[1]), int(name[3])): c for name, c in terms.items()}
    slopes = [derivative(terms, axis) for axis in range(2)]
    curvatures = [[derivative(slope, axis) for axis in range(2)] for slope in slopes]
    return FunctionLoss(
        partial(polynomial_value, terms),
        partial(polynomial_gradient, slopes),
        partial(polynomial_hvp, curvatures),
        n_params=2,
    ).fit()


SADDLE = polynomial(x2y0=1.0, x0y2=-3.0, x1y1=1.0, x1y0=2.0)
BOWL = polynomial(x2y0=0.5, x0y2=0.5)
# (1 - x)^2 + 100 (y - x^2)^2
ROSENBROCK = polynomial(
    x0y0=1.0, x1y0=-2.0, x2y0=1.0, x0y2=100.0, x2y1=-200.0, x4y0=100.0
)
# (x^2 + y - 11)^2 + (x + y^2 - 7)^2
HIMMELBLAU = polynomial(
    x4y0=1.0,
    x2y1=2.0,
    x2y0=-21.0,
    x0y2=-13.0,
    x1y2=2.0,
    x0y4=1.0,
    x1y0=-14.0,
    x0y1=-22.0,
    x0y0=170.0,
)
MONKEY = polynomial(x3y0=1.0, x1y2=-3.0)
# Its gradient is at least one everywhere: there is no critical point.
SLOPE = polynomial(x3y0=1.0, x1y0=1.0, x0y2=1.0)
# A valley of minima along the circle: (x^2 + y^2 - 1)^2 / 4
CIRCLE = polynomial(x4y0=0.25, x2y2=0.5, x0y4=0.25, x2y0=-0.5, x0y2=-0.5, x0y0=0.25)
# The nine critical points to the digits given, with their Morse indices.
HIMMELBLAU_POINTS = [
    ((3.0, 2.0), 0),
    ((-2.805118, 3.131313), 0),
    ((-3.779310, -3.283186), 0),
    ((3.584428, -1.848127), 0),
    ((0.086678, 2.884255), 1),
    ((-3.073026, -0.081353), 1),
    ((-0.127961, -1.953715), 1),
    ((3.385154, 0.073852), 1),
    ((-0.270845, -0.923039), 2),
]


def autoencoder(eigenvalues=(4.0, 3.0, 2.0, 1.0), hidden=(2,), unit=1.0, **params):
    X = make_gaussian_spectrum(100, eigenvalues=eigenvalues, exact=True, random_state=0)
    return LinearAutoencoderLoss(hidden, **params).fit(unit * X)


# The sets of its network by default.
SETS = [(), (0,), (1,), (2,), (3,), (0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


def index(loss, theta):
    return int(np.sum(np.linalg.eigvalsh(loss.hessian(theta)) < 0))


class Counter:
    """Make a loss of the functions of another one that counts the rows it is asked."""

    def __init__(self, loss):
        self.inner = loss
        self.n_gradient = self.n_hvp = 0
        self.loss = FunctionLoss(
            loss.value, self.gradient, self.hvp, n_params=loss.n_params_, length=1.0
        ).fit()

    def gradient(self, theta):
        self.n_gradient += len(theta)
        return self.inner.gradient(theta)

    def hvp(self, theta, v):
        # The rows of finished linear systems are zero: they were not requested.
        self.n_hvp += int(np.sum(np.any(v != 0, axis=-1)))
        return self.inner.hvp(theta, v)
