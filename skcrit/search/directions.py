"""Directions that lead away from a critical point: ordered eigenvectors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import FloatArray, IntArray
from skcrit.linalg import (
    direction_level,
    eigh_apart,
    pseudoinverse_level,
    rounding_level,
)
from skcrit.search.describe import UNKNOWN
from skcrit.search.problem import Problem

# Random directions in the kernel of the Hessian, per set.
_N_FLAT = 16

# Eigenvalues with a smaller relative difference count as one of higher multiplicity.
# If differences were relative to the largest one, all weak directions of raw data would
# count as one.
_EQUAL = 1e-6


@dataclass
class Directions:
    """Directions that lead away from a critical point."""

    # Unit vectors of float32, in the order in which they are tried; no rows after they
    # were discarded.
    vectors: FloatArray
    n_unstable: int  # these come first
    curvatures: FloatArray  # eigenvalues of the Hessian; 0 for flat directions
    error: float = 0.0  # difference up to which two curvatures may be equal


def directions_at(
    problem: Problem,
    point: FloatArray,
    morse_index: IntArray,
    nullity: IntArray,
    max_directions: int | None,
) -> list[Directions]:
    """Order the directions that lead away from each of some critical points."""
    # The points are in the coordinates of the search; -1 is an unknown inertia.
    loss = problem.loss
    hessian = loss.hessian(loss.asarray(point))
    xp = array_namespace(hessian)
    level = rounding_level(hessian[:, 0, :], xp.max(xp.abs(hessian), axis=(-2, -1)))
    values, vectors, _ = eigh_apart(hessian, to_host(level))
    values, vectors = to_host(values), to_host(xp.matrix_transpose(vectors))
    vectors = np.ascontiguousarray(vectors)
    return [
        order_directions(value, vector, index, n_zero, limit=max_directions)
        for value, vector, index, n_zero in zip(
            values, vectors, morse_index, nullity, strict=True
        )
    ]


def order_directions(
    values: FloatArray,
    vectors: FloatArray,
    index: int,
    nullity: int,
    limit: int | None,
) -> Directions:
    """Order eigenvectors: unstable, stable, flat; weak ones before strong ones."""
    size = np.abs(values)
    null = direction_level(values)
    same = np.maximum(_EQUAL * size, rounding_level(values))
    sign_of = np.where(size <= null, 0, np.sign(values))
    if index != UNKNOWN and nullity != UNKNOWN:
        sign_of = np.ones(len(values))
        sign_of[:index], sign_of[index : index + nullity] = -1, 0
    order = []
    for sign in (-1, 1):
        rows = np.flatnonzero(sign_of == sign)
        rows = rows[np.argsort(size[rows], kind="stable")]
        # Eigenvectors of one eigenvalue lead to the same sets by symmetry: one of each
        # eigenvalue comes first, and the others follow.
        first = np.diff(size[rows], prepend=-np.inf) > same[rows]
        order += [rows[first], rows[~first]]
    flat = _flat(vectors[sign_of == 0])
    # Single precision is sufficient for a displacement, and saves much memory.
    rows = np.concatenate(order)[:limit]
    flat = flat[: None if limit is None else limit - len(rows)]
    chosen = np.empty((len(rows) + len(flat), vectors.shape[1]), dtype=np.float32)
    chosen[: len(rows)], chosen[len(rows) :] = vectors[rows], flat
    curvatures = np.concatenate([values[rows], np.zeros(len(flat))])
    n_unstable = min(int(np.sum(sign_of < 0)), len(chosen))
    # Rounding errors of eigenvalues are far below their bound, rounding_level, which is
    # ten times this level and would not separate the weak directions of raw data.
    error = float(pseudoinverse_level(values))
    return Directions(chosen, n_unstable, curvatures, error)


def within(directions: Directions, index: int, max_index: int | None) -> Directions:
    """Leave out the directions that lead to Morse indices above a limit."""
    if max_index is None or index == UNKNOWN or index < max_index:
        return directions
    kept = directions.n_unstable if index == max_index else 0
    return replace(
        directions,
        vectors=directions.vectors[:kept],
        n_unstable=kept,
        curvatures=directions.curvatures[:kept],
    )


def _flat(kernel: FloatArray) -> FloatArray:
    """Draw directions in the kernel: a degenerate saddle can lack unstable ones."""
    if len(kernel) == 0:
        return kernel
    weights = np.random.default_rng(0).standard_normal((_N_FLAT, len(kernel)))
    drawn = weights @ kernel
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
