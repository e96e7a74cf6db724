"""Why there is no certificate, in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import FloatArray
from skcrit.certification.newton import Ball
from skcrit.certification.slices import Proved
from skcrit.losses.base import Loss

# Radius of the smallest ball that is tried, in lengths of the first step.
SMALL = 4.0


def too_far(
    loss: Loss, theta: FloatArray, ahead: FloatArray, reach: float
) -> list[str]:
    """Say why points from which Newton steps lead too far are not certified."""
    if len(theta) == 0:
        return []
    points = loss.asarray(theta)
    with np.errstate(all="ignore"):
        gradient = np.linalg.norm(to_host(loss.gradient(points)), axis=-1)
        error = to_host(loss.evaluation_error(points)[1])
        # An infinite error is not known.
        is_rounding = (gradient <= error) & np.isfinite(error) & np.isfinite(ahead)
    ends = [f"a Newton step ends {d:.1e} length scales from it" for d in ahead]
    kinds = np.where(is_rounding, "too badly conditioned", "not a critical point")
    reasons = []
    for kind, end, resolved in zip(kinds, ends, ~is_rounding, strict=True):
        reason = f"{kind}: {end}, beyond reach={reach:g}"
        more = (
            () if resolved else ("the gradient is rounding error", loss.conditioning())
        )
        reasons.append(_joined(reason, *more))
    return reasons


def causes(
    loss: Loss, points: FloatArray, balls: list[Ball | None], proved: list[Proved]
) -> list[str]:
    """Ask the loss what of its data makes points degenerate that are not certified."""
    found = [""] * len(points)
    rows = [i for i, ball in enumerate(balls) if ball is None]
    rows = [i for i in rows if not proved[i].curvature > 0]
    if rows:
        named = loss.degeneracies(loss.asarray(points[rows]))
        for i, cause in zip(rows, named, strict=True):
            found[i] = cause
    return found


def why(known: Proved, K: float, cause: str, conditioning: str) -> str:
    """Describe why there is no certificate: the kind, a colon, and the numbers."""
    if not np.isfinite(known.uncertainty + known.slope):
        return "not finite: gradient, Hessian or their error bounds overflow"
    if not known.curvature > 0:
        least = known.curvature + known.uncertainty
        numbers = (
            f"the least curvature across the orbit, {least:.1e}, is within its error "
            f"{known.uncertainty:.1e}"
        )
        if cause:
            return f"degenerate beyond the symmetry: {cause}; {numbers}"
        kind = "degenerate beyond the symmetry, or too badly conditioned"
        return f"{kind}: {_joined(numbers, conditioning)}"
    step = known.slope / known.curvature
    if known.turn < SMALL * step:
        return (
            "orbit turns too fast: tangents can become dependent within "
            f"{known.turn:.1e}, where the critical point is only known to {step:.1e}"
        )
    decrease = 2 * known.stretch**3 * K * step / known.curvature
    source = "rounding" if known.slope < 10 * known.slope_error else "the gradient"
    reason = (
        f"radius too large: {source} leaves a step of {step:.1e}, and 2 K step / "
        f"curvature = {decrease:.1e} must be below 1 (curvature {known.curvature:.1e}, "
        f"K = {K:.1e})"
    )
    return _joined(reason, conditioning)


def _joined(*parts: Any) -> str:
    """Join what is not empty."""
    return "; ".join(filter(None, parts))
