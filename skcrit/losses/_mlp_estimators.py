"""Conversion between a loss and scikit-learn's networks."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import to_host
from skcrit._typing import Array, ArrayLike
from skcrit.losses._mlp_layout import NetworkLayout
from skcrit.utils._arguments import shown
from skcrit.utils._validation import give_labels

# Losses that differ by less, relative to one, are the same: training may have been in
# single precision.
_SAME_LOSS = 1e-3


class ConvertsEstimators(NetworkLayout):
    """Take the place of a fitted network of scikit-learn, and give it back."""

    @classmethod
    def from_estimator(
        cls,
        estimator: MLPRegressor | MLPClassifier,
        X: ArrayLike,
        y: ArrayLike,
        *,
        backend: str = "numpy",
        dtype: str = "float64",
    ) -> tuple[Self, Array]:
        """Return the training loss of a fitted network, and the point of the network.

        Parameters
        ----------
        estimator : MLPRegressor or MLPClassifier
            Fitted network, of any solver.
        X : array-like of shape (n_samples, n_features)
            The data that it was fitted to, without those set aside by early stopping,
            and scaled as they were then. All samples have the same weight.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their targets.
        backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
            Array library that computes.
        dtype : {"float64", "float32"}, default="float64"
            Floating type of all computations.

        Returns
        -------
        loss : MLPLoss
            Fitted loss.
        theta : array of shape (n_params,)
            The coefficients of the network.

        Raises
        ------
        TypeError
            If ``estimator`` is neither of the two.
        ValueError
            If it was trained on another loss, or the data do not fit it.
        NotFittedError
            If it is not fitted.

        Warns
        -----
        UserWarning
            If the loss at ``theta`` is not the ``loss_`` of an ``estimator`` with
            ``solver="lbfgs"``, so that the data are not those of its training.
        """
        params = parameters_of(estimator)
        make: Any = cls  # a whole loss, not this part of one
        loss = make(**params, backend=backend, dtype=dtype).fit(X, y)
        classes = getattr(estimator, "classes_", None)
        if classes is not None and not np.array_equal(loss.classes_, classes):
            raise ValueError(
                f"y must have the classes of estimator, {shown(classes)}, got "
                f"{shown(loss.classes_)}."
            )
        sizes = loss._widths[0], loss._widths[-1]
        expected = len(estimator.coefs_[0]), estimator.n_outputs_
        for name, size, wanted in zip(("X", "y"), sizes, expected, strict=True):
            if size != wanted:
                raise ValueError(
                    f"{name} must have {wanted} columns, as in the fit of estimator, "
                    f"got {size}."
                )
        theta = loss.pack(estimator.coefs_, estimator.intercepts_)
        compare_losses(estimator, loss, theta)
        return loss, theta

    def to_estimator(self, theta: Array) -> MLPRegressor | MLPClassifier:
        """Make a fitted network of scikit-learn from a point.

        Parameters
        ----------
        theta : array of shape (n_params,)
            One point.

        Returns
        -------
        estimator : MLPRegressor or MLPClassifier
            Network with the coefficients of the point, ready to predict; its ``loss_``
            is the value of the loss.

        Raises
        ------
        ValueError
            If ``theta`` is a batch, or the activation is not one of scikit-learn's.
        """
        theta = self._as_point(theta)
        return estimator_of(self, theta)


def parameters_of(estimator: Any) -> Any:
    """Translate the parameters of a fitted network to those of a loss."""
    # TypeError for another kind of estimator, ValueError for a training loss that
    # MLPLoss does not know, NotFittedError before its fit.
    if not isinstance(estimator, MLPRegressor | MLPClassifier):
        raise TypeError(
            f"estimator must be an MLPRegressor or MLPClassifier, got "
            f"{shown(estimator)}."
        )
    check_is_fitted(estimator)
    if estimator.loss not in ("squared_error", "log_loss"):
        raise ValueError(
            "estimator must have been trained on the squared error or the log-loss, "
            f"got loss={estimator.loss!r}."
        )
    return {
        "hidden_layer_sizes": estimator.hidden_layer_sizes,
        "activation": estimator.activation,
        "loss": estimator.loss,
        "alpha": estimator.alpha,
    }


def compare_losses(estimator: Any, loss: Any, theta: Array) -> None:
    """Warn if the loss is not the one that the training of an estimator ended with."""
    # The other solvers report a mean over an epoch. Of several numerical targets
    # scikit-learn reports another loss than it minimises.
    several = loss.loss == "squared_error" and loss.n_outputs_ > 1
    if estimator.solver != "lbfgs" or several:
        return
    found, trained = float(loss.value(theta)), float(estimator.loss_)
    # scikit-learn keeps probabilities away from zero and one by a rounding error.
    clipped = np.finfo(estimator.coefs_[0].dtype).eps if loss.loss == "log_loss" else 0
    if abs(found - trained) > _SAME_LOSS * abs(trained) + clipped:
        warnings.warn(
            f"X and y are not the data of its training: the loss of estimator is "
            f"{found:.4g} on them, and was {trained:.4g} in the end. Hand over the "
            "data that its fit was given, scaled as they were; sample weights are not "
            "supported.",
            UserWarning,
            stacklevel=3,
        )


def estimator_of(loss: Any, theta: Any) -> Any:
    """Make the fitted network of a point, with an activation of scikit-learn's."""
    if loss.activation not in ("identity", "logistic", "tanh", "relu"):
        raise ValueError(
            "activation must be one of scikit-learn's (identity, logistic, tanh, relu) "
            f"to make one of its estimators, got {loss.activation!r}."
        )
    cls = MLPRegressor if loss.loss == "squared_error" else MLPClassifier
    estimator = cls(
        hidden_layer_sizes=loss._widths[1:-1],
        activation=loss.activation,
        alpha=loss.alpha,
        solver="lbfgs",
    )
    coefs, intercepts = loss.unpack(theta)
    # What scikit-learn's fit sets, as it is after no iteration.
    estimator.coefs_ = [np.array(to_host(W), dtype=float) for W in coefs]
    estimator.intercepts_ = [np.array(to_host(b), dtype=float) for b in intercepts]
    estimator.n_layers_ = len(loss._widths)
    estimator.n_outputs_ = loss.n_outputs_
    estimator.n_iter_, estimator.t_ = 0, 0
    estimator.loss_ = estimator.best_loss_ = float(loss.value(theta))
    outputs = {"squared_error": "identity"}
    estimator.out_activation_ = outputs.get(loss._targets.kind, loss._targets.kind)
    for name in ("n_features_in_", "feature_names_in_", "classes_"):
        if hasattr(loss, name):
            setattr(estimator, name, getattr(loss, name))
    if cls is MLPClassifier:
        give_labels(estimator, loss._targets.binarizer)
    return estimator
