"""Starts by name, as points or by a sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skcrit._typing import ArrayLike, FloatArray, RandomState, Sampler
from skcrit.losses.adapt import as_loss
from skcrit.starts.auto import AutoStarts
from skcrit.starts.gaussian import GaussianStarts
from skcrit.starts.spread import SpreadStarts
from skcrit.starts.trajectory import TrajectoryStarts
from skcrit.utils._arguments import as_numbers, check_seed, shown

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

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
