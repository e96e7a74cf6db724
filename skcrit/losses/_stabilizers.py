"""How many permutations and changes of sign of hidden units leave a network alone."""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial, prod
from typing import Any

import numpy as np

from skcrit._typing import Array

# Weights that differ by at most this part of the largest are equal.
_EQUAL = 1e-6


def stabilizer_order(weights: Any, features: Any, flips: Any) -> int:
    """Count the symmetries of the units that leave a network alone."""
    # The identity is one. Features of units move with them; with flips units may change
    # their sign. Units without weights and duplicates of one another contribute
    # factors. What is left, one unit of each kind, is searched layer by layer for
    # symmetries that map units to units of the same features; there is none but the
    # identity unless whole parts of the network are alike.
    tol = _EQUAL * max(np.max(np.abs(W), initial=0.0) for W in weights)
    factor, kept, copies = 1, [], []
    for layer in range(len(weights) - 1):
        p = len(weights[layer])
        units = np.concatenate([weights[layer], weights[layer + 1][:, :p].T], axis=1)
        kinds = unit_kinds(units, tol, flips)
        empty = [kind for kind in kinds if np.max(np.abs(units[kind[0]])) <= tol]
        full = [kind for kind in kinds if kind not in empty]
        factor *= prod(factorial(len(kind)) for kind in kinds)
        if flips:
            factor *= 2 ** sum(map(len, empty))
        kept.append([kind[0] for kind in full])
        copies.append([len(kind) for kind in full])
    reduced = []
    columns = [*[slice(None)], *kept]
    for layer, W in enumerate(weights):
        n_units = len(weights[layer - 1]) if layer else W.shape[1]
        units, ones = W[:, :n_units][:, columns[layer]], W[:, n_units:]
        W = np.concatenate([units, ones], axis=1)
        reduced.append(W[kept[layer]] if layer < len(kept) else W)
    features = [u[rows] for u, rows in zip(features, kept, strict=True)]
    return factor * _search(reduced, features, copies, flips, tol)


def _same(a: Array, b: Array, tol: float, flips: bool) -> int:
    # The sign by which b equals a; 0 if it does not.
    if np.max(np.abs(a - b), initial=0.0) <= tol:
        return 1
    return -1 if flips and np.max(np.abs(a + b), initial=0.0) <= tol else 0


def unit_kinds(units: Array, tol: Any, flips: Any) -> list[list[int]]:
    # Group equal rows.
    kinds: list[list[int]] = []
    for row, unit in enumerate(units):
        for kind in kinds:
            if _same(units[kind[0]], unit, tol, flips):
                kind.append(row)
                break
        else:
            kinds.append([row])
    return kinds


def _search(
    weights: list[Array],
    features: list[Array],
    copies: list[Any],
    flips: bool,
    tol: float,
    layer: int = 0,
    order: list[Any] | None = None,
    sign: Array | None = None,
) -> int:
    # Count the symmetries that continue a given one of the layer before.
    W, n_before = weights[layer], 0 if order is None else len(order)
    moved = W
    if layer > 0:
        moved = np.concatenate([W[:, order] * sign, W[:, n_before:]], axis=1)
    if layer == len(weights) - 1:
        return int(np.max(np.abs(moved - W), initial=0.0) <= tol)
    scale = np.max(np.abs(features[layer]), initial=0.0)
    targets = []  # of each unit: the units that can take its place, and their signs
    for row, unit in enumerate(features[layer]):
        targets.append([
            (other, s)
            for other, candidate in enumerate(features[layer])
            for s in ((1, -1) if flips else (1,))
            if copies[layer][row] == copies[layer][other]
            and np.max(np.abs(s * candidate - unit), initial=0.0) <= _EQUAL * scale
            and np.max(np.abs(s * moved[other] - W[row]), initial=0.0) <= tol
        ])
    total = 0
    for choice in _assignments(targets):
        place_here = [other for other, _ in choice]
        sign_here = np.array([s for _, s in choice], dtype=float)
        total += _search(
            weights, features, copies, flips, tol, layer + 1, place_here, sign_here
        )
    return total


def _assignments(targets: list[list[tuple[Any, ...]]], used: Any = ()) -> Iterator[Any]:
    # All ways to choose a different target for each unit.
    if len(used) == len(targets):
        yield used
        return
    taken = {other for other, _ in used}
    for other, s in targets[len(used)]:
        if other not in taken:
            yield from _assignments(targets, (*used, (other, s)))
