r"""Coordinates and features of hidden units in which symmetries are easy to see.

The discrete symmetries of a network permute the units of a hidden layer and, if the
activation is odd, change the sign of all weights into and out of a unit. Here a unit
gets a feature vector that is permuted with it and changes sign with it.

With one hidden layer the features of a unit are its incoming weights, its intercept and
its outgoing weights. In a deep network the other end of a weight may be a hidden unit,
without a name; so weights are summed over these units after multiplication by bounded
odd functions of the units' own features,

    F_l = (W_l Phi_(l-1) / sqrt(K), b_l),   Phi = g(F A),   g(t) = t / sqrt(1 + t^2),
    B_l = W_(l+1)^T Psi_(l+1) / sqrt(K),    Psi = g(B A'),

with fixed random matrices A, A' of K = 2 p columns for a layer of p units. F comes from
the inputs forward, B from the outputs backward, and a unit's features are (F, B). Sums
over units do not depend on their order, and products of two odd factors not on signs.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from skcrit._backend import array_namespace
from skcrit._typing import Array


def _bounded(t: Any) -> Any:
    # An odd function between -1 and 1.
    return t / array_namespace(t).sqrt(1 + t * t)


def _gaussian(seed: tuple[int, int], n_rows: int, n_columns: int) -> Array:
    # A fixed matrix of normal numbers.
    return np.random.default_rng(seed).standard_normal((n_rows, n_columns))


def _frames(seed: int, n: Any) -> Array:
    # Three orthonormal bases of n-space in rows, over sqrt 3: they keep norms.
    bases = [np.linalg.qr(_gaussian((seed, k), n, n))[0] for k in range(3)]
    return np.concatenate(bases, axis=1) / np.sqrt(3)


class UnitFeatures:
    """Features of the hidden units of a network, and their projections."""

    def __init__(self, loss: Any) -> None:
        self.widths, self.asarray = loss._widths, loss.asarray
        self.n_ones = int(loss.fit_intercept)

    @cached_property
    def _sizes(self) -> list[tuple[int, int]]:
        # Lengths of F and B for each hidden layer.
        hidden = self.widths[1:-1]
        forward = [self.widths[0], *(2 * p for p in hidden[:-1])]
        backward = [*(2 * p for p in hidden[1:]), self.widths[-1]]
        return [(f + self.n_ones, b) for f, b in zip(forward, backward, strict=True)]

    @cached_property
    def _mixtures(self) -> Any:
        # The random matrices A and A' of the hidden layers.
        return [
            [
                self.asarray(_gaussian((layer, side), size, 2 * p))
                for side, size in enumerate(sizes)
            ]
            for layer, (sizes, p) in enumerate(
                zip(self._sizes, self.widths[1:-1], strict=True)
            )
        ]

    @cached_property
    def frames(self) -> list[Array]:
        """Frames on which the features of each hidden layer are projected."""
        return [
            self.asarray(_frames(layer, sum(sizes)))
            for layer, sizes in enumerate(self._sizes)
        ]

    def of(self, weights: list[Array]) -> list[Array]:
        """Compute the features of all hidden units."""
        xp, depth = array_namespace(weights[0]), len(weights)
        units = [W[..., :n] for W, n in zip(weights, self.widths[:-1], strict=True)]
        forward, backward = [weights[0]], [xp.matrix_transpose(units[-1])]
        for layer in range(1, depth - 1):
            mixture = self._mixtures[layer - 1][0]
            Phi = _bounded(forward[-1] @ mixture)
            pooled = units[layer] @ Phi / mixture.shape[-1] ** 0.5
            ones = weights[layer][..., self.widths[layer] :]
            forward.append(xp.concat([pooled, ones], axis=-1))
        for layer in range(depth - 2, 0, -1):
            mixture = self._mixtures[layer][1]
            Psi = _bounded(backward[-1] @ mixture)
            pooled = xp.matrix_transpose(units[layer]) @ Psi
            backward.append(pooled / mixture.shape[-1] ** 0.5)
        pairs = zip(forward, backward[::-1], strict=True)
        return [xp.concat(pair, axis=-1) for pair in pairs]
