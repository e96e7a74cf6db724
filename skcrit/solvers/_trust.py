"""How far quadratic models are trusted, by the gradients behind steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.losses.symmetries import rescaled
from skcrit.solvers._vectors import norm
from skcrit.solvers.signed_step import LONGEST

# The gradient behind a step may differ from the predicted one by this part of the
# gradient before it.
_GOOD = 0.25

# Bounds per direction grow while gradients are missed by less than this part, and
# shrink if they are missed by their own size; beyond the length of the loss they grow
# only if gradients are hardly missed and get smaller, as on the long slopes that lead
# in from far away. A search that is to climb where nothing is to be found would climb
# for ever.
_NEAR_ENOUGH, _TOO_FAR, _EXACT = 0.5, 1.0, 0.01

# A long step that makes the gradient so many times larger is not taken.
_ASTRAY = 2.0

# How trusted lengths grow and shrink. Directions are scaled so that steps are hardly
# longer: those of nearly the length were held back by it.
_LONGER, _SHORTER = 2.0, 0.25
_NEARLY = 0.8


@dataclass
class Move:
    """Where steps have led."""

    local: LocalModel
    length: FloatArray  # how long the next steps may be, in length scales
    n_gradient: IntArray | int  # spent, that of the new point included


def move(
    loss: Loss,
    local: LocalModel,
    p: Array,
    change: Array,
    length: FloatArray | None,
    *,
    balance: bool = True,
) -> Move:
    """Take steps, shortened to the lengths that are trusted."""
    # ``change`` is how the steps change the gradient, to first order; ``length`` how
    # long they may be, in length scales, at least LONGEST; None takes them as they are.
    # A step that was shortened allows the next one to be twice as long, if the gradient
    # has not grown and is what the Hessian predicts. Otherwise the next one is shorter,
    # and if the gradient has doubled this one is LONGEST in place of more. Points that
    # are rescaled (``balance``) allow no more than that.
    unit = loss.asarray(loss.length_scale())
    size = norm(p / unit)
    ones = np.ones(len(size), dtype=int)
    if length is None:
        _, there = _placed(loss, local, p, ones, balance)
        return Move(there, LONGEST * ones, 1)
    part = np.where(size > length, length / np.where(size > length, size, 1.0), 1.0)
    theta, there = _placed(loss, local, p, part, balance)
    stays = to_host(array_namespace(p).all(theta == there.theta, axis=-1))
    is_long = stays & (size > _NEARLY * LONGEST)
    if not is_long.any():
        return Move(there, LONGEST * ones, 1)
    change = loss.asarray(part)[:, None] * change
    error, growth = misses(local.gradient, there.gradient, change, unit)
    good, astray = (error <= _GOOD) & (growth <= 1), ~(growth <= _ASTRAY)
    longer = np.where(size > _NEARLY * length, _LONGER * length, length)
    after = np.where(good, longer, np.maximum(_SHORTER * length, LONGEST))
    after = np.where(is_long, after, LONGEST)
    again = is_long & astray & (np.minimum(size, length) > LONGEST)
    if again.any():
        part = np.where(again, LONGEST / np.where(again, size, 1.0), part)
        _, there = _placed(loss, local, p, part, balance)
    return Move(there, after, ones + again)


def _placed(
    loss: Loss, local: LocalModel, p: Array, part: FloatArray, balance: bool
) -> tuple[Array, LocalModel]:
    """Take parts of steps; return their ends, and the loss at the rescaled ends."""
    theta = local.theta + loss.asarray(part)[:, None] * p
    return theta, loss.at(rescaled(loss, theta) if balance else theta)


def misses(
    before: Array, after: Array, change: Array, unit: Array | float
) -> tuple[FloatArray, FloatArray]:
    """Measure how far gradients miss the model, before + change, and how they grow."""
    # Both are norms in the unit of each parameter, relative to the gradients before.
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        size = norm(before * unit)
        return norm((after - before - change) * unit) / size, norm(after * unit) / size


def adapted(
    trust: FloatArray, error: FloatArray, growth: FloatArray, least: float
) -> FloatArray:
    """Double or halve factors of bounds per direction, by what :func:`misses` finds."""
    exact = (error < _EXACT) & (growth < 1)
    grown = np.minimum(np.where(exact, np.inf, np.maximum(trust, 1.0)), 2 * trust)
    trust = np.where(error < _NEAR_ENOUGH, grown, trust)
    return np.where(error <= _TOO_FAR, trust, np.maximum(trust / 2, least))
