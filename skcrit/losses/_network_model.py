"""A linear network expanded to second order, with everything that its parts share."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, device, take_rows
from skcrit._typing import Array, IntArray
from skcrit.ground_truth._factors import join_weights
from skcrit.losses import _network
from skcrit.losses._lazy import lazy
from skcrit.losses.local_model import LocalModel

# If points have more numbers than fit into the caches, they are multiplied in parts of
# this size, provided that the data act by a diagonal: a full moment would be read anew
# for each part. At 784-32-784 a product of 20 points then takes three quarters of the
# time.
_NUMBERS, _MANY = 2**17, 2**19


class NetworkModel(LocalModel):
    """Local model of a linear network that shares one forward and backward sweep."""

    def __init__(self, loss: Any, theta: Array) -> None:
        super().__init__(loss, theta)
        self._sweep = _network.Sweep(loss._split(theta), loss._moments)

    @lazy
    def value(self) -> Array:
        loss, xp = self.loss, array_namespace(self.theta)
        # |W R - G|^2 with C = R R^T: tr WCW^T - 2 tr W T^T + const would cancel near
        # the minimum.
        inner = self._sweep.A[-1] @ loss._root
        residual = self._sweep.weights[-1] @ inner - loss._goal
        value = xp.sum(residual * residual, axis=(-2, -1)) / loss._goal.shape[-2]
        return value + loss._offset + loss._penalty_value(self.theta, self._sweep)

    @lazy
    def gradient(self) -> Array:
        return self._with_decay(join_weights(self._sweep.gradient()), self.theta)

    def hvp(self, v: Array) -> Array:
        v = self.loss._as_directions(v, self.theta)
        product = [
            join_weights(_network.hvp(sweep, self.loss._split(part)))
            for sweep, part in self._parts(v)
        ]
        xp = array_namespace(v)
        joined = product[0] if len(product) == 1 else xp.concat(product, axis=0)
        return self._with_decay(joined, v)

    def take(self, rows: IntArray) -> NetworkModel:
        part = copy(self)
        part._sweep = self._sweep.select(rows)
        for name in {"theta", "value", "gradient"} & vars(self).keys():
            setattr(part, name, take_rows(getattr(self, name), rows))
        return part

    def _parts(self, v: Array) -> Iterator[tuple[Any, Array]]:
        """Divide large points and their directions into parts that fit into a cache."""
        _ = self._sweep.inner  # once for all parts
        size = max(_NUMBERS // v.shape[-1], 1)
        fits = v.ndim == 2 and v.shape == self.theta.shape and type(v) is np.ndarray
        if not fits or v.size <= _MANY or self._sweep.moments.diagonal is None:
            yield self._sweep, v
            return
        for i in range(0, len(v), size):
            rows = slice(i, i + size)
            yield self._sweep.select(rows), v[rows]

    def hessian(self) -> Array:
        loss, xp = self.loss, array_namespace(self.theta)
        hessian = _network.hessian(self._sweep)
        if loss._decay == 0:
            return hessian
        identity = xp.eye(loss.n_params_, dtype=hessian.dtype, device=device(hessian))
        return hessian + 2 * loss._decay * identity

    def third_derivative(self, u: Any, v: Any) -> Array:
        u = self.loss._as_directions(u, self.theta, name="u")
        v = self.loss._as_directions(v, self.theta, name="v")
        sides = [self.loss._split(w) for w in (u, v)]
        return join_weights(_network.third_derivative(self._sweep, *sides))

    def _with_decay(self, product: Array, v: Array) -> Array:
        """Add the part of the penalty on the weights, which is linear in v."""
        return product if self.loss._decay == 0 else product + 2 * self.loss._decay * v
