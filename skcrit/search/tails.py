"""Points where a loss is flat because its gradient fades towards infinity.

On the tail of a loss such as exp(-x) + y^2 the gradient is soon below its own rounding
errors, because it underflows or because the rounding errors of the steep direction hide
it. The point then looks like a point of a critical manifold. The two are distinguished
by the gradient along the flat directions. If the loss grows with a power of the
distance, the gradient grows equally to both sides; in a straight valley it remains
zero; at a kink, for example if a dead unit of a network becomes active, it jumps. On a
tail it grows gradually, and to one side only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from skcrit._backend import are_few, array_namespace, take_rows, to_host
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.losses.base import Loss
from skcrit.search.floors import BEHIND, GROWTH, JUMP, SEEN, fades_along_floor
from skcrit.search.frame import Frame
from skcrit.search.noise import last_digits
from skcrit.search.polish import Polished
from skcrit.search.scales import Scales, probes
from skcrit.solvers._vectors import norm

# Points on the way to a random start, as fractions that are dense at both ends.
_PARTS = np.unique([*4.0 ** np.arange(-20, 1), *(1 - 4.0 ** -np.arange(1, 10))])

# Number of starts towards which curved floors are followed.
_N_FOLLOWED = 2

# Steep directions turn by at most this multiple of the relative error of the Hessian.
_LEAK = 10.0

# If errors of the way change a gradient by more than this fraction, the gradient is due
# to them.
_CHANGED = 0.3

# Halvings of a segment: the number of binary digits of a float.
_HALVINGS = 60


def fades(
    loss: Loss,
    end: Polished,
    flat: BoolArray,
    error: FloatArray,
    rows: IntArray,
    scales: Scales,
) -> BoolArray:
    """Return where the gradient along flat directions is that of a tail."""
    # ``end`` holds points whose gradients are at the level of rounding; ``flat``, of
    # shape (n, n_params), marks eigenvalues that may be zero and that no declared
    # symmetry explains; ``error`` is that of the Hessians, in their Frobenius norms.
    # Only ``rows`` are examined, the others are False. It costs nothing at points
    # without flat directions, otherwise about 350 gradients, and as many again if the
    # gradient grows to one side only. If a straight way leaves the floor of a valley,
    # about 40 dense Hessians are added.
    result, rows = np.zeros(len(flat), dtype=bool), rows[np.any(flat[rows], axis=1)]
    starts, curved = probes(loss), np.zeros(len(flat), dtype=bool)
    for k in range(starts.shape[0]):
        rows = rows[~result[rows]]
        if len(rows) == 0:
            break
        way = _Way.towards(
            loss, end.take(rows), flat[rows], error[rows], starts[k, :], scales
        )
        result[rows] = way.grows_on_one_side()
        if k < _N_FOLLOWED:
            curved[rows] |= way.leaves_floor()
    n_flat, numbers = np.sum(flat, axis=1), np.arange(_N_FOLLOWED)
    few = are_few(np.sum(curved[rows]) * _N_FOLLOWED, flat.shape[1] ** 2)
    for together in [numbers] if few else numbers[:, None]:
        left = rows[curved[rows] & ~result[rows]]
        if len(left) == 0:
            break
        both, k = np.repeat(left, len(together)), np.tile(together, len(left))
        frame, goals = end.frame.take(both), take_rows(starts, k)
        faded = fades_along_floor(loss, frame, n_flat[both], goals, scales)
        result[left] = np.any(faded.reshape(len(left), -1), axis=1)
    return result


@dataclass
class _Way:
    """The way from points along their flat directions to a start."""

    loss: Loss
    scales: Scales
    frame: Frame
    flat: Array  # one for flat directions, else zero, (n, n_params)
    move: Array  # the way, in the unit of theta
    noise: FloatArray  # size above which a gradient exceeds its noise
    turn: FloatArray  # error of the directions

    @classmethod
    def towards(
        cls,
        loss: Loss,
        end: Polished,
        flat: BoolArray,
        error: FloatArray,
        start: Array,
        scales: Scales,
    ) -> _Way:
        """Determine the way and its errors."""
        frame, mask = end.frame, loss.asarray(flat)
        move = frame.components((start[None, :] - frame.theta) / frame.unit)
        info = np.finfo(loss.dtype)
        turn = error / np.where(frame.norm > 0, frame.norm, 1.0)
        turn = _LEAK * (turn + flat.shape[1] * info.eps)
        # Without steep directions there are no errors from them along the flat ones.
        steep = ~np.all(flat | to_host(frame.is_tangent()), axis=1)
        # On a curved way directions turn, so that rounding errors get into the flat
        # ones.
        noise = SEEN * norm(end.noise) + np.sqrt(info.tiny)
        move, turn = frame.combine(move * mask), np.where(steep, turn, 0.0)
        return cls(loss, scales, frame, mask, move, noise, turn)

    def at(self, part: FloatArray) -> Array:
        """Return points on the way, for parts of shape (..., n)."""
        return self.frame.theta + self.loss.asarray(part)[..., None] * self.move

    def scaled(self, theta: Array) -> Array:
        """Return gradients in natural units."""
        xp = array_namespace(theta)
        rows = xp.reshape(theta, (prod(theta.shape[:-1]), theta.shape[-1]))
        gradient = xp.reshape(self.loss.gradient(rows), theta.shape)
        return self.frame.unit * gradient

    def weak(self, gradient: Array) -> tuple[Array, FloatArray]:
        """Return gradients along flat directions, and their sizes over the noise."""
        weak = self.flat * self.frame.components(gradient)
        size = norm(weak) / (self.noise + self.turn * norm(gradient))
        return weak, np.where(np.isfinite(size), size, np.inf)

    def all_along(self, parts: FloatArray) -> Array:
        """Return scaled gradients at the same parts of all ways, a row each part."""
        # All together: one by one, most of the time would be spent on calls.
        return self.scaled(self.at(parts[:, None] * np.ones(len(self.noise))))

    @cached_property
    def ahead(self) -> Array:
        """Scaled gradients on the way to the start."""
        return self.all_along(_PARTS)

    def grows_on_one_side(self) -> BoolArray:
        """Return where a gradient appears gradually ahead, and not as far behind."""
        ahead = self.weak(self.ahead)[1]
        first = np.argmax(ahead > 1, axis=0)[None]
        behind = self.weak(self.all_along(-BEHIND * _PARTS))[1]
        behind = np.maximum.accumulate(behind, axis=0)
        behind = np.take_along_axis(behind, first, axis=0)[0]
        here = self.weak(self.all_along(np.zeros(1)))[1][0]
        one_sided = np.any(ahead > 1, axis=0) & (np.maximum(here, behind) <= 1)
        if not np.any(one_sided):
            return one_sided
        seen = self.crossing(np.zeros(len(here)), _PARTS[first[0]], 1.0)
        grown = self.crossing(seen, _PARTS[np.argmax(ahead, axis=0)], GROWTH)
        by_degrees = (grown - seen) * norm(self.move / self.scales.length) > JUMP
        return one_sided & by_degrees & self.is_sure(grown)

    def leaves_floor(self) -> BoolArray:
        """Return where a gradient appears across flat directions before along them."""
        across = self.loss.asarray(~to_host(self.frame.is_tangent())) * (1 - self.flat)
        gradient = across * self.frame.components(self.ahead)
        seen = ~(norm(gradient) <= self.noise)
        along = np.cumsum(self.weak(self.ahead)[1] > 1, axis=0)
        before = np.concatenate([np.zeros_like(along[:1]), along[:-1]]) == 0
        return np.any(seen & before, axis=0)

    def crossing(self, low: FloatArray, high: FloatArray, level: float) -> FloatArray:
        """Find by bisection where the gradient exceeds a level."""
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            under = self.weak(self.scaled(self.at(middle)))[1] <= level
            low, high = np.where(under, middle, low), np.where(under, high, middle)
        return high

    def is_sure(self, part: FloatArray) -> BoolArray:
        """Return where the gradient is not due to errors of the way."""
        theta = self.at(part)
        weak = self.weak(self.scaled(theta))[0]
        size = self.turn * part * norm(self.move / self.frame.unit)
        sure = np.isfinite(norm(weak))
        for change in last_digits(self.loss, theta, self.scales):
            aside = self.frame.components(change / self.scales.length) * (1 - self.flat)
            length = norm(aside)
            aside = self.frame.combine(
                aside
                * self.loss.asarray(size / np.where(length > 0, length, 1.0))[:, None]
            )
            moved = self.weak(self.scaled(theta + _LEAK * change + aside))[0]
            sure &= norm(moved - weak) <= _CHANGED * norm(weak)
        return sure
