"""Steps that become longer than the bound while the loss is what its model says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.losses.symmetries import rescaled
from skcrit.solvers._vectors import norm
from skcrit.solvers.signed_step import LONGEST

__all__ = ["Move", "move"]

# The gradient behind a step may differ from the predicted one by this part of the
# gradient before it.
_GOOD = 0.25

# A long step that makes the gradient so many times larger is not taken.
_ASTRAY = 2.0

# How trusted lengths grow and shrink. Directions are scaled so that steps are hardly
# longer: those of nearly the length were held back by it.
_LONGER, _SHORTER = 2.0, 0.25
_NEARLY = 0.8


@dataclass
class Move:
    """Where steps have led.

    Attributes
    ----------
    local : LocalModel
        Loss there.
    length : ndarray of shape (n,)
        How long the next steps may be, in length scales.
    n_gradient : ndarray of int of shape (n,)
        Gradients spent, that of the new point included.
    """

    local: LocalModel
    length: FloatArray
    n_gradient: IntArray | int


def move(
    loss: Loss,
    local: LocalModel,
    p: Array,
    change: Array,
    length: FloatArray | None,
    *,
    balance: bool = True,
) -> Move:
    """Take steps, shortened to the lengths that are trusted.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    local : LocalModel
        Loss at a batch of points.
    p : array of shape (n, n_params)
        Steps of any length.
    change : array of shape (n, n_params)
        How they change the gradient, to first order.
    length : ndarray of shape (n,)
        How long they may be, in length scales; at least ``LONGEST``. None takes the
        steps as they are.
    balance : bool, default=True
        Whether points are rescaled.

    Returns
    -------
    moved : Move
        A row per step. A step that was shortened allows the next one to be twice as
        long, if the gradient has not grown and is what the Hessian predicts. Otherwise
        the next one is shorter, and if the gradient has doubled this one is ``LONGEST``
        in place of more. Points that are rescaled allow no more than that.
    """
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
    good, astray = _judged(local, there, change, unit)
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


def _judged(
    local: LocalModel, there: LocalModel, change: Array, unit: Array
) -> tuple[BoolArray, BoolArray]:
    """Find the steps whose gradients are as predicted, and those that lead astray."""
    with np.errstate(invalid="ignore", over="ignore"):
        error = norm((there.gradient - local.gradient - change) * unit)
        before, after = norm(local.gradient * unit), norm(there.gradient * unit)
        good = (error <= _GOOD * before) & (after <= before)
        return good, ~(after <= _ASTRAY * before)
