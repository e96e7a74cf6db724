"""Where searches are on their Newton trajectories, and which way these lead on."""

from __future__ import annotations

from dataclasses import dataclass

from skcrit._backend import array_namespace
from skcrit._rows import Rows
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.linalg import svd, symmetry_level
from skcrit.losses.local_model import LocalModel


@dataclass
class Track(Rows):
    """Where each start is on its trajectory."""

    theta: Array
    gradient: Array
    begin: Array
    direction: Array  # the unit gradient that the trajectory keeps
    tangent: Array  # last direction of travel; zero before the first step
    length: FloatArray  # of the next step, in length scales
    # Where the trajectory goes on, with the same tangent, after a landing.
    beyond: Array
    order: IntArray
    n_passed: IntArray
    # Whether the critical point sought has been passed and Newton steps go there.
    is_landing: BoolArray
    goes_on: BoolArray  # whether the point that they led to does not count
    is_second: BoolArray  # whether the start is on its way uphill
    is_gone: BoolArray  # whether it has left that way too
    stuck: BoolArray
    n_gradient: IntArray


@dataclass
class Frame(Rows):
    """Pseudoinverse of what a step inverts, and the direction of travel."""

    inverse: Array
    tangent: Array


def make_frame(local: LocalModel, track: Track) -> Frame:
    """Decompose ``(I - u u^T) H``, or H itself behind a critical point."""
    hessian, u, loss = local.hessian(), track.direction, local.loss
    xp = array_namespace(hessian)
    following = loss.asarray(~track.is_landing)[:, None]
    image = xp.sum(u[:, :, None] * hessian, axis=-2)
    matrix = hessian - (following * u)[:, :, None] * image[:, None, :]
    finite = xp.all(xp.isfinite(matrix), axis=(-2, -1))[:, None, None]
    left, values, right = svd(xp.where(finite, matrix, xp.zeros_like(matrix)))
    null = values <= symmetry_level(values)[:, None]
    weights = xp.where(null, xp.zeros_like(values), 1 / xp.where(null, 1, values))
    inverse = xp.matrix_transpose(right) * weights[:, None, :]
    inverse = inverse @ xp.matrix_transpose(left)
    uphill = loss.asarray(track.is_second) > 0
    return Frame(inverse, _tangent(track, uphill, image, right, null))


def _tangent(
    track: Track, uphill: Array, image: Array, right: Array, null: Array
) -> Array:
    """Choose the direction of travel: onwards, at the start towards or off zero."""
    xp = array_namespace(right)
    # Nothing but rounding makes the last value differ from zero. There are several null
    # vectors on symmetry orbits and at branches: the direction that leads straight on
    # is taken, at the start the one along which sigma changes.
    null = xp.concat([null[:, :-1], xp.ones_like(null[:, -1:])], axis=-1)
    goal = xp.where(uphill[:, None], image, -image)
    has_come = xp.any(track.tangent != 0, axis=-1)[:, None]
    goal = xp.where(has_come, track.tangent, goal)
    along = (right @ goal[:, :, None])[:, :, 0]
    along = xp.where(null, along, xp.zeros_like(along))
    tangent = xp.sum(along[:, :, None] * right, axis=-2)
    size = xp.sqrt(xp.sum(tangent**2, axis=-1))[:, None]
    tangent = tangent / xp.where(size > 0, size, xp.ones_like(size))
    return xp.where(size > 0, tangent, right[:, -1, :])


def off_curve(frame: Frame, gradient: Array, u: Array) -> Array:
    """Estimate how far points are off their curves, across the tangent."""
    along = array_namespace(u).sum(gradient * u, axis=-1)[:, None]
    return (frame.inverse @ (gradient - along * u)[:, :, None])[:, :, 0]
