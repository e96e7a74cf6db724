"""Gradients that rounding keeps constant around a point, though it is not flat.

If large forces cancel, as in ``(g + 1e8) - 1e8``, a small gradient has no digits left:
it is constant, often zero to the last bit, in a whole region. No change of the point
within this region shows the error. The Hessian shows it, for it predicts a change.
"""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace, replace_rows, take_rows, to_host
from skcrit._typing import Array
from skcrit.linalg import rounding_level
from skcrit.losses.base import Loss
from skcrit.search.frame import Frame
from skcrit.search.scales import Scales
from skcrit.solvers._vectors import norm

# Lengths of steps, in length scales, until each entry of the gradient has changed. The
# first is as short as those in which rounding errors are measured otherwise.
_LENGTHS = 4.0 ** np.arange(-10, -1)

# Predicted changes above this multiple of the rounding errors of a Hessian are real.
_PREDICTED = 1e4


def plateau_noise(loss: Loss, frame: Frame, scales: Scales) -> Array:
    """Measure errors of gradients that do not change as their Hessians predict.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    frame : Frame
        Points, n of them.
    scales : Scales
        Natural units of the loss.

    Returns
    -------
    noise : array of shape (n, n_params)
        Bounds for the components along the eigenvectors; zero where every entry of the
        gradient changes along the shortest step.

    Notes
    -----
    Costs two gradients, and up to sixteen more on plateaus.
    """
    xp = array_namespace(frame.theta)
    draw = np.random.default_rng(5).standard_normal(frame.theta.shape[1])
    way = scales.length * loss.asarray(draw / np.linalg.norm(draw))[None, :]
    error = xp.zeros_like(frame.theta)
    constant, rows = error == 0, np.arange(len(frame.norm))
    for length in _LENGTHS:
        # Matrices are copied only if a part of them is wanted.
        part = frame if len(rows) == len(frame.norm) else frame.take(rows)
        mask = take_rows(constant, rows)
        change, stays = _changes(loss, part, float(length) * way, mask)
        # What has been constant so far is known up to its first change.
        before = take_rows(error, rows)
        counts = stays | (mask & (before > 0) & (change > before))
        error = replace_rows(error, rows, xp.where(counts, change, before))
        constant = replace_rows(constant, rows, stays)
        rows = rows[to_host(xp.any(stays, axis=-1))]
        if len(rows) == 0:
            break
    if not bool(xp.any(error != 0)):
        return error
    weights = xp.abs(xp.matrix_transpose(frame.vectors))
    return (weights @ error[..., None])[..., 0]


def _changes(loss: Loss, frame: Frame, step: Array, mask: Array) -> tuple[Array, Array]:
    """Return changes to both sides, and which entries stay though they should not."""
    xp = array_namespace(frame.theta)
    both = xp.concat([frame.theta + step, frame.theta - step], axis=0)
    there = xp.reshape(loss.gradient(both), (2, *frame.theta.shape))
    change = xp.max(xp.abs(frame.unit * there - frame.gradient), axis=0)
    way = step / frame.unit
    predicted = xp.abs((frame.hessian @ way[..., None])[..., 0])
    level = _PREDICTED * rounding_level(to_host(frame.values), frame.norm) * norm(way)
    stays = mask & (change == 0) & (predicted > loss.asarray(level)[:, None])
    return xp.where(stays, predicted, change), stays
