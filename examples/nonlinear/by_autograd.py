"""The later published finder on 4-5-3: automatic differentiation, a start at a time.

Its Newton-MR is that of :mod:`as_published`, beside the study of linear networks. Like
the authors' programs it takes gradients and products from autograd, the product from
the gradient's derivative along a direction, and searches from one start after another.
"""

import sys
import time
from pathlib import Path

import autograd
import autograd.numpy as anp
import numpy as np

from skcrit import FunctionLoss

# At the end, because the files of the two studies have some names in common.
sys.path.append(str(Path(__file__).resolve().parents[1] / "paper"))

from as_published import PublishedNewtonMR  # noqa: E402

__all__ = ["differentiated", "search"]


def differentiated(loss, X, y):
    """Write an MLPLoss with softplus units and log-loss as autograd needs it.

    Parameters
    ----------
    loss : MLPLoss
        Fitted to ``X`` and ``y``, with one hidden layer.
    X : ndarray of shape (n_samples, n_features)
        Data.
    y : ndarray of shape (n_samples,)
        Classes, counted from zero.

    Returns
    -------
    loss : FunctionLoss
        The same function.
    """
    inputs, targets = X.T, np.eye(np.max(y) + 1)[y].T
    n_features, n_units, n_classes = len(inputs), *loss.hidden_layer_sizes, len(targets)
    cut = n_units * (n_features + 1)

    def value(theta):
        first = anp.reshape(theta[:cut], (n_units, n_features + 1))
        last = anp.reshape(theta[cut:], (n_classes, n_units + 1))
        z = anp.dot(first[:, :-1], inputs) + first[:, -1:]
        z = anp.dot(last[:, :-1], anp.logaddexp(0, z)) + last[:, -1:]
        shifted = z - anp.max(z, axis=0)
        spread = anp.log(anp.sum(anp.exp(shifted), axis=0))
        square = anp.sum(first[:, :-1] ** 2) + anp.sum(last[:, :-1] ** 2)
        total = anp.sum(spread - anp.sum(targets * shifted, axis=0))
        return (total + loss.alpha / 2 * square) / len(X)

    gradient = autograd.grad(value)
    product = autograd.grad(lambda theta, v: anp.dot(gradient(theta), v))
    functions = (_over_rows(f) for f in (value, gradient, product))
    return FunctionLoss(*functions, n_params=loss.n_params_).fit()


def _over_rows(function):
    """Apply a function of points to batches of any shape, a point at a time."""

    def batched(*arrays):
        shape = arrays[0].shape[:-1]
        rows = zip(*(a.reshape(-1, a.shape[-1]) for a in arrays), strict=True)
        results = np.array([function(*row) for row in rows])
        return results.reshape(*shape, *results.shape[1:])

    return batched


def search(loss, starts, max_iter):
    """Search from one start after another, as the later published program does.

    Parameters
    ----------
    loss : FunctionLoss
        Function of :func:`differentiated`.
    starts : ndarray of shape (n_starts, n_params)
        Starts.
    max_iter : int
        Most iterations; the program has no tolerance.

    Returns
    -------
    squared_grad_norm : ndarray of shape (n_starts,)
        At the ends.
    value : ndarray of shape (n_starts,)
        Loss at the ends.
    seconds : tuple of float
        Processor time and wall time per start.
    """
    solver = PublishedNewtonMR(repaired=True, tol=0.0, max_iter=max_iter)
    processor, wall = time.process_time(), time.perf_counter()
    ends = np.concatenate([solver.solve(loss, start[None]).theta for start in starts])
    spent = time.process_time() - processor, time.perf_counter() - wall
    gradient = loss.gradient(ends)
    squared = np.sum(gradient * gradient, axis=-1)
    return squared, loss.value(ends), tuple(t / len(starts) for t in spent)
