"""How far the loss leads down from beside the centre, in proposed lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize

from skcrit._backend import to_host
from skcrit._typing import FloatArray

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

# Descents: one from the centre, and others from random points beside it. Each takes at
# most this many values and gradients.
_N_DESCENTS, _MOST_VALUES = 3, 300

# The critical points are as far away as the turns of the loss along rays, up to this
# factor. Along a narrow valley that bends they can be hundreds of times farther away.
_FAR = 10.0

# A slope is rounding below this part of the largest at the start.
_NOTHING = 1e-12


def lengthened(loss: Loss, center: FloatArray, length: FloatArray) -> FloatArray:
    """Make lengths longer if descents of these units lead far beyond them."""
    # Lengths at which the loss turns beside ``center`` become the median distances to
    # the ends of descents if these are longer, and most descents end far away at a
    # place beyond which the loss rises again.
    rng, ends = np.random.default_rng(13), []
    for number in range(_N_DESCENTS):
        # At the centre itself a symmetric loss is level.
        begin = rng.standard_normal(len(center)) if number else np.zeros(len(center))
        end = _end(loss, center, length, begin)
        if end is not None:
            ends.append(end)
    far = [end for end in ends if np.linalg.norm(end) > _FAR * len(end) ** 0.5]
    if 2 * len(far) <= _N_DESCENTS:
        return length
    return length * np.maximum(1.0, np.median(np.abs(far), axis=0))


def _end(
    loss: Loss, center: FloatArray, length: FloatArray, begin: FloatArray
) -> FloatArray | None:
    """Descend in units of the lengths; None without an end, as on a tail."""

    def point(x: FloatArray) -> FloatArray:
        # Twice: functions that take one point only are noticed by what they return.
        return loss.asarray(np.tile(center + length * x, (2, 1)))

    def slopes(x: FloatArray) -> FloatArray:
        return length * to_host(loss.gradient(point(x)))[0]

    def value(x: FloatArray) -> tuple[float, FloatArray]:
        return float(to_host(loss.value(point(x)))[0]) / size, slopes(x) / size

    options = {"maxfun": _MOST_VALUES, "maxiter": _MOST_VALUES, "ftol": 0.0}
    try:
        with np.errstate(all="ignore"):
            size = float(np.max(np.abs(slopes(begin))))
            if not 0 < size < np.inf:
                return None
            end = minimize(value, begin, jac=True, method="L-BFGS-B", options=options).x
            rises = slopes(2 * end) @ end / size > _NOTHING * np.linalg.norm(end)
            # An end is flatter than the beginning; what falls without end is not.
            rises &= np.max(np.abs(slopes(end))) < size
    except ArithmeticError:  # a function that raises in place of infinity
        return None
    return end if rises and np.all(np.isfinite(end)) else None
