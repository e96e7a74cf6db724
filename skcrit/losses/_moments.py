"""Moments of data that may be larger than the memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from skcrit._typing import Array
from skcrit.exceptions import ResolutionWarning
from skcrit.utils._arguments import as_numbers


def as_targets(y: Array, n_samples: int) -> Array:
    """Return targets as a matrix with a row per sample."""
    Y = as_numbers(y, "y")
    Y = Y[:, None] if Y.ndim == 1 else Y
    fits = Y.ndim == 2 and len(Y) == n_samples and Y.shape[1] > 0
    if not fits or not np.all(np.isfinite(Y)):
        got = "NaN or infinity" if fits else f"shape {np.shape(y)}"
        raise ValueError(
            f"y must be finite numbers with a row for each of the {n_samples} samples "
            f"of X, got {got}."
        )
    return Y


def column_means(X: Array) -> Array:
    """Compute the mean of each column; of a constant one exactly."""
    # Its rounding error would count as variance in data that have no other. Most
    # columns show in two rows that they are not.
    constant, total = X[0] == X[-1], np.zeros(X.shape[1])
    for (chunk,) in _chunks(X):
        total += chunk.sum(axis=0)
        if np.any(constant):
            constant[constant] = np.all(chunk[:, constant] == X[0, constant], axis=0)
    return np.where(constant, X[0], total / X.shape[0])


def second_moments(X: Array, mean: Array, Y: Any = None, y_mean: Any = None) -> Any:
    """Average outer products of centred rows: of X and X, or of X and X, Y and X."""
    sums = [np.zeros((X.shape[1],) * 2)]
    if Y is not None:
        sums.append(np.zeros((Y.shape[1], X.shape[1])))
    # One piece of memory for all chunks: the system clears new ones page by page, which
    # takes as long as the product.
    memory: Any = None
    for chunk, *targets in _chunks(X) if Y is None else _chunks(X, Y):
        memory = np.empty(chunk.shape) if memory is None else memory[: len(chunk)]
        centred = np.subtract(chunk, mean, out=memory)
        sums[0] += centred.T @ centred
        for part in targets:
            sums[1] += (part - y_mean).T @ centred
    averages = [total / X.shape[0] for total in sums]
    return averages[0] if Y is None else averages


def residual(X: Array, mean: Array, Y: Array, y_mean: Array, W: Array) -> float:
    """Average the squared errors of W x for y, summed over outputs."""
    total = 0.0
    for chunk, targets in _chunks(X, Y):
        total += np.sum((targets - y_mean - (chunk - mean) @ W.T) ** 2)
    return total / X.shape[0]


def check_size(X: Array, mean: Array, size: float, dtype: str, name: str = "X") -> None:
    """Refuse data whose squared gradients leave the range of a floating type."""
    # The loss has the unit of squared data, and searches square its gradient: outside
    # of this range they would find zeros and infinities.
    info = np.finfo(dtype)
    low = float(info.smallest_normal) ** 0.5 / float(info.eps)
    high = float(info.max) ** 0.5 * float(info.eps)
    if low <= size <= high:
        return
    # Small numbers may be there and have no squares.
    if size < low and size == 0 and not any(np.any(c != mean) for (c,) in _chunks(X)):
        return
    need = "large" if size < low else "small"
    remedy = ", or use dtype='float64'" if info.bits < 64 else ""
    raise ValueError(
        f"{name} must be {need} enough for squared gradients to be numbers of "
        f"{dtype}: expected a second moment between {low:.1g} and {high:.1g}, got "
        f"entries up to {np.max(np.abs(X)):.3g} and a second moment up to {size:.3g}. "
        f"Change the unit of {name}{remedy}."
    )


def warn_of_nothing(moment: Array, center: bool) -> None:
    """Warn of inputs without variance, on which no output depends."""
    if np.any(moment):
        return
    what = "its samples are all equal, and center=True" if center else "it is all zeros"
    warnings.warn(
        f"X has no variance: {what}. Then the loss, but for a penalty, is the same for "
        "all parameters, and every point is critical.",
        ResolutionWarning,
        stacklevel=3,
    )


def _chunks(*arrays: Any) -> Iterator[Any]:
    """Cut arrays into runs of rows."""
    # The first may lie on disk and be larger than the memory: rows that make 2 MiB,
    # which stay in the cache, but as many as columns, or adding the products would take
    # longer.
    X = arrays[0]
    size = max(2**18 // X.shape[1], X.shape[1])
    for i in range(0, X.shape[0], size):
        yield tuple(np.asarray(array[i : i + size]) for array in arrays)
