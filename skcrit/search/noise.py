"""Rounding errors of gradients, measured at the points that are judged.

They are the changes of the gradient when the last digit of the point changes. If the
Hessian is almost zero such a change has no effect, and gradients can be zero to the
last bit: the cosine of 1e-9 is 1. Therefore the deviation of gradients on a short line
from a cubic polynomial is measured too, by differences of fourth order, as in the
algorithm ECnoise (J. J. More and S. M. Wild, "Estimating computational noise", SIAM J.
Sci. Comput. 33, 2011).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._backend import array_namespace
from skcrit._typing import Array
from skcrit.losses.base import Loss
from skcrit.search.frame import Frame
from skcrit.search.plateaus import plateau_noise
from skcrit.search.scales import Scales

# Components of the gradient below this multiple of their rounding errors are noise.
NOISE = 4.0

# Changes of the last digit by which rounding errors are measured.
_N_PROBES = 3

# Points on a line are this power of eps apart, in length scales: smooth functions then
# differ from cubics by far less than rounding errors. Far from the origin they are at
# least this many units in the last place apart.
_LINE, _APART, _N_LINES = 0.375, 64.0, 3

# The points at which the gradient is taken, in steps: what two fourth differences need.
_MULTIPLES = (1, 2, 3, 4, 6, 8)

# Over steps twice as long, differences of what is smooth are 16 times as large, or
# more. Those of rounding errors are about as large, and seldom this many times.
_SMOOTH = 12.0

# Weights of a fourth difference.
_FOURTH = (1.0, -4.0, 6.0, -4.0, 1.0)


def last_digits(loss: Loss, theta: Array, scales: Scales) -> list[Array]:
    """Return changes of points by about one unit in the last place, of random signs."""
    # An entry smaller than its length scale is changed by the rounding error of a
    # number as large as the length scale.
    xp = array_namespace(theta)
    size = xp.abs(theta)
    size = xp.where(size > scales.length, size, scales.length)
    rng = np.random.default_rng(1)
    signs = rng.choice([-1.0, 1.0], size=(_N_PROBES, theta.shape[1]))
    return [_eps(theta) * size * loss.asarray(row)[None, :] for row in signs]


def gradient_noise(loss: Loss, frame: Frame, scales: Scales) -> Array:
    """Measure rounding errors of the gradient's components."""
    xp = array_namespace(frame.theta)
    noise = _unsmooth(loss, frame, scales) + plateau_noise(loss, frame, scales)
    moved = _gradients(loss, frame, last_digits(loss, frame.theta, scales))
    error = _largest(xp, xp.abs(frame.components(moved - frame.gradient)))
    return xp.where(error > noise, error, noise)


def _largest(xp: Any, errors: Array) -> Array:
    """Return the largest along the first axis of what is a number."""
    return xp.max(xp.where(errors > 0, errors, xp.zeros_like(errors)), axis=0)


def _gradients(loss: Loss, frame: Frame, changes: list[Array]) -> Array:
    """Compute scaled gradients at changed points, a batch for each change."""
    # One call: beside the points of small networks calls cost more than numbers.
    xp, shape = array_namespace(frame.theta), (len(changes), *frame.theta.shape)
    rows = xp.concat([frame.theta + change for change in changes], axis=0)
    return frame.unit * xp.reshape(loss.gradient(rows), shape)


def _unsmooth(loss: Loss, frame: Frame, scales: Scales) -> Array:
    """Measure what differences of fourth order leave of gradients on short lines."""
    # The largest of several, for one that is small can be luck. Errors of coordinates
    # depend on each other: forces between atoms cancel far more exactly than each is.
    xp, eps = array_namespace(frame.theta), _eps(frame.theta)
    size, far = scales.length, _APART * eps * xp.abs(frame.theta)
    size = xp.where(far > eps**_LINE * size, far, eps**_LINE * size)
    rng = np.random.default_rng(3)
    draws = rng.standard_normal((_N_LINES, frame.theta.shape[1]))
    steps = [size * loss.asarray(draw)[None, :] for draw in draws]
    # The rounding of the points would be taken for that of the gradient, though at the
    # middle of a flat region it has no effect: all points lie on a grid of numbers.
    longest = size * loss.asarray(np.max(np.abs(draws), axis=0))[None, :]
    large = 2 * (xp.abs(frame.theta) + _MULTIPLES[-1] * longest)
    middle = (large + frame.theta) - large - frame.theta
    steps = [(large + step) - large for step in steps]
    # All lines at once: axes of multiples, lines, points and components.
    changes = [middle] + [middle + k * step for k in _MULTIPLES for step in steps]
    line = frame.components(_gradients(loss, frame, changes))
    here, line = line[0, ...], line[1:, ...]
    line = xp.reshape(line, (len(_MULTIPLES), _N_LINES, *here.shape))
    values = [here, *(line[i, ...] for i in range(len(_MULTIPLES)))]
    near, wide = _fourth(xp, values[:5]), _fourth(xp, values[:5:2] + values[5:])
    is_smooth = wide > _SMOOTH * near
    return _largest(xp, xp.where(is_smooth, xp.zeros_like(near), near))


def _fourth(xp: Any, values: list[Array]) -> Array:
    """Compute the fourth difference of five values, in units of their errors."""
    size = sum(w * w for w in _FOURTH) ** 0.5
    return xp.abs(sum(w * v for w, v in zip(_FOURTH, values, strict=True))) / size


def _eps(points: Array) -> float:
    """Return the rounding error of one."""
    return float(array_namespace(points).finfo(points.dtype).eps)
