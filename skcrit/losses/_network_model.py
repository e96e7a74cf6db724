"""A linear network expanded to second order, with everything that its parts share."""

from __future__ import annotations

from typing import Any

from skcrit._backend import array_namespace, device
from skcrit._typing import Array
from skcrit.ground_truth._factors import join_weights
from skcrit.losses import _network
from skcrit.losses._lazy import lazy
from skcrit.losses.local_model import LocalModel

__all__ = ["NetworkModel"]


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
        product = _network.hvp(self._sweep, self.loss._split(v))
        return self._with_decay(join_weights(product), v)

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
