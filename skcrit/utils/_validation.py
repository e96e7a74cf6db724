"""Validation of parameters and data; the only importer of scikit-learn's privates."""

from collections.abc import Set
from typing import TypeVar

import numpy as np
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import validate_data

try:
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as _with_callbacks
except ImportError:  # scikit-learn before 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stand for scikit-learn's mixin: nothing sets callbacks here."""

    def _with_callbacks(method):
        """Leave a method as it is."""
        return method


_Method = TypeVar("_Method")


__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "StrOptions",
    "check_hidden_layer_sizes",
    "check_params",
    "has_callbacks",
    "validate_data",
    "with_callbacks",
]


def with_callbacks(method: _Method) -> _Method:
    """Decorate a fit that calls ``_init_callback_context``, so that it is ended.

    Parameters
    ----------
    method : callable
        The method fit of an estimator.

    Returns
    -------
    method : callable
        The same, which tells callbacks of the end even after an error.
    """
    return _with_callbacks(method)


def check_params(estimator):
    """Check the constructor arguments against ``_parameter_constraints``.

    Parameters
    ----------
    estimator : BaseEstimator
        Object whose class has the dict ``_parameter_constraints``.

    Raises
    ------
    ValueError
        If an argument has a wrong type or value. scikit-learn's InvalidParameterError
        names the parameter, what was expected and what came.
    """
    validate_parameter_constraints(
        estimator._parameter_constraints,
        estimator.get_params(deep=False),
        caller_name=type(estimator).__name__,
    )


def has_callbacks(estimator):
    """Tell whether callbacks are set on an estimator.

    Parameters
    ----------
    estimator : BaseEstimator
        Any estimator.

    Returns
    -------
    answer : bool
        Whether its fit is watched; False before scikit-learn 1.9.
    """
    return bool(getattr(estimator, "_skl_callbacks", ()))


def check_hidden_layer_sizes(hidden_layer_sizes):
    """Return the sizes of the hidden layers as a tuple of ints.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Widths of the hidden layers; an int is one layer.

    Returns
    -------
    sizes : tuple of int
        At least one positive width.

    Raises
    ------
    ValueError
        If there is no layer, or a width is not a positive integer.
    """
    sizes = hidden_layer_sizes
    if isinstance(sizes, int | np.integer) and not isinstance(sizes, bool):
        sizes = (sizes,)
    if isinstance(sizes, Set):  # it has no order
        sizes = ()
    try:
        sizes = tuple(sizes)
    except TypeError:
        sizes = ()
    valid = all(
        isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 1
        for size in sizes
    )
    if not sizes or not valid:
        raise ValueError(
            "hidden_layer_sizes must be a positive int or a non-empty sequence of "
            f"positive ints, got {hidden_layer_sizes!r}."
        )
    return tuple(int(size) for size in sizes)
