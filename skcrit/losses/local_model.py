"""A loss expanded to second order at fixed points."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, take_rows
from skcrit._typing import Array, FittedLoss, IntArray


class LocalModel:
    """Expand a loss to second order at fixed points.

    Everything is computed once, when it is first needed. Losses whose value, gradient
    and products share work return a subclass from :meth:`Loss.at`.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : array of shape (..., n_params)
        Points, in the namespace of the loss.
    """

    # Whether a Hessian costs no more than as many products, one after the other, as it
    # has columns: for many losses these cost less, and a solver needs few of them.
    forms_cheaply = False

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
        xp, shape = array_namespace(self.theta), self.theta.shape
        # One row for all: no memory is spent on zeros.
        zeros = xp.zeros_like(self.theta)[..., None, :]
        return xp.broadcast_to(zeros, (*shape, shape[-1]))

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


def numbers_held(loss: Any) -> int:
    """Count the numbers that a local model keeps for each of its points."""
    streams = [np.random.default_rng((5, i)) for i in range(2)]
    with np.errstate(all="ignore"):  # a start can lie outside of what is finite
        local = loss.at(loss.asarray(loss.draw_starts(streams)))
        for use in (local.value, local.gradient, local.hvp(local.theta)):
            del use
    known: set[int] = {id(loss)}
    return max(_count(vars(local), known) // 2, 1)


def _count(value: Any, known: set[int]) -> int:
    """Count the numbers in arrays with a row for each of two points, each once."""
    if id(value) in known:
        return 0
    known.add(id(value))
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return prod(shape) if shape[:1] == (2,) else 0
    if isinstance(value, dict):
        return sum(_count(part, known) for part in value.values())
    if isinstance(value, list | tuple):
        return sum(_count(part, known) for part in value)
    inside = hasattr(value, "__dict__") and type(value).__module__.startswith("skcrit")
    return _count(vars(value), known) if inside else 0
