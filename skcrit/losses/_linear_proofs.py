"""Bounds, exact symmetries and orbits of linear networks, for proofs."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, ArrayLike, FloatArray
from skcrit.linalg.rounding import frobenius_bound, gamma, unit_roundoff
from skcrit.losses import _network, _network_bounds
from skcrit.losses._linear_degeneracies import data_causes, leaves
from skcrit.losses._tangents import orbit_tangents
from skcrit.losses.proofs import Provable, as_radius
from skcrit.losses.symmetries import stiefel_euler

# Relative to the largest: singular values below it are zero at a critical point.
_RANK_RTOL = 1e-6


class LinearProofs(Provable):
    """Bound the derivatives of linear networks.

    The loss that is certified is the polynomial whose coefficients are the fitted
    second moments, as the floating point numbers that they are, rounding included.
    """

    value: Callable[..., Any]
    _split: Callable[..., Any]
    _placed: Callable[..., Any]
    _data_bases: Callable[[], Any]
    eigenvalues_: FloatArray
    _shapes: list[tuple[int, int]]
    _moment: Array
    _target: Array
    _goal: Array
    _tau: float
    _decay: float
    _offset: float

    @property
    def is_coercive(self) -> bool:  # type: ignore[override]
        """Whether the loss grows in every direction: under a penalty on the weights."""
        return self._decay > 0

    def hessian_lipschitz(self, theta: Array, radius: ArrayLike) -> Array:
        # Explicit and rounded upwards, see _network_bounds; it costs about one
        # gradient.
        theta, radius = as_radius(self, theta, radius)
        moments = self._moment, self._shapes[-1][0], self._tau, self._target
        sweep = _network.Sweep(self._split(theta), _network.Moments(*moments))
        return _network_bounds.hessian_lipschitz(sweep, radius)

    def evaluation_error(self, theta: Array) -> tuple[Array, Array, Array]:
        # Of the polynomial, see _network_bounds; it costs a gradient and a dense
        # Hessian.
        theta = self._as_points(theta)
        weights, unit = self._split(theta), unit_roundoff(self.dtype)
        errors = _network_bounds.evaluation_errors(*(
            weights,
            self._moment,
            self._tau,
            self._target,
            self._decay,
            unit,
        ))
        value, error = self._expanded_value(theta, weights, errors[0], unit)
        gap = array_namespace(theta).abs(self.value(theta) - value)
        return (1 + 8 * unit) * (gap + error), errors[1], errors[2]

    def _expanded_value(
        self, theta: Array, weights: list[Array], error: Array, unit: float
    ) -> tuple[Array, Array]:
        # The value from the polynomial, whose gradient is the gradient, with a bound on
        # its error: :meth:`value` avoids its cancellation by a root of the moment.
        xp, W = array_namespace(theta), weights[0]
        for W_l in weights[1:]:
            W = W_l @ W
        m = W.shape[-2]
        target = self._moment if self._target is None else self._target
        squares = (W @ self._moment + self._tau * W) * W
        value = xp.sum(squares - 2 * (W * target), axis=(-2, -1)) / m
        value = value + self._decay * xp.sum(theta * theta, axis=-1)
        goal = self._goal
        constant = xp.sum(goal * goal) / m + self._offset
        # The sums over all entries take more operations than the derivatives.
        depth, widest = len(weights), max(max(W.shape[-2:]) for W in weights)
        usual = _network_bounds.n_roundings(depth, widest)
        more = gamma(usual + theta.shape[-1] + widest**2, unit) / gamma(usual, unit)
        return value + constant, 1.01 * more * error + 8 * unit * constant

    def exact_tangents(self, theta: Array) -> tuple[Array, float]:
        # Of all invertible changes of basis of the hidden layers, or of rotations if
        # there is a penalty on the weights; entries are those of theta, up to the sign.
        # The bound is the root of the width, and of twice the width for more hidden
        # layers.
        theta = self._as_points(theta)
        weights, only_rotations = self._split(theta), self._decay > 0
        xp = array_namespace(theta)
        sides = [self._moment[:0, :0]] * 6  # rotations of data, and flats: none
        tangents = orbit_tangents(
            weights, self._moment, self._tau, only_rotations, sides, sides[:3]
        )
        hidden = [W.shape[-2] for W in weights[:-1]]
        twice = 1 if len(hidden) == 1 else 2
        change = (twice * max(hidden)) ** 0.5 * (1 + 1e-15)
        return xp.asarray(tangents), change

    def enclose_invariants(
        self, theta: Array, radius: ArrayLike
    ) -> tuple[Array, Array]:
        # The entries of the end-to-end matrix W, and radii in the Frobenius norm.
        theta, radius = as_radius(self, theta, radius)
        weights, unit = self._split(theta), unit_roundoff(self.dtype)
        W, size = weights[0], frobenius_bound(weights[0])
        for W_l in weights[1:]:
            W, size = W_l @ W, size * frobenius_bound(W_l)
        xp, widest = array_namespace(W), max(max(W.shape[-2:]) for W in weights)
        rounding = gamma(len(weights) * (widest + 2), unit) * size
        change = _network_bounds.map_change(weights, radius)
        flat = xp.reshape(W, (*W.shape[:-2], prod(W.shape[-2:])))
        return flat, (1 + 1e3 * unit) * (change + rounding)

    def degeneracies(self, theta: Array) -> list[str]:
        # Such as "eigenvalues 1 and 2 are tied", numbered as in eigenvalues_, or the
        # missing rank. Only eigenvalues are named that contribute to the point, so that
        # rotations among them move it.
        theta = self._as_points(theta)
        xp = array_namespace(theta)
        theta = xp.where(xp.isfinite(theta), theta, xp.zeros_like(theta))
        found: list[list[str]] = [[] for _ in theta]
        orbit = to_host(self.exact_tangents(theta)[0])
        size = np.linalg.norm(to_host(theta), axis=-1)
        for cause, turns, flats in data_causes(*self._data_bases()):
            free = [[self._placed(part) for part in parts] for parts in (turns, flats)]
            weights, only_rotations = self._split(theta), self._decay > 0
            moves = orbit_tangents(
                weights, self._moment, self._tau, only_rotations, *free
            )
            moves = to_host(moves)[:, orbit.shape[1] :]  # those of the orbit come first
            for row, texts in enumerate(found):
                if leaves(moves[row], orbit[row], size[row]):
                    texts.append(cause)
        return [" and ".join(texts) for texts in found]

    def conditioning(self) -> str:
        # The range of the positive eigenvalues, and their least relative distance.
        check_is_fitted(self)
        values = np.unique(self.eigenvalues_[self.eigenvalues_ > 0])
        if len(values) < 2:
            return ""
        gap = np.min(np.diff(values) / values[1:])
        return (
            f"the eigenvalues of the data reach from {values[0]:.1e} to "
            f"{values[-1]:.1e}, the closest differ by {gap:.1e} of themselves"
        )

    def orbit_euler(self, theta: Array) -> FloatArray:
        """Compute the Euler characteristic of the orbits of critical points.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Critical points.

        Returns
        -------
        euler : ndarray of float of shape (...,)
            With a penalty on the weights all layers of a critical point have the same
            singular values, of which k are not zero, and the orbit is a product of
            Stiefel manifolds, one for each hidden layer: k orthonormal vectors in as
            many dimensions p as it has units, with the Euler characteristic product
            over ``a < k`` of ``1 + (-1)^(p - a - 1)``. Without it orbits are not
            compact: NaN.

        Notes
        -----
        The rank k counts singular values of the first layer beyond 1e-6 of the length
        scale.
        """
        first = to_host(self._split(self._as_points(theta))[0])
        euler = np.full(first.shape[:-2], np.nan)
        if self._decay == 0:
            return euler
        sizes = np.linalg.svdvals(first)
        ranks = np.sum(sizes > _RANK_RTOL * np.max(self.length_scale()), axis=-1)
        hidden = [shape[0] for shape in self._shapes[:-1]]
        of_rank = [
            prod(stiefel_euler(k, p) for p in hidden) for k in range(min(hidden) + 1)
        ]
        return np.array(of_rank, dtype=float)[np.minimum(ranks, min(hidden))]
