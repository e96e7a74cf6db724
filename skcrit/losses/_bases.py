"""Bases in which linear networks are simple: of the data, and of the hidden units."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from skcrit._backend import array_namespace
from skcrit._typing import Array
from skcrit.ground_truth._factors import join_weights
from skcrit.linalg import eigh
from skcrit.losses.coordinates import Coordinates


def uncorrelated(weights: list[Array], root: Array) -> list[Array]:
    """Rotate the hidden units so that their second moments are diagonal."""
    xp, weights = array_namespace(weights[0]), list(weights)
    signal = root
    for layer in range(len(weights) - 1):
        signal = weights[layer] @ signal
        moment = signal @ xp.matrix_transpose(signal)
        finite = xp.all(xp.isfinite(moment), axis=(-2, -1), keepdims=True)
        _, vectors = eigh(xp.where(finite, moment, xp.zeros_like(moment)))
        # The units of largest variance first.
        vectors = xp.flip(vectors, axis=-1)
        turn = xp.matrix_transpose(vectors)
        weights[layer] = turn @ weights[layer]
        weights[layer + 1] = weights[layer + 1] @ vectors
        signal = turn @ signal
    return weights


class EigenCoordinates(Coordinates):
    """An autoencoder in the eigenbasis of its data."""

    def __init__(self, loss: Any) -> None:
        rotated = copy(loss)
        rotated.second_moment_ = np.diag(loss.eigenvalues_)
        rotated.eigenvectors_ = np.eye(loss.n_features_in_)
        rotated._prepare(loss._layer_sizes, **rotated._matrices())
        super().__init__(rotated)
        self._basis = loss.asarray(loss.eigenvectors_)

    def into(self, theta: Array) -> Array:  # noqa: D102 (documented in Coordinates)
        return self._turned(theta, self._basis)

    def back(self, theta: Array) -> Array:  # noqa: D102
        xp = array_namespace(self._basis)
        return self._turned(theta, xp.matrix_transpose(self._basis))

    def _turned(self, theta: Array, basis: Array) -> Array:
        """Turn inputs and outputs: W_1 U and U^T W_L."""
        weights = self.loss.weights(theta)
        weights[0] = weights[0] @ basis
        weights[-1] = array_namespace(basis).matrix_transpose(basis) @ weights[-1]
        return join_weights(weights)
