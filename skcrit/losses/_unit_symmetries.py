"""The symmetries of a multilayer network: invariants, representatives, orbits."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, IntArray
from skcrit.losses._mlp_layout import NetworkLayout
from skcrit.losses._stabilizers import stabilizer_order
from skcrit.losses._unit_coordinates import (
    UnitCoordinates,
    host_weights,
    on_host,
    seen_by_data,
)
from skcrit.losses._unit_degeneracies import UnitDegeneracies, find_degeneracies
from skcrit.losses._unit_features import UnitFeatures
from skcrit.losses.data_subspace import DataSubspace
from skcrit.losses.symmetries import Symmetries
from skcrit.utils._arguments import check_number, shown

# Numbers in the tangents at one point: a gibibyte in double precision.
_MOST_NUMBERS = 2**27


class UnitSymmetries(NetworkLayout, Symmetries):
    """Describe the symmetries of a network's hidden units."""

    alpha: float
    activation: str
    loss: str

    @cached_property
    def _coordinates(self) -> UnitCoordinates:
        return UnitCoordinates(self)

    @cached_property
    def _features(self) -> UnitFeatures:
        return UnitFeatures(self)

    @cached_property
    def _subspace(self) -> Any:
        return seen_by_data(self)

    def invariants(self, theta: Array) -> Array:
        r"""Compute continuous functions of the points that symmetries do not change.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        invariants : array of shape (..., n_invariants)
            For each hidden layer, the features of its units are projected on fixed
            directions, and for each direction the moduli of the projections are sorted
            over the units; the intercepts of the outputs follow. If units cannot change
            signs, the projections themselves are sorted. For the identity as
            activation: the entries of the end-to-end map.

        Notes
        -----
        Sorting numbers is continuous (sorting units by one number is not: their other
        numbers jump). With one hidden layer the features of a unit are its incoming
        weights, intercept and outgoing weights, and the directions are three
        orthonormal bases, scaled so that the invariants of a point have its norm.

        *Separation, one hidden layer.* Points of different orbits have different
        multisets of units, up to signs. A direction r fails to separate the multisets
        {u} and {u'} only if for some permutation and signs r is orthogonal to all
        :math:`u_j \mp u'_{\pi(j)}`, not all of which are zero: finitely many proper
        subspaces. So almost every direction separates any given points. There are three
        times as many invariants as parameters; twice as many and one more suffice,
        generically, to separate all points at once [1]_. Without sign changes the
        argument is the same.

        *Distance.* The invariants are piecewise linear and never further apart than the
        orbits. On each pair of linear pieces the distance of the orbits is at most a
        constant times that of the invariants (Hoffman's bound), if they separate orbits
        there [2]_. So differences have the size and the unit of ``theta``.

        *Deep networks.* The features of units that are connected to hidden units
        contain sums over these (pooled with 2 p fixed odd functions for a layer of p
        units). They determine the weights between two hidden layers, unless the
        functions of the units are linearly dependent on both sides: if both layers have
        duplicated units, different points may be taken for one. There the invariants
        are locally Lipschitz instead of piecewise linear.

        *Continuous symmetries* (of the softmax, of relu, and directions of weights that
        no sample sees, without a penalty) are removed first, as in :meth:`rescale`.

        References
        ----------
        .. [1] N. Dym and S. J. Gortler. "Low-dimensional invariant embeddings for
           universal geometric learning". arXiv:2205.02956.
        .. [2] R. Balan, N. Haghani and M. Singh. "Permutation-invariant representations
           with applications to graph deep learning". arXiv:2203.07546.
        """
        theta = self._as_points(theta)
        xp = array_namespace(theta)
        weights = self._split(theta)
        if self._coordinates.is_linear:
            weights = self._coordinates.rescaled(weights)
            W = self._end_to_end(weights)
            return xp.reshape(W, (*W.shape[:-2], prod(W.shape[-2:])))
        weights = self._coordinates.centred(weights)
        parts = []
        features = self._features.of(weights)
        for units, frame in zip(features, self._features.frames, strict=True):
            projected = units @ frame
            if self._coordinates.flips:
                projected = xp.abs(projected)
            ordered = xp.sort(projected, axis=-2)
            shape = (*theta.shape[:-1], prod(ordered.shape[-2:]))
            parts.append(xp.reshape(ordered, shape))
        if self.fit_intercept:
            parts.append(weights[-1][..., -1])
        return xp.concat(parts, axis=-1)

    def _end_to_end(self, weights: Any) -> Any:
        # The affine map of a linear network, intercepts in the last column.
        xp, W = array_namespace(weights[0]), weights[0]
        for layer, following in enumerate(weights[1:], 1):
            p = self._widths[layer]
            product = following[..., :p] @ W
            if following.shape[-1] > p:
                ones = product[..., -1:] + following[..., p:]
                product = xp.concat([product[..., :-1], ones], axis=-1)
            W = product
        return W

    def rescale(self, theta: Array) -> Array:
        """Move along the continuous symmetries to the point of least norm.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        theta : array of shape (..., n_params)
            Points of the same orbits. Without a penalty: without weights along
            directions that no sample sees, with the inputs of the softmax centred, and
            relu units with incoming and outgoing weights of equal norm. With a penalty
            only the intercepts of the softmax are centred, unless it acts on them.
            Changes of basis of an identity activation are not used.
        """
        theta = self._as_points(theta)
        if not self._coordinates.moves:
            return theta
        return self._join(self._coordinates.rescaled(self._split(theta)))

    def representative(self, theta: Array) -> Array:
        """Choose the order and the signs of hidden units.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        theta : array of shape (..., n_params)
            Points whose units have features with nonnegative projections on one fixed
            direction, in descending order. For logistic units a change of signs also
            changes the next intercepts and is not an isometry. If the activation is the
            identity, points do not change.
        """
        theta = self._as_points(theta)
        if self._coordinates.is_linear or prod(theta.shape) == 0:
            return theta
        weights = [W.copy() for W in host_weights(self, theta)]
        centred = self._coordinates.centred([self.asarray(W) for W in weights])
        features = on_host(self._features.of(centred))
        for layer, units in enumerate(features):
            draw = np.random.default_rng(layer).standard_normal(units.shape[-1])
            projected = units @ draw
            signs = np.ones_like(projected)
            if self._coordinates.flips:
                signs = np.where(projected < 0, -1.0, 1.0)
            order = np.argsort(-signs * projected, axis=-1, kind="stable")
            self._act(weights, layer, order, signs)
        chosen = self._join(weights).reshape(theta.shape)
        return self.asarray(chosen)

    def _act(
        self, weights: list[Array], layer: int, order: IntArray, signs: Array
    ) -> None:
        # Change signs of the units of a hidden layer, then permute them, in place.
        following, p = weights[layer + 1], self._widths[layer + 1]
        if self._coordinates.is_logistic:
            # v phi(z) = v - v phi(-z)
            flipped = np.where(signs[:, None, :] < 0, following[..., :p], 0.0)
            following[..., -1] += np.sum(flipped, axis=-1)
        weights[layer] *= signs[..., None]
        following[..., :p] *= signs[:, None, :]
        weights[layer] = np.take_along_axis(weights[layer], order[..., None], axis=1)
        units = np.take_along_axis(following[..., :p], order[:, None, :], axis=2)
        weights[layer + 1] = np.concatenate([units, following[..., p:]], axis=-1)

    def orbit_size(self, theta: Array) -> IntArray:
        r"""Count the points of the discrete symmetry orbit.

        A layer of p units has p! permutations, and 2^p changes of sign if units may
        change theirs. The size of the orbit is the number of these symmetries, divided
        by the number of those that do not move the point: units without any weight may
        change signs and places, and duplicated units (the same weights in and out, up
        to a sign) their places.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        size : ndarray of int of shape (...,)
            Number of points, or of components if there are continuous symmetries; of
            type object, with Python's integers, if it can exceed 64 bits. It is one if
            the activation is the identity, whose symmetries are continuous, and for a
            point that is not finite.

        Notes
        -----
        Weights count as equal if they differ by at most 1e-6 of the largest.
        """
        theta = self._as_points(theta)
        shape = theta.shape[:-1]
        if self._coordinates.is_linear:
            return np.ones(shape, dtype=np.int64)
        flips = self._coordinates.flips
        order = prod(_group_order(p, flips) for p in self._widths[1:-1])
        weights = host_weights(self, theta)
        centred = self._coordinates.centred([self.asarray(W) for W in weights])
        features = on_host(self._features.of(centred))
        centred = on_host(centred)
        dtype = np.int64 if order < 2**63 else object
        sizes = np.empty(len(weights[0]), dtype=dtype)
        for point in range(len(sizes)):
            parts = [W[point] for W in centred], [u[point] for u in features]
            finite = all(np.all(np.isfinite(part)) for part in (*parts[0], *parts[1]))
            sizes[point] = order // stabilizer_order(*parts, flips) if finite else 1
        return sizes.reshape(shape)

    def orbit_tangents(self, theta: Array) -> Array:
        """Span the tangent space of the continuous symmetry orbit.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        tangents : array of shape (..., n_tangents, n_params)
            Vectors in rows, possibly linearly dependent. Without a penalty: directions
            of first-layer weights that no sample sees, shifts of the softmax's inputs,
            scalings of relu units, and changes of basis of an identity activation. With
            one: shifts of intercepts that are not penalised, and rotations of an
            identity activation.

        Raises
        ------
        ValueError
            If the tangents at one point take more than a gibibyte: on images many
            pixels are always zero, and no sample sees what they lead to.
            :meth:`data_subspace` has these directions as one small basis for all units,
            and :meth:`seen_tangents` leaves them out.
        """
        count = self.count_tangents(theta)
        if count * self.n_params_ > _MOST_NUMBERS:
            raise ValueError(
                f"orbit_tangents would return {count} vectors of {self.n_params_} "
                "numbers per point; seen_tangents and data_subspace describe the same "
                "directions in little memory."
            )
        return self._tangents(theta)

    def _tangents(self, theta: Array, unseen: bool = True) -> Array:
        theta = self._as_points(theta)
        tangents = self._coordinates.tangents(host_weights(self, theta), unseen)
        shape = (*theta.shape[:-1], *tangents.shape[1:])
        return self.asarray(tangents.reshape(shape))

    def count_tangents(self, theta: Array) -> int:
        self._as_points(theta)
        return self._coordinates.n_tangents

    def seen_tangents(self, theta: Array) -> Array:
        return self._tangents(theta, unseen=False)

    def data_subspace(self) -> DataSubspace | None:
        # It leaves out the weights of the first layer along directions in which no
        # sample extends; on these the Hessian is the weight of the penalty.
        check_is_fitted(self)
        return self._subspace

    def unit_degeneracies(self, theta: Array, rtol: float = 1e-6) -> UnitDegeneracies:
        """Name hidden units that are silent, constant or duplicated.

        Without a penalty such units make critical points part of whole manifolds [1]_,
        [2]_: this says which units are the cause of a nullity.

        Parameters
        ----------
        theta : array of shape (n_params,)
            One point, best a critical one.
        rtol : float, default=1e-6
            Weights up to this count as zero, and weights that differ by at most this
            count as equal, relative to the largest weight. It also bounds the change of
            the gradient along a free direction, relative to the size of the Hessian.

        Returns
        -------
        degeneracies : UnitDegeneracies
            The units, and the directions that they leave free: weights of silent and
            constant units, and weights traded between duplicates, along which the
            Hessian is zero. Directions of :meth:`orbit_tangents` are not counted.

        Raises
        ------
        ValueError
            If ``theta`` is a batch or not finite, or ``rtol`` is not in [0, 1).

        Notes
        -----
        Costs one Hessian-vector product for each weight of these units. A weight that
        does not change the loss to first order may still change the gradient. If the
        incoming weights of a silent unit change, for instance, the gradient by its
        outgoing weights does not stay zero. Candidates are therefore tested by
        products.

        References
        ----------
        .. [1] K. Fukumizu and S. Amari. "Local minima and plateaus in hierarchical
           structures of multilayer perceptrons". Neural Networks 13(3), 317-327, 2000.
        .. [2] B. Simsek, F. Ged, A. Jacot, F. Spadaro, C. Hongler, W. Gerstner and J.
           Brea. "Geometry of the loss landscape in overparameterized neural networks:
           symmetries and invariances". ICML 2021. arXiv:2105.12221.
        """
        theta = self._as_point(theta)
        if not np.all(np.isfinite(to_host(theta))):
            raise ValueError(f"theta must be finite, got {shown(to_host(theta))}.")
        rtol = check_number(rtol, "rtol", 0, 1)
        return find_degeneracies(self, theta, rtol)


def _group_order(p: int, flips: bool) -> int:
    # Symmetries of a layer of p units.
    return prod(range(1, p + 1)) * (2**p if flips else 1)
