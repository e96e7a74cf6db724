"""Bracketing and zooming to a step that meets the Wolfe conditions, batched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._backend import replace_rows, take_rows
from skcrit._typing import Array, BoolArray, IntArray
from skcrit.solvers._vectors import dot

# Zooming keeps this fraction of the bracket away from its ends.
_MARGIN = 0.1


@dataclass
class WolfeResult:
    """Accepted points of a Wolfe search."""

    theta: object  # the old ones if no step was accepted
    slope: object  # the slopes ``H g`` there
    step_size: np.ndarray  # zero if none was accepted
    n_trials: np.ndarray  # a gradient and a product each


def wolfe(
    loss: Any,
    theta: Array,
    p: Array,
    *,
    slope: Any,
    value: Any,
    step_size: Any,
    sufficient_decrease: Any = 1e-4,
    curvature: Any = 0.9,
    strong: Any = False,
    max_trials: Any = 60,
) -> WolfeResult:
    """Find step lengths that meet the Wolfe conditions on the squared gradient norm."""
    # With phi(t) = |g(theta + t p)|^2 / 2, whose value and slope H g at zero are given,
    # and first lengths step_size to try, a length t is accepted for which
    #     phi(t) <= phi(0) + sufficient_decrease * t * phi'(0) and
    #     phi'(t) >= curvature * phi'(0), or if strong |phi'(t)| <= curvature |phi'(0)|.
    # A row without descent is not moved.
    #
    # Backtracking alone never lengthens a step, and so cannot meet the second condition
    # if the step is too short. Here a step that is too short and one that is too long
    # bracket an interval: at lo the decrease is sufficient and the descent still
    # steeper than allowed, at hi the value is too large or the derivative positive.
    # Such an interval contains acceptable lengths (J. Nocedal and S. J. Wright,
    # "Numerical Optimization", 2nd ed., Springer, 2006, lemma 3.1). Doubling finds one,
    # and zooming by cubic interpolation, kept away from the ends, narrows it until a
    # length is accepted (algorithms 3.5 and 3.6). For a smooth function that is bounded
    # below such a length always exists. A trial costs one gradient and one
    # Hessian-vector product, but only for those rows that still search.
    n = len(value)
    first = dot(slope, p)
    bracket = _Bracket(value, first)
    result = WolfeResult(theta, slope, np.zeros(n), np.zeros(n, dtype=int))
    pending, t = np.flatnonzero(first < 0), np.array(step_size, dtype=float)
    for _ in range(max_trials):
        if len(pending) == 0:
            break
        length = t[pending]
        trial = take_rows(theta, pending) + loss.asarray(length)[:, None] * take_rows(
            p, pending
        )
        local = loss.at(trial)
        new_slope = local.hvp(local.gradient)
        phi = dot(local.gradient, local.gradient) / 2
        derivative = dot(new_slope, take_rows(p, pending))
        result.n_trials[pending] += 1
        line = value[pending] + sufficient_decrease * length * first[pending]
        # Not finite is too long.
        high = ~(phi <= line) | ~np.isfinite(derivative)
        steep = derivative < curvature * first[pending]
        overshot = strong & (derivative > -curvature * first[pending])
        good = ~high & ~steep & ~overshot & (phi < value[pending])
        rows, chosen = pending[good], np.flatnonzero(good)
        result.step_size[rows] = length[good]
        result.theta = replace_rows(result.theta, rows, take_rows(trial, chosen))
        result.slope = replace_rows(result.slope, rows, take_rows(new_slope, chosen))
        t[pending] = bracket.narrow(pending, length, phi, derivative, high)
        pending = pending[~good]
        # Ends that meet hold nothing but rounding.
        pending = pending[bracket.is_open(pending)]
    return result


class _Bracket:
    """Ends of the interval in which each row searches."""

    def __init__(self, value: Array, derivative: Array) -> None:
        n = len(value)
        self.lo, self.phi_lo, self.d_lo = np.zeros(n), value.copy(), derivative.copy()
        self.hi, self.phi_hi, self.d_hi = np.full((3, n), np.inf)

    def narrow(
        self, rows: IntArray, t: Array, phi: Array, derivative: Array, high: BoolArray
    ) -> Array:
        """Replace an end by a length that was tried, and return the next one."""
        upper = high | (phi >= self.phi_lo[rows]) | (derivative >= 0)
        for end, chosen in (("hi", rows[upper]), ("lo", rows[~upper])):
            part = upper if end == "hi" else ~upper
            getattr(self, end)[chosen] = t[part]
            getattr(self, f"phi_{end}")[chosen] = phi[part]
            getattr(self, f"d_{end}")[chosen] = derivative[part]
        return self._next(rows)

    def is_open(self, rows: IntArray) -> BoolArray:
        """Return whether a number lies between the ends."""
        lo, hi = self.lo[rows], self.hi[rows]
        middle = np.where(np.isfinite(hi), lo / 2 + np.minimum(hi, 1e300) / 2, 2 * lo)
        return (lo < middle) & (middle < hi)

    def _next(self, rows: IntArray) -> Array:
        """Double the length until there is a bracket, then interpolate in it."""
        lo, hi = self.lo[rows], self.hi[rows]
        bracketed = np.isfinite(hi)
        width = np.where(bracketed, hi - lo, 0.0)
        with np.errstate(all="ignore"):
            inner = _cubic_minimum(
                width,
                self.phi_hi[rows] - self.phi_lo[rows],
                self.d_lo[rows],
                self.d_hi[rows],
            )
        usable = np.isfinite(inner)
        inner = np.where(usable, inner, width / 2)
        inner = np.clip(inner, _MARGIN * width, (1 - _MARGIN) * width)
        return np.where(bracketed, lo + inner, 2 * lo)


def _cubic_minimum(width: Array, rise: Array, d_lo: Array, d_hi: Array) -> Array:
    """Minimise the cubic with given rise and derivatives at 0 and width."""
    # In a unit of their own, or products of derivatives could overflow; a power of two
    # leaves all digits as they are.
    _, exponent = np.frexp(np.maximum(np.abs(d_lo), np.abs(d_hi)))
    d_lo, d_hi, rise = (np.ldexp(a, -exponent) for a in (d_lo, d_hi, rise))
    # Nocedal & Wright 2006, eq. (3.59), written from the lower end.
    d1 = d_lo + d_hi - 3 * rise / width
    d2 = np.sqrt(d1 * d1 - d_lo * d_hi)
    return width - width * (d_hi + d2 - d1) / (d_hi - d_lo + 2 * d2)
