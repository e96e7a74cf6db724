"""What the symmetries of a loss change, and what they do not change."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, device
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.losses._points import TakesPoints
from skcrit.losses.data_subspace import DataSubspace


class Symmetries(TakesPoints):
    """Describe the symmetries of a loss; by default it has none.

    A symmetry moves points without changing the loss. All points to which symmetries
    move a point form its *orbit*. It consists of discrete components, such as those of
    permuted hidden units, each of which is a point or a manifold. A loss that has
    symmetries overrides the methods that describe them.
    """

    # Whether rescale keeps the inertia of the Hessian at critical points. If it does
    # not, eigenvalues are counted at the points themselves.
    rescale_keeps_inertia = True

    def invariants(self, theta: Array) -> Array:
        """Compute numbers that no symmetry of the loss changes, by default ``theta``.

        Two critical points belong to the same critical set when their invariants agree.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        invariants : array of shape (..., n_invariants)
            Continuous functions of the points that separate symmetry orbits.
        """
        return self._as_points(theta)

    def invariants_scale(self) -> float | FloatArray:
        """Return natural units of the invariants, by default the length scales.

        Returns
        -------
        scale : float or ndarray of shape (n_invariants,)
            Positive: typical differences between critical sets, one for all invariants
            or one for each.
        """
        self._check_fitted()
        return self.length_scale()

    def length_scale(self) -> float | FloatArray:
        """Return a typical distance between neighbouring critical points, by default 1.

        It is the unit of steps, of displacements and of distances between points.

        Returns
        -------
        length : float or ndarray of shape (n_params,)
            Positive, in the unit of ``theta``: one for all parameters, or one for each.
        """
        self._check_fitted()
        return 1.0

    def rescale(self, theta: Array) -> Array:
        """Move continuously along the symmetry orbit to a rescaled point.

        This does not change the loss, but it changes the gradient norm. Searches need
        it because along badly scaled valleys the gradient tends to zero although there
        is no critical point. By default points do not move.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        theta : array of shape (..., n_params)
            Rescaled points of the same orbits.
        """
        return self._as_points(theta)

    def representative(self, theta: Array) -> Array:
        """Choose one point of each discrete orbit, by default the point itself.

        The choice is an isometry, such as a permutation of units or a change of signs,
        and changes neither the loss nor the gradient norm. It may jump between
        neighbouring points. It serves to identify points; searches do not use it.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        theta : array of shape (..., n_params)
            A point of each orbit, the same for all of its points up to rounding.
        """
        return self._as_points(theta)

    def orbit_size(self, theta: Array) -> IntArray:
        """Count the points of the discrete symmetry orbit, by default one.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        size : ndarray of int of shape (...,)
            Number of distinct points, or of connected components of the orbit.
        """
        return np.ones(self._as_points(theta).shape[:-1], dtype=np.int64)

    def orbit_tangents(self, theta: Array) -> Array:
        """Span the tangent space of the continuous symmetry orbit, by default nothing.

        At a critical point the Hessian is zero along these directions.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        tangents : array of shape (..., n_tangents, n_params)
            Vectors in rows, of any length, possibly linearly dependent.
        """
        theta = self._as_points(theta)
        xp = array_namespace(theta)
        shape = (*theta.shape[:-1], 0, theta.shape[-1])
        return xp.zeros(shape, dtype=theta.dtype, device=device(theta))

    def count_tangents(self, theta: Array) -> int:
        """Count the vectors of :meth:`orbit_tangents` at a point, before forming them.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        n_tangents : int
            Number of vectors per point; by default they are formed and counted.
        """
        return int(self.orbit_tangents(theta).shape[-2])

    def seen_tangents(self, theta: Array) -> Array:
        """Span the part of the tangent space that lies in :meth:`data_subspace`.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        tangents : array of shape (..., n_tangents, n_params)
            By default those of :meth:`orbit_tangents`.
        """
        return self.orbit_tangents(theta)

    def orbit_weights(self, theta: Array) -> tuple[Array, Array] | None:
        """Return the weights of a hidden layer whose changes of basis are the orbit.

        Its h^2 tangents are then removed from directions without being formed.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        weights : tuple of two arrays, or None
            The parameters as matrices: those below the units, of shape (..., h, n_in),
            and above them, (..., n_out, h). By default None: the orbit is another one,
            and :meth:`orbit_tangents` are formed.
        """
        self._as_points(theta)
        return None

    def data_subspace(self) -> DataSubspace | None:
        """Return coordinates of the parameters on which the fit to the data depends.

        Returns
        -------
        subspace : DataSubspace or None
            None, the default, if these are all parameters, or if it is not known.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        self._check_fitted()
        return None


def rescaled(loss: Any, theta: Array) -> Array:
    """Rescale points, on the device of the loss; what is not finite stays."""
    theta = loss.asarray(theta)
    xp = array_namespace(theta)
    # Factorisations refuse NaN, and one bad row must not end its batch.
    finite = xp.all(xp.isfinite(theta), axis=-1)[:, None]
    safe = xp.where(finite, theta, xp.zeros_like(theta))
    return xp.where(finite, loss.rescale(safe), theta)


def well_placed(loss: Any, theta: Any) -> Any:
    """Move points along their orbits to where the Hessian is well-scaled and simple."""
    theta = loss.asarray(theta)
    if loss.rescale_keeps_inertia:
        theta = rescaled(loss, theta)
    return loss.representative(theta)


def stiefel_euler(n_vectors: Any, n_dims: Any) -> Any:
    """Compute the Euler characteristic of n_vectors orthonormal vectors in n_dims."""
    # The product of those of spheres, 1 + (-1)^(n_dims - a - 1) for each vector a: all
    # vectors orthogonal to a given one make a Stiefel manifold again. It is 1 for no
    # vector, 2 for one in an odd number of dimensions, and 2 for n_dims = 1.
    return prod(1 + (-1) ** (n_dims - a - 1) for a in range(n_vectors))
