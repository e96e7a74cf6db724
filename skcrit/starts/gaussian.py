"""Starts from a normal distribution."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator

from skcrit._typing import FloatArray, RandomState
from skcrit.losses.adapt import as_loss
from skcrit.starts.streams import random_streams
from skcrit.utils._arguments import check_int
from skcrit.utils._validation import Interval, StrOptions, check_params

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

__all__ = ["GaussianStarts"]


class GaussianStarts(BaseEstimator):
    r"""Draw starts from a normal distribution around the origin.

    Parameters
    ----------
    scale : float or "auto", default="auto"
        Standard deviation of each parameter. "auto" draws what the loss proposes
        (:meth:`~skcrit.losses.Loss.draw_starts`), by default a deviation of
        :math:`\sqrt{2 / n}` length scales with n the number of parameters. For a
        network of one hidden layer with d features and p units that is
        :math:`1/\sqrt{dp}`, which gives an end-to-end matrix of size one whatever the
        unit of the data.

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

    def __init__(self, scale: float | str = "auto") -> None:
        self.scale = scale

    def sample(
        self, loss: Loss, n_starts: int, random_state: RandomState = None
    ) -> FloatArray:
        """Draw starting points.

        Parameters
        ----------
        loss : Loss
            Fitted loss.
        n_starts : int
            Number of points.
        random_state : int, RandomState, Generator or None, default=None
            Source of randomness; every start has a stream of its own.

        Returns
        -------
        theta0 : ndarray of shape (n_starts, n_params)
            Starting points.

        Raises
        ------
        ValueError
            If ``scale`` is negative or not a number, or ``n_starts`` not positive.
        TypeError
            If ``loss`` is not one.
        """
        check_params(self)
        loss = as_loss(loss)
        n_starts = check_int(n_starts, "n_starts", 1)
        streams = random_streams(random_state, n_starts)
        if self.scale == "auto":
            return loss.draw_starts(streams)
        draws = [stream.standard_normal(loss.n_params_) for stream in streams]
        return float(self.scale) * np.stack(draws)
