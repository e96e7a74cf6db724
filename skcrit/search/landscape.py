"""The rounds of a landscape exploration: search, recognise, describe, record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._rows import Rows
from skcrit._typing import FloatArray, IntArray
from skcrit.losses.symmetries import rescaled
from skcrit.search.atlas import Atlas
from skcrit.search.batches import Batches, run_batches
from skcrit.search.describe import (
    UNKNOWN,
    Description,
    describe,
    invariants_of,
    undescribed,
)
from skcrit.search.engine import SearchResult, may_be_critical, verdict
from skcrit.search.frontier import Directions, Displacement, Frontier, directions_at
from skcrit.search.problem import Problem
from skcrit.search.shared import Shared
from skcrit.solvers.state import SolverResult
from skcrit.solvers.status import Status

__all__ = ["Landscape", "Origins"]

# New points are described in chunks of this many: some eigenproblems each.
_CHUNK = 32


@dataclass
class Origins(Rows):
    """Where searches set out, a row per search.

    Attributes
    ----------
    parent : ndarray of int of shape (n,)
        Set, in the order of discovery; -1 for the first searches.
    direction : ndarray of int of shape (n,)
        Number of the direction; -1 for the first searches.
    sign : ndarray of int of shape (n,)
        Which way; 0 for the first searches.
    """

    parent: IntArray
    direction: IntArray
    sign: IntArray


@dataclass
class _Round:
    """One round of searches."""

    starts: FloatArray
    runs: SolverResult
    squared: FloatArray
    labels: IntArray
    status: IntArray
    origins: Origins


@dataclass
class Landscape:
    """Search in rounds, and keep what all searches ended in.

    Points are in the coordinates of the search.

    Parameters
    ----------
    problem : Problem
        The loss and its units.
    batches : Batches
        How searches are divided and distributed.
    max_directions : int or None
        Largest number of directions tried from a set.
    n_passes : int
        How often every direction is tried each way.
    tol : float or "auto"
        Tolerance of the local searches.
    """

    problem: Problem
    batches: Batches
    max_directions: int | None
    n_passes: int
    tol: float | str
    rounds: list[_Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shared = Shared(self.problem)
        self.atlas = Atlas(self.problem.coordinates.loss, self.problem.scales)
        eps = float(np.finfo(self.problem.loss.dtype).eps)
        self.frontier = Frontier(self.n_passes, eps)
        self.n_searches = 0
        self.stop_reason: str | None = None
        self._past = [(0, 0)]

    @property
    def n_failed(self) -> int:
        """Number of searches that did not end at a critical point."""
        return int(sum(np.sum(r.status != Status.CONVERGED) for r in self.rounds))

    def first_failed(self) -> float:
        """Return the share of failures among searches that set out from no set."""
        failed = np.concatenate([r.status != Status.CONVERGED for r in self.rounds])
        parent = np.concatenate([r.origins.parent for r in self.rounds])
        return float(np.mean(failed[parent < 0]))

    def search(self, solver: Any, starts: FloatArray, origins: Origins) -> None:
        """Run one round of searches."""
        select = getattr(solver, "select", lambda rows: solver)
        calls = [
            (select(rows), self.shared, starts[rows])
            for rows in self.batches.slices(len(starts), self.problem.loss)
        ]
        outcomes = list(run_batches(self.batches, solve_ends, calls))
        results, invariants, squared = zip(*outcomes, strict=True)
        runs = SolverResult.concatenate(results)
        known = len(self.atlas)
        labels, status = self._recognised(runs, np.concatenate(invariants))
        squared = np.concatenate(squared)
        done = _Round(starts, runs, squared, labels, status, origins)
        self.rounds.append(done)
        self._reward(done, known)
        self.n_searches += len(starts)
        self._past.append((self.n_searches, len(self.atlas)))

    def _reward(self, done: _Round, known: int) -> None:
        """Report where searches led, and from which sets new ones came."""
        _, first = np.unique(done.labels, return_index=True)
        for row in first[done.labels[first] >= known]:
            if done.origins.parent[row] >= 0:
                self.frontier.reward(int(done.origins.parent[row]))
        rows = np.flatnonzero((done.labels >= 0) & (done.origins.parent >= 0))
        if len(rows) == 0:
            return
        assert self.atlas.sets is not None
        index, origins = self.atlas.sets.morse_index, done.origins.take(rows)
        for end, parent, direction, sign in zip(
            done.labels[rows], *vars(origins).values(), strict=True
        ):
            self.frontier.learn(parent, direction, end)
            if UNKNOWN not in (index[end], index[parent]):
                change = int(index[end] - index[parent])
                self.frontier.answer(parent, direction, sign, change)

    def coverage(self) -> float:
        """Estimate how much of what lies near is known."""
        # It is the share of the latest quarter of all searches that ended in known
        # sets, or nowhere.
        searches, found = np.array(self._past).T
        begin = np.flatnonzero(searches <= 0.75 * searches[-1])[-1]
        new = found[-1] - found[begin]
        return 1 - float(new / (searches[-1] - searches[begin]))

    def discovery(self) -> IntArray:
        """Return how many searches and sets there were after every round."""
        return np.array(self._past[1:])

    def _recognised(self, runs, invariants):
        """Find the sets that searches ended in, and add new ones."""
        labels, status = np.full(len(runs.status), -1), runs.status.copy()
        candidate = may_be_critical(self.problem, runs, self.tol)
        rows = np.flatnonzero(candidate)
        labels[rows] = self.atlas.recognise(invariants[rows])
        status[labels >= 0] = Status.CONVERGED
        rows = rows[labels[rows] < 0]
        if len(rows):
            labels[rows], after = self._discovered(runs.take(rows))
            status[rows] = verdict(status[rows], after)
        known = labels[labels >= 0]
        self.atlas.counts += np.bincount(known, minlength=len(self.atlas))
        return labels, status

    def _discovered(self, runs):
        """Describe points that were not recognised."""
        n = len(runs.status)
        calls = [
            (self.shared, runs.theta[i : i + _CHUNK], self.max_directions)
            for i in range(0, n, _CHUNK)
        ]
        done = list(run_batches(self.batches, describe_ends, calls))
        found = Description.concatenate([description for description, _ in done])
        directions = [way for _, ways in done for way in ways]
        labels = np.full(n, -1)
        rows = np.flatnonzero(found.status == Status.CONVERGED)
        if len(rows):
            labels[rows], new = self.atlas.add(found.take(rows))
            for row in rows[new]:
                self.frontier.add(directions[row], found.loss[row])
        return labels, found.status

    def vectors(self, tasks: list[Displacement]) -> FloatArray:
        """Return the directions of displacements.

        Parameters
        ----------
        tasks : list of Displacement
            Displacements from known sets.

        Returns
        -------
        vectors : ndarray of shape (n_tasks, n_params)
            Unit vectors; those that are not kept are computed again.
        """
        lost = sorted({task.label for task in tasks if task.vector is None})
        calls = []
        for i in range(0, len(lost), _CHUNK):
            assert self.atlas.sets is not None
            sets = self.atlas.sets.take(np.array(lost[i : i + _CHUNK]))
            inertia = sets.morse_index, sets.nullity
            calls.append((self.shared, sets.point, *inertia, self.max_directions))
        done = run_batches(self.batches, directions_at, calls) if calls else []
        again = dict(zip(lost, (way for part in done for way in part), strict=True))
        vectors = [
            again[task.label].vectors[task.direction]
            if task.vector is None
            else task.vector
            for task in tasks
        ]
        return np.array(vectors, dtype=float)

    def result(self) -> SearchResult:
        """Collect all rounds, with the sets by increasing loss.

        Returns
        -------
        result : SearchResult
            A row per search, in the coordinates of the user.
        """
        runs = SolverResult.concatenate([r.runs for r in self.rounds])
        status = np.concatenate([r.status for r in self.rounds])
        labels = np.concatenate([r.labels for r in self.rounds])
        squared = np.concatenate([r.squared for r in self.rounds])
        starts = np.concatenate([r.starts for r in self.rounds])
        runs = replace(runs, status=status)
        ends = undescribed(self.problem.loss, runs.theta, runs.loss, status, squared)
        sets = ends.empty() if self.atlas.sets is None else self.atlas.sets
        known = np.flatnonzero(labels >= 0)
        if len(known):
            # What a search ended in is described once, when it was found.
            nan = np.full(len(known), np.nan)
            named = replace(
                sets.take(labels[known]),
                squared_balanced_grad_norm=squared[known],
                distance=nan,
            )
            ends = ends.replace(known, named)
        order, rank = self.order()
        return SearchResult(
            starts=self.problem.back(starts),
            runs=self.problem.runs_back(runs),
            ends=self.problem.points_back(ends),
            labels=rank[labels],
            sets=self.problem.points_back(sets.take(order)),
            is_continuum=self.atlas.is_continuum[order],
        )

    def origins(self) -> Origins:
        """Collect where all searches set out, with sets numbered by increasing loss."""
        origins = Origins.concatenate([r.origins for r in self.rounds])
        _, rank = self.order()
        return replace(origins, parent=rank[origins.parent])

    def order(self) -> tuple[IntArray, IntArray]:
        """Order sets by loss; return the order and its inverse, which keeps -1."""
        sets = self.atlas.sets
        if sets is None:
            return np.empty(0, dtype=int), np.array([-1])
        order = np.lexsort((sets.morse_index, sets.loss))
        return order, np.append(np.argsort(order), -1)


def solve_ends(
    solver: Any, problem: Problem, theta0: FloatArray
) -> tuple[SolverResult, FloatArray, FloatArray]:
    """Solve a batch and name its ends by their invariants; what the store keeps."""
    # Invariants, in natural units, and squared gradient norms are those of the rescaled
    # ends.
    loss = problem.loss
    runs = solver.solve(loss, loss.asarray(theta0))
    ends = rescaled(loss, runs.theta)
    gradient = to_host(loss.gradient(ends))
    return runs, invariants_of(loss, ends), np.sum(gradient**2, axis=-1)


def describe_ends(
    problem: Problem, theta: FloatArray, max_directions: int | None
) -> tuple[Description, list[Directions | None]]:
    """Describe points that may be new sets, and the directions that lead away."""
    # The directions of a point that is not critical are None.
    loss, n = problem.loss, len(theta)
    status = np.full(n, Status.CONVERGED)
    found = describe(loss, theta, status, np.ones(n, dtype=bool), problem.scales)
    rows = np.flatnonzero(found.status == Status.CONVERGED)
    directions: list[Directions | None] = [None] * n
    if len(rows):
        sets = found.take(rows)
        inertia = sets.morse_index, sets.nullity
        ways = directions_at(problem, sets.point, *inertia, max_directions)
        for row, way in zip(rows, ways, strict=True):
            directions[row] = way
    return found, directions
