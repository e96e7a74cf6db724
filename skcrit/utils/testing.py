"""Checks of users' losses against the contract that finders rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skcrit._typing import ArrayLike, RandomState
from skcrit.utils._arguments import as_numbers, is_int, shown
from skcrit.utils._derivative_checks import PRODUCT_CHECKS, check_slope
from skcrit.utils._loss_checks import ALL_CHECKS, SHAPE_CHECKS, check_structure
from skcrit.utils._probe import Probe, run_checks

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

__all__ = ["check_gradient", "check_hvp", "check_loss"]


def check_loss(
    loss: Loss,
    *,
    points: ArrayLike | None = None,
    n_points: int = 5,
    random_state: RandomState = 0,
    rtol: float | None = None,
) -> None:
    """Check a fitted loss against the contract of :class:`skcrit.losses.Loss`.

    All faults are reported together. What is checked: that all methods are there and
    take one point or a batch of points with any leading axes; that results have the
    right shape, dtype and namespace and are finite; that the loss is a pure function of
    ``theta`` which treats every row alone; that the gradient is the derivative of the
    value and ``hvp`` that of the gradient; that products are linear and symmetric and
    agree with ``hessian``; that ``at`` and ``linear_operator`` agree with the methods;
    that ``rescale`` keeps the value and the invariants; that the points of an
    analytical spectrum are critical; that the loss can be cloned and pickled.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    points : array-like of shape (n_points, n_params), default=None
        Points to check at. None draws them from the normal distribution whose standard
        deviation is the length scale of the loss.
    n_points : int, default=5
        Number of points to draw, at least 2. Ignored if ``points`` is given.
    random_state : int, RandomState, Generator or None, default=0
        Draws the points and the directions.
    rtol : float, default=None
        Bound on the error of a derivative, relative to its norm. None means 1e-6 for
        float64 and 1e-2 for float32.

    Raises
    ------
    AssertionError
        If something is wrong; the message lists everything that is. Faults of shape or
        dtype come alone, because every other sentence would repeat them.
    ValueError
        If ``points`` are not at least two rows of the right length, or ``n_points`` is
        less than 2.

    See Also
    --------
    check_gradient : The gradient alone, at given points.
    check_hvp : The Hessian-vector product alone, at given points.

    Notes
    -----
    ``hessian`` is checked for up to 200 parameters.

    Examples
    --------
    >>> from skcrit.losses import LinearAutoencoderLoss
    >>> from skcrit.utils.testing import check_loss
    >>> check_loss(LinearAutoencoderLoss((2,)).fit([[1, 2, 0], [0, 1, 2], [3, 0, 1]]))
    """
    problems = check_structure(loss)
    if not problems:
        probe = Probe(loss, _draw(loss, points, n_points), random_state, rtol)
        problems = run_checks(SHAPE_CHECKS, probe) or run_checks(ALL_CHECKS, probe)
        # Where anything else is wrong, a length that is computed from it says nothing.
        if not problems and probe.length_fault:
            problems = [probe.length_fault]
    _report(loss, problems)


def check_gradient(
    loss: Loss,
    theta: ArrayLike,
    *,
    random_state: RandomState = 0,
    rtol: float | None = None,
) -> None:
    """Check that the gradient of a loss is the derivative of its value.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : array-like of shape (n_params,) or (n_points, n_params)
        Points to check at.
    random_state : int, RandomState, Generator or None, default=0
        Draws one direction per point.
    rtol : float, default=None
        Bound on the error along the direction, relative to the norm of the gradient.
        None means 1e-6 for float64 and 1e-2 for float32.

    Raises
    ------
    AssertionError
        If the gradient differs from the five-point stencil of the value.
    ValueError
        If ``theta`` has the wrong shape.

    Examples
    --------
    >>> from skcrit.losses import FunctionLoss
    >>> from skcrit.utils.testing import check_gradient
    >>> loss = FunctionLoss(
    ...     value=lambda t: (t**2).sum(-1), gradient=lambda t: -2 * t, n_params=3
    ... ).fit()
    >>> check_gradient(loss, [1.0, 2.0, 3.0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    AssertionError: FunctionLoss has 1 problem:
    - gradient is not the derivative of value, but -1 times that: ...
    """
    probe = Probe(loss, np.atleast_2d(as_numbers(theta, "theta")), random_state, rtol)
    _report(loss, run_checks([check_slope], probe))


def check_hvp(
    loss: Loss,
    theta: ArrayLike,
    *,
    random_state: RandomState = 0,
    rtol: float | None = None,
) -> None:
    """Check that ``hvp`` of a loss is the derivative of its gradient.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : array-like of shape (n_params,) or (n_points, n_params)
        Points to check at.
    random_state : int, RandomState, Generator or None, default=0
        Draws the directions.
    rtol : float, default=None
        Bound on the error, relative to the norm of the product. None means 1e-6 for
        float64 and 1e-2 for float32.

    Raises
    ------
    AssertionError
        If products differ from the least-squares slope of the gradient along a path, or
        are not linear or not symmetric.
    ValueError
        If ``theta`` has the wrong shape.
    """
    probe = Probe(loss, np.atleast_2d(as_numbers(theta, "theta")), random_state, rtol)
    _report(loss, run_checks(PRODUCT_CHECKS, probe))


def _draw(loss: Loss, points: Any, n_points: int) -> Any:
    # None if the probe has to draw, so that one stream serves points and directions.
    if points is None:
        if not is_int(n_points, 2):
            raise ValueError(f"n_points must be at least 2, got {shown(n_points)}.")
        return n_points
    points = as_numbers(points, "points")
    fits = points.ndim == 2 and points.shape[1] == loss.n_params_
    if not fits or len(points) < 2:
        raise ValueError(
            f"points must have shape (n_points, {loss.n_params_}) with n_points >= 2, "
            f"got shape {points.shape}."
        )
    return points


def _report(loss: Any, problems: list[Any]) -> None:
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise AssertionError(f"{type(loss).__name__} has {count}:\n{listed}")
