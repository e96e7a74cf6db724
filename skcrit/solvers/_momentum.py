"""Momentum: what is added to steps, and how it turns with points that are rescaled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skcrit._backend import array_namespace, device
from skcrit.solvers.tolerance import squared_norm

# Rescaling may make momentum longer, up to this many times.
_FASTEST = 2.0


def accelerated(
    p: Any, velocity: Any, momentum: float, ahead: bool, bounded: Callable[[Any], Any]
) -> tuple[Any, Any]:
    """Add the momentum to steps, unless they turn round; return both."""
    xp = array_namespace(p)
    onwards = (xp.sum(p * velocity, axis=-1) >= 0)[:, None]
    new = bounded(p + momentum * velocity)
    if not ahead:
        new = xp.where(onwards, new, p)
        return new, new
    # The point is the extrapolated one: the momentum continues the last step.
    far = bounded(p + momentum * new)
    return xp.where(onwards, far, p), xp.where(onwards, new, xp.zeros_like(p))


def carried_along(
    theta: Any, end: Any, velocity: Any, balanced: Callable[[Any], Any]
) -> Any:
    """Carry the momentum along when points are rescaled."""
    # Rescaling rotates hidden units, so that the momentum of a point has another
    # direction at the point that replaces it.
    xp = array_namespace(theta)
    moved = xp.any(end != theta, axis=-1)
    if not bool(xp.any(moved)):
        return velocity
    part = float(xp.finfo(theta.dtype).eps) ** 0.5
    behind = balanced(theta - part * velocity)
    turned = (end - behind) / part
    # If the rescaled point jumps, the last step cannot be continued.
    fast = squared_norm(turned) > _FASTEST**2 * squared_norm(velocity)
    fast = xp.asarray(fast, device=device(theta))
    turned = xp.where(fast[:, None], xp.zeros_like(turned), turned)
    return xp.where(moved[:, None], turned, velocity)
