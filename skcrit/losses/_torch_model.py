"""A loss of a PyTorch module, expanded to second order at fixed points."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from skcrit._typing import Array
from skcrit.losses.local_model import LocalModel

# Graphs of all points are kept if they take no more bytes than this; else each product
# evaluates the module again, chunk by chunk.
_KEPT_BYTES = 2**28

# From this many points on, columns of their Hessians are computed one after another for
# all points together; of fewer points, all columns of a point together.
_MANY_POINTS = 16


class TorchModel(LocalModel):
    """Share the evaluation of the module between value, gradient and products.

    With ``keep``, graphs stay for what is asked next.
    """

    def __init__(self, loss: Any, theta: Any, *, keep: Any = True) -> None:
        super().__init__(loss, theta)
        self._network = loss._network
        self._points = theta.reshape(-1, loss.n_params_)
        needed = len(self._points) * self._network.row_bytes
        self._keep = keep and needed <= _KEPT_BYTES

    @cached_property
    def _kept(self) -> Any:
        return list(self._network.graphs(self._points))

    def _graphs(self) -> Any:
        return self._kept if self._keep else self._network.graphs(self._points)

    def _joined(self, parts: Any, *shape: Any) -> Any:
        # Put what comes from the chunks together, also if there is none.
        parts = list(parts)
        rows = np.concatenate(parts) if parts else np.empty(0, dtype=self.theta.dtype)
        return rows.reshape(shape)

    @cached_property
    def value(self) -> Array:  # noqa: D102 (documented in LocalModel)
        values = (graph.value() for graph in self._graphs())
        return self._joined(values, *self.theta.shape[:-1])

    @cached_property
    def gradient(self) -> Array:  # noqa: D102
        return self._joined(
            (graph.gradient() for graph in self._graphs()), *self.theta.shape
        )

    def hvp(self, v: Array) -> Array:  # noqa: D102
        v = self.loss._as_directions(v, self.theta)
        lead = np.broadcast_shapes(self.theta.shape[:-1], v.shape[:-1])
        v = np.broadcast_to(v, (*lead, v.shape[-1]))
        if lead == self.theta.shape[:-1]:
            return self._products(v)
        if self._network.is_batched:
            theta = np.ascontiguousarray(np.broadcast_to(self.theta, v.shape))
            return TorchModel(self.loss, theta, keep=False)._products(v)
        return self._products_of_points(v, lead)

    def _products(self, v: Any) -> Any:
        # One direction for each point.
        rows, start, parts = v.reshape(-1, v.shape[-1]), 0, []
        for graph in self._graphs():
            parts.append(graph.product(rows[start : start + graph.n_rows]))
            start += graph.n_rows
        return self._joined(parts, *v.shape)

    def _products_of_points(self, v: Any, lead: Any) -> Any:
        # If points stand alone, one graph serves all directions at its point.
        numbers = np.arange(len(self._points)).reshape(self.theta.shape[:-1])
        owner = np.broadcast_to(numbers, lead).ravel()
        rows, product = v.reshape(-1, v.shape[-1]), np.empty(v.shape, v.dtype)
        flat = product.reshape(rows.shape)
        for point, graph in enumerate(self._graphs()):
            for row in np.flatnonzero(owner == point):
                flat[row] = graph.product(rows[row : row + 1])[0]
        return product

    def hessian(self) -> Array:  # noqa: D102
        n, n_params = self._points.shape
        rows = np.empty((n, n_params, n_params), dtype=self.theta.dtype)
        identity = np.eye(n_params, dtype=self.theta.dtype)
        if self._network.is_batched and n < _MANY_POINTS:
            for point in range(n):
                theta = np.broadcast_to(self._points[point], identity.shape)
                model = TorchModel(self.loss, np.array(theta), keep=False)
                rows[point] = model._products(identity)
        else:
            start = 0
            for graph in self._graphs():
                end = start + graph.n_rows
                for column, unit in enumerate(identity):
                    v = np.broadcast_to(unit, (graph.n_rows, n_params))
                    rows[start:end, column] = graph.product(v)
                start = end
        rows = (rows + np.swapaxes(rows, -1, -2)) / 2
        return rows.reshape(*self.theta.shape, n_params)
