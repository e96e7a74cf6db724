"""Make a fitted loss with all methods of the contract of what a user gives."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError

from skcrit._typing import Array, ArrayLike
from skcrit.losses.base import Loss

REQUIRED = ("value", "gradient", "hvp")

# What an object may define besides, in place of the defaults of Loss, or as some losses
# do. The last ones an adapted loss has itself.
OPTIONAL = {"n_features_in_", "third_derivative", "transform", "unit_degeneracies"}
OPTIONAL |= {name for name in dir(Loss) if name[0] != "_"} - set(dir(BaseEstimator))
OPTIONAL -= {*REQUIRED, "asarray", "fit", "linear_operator", "numbers_per_point_"}


def is_loss(thing: object) -> bool:
    """Return whether something has a method of a loss, and so cannot be data."""
    # A data frame can have columns of these names: they must be callable.
    methods = (*REQUIRED, "fit")
    return any(callable(getattr(thing, name, None)) for name in methods)


def as_loss(loss: Any, name: str = "loss") -> Loss:
    """Complete a fitted loss of any class to the contract of :class:`Loss`.

    Parameters
    ----------
    loss : object
        A :class:`Loss`, or an object with ``n_params_`` and the methods ``value``,
        ``gradient`` and ``hvp``.
    name : str, default="loss"
        Name of the argument, for messages.

    Returns
    -------
    loss : Loss
        The object itself if it is a :class:`Loss`, else one that calls it and has the
        defaults of :class:`Loss` for whatever it lacks.

    Raises
    ------
    ValueError
        If a required method is missing.
    NotFittedError
        If the loss is not fitted.
    """
    check_methods(loss, name)
    if not hasattr(loss, "n_params_"):
        raise NotFittedError(
            f"{name} must be a fitted loss; this {type(loss).__name__} instance is not "
            "fitted yet: call its fit first."
        )
    return loss if isinstance(loss, Loss) else AdaptedLoss(loss)


def fitted_loss(loss: Any, X: ArrayLike | Any, y: ArrayLike | None = None) -> Any:
    """Return a fitted loss: ``X`` itself, or a clone of ``loss`` fitted to data.

    Parameters
    ----------
    loss : object
        Loss to clone and fit, not used if ``X`` is a loss.
    X : array-like of shape (n_samples, n_features), fitted loss, or None
        Data, a loss to use as it is, or None for a loss without data.
    y : array-like, default=None
        Targets, passed to the fit of the loss.

    Returns
    -------
    loss : object
        The fitted loss, of the class that the user gave.

    Raises
    ------
    ValueError
        If a loss lacks a method, or cannot be fitted to the data.
    NotFittedError
        If ``X`` is a loss that is not fitted.
    """
    if is_loss(X):
        as_loss(X, "X")
        return X
    check_methods(loss, "loss", (*REQUIRED, "fit"))
    return _fit_clone(loss, X, y)


def _fit_clone(loss: Any, X: Any, y: Any) -> Any:
    """Fit a clone, and explain errors of a loss that needs what it was not given."""
    try:
        return clone(loss).fit(X, y)
    # What None in place of data leads to in a loss of the user.
    except (TypeError, AttributeError, IndexError) as error:
        name = type(loss).__name__
        if isinstance(error, ValueError):  # a parameter of the loss is wrong
            raise
        if X is None:
            raise ValueError(
                f"{name} cannot be fitted without data: {error}. If it needs data, "
                "pass them to fit: fit(X)."
            ) from error
        if y is None:
            error.add_note(f"{name}.fit got y=None. If it needs targets: fit(X, y).")
        raise


def check_methods(loss: Loss, name: str, required: tuple[Any, ...] = REQUIRED) -> None:
    """Raise ValueError for a class, and for methods that a loss lacks: all by name."""
    if isinstance(loss, type):
        raise ValueError(
            f"{name} must be an instance of a loss, got the class {loss.__name__}: "
            f"write {loss.__name__}(...)."
        )
    missing = [
        method for method in required if not callable(getattr(loss, method, None))
    ]
    if missing:
        other = ", or data" if name == "X" else ""
        raise ValueError(
            f"{name} must be a loss with the methods {', '.join(required)}{other}; "
            f"{type(loss).__name__} lacks {', '.join(missing)}.{_advice(loss)}"
        )


def _advice(thing: Any) -> str:
    """Say what to write, for things that are often given in place of a loss."""
    if hasattr(thing, "state_dict"):
        return " A PyTorch module is wrapped: TorchLoss(module, criterion)."
    if hasattr(thing, "__array__") or isinstance(thing, list | tuple):
        return " Pass data to fit: fit(X)."
    if callable(thing):
        return " Functions are wrapped: FunctionLoss(value, gradient, n_params=...)."
    return ""


class AdaptedLoss(Loss):
    """Complete an object that follows the contract without deriving from Loss.

    It is fitted, and has ``n_params_``, ``value``, ``gradient`` and ``hvp``.
    """

    def __init__(self, loss: Any) -> None:
        self.loss = loss
        self.n_params_ = int(loss.n_params_)
        for name in OPTIONAL:
            if hasattr(loss, name):
                setattr(self, name, getattr(loss, name))

    def fit(self, X: ArrayLike, y: object = None) -> AdaptedLoss:  # noqa: D102 (documented in Loss)
        self.loss.fit(X, y)
        return self

    def value(self, theta: Array) -> Array:  # noqa: D102
        return self.loss.value(theta)

    def gradient(self, theta: Array) -> Array:  # noqa: D102
        return self.loss.gradient(theta)

    def hvp(self, theta: Array, v: Array) -> Array:  # noqa: D102
        return self.loss.hvp(theta, v)
