"""What of the data makes critical points of linear networks degenerate."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit.linalg import svd
from skcrit.losses._data_symmetries import data_flats, data_turns

# Relative to a point: tangents below it are zero, or lie in the span of others.
_TANGENT_RTOL = 1e-6


def data_causes(bases: Any, penalty: Any, joint: Any) -> Any:
    """List what of the data may make critical points degenerate, with its tangents."""
    # Names, each with what orbit_tangents takes: rotations of each group of tied
    # positive values, then all that comes of zeros. The arguments are those of
    # data_turns and data_flats.
    outputs, root, inverse, null, values = bases
    options = {"penalised": penalty is not None}
    flats = data_flats(outputs, inverse, null, values, penalty)
    causes = []
    sizes, counts = np.unique(values[values > 0], return_counts=True)
    for size in sizes[counts > 1][::-1] if joint else ():
        rows = np.flatnonzero(values == size)
        # Data that are nothing but this group.
        part = (outputs[:, rows], root[:, rows], inverse[rows], null[:0], values[rows])
        turns = data_turns(*part, joint=True, **options)
        name = f"eigenvalues {', '.join(map(str, rows[:-1]))} and {rows[-1]} are tied"
        causes.append((name, turns, [flat[:0] for flat in flats]))
    turns = data_turns(*bases, joint=False, **options)
    return [*causes, (_zeros(root, null, values), turns, flats)]


def _zeros(root: Any, null: Any, values: Any) -> Any:
    """Name what of the data is zero."""
    rank, seen = np.count_nonzero(values), root.shape[1]
    if len(null):
        return f"the second moment has rank {seen} of {seen + len(null)}"
    return (
        f"the inputs have {seen} directions and the targets {len(values)}, of which "
        f"{rank} explain one another"
    )


def leaves(tangents: Any, orbit: Any, size: Any) -> Any:
    """Return whether a tangent has a part across the orbit, beyond rounding."""
    _, sizes, vectors = svd(orbit)
    span = vectors[sizes > _TANGENT_RTOL * np.max(sizes, initial=0.0)]
    across = np.linalg.norm(tangents - (tangents @ span.T) @ span, axis=-1)
    floor = np.maximum(np.linalg.norm(tangents, axis=-1), size)
    return bool(np.any(across > _TANGENT_RTOL * floor))
