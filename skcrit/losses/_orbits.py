"""The symmetry orbits of linear networks, and the eigenbasis of their data."""

from __future__ import annotations

from copy import copy

import numpy as np

from skcrit._backend import array_namespace
from skcrit._typing import Array, FloatArray
from skcrit.linalg import eigh
from skcrit.losses.coordinates import Coordinates

__all__ = ["EigenCoordinates", "tangents", "uncorrelated"]


def tangents(loss, weights: list[Array]) -> list[Array]:
    """Move the layers of an autoencoder along its symmetries.

    Parameters
    ----------
    loss : LinearAutoencoderLoss
        Fitted loss.
    weights : list of arrays of shape (..., n_out, n_in)
        Matrices of the layers, first layer first.

    Returns
    -------
    tangents : list of arrays of shape (..., n_tangents, n_out, n_in)
        Changes of the layers, a row per tangent vector.
    """
    xp = array_namespace(weights[0])
    stacked = [W[..., None, :, :] for W in weights]
    parts = []
    for layer in range(len(weights) - 1):
        n_units = weights[layer].shape[-2]
        # dW_l = A W_l, dW_{l+1} = -W_{l+1} A
        A = loss.asarray(_generators(n_units, rotations=loss._decay > 0))
        parts.append({
            layer: A @ stacked[layer],
            layer + 1: -(stacked[layer + 1] @ A),
        })
    A = _data_rotations(loss)
    if len(A):
        # W -> O W O^T for rotations O that leave the second moment alone
        A = loss.asarray(A)
        parts.append({0: -(stacked[0] @ A), len(weights) - 1: A @ stacked[-1]})
    if loss.alpha == 0 and loss.rank_ < loss.n_features_in_:
        blind = loss.asarray(_blind_inputs(loss, weights[0].shape[-2]))
        parts.append({
            0: xp.broadcast_to(blind, (*weights[0].shape[:-2], *blind.shape))
        })
    return [_layer(xp, W, layer, parts) for layer, W in enumerate(stacked)]


def uncorrelated(loss, weights: list[Array]) -> list[Array]:
    """Rotate the hidden units so that their second moments are diagonal.

    Parameters
    ----------
    loss : LinearAutoencoderLoss
        Fitted loss.
    weights : list of arrays of shape (..., n_out, n_in)
        Matrices of the layers, first layer first.

    Returns
    -------
    weights : list of arrays of shape (..., n_out, n_in)
        The same network.
    """
    xp, weights = array_namespace(weights[0]), list(weights)
    signal = loss._root
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
    """An autoencoder in the eigenbasis of its data.

    Parameters
    ----------
    loss : LinearAutoencoderLoss
        Fitted loss.
    """

    def __init__(self, loss) -> None:
        rotated = copy(loss)
        rotated.second_moment_ = np.diag(loss.eigenvalues_)
        rotated.eigenvectors_ = np.eye(loss.n_features_in_)
        rotated._prepare_device()
        super().__init__(rotated)
        self._basis = loss.asarray(loss.eigenvectors_)

    def into(self, theta: Array) -> Array:  # noqa: D102 (documented in Coordinates)
        return self._turned(theta, self._basis)

    def back(self, theta: Array) -> Array:  # noqa: D102
        xp = array_namespace(self._basis)
        return self._turned(theta, xp.matrix_transpose(self._basis))

    def _turned(self, theta, basis):
        """Turn inputs and outputs: W_1 U and U^T W_L."""
        weights = self.loss.weights(theta)
        weights[0] = weights[0] @ basis
        weights[-1] = array_namespace(basis).matrix_transpose(basis) @ weights[-1]
        return self.loss._join(weights)


def _layer(xp, W, layer, parts):
    """Join the changes of one layer, zero if a symmetry leaves it alone."""
    rows = []
    for part in parts:
        m = next(iter(part.values())).shape[-3]
        zero = xp.broadcast_to(0 * W, (*W.shape[:-3], m, *W.shape[-2:]))
        rows.append(part.get(layer, zero))
    return xp.concat(rows, axis=-3)


def _generators(n: int, rotations: bool) -> FloatArray:
    """List a basis of the n x n matrices, or of the antisymmetric ones."""
    basis = np.eye(n * n).reshape(n * n, n, n)
    if not rotations:
        return basis
    rows, columns = np.triu_indices(n, 1)
    pairs = basis.reshape(n, n, n, n)[rows, columns]
    return pairs - np.swapaxes(pairs, -1, -2)


def _data_rotations(loss) -> FloatArray:
    """List generators of rotations within eigenspaces of the second moment."""
    d = loss.n_features_in_
    generators = [np.zeros((0, d, d))]
    for value in np.unique(loss.eigenvalues_):
        U = loss.eigenvectors_[:, loss.eigenvalues_ == value]
        if U.shape[1] > 1:
            generators.append(U @ _generators(U.shape[1], rotations=True) @ U.T)
    return np.concatenate(generators)


def _blind_inputs(loss, n_units: int) -> FloatArray:
    """List changes of the first layer that no sample shows."""
    null = loss.eigenvectors_[:, loss.rank_ :]
    changes = np.eye(n_units)[:, None, :, None] * null.T[None, :, None, :]
    return changes.reshape(-1, n_units, null.shape[0])
