"""What the moments of the data leave free in a linear network.

Matrices are those of a :class:`~skcrit.ground_truth._whitening.Whitened`: outputs by
columns, a root of the second moment by columns, its pseudo-inverse and the kernel of
the moment by rows. The first r outputs explain, with the first r columns of the root,
the positive values. Outputs beyond are *silent*: there is nothing to explain. Inputs
beyond are *deaf*: they explain nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._typing import Array


def data_ties(outputs: Array, values: Array, n_seen: int) -> list[Array] | None:
    """Say which rows and columns of a matrix in coordinates belong to which value."""
    # Returns the change of basis of the rows, (m, m), and a 1 where a row, (n_values,
    # m), or column, (n_seen, n_column_values), belongs to a distinct value; None where
    # all positive values are distinct.
    rank = np.count_nonzero(values)
    if np.all(np.diff(values[:rank]) != 0):
        return None
    padded = np.zeros(n_seen)
    padded[:rank] = values[:rank]
    distinct = np.unique(np.append(values, padded))[::-1]
    rows = (distinct[:, None] == values).astype(float)
    columns = (distinct[:, None] == padded).astype(float)
    return [outputs.T, rows, columns[columns.any(axis=1)].T]


def data_turns(
    outputs: Array,
    root: Array,
    inverse: Any,
    null: Any,
    values: Any,
    *,
    penalised: Any,
    joint: Any,
) -> list[Array]:
    """List the rotations of what is tied, as ``orbit_tangents`` takes them."""
    # penalised: a penalty sees what the data do not. Without one the latter is free
    # altogether, and needs no rotations. joint: outputs of one value may rotate with
    # the inputs that explain them.
    r, nothing = np.count_nonzero(values), root.T[:0]
    turns = [(outputs[:, r:].T, nothing, nothing)]
    turns.append((outputs.T[:0], root[:, r:].T, inverse[r:]))
    if penalised:
        turns[1] = (outputs.T[:0], null, null)
    if joint:
        distinct, counts = np.unique(values[:r], return_counts=True)
        for value in distinct[counts > 1]:
            e = np.flatnonzero(values == value)
            turns.append((outputs[:, e].T, root[:, e].T, inverse[e]))
    return [np.concatenate(parts) for parts in zip(*map(_turn, turns), strict=True)]


def _turn(bases: tuple[Array, Array, Array]) -> list[Array]:
    """Pair the rows of three bases; one without rows stands for zeros."""
    n = max(map(len, bases))
    a, b = np.triu_indices(n, 1)
    filled = [basis if len(basis) else np.zeros((n, basis.shape[1])) for basis in bases]
    return [basis[pairs] for basis in filled for pairs in (a, b)]


def data_flats(
    outputs: Array,
    inverse: Array,
    null: Array,
    values: Array,
    penalty: str | None = None,
) -> list[Array]:
    """List where free units may write and read, as ``orbit_tangents`` takes it."""
    r, nothing = np.count_nonzero(values), null[:0]
    if penalty == "sum":
        return [outputs.T[:0], nothing, nothing]
    if penalty == "product":
        return [outputs[:, r:].T, null, nothing]
    return [outputs[:, r:].T, inverse[r:], null]
