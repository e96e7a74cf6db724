"""Targets of a network: labels and numbers, encoded as in scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer

from skcrit._typing import Array, IntArray
from skcrit.utils._arguments import as_numbers, shown


class Targets:
    """What the outputs of a network are compared with, learned from data.

    Parameters
    ----------
    loss : {"squared_error", "log_loss"}
        Loss of the network.
    X : ndarray of shape (n_samples, n_features)
        Data.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs), or None
        Targets; None is the data themselves.

    Attributes
    ----------
    kind : {"squared_error", "logistic", "softmax"}
        Loss per sample.
    values : ndarray of shape (n_samples, n_outputs)
        Targets as numbers.
    binarizer : LabelBinarizer or None
        How labels become numbers.

    Raises
    ------
    ValueError
        If a log-loss has no targets, targets do not fit the samples, or they
        are not finite numbers, or not labels.
    """

    def __init__(self, loss: Any, X: Array, y: Array) -> None:
        self.binarizer: Any = None
        self.is_reconstruction = y is None
        self.kind = "squared_error"
        if loss == "log_loss":
            if y is None:
                raise ValueError(
                    "y must be the labels for loss='log_loss', got None: only the "
                    "squared error can compare samples with themselves."
                )
            self.binarizer = self._learn_labels(y)
            multiclass = self.binarizer.y_type_ == "multiclass"
            self.kind = "softmax" if multiclass else "logistic"
        self.values = self.of(X, y)

    @staticmethod
    def _learn_labels(y: IntArray) -> Any:
        try:
            return LabelBinarizer().fit(y)
        except (ValueError, TypeError) as error:
            # scikit-learn would print all of them.
            reason = str(error).partition(":")[0]
            raise ValueError(
                f"y must be labels for loss='log_loss', got {shown(y)}: {reason}."
            ) from error

    def of(self, X: Array, y: Array) -> Array:
        """Convert targets of samples to numbers, or raise ValueError."""
        if self.is_reconstruction:
            return X
        if self.binarizer is not None:
            values = self._binarized(y)
        else:
            values = self._as_numbers(y)
            if not np.all(np.isfinite(values)):
                raise ValueError("y must be finite, got NaN or infinity.")
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or len(values) != len(X) or values.shape[1] == 0:
            raise ValueError(
                f"y must have shape ({len(X)},) or ({len(X)}, n_outputs), one row for "
                f"each sample, got shape {np.shape(y)}."
            )
        if hasattr(self, "values") and values.shape[1] != self.values.shape[1]:
            raise ValueError(
                f"y must have {self.values.shape[1]} outputs, as in fit, got "
                f"{values.shape[1]}."
            )
        return values

    @staticmethod
    def _as_numbers(y: Any) -> Array:
        try:
            return as_numbers(y, "y", "(n_samples,) or (n_samples, n_outputs)")
        except ValueError as error:
            if np.asarray(y).dtype.kind not in "US":
                raise
            text = f"{error} For labels take loss='log_loss'."
            raise ValueError(text) from None

    def _binarized(self, y: Any) -> Array:
        try:
            return self.binarizer.transform(y).astype(np.float64)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"y must be labels as in fit, got {shown(y)}: {error}"
            ) from error

    def look_up(self, X: Any, known: Any) -> Any:
        """Find the targets of samples among those of ``fit``, if they are known."""
        # NaN for a sample that is not among the data of fit, or is there with different
        # targets.
        if self.is_reconstruction:
            return X
        if np.array_equal(X, known):
            return self.values
        found: dict[bytes, int] = {}
        for row, (sample, target) in enumerate(zip(known, self.values, strict=True)):
            key = (sample + 0.0).tobytes()  # negative zeros are zeros
            same = key not in found or np.array_equal(target, self.values[found[key]])
            found[key] = row if same else -1
        rows = np.array([found.get((sample + 0.0).tobytes(), -1) for sample in X])
        return np.where(rows[:, None] < 0, np.nan, self.values[rows])


def check_range(name: str, array: Array, dtype: str, small: bool = False) -> None:
    """Refuse numbers whose fourth powers are not numbers of a floating type."""
    # small: they can be too small as well, as the gradient is proportional to them.
    info = np.finfo(dtype)
    high = float(info.max) ** 0.25 * float(info.eps) ** 0.5
    low = float(info.smallest_normal) ** 0.25 / float(info.eps) ** 0.5
    size = np.max(np.abs(array))
    if size <= high and (size >= low or size == 0 or not small):
        return
    need = "small" if size > high else "large"
    raise ValueError(
        f"{name} must be {need} enough for squared gradients to be numbers of "
        f"{dtype}: expected entries up to between {low:.1g} and {high:.1g}, got up to "
        f"{size:.3g}. Change the unit of {name}."
    )
