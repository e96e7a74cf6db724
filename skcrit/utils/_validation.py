"""Validation of parameters and data; the only importer of scikit-learn's privates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    InvalidParameterError,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import check_is_fitted
from sklearn.utils.validation import validate_data as _validate_data

from skcrit._typing import FloatArray
from skcrit.utils._arguments import foreign, is_int, shown

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand for scikit-learn's mixin: nothing sets callbacks here."""

    def _with_callbacks(method: Any) -> Any:
        """Leave a method as it is."""
        return method


_Method = TypeVar("_Method")


__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_fitted",
    "check_hidden_layer_sizes",
    "check_params",
    "give_labels",
    "has_callbacks",
    "validate_data",
    "with_callbacks",
]


def with_callbacks(method: _Method) -> _Method:
    """Decorate fit, so that callbacks learn of its end even after an error."""
    return _with_callbacks(method)


def check_params(estimator: Any) -> None:
    """Check the constructor arguments against ``_parameter_constraints``."""
    name, constraints = type(estimator).__name__, estimator._parameter_constraints
    for parameter, value in estimator.get_params(deep=False).items():
        kinds = constraints.get(parameter)
        kinds = kinds if isinstance(kinds, list) else []
        _refuse_impostors(f"The {parameter!r} parameter of {name}", value, kinds)
        try:
            validate_parameter_constraints(
                constraints, {parameter: value}, caller_name=name
            )
            # What is compared with floats must be one.
            are_real = (isinstance(k, Interval) and k.type is Real for k in kinds)
            if isinstance(value, Integral) and any(are_real):
                float(value)
        except InvalidParameterError as error:
            # A whole table of data in place of a number is not printed.
            expected = str(error).rpartition(" Got ")[0]
            message = f"{expected} Got {shown(value)} instead."
            raise type(error)(message) from None
        # Values that cannot even be compared with a bound.
        except (TypeError, ArithmeticError, IndexError) as error:
            raise ValueError(
                f"The {parameter!r} parameter of {name} cannot be used: got "
                f"{shown(value)} ({error})."
            ) from error


def _refuse_impostors(what: str, value: Any, kinds: list[Any]) -> None:
    """Refuse what Python takes for a number, or for an object with certain methods."""
    wants = set(map(type, kinds))
    # Durations are integers to Python, and compare with nothing.
    if isinstance(value, np.timedelta64) and kinds:
        raise ValueError(f"{what} cannot be a duration, got {value!r}.")
    if isinstance(value, bool | np.bool_) and Interval in wants:
        raise ValueError(f"{what} must be a number, got {value!r}.")
    if isinstance(value, type) and HasMethods in wants:
        raise ValueError(
            f"{what} must be an instance, got the class {value.__name__}: write "
            f"{value.__name__}()."
        )


def validate_data(estimator: Any, X: Any, **options: Any) -> FloatArray:
    """Check data as scikit-learn does, with messages that name them."""
    # Besides, ValueError for masked entries, which conversion would uncover, and for
    # dates, which it would count; TypeError for sparse data and for arrays of another
    # library that NumPy cannot read.
    if isinstance(X, np.ma.MaskedArray) and np.any(np.ma.getmaskarray(X)):
        raise ValueError(
            "X must not have masked entries, got a masked array: impute them first."
        )
    if isinstance(X, np.ndarray) and X.dtype.kind in "mM":
        raise ValueError(f"X must be real numbers, got dates of type {X.dtype}.")
    if X is None:
        raise ValueError(
            "X must be an array of real numbers of shape (n_samples, n_features), got "
            f"None: {type(estimator).__name__} needs data."
        )
    _refuse_foreign(X)
    try:
        return _validate_data(estimator, X, **options)
    except (ValueError, TypeError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        text = _in_one_line(str(error), X)
        if not re.search(r"\bX\b", text):
            text = f"X cannot be used: {text}"
        # The cause would say the same once more, with all that was left out.
        raise kind(text) from None


def _refuse_foreign(X: FloatArray) -> None:
    """Refuse an array of another library that cannot become one of NumPy."""
    name = foreign(X)
    if not name:
        return
    try:
        np.asarray(X)
    except Exception as error:  # each library has its own
        raise TypeError(
            f"X cannot be used: {name} does not convert to a NumPy array ({error})."
        ) from None


def _in_one_line(text: str, X: Any) -> str:
    """Leave out the numbers themselves, and advice that is for classifiers."""
    first, *more = text.splitlines() or [""]
    if "contains NaN" in first:
        return f"{first} Fill or leave out missing values before fit."
    if first.startswith("Expected 2D"):
        return (
            f"{first.rstrip(':')}: X must have shape (n_samples, n_features), got "
            f"{np.shape(X)}. {more[-1]}"
        )
    if first.startswith("Complex data"):
        return f"X must be real numbers, got complex ones. {first}."
    if "inhomogeneous" in first:
        return "X must have shape (n_samples, n_features), got rows of unequal length."
    if first.startswith(("float() argument", "The DType")):
        # The words of Python, which scikit-learn's checks look for, not those of NumPy.
        why = f" ({first})" if first.startswith("float") else ""
        return (
            "X must be an array of real numbers of shape (n_samples, n_features), got "
            f"{type(X).__name__}{_other_columns(X)}{why}."
        )
    if first.startswith("could not convert"):
        return f"{first}{_other_columns(X)}."
    return " ".join(text.split())


def _other_columns(X: Any) -> str:
    """Name the columns of a data frame that are not numbers."""
    try:
        kinds = {str(c): getattr(X[c].dtype, "kind", "f") for c in X.columns}
    except (AttributeError, TypeError):  # no frame, or two columns of one name
        return ""
    odd = [name for name, kind in kinds.items() if str(kind) not in "biuf"]
    return f"; not numbers: {shown(odd)}" if odd else ""


def check_fitted(thing: Any, name: str, attributes: Any) -> None:
    """Raise TypeError without an estimator, NotFittedError before its fit."""
    missing = [attribute for attribute in attributes if not hasattr(thing, attribute)]
    if not missing:
        return
    if hasattr(thing, "get_params") and not isinstance(thing, type):
        check_is_fitted(thing)
    what = f"the class {thing.__name__}" if isinstance(thing, type) else shown(thing)
    lacks = "any of these" if missing == list(attributes) else ", ".join(missing)
    raise TypeError(
        f"{name} must be fitted and have the attributes {', '.join(attributes)}, got "
        f"{what} without {lacks}."
    )


def has_callbacks(estimator: Any) -> bool:
    """Return whether callbacks watch a fit; False before scikit-learn 1.9."""
    return bool(getattr(estimator, "_skl_callbacks", ()))


def give_labels(classifier: Any, binarizer: Any) -> None:
    """Let a network of scikit-learn that was not trained predict labels."""
    classifier._label_binarizer = binarizer


def check_hidden_layer_sizes(hidden_layer_sizes: Any) -> Any:
    """Return the widths of the hidden layers as a tuple, or raise ValueError."""
    sizes = hidden_layer_sizes
    if isinstance(sizes, int | np.integer) and not isinstance(sizes, bool):
        sizes = (sizes,)
    if isinstance(sizes, Set | bytes | Mapping):  # without order, or not meant
        sizes = ()
    try:
        sizes = tuple(sizes)
    except TypeError:
        sizes = ()
    valid = all(
        # More units than an array can have entries would overflow somewhere else.
        is_int(size, 1) and size < 2**31
        for size in sizes
    )
    if not sizes or not valid:
        raise ValueError(
            "hidden_layer_sizes must be a positive int or a non-empty sequence of "
            f"positive ints, got {shown(hidden_layer_sizes)}."
        )
    return tuple(int(size) for size in sizes)
