"""Starts that suit the loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from skcrit._typing import FloatArray
from skcrit.starts.base import StartSampler
from skcrit.starts.gaussian import GaussianStarts
from skcrit.starts.spread import SpreadStarts
from skcrit.starts.trajectory import TrajectoryStarts

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

# Points far out are many, and most of smaller starts go to the few in the middle.
_N_SIZES = 2

# One descent passes few saddles. The table in doc/choosing.md led to this number.
_N_DESCENTS = 25

# Steps that are five times as long as those of the paper, and a fifth of their number:
# the same way down, for a fifth of the gradients.
_N_STEPS = 2000
_RATE = 0.1


class AutoStarts(StartSampler):
    """Draw starts as the loss proposes, see :meth:`~skcrit.losses.Loss.default_init`.

    If the loss proposes "height", starts are iterates of 25 gradient descents, drawn
    evenly in the loss as by :class:`TrajectoryStarts`; a descent has 2000 steps of 0.1
    over the curvature of the loss. For "iteration" they are drawn from the same
    descents, evenly in time. "spread" is :class:`SpreadStarts` of two sizes, and
    "gaussian" is :class:`GaussianStarts`.

    Examples
    --------
    >>> from skcrit.losses import LinearAutoencoderLoss
    >>> from skcrit.starts import AutoStarts
    >>> loss = LinearAutoencoderLoss((2,)).fit([[1.0, 0.0], [0.0, 1.0], [1.0, 3.0]])
    >>> loss.default_init()
    'height'
    >>> AutoStarts().sample(loss, 5, random_state=0).shape
    (5, 8)
    """

    def _draw(
        self, loss: Loss, n_starts: int, random_state: np.random.RandomState
    ) -> FloatArray:
        return _proposed(loss).sample(loss, n_starts, random_state)


class _LongSteps(TrajectoryStarts):
    """Gradient descent whose automatic step is longer than that of the paper."""

    _auto_rate = _RATE


def _proposed(loss: Loss) -> GaussianStarts | SpreadStarts | TrajectoryStarts:
    """Return the sampler that a loss proposes."""
    name = loss.default_init()
    samplers: dict[str, GaussianStarts | SpreadStarts | TrajectoryStarts] = {
        "gaussian": GaussianStarts(),
        "spread": SpreadStarts(_N_SIZES),
        "height": _LongSteps("height", _N_DESCENTS, _N_STEPS),
        "iteration": _LongSteps("iteration", _N_DESCENTS, _N_STEPS),
    }
    if name not in samplers:
        raise ValueError(
            f"default_init of {type(loss).__name__} must return one of "
            f"{sorted(samplers)}, got {name!r}."
        )
    return samplers[name]
