"""Small networks against their dense Hessians in extended precision.

The network is written down here a second time, with NumPy's long double and derivatives
that are carried forward from unit to unit: nothing is shared with the library but the
order of the parameters.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from skcrit import NewtonMRFinder, NotConvergedWarning, SaddleDynamicsFinder
from skcrit.losses import MLPLoss

from .report import Row

__all__ = ["Network", "networks", "rows"]

LONG = np.longdouble

# Relative to the Hessian: what is zero in long double, and what is certainly not. In
# between nothing is known, and nothing is compared.
_ZERO, _NOT_ZERO = 1e-16, 1e-14

# A Newton step that is nothing, relative to the point.
_ARRIVED = 1e-15

# The critical point is as far from the search's end as reported, up to a factor, and to
# a length: distances are estimates.
_FARTHER, _NEAR = 3.0, 1e-7

# How far Newton steps may lead from what is called a critical point.
_SHORT = 1e-3


@dataclass
class Jet:
    """Values at n samples with all first and second derivatives by the parameters."""

    value: np.ndarray
    slope: np.ndarray
    bend: np.ndarray

    def __add__(self, other):
        """Add two jets."""
        return Jet(
            self.value + other.value, self.slope + other.slope, self.bend + other.bend
        )

    def add_product(self, weight, k, other):
        """Add another jet times the parameter of a number, in place."""
        self.value += weight * other.value
        self.slope += weight * other.slope
        self.slope[:, k] += other.value
        self.bend += weight * other.bend
        self.bend[:, k, :] += other.slope
        self.bend[:, :, k] += other.slope

    def through(self, value, slope, bend):
        """Apply a function whose value and two derivatives are given."""
        square = self.slope[:, :, None] * self.slope[:, None, :]
        curved = bend[:, None, None] * square + slope[:, None, None] * self.bend
        return Jet(value, slope[:, None] * self.slope, curved)


def tanh(z):
    """Return the hyperbolic tangent and two derivatives."""
    a = np.tanh(z)
    return a, 1 - a * a, -2 * a * (1 - a * a)


def logistic(z):
    """Return the logistic function and two derivatives."""
    a = 1 / (1 + np.exp(-z))
    return a, a * (1 - a), a * (1 - a) * (1 - 2 * a)


def softplus(z):
    """Return log(1 + exp(z)) and two derivatives."""
    a, slope, _ = logistic(z)
    return np.logaddexp(LONG(0), z), a, slope


ACTIVATIONS = {"tanh": tanh, "logistic": logistic, "softplus": softplus}


class Network:
    """A multilayer perceptron in extended precision, with its dense Hessian.

    Parameters
    ----------
    sizes : tuple of int
        Widths of the layers, inputs and outputs included.
    activation : str
        Name in ``ACTIVATIONS``.
    X, y : ndarray
        Samples, and targets of shape (n_samples, n_outputs); of classes zeros and ones.
    alpha : float
        Penalty, as scikit-learn counts it.
    classes : bool, default=False
        Whether the loss is the log-loss.
    """

    def __init__(self, sizes, activation, X, y, alpha, classes=False):
        self.sizes, self.activation = sizes, ACTIVATIONS[activation]
        self.X, self.y, self.alpha = LONG(X), LONG(y), LONG(alpha)
        self.classes = classes
        self.n_params = sum((a + 1) * b for a, b in zip(sizes, sizes[1:], strict=False))

    def derivatives(self, theta):
        """Return gradient and Hessian of the loss.

        Parameters
        ----------
        theta : ndarray of shape (n_params,)
            Point, in long double.

        Returns
        -------
        gradient, hessian : ndarray
            In long double.
        """
        n, outputs, weights = len(self.X), self._outputs(theta), self._is_weight()
        penalty = self.alpha / n * weights
        gradient, hessian = penalty * theta, np.diag(penalty)
        for part in self._losses(outputs):
            gradient = gradient + np.sum(part.slope, axis=0) / n
            hessian = hessian + np.sum(part.bend, axis=0) / n
        return gradient, hessian

    def _is_weight(self):
        """Return one for weights and zero for intercepts."""
        parts = [
            np.tile([LONG(1)] * a + [LONG(0)], b)
            for a, b in zip(self.sizes, self.sizes[1:], strict=False)
        ]
        return np.concatenate(parts)

    def _jet(self, value, k=None):
        n, d = len(self.X), self.n_params
        slope = np.zeros((n, d), LONG)
        if k is not None:
            slope[:, k] = 1
        return Jet(np.zeros(n, LONG) + value, slope, np.zeros((n, d, d), LONG))

    def _outputs(self, theta):
        units, k = [self._jet(column) for column in self.X.T], 0
        for layer, width in enumerate(self.sizes[1:], start=1):
            after = []
            for _ in range(width):
                total = self._jet(theta[k + len(units)], k + len(units))
                for j, unit in enumerate(units):
                    total.add_product(theta[k + j], k + j, unit)
                k += len(units) + 1
                after.append(total)
            hidden = layer < len(self.sizes) - 1
            units = after
            if hidden:
                units = [z.through(*self.activation(z.value)) for z in after]
        return units

    def _losses(self, outputs):
        if not self.classes:
            for z, y in zip(outputs, self.y.T, strict=True):
                rest = z.value - y
                yield z.through(rest * rest / 2, rest, np.ones_like(rest))
        elif len(outputs) == 1:
            z, y = outputs[0], self.y[:, 0]
            value, slope, bend = softplus(z.value)
            yield z.through(value - y * z.value, slope - y, bend)
        else:
            top = np.max([z.value for z in outputs], axis=0)
            total = None
            for z in outputs:
                height = np.exp(z.value - top)
                part = z.through(height, height, height)
                total = part if total is None else total + part
            s = total.value
            yield total.through(np.log(s) + top, 1 / s, -1 / (s * s))
            for z, y in zip(outputs, self.y.T, strict=True):
                yield z.through(-y * z.value, -y, 0 * y)

    def _step(self, gradient, hessian, cut=_NOT_ZERO):
        values, vectors = np.linalg.eigh(hessian.astype(float))
        # Directions without curvature have a gradient of rounding errors alone.
        steep = np.abs(values) > cut * np.max(np.abs(values))
        inverse = np.where(steep, 1 / np.where(steep, values, 1), 0)
        return vectors @ (inverse * (vectors.T @ gradient))

    def refined(self, theta):
        """Take Newton steps in long double from a point.

        Parameters
        ----------
        theta : ndarray of shape (n_params,)
            Point.

        Returns
        -------
        hessian : ndarray of shape (n_params, n_params) or None
            Hessian at the critical point; None if 30 steps lead to none.
        way : float
            How far the steps lead.
        """
        start = theta = LONG(theta)
        for _ in range(30):
            step = self._step(*self.derivatives(theta))
            theta = theta - step
            way = np.linalg.norm((theta - start).astype(float))
            if np.max(np.abs(step)) <= _ARRIVED * (1 + np.max(np.abs(theta))):
                gradient, hessian = self.derivatives(theta)
                there = np.max(np.abs(gradient)) <= 1e-15 * np.max(np.abs(hessian))
                return (hessian if there else None), way
        return None, way

    def saturates(self, theta):
        """Return whether a unit that is used is constant on all samples.

        Parameters
        ----------
        theta : ndarray of shape (n_params,)
            Point.

        Returns
        -------
        saturates : bool
            Whether the slope of a unit of the first layer is below 1e-12 on all
            samples. What it still changes fades with the size of its weights, on a
            tail that long double takes for a plateau.
        """
        width, n = self.sizes[1], self.X.shape[1] + 1
        weights = LONG(theta)[: width * n].reshape(width, n)
        slope = self.activation(self.X @ weights[:, :-1].T + weights[:, -1])[1]
        after = theta[width * n :].reshape(-1)[: self.sizes[2] * (width + 1)]
        used = np.max(np.abs(after.reshape(-1, width + 1)[:, :-1]), axis=0)
        return bool(np.any((np.max(slope, axis=0) < 1e-12) & (used > 1e-6)))

    def stays(self, theta):
        """Return whether Newton steps in long double stay near a point.

        Parameters
        ----------
        theta : ndarray of shape (n_params,)
            Point.

        Returns
        -------
        stays : bool
            Whether the gradient collapses and the way is a thousandth of the point. At
            a degenerate point steps get shorter, and arrive late or never.
        """
        start, theta = LONG(theta), LONG(theta)
        before = np.max(np.abs(self.derivatives(theta)[0]))
        # Beside a critical manifold its flat directions bend a little: they come last.
        for cut in [1e-5] * 4 + [_NOT_ZERO] * 8:
            theta = theta - self._step(*self.derivatives(theta), cut)
        after = np.max(np.abs(self.derivatives(theta)[0]))
        way = np.max(np.abs(theta - start))
        quiet = after <= max(1e-2 * before, 1e-17)
        return bool(quiet and way <= _SHORT * (1 + np.max(np.abs(start))))


def inertia(hessian):
    """Count negative and zero eigenvalues of a matrix in long double.

    Parameters
    ----------
    hessian : ndarray of shape (n, n)
        Symmetric matrix.

    Returns
    -------
    negative, zero : int
        Counts; -1 where long double does not decide.

    Notes
    -----
    A congruence by the eigenvectors of double precision leaves a block of small
    entries, whose Schur complement is decomposed again in its own size.
    """
    whole, negative = np.max(np.abs(hessian)), 0
    while len(hessian):
        size = np.max(np.abs(hessian))
        if size <= _ZERO * whole:
            return negative, len(hessian)
        values, vectors = np.linalg.eigh((hessian / size).astype(float))
        turned = vectors.T.astype(LONG) @ hessian @ vectors.astype(LONG)
        large = np.abs(values) > 1e-5
        if np.any(np.abs(values[large]) * size <= _NOT_ZERO * whole):
            return -1, -1
        negative += int(np.sum(values[large] < 0))
        side, block = turned[np.ix_(~large, large)], turned[np.ix_(large, large)]
        right = (side.T / size).astype(float)
        solved = np.linalg.solve((block / size).astype(float), right)
        hessian = turned[np.ix_(~large, ~large)] - side @ solved
    return negative, 0


def networks(alphas):
    """Make networks with losses of the library and here.

    Parameters
    ----------
    alphas : sequence of float
        Penalties.

    Yields
    ------
    name : str
        Layers, activation and penalty.
    loss : MLPLoss
        Fitted loss.
    network : Network
        The same in extended precision.
    """
    shapes = (
        ((2, 3, 1), "tanh", False),
        ((4, 5, 3), "tanh", False),
        ((2, 2, 2, 1), "logistic", False),
        ((3, 2, 1), "softplus", False),
        ((2, 3, 1), "tanh", True),
        ((3, 2, 3), "logistic", True),
    )
    for seed, (sizes, activation, classes) in enumerate(shapes):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((25, sizes[0]))
        wave = np.sin(2 * X @ rng.standard_normal((sizes[0], sizes[-1])))
        y = wave + 0.5 * X[:, -1:] ** 2 + 0.1 * rng.standard_normal(wave.shape)
        labels = np.argmax(y, axis=1) if sizes[-1] > 1 else (y[:, 0] > 0).astype(int)
        if classes:
            y = np.eye(sizes[-1])[labels] if sizes[-1] > 1 else labels[:, None]
        for alpha in alphas:
            kind = "log_loss" if classes else "squared_error"
            loss = MLPLoss(sizes[1:-1], activation, loss=kind, alpha=alpha)
            loss.fit(X, labels if classes else (y if sizes[-1] > 1 else y[:, 0]))
            name = "-".join(map(str, sizes)) + f" {activation}, {kind}"
            yield name, loss, Network(sizes, activation, X, y, alpha, classes)


def rows(quick=False):
    """Return the rows of the table.

    Parameters
    ----------
    quick : bool, default=False
        Whether to try a small part only.

    Yields
    ------
    row : Row
        One for each network; ``n`` counts the ends that converged.
    """
    n_starts = 12 if quick else 30
    for name, loss, network in networks((0.1,) if quick else (0.3, 0.03)):
        yield compared(name, loss, network, n_starts)
        if quick:
            break


def compared(name, loss, network, n_starts):
    """Search, and compare what is reported with the Hessian in extended precision."""
    n = wrong = known = 0
    for finder in (NewtonMRFinder(), SaddleDynamicsFinder(index="natural")):
        finder.set_params(n_starts=n_starts, random_state=0, max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            finder.fit(loss)
        for row in np.flatnonzero(finder.converged_):
            hessian, way = network.refined(finder.final_params_[row])
            truth = (-1, -1) if hessian is None else inertia(hessian)
            if truth[0] < 0:
                continue
            end = {key: column[row] for key, column in finder.results_.items()}
            n += 1
            known += end["morse_index"] >= 0
            wrong += is_wrong(end, truth, way)
    return Row(name, n, int(wrong), known / max(n, 1))


def is_wrong(end, truth, way):
    """Return whether the report of an end contradicts the reference."""
    found = int(end["morse_index"]), int(end["nullity"])
    if found[0] >= 0 and found != truth:
        return True
    if not end["morse_index_low"] <= truth[0] <= end["morse_index_high"]:
        return True
    return bool(way > _FARTHER * end["distance"] + _NEAR)
