"""Hessians from differences of gradients, extrapolated to the limit of rounding."""

from __future__ import annotations

import itertools
from functools import cached_property
from typing import Any

import numpy as np

from skcrit._typing import Array, FloatArray
from skcrit.losses.local_model import LocalModel

# Steps in length scales: the largest, the factor between them, and their number. Large
# ones serve if rounding is coarse, small ones if the function bends.
_LARGEST = 0.08
_FACTOR = 2.0
_N_STEPS = 7

# If the gradient is smooth, forward and backward differences differ by an amount that
# halves with the step. At a kink their difference does not shrink: at least this
# fraction of it remains, and it counts if it exceeds that fraction of the column. The
# largest steps, this many, are too long to show it.
_LEFT, _SEEN, _SHORT = 0.75, 1e-3, 2

# Numbers in the gradients of a chunk of columns.
_CHUNK = 2**20


class DifferenceModel(LocalModel):
    """Local model of a loss that has gradients only.

    Notes
    -----
    Central differences with seven steps are extrapolated to step zero, and for each
    column the entry of the table with the smallest estimated error is taken [1]_. A
    Hessian costs ``14 n_params`` gradients per point. For smooth functions its error is
    a few times the rounding errors of the gradients; the error of a single difference
    is their two-thirds power. If the gradient has a kink nearer than the shortest step,
    the size of the kink is the error.

    References
    ----------
    .. [1] C. J. F. Ridders. "Accurate computation of F'(x) and F'(x) F''(x)". Advances
       in Engineering Software 4(2), 1982, doi:10.1016/S0141-1195(82)80057-0.
    """

    @cached_property
    def _table(self) -> tuple[FloatArray, FloatArray]:
        """Hessian and estimated errors of its entries."""
        theta = np.reshape(self.theta, (-1, self.theta.shape[-1]))
        n_params = theta.shape[-1]
        step = _LARGEST * np.broadcast_to(self.loss.length_scale(), n_params)
        size = max(_CHUNK // max(theta.size, 1), 1)
        columns, errors = [], []
        for first in range(0, n_params, size):
            part = slice(first, min(first + size, n_params))
            best, error = self._extrapolated(theta, step, part)
            columns.append(best)
            errors.append(error)
        rows, error = np.concatenate(columns, axis=1), np.concatenate(errors, axis=1)
        transposed = np.swapaxes(rows, -1, -2)
        error = np.maximum(error, np.swapaxes(error, -1, -2))
        # An exact Hessian is symmetric: what differs is an error, seen independently.
        error = np.maximum(error, np.abs(rows - transposed))
        shape = (*self.theta.shape, n_params)
        hessian = np.reshape((rows + transposed) / 2, shape)
        return hessian, np.reshape(error, shape)

    def _extrapolated(self, theta: Array, step: Array, part: Any) -> Any:
        """Compute some columns of the Hessian, and their errors."""
        table: list[Any] = []
        best: Any = None
        error: Any = None
        apart = []
        for k in range(_N_STEPS):
            difference, one_sided = self._difference(theta, step / _FACTOR**k, part)
            row = [difference]
            apart.append(one_sided)
            for order, before in enumerate(table[-1] if table else [], start=1):
                # Differences err by even powers of the step.
                factor = _FACTOR ** (2 * order)
                row.append((factor * row[-1] - before) / (factor - 1))
            for order in range(1, len(row)):
                change = np.maximum(
                    np.abs(row[order] - row[order - 1]),
                    np.abs(row[order] - table[-1][order - 1]),
                )
                worst = np.max(change, axis=-1, keepdims=True)
                if best is None:
                    best, error = row[order], worst
                better = worst < error
                best = np.where(better, row[order], best)
                error = np.where(better, worst, error)
            table.append(row)
        error = np.maximum(error, _kinks(apart[_SHORT:], best))
        return best, np.broadcast_to(error, best.shape)

    def _difference(
        self, theta: Array, step: Array, part: slice
    ) -> tuple[Array, Array]:
        """Take central differences along some axes, and how far one-sided are apart."""
        n_params = theta.shape[-1]
        axes = np.eye(n_params)[part] * step
        ahead, behind = theta[:, None, :] + axes, theta[:, None, :] - axes
        # The steps that were really taken: rounding changes them far from the origin.
        rows = np.arange(part.start, part.stop)
        taken = (ahead - behind)[:, np.arange(len(rows)), rows]
        g_ahead, g_behind = self.loss.gradient(ahead), self.loss.gradient(behind)
        here = np.reshape(self.gradient, theta.shape)[:, None, :]
        apart = np.abs((g_ahead - here) + (g_behind - here))
        return tuple(a / taken[..., None] for a in (g_ahead - g_behind, 2 * apart))

    def hessian(self) -> FloatArray:  # noqa: D102 (documented in LocalModel)
        return self._table[0]

    def hessian_error(self) -> FloatArray:  # noqa: D102
        return self._table[1]


def _kinks(apart: list[Array], columns: Array) -> Array:
    """Return the sizes of kinks that one-sided differences show, a row per column."""
    size = np.max(np.abs(columns), axis=-1, keepdims=True)
    found = np.zeros_like(size)
    for wide, near in itertools.pairwise(apart):
        wide, near = (np.max(a, axis=-1, keepdims=True) for a in (wide, near))
        kinked = (near > _LEFT * wide) & (near > _SEEN * size)
        found = np.where(kinked, np.maximum(found, near), found)
    return found
