"""Continuous symmetries of a network: coordinates without them, and their tangents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array
from skcrit.losses.data_subspace import DataSubspace

# Sweeps of balancing over a network of h hidden layers are h times this. One sweep is
# exact for h = 1; the logarithms of the scales of neighbouring layers are coupled as in
# a chain, where the error shrinks by cos(pi / (h + 1))^2 a sweep.
_SWEEPS = 30

# Part of the largest penalty that may act across the data's subspace and the rest.
_MIXED = 1e-14


class UnitCoordinates:
    r"""What a loss leaves free, and coordinates in which it is gone.

    * Weights of the first layer along directions in which no sample extends: free
      without a penalty.
    * The mean over classes of the softmax's inputs: all weights of the last layer
      without a penalty, its intercepts if they are not penalised.
    * Relu units without a penalty: incoming weights times lambda > 0, outgoing weights
      over lambda.
    * Layers of an identity activation: any invertible change of basis without a
      penalty, a rotation with one; and shifts if intercepts are not penalised.

    Parameters
    ----------
    loss : MLPLoss
        Fitted loss.

    Attributes
    ----------
    flips : bool
        Whether units may change their sign. The logistic function is 1/2 plus an odd
        function; its units may if the next intercept, which is not penalised, takes up
        the difference.
    """

    def __init__(self, loss: Any) -> None:
        self.penalised, self.has_ones = loss.alpha > 0, bool(loss.fit_intercept)
        self.free_ones = self.has_ones and not (
            self.penalised and loss.penalize_intercept
        )
        self.is_linear = loss.activation == "identity"
        self.is_relu = loss.activation == "relu"
        self.is_logistic = loss.activation == "logistic"
        self.flips = loss._parity == "odd" or (self.is_logistic and self.free_ones)
        self.widths, self.shapes = loss._widths, loss._shapes
        self.null = np.empty((0, self.shapes[0][1]))
        self.projector = None
        if not self.penalised:
            self.null = null_directions(loss._X, self.has_ones)
            if len(self.null):
                projector = np.eye(self.null.shape[1]) - self.null.T @ self.null
                self.projector = loss.asarray(projector)
        n_in = self.shapes[-1][1]
        self.shifted = slice(0, 0)  # columns of the last layer that may be shifted
        if loss._targets.kind == "softmax":
            if not self.penalised:
                self.shifted = slice(0, n_in)
            elif self.free_ones:
                self.shifted = slice(n_in - 1, n_in)

    @property
    def moves(self) -> bool:
        """Whether :meth:`rescaled` changes anything."""
        relu = self.is_relu and not self.penalised
        return relu or self.projector is not None or self.shifted.stop > 0

    def rescaled(self, weights: list[Array]) -> list[Array]:
        """Move along the orbit to the point of least norm."""
        # Without directions that no sample sees, with centred inputs of the softmax and
        # balanced relu units.
        weights = list(weights)
        if self.projector is not None:
            weights[0] = weights[0] @ self.projector
        weights[-1] = self._without_shift(weights[-1])
        if self.is_relu and not self.penalised:
            n_hidden = len(weights) - 1
            for _ in range(1 if n_hidden == 1 else _SWEEPS * n_hidden):
                for layer in range(n_hidden):
                    self._balance(weights, layer)
        return weights

    def _without_shift(self, last: Array) -> Array:
        # Take away the mean over classes if the softmax leaves it free.
        if self.shifted.stop == 0:
            return last
        xp, columns = array_namespace(last), self.shifted
        mean = xp.mean(last[..., columns], axis=-2, keepdims=True)
        parts = [last[..., : columns.start], last[..., columns] - mean]
        return xp.concat(parts, axis=-1)

    def _balance(self, weights: Any, layer: Any) -> None:
        # Make the norms into and out of each unit of a relu layer equal, in place.
        xp, p = array_namespace(weights[0]), self.widths[layer + 1]
        units, ones = weights[layer + 1][..., :p], weights[layer + 1][..., p:]
        into = xp.sum(weights[layer] ** 2, axis=-1)
        out = xp.sum(units**2, axis=-2)
        one = xp.ones_like(into)
        dead = (into == 0) | (out == 0)
        ratio = xp.where(dead, one, out) / xp.where(dead, one, into)
        scale = ratio**0.25
        weights[layer] = weights[layer] * scale[..., None]
        weights[layer + 1] = xp.concat([units / scale[..., None, :], ones], axis=-1)

    def centred(self, weights: list[Array]) -> list[Array]:
        """Return coordinates in which symmetries permute units and change signs."""
        # Those of ``rescaled``, in which logistic units have given half of their
        # outgoing weights to the next intercepts.
        weights = self.rescaled(weights)
        if not (self.is_logistic and self.flips):
            return weights
        xp = array_namespace(weights[0])
        for layer in range(1, len(weights)):
            W = weights[layer]
            half = xp.sum(W[..., :-1], axis=-1, keepdims=True) / 2
            weights[layer] = xp.concat([W[..., :-1], W[..., -1:] + half], axis=-1)
        weights[-1] = self._without_shift(weights[-1])
        return weights

    def tangents(self, weights: list[Array], unseen: bool = True) -> Array:
        """Span the tangent space of the continuous orbit, on the host."""
        # ``unseen`` lists the directions that no sample sees, too.
        rows = [*(self._unseen_tangents() if unseen else ()), *self._shift_tangents()]
        if self.is_relu and not self.penalised:
            rows += self._relu_tangents(weights)
        if self.is_linear:
            rows += self._linear_tangents(weights)
        n_points, n_params = len(weights[0]), sum(a * b for a, b in self.shapes)
        tangents = np.empty((n_points, len(rows), n_params))
        for number, row in enumerate(rows):
            flat = [block.reshape(*block.shape[:-2], -1) for block in row]
            flat = [np.broadcast_to(f, (n_points, f.shape[-1])) for f in flat]
            tangents[:, number] = np.concatenate(flat, axis=-1)
        return tangents

    @property
    def n_tangents(self) -> Any:
        """Number of vectors that :meth:`tangents` returns per point."""
        hidden = self.widths[1:-1]
        count = len(self.null) * self.shapes[0][0]
        count += self.shifted.stop - self.shifted.start
        if self.is_relu and not self.penalised:
            count += sum(hidden)
        if self.is_linear:
            for p in hidden:
                count += p * (p - 1) // 2 if self.penalised else p * p
                count += p if self.free_ones else 0
        return count

    def _zeros(self) -> list[Array]:
        # A direction that moves nothing.
        return [np.zeros((1, *shape)) for shape in self.shapes]

    def _unseen_tangents(self) -> Iterator[Any]:
        for unit in range(self.shapes[0][0]):
            for direction in self.null:
                row = self._zeros()
                row[0][:, unit] = direction
                yield row

    def _shift_tangents(self) -> Iterator[Any]:
        for column in range(*self.shifted.indices(self.shapes[-1][1])):
            row = self._zeros()
            row[-1][:, :, column] = 1
            yield row

    def _relu_tangents(self, weights: Any) -> Any:
        rows = []
        for layer in range(len(weights) - 1):
            for unit in range(self.shapes[layer][0]):
                row = self._zeros()
                row[layer] = np.zeros_like(weights[layer])
                row[layer][:, unit] = weights[layer][:, unit]
                row[layer + 1] = np.zeros_like(weights[layer + 1])
                row[layer + 1][:, :, unit] = -weights[layer + 1][:, :, unit]
                rows.append(row)
        return rows

    def _linear_tangents(self, weights: Any) -> Any:
        # W_l -> (I + E) W_l and W_(l+1) -> W_(l+1) (I - E), where an intercept moves
        # with its row, and b_l -> b_l + t with b_(l+1) -> b_(l+1) - W_(l+1) t.
        rows = []
        for layer in range(len(weights) - 1):
            p = self.shapes[layer][0]
            pairs = [(a, b) for a in range(p) for b in range(p)]
            if self.penalised:
                pairs = [(a, b) for a, b in pairs if a < b]
            for a, b in pairs:
                E = np.zeros((p, p))
                E[a, b] = 1
                E = E - E.T if self.penalised else E
                row = self._zeros()
                row[layer] = E @ weights[layer]
                row[layer + 1] = np.zeros_like(weights[layer + 1])
                row[layer + 1][..., :p] = -weights[layer + 1][..., :p] @ E
                rows.append(row)
            for unit in range(p if self.free_ones else 0):
                row = self._zeros()
                row[layer][:, unit, -1] = 1
                row[layer + 1] = np.zeros_like(weights[layer + 1])
                row[layer + 1][..., -1] = -weights[layer + 1][..., unit]
                rows.append(row)
        return rows


def seen_by_data(loss: Any) -> Any:
    """Find coordinates of the parameters that the data see; None if they see all."""
    penalised, n_in = loss.alpha > 0, loss._shapes[0][1]
    # Without its penalty an intercept differs from the weights along such a direction.
    alike = not penalised or loss.penalize_intercept
    null = null_directions(loss._X, bool(loss.fit_intercept) and alike)
    if not len(null):
        return None
    null = np.pad(null, ((0, 0), (0, n_in - null.shape[1])))
    squares = np.ones(n_in)
    if loss._units is not None:
        squares = loss._units.factors(loss._shapes)[:n_in] ** 2
    square = squares[np.argmax(np.abs(null[0]))]
    # Inputs of other units have other penalties, which mix the two subspaces.
    if penalised and np.max(np.abs(null * (squares - square))) > _MIXED * squares.max():
        return None
    seen = loss.asarray(np.linalg.svd(null)[2][len(null) :])
    decay = float(loss.alpha / loss.n_samples_seen_ * square)
    return DataSubspace(seen, loss._shapes[0][0], loss.n_params_, decay)


def null_directions(X: Array, has_ones: bool) -> Array:
    """Find the directions of weights to which no sample contributes."""
    # Orthonormal rows of length n_features, or one more if there is an intercept.
    if has_ones:
        X = np.column_stack([X, np.ones(len(X))])
    scale = np.max(np.abs(X), axis=0)
    scaled = X / np.where(scale > 0, scale, 1.0)
    # Of the triangular factor, which has the singular values of the data.
    _, values, basis = np.linalg.svd(np.linalg.qr(scaled, mode="r"))
    tol = 10 * max(X.shape) * np.finfo(float).eps * max(np.max(values), 1.0)
    null = basis[int(np.sum(values > tol)) :] / np.where(scale > 0, scale, 1.0)
    return np.linalg.qr(null.T)[0].T if len(null) else null


def host_weights(loss: Any, theta: Array) -> list[Array]:
    """Cut parameters into matrices on the host, with one axis of points."""
    theta = np.asarray(to_host(theta), dtype=float).reshape(-1, loss.n_params_)
    return loss._split(theta)


def on_host(arrays: list[Array]) -> list[Array]:
    """Copy a list of arrays to the host."""
    return [np.asarray(to_host(array), dtype=float) for array in arrays]
