"""Starts that suit the loss, and starts by name, as points or by a sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skcrit._typing import ArrayLike, FloatArray, RandomState, Sampler
from skcrit.losses.adapt import as_loss
from skcrit.starts.base import StartSampler
from skcrit.starts.gaussian import GaussianStarts, SpreadStarts
from skcrit.starts.trajectory import TrajectoryStarts
from skcrit.utils._arguments import as_numbers, check_seed, shown

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


_SAMPLERS = {
    "auto": AutoStarts(),
    "gaussian": GaussianStarts(),
    "spread": SpreadStarts(),
    "height": TrajectoryStarts(by="height"),
    "iteration": TrajectoryStarts(by="iteration"),
}


def make_starts(
    init: str | ArrayLike | Sampler,
    loss: Loss,
    n_starts: int,
    random_state: RandomState,
) -> FloatArray:
    """Draw or check starting points.

    Parameters
    ----------
    init : {"auto", "gaussian", "spread", "height", "iteration"}, array or sampler
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
        If ``init`` is none of these, or points have the wrong shape or are not finite.
    """
    loss = as_loss(loss)
    shape = (n_starts, loss.n_params_)
    starts: Any = init
    if isinstance(init, str):
        if init not in _SAMPLERS:
            raise ValueError(
                f"init must be one of {sorted(_SAMPLERS)}, an array of shape {shape} "
                f"or a sampler, got {init!r}."
            )
        starts = _SAMPLERS[init]
    if isinstance(init, type):
        raise ValueError(
            f"init must be a name, an array of shape {shape} or a sampler, got the "
            f"class {init.__name__}: write {init.__name__}()."
        )
    if is_sampler(starts):
        starts = starts.sample(loss, n_starts, check_seed(random_state))
    try:
        starts = np.array(as_numbers(starts, "init"))
        if starts.ndim == 0:
            raise ValueError("one number is not a set of starts.")
    except ValueError as error:
        why = str(error)
        if not any(hasattr(init, name) for name in ("__len__", "shape", "sample")):
            why = "a sampler has the method sample(loss, n_starts, random_state)."
        raise ValueError(
            f"init must be a name, an array of shape {shape} or a sampler, got "
            f"{shown(init)}: {why}"
        ) from None
    if not np.all(np.isfinite(starts)):
        what = "NaN" if np.any(np.isnan(starts)) else "infinity"
        raise ValueError(f"init contains {what}; starts must be finite.")
    if starts.shape != shape:
        raise ValueError(
            f"init must have shape (n_starts, n_params) = {shape}, got {starts.shape}."
        )
    return starts


def is_sampler(init: Any) -> bool:
    """Return whether something draws starts; a data frame has such a method, too."""
    return hasattr(init, "sample") and not hasattr(init, "__array__")


def lie_on_one_descent(init: Any, n_starts: int) -> bool:
    """Return whether several starts are points of one descent without noise."""
    sampler = _SAMPLERS.get(init) if isinstance(init, str) else init
    if n_starts == 1 or not isinstance(sampler, TrajectoryStarts):
        return False
    return sampler.n_trajectories == 1 and sampler.noise_variance == 0
