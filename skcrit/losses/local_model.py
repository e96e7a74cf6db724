"""A loss expanded to second order at fixed points."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from skcrit._backend import array_namespace, take_rows
from skcrit._typing import Array, FittedLoss, IntArray

__all__ = ["LocalModel"]


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

    def __init__(self, loss: FittedLoss, theta: Array) -> None:
        # Of any class: subclasses use what else theirs has.
        self.loss: Any = loss
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

    def hessian_error(self) -> Array:
        """Estimate systematic errors of the dense Hessian, beyond rounding.

        Returns
        -------
        error : array of shape (..., n_params, n_params)
            Absolute errors of the entries; zero unless products are approximations,
            such as differences of gradients.
        """
        return 0 * self.theta[..., :, None] * self.theta[..., None, :]

    @staticmethod
    def concatenate(parts: Sequence[LocalModel]) -> LocalModel:
        """Expand the loss at the points of several local models.

        Parameters
        ----------
        parts : sequence of LocalModel
            Local models of one loss, each at a batch of points.

        Returns
        -------
        local : LocalModel
            Local model at all points.
        """
        xp = array_namespace(parts[0].theta)
        return parts[0].loss.at(xp.concat([part.theta for part in parts], axis=0))

    def take(self, rows: IntArray) -> LocalModel:
        """Expand the loss at some of the points.

        Parameters
        ----------
        rows : ndarray of int of shape (m,)
            Numbers of points along the first axis.

        Returns
        -------
        local : LocalModel
            Local model at these points.
        """
        return self.loss.at(take_rows(self.theta, rows))
