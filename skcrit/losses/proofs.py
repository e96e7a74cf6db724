"""Bounds that a loss provides for proofs."""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace, device
from skcrit._typing import Array, ArrayLike, FloatArray
from skcrit.losses._points import TakesPoints
from skcrit.losses.symmetries import Symmetries


class Provable(Symmetries):
    """Bound changes and rounding errors; by default no bound is known.

    :func:`skcrit.certify` turns these bounds into certificates. They must be correct
    but need not be tight: an infinite bound is always correct.
    """

    # Whether the loss grows without bound in every direction; None if it is not known.
    is_coercive: bool | None = None

    # The Euler sum of a complete list if it does: the Euler characteristic of the
    # region in which the loss is finite, divided by the symmetries by which
    # ``orbit_euler`` divides orbits.
    euler_characteristic = 1

    def hessian_lipschitz(self, theta: Array, radius: ArrayLike) -> Array:
        r"""Bound how fast the Hessian changes around points; infinite if not known.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.
        radius : float or array of shape (...,)
            Radii of balls around the points, in the 2-norm of ``theta``; nonnegative.

        Returns
        -------
        bound : array of shape (...,)
            Numbers K such that :math:`|H(\theta') - H(\theta'')|_2 \le K |\theta' -
            \theta''|_2` for all points of the ball around each point.

        Raises
        ------
        ValueError
            If a radius is negative or not finite, or the radii do not fit the points.
        """
        theta, radius = as_radius(self, theta, radius)
        return array_namespace(radius).full_like(radius, float("inf"))

    def evaluation_error(self, theta: Array) -> tuple[Array, Array, Array]:
        """Bound the rounding errors of value, gradient and Hessian.

        The bounds are infinite if the loss knows none.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        value, gradient, hessian : arrays of shape (...,)
            The true numbers differ from :meth:`value`, :meth:`gradient` (in the 2-norm)
            and :meth:`hessian` (in the spectral norm) by at most this.
        """
        theta = self._as_points(theta)
        shape = theta.shape[:-1]
        xp, on = array_namespace(theta), device(theta)
        unknown = xp.full(shape, float("inf"), dtype=theta.dtype, device=on)
        return unknown, unknown, unknown

    def exact_tangents(self, theta: Array) -> tuple[Array, float]:
        r"""Return tangents of continuous symmetries without rounding errors.

        Each tangent is a linear function :math:`A_i \theta` of the point, and the flow
        of every :math:`A_i` does not change the loss at all. By default there are no
        tangents, which is always correct.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        tangents : array of shape (..., n_tangents, n_params)
            Vectors :math:`A_i \theta` in rows, exact, possibly linearly dependent.
        change : float
            A bound c such that :math:`(\sum_i |A_i v|^2)^{1/2} \le c |v|` for all v.
        """
        return Symmetries.orbit_tangents(self, theta), 0.0

    def enclose_invariants(
        self, theta: Array, radius: ArrayLike
    ) -> tuple[Array, Array] | None:
        """Enclose what distinguishes critical sets, on balls around points.

        By default these are the points themselves if the loss declares no symmetries
        (no :meth:`invariants` of its own), and nothing otherwise.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.
        radius : float or array of shape (...,)
            Radii of the balls.

        Returns
        -------
        enclosure : (array of shape (..., n_invariants), array of shape (...,)) or None
            Centres and radii of balls, in the 2-norm, which contain the exact
            invariants of all points of each ball; points of one orbit have the same.
            None if nothing is known.
        """
        # An adapted object brings its method as an attribute of the instance.
        own = getattr(self.invariants, "__func__", None)
        if own is not Symmetries.invariants:
            return None
        return as_radius(self, theta, radius)

    def degeneracies(self, theta: Array) -> list[str]:
        """Name properties of the data that make critical points degenerate.

        Parameters
        ----------
        theta : array of shape (n, n_params)
            Points.

        Returns
        -------
        causes : list of str, one per point
            For the reasons of certificates; empty if nothing is known, the default.
        """
        return [""] * np.size(self.orbit_size(theta))

    def conditioning(self) -> str:
        """Describe how badly the data are conditioned.

        Returns
        -------
        text : str
            For the reasons of certificates; by default empty.
        """
        return ""

    def orbit_euler(self, theta: Array) -> FloatArray:
        """Compute the Euler characteristic of the orbits of critical points.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Critical points.

        Returns
        -------
        euler : ndarray of float of shape (...,)
            Euler characteristics of the whole orbits, all components together; NaN if
            it is not known. By default the number of points of the orbit if it is
            discrete.
        """
        sizes = np.asarray(self.orbit_size(theta), dtype=float)
        continuous = self.orbit_tangents(theta).shape[-2] > 0
        return np.full_like(sizes, np.nan) if continuous else sizes


def as_radius(
    loss: TakesPoints, theta: Array, radius: ArrayLike
) -> tuple[Array, Array]:
    """Give each point on the device a radius, finite and at least 0."""
    theta = loss._as_points(theta)
    xp = array_namespace(theta)
    radius = loss._on_device(radius, "radius")
    try:
        radius = xp.broadcast_to(radius, theta.shape[:-1])
    except ValueError:
        raise ValueError(
            f"radius must be a number or have shape {tuple(theta.shape[:-1])}, as "
            f"many as points, got shape {tuple(radius.shape)}."
        ) from None
    if not bool(xp.all((radius >= 0) & (radius < float("inf")))):
        raise ValueError(f"radius must be nonnegative and finite, got {radius}.")
    return theta, radius
