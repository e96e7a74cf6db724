"""The starts of the searches of a round, and the solver that runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._rows import Rows
from skcrit._typing import FloatArray, IntArray
from skcrit.search.directions import directions_at
from skcrit.search.problem import Problem

# Number of sets whose directions are computed together, with a dense Hessian each.
_CHUNK = 32


@dataclass
class Origins(Rows):
    """Origins of searches, a row per search."""

    parent: IntArray  # set, in the order of discovery; -1 for the first searches
    direction: IntArray  # its number; -1 for the first searches
    sign: IntArray  # orientation along the direction; 0 for the first searches


@dataclass
class Displaced(Rows):
    """Starts beside known sets, not computed yet, a row per search."""

    origins: Origins
    point: FloatArray  # points of the sets
    morse_index: IntArray  # their inertia
    nullity: IntArray
    vector: list[FloatArray | None]  # the directions, if they are kept
    length: FloatArray  # of the displacements, in length scales
    noise: FloatArray  # random displacement that is added, in length scales
    max_directions: int | None  # of a set

    def starts(self, problem: Problem) -> FloatArray:
        """Compute the starts, and the directions that are not kept."""
        # This is left to a worker, because it takes an eigenproblem for each set.
        unit = np.asarray(problem.loss.length_scale(), dtype=float)
        vectors = self.origins.sign[:, None] * self._vectors(problem)
        # Their length is one in length scales, the unit of the displacement.
        size = np.linalg.norm(vectors / unit, axis=1, keepdims=True)
        size = np.where(size > 0, size, 1.0)
        moved = self.point + self.length[:, None] * vectors / size
        return moved + unit * self.noise

    def _vectors(self, problem: Problem) -> FloatArray:
        """Return the directions as unit vectors."""
        vectors = list(self.vector)
        lost = np.array([vector is None for vector in vectors])
        labels, first = np.unique(self.origins.parent[lost], return_index=True)
        rows = np.flatnonzero(lost)[first]
        ways: list[Any] = []
        for begin in range(0, len(rows), _CHUNK):
            part = rows[begin : begin + _CHUNK]
            inertia = self.morse_index[part], self.nullity[part]
            ways += directions_at(
                problem, self.point[part], *inertia, self.max_directions
            )
        again = dict(zip(labels, ways, strict=True))
        for row in np.flatnonzero(lost):
            way = again[self.origins.parent[row]]
            vectors[row] = way.vectors[self.origins.direction[row]]
        return np.array(vectors, dtype=float)


@dataclass
class Searches:
    """A round of searches to come."""

    solver: Any
    starts: Any  # (n, n_params), or Displaced
    origins: Origins  # the sets and directions from which they begin

    def __len__(self) -> int:
        return len(self.origins.parent)

    def part(self, rows: slice) -> tuple[Any, Any]:
        """Return the solver and the starts of some searches."""
        # A solver of a user need not support starts with parameters of their own.
        select = getattr(self.solver, "select", lambda rows: self.solver)
        if isinstance(self.starts, Displaced):
            return select(rows), self.starts.take(np.arange(len(self))[rows])
        return select(rows), self.starts[rows]


def no_origins(n: int) -> Origins:
    """Make the record of searches that do not begin at a known set."""
    none = np.full(n, -1)
    return Origins(none, none, np.zeros(n, dtype=int))


def placed(starts: FloatArray) -> Displaced:
    """Represent searches from given points, to be joined with others in a round."""
    n, none = len(starts), np.full(len(starts), -1)
    still = np.zeros_like(starts)
    return Displaced(
        no_origins(n), starts, none, none, list(still), np.zeros(n), still, None
    )
