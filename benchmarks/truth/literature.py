"""Functions that others made, with derivatives in any precision."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from sklearn import datasets

from skcrit.losses import FunctionLoss

from .jets import variables

__all__ = ["Surface", "surfaces"]

LONG = np.longdouble
PI = LONG("3.14159265358979323846264338327950288")


@dataclass
class Surface:
    """A function of jets, with the box that is searched for references.

    Attributes
    ----------
    name : str
        Name.
    function : callable
        Maps a jet of shape (..., n_params) to one of shape (...,).
    low, high : float or array-like
        Box.
    n_params : int
        Number of variables.
    bounded : bool
        Whether searches are kept in the box: there are critical points all over.
    declared : dict
        Arguments of ``FunctionLoss``.
    explored : bool
        Whether the explorer has a try.
    """

    name: str
    function: Callable
    low: object
    high: object
    n_params: int = 2
    bounded: bool = False
    declared: dict = field(default_factory=dict)
    explored: bool = True

    def derivatives(self, theta, second=True):
        """Return value, gradient and Hessian at points, in their precision."""
        jet = self.function(variables(theta, second))
        return jet.value, jet.slope, jet.bend

    def box(self, length=1.0, shift=0.0):
        """Return the box in other units, moved."""
        sides = (np.broadcast_to(side, self.n_params) for side in (self.low, self.high))
        return tuple(shift + length * side for side in sides)

    def loss(self, value=1.0, length=1.0, shift=0.0, products=True):
        """Return the loss in other units, moved; what is moved gets its box."""

        def own(t):
            return (np.asarray(t, dtype=float) - shift) / length

        def hvp(t, v):
            hessian = self.derivatives(own(t))[2]
            return value / length**2 * (hessian @ v[..., None])[..., 0]

        declared = dict(self.declared)
        if self.bounded or shift:
            declared["bounds"] = self.box(length, shift)
        return FunctionLoss(
            lambda t: value * self.derivatives(own(t), False)[0],
            lambda t: value / length * self.derivatives(own(t), False)[1],
            hvp if products else None,
            n_params=self.n_params,
            **declared,
        ).fit()


def rosenbrock(x):
    """Return the valley of Rosenbrock."""
    a, b = x[..., :-1], x[..., 1:]
    return (100 * (b - a.square()).square() + (1 - a).square()).sum()


def beale(t):
    """Return the function of Beale."""
    x, y = t[..., 0], t[..., 1]
    return (
        (1.5 - x + x * y).square()
        + (2.25 - x + x * y.square()).square()
        + (2.625 - x + x * y.power(3)).square()
    )


def goldstein_price(t):
    """Return the function of Goldstein and Price."""
    x, y = t[..., 0], t[..., 1]
    a = 19 - 14 * x + 3 * x.square() - 14 * y + 6 * x * y + 3 * y.square()
    b = 18 - 32 * x + 12 * x.square() + 48 * y - 36 * x * y + 27 * y.square()
    return (1 + (x + y + 1).square() * a) * (30 + (2 * x - 3 * y).square() * b)


def booth(t):
    """Return the function of Booth."""
    x, y = t[..., 0], t[..., 1]
    return (x + 2 * y - 7).square() + (2 * x + y - 5).square()


def branin(t):
    """Return the function of Branin."""
    x, y = t[..., 0], t[..., 1]
    pi = PI.astype(x.value.dtype)
    b, c, s = 5.1 / (4 * pi**2), 5 / pi, 1 / (8 * pi)
    return (y - b * x.square() + c * x - 6).square() + 10 * (1 - s) * x.cos() + 10


def styblinski_tang(x):
    """Return the function of Styblinski and Tang."""
    return 0.5 * (x.power(4) - 16 * x.square() + 5 * x).sum()


def ackley(x):
    """Return the function of Ackley, without its constants."""
    n, pi = x.value.shape[-1], PI.astype(x.value.dtype)
    root = (x.square().sum() / n).sqrt()
    return -20 * (-0.2 * root).exp() - ((2 * pi * x).cos().sum() / n).exp()


def rastrigin(x):
    """Return the function of Rastrigin, without its constant."""
    pi = PI.astype(x.value.dtype)
    return (x.square() - 10 * (2 * pi * x).cos()).sum()


def griewank(x):
    """Return the function of Griewank, without its constant."""
    product = None
    for i in range(x.value.shape[-1]):
        part = (x[..., i] / np.sqrt(LONG(i + 1))).cos()
        product = part if product is None else product * part
    return x.square().sum() / 4000 - product


def levy(x):
    """Return the function of Levy."""
    pi = PI.astype(x.value.dtype)
    w = 1 + (x - 1) / 4
    first = (pi * w[..., 0]).sin().square()
    a, last = w[..., :-1], w[..., -1]
    middle = ((a - 1).square() * (1 + 10 * (pi * a + 1).sin().square())).sum()
    return first + middle + (last - 1).square() * (1 + (2 * pi * last).sin().square())


def mccormick(t):
    """Return the function of McCormick."""
    x, y = t[..., 0], t[..., 1]
    return (x + y).sin() + (x - y).square() - 1.5 * x + 2.5 * y + 1


def six_bells(t, seed=0):
    """Return an energy of a bowl less six bells."""
    rng = np.random.default_rng(seed)
    total = 0.02 * t.square().sum()
    for _ in range(6):
        c, w = rng.uniform(-3, 3, 2), rng.uniform(0.5, 2)
        total = total - w * (-0.5 * (t - c).square().sum()).exp()
    return total


def mixture(t, data=None):
    """Return the negative log-likelihood of two normal distributions."""
    x = data
    w = 1 / (1 + (-t[..., 0]).exp())
    parts = []
    for share, mean, log_var in (
        (w, t[..., 1], t[..., 2]),
        (1 - w, t[..., 3], t[..., 4]),
    ):
        inv = (-log_var).exp()
        quad = (mean[..., None] - x).square() * inv[..., None]
        parts.append((share * inv.sqrt())[..., None] * (-0.5 * quad).exp())
    return -1 * (parts[0] + parts[1]).log().sum()


def factorisation(t, A=None, r=2, ridge=0.0):
    """Return |A - U V^T|^2 and a penalty."""
    m, n = A.shape
    U = [[t[..., i * r + k] for k in range(r)] for i in range(m)]
    V = [[t[..., m * r + j * r + k] for k in range(r)] for j in range(n)]
    total = ridge * t.square().sum()
    for i in range(m):
        for j in range(n):
            entry = U[i][0] * V[j][0]
            for k in range(1, r):
                entry = entry + U[i][k] * V[j][k]
            total = total + (entry - A[i, j]).square()
    return total


def chain(x, coupling=0.0):
    """Return double wells in a row, neighbours coupled: a phase field."""
    wells = 0.25 * (x.square() - 1).square().sum()
    return wells + 0.5 * coupling * (x[..., 1:] - x[..., :-1]).square().sum()


def cauchy(t, data=None):
    """Return the negative log-likelihood of a Cauchy location."""
    square = None
    for k in range(data.shape[1]):
        gap = (t[..., k][..., None] - data[:, k]).square()
        square = gap if square is None else square + gap
    return (1 + square).log().sum()


def soft_kmeans(t, data=None, k=2, width=0.5):
    """Return the negative log-likelihood of bells around centres."""
    d = data.shape[1]
    total = None
    for c in range(k):
        square = None
        for i in range(d):
            gap = (t[..., c * d + i][..., None] - data[:, i]).square()
            square = gap if square is None else square + gap
        part = (-0.5 / width**2 * square).exp()
        total = part if total is None else total + part
    return -1 * total.log().sum()


def gp(t, x=None, y=None):
    """Return that of a Gaussian process: log length, signal, noise."""
    n = len(x)
    inv = (-2 * t[..., 0]).exp()[..., None, None]
    signal = (2 * t[..., 1]).exp()[..., None, None]
    noise = (2 * t[..., 2]).exp()[..., None, None]
    gap = (x[:, None] - x[None, :]) ** 2
    K = signal * (inv * (-0.5 * gap)).exp() + noise * np.eye(n)
    # Elimination with y beside it.
    rest = K
    right = t[..., 0][..., None] * 0.0 + y
    total = None
    for _ in range(n):
        pivot, head = rest[..., 0, 0], right[..., 0]
        part = 0.5 * pivot.log() + 0.5 * head.square() * pivot.inverse()
        total = part if total is None else total + part
        m = rest.value.shape[-1]
        if m == 1:
            break
        column = rest[..., 1:, 0]
        ratio = column * pivot.inverse()[..., None]
        right = right[..., 1:] - ratio * head[..., None]
        rest = rest[..., 1:, 1:] - ratio[..., :, None] * column[..., None, :]
    return total


def linear(t, X):
    """Return linear predictions, a column of X for each parameter."""
    total = None
    for i in range(X.shape[1]):
        part = t[..., i][..., None] * X[:, i]
        total = part if total is None else total + part
    return total


def logistic(t, X=None, signs=None, ridge=None):
    """Return the loss of logistic regression with a penalty."""
    losses = (1 + (-1 * (linear(t, X) * signs)).exp()).log()
    return losses.sum() / len(X) + ridge / 2 * t.square().sum()


def pseudo_huber(t, X=None, y=None, ridge=None):
    """Return a loss of regression that is quadratic up to 50 and then linear."""
    roots = (1 + ((linear(t, X) - y) / 50).square()).sqrt()
    return 2500 * (roots - 1).sum() / len(X) + ridge / 2 * t.square().sum()


def surfaces():
    """Make the surfaces.

    Yields
    ------
    surface : Surface
        One after another, from fixed random numbers.
    """
    rng = np.random.default_rng(1)
    for n in (2, 4, 7):
        yield Surface(f"Rosenbrock, {n}", rosenbrock, -2, 2, n)
    yield Surface("Beale", beale, -4.5, 4.5)
    yield Surface("Goldstein-Price", goldstein_price, -2, 2)
    yield Surface("Booth", booth, -10, 10)
    yield Surface("Branin", branin, (-5, 0), (10, 15), bounded=True)
    yield Surface("Styblinski-Tang, 3", styblinski_tang, -5, 5, 3)
    yield Surface("Ackley", ackley, -2.3, 2.3, bounded=True)
    yield Surface("Rastrigin", rastrigin, -2.3, 2.3, bounded=True)
    yield Surface("Griewank", griewank, -9, 9, bounded=True)
    yield Surface("Levy", levy, -6, 6, bounded=True)
    yield Surface("McCormick", mccormick, (-1.5, -3), (4, 4), bounded=True)
    yield Surface("bowl with six bells", six_bells, -5, 5)
    for coupling in (0.0, 0.05, 0.3):
        chained = partial(chain, coupling=coupling)
        yield Surface(f"phase field, coupling {coupling}", chained, -1.5, 1.5, 3)
    points = np.array([[0, 0], [4, 0], [1, 5], [8, 8], [8.5, 7.5], [-3, 6]], float)
    yield Surface("Cauchy location", partial(cauchy, data=points), -5, 10)
    groups = [0.3 * rng.standard_normal((12, 2)) + c for c in ([0, 0], [2, 0], [1, 2])]
    centres = partial(soft_kmeans, data=np.concatenate(groups))
    yield Surface("two soft means", centres, -1, 3, 4)
    draws = [rng.standard_normal(25) - 2, 0.5 * rng.standard_normal(15) + 1.5]
    two = partial(mixture, data=np.concatenate(draws))
    # Any few samples can be a peak: the critical points are without number.
    yield Surface("normal mixture", two, -4, 4, 5, explored=False)
    x = np.sort(rng.uniform(0, 5, 14))
    y = np.sin(2 * x) + 0.2 * rng.standard_normal(14)
    process = partial(gp, x=x, y=y)
    yield Surface("Gaussian process", process, -4, 4, 3, explored=False)
    ridge = partial(factorisation, A=rng.standard_normal((4, 3)), r=1, ridge=0.1)
    yield Surface("ridge factorisation", ridge, -2, 2, 7)
    iris, one = datasets.load_iris(), np.ones((100, 1))
    X, signs = np.hstack([iris.data[50:], one]), 2 * iris.target[50:] - 3.0
    fit = partial(logistic, X=X, signs=signs, ridge=1e-3)
    yield Surface("logistic regression, iris", fit, -20, 20, 5)
    patients = datasets.load_diabetes(scaled=False)
    X = np.hstack([patients.data[:100, [2, 3, 8]], one])
    fit = partial(pseudo_huber, X=X, y=patients.target[:100], ridge=1e-3)
    yield Surface("robust regression, diabetes", fit, -50, 50, 4)
