"""Where searches begin."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from skcrit._backend import array_namespace, to_host
from skcrit._typing import ArrayLike, FloatArray, RandomState, Sampler
from skcrit.losses.adapt import as_loss
from skcrit.utils._arguments import as_numbers, check_int, check_seed, shown
from skcrit.utils._validation import (
    Interval,
    StrOptions,
    check_params,
)

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

__all__ = [
    "GaussianStarts",
    "SpreadStarts",
    "TrajectoryStarts",
    "make_starts",
    "random_streams",
]

# Draws whose mean is the middle of what a loss proposes, and sizes of starts.
_N_MIDDLE = 64
_N_SIZES = 5

# Iterates of all descents whose losses are computed together, and numbers in iterates
# that are kept: 64 MB of float64.
_BLOCK_ROWS = 128
_KEPT_NUMBERS = 2**23


def random_streams(
    random_state: RandomState, n_streams: int, kind: int = 0
) -> list[np.random.Generator]:
    """Make independent random generators, the i-th the same for every number of them.

    Parameters
    ----------
    random_state : int, RandomState, Generator or None
        Source of the seed.
    n_streams : int
        Number of generators.
    kind : int, default=0
        Streams of different kinds are independent of each other.

    Returns
    -------
    streams : list of numpy.random.Generator
        One generator per start.

    Raises
    ------
    ValueError
        If an argument is not of its kind, or a number negative.
    """
    n_streams, kind = check_int(n_streams, "n_streams"), check_int(kind, "kind")
    entropy = int(check_seed(random_state).randint(np.iinfo(np.int32).max))
    return [
        np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=(kind, i)))
        for i in range(n_streams)
    ]


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
            If ``loss`` is none.
        """
        check_params(self)
        loss = as_loss(loss)
        n_starts = check_int(n_starts, "n_starts", 1)
        streams = random_streams(random_state, n_starts)
        if self.scale == "auto":
            return loss.draw_starts(streams)
        draws = [stream.standard_normal(loss.n_params_) for stream in streams]
        return float(self.scale) * np.stack(draws)


class SpreadStarts(BaseEstimator):
    """Draw starts of several sizes around the middle of what the loss proposes.

    Start i is :meth:`~skcrit.losses.Loss.draw_starts`, moved towards the middle of 64
    other draws: 1, 1/2, 1/4, 1/8 and 1/16 of the way remain, in turn. Large starts lead
    to low critical points, small ones to those of high index near the middle, such as
    the origin of a network.

    Examples
    --------
    >>> from skcrit.losses import LinearAutoencoderLoss
    >>> from skcrit.starts import SpreadStarts
    >>> loss = LinearAutoencoderLoss((2,)).fit([[1.0, 0.0], [0.0, 1.0], [1.0, 3.0]])
    >>> SpreadStarts().sample(loss, 5, random_state=0).shape
    (5, 8)
    """

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
            If ``n_starts`` is not positive.
        TypeError
            If ``loss`` is none.
        """
        loss = as_loss(loss)
        n_starts = check_int(n_starts, "n_starts", 1)
        random_state = check_seed(random_state)
        streams = random_streams(random_state, _N_MIDDLE, kind=3)
        middle = np.mean(loss.draw_starts(streams), axis=0)
        starts = loss.draw_starts(random_streams(random_state, n_starts))
        remains = 0.5 ** (np.arange(n_starts) % _N_SIZES)
        return middle + remains[:, None] * (starts - middle)


class TrajectoryStarts(BaseEstimator):
    """Draw starts from the iterates of gradient descent on the loss.

    Parameters
    ----------
    by : {"height", "iteration"}, default="height"
        "iteration" draws an iterate uniformly; "height" draws a value uniformly between
        the first and the last loss and takes the iterate nearest to it, so that steep
        parts of the descent get their share.
    n_trajectories : int, default=1
        Number of descents, each from a point of ``GaussianStarts()``. Start i lies on
        descent ``i % n_trajectories``.
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
    A descent costs ``n_steps`` gradients. Iterates of more than 64 MB are not kept:
    then descents are run twice, once for the losses and once for the chosen iterates.

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

    def __init__(
        self,
        by: str = "height",
        n_trajectories: int = 1,
        n_steps: int = 10000,
        learning_rate: float | str = "auto",
        noise_variance: float = 0.0,
    ) -> None:
        self.by = by
        self.n_trajectories = n_trajectories
        self.n_steps = n_steps
        self.learning_rate = learning_rate
        self.noise_variance = noise_variance

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
            Source of randomness; every descent and every start has a stream of its own.

        Returns
        -------
        theta0 : ndarray of shape (n_starts, n_params)
            Starting points.

        Raises
        ------
        ValueError
            If a parameter is out of range, or a descent leaves the finite numbers
            because ``learning_rate`` is too large.
        TypeError
            If ``loss`` is none.
        """
        check_params(self)
        loss = as_loss(loss)
        n_starts = check_int(n_starts, "n_starts", 1)
        random_state = check_seed(random_state)
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

    def _pick(self, loss, first, streams):
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

    def _rate(self, loss, first):
        """Choose the step length."""
        if self.learning_rate != "auto":
            return float(self.learning_rate)
        # A Python float takes the type and the device of what it multiplies.
        size = float(np.max(loss.curvature(first)))
        # A flat loss (constant data) has no scale: its descent stays where it is.
        return 0.02 / size if size > 0 else 1.0

    def _descend(self, loss, first, rate):
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

    def _draw_iteration(self, losses, stream):
        """Draw the number of an iterate of one descent."""
        if self.by == "iteration":
            return int(stream.integers(len(losses)))
        # A descent with too long steps can end higher than it began.
        height = stream.uniform(*sorted((losses[-1], losses[0])))
        return int(np.argmin(np.abs(losses - height)))


def make_starts(
    init: str | ArrayLike | Sampler,
    loss: Loss,
    n_starts: int,
    random_state: RandomState,
) -> FloatArray:
    """Draw or check starting points.

    Parameters
    ----------
    init : {"gaussian", "spread", "height", "iteration"}, array or sampler
        Name of a sampler of this module, points, or an object with the method
        ``sample(loss, n_starts, random_state)``.
    loss : Loss
        Fitted loss.
    n_starts : int
        Number of points.
    random_state : int, RandomState, Generator or None
        Source of randomness.

    Returns
    -------
    theta0 : ndarray of shape (n_starts, n_params)
        Finite points, on the host.

    Raises
    ------
    ValueError
        If ``init`` is something else, or points have the wrong shape or are not finite.
    """
    loss = as_loss(loss)
    shape = (n_starts, loss.n_params_)
    samplers = {
        "gaussian": GaussianStarts(),
        "spread": SpreadStarts(),
        "height": TrajectoryStarts(by="height"),
        "iteration": TrajectoryStarts(by="iteration"),
    }
    starts: Any = init
    if isinstance(init, str):
        if init not in samplers:
            raise ValueError(
                f"init must be one of {sorted(samplers)}, an array of shape {shape} or "
                f"a sampler, got {init!r}."
            )
        starts = samplers[init]
    if isinstance(init, type):
        raise ValueError(
            f"init must be a name, an array of shape {shape} or a sampler, got the "
            f"class {init.__name__}: write {init.__name__}()."
        )
    if hasattr(starts, "sample") and not hasattr(starts, "dtype"):
        starts = starts.sample(loss, n_starts, check_seed(random_state))
    try:
        starts = np.array(as_numbers(starts, "init"))
        if starts.ndim == 0:
            raise ValueError("one number is not a set of starts.")
    except ValueError as error:
        raise ValueError(
            f"init must be a name, an array of shape {shape} or a sampler, got "
            f"{shown(init)}: {error}"
        ) from error
    if not np.all(np.isfinite(starts)):
        what = "NaN" if np.any(np.isnan(starts)) else "infinity"
        raise ValueError(f"init contains {what}; starts must be finite.")
    if starts.shape != shape:
        raise ValueError(
            f"init must have shape (n_starts, n_params) = {shape}, got {starts.shape}."
        )
    return starts
