"""Searches in rounds, each of which uses the results of those before it."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from skcrit._backend import one_blas_thread
from skcrit._typing import FloatArray
from skcrit.search.batches import Batches
from skcrit.search.engine import SearchResult, Watch, joined, search
from skcrit.search.known import KnownSets
from skcrit.search.problem import pose


def search_in_rounds(
    loss: Any,
    solver: Any,
    starts: FloatArray,
    size: int,
    *,
    batches: Batches | None = None,
    watch: Sequence[Watch] = (),
) -> SearchResult:
    """Search critical points that earlier rounds have not found."""
    # Each round has size starts. The solver must have a method select(rows) and a
    # parameter known. A watch is called before and after every batch, and may stop the
    # search.
    with one_blas_thread():
        problem = pose(loss)
    results: list[SearchResult] = []
    for begin in range(0, len(starts), size):
        chosen = np.arange(len(starts)) // size == begin // size
        part = copy(solver.select(chosen))
        if results:
            part.known = KnownSets(results[-1].sets)
        new = search(loss, part, starts[chosen], batches=batches, watch=watch)
        done = [[(r.runs, r.ends)] for r in (*results[-1:], new)]
        with one_blas_thread():
            results = [joined(problem, starts, done, 0)]
        if len(new.starts) < np.sum(chosen):
            break
    return results[0]
