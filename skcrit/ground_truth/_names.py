"""Names of critical sets: tuples of indices, boolean masks, multiplicity vectors."""

from __future__ import annotations

import operator
from itertools import chain
from typing import Any

import numpy as np

from skcrit._typing import BoolArray, IntArray


def parse_sets(problem: Any, sets: Any, name: str = "sets") -> tuple[IntArray, bool]:
    """Read a list of index tuples, or a mask, as multiplicity vectors."""
    # Returns the vectors, (n_sets, n_distinct), and whether one set was given by
    # itself: one tuple of integers, or a mask of shape (n_outputs,). What names no
    # critical set raises a ValueError that says why.
    if isinstance(sets, np.ndarray) and sets.dtype == bool:
        single, masks = sets.ndim == 1, np.atleast_2d(sets)
        if masks.ndim != 2 or masks.shape[1] != problem.n_outputs:
            raise ValueError(
                f"{name} given as a mask must have shape (n_sets, n_features) with "
                f"n_features={problem.n_outputs}, got {sets.shape}."
            )
    else:
        single = isinstance(sets, tuple) and all(
            isinstance(i, int | np.integer) for i in sets
        )
        masks = _masks_from_tuples(problem, [sets] if single else sets, name)
    _check_masks(problem, masks, name)
    return problem.counts(masks), single


def parse_one(problem: Any, index_set: Any) -> IntArray:
    """Read one set in any accepted form as a multiplicity vector, a single row."""
    is_mask = isinstance(index_set, np.ndarray) and index_set.dtype == bool
    sets = index_set if is_mask else [index_set]
    counts, _ = parse_sets(problem, sets, "index_set")
    if len(counts) != 1:
        raise ValueError(f"index_set must be one set, got a mask of {len(counts)}.")
    return counts


def to_names(masks: BoolArray) -> Any:
    """Write masks as a list of sorted tuples of indices, one per row."""
    rows, columns = np.nonzero(masks)
    points = np.arange(masks.shape[0])
    starts = np.searchsorted(rows, points).tolist()
    ends = np.searchsorted(rows, points, side="right").tolist()
    columns = columns.tolist()
    return [tuple(columns[a:b]) for a, b in zip(starts, ends, strict=True)]


def _masks_from_tuples(problem: Any, sets: Any, name: str) -> BoolArray:
    """Read tuples as masks, in one pass over all their indices."""
    d = problem.n_outputs
    try:
        sets = list(sets)
        if any(isinstance(one, str | bytes) for one in sets):
            raise TypeError("a text is not a set")
        n = len(sets)
        sizes = np.fromiter(map(len, sets), dtype=np.intp, count=n)
        flat = np.fromiter(
            map(operator.index, chain.from_iterable(sets)), dtype=np.intp
        )
    except (TypeError, OverflowError, IndexError) as error:
        raise ValueError(
            f"{name} must be a list of tuples of integers, or a boolean mask: {error}."
        ) from None
    if flat.size and (flat.min() < 0 or flat.max() >= d):
        wrong = flat.min() if flat.min() < 0 else flat.max()
        raise ValueError(
            f"{name} must use indices from 0 to n_features - 1 = {d - 1}, got {wrong}."
        )
    masks = np.zeros((n, d), dtype=bool)
    masks[np.repeat(np.arange(n), sizes), flat] = True
    repeats = np.flatnonzero(masks.sum(axis=1) != sizes)
    if repeats.size:
        raise ValueError(
            f"{name} must not repeat an index, got {tuple(sets[repeats[0]])}."
        )
    return masks


def _check_masks(problem: Any, masks: BoolArray, name: str) -> None:
    """Refuse sets that use inadmissible eigenvalues, or too many."""
    r = problem.n_admissible
    blind = np.flatnonzero(masks[:, r:].any(axis=0))
    if blind.size:
        i = r + int(blind[0])
        bound = (
            f"above tau = alpha * n_features = {problem.tau_sum:.6g}"
            if problem.tau_sum > 0
            else "above zero"
        )
        raise ValueError(
            f"{name} must use eigenvalues {bound}, that is indices below {r}: got "
            f"index {i} with eigenvalue {problem.eigenvalues[i]:.6g}. (Using a zero "
            "eigenvalue gives the same critical set as leaving it out.)"
        )
    sizes = masks.sum(axis=1)
    if sizes.size and sizes.max() > problem.bottleneck:
        raise ValueError(
            f"{name} must have at most as many indices as the smallest hidden layer "
            f"has units: expected <= {problem.bottleneck}, got {sizes.max()}."
        )
