"""Starts around the middle of what a loss proposes, of one size or of several."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from skcrit._typing import FloatArray
from skcrit.starts.base import StartSampler, random_streams
from skcrit.utils._validation import Interval, StrOptions

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

# Draws whose mean is the middle of what a loss proposes.
_N_MIDDLE = 64


@dataclass(eq=False, repr=False)
class GaussianStarts(StartSampler):
    r"""Draw starts from a normal distribution around the origin.

    Parameters
    ----------
    scale : float or "auto", default="auto"
        Standard deviation of each parameter. "auto" draws what the loss proposes
        (:meth:`~skcrit.losses.Loss.draw_starts`), for a network in raw units in its
        ``coordinates``, by default with a standard deviation
        of :math:`\sqrt{2 / n}` length scales for n parameters. For a linear network
        with one hidden layer, d features and p units this is :math:`1/\sqrt{dp}`, so
        that the end-to-end matrix has size one, whatever the unit of the data.

    Examples
    --------
    >>> from skcrit.losses import LinearAutoencoderLoss
    >>> from skcrit.starts import GaussianStarts
    >>> loss = LinearAutoencoderLoss((2,)).fit([[1.0, 0.0], [0.0, 1.0], [1.0, 3.0]])
    >>> GaussianStarts(scale=0.1).sample(loss, 5, random_state=0).shape
    (5, 8)
    """

    _parameter_constraints = {
        "scale": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")]
    }

    scale: float | str = "auto"

    @property
    def _has_units(self) -> bool:
        return self.scale != "auto"

    def _draw(
        self, loss: Loss, n_starts: int, random_state: np.random.RandomState
    ) -> FloatArray:
        streams = random_streams(random_state, n_starts)
        if self.scale == "auto":
            return loss.draw_starts(streams)
        draws = [stream.standard_normal(loss.n_params_) for stream in streams]
        return float(self.scale) * np.stack(draws)


@dataclass(eq=False, repr=False)
class SpreadStarts(StartSampler):
    """Draw starts at several distances from the middle of what the loss proposes.

    Each start is drawn by :meth:`~skcrit.losses.Loss.draw_starts` and then moved
    towards the middle of 64 other draws, so that in turn 1, 1/2, 1/4, 1/8 and 1/16 of
    its distance from the middle remains. Large starts lead to low critical points,
    small ones to those of high index near the middle, such as the origin of a network.

    Parameters
    ----------
    n_sizes : int, default=5
        Number of sizes, each half of the one before.

    Examples
    --------
    >>> from skcrit.losses import LinearAutoencoderLoss
    >>> from skcrit.starts import SpreadStarts
    >>> loss = LinearAutoencoderLoss((2,)).fit([[1.0, 0.0], [0.0, 1.0], [1.0, 3.0]])
    >>> SpreadStarts().sample(loss, 5, random_state=0).shape
    (5, 8)
    """

    _parameter_constraints = {"n_sizes": [Interval(Integral, 1, None, closed="left")]}

    n_sizes: int = 5

    def _draw(
        self, loss: Loss, n_starts: int, random_state: np.random.RandomState
    ) -> FloatArray:
        streams = random_streams(random_state, _N_MIDDLE, kind=3)
        middle = np.mean(loss.draw_starts(streams), axis=0)
        starts = loss.draw_starts(random_streams(random_state, n_starts))
        remains = 0.5 ** (np.arange(n_starts) % self.n_sizes)
        return middle + remains[:, None] * (starts - middle)
