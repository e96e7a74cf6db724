"""Things that users and their programs pass by mistake, by name.

Every value is made anew by a function, because some of what is called keeps or changes
what it is given. The names are the identifiers of tests.
"""

import datetime
import pathlib
from decimal import Decimal
from fractions import Fraction

import numpy as np
from scipy import sparse

__all__ = ["SCALARS", "THINGS", "arrays_like"]

# One number, or what looks like one.
SCALARS = {
    "true": lambda: True,
    "numpy false": lambda: np.bool_(False),
    "nan": lambda: float("nan"),
    "numpy nan": lambda: np.float64("nan"),
    "infinity": lambda: float("inf"),
    "minus infinity": lambda: float("-inf"),
    "minus one": lambda: -1,
    "zero": lambda: 0,
    "minus zero": lambda: -0.0,
    "one": lambda: 1,
    "two": lambda: 2,
    "half": lambda: 0.5,
    "one and a half": lambda: 1.5,
    "two as a float": lambda: 2.0,
    "int8": lambda: np.int8(2),
    "uint64": lambda: np.uint64(2**63),
    "2 to the 31": lambda: 2**31,
    "2 to the 63": lambda: 2**63,
    "minus 2 to the 63": lambda: -(2**63) - 1,
    "10 to the 400": lambda: 10**400,
    "smallest float": lambda: 5e-324,
    "largest float": lambda: 1.7e308,
    "float16": lambda: np.float16(0.25),
    "complex": lambda: 1j,
    "fraction": lambda: Fraction(1, 3),
    "decimal": lambda: Decimal("0.5"),
    "array of no axes": lambda: np.array(0.5),
    "array of one number": lambda: np.array([0.5]),
    "date": lambda: np.datetime64("2020-01-01"),
    "missing time": lambda: np.timedelta64("NaT"),
}

# Everything else.
THINGS = {
    "none": lambda: None,
    "empty text": lambda: "",
    "text": lambda: "sum of squares",
    "text of a number": lambda: "0.5",
    "bytes": lambda: b"sum",
    "list of nothing": list,
    "list of numbers": lambda: [0.5, 1.5],
    "list of one int": lambda: [2],
    "nested list": lambda: [[1.0, 2.0], [3.0, 4.0]],
    "deep list": lambda: [[[[[1.0]]]]],
    "ragged list": lambda: [[1.0, 2.0], [3.0]],
    "list of text": lambda: ["a", "b"],
    "list with none": lambda: [1.0, None],
    "list of infinities": lambda: [float("inf"), float("-inf")],
    "tuple of nan": lambda: (float("nan"), 1.0),
    "list of huge ints": lambda: [10**400, 1],
    "tuple of nothing": tuple,
    "dict": lambda: {"a": 1},
    "set": lambda: {1, 2},
    "generator": lambda: (i for i in range(3)),
    "range": lambda: range(2),
    "function": lambda: _function,
    "class": lambda: dict,
    "module": lambda: np,
    "object": object,
    "exception": lambda: ValueError("a value"),
    "path": lambda: pathlib.PurePosixPath("nowhere"),
    "date of Python": lambda: datetime.date(2020, 1, 1),
    "array of nothing": lambda: np.empty((0, 3)),
    "array of no columns": lambda: np.empty((3, 0)),
    "array of text": lambda: np.array([["a", "b"], ["c", "d"]]),
    "array of objects": lambda: np.array([[1.0, "a"], [None, 2.0]], dtype=object),
    "array of dates": lambda: np.array(["2020-01-01"] * 3, dtype="datetime64[D]"),
    "record array": lambda: np.zeros(3, dtype=[("a", float), ("b", int)]),
    "complex array": lambda: np.ones((3, 3)) * 1j,
    "array of nan": lambda: np.full((3, 3), np.nan),
    "sparse matrix": lambda: sparse.csr_matrix(np.eye(3)),
    "sparse array": lambda: sparse.coo_array(np.eye(3)),
    "masked array": lambda: np.ma.masked_array(np.eye(3), mask=np.eye(3) > 0),
    "array of four axes": lambda: np.zeros((2, 2, 2, 2)),
    "array of 40 axes": lambda: np.zeros((1,) * 40),
}


def _function(*args):
    return args


def arrays_like(valid):
    """Make variants of an array that is right.

    Parameters
    ----------
    valid : ndarray of shape (n, m) or (n,)
        What a parameter should be.

    Returns
    -------
    good, bad : dict of str to callable
        Functions that make arrays which must be taken as equal, and ones which must be
        refused.
    """
    valid = np.asarray(valid, dtype=float)
    good = {
        "as it should be": lambda: valid.copy(),
        "list": lambda: valid.tolist(),
        "tuple": lambda: tuple(map(tuple, valid)) if valid.ndim > 1 else tuple(valid),
        "read-only": lambda: _read_only(valid),
        "Fortran order": lambda: np.asfortranarray(valid),
        "every other number": lambda: np.repeat(valid, 2, axis=-1)[..., ::2],
        "backwards": lambda: valid[..., ::-1].copy()[..., ::-1],
        "other byte order": lambda: valid.astype(valid.dtype.newbyteorder()),
        "objects": lambda: valid.astype(object),
        "long doubles": lambda: valid.astype(np.longdouble),
        "masked nowhere": lambda: np.ma.masked_array(valid),
        "memory view": lambda: memoryview(np.ascontiguousarray(valid)),
        "subclass": lambda: valid.view(_Subclass),
    }
    bad = {
        "one nan": lambda: _with(valid, np.nan),
        "one infinity": lambda: _with(valid, np.inf),
        "one huge number": lambda: _with(valid, 1e308),
        "masked": lambda: np.ma.masked_array(valid, mask=valid == valid.max()),
        "complex": lambda: valid + 1j,
        "text": lambda: np.full(valid.shape, "a"),
        "one text": lambda: _with(valid.astype(object), "a"),
        "one none": lambda: _with(valid.astype(object), None),
        "one list": lambda: _with(valid.astype(object), [1.0]),
        "one huge int": lambda: _with(valid.astype(object), 10**400),
        "dates": lambda: np.full(valid.shape, np.datetime64("2020-01-01")),
        "one column more": lambda: np.concatenate([valid, valid[..., :1]], axis=-1),
        "one column less": lambda: valid[..., :-1],
        "no column": lambda: valid[..., :0],
        "four more axes": lambda: valid[None, None, None, None],
        "sparse": lambda: sparse.csr_array(np.atleast_2d(valid)),
        "number": lambda: 3.5,
        "word": lambda: "abc",
        "nothing": lambda: None,
        "function": lambda: _function,
        "dict": lambda: {"a": valid},
    }
    return good, bad


class _Subclass(np.ndarray):
    pass


def _read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def _with(array, value):
    array = array.copy()
    array[(0,) * array.ndim] = value
    return array
