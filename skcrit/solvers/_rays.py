"""Losses that are constant along the rays from the origin, such as a Rayleigh quotient.

For them H theta = -g at every point, so that the Newton step is the point itself: it
doubles the point and does not change the loss. Steps must therefore go across the rays.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skcrit._backend import array_namespace, device, take_rows
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.losses.local_model import LocalModel
from skcrit.solvers._vectors import dot, norm

Products = Callable[[Array], Array]


class Rays:
    """The rays through points, where the loss is constant along them.

    ``is_flat`` says for each point whether the loss is constant along its ray, to
    second order. ``n_hvp`` counts the products spent: none if the gradient has a part
    along the ray. ``products=None`` takes the products of the loss with its Hessians.
    """

    def __init__(self, local: LocalModel, products: Products | None = None) -> None:
        theta, gradient = local.theta, local.gradient
        # The error of a difference of gradients is below the root of eps.
        xp = array_namespace(theta)
        level = float(xp.finfo(theta.dtype).eps) ** 0.5
        self.size, slope = norm(theta), norm(gradient)
        across = np.abs(dot(theta, gradient)) <= level * self.size * slope
        candidate = across & (self.size > 0) & (slope > 0)
        self.is_flat, self.n_hvp = candidate, candidate.astype(int)
        if candidate.any():
            rest = norm((products or local.hvp)(theta) + gradient)
            self.is_flat = candidate & (rest <= level * slope)
        length = np.where(self.is_flat, self.size, np.inf)
        self.unit = theta / _column(length, theta)

    def across(self, products: Products, rows: IntArray | None = None) -> Products:
        """Restrict products to what is across flat rays, at all or some points."""
        if not self.is_flat.any():
            return products
        unit = self.unit if rows is None else take_rows(self.unit, rows)
        xp = array_namespace(unit)

        def projected(v: Array) -> Array:
            return v - xp.sum(unit * v, axis=-1)[:, None] * unit

        return lambda v: projected(products(projected(v)))

    def brought_back(self, theta: Array) -> Array:
        """Scale points on flat rays back to their former distance from the origin."""
        # Farther out the gradient is smaller, but that is not progress.
        if not self.is_flat.any():
            return theta
        far = norm(theta)
        moves = self.is_flat & (far > 0) & np.isfinite(far)
        factor = np.where(moves, self.size / np.where(moves, far, 1.0), 1.0)
        return theta * _column(factor, theta)


def _column(numbers: FloatArray, like: Array) -> Array:
    """Make a column of one number per point, on the device of the points."""
    xp = array_namespace(like)
    return xp.asarray(numbers, dtype=like.dtype, device=device(like))[:, None]
