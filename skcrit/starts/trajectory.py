"""Starts from the iterates of gradient descent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import FloatArray
from skcrit.starts.base import StartSampler, random_streams
from skcrit.starts.gaussian import GaussianStarts
from skcrit.utils._validation import Interval, StrOptions

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

# Iterates of all descents whose losses are computed together, and numbers in iterates
# that are kept: 64 MB of float64.
_BLOCK_ROWS = 128
_KEPT_NUMBERS = 2**23


@dataclass(eq=False, repr=False)
class TrajectoryStarts(StartSampler):
    """Draw starts from the iterates of gradient descent on the loss.

    Parameters
    ----------
    by : {"height", "iteration"}, default="height"
        "iteration" draws an iterate uniformly. "height" draws a value uniformly between
        the first and the last loss and takes the iterate whose loss is nearest to it,
        so that short, steep parts of the descent are represented as well.
    n_trajectories : int, default=1
        Number of descents, each from a point of ``GaussianStarts()``. Start i lies on
        descent ``i % n_trajectories``; each descent has a random stream of its own.
    n_steps : int, default=10000
        Steps of each descent.
    learning_rate : float or "auto", default="auto"
        Step length. "auto" is 0.02 over the curvature of the loss
        (:meth:`~skcrit.losses.Loss.curvature`): 0.01 on data of covariance
        ``diag(1, ..., 16)``.
    noise_variance : float, default=0.0
        Variance of the Gaussian noise added to each parameter of a start.

    Notes
    -----
    A descent costs ``n_steps`` gradients. If the iterates take more than 64 MB they are
    not kept, and descents are run twice, once for the losses and once for the chosen
    iterates.

    References
    ----------
    .. [1] C. G. Frye, N. S. Wadia, M. R. DeWeese and K. E. Bouchard. "Numerically
       recovering the critical points of a deep linear autoencoder".
       arXiv:1901.10603, 2019.

    Examples
    --------
    >>> from skcrit.losses import LinearAutoencoderLoss
    >>> from skcrit.starts import TrajectoryStarts
    >>> loss = LinearAutoencoderLoss((2,)).fit([[1.0, 0.0], [0.0, 1.0], [1.0, 3.0]])
    >>> starts = TrajectoryStarts(by="height", n_steps=100)
    >>> starts.sample(loss, 5, random_state=0).shape
    (5, 8)
    """

    _parameter_constraints = {
        "by": [StrOptions({"height", "iteration"})],
        "n_trajectories": [Interval(Integral, 1, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "learning_rate": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "noise_variance": [Interval(Real, 0, None, closed="left")],
    }

    # Times the curvature: the automatic step.
    _auto_rate = 0.02

    by: str = "height"
    n_trajectories: int = 1
    n_steps: int = 10000
    learning_rate: float | str = "auto"
    noise_variance: float = 0.0

    @property
    def _has_units(self) -> bool:
        return self.learning_rate != "auto" or self.noise_variance > 0

    def _draw(
        self, loss: Loss, n_starts: int, random_state: np.random.RandomState
    ) -> FloatArray:
        n_descents = min(self.n_trajectories, n_starts)
        first = GaussianStarts().sample(loss, n_descents, random_state)
        streams = random_streams(random_state, n_starts, kind=1)
        # A descent that overflows raises an error that says why: no warnings before it.
        with np.errstate(over="ignore", invalid="ignore"):
            theta0 = self._pick(loss, first, streams)
        if self.noise_variance > 0:
            noise = [stream.standard_normal(loss.n_params_) for stream in streams]
            theta0 = theta0 + np.sqrt(self.noise_variance) * np.stack(noise)
        return theta0

    def _pick(
        self, loss: Loss, first: FloatArray, streams: list[np.random.Generator]
    ) -> FloatArray:
        """Choose an iterate for each start by the losses, then descend to it again."""
        rate = self._rate(loss, first)
        blocks = self._descend(loss, first, rate)
        kept = (self.n_steps + 1) * first.size <= _KEPT_NUMBERS
        if kept:
            blocks = list(blocks)
        losses = np.concatenate([value for _, value in blocks])
        descents = np.arange(len(streams)) % len(first)
        iterations = np.array([
            self._draw_iteration(losses[:, descent], stream)
            for descent, stream in zip(descents, streams, strict=True)
        ])
        theta0 = np.empty((len(streams), loss.n_params_))
        begin, last = 0, iterations.max()
        for points, value in blocks if kept else self._descend(loss, first, rate):
            end = begin + len(value)
            rows = np.flatnonzero((iterations >= begin) & (iterations < end))
            theta0[rows] = points[iterations[rows] - begin, descents[rows]]
            begin = end
            if begin > last:
                break
        return theta0

    def _rate(self, loss: Loss, first: FloatArray) -> float:
        """Choose the step length."""
        if self.learning_rate != "auto":
            return float(self.learning_rate)
        # A Python float takes the type and the device of what it multiplies.
        size = float(np.max(loss.curvature(first)))
        # A flat loss (constant data) has no scale: its descent stays where it is.
        return self._auto_rate / size if size > 0 else 1.0

    def _descend(self, loss: Loss, first: FloatArray, rate: float) -> Iterator[Any]:
        """Iterate gradient descent, yielding blocks of points and of their losses."""
        # Losses do not depend on the batch that they are in: those of many iterates at
        # once take less time than one by one.
        length = max(_BLOCK_ROWS // len(first), 1)
        theta = loss.asarray(first)
        for begin in range(0, self.n_steps + 1, length):
            block = []
            for _ in range(min(length, self.n_steps + 1 - begin)):
                block.append(theta)
                theta = theta - rate * loss.at(theta).gradient
            points = array_namespace(theta).concat(block, axis=0)
            value = to_host(loss.value(points)).reshape(len(block), len(first))
            finite = np.all(np.isfinite(value), axis=1)
            if not finite.all():
                raise ValueError(
                    "learning_rate must be small enough for gradient descent to stay "
                    f"finite, got {self.learning_rate!r} (step length {rate:.3g}; the "
                    f"loss is not finite after {begin + np.argmin(finite)} steps)."
                )
            yield to_host(points).reshape(len(block), *first.shape), value

    def _draw_iteration(self, losses: FloatArray, stream: np.random.Generator) -> int:
        """Draw the number of an iterate of one descent."""
        if self.by == "iteration":
            return int(stream.integers(len(losses)))
        # A descent with too long steps can end higher than it began.
        height = stream.uniform(*sorted((losses[-1], losses[0])))
        return int(np.argmin(np.abs(losses - height)))
