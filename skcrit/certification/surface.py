"""Values of a loss at points, on the host, with bounds on their errors or estimates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._rows import Rows
from skcrit._typing import BoolArray, FloatArray
from skcrit.losses.base import Loss

# Safety factor on errors and changes that are estimated from a few random directions.
_SAFETY = 10.0

# Directions by which they are estimated.
_N_PROBES = 3

# Length of a difference, in length scales, without a ball to choose it by.
_STEP = 1e-4


@dataclass
class Expansion(Rows):
    """A loss at points: numbers, and bounds on their errors, a row each."""

    theta: FloatArray
    value: FloatArray
    gradient: FloatArray
    hessian: FloatArray  # symmetric
    value_error: FloatArray  # of shape (n,), like the two below
    gradient_error: FloatArray
    hessian_error: FloatArray  # in the spectral norm
    tangents: FloatArray  # (n, n_tangents, n_params), of the symmetry orbits
    change: FloatArray  # how fast they change
    estimated: BoolArray  # whether errors or tangents are estimates


def tangents_at(
    loss: Loss, theta: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return tangents of the symmetry orbits, their change, and marks of estimates."""
    points = loss.asarray(theta)
    tangents, change = loss.exact_tangents(points)
    exact = np.asarray(to_host(tangents), dtype=float)
    n = len(theta)
    if exact.shape[-2] > 0:
        return exact, np.full(n, float(change)), np.zeros(n, dtype=bool)
    computed = np.asarray(to_host(loss.orbit_tangents(points)), dtype=float)
    if not np.any(computed):
        return exact, np.zeros(n), np.zeros(n, dtype=bool)
    rate = np.zeros(n)
    for offset in _directions(loss):
        there = np.asarray(to_host(loss.orbit_tangents(loss.asarray(theta + offset))))
        moved = np.sqrt(np.sum((there - computed) ** 2, axis=(-2, -1)))
        rate = np.maximum(rate, moved / np.linalg.norm(offset))
    # A direction in many dimensions shows a part of the Frobenius norm of the change.
    rate *= _SAFETY * np.sqrt(theta.shape[1])
    return computed, rate, np.any(computed, axis=(-2, -1))


def expand(loss: Loss, theta: FloatArray) -> Expansion:
    """Evaluate a loss with bounds on the rounding errors, or estimates of them."""
    points = loss.asarray(theta)
    theta = np.asarray(to_host(points), dtype=float)
    tangents, change, estimated = tangents_at(loss, theta)
    with np.errstate(all="ignore"):
        model = loss.at(points)
        hessian = np.asarray(to_host(model.hessian()), dtype=float)
        errors = [np.asarray(to_host(e), float) for e in loss.evaluation_error(points)]
        rounding = np.max(np.abs(hessian), axis=(-2, -1)) * theta.shape[1] * 2.0**-52
        errors[2] = errors[2] + rounding  # of the mean with its transpose
        hessian = (hessian + np.swapaxes(hessian, -1, -2)) / 2
        value = np.asarray(to_host(model.value), dtype=float)
        gradient = np.asarray(to_host(model.gradient), dtype=float)
        unknown = ~np.all(np.isfinite(np.stack(errors)), axis=0)
        if np.any(unknown):
            systematic = np.asarray(to_host(model.hessian_error()), dtype=float)
            guesses = _guessed_errors(loss, theta, value, gradient, hessian, systematic)
            errors = [
                np.where(unknown, guess, error)
                for guess, error in zip(guesses, errors, strict=True)
            ]
    estimated = estimated | unknown
    return Expansion(
        theta=theta,
        value=value,
        gradient=gradient,
        hessian=hessian,
        value_error=errors[0],
        gradient_error=errors[1],
        hessian_error=errors[2],
        tangents=tangents,
        change=change,
        estimated=estimated,
    )


def lipschitz(
    loss: Loss, expansion: Expansion, radius: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Bound how fast the Hessian changes in balls, and mark estimates."""
    radius = np.where(np.isfinite(radius), radius, 0.0)
    points = loss.asarray(expansion.theta)
    # In single precision radii are rounded, and may not become smaller.
    wider = loss.asarray(radius * (1 + 2 * float(np.finfo(loss.dtype).eps)))
    with np.errstate(all="ignore"):
        bound = np.asarray(
            to_host(loss.hessian_lipschitz(points, wider)), dtype=float
        ).copy()
    unknown = ~np.isfinite(bound)
    for row in np.flatnonzero(unknown):
        bound[row] = _guessed_lipschitz(loss, expansion, row, radius[row])
    return bound, unknown


def _directions(loss: Any, step: Any = _STEP) -> Any:
    """Return a few random directions, as long as a part of a length scale."""
    rng = np.random.default_rng(2)
    draws = rng.standard_normal((_N_PROBES, loss.n_params_))
    draws /= np.linalg.norm(draws, axis=1, keepdims=True)
    return step * np.broadcast_to(loss.length_scale(), loss.n_params_) * draws


def _guessed_errors(
    loss: Any, theta: Any, value: Any, gradient: Any, hessian: Any, systematic: Any
) -> Any:
    """Estimate rounding errors from what changes of the last digit do."""
    eps = float(np.finfo(loss.dtype).eps)
    errors = [np.zeros(len(theta)) for _ in range(3)]
    size = np.maximum(np.abs(theta), loss.length_scale())
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (_N_PROBES, theta.shape[1]))
    for row in signs:
        model = loss.at(loss.asarray(theta + eps * size * row))
        there = model.value, model.gradient, model.hessian()
        for i, (one, other) in enumerate(
            zip((value, gradient, hessian), there, strict=True)
        ):
            gap = np.asarray(to_host(other), dtype=float) - one
            gap = np.sqrt(np.sum(gap.reshape(len(theta), -1) ** 2, axis=1))
            errors[i] = np.maximum(errors[i], _SAFETY * gap)
    errors[2] = errors[2] + np.sqrt(np.sum(systematic**2, axis=(-2, -1)))
    return errors


def _guessed_lipschitz(loss: Any, expansion: Any, row: Any, radius: Any) -> Any:
    """Estimate the change of the Hessian from a few differences around a point."""
    theta, hessian = expansion.theta[row], expansion.hessian[row]
    rate = 0.0
    for offset in _directions(loss):
        if radius > 0:
            offset = offset * (radius / np.linalg.norm(offset))
        there = np.asarray(to_host(loss.hessian(loss.asarray(theta + offset))), float)
        # A change that errors of the Hessians explain does not count.
        gap = np.linalg.norm(there - hessian) - 2 * expansion.hessian_error[row]
        rate = max(rate, gap / np.linalg.norm(offset))
    # Of a cubic form in n dimensions a random direction shows a part.
    return _SAFETY * max(rate, 0.0)
