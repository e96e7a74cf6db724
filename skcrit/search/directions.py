"""Ways to leave a critical point: eigenvectors of its Hessian, in order."""

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

__all__ = ["Directions", "directions_at", "order_directions", "within"]

# Random directions in the kernel of the Hessian, per set.
_N_FLAT = 16

# Eigenvalues that differ by less, relative to themselves, are one of higher
# multiplicity. Relative to the largest, all weak directions of raw data would be one.
_EQUAL = 1e-6


@dataclass
class Directions:
    """Ways to leave a critical point.

    Attributes
    ----------
    vectors : ndarray of float32 of shape (n_directions, n_params)
        Unit vectors, in the order to try them; none once they are forgotten.
    n_unstable : int
        How many of them, the first ones, are unstable.
    curvatures : ndarray of shape (n_directions,)
        Eigenvalues of the Hessian; zero for flat directions.
    error : float
        Up to which two curvatures may be the same.
    """

    vectors: FloatArray
    n_unstable: int
    curvatures: FloatArray
    error: float = 0.0


def directions_at(
    problem: Problem,
    point: FloatArray,
    morse_index: IntArray,
    nullity: IntArray,
    max_directions: int | None,
) -> list[Directions]:
    """Order the directions that lead away from critical points.

    Parameters
    ----------
    problem : Problem
        The loss and its units.
    point : ndarray of shape (n, n_params)
        Critical points, in the coordinates of the search.
    morse_index, nullity : ndarray of int of shape (n,)
        Negative and zero eigenvalues of their Hessians; -1 if unknown.
    max_directions : int or None
        Largest number of directions per point.

    Returns
    -------
    directions : list of Directions
        Ways to leave each point.
    """
    loss = problem.loss
    hessian = loss.hessian(loss.asarray(point))
    xp = array_namespace(hessian)
    level = rounding_level(hessian[:, 0, :], xp.max(xp.abs(hessian), axis=(-2, -1)))
    values, vectors, _ = eigh_apart(hessian, to_host(level))
    values, vectors = to_host(values), to_host(vectors)
    return [
        order_directions(value, vector.T, index, n_zero, limit=max_directions)
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
    """Order eigenvectors: unstable, stable, flat; weak before strong, none twice."""
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
        # first, their likes afterwards.
        first = np.diff(size[rows], prepend=-np.inf) > same[rows]
        order += [rows[first], rows[~first]]
    flat = _flat(vectors[sign_of == 0])
    # Single precision is plenty for a displacement, and the store is large.
    rows = np.concatenate(order)
    chosen = np.concatenate([vectors[rows], flat])[:limit].astype(np.float32)
    curvatures = np.concatenate([values[rows], np.zeros(len(flat))])[:limit]
    n_unstable = min(int(np.sum(sign_of < 0)), len(chosen))
    # Rounding errors of eigenvalues stay well below their bound, rounding_level, which
    # is ten times this one and would mix the weak directions of raw data.
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
    """Draw directions in the kernel: a degenerate saddle has no unstable ones."""
    if len(kernel) == 0:
        return kernel
    weights = np.random.default_rng(0).standard_normal((_N_FLAT, len(kernel)))
    drawn = weights @ kernel
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
