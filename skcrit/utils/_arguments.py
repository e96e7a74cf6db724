"""Checks of the arguments of functions, in words that name the argument.

Estimators check their parameters by ``_parameter_constraints``; these are for functions
and methods. A message says what was expected and what came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from skcrit._typing import FloatArray

# Said by messages about a function of the user that does not fit its points.
LEADING_AXES = (
    "Functions take points along leading axes: theta[..., i] is parameter i of all "
    "points, and sums go over axis -1."
)

# Longer texts of what came are cut: an array of a million numbers says no more.
_LENGTH = 200


def shown(value: Any) -> str:
    """Write what came in one line, not longer than a message should be."""
    try:
        text = repr(value)
    except Exception:  # ints beyond the limit of digits, or a broken repr
        text = f"an instance of {type(value).__name__}"
    text = re.sub(r"\s*\n\s*", " ", text)
    return text if len(text) <= _LENGTH else text[: _LENGTH - 3] + "..."


def as_numbers(value: Any, name: str, shape: str = "") -> FloatArray:
    """Return an array of float64, possibly not finite, or raise ValueError."""
    # What NumPy would convert without a word is refused: dates, texts, missing objects,
    # the values under a mask, the real part of complex numbers. The array itself is
    # returned if it is one already; shape is what to expect, for the message only.
    if isinstance(value, np.ma.MaskedArray) and np.any(np.ma.getmaskarray(value)):
        raise ValueError(f"{name} must not have masked entries, got a masked array.")
    try:
        array = np.asarray(value)
        items = array.flat if array.dtype.kind == "O" else ()
        odd = (item is None or isinstance(item, str | bytes) for item in items)
        if array.dtype.kind not in "biufO" or any(odd):
            reason = f"{array.dtype} numbers"
        else:
            with np.errstate(over="ignore"):  # long doubles become infinite
                return array.astype(np.float64, copy=False)
    # The last is what other libraries raise for arrays on a device.
    except (TypeError, ValueError, OverflowError, IndexError, RuntimeError) as error:
        reason = str(error)
    if hasattr(value, "toarray"):
        reason = "sparse data, which toarray() makes dense,"
    elif "inhomogeneous" in reason:
        reason = "rows of unequal length, an inhomogeneous shape,"
    what = foreign(value) or type(value).__name__
    raise ValueError(
        f"{name} must be an array of real numbers{shape and f' of shape {shape}'}, got "
        f"{what}: {reason} in {shown(value)}."
    )


def check_array(
    value: Any, name: str, expected: str, valid: Callable[[FloatArray], Any]
) -> FloatArray:
    """Return an array of numbers of which a condition holds, or raise ValueError."""
    try:
        array = as_numbers(value, name)
    except ValueError as error:
        raise ValueError(
            f"{name} must be {expected}, got {shown(value)}: {error}"
        ) from None
    if not valid(array):
        raise ValueError(f"{name} must be {expected}, got {shown(value)}.")
    return array


def foreign(value: Any) -> str:
    """Name an array of another library, as "a torch.Tensor on cuda:0"."""
    if isinstance(value, np.ndarray | np.generic | type):
        return ""
    where = getattr(value, "device", None)
    if where is None or not hasattr(value, "shape"):
        return ""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    article = "an" if library[:1] in "aeiou" else "a"
    return f"{article} {library}.{kind.__name__} on {where}"


def is_number(
    value: Any, low: float = -np.inf, high: float = np.inf, *, closed: str = "left"
) -> bool:
    """Return whether something is one real number of an interval, and not NaN."""
    # closed is "both", "left" or "neither": which ends belong to the interval.
    if not isinstance(value, Real) or isinstance(value, np.timedelta64):
        return False
    try:
        number = float(value)
    except OverflowError:
        return False
    above = number > low or (closed != "neither" and number == low)
    return above and (number < high or (closed == "both" and number == high))


def is_int(value: Any, low: int = 0) -> bool:
    """Return whether something is an int of at least ``low``, and no bool."""
    odd = isinstance(value, bool | np.bool_ | np.timedelta64)
    return isinstance(value, Integral) and not odd and int(value) >= low


def check_number(
    value: Any, name: str, low: float = -np.inf, high: float = np.inf, **interval: str
) -> float:
    """Return a number of an interval (see :func:`is_number`), or raise ValueError."""
    if not is_number(value, low, high, **interval):
        closed = interval.get("closed", "left")
        left = "(" if closed == "neither" else "["
        right = "]" if closed == "both" else ")"
        raise ValueError(
            f"{name} must be a number in {left}{low:g}, {high:g}{right}, got "
            f"{shown(value)}."
        )
    return float(value)


def check_int(value: Any, name: str, low: int = 0) -> int:
    """Return an integer of at least ``low``, or raise ValueError."""
    if not is_int(value, low):
        raise ValueError(f"{name} must be an int >= {low}, got {shown(value)}.")
    return int(value)


def check_workers(value: Any, name: str = "n_jobs") -> int | None:
    """Return a number of workers, None or an int but 0, or raise ValueError."""
    is_int = isinstance(value, int | np.integer)
    is_int &= not isinstance(value, bool | np.timedelta64)  # NumPy's times are ints
    if value is not None and (not is_int or value == 0):
        raise ValueError(f"{name} must be None or an int but 0, got {shown(value)}.")
    return value


def check_flag(value: Any, name: str) -> bool:
    """Return a truth value, or raise ValueError."""
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be True or False, got {shown(value)}.")
    return bool(value)


def check_choice(value: Any, name: str, choices: Collection[Any]) -> Any:
    """Return one of several words, or raise ValueError."""
    if not (value is None or isinstance(value, str)) or value not in choices:
        words = ", ".join(map(repr, choices))
        raise ValueError(f"{name} must be one of {words}, got {shown(value)}.")
    return value


def check_keywords(value: Any, name: str) -> dict[str, Any]:
    """Return keyword arguments that are passed on as a new dict, or raise TypeError."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError(
            f"{name} must be a dict of keyword arguments or None, got {shown(value)}."
        )
    return dict(value)


def check_seed(value: Any, name: str = "random_state") -> np.random.RandomState:
    """Return a RandomState, as scikit-learn makes it, or raise ValueError."""
    if isinstance(value, np.random.Generator):
        value = int(value.integers(np.iinfo(np.int32).max))
    try:
        return check_random_state(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{name} must be None, an int from 0 to 2**32 - 1, a RandomState or a "
            f"Generator, got {shown(value)}."
        ) from error


def check_streams(value: Any) -> Sequence[np.random.Generator]:
    """Return a sequence of generators, one for each start, or raise ValueError."""
    valid = isinstance(value, Sequence) and len(value) > 0
    if not valid or not all(isinstance(s, np.random.Generator) for s in value):
        raise ValueError(
            "streams must be a non-empty sequence of numpy.random.Generator, got "
            f"{shown(value)}."
        )
    return value
