"""Thin factors of the end-to-end matrix and the gradient that no gauge can hide."""

from itertools import pairwise

import numpy as np

__all__ = ["data_gradient", "split_weights", "thin_factors"]


def split_weights(problem, theta):
    """Cut flat parameters into weight matrices.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    theta : ndarray of shape (n_points, n_params)
        Points.

    Returns
    -------
    weights : list of ndarray of shape (n_points, fan_out, fan_in)
        Weight matrices, first layer first.
    """
    weights, start = [], 0
    for fan_in, fan_out in pairwise(problem.layer_sizes):
        stop = start + fan_in * fan_out
        weights.append(theta[:, start:stop].reshape(-1, fan_out, fan_in))
        start = stop
    return weights


def thin_factors(problem, weights):
    """Factor the end-to-end matrix at the bottleneck, in the eigenbasis.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    weights : list of ndarray of shape (n_points, fan_out, fan_in)
        Weight matrices.

    Returns
    -------
    left : ndarray of shape (n_points, n_features, bottleneck)
        U^T times the layers behind the bottleneck.
    right : ndarray of shape (n_points, bottleneck, n_features)
        The layers before it times U; left times right is U^T W U.
    """
    at = int(np.argmin(problem.hidden_layer_sizes)) + 1
    right = weights[0] @ problem.eigenvectors
    for w in weights[1:at]:
        right = w @ right
    left = problem.eigenvectors.T @ weights[-1]
    for w in reversed(weights[at:-1]):
        left = left @ w
    return left, right


def data_gradient(problem, left, right, end):
    """Compute the squared balanced gradient norm and two residuals of the data.

    With the thin singular value decomposition W = A S B^T and G = dF/dW, the gradient
    at the balanced factorisation has the blocks S^((L-l)/L) A^T G B S^((l-1)/L), with A
    omitted for l = L and B for l = 1. It is a function of W alone. With the penalty on
    the weights, which only rotations leave invariant, the blocks are those of the
    gradient at the given point.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    left : ndarray of shape (n_points, n_features, bottleneck)
        Left factor, in the eigenbasis.
    right : ndarray of shape (n_points, bottleneck, n_features)
        Right factor, in the eigenbasis.
    end : ndarray of shape (n_points, n_features, n_features)
        Their product.

    Returns
    -------
    squared : ndarray of shape (n_points,)
        Squared balanced gradient norm.
    r1 : ndarray of shape (n_points,)
        Norm of W^T (W - I) C; zero with the penalty "sum".
    r2 : ndarray of shape (n_points,)
        Norm of (W - I) C W^T; zero with the penalty "sum".
    """
    lam, d = problem.eigenvalues, problem.n_features
    # M = W (C + tau I) - C; G = (2/d) M.
    m = end * (lam + problem.tau_product)
    diagonal = np.arange(d)
    m[:, diagonal, diagonal] -= lam
    if problem.tau_sum > 0:
        tau = problem.tau_sum
        first = _transpose(left) @ m + tau * right
        last = m @ _transpose(right) + tau * left
        squared = 4 / d**2 * (_squares(first) + _squares(last))
        return squared, np.zeros(squared.shape), np.zeros(squared.shape)
    if problem.tau_product == 0:
        # What the data do not see is not determined; the balanced point has none of it.
        right = right.copy()
        right[:, :, problem.rank :] = 0.0
    a, s, b = _thin_svd(left, right)
    x, y = _transpose(a) @ m, m @ b
    # Squares of the blocks, with S as weights of the rows and columns.
    x_rows, y_columns = np.sum(x * x, axis=2), np.sum(y * y, axis=1)
    n_layers = problem.depth
    weight = s ** (2 * (n_layers - 1) / n_layers)
    squared = np.sum(weight * (x_rows + y_columns), axis=1)
    if n_layers > 2:
        core = (x @ b) ** 2
        for layer in range(2, n_layers):
            rows = s ** (2 * (n_layers - layer) / n_layers)
            columns = s ** (2 * (layer - 1) / n_layers)
            squared += np.sum(
                rows[:, :, None] * core * columns[:, None, :], axis=(1, 2)
            )
    r1 = np.sqrt(np.sum(s * s * x_rows, axis=1))
    r2 = np.sqrt(np.sum(s * s * y_columns, axis=1))
    return 4 / d**2 * squared, r1, r2


def _thin_svd(left, right):
    # Two thin QR factorisations and the decomposition of a small core: the cost is
    # O(d p^2), and factors of very different size lose no accuracy.
    q_left, r_left = np.linalg.qr(left)
    q_right, r_right = np.linalg.qr(_transpose(right))
    u, s, vh = np.linalg.svd(r_left @ _transpose(r_right))
    return q_left @ u, s, q_right @ _transpose(vh)


def _transpose(matrices):
    return matrices.transpose(0, 2, 1)


def _squares(matrices):
    return np.sum(matrices * matrices, axis=(1, 2))
