r"""Value, gradient and Hessian of a multilayer network with bounds on their errors.

The recursions are those of :mod:`skcrit.losses.layers`, with arrays of balls
(:mod:`skcrit.linalg.balls`) in place of numbers: whatever the order in which the loss
itself adds, its errors are at most the distances from these balls. The slopes and bends
of activations are arithmetic of their values, so that the same formulas serve here.
Values take bounds of the derivatives: the logistic function has a slope of at most 1/4,
softplus and tanh of at most 1, and a softmax probability moves by at most half the
largest change of the inputs, as sum_j |dp_k / dz_j| = 2 p_k (1 - p_k).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._typing import Array
from skcrit.linalg.balls import UNITS, Balls, erf_values, exp, mapped
from skcrit.linalg.rounding import UNIT, frobenius_bound
from skcrit.losses._activations import ACTIVATIONS, logistic, softplus

# Numbers in an array of directions by units by samples.
_NUMBERS = 2**22


def enclosed(loss: Any, theta: Array) -> tuple[Balls, Balls, Balls]:
    """Enclose value, gradient and Hessian at one point."""
    weights = loss._split(theta[None, :])
    weights = [Balls(W[0]) for W in weights]
    sweep = _Enclosure(loss, weights)
    n = loss.n_params_
    mean = Balls(1 / loss.n_samples_seen_, UNIT / loss.n_samples_seen_)
    decay = _decay(loss)
    point = Balls(theta)
    value = sweep.value() * mean + (decay * (point * point)).sum(0) * 0.5
    gradient = _flat(sweep.gradient()) * mean + decay * point
    widest = max(loss._widths) + 1
    size = max(_NUMBERS // (widest * loss.n_samples_seen_), 1)
    identity = np.eye(n)
    rows = [sweep.product(identity[i : i + size]) for i in range(0, n, size)]
    hessian = Balls.concatenate(rows, 0) * mean
    diagonal = Balls(np.diag(decay.mid), np.diag(decay.rad))
    return value, gradient, hessian + diagonal


def evaluation_errors(
    loss: Any, theta: Array, value: float, gradient: Array, hessian: Array
) -> tuple[float, float, float]:
    """Bound the errors of what was computed at one point."""
    # Those of the gradient in the 2-norm, of the Hessian in the spectral norm.
    balls = enclosed(loss, theta)
    gaps = [
        ball.distance(computed)
        for ball, computed in zip(balls, (value, gradient, hessian), strict=True)
    ]
    # Of a nonnegative matrix the spectral norm is at most the root of the product of
    # its largest row and column sums.
    sums = (np.max(np.sum(gaps[2], axis=axis), initial=0.0) for axis in (0, 1))
    spectral = np.sqrt(np.prod(list(sums))) * (1 + 4 * (len(theta) + 8) * UNIT)
    frobenius = float(frobenius_bound(gaps[2]))
    slope = float(frobenius_bound(gaps[1], axes=1))
    return float(gaps[0]), slope, float(min(spectral, frobenius))


def _decay(loss: Any) -> Balls:
    """Return the weight of the penalty for each parameter, exactly alpha / n."""
    if loss.alpha == 0:
        return Balls(np.zeros(loss.n_params_))
    masks = [np.ones(shape) for shape in loss._shapes]
    if loss.fit_intercept and not loss.penalize_intercept:
        for mask in masks:
            mask[:, -1] = 0
    decay = np.concatenate([mask.ravel() for mask in masks])
    decay = decay * (loss.alpha / loss.n_samples_seen_)
    return Balls(decay, 2 * UNIT * decay)


def _flat(blocks: list[Balls]) -> Balls:
    """Join matrices, in the last two axes, to vectors."""
    parts = [B.reshape(*B.shape[:-2], -1) for B in blocks]
    return Balls.concatenate(parts, -1)


class _Enclosure:
    """Forward and backward sweep over all samples at one point."""

    def __init__(self, loss: Any, weights: Any) -> None:
        self.loss, self.weights = loss, weights
        self.activation = ACTIVATIONS[loss.activation]
        widths = loss._widths
        self.units = [W[:, :n] for W, n in zip(weights, widths, strict=False)]
        a = Balls(loss._X.T)
        self.inputs, self.slopes, self.bends = [self._with_ones(a)], [], []
        for W in weights[:-1]:
            a, slope, bend = _activated(loss.activation, W @ self.inputs[-1])
            self.inputs.append(self._with_ones(a))
            self.slopes.append(slope)
            self.bends.append(bend)
        z = weights[-1] @ self.inputs[-1]
        self.output = _OUTPUTS[loss._targets.kind](z, loss._targets.values.T)
        self.deltas: list[Any] = [self.output.slope()]
        self.errors: list[Any] = [None]
        for layer in range(len(weights) - 1, 0, -1):
            error = self.units[layer].transposed() @ self.deltas[0]
            self.errors.insert(0, error)
            self.deltas.insert(0, self.slopes[layer - 1] * error)

    def _with_ones(self, a: Balls) -> Balls:
        """Append the input of the intercepts."""
        if not self.loss.fit_intercept:
            return a
        ones = Balls(np.ones((*a.shape[:-2], 1, a.shape[-1])))
        return Balls.concatenate([a, ones], -2)

    def value(self) -> Balls:
        """Sum the losses of the samples."""
        return self.output.values().sum(-1)

    def gradient(self) -> list[Balls]:
        """Compute the gradient of that sum, in matrices."""
        pairs = zip(self.deltas, self.inputs, strict=True)
        return [delta @ a.transposed() for delta, a in pairs]

    def product(self, directions: Any) -> Balls:
        """Multiply the Hessian of that sum by directions, in rows."""
        V = [Balls(part) for part in self.loss._split(directions)]
        moved: list[Any] = [None]
        changes: list[Any] = []
        da = None
        for layer, V_l in enumerate(V):
            dz = V_l @ self.inputs[layer]
            if da is not None:
                dz = dz + self.units[layer] @ da
            if layer < len(V) - 1:
                changes.append(dz)
                da = self.slopes[layer] * dz
                moved.append(da)
        ddelta = self.output.product(dz)
        blocks: list[Any] = []
        for layer in range(len(V) - 1, -1, -1):
            block = ddelta @ self.inputs[layer].transposed()
            if moved[layer] is not None:
                # Inputs of intercepts do not move.
                part = self.deltas[layer] @ moved[layer].transposed()
                n_in, total = self.units[layer].shape[-1], block
                block = total[..., :n_in] + part
                if total.shape[-1] > n_in:
                    block = Balls.concatenate([block, total[..., n_in:]], -1)
            blocks.insert(0, block)
            if layer > 0:
                V_t = V[layer][..., : self.units[layer].shape[-1]].transposed()
                derror = V_t @ self.deltas[layer]
                derror = derror + self.units[layer].transposed() @ ddelta
                bent = self.bends[layer - 1] * self.errors[layer - 1]
                ddelta = self.slopes[layer - 1] * derror + bent * changes[layer - 1]
        return _flat(blocks)


def _activated(name: str, z: Balls) -> tuple[Balls, Balls, Balls]:
    """Return an activation's value, slope and bend on balls."""
    if name == "identity":
        return z, Balls(np.ones(z.shape)), Balls(np.zeros(z.shape))
    activation, kept = ACTIVATIONS[name], None
    if name == "erf":
        a = erf_values(z)
        # exp(-z^2) for balls around -z^2, whose centres are not positive.
        slope = Balls(activation.bounds[0], 2 * UNIT) * exp(-(z * z))
        return a, slope, -2 * z * slope
    if name == "tanh":
        a = mapped(np.tanh, z, 1.0)
    elif name == "logistic":
        a = mapped(logistic, z, 0.25)
    elif name == "softplus":
        # Besides the elementary functions, three operations.
        a, kept = mapped(softplus, z, 1.0), mapped(logistic, z, 0.25)
    else:
        s = mapped(logistic, z, 0.25)
        a, kept = z * s, (z, s)
    slope = activation.slope(a, kept)
    return a, slope, activation.bend(a, kept, slope)


class _Squares:
    """Half the squared error on balls."""

    def __init__(self, z: Balls, y: Array) -> None:
        self.gap = z - y

    def values(self) -> Balls:
        return (self.gap * self.gap).sum(-2) * 0.5

    def slope(self) -> Balls:
        return self.gap

    def product(self, u: Balls) -> Balls:
        return u


class _Logistic:
    """Log-loss of independent binary outputs on balls."""

    def __init__(self, z: Any, y: Any) -> None:
        self.z, self.y = z, y
        self.state = mapped(logistic, z, 0.25)

    def values(self) -> Any:
        return (mapped(softplus, self.z, 1.0) - self.y * self.z).sum(-2)

    def slope(self) -> Any:
        return self.state - self.y

    def product(self, u: Any) -> Any:
        return self.state * (1 - self.state) * u


class _Softmax:
    """Log-loss of the softmax of the outputs on balls."""

    def __init__(self, z: Any, y: Any) -> None:
        self.y, q = y, z.shape[-2]
        top = np.max(z.mid, axis=-2, keepdims=True)
        self.shifted = z - top
        shifted = self.shifted.mid
        weight = np.exp(shifted)
        total = np.sum(weight, axis=-2, keepdims=True)
        # Differences err by a unit of themselves, which the exponential turns into a
        # relative error of |shifted| units; the sum has q terms.
        units = 2 * UNITS + q + 8 + 2 * np.max(np.abs(shifted), axis=-2, keepdims=True)
        reach = np.max(z.rad, axis=-2, keepdims=True)
        p = weight / total
        self.state = Balls(p, (1 + 1e-9) * (units * UNIT * p + reach / 2) + 1e-300)
        # log sum exp has a slope of at most one in the largest change.
        log_total = np.log(total)
        error = (units + UNITS * np.abs(log_total)) * UNIT + np.max(
            self.shifted.rad, axis=-2, keepdims=True
        )
        self.log_total = Balls(log_total, (1 + 1e-9) * error)

    def values(self) -> Any:
        return self.log_total[..., 0, :] - (self.y * self.shifted).sum(-2)

    def slope(self) -> Any:
        return self.state - self.y

    def product(self, u: Any) -> Any:
        weighted = self.state * u
        mean = weighted.sum(-2).reshape(*u.shape[:-2], 1, u.shape[-1])
        return weighted - self.state * mean


_OUTPUTS: dict[str, Any] = {
    "squared_error": _Squares,
    "logistic": _Logistic,
    "softmax": _Softmax,
}
