"""Searches that ran away to where a gradient fades, as a power or exponentially.

On a tail that fades as a power every Newton step multiplies the distance; on an
exponential one it adds to it. The gradient never gets small beside the curvature times
the distance: a search ends because it is too far away or has used all of its
iterations. Its end lies on a tail if the gradient only gets smaller along the ray from
the origin, over many orders of magnitude beyond the end.
"""

from __future__ import annotations

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import Array, BoolArray
from skcrit.losses.base import Loss
from skcrit.search.scales import Scales
from skcrit.solvers._vectors import norm
from skcrit.solvers.state import SolverResult
from skcrit.solvers.status import Status
from skcrit.solvers.tolerance import ROUNDING, scaled_curvature

# A search ran away if its distance from the origin, in length scales, has grown by this
# factor; a smaller distance than one length scale counts as one.
_FAR = 1e4

# An exponential tail is crossed in short steps: a search ran away on it if its distance
# has grown by the first factor, and the gradient is below the second part of what is
# typical of the loss.
_AWAY, _NOTHING = 10.0, 1e-30

# Points on the ray, each so many times as far as the one before: twelve orders of
# magnitude. Over these the gradient must fall to this part at least.
_TIMES = 10.0 ** np.arange(13)
_FADED = 0.5


def escapes(loss: Loss, starts: Array, runs: SolverResult, scales: Scales) -> BoolArray:
    """Return which searches ran away to where the gradient fades towards infinity."""
    # False for searches that have reached the tolerance.
    result = np.zeros(len(runs.status), dtype=bool)
    length = to_host(scales.length)
    far, begin = norm(runs.theta / length), norm(to_host(starts) / length)
    growth = np.where(np.isfinite(far), far, 0.0) / np.maximum(begin, 1.0)
    rows = np.flatnonzero((growth > _AWAY) & (runs.status != Status.CONVERGED))
    if len(rows):
        gradient = scales.length * loss.gradient(loss.asarray(runs.theta[rows]))
        faint = norm(gradient) <= _NOTHING * scales.curvature
        rows = rows[(growth[rows] > _FAR) | faint]
    if len(rows):
        theta = loss.asarray(runs.theta[rows])
        result[rows] = ~loss.inside(theta) | _fades(loss, theta, scales)
    return result


@np.errstate(over="ignore", invalid="ignore")
def _fades(loss: Loss, theta: Array, scales: Scales) -> BoolArray:
    """Return where the gradient gets smaller all along the ray beyond a point."""
    sizes = []
    for times in _TIMES:
        there = times * theta
        size = norm(scales.length * loss.gradient(there))
        # A gradient below its rounding error counts as zero.
        curvature = scaled_curvature(loss, there, scales.length)
        far = norm(there / scales.length)
        noise = ROUNDING * np.finfo(loss.dtype).eps * curvature * far
        sizes.append(np.where(size <= noise, 0.0, size))
    size = np.array(sizes)
    falls = (size[1:] < size[:-1]) | (size[1:] == 0)
    return np.all(falls, axis=0) & (size[-1] <= _FADED * size[0])
