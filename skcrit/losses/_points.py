"""Points and directions, checked and moved to the device of a loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import to_device
from skcrit._typing import Array, ArrayLike
from skcrit.utils._arguments import as_numbers, foreign

# To compare with these takes a tenth of the time of comparing with their names.
_DTYPES = {name: np.dtype(name) for name in ("float64", "float32")}


class TakesPoints:
    """Take parameter vectors of length ``n_params_``, one or a batch of them."""

    backend = "numpy"
    dtype = "float64"

    n_params_: int

    def asarray(self, array: ArrayLike) -> Array:
        """Move numbers to the device on which the loss computes.

        Parameters
        ----------
        array : array-like
            Numbers on the host, or on the device already.

        Returns
        -------
        array : array
            The same numbers in the namespace, device and dtype of the loss.

        Raises
        ------
        ValueError
            If they are not real numbers.
        """
        return self._on_device(array, "array")

    def _check_fitted(self) -> None:
        # Raise NotFittedError before fit; scikit-learn's check alone takes longer than
        # a product.
        if not hasattr(self, "n_params_"):
            check_is_fitted(self, "n_params_")

    def _as_points(self, theta: Array, name: str = "theta") -> Array:
        # Bring points to the loss's namespace and check their last axis.
        self._check_fitted()
        if self._is_right(theta):
            return theta
        theta = self._on_device(theta, name, f"(..., {self.n_params_})")
        if isinstance(theta, np.ndarray):
            # Sums and products round differently in another memory layout, and a row
            # must give the same numbers in every batch.
            theta = np.asarray(theta, order="C")
        if theta.ndim == 0 or theta.shape[-1] != self.n_params_:
            raise ValueError(
                f"{name} must have shape (..., {self.n_params_}) for "
                f"{type(self).__name__}, got shape {tuple(theta.shape)}."
            )
        return theta

    def _as_point(self, theta: Array) -> Array:
        # Bring one point to the loss's namespace, not a batch.
        theta = self._as_points(theta)
        if theta.ndim != 1:
            raise ValueError(
                f"theta must be one vector of shape ({self.n_params_},), "
                f"got an array of shape {tuple(theta.shape)}."
            )
        return theta

    def _is_right(self, theta: Array) -> bool:
        # Notice points that are as they should be, as all are inside of a search: this
        # takes a hundredth of the time of the full check.
        return (
            self._has_its_type(theta)
            and theta.ndim > 0
            and theta.shape[-1] == self.n_params_
            and theta.flags.c_contiguous
        )

    def _has_its_type(self, array: Any) -> bool:
        # Notice numbers that are where the loss computes already.
        return (
            type(array) is np.ndarray
            and self.backend == "numpy"
            and array.dtype == _DTYPES.get(self.dtype, 0)
        )

    def _on_device(self, array: Any, name: str, shape: str = "") -> Array:
        # Bring numbers to the loss's namespace; what is made of none is refused.
        if self._has_its_type(array):
            return array
        floats = type(array) is np.ndarray and array.dtype.kind == "f"
        if not floats and not self._is_foreign(array):
            array = as_numbers(array, name, shape)
        try:
            if "complex" in str(getattr(array, "dtype", "")):
                raise TypeError("complex numbers")
            return to_device(array, self.backend, self.dtype)
        except (TypeError, ValueError, RuntimeError) as error:  # each library its own
            what = foreign(array) or type(array).__name__
            raise ValueError(
                f"{name} must be an array of real numbers, got {what}: {error}."
            ) from error

    @staticmethod
    def _is_foreign(array: Any) -> bool:
        # Notice an array of another library, which may live on a device.
        if isinstance(array, np.ndarray | np.generic):
            return False
        names = ("__array_namespace__", "__cuda_array_interface__")
        return any(hasattr(array, name) for name in names)

    def _as_directions(self, v: Array, theta: Array, name: str = "v") -> Array:
        # Bring directions to the loss's namespace and check that they fit the points.
        v = self._as_points(v, name)
        if v.shape == theta.shape:
            return v
        try:
            np.broadcast_shapes(v.shape[:-1], theta.shape[:-1])
        except ValueError:
            raise ValueError(
                f"{name} must have leading axes that broadcast against those of theta, "
                f"of shape {tuple(theta.shape)}, got shape {tuple(v.shape)}."
            ) from None
        return v
