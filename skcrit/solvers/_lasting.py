"""Steps across symmetry orbits, except those that shrink to a point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skcrit._backend import array_namespace, take_rows, to_host
from skcrit._rows import Rows
from skcrit._typing import Array, BoolArray, IntArray
from skcrit.linalg import svd
from skcrit.losses.base import Loss
from skcrit.solvers.eigenpairs import DEPENDENT

# A tangent vanishes if a step shortens it to less than this part of its length.
_COLLAPSED = 0.1


@dataclass
class Directions(Rows):
    """Steps of a group of starts, how they change gradients, and what they cost."""

    p: Array
    change: Array
    departs: BoolArray  # which leave a critical point
    may_depart: BoolArray  # which have directions for that
    n_hvp: IntArray
    lowest: Array | None  # approximate lowest eigenvectors, if they were computed


def beside_symmetries(
    loss: Loss, theta: Array, step: Callable[[IntArray, Array], Directions]
) -> Directions:
    """Take steps across all tangents; if some vanish, again across the others."""
    tangents, everything = loss.orbit_tangents(theta), np.arange(theta.shape[0])
    found = step(everything, tangents)
    if tangents.shape[1] == 0:
        return found
    after = loss.orbit_tangents(theta + found.p)
    lasting, some_vanish = lasting_tangents(tangents, after)
    again = np.flatnonzero(some_vanish)
    if len(again) == 0:
        return found
    more = step(again, take_rows(lasting, again))
    more.n_hvp = more.n_hvp + found.n_hvp[again]
    return found.replace(again, more)


def lasting_tangents(tangents: Array, after: Array) -> tuple[Array, BoolArray]:
    """Combine tangents to those that do not vanish at the end of a step."""
    # The rows of the result, at most n_params of them, have length one or zero. The
    # other result says whether some vanish. A tangent vanishes at a critical point to
    # which an orbit shrinks, such as that of two hidden units at zero. There it is an
    # ordinary direction, in which the loss may fall.
    xp = array_namespace(tangents)
    finite = xp.all(xp.isfinite(tangents) & xp.isfinite(after), axis=(-2, -1))
    tangents, after = (
        xp.where(finite[:, None, None], t, xp.zeros_like(t)) for t in (tangents, after)
    )
    left, size, right = svd(tangents)
    used = size > DEPENDENT * size[:, :1]
    inverse = xp.where(used, 1 / xp.where(used, size, xp.ones_like(size)), 0 * size)
    image = inverse[..., None] * (xp.matrix_transpose(left) @ after)
    turned, ratio, _ = svd(image)
    stays = ratio >= _COLLAPSED
    kept = xp.matrix_transpose(turned) @ right
    kept = xp.where(stays[..., None], kept, xp.zeros_like(kept))
    lost = np.sum(to_host(used), axis=1) > np.sum(to_host(stays), axis=1)
    return kept, lost
