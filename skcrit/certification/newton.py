r"""The theorem of Newton and Kantorovich on a slice, with computed constants.

Let F(y) = Q^T g(theta + Q y) and J(y) = Q^T H(theta + Q y) Q be gradient and Hessian on
the slice, sigma and slope the bounds of :mod:`skcrit.certification.slices`, and K a
Lipschitz constant of the Hessian in the ball of radius s rho around theta, s = |Q|_2.
Then |J(y) - J(0)| <= s^3 K |y| for |y| <= rho, and with eps = slope / sigma and kappa =
s^3 K / sigma the map y - J(0)^{-1} F(y)

* has a derivative of norm at most kappa |y| < 1 if kappa rho < 1: it contracts;
* maps the ball into itself if eps + kappa rho^2 / 2 <= rho (its value at zero is at
  most eps, and the rest the integral of the derivative).

So under both conditions F has exactly one zero with |y| <= rho, and as the same
argument holds for smaller balls, it lies within t = 2 eps / (1 + sqrt(1 - 2 kappa
eps)), the smaller root of eps + kappa t^2 / 2 = t. J is nonsingular in the ball, as
|J(0)^{-1} (J(y) - J(0))| <= kappa rho < 1, so that its inertia at the zero is that of
J(0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit.certification.slices import Proved
from skcrit.linalg.rounding import UNIT

# Rounded upwards: more than the rounding of the few operations below.
_UP = 1 + 64 * UNIT

# Strict inequalities are proved with this much room.
_ROOM = 0.99


@dataclass
class Ball:
    """Balls on a slice."""

    radius: float  # rho: exactly one zero lies within
    error: float  # t: it lies within


def certified_ball(proved: Proved, lipschitz: float, radius: float) -> Ball | None:
    """Check the two conditions for a radius rho; None if one fails."""
    # The Lipschitz constant K holds in the ball of radius proved.stretch * radius.
    if not (proved.curvature > 0 and 0 < radius < np.inf and lipschitz < np.inf):
        return None
    eps = proved.slope / proved.curvature * _UP
    kappa = proved.stretch**3 * lipschitz / proved.curvature * _UP
    contracts = kappa * radius <= _ROOM
    inside = (eps + kappa * radius**2 / 2) * _UP <= radius
    # The slice must cross the orbits of all its points.
    crosses = proved.stretch * radius <= _ROOM * proved.turn
    if not (contracts and inside and crosses):
        return None
    root = np.sqrt(max(1 - 2 * kappa * eps * _UP, 0.0))
    error = min(2 * eps / (1 + root) * _UP, radius)
    return Ball(float(radius), float(error))


def loss_change(proved: Proved, lipschitz: float, error: float) -> float:
    """Bound how much the loss at the zero differs from that at the centre."""
    # By Taylor's theorem, |g| r + |H| r^2 / 2 + K r^3 / 6 at the distance r.
    r = proved.stretch * error
    change = proved.gradient * r + proved.hessian * r**2 / 2 + lipschitz * r**3 / 6
    return change * _UP
