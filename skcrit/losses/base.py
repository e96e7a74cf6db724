"""The contract of a loss, and the local model that searches work with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse.linalg import LinearOperator
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import get_namespace, to_device, to_host
from skcrit._saving import VersionMixin
from skcrit._typing import Array, ArrayLike, FloatArray
from skcrit.exceptions import NoGroundTruthError
from skcrit.losses._defaults import estimate_curvature
from skcrit.utils._arguments import as_numbers

if TYPE_CHECKING:
    from skcrit.analytical import AnalyticalSpectrum

__all__ = ["LocalModel", "Loss"]


class LocalModel:
    """Expand a loss to second order at fixed points.

    Everything is computed when it is first asked for, and once. Losses whose value,
    gradient and products share work return a subclass from :meth:`Loss.at`.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : array of shape (..., n_params)
        Points, in the namespace of the loss.
    """

    def __init__(self, loss: Loss, theta: Array) -> None:
        self.loss = loss
        self.theta = theta

    @cached_property
    def value(self) -> Array:
        """Loss at each point, array of shape (...,)."""
        return self.loss.value(self.theta)

    @cached_property
    def gradient(self) -> Array:
        """Gradient at each point, array of shape (..., n_params)."""
        return self.loss.gradient(self.theta)

    def hvp(self, v: Array) -> Array:
        """Multiply the Hessian at each point by vectors.

        Parameters
        ----------
        v : array of shape (..., n_params)
            Directions; leading axes broadcast against those of the points.

        Returns
        -------
        product : array of shape (..., n_params)
            ``H(theta) @ v``.
        """
        return self.loss.hvp(self.theta, v)

    def hessian(self) -> Array:
        """Form the dense Hessian at each point.

        Returns
        -------
        hessian : array of shape (..., n_params, n_params)
            Symmetric matrices.
        """
        return self.loss.hessian(self.theta)


class Loss(VersionMixin, BaseEstimator, ABC):
    """Describe a smooth function of a flat parameter vector.

    A loss is an estimator for the sake of its parameters (``get_params``, ``clone``,
    ``set_params(loss__alpha=...)``). After :meth:`fit` it is a pure function of
    ``theta``. A subclass must set ``n_params_`` in :meth:`fit` and define
    :meth:`value`, :meth:`gradient` and :meth:`hvp`; everything else has a default.

    ``theta`` is one vector ``(n_params,)`` or a batch ``(..., n_params)``; every method
    takes both and returns the matching shape. The result for one row may not depend on
    the other rows.

    Attributes
    ----------
    n_params_ : int
        Length of ``theta``.
    """

    backend = "numpy"
    dtype = "float64"

    # Whether canonicalize keeps the inertia of the Hessian at critical points. Where it
    # does not, a finder counts eigenvalues at the points themselves.
    canonicalize_keeps_inertia = True

    @abstractmethod
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Learn from data all that evaluation needs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.

        Returns
        -------
        self : Loss
            The fitted loss.
        """

    @abstractmethod
    def value(self, theta: Array) -> Array:
        """Evaluate the loss.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        value : array of shape (...,)
            Loss at each point.
        """

    @abstractmethod
    def gradient(self, theta: Array) -> Array:
        """Evaluate the gradient.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        gradient : array of shape (..., n_params)
            Gradient at each point.
        """

    @abstractmethod
    def hvp(self, theta: Array, v: Array) -> Array:
        """Multiply the Hessian by vectors.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.
        v : array of shape (..., n_params)
            Directions; leading axes broadcast against those of ``theta``.

        Returns
        -------
        product : array of shape (..., n_params)
            ``H(theta) @ v``.
        """

    def hessian(self, theta: Array) -> Array:
        """Form the dense Hessian, by default from products with the unit vectors.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        hessian : array of shape (..., n_params, n_params)
            Symmetric matrices.

        Raises
        ------
        ValueError
            If products have the wrong shape.

        Notes
        -----
        Costs ``n_params`` Hessian-vector products per point.
        """
        theta = self._as_points(theta)
        xp, device = get_namespace(self.backend)
        identity = xp.eye(self.n_params_, dtype=theta.dtype, device=device)
        product = self.hvp(theta[..., None, :], identity)
        expected = (*theta.shape, self.n_params_)
        if tuple(product.shape) != expected:
            raise ValueError(
                f"hvp of {type(self).__name__} must return an array of shape "
                f"{expected} for so many directions, got shape {tuple(product.shape)}."
            )
        # Products that are differences of gradients are symmetric only to rounding.
        return (product + xp.matrix_transpose(product)) / 2

    def at(self, theta: Array) -> LocalModel:
        """Expand the loss at fixed points.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        local : LocalModel
            ``.value``, ``.gradient``, ``.hvp(v)`` and ``.hessian()`` at ``theta``,
            which share what they have in common.
        """
        return LocalModel(self, self._as_points(theta))

    def linear_operator(self, theta: Array) -> LinearOperator:
        """Wrap the Hessian at one point for SciPy's iterative solvers.

        Parameters
        ----------
        theta : array of shape (n_params,)
            One point.

        Returns
        -------
        operator : scipy.sparse.linalg.LinearOperator
            Symmetric operator of shape (n_params, n_params), on host vectors.

        Raises
        ------
        ValueError
            If ``theta`` is a batch.
        """
        theta = self._as_points(theta)
        if theta.ndim != 1:
            raise ValueError(
                f"theta must be one vector of shape ({self.n_params_},), "
                f"got an array of shape {tuple(theta.shape)}."
            )
        local = self.at(theta)

        def matvec(v):
            v = to_device(np.reshape(v, self.n_params_), self.backend, self.dtype)
            return to_host(local.hvp(v))

        shape = (self.n_params_, self.n_params_)
        return LinearOperator(shape, matvec=matvec, rmatvec=matvec, dtype=self.dtype)

    def invariants(self, theta: Array) -> Array:
        """Compute what the symmetries of the loss leave alone, by default ``theta``.

        Two critical points belong to the same critical set when their invariants agree.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        invariants : array of shape (..., n_invariants)
            Invariants of each point.
        """
        return self._as_points(theta)

    def canonicalize(self, theta: Array) -> Array:
        """Move along the symmetry orbit to a well-scaled point, by default stay.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        theta : array of shape (..., n_params)
            Points of the same orbits: same loss, same inertia of the Hessian at
            critical points.
        """
        return self._as_points(theta)

    def curvature(self, theta: Array) -> FloatArray:
        """Estimate the size of the Hessian, to choose step lengths by.

        Parameters
        ----------
        theta : array of shape (n_points, n_params)
            Points.

        Returns
        -------
        curvature : ndarray of shape (n_points,)
            Lower estimates of the spectral norm, by default from 20 products each.
        """
        return estimate_curvature(self, self._as_points(theta))

    def analytical_spectrum(self) -> AnalyticalSpectrum:
        """Return the critical points in closed form, where they are known.

        Raises
        ------
        NoGroundTruthError
            Always, unless the subclass knows its critical points.
        """
        raise NoGroundTruthError(
            f"The critical points of {type(self).__name__} are not known in closed "
            "form; scores that compare with the truth need a loss such as "
            "LinearAutoencoderLoss."
        )

    def _as_points(self, theta, name="theta"):
        # Bring points to the loss's namespace and check their last axis.
        if not hasattr(
            self, "n_params_"
        ):  # the check itself takes longer than a product
            check_is_fitted(self, "n_params_")
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

    def _on_device(self, array, name, shape=""):
        # Bring numbers to the loss's namespace; what is made of none is refused.
        floats = type(array) is np.ndarray and array.dtype.kind == "f"
        if not floats and not self._is_foreign(array):
            array = as_numbers(array, name, shape)
        try:
            if "complex" in str(getattr(array, "dtype", "")):
                raise TypeError("complex numbers")
            return to_device(array, self.backend, self.dtype)
        except (TypeError, ValueError, RuntimeError) as error:  # each library its own
            raise ValueError(
                f"{name} must be an array of real numbers, got {type(array).__name__}: "
                f"{error}."
            ) from error

    @staticmethod
    def _is_foreign(array):
        # Tell an array of another library, which may live on a device.
        if isinstance(array, np.ndarray | np.generic):
            return False
        names = ("__array_namespace__", "__cuda_array_interface__")
        return any(hasattr(array, name) for name in names)

    def _as_directions(self, v, theta, name="v"):
        # Bring directions to the loss's namespace and check that they fit the points.
        v = self._as_points(v, name)
        try:
            np.broadcast_shapes(v.shape[:-1], theta.shape[:-1])
        except ValueError:
            raise ValueError(
                f"{name} must have leading axes that broadcast against those of theta, "
                f"of shape {tuple(theta.shape)}, got shape {tuple(v.shape)}."
            ) from None
        return v
