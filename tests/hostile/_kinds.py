"""What a parameter may be: a verdict on every hostile value.

A verdict is OK (it must be taken), BAD (it must be refused, in words that name the
parameter) or EITHER (it may be taken or refused). Whatever the verdict, nothing but a
documented exception may come out.
"""

import datetime
import numbers
from decimal import Decimal

import numpy as np

from ._values import SCALARS, THINGS, arrays_like

__all__ = ["BAD", "EITHER", "OK", "Kind"]

OK, BAD, EITHER = "ok", "bad", "either"

# A number of things to make or of rounds to run: a huge one is not a mistake, and
# trying it would take all memory or all time.
_HUGE = ("2 to the 31", "2 to the 63", "10 to the 400", "uint64", "largest float")


class Kind:
    """Hostile values of a parameter, each with a verdict.

    Parameters
    ----------
    verdict : callable
        Takes a value, and returns a verdict.
    values : dict of str to callable, default=None
        Functions that make the values; None is all that there are.
    skip : sequence of str, default=()
        Names of values that are not tried.
    own : dict of str to (str, callable), default=None
        More values, with their verdicts.
    """

    def __init__(self, verdict, values=None, skip=(), own=None):
        values = {**SCALARS, **THINGS} if values is None else values
        self.cases = {
            name: (lambda value: verdict(value), make)
            for name, make in values.items()
            if name not in skip
        }
        for name, (answer, make) in (own or {}).items():
            self.cases[name] = (lambda value, answer=answer: answer, make)

    # Whether nothing that is passed may change the result.
    ignored = False

    def forgiving(self, *names):
        """Leave it open whether some values are taken."""
        for name in names:
            self.cases[name] = (lambda value: EITHER, self.cases[name][1])
        return self

    def without(self, *names):
        """Leave some values out: what is wrong with them is another parameter's."""
        for name in names:
            del self.cases[name]
        return self

    def __or__(self, more):
        """Take the cases of another kind too, which go first."""
        both = Kind(None, {})
        both.cases = {**self.cases, **more.cases}
        return both


def _number(value):
    """Return a plain number, or None where a value is not clearly one."""
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | float | np.integer | np.floating):
        return value
    return None


def _doubtful(value):
    """Return whether only some libraries take a value for a number."""
    if isinstance(value, bool | np.bool_ | Decimal):
        return True
    if isinstance(value, numbers.Number) and not isinstance(value, complex):
        return True
    return isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind == "f"


def real(low, high=np.inf, *, closed="left", also=(), above=BAD, skip=()):
    """Accept the numbers of an interval; `above` is the verdict on those above."""

    def verdict(value):
        if any(value is other for other in also):
            return OK
        number = _number(value)
        if number is None:
            return EITHER if _doubtful(value) else BAD
        if number != number:
            return BAD
        if not (number > low or (closed in ("left", "both") and number == low)):
            return BAD
        if not (number < high or (closed in ("right", "both") and number == high)):
            return above if abs(number) < np.inf else BAD
        # Beyond floats, so large that squares overflow, or hardly different from zero.
        size = abs(number) if isinstance(number, int) else abs(float(number))
        usual = size < 1e150 and (size == 0 or size > 1e-150)
        return OK if usual else EITHER

    return Kind(verdict, skip=skip)


def integer(low, *, also=(), high=np.inf, skip=()):
    """Accept integers from a bound on."""

    def verdict(value):
        if any(value is other for other in also):
            return OK
        number = _number(value)
        if number is None:
            return EITHER if _doubtful(value) else BAD
        if isinstance(number, float | np.floating):
            return EITHER if number == 2 and low <= 2 <= high else BAD
        if not low <= number <= high:
            return BAD
        return OK if number < 2**31 else EITHER

    return Kind(verdict, skip=skip)


def size(low, *, also=()):
    """Accept a number of things to make."""
    return integer(low, also=also, skip=_HUGE)


def boolean():
    """Accept truth values."""

    def verdict(value):
        if isinstance(value, bool | np.bool_):
            return OK
        return EITHER if _number(value) is not None or _doubtful(value) else BAD

    return Kind(verdict)


def option(*names, also=()):
    """Accept some words."""

    def verdict(value):
        known = any(value is other for other in also)
        return OK if known or (isinstance(value, str) and value in names) else BAD

    own = {f"option {name}": (OK, lambda name=name: name) for name in names}
    return Kind(verdict, own=own)


def seed():
    """Accept what makes random numbers."""

    def verdict(value):
        if value is None or value is np.random:
            return OK
        if isinstance(value, int | np.integer) and not isinstance(value, bool):
            return OK if 0 <= value < 2**32 else BAD
        return EITHER if _doubtful(value) else BAD

    own = {
        "random state": (OK, lambda: np.random.RandomState(0)),
        "generator of numbers": (EITHER, lambda: np.random.default_rng(0)),
    }
    return Kind(verdict, own=own)


def array(valid, *, nan=BAD, other_columns=BAD, also=(), huge=EITHER):
    """Accept one array, however it is laid out, and nothing else."""
    good, bad = arrays_like(valid)
    verdicts = {"one nan": nan, "one infinity": nan, "one huge number": huge}
    verdicts |= {"one column more": other_columns, "one column less": other_columns}
    own = {name: (OK, make) for name, make in good.items()}
    # Where libraries differ: numbers spelt as objects, or as text.
    for name in ("objects", "memory view", "long doubles"):
        own[name] = (EITHER, good[name])
    own |= {name: (verdicts.get(name, BAD), make) for name, make in bad.items()}
    if any(other is None for other in also):
        own["nothing"] = (OK, lambda: None)

    def verdict(value):
        if any(value is other for other in also):
            return OK
        odd = isinstance(value, str | bytes | dict | set | datetime.date)
        odd |= callable(value) or (value is None)
        return BAD if odd else EITHER

    return Kind(verdict, own=own)


def ignored(skip=()):
    """Accept everything, because it is ignored: a test compares the results."""
    kind = Kind(lambda value: OK, skip=skip)
    kind.ignored = True
    return kind


def function(own, *, none=OK):
    """Accept functions, whose results may be refused."""

    def verdict(value):
        if value is None:
            return none
        return EITHER if callable(value) else BAD

    # A class is called, too, and says by itself what it cannot be made of.
    return Kind(verdict, skip=("class",), own=own)


def streams():
    """Accept sequences of random generators."""

    def make(n, kind=np.random.default_rng):
        return lambda: [kind(i) for i in range(n)]

    return nothing_but({
        "two generators": (OK, make(2)),
        "a tuple": (OK, lambda: tuple(make(2)())),
        "one generator": (BAD, lambda: np.random.default_rng(0)),
        "random states": (BAD, make(2, np.random.RandomState)),
        "nothing": (BAD, lambda: None),
    })


def bounds():
    """Accept pairs of lower and upper bounds of three parameters."""
    kind = nothing_but({
        "nothing": (OK, lambda: None),
        "list of numbers": (OK, lambda: [0.5, 1.5]),
        "arrays": (OK, lambda: (-np.ones(3), np.ones(3))),
        "number and list": (OK, lambda: (-1, [1.0, 2.0, 3.0])),
        "open": (OK, lambda: (-np.inf, np.inf)),
        "half open": (OK, lambda: ([-1.0, 0.0, 0.0], np.inf)),
        "reversed": (BAD, lambda: (1.0, -1.0)),
        "equal": (BAD, lambda: (1.0, 1.0)),
        "nan": (BAD, lambda: (np.nan, 1.0)),
        "three": (BAD, lambda: (0.0, 1.0, 2.0)),
        "two parameters": (BAD, lambda: ([0.0, 0.0], 1.0)),
        "a text": (BAD, lambda: (0.0, "high")),
        "complex": (BAD, lambda: (0.0, 1j)),
    })
    # What has two numbers in some order is taken for a pair.
    return kind.forgiving("range", "set")


def only(own):
    """Try values of one's own."""
    return Kind(None, {}, own=own)


def nothing_but(accepted):
    """Refuse everything but what is accepted."""
    return Kind(lambda value: BAD, skip=("none",)) | only(accepted)
