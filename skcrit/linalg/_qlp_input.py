"""What MINRES-QLP is given: whether it makes sense, and in which form it is used."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral
from typing import Any

from skcrit._backend import array_namespace, device
from skcrit._typing import Array


def find_problem(
    b: Array, shift: float | Array, limits: Mapping[str, Any]
) -> str | None:
    """Describe the first error in the input, if any."""
    xp = array_namespace(b)
    shape = tuple(b.shape)
    if len(shape) != 2 or 0 in shape:
        return f"b must have shape (n_systems, n), no axis empty, got shape {shape}."
    if b.dtype not in (xp.float64, xp.float32):
        return f"b must be float64 or float32, got {b.dtype}."
    for name, value in (("rtol", limits["rtol"]), ("shift", shift)):
        got = tuple(getattr(value, "shape", ()))
        if got not in ((), shape[:1]):
            return (
                f"{name} must be a number or have shape {shape[:1]}, got shape {got}."
            )
    for name in ("rtol", "ls_rtol", "atol"):
        value = limits[name]
        if not _is_nonnegative(value):
            return f"{name} must be a nonnegative finite number, got {value!r}."
    n_iter = limits["max_iter"]
    if n_iter is not None and not (isinstance(n_iter, Integral) and int(n_iter) >= 1):
        return f"max_iter must be a positive integer or None, got {n_iter!r}."
    return None


def _is_nonnegative(value: Any) -> bool:
    """Say whether a number, or every one of an array, is nonnegative and finite."""
    if getattr(value, "shape", ()):
        xp = array_namespace(value)
        return bool(xp.all((value >= 0) & xp.isfinite(value)))
    return 0 <= value < math.inf


def at_least(rtol: float | Array, eps: float, b: Array) -> float | Array:
    """Bound tolerances from below."""
    if not getattr(rtol, "shape", ()):
        return max(rtol, eps)
    xp = array_namespace(b)
    rtol = xp.asarray(rtol, dtype=b.dtype, device=device(b))
    return xp.where(rtol > eps, rtol, xp.full_like(rtol, eps))


def as_column(shift: float | Array, b: Array) -> Array | None:
    """Return shifts as a column; None for the number zero."""
    if not hasattr(shift, "shape") and shift == 0:
        return None
    shift = array_namespace(b).asarray(shift, dtype=b.dtype, device=device(b))
    return shift[:, None] if shift.ndim else shift
