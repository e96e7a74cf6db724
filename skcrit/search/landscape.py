"""The rounds of a landscape exploration: search, recognise, describe, record."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._rows import GrowingArray
from skcrit._typing import FloatArray, IntArray
from skcrit.losses.symmetries import rescaled
from skcrit.search.atlas import Atlas
from skcrit.search.batches import Batches, run_batches
from skcrit.search.departures import Displaced, Origins, Searches
from skcrit.search.describe import (
    UNKNOWN,
    Description,
    describe,
    invariants_of,
    unplaced,
)
from skcrit.search.directions import Directions, directions_at, within
from skcrit.search.engine import SearchResult, may_be_critical, verdict
from skcrit.search.frontier import Frontier
from skcrit.search.problem import Problem
from skcrit.search.runaway import escapes
from skcrit.search.shared import Shared
from skcrit.solvers.state import SolverResult
from skcrit.solvers.status import Status

# Number of new points that are described together, with several eigenproblems each.
_CHUNK = 32

# Label of the end of a search that is not a critical point.
_NO_CANDIDATE = -2


@dataclass
class _Round:
    """One round of searches, whose new ends have to be described."""

    starts: FloatArray
    theta: FloatArray
    runs: SolverResult
    squared: FloatArray
    labels: IntArray
    status: IntArray
    origins: Origins
    new: IntArray


@dataclass
class Landscape:
    """Search in rounds, and keep the ends of all searches.

    Points are in the coordinates of the search.
    """

    problem: Problem
    batches: Batches
    max_directions: int | None  # tried from a set
    n_passes: int  # tries of every direction in each orientation
    tol: float | str
    max_index: int | None = None  # largest Morse index that is sought
    rounds: list[_Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.shared = Shared(self.problem)
        self.atlas = Atlas(self.problem.coordinates.loss, self.problem.scales)
        eps = float(np.finfo(self.problem.loss.dtype).eps)
        self.frontier = Frontier(self.n_passes, eps, self.max_index is not None)
        self.n_searches = 0
        self.stop_reason: str | None = None
        self._past = [(0, 0)]
        self._starts, self._ends = GrowingArray(), GrowingArray()
        self._open: _Round | None = None

    @property
    def n_failed(self) -> int:
        """Number of searches that did not end at a critical point."""
        return int(sum(np.sum(r.status != Status.CONVERGED) for r in self.rounds))

    def first_failed(self) -> float:
        """Return the share of failures among searches from random starts."""
        failed = np.concatenate([r.status != Status.CONVERGED for r in self.rounds])
        parent = np.concatenate([r.origins.parent for r in self.rounds])
        return float(np.mean(failed[parent < 0]))

    @property
    def is_open(self) -> bool:
        """Whether searches have ended whose ends are not described yet."""
        return self._open is not None

    def step(self, searches: Searches | None) -> Generator[None, None, None]:
        """Describe the ends of the last searches, and run the next ones, if any."""
        # It yields once, when the results of the last searches are known and the next
        # ones still run, so that the round after these can be prepared while all
        # workers are busy. The knowledge of a round does not depend on timing.
        last, self._open = self._open, None
        calls = [] if last is None else self._to_describe(last)
        n_calls = len(calls)
        if searches is not None:
            rows = self.batches.slices(len(searches), self.problem.loss)
            calls += [(solve_ends, self.shared, *searches.part(r)) for r in rows]
        done = run_batches(self.batches, work, calls) if calls else iter(())
        try:
            if last is not None:
                self._settle(last, list(islice(done, n_calls)))
            yield
            if searches is not None:
                self._open = self._ended(searches, done)
        finally:
            if calls:
                done.close()  # type: ignore[attr-defined]

    def _ended(self, searches: Searches, done: Iterable[Any]) -> _Round:
        """Collect the ends of searches, and recognise known sets among them."""
        outcomes, labels = [], []
        for starts, runs, invariants, squared in done:
            candidate = may_be_critical(self.problem, runs, self.tol)
            known = np.full(len(candidate), -1)
            known[candidate] = self.atlas.recognise(invariants[candidate])
            labels.append(np.where(candidate, known, _NO_CANDIDATE))
            outcomes.append((starts, runs, squared))
        starts, results, squared = zip(*outcomes, strict=True)
        runs, found = SolverResult.concatenate(results), np.concatenate(labels)
        return _Round(
            starts=np.concatenate(starts),
            theta=runs.theta,
            runs=runs,
            squared=np.concatenate(squared),
            labels=np.maximum(found, -1),
            status=np.where(found >= 0, Status.CONVERGED, runs.status),
            origins=searches.origins,
            new=np.flatnonzero(found == -1),
        )

    def _to_describe(self, done: _Round) -> list[tuple]:
        """List the calls that describe points that may be new."""
        theta = done.theta[done.new]
        return [
            (describe_ends, self.shared, theta[i : i + _CHUNK], self.max_directions)
            for i in range(0, len(theta), _CHUNK)
        ]

    def _settle(self, done: _Round, described: list[Any]) -> None:
        """Keep a round, add its new sets, and update the frontier."""
        known = len(self.atlas)
        if described:
            rows = done.new
            done.labels[rows], after = self._discovered(described)
            done.status[rows] = verdict(done.status[rows], after)
        found = done.labels[done.labels >= 0]
        self.atlas.counts += np.bincount(found, minlength=len(self.atlas))
        self._reward(done, known)
        self.n_searches += len(done.starts)
        # Points need most of the memory of a fit: all are in one array, without copies.
        self._starts.add(self.problem.back(done.starts))
        runs = self.problem.runs_back(done.runs)
        self._ends.add(runs.theta)
        none = runs.theta[:, :0].copy()
        self.rounds.append(
            replace(done, starts=none, theta=none, runs=replace(runs, theta=none))
        )
        self._past.append((self.n_searches, len(self.atlas)))

    def _reward(self, done: _Round, known: int) -> None:
        """Report the ends of searches, and the sets from which new ones were found."""
        _, first = np.unique(done.labels, return_index=True)
        for row in first[done.labels[first] >= known]:
            if done.origins.parent[row] >= 0:
                self.frontier.reward(int(done.origins.parent[row]))
        rows = np.flatnonzero((done.labels >= 0) & (done.origins.parent >= 0))
        if len(rows) == 0:
            return
        atlas, origins = self.atlas, done.origins.take(rows)
        index = atlas.points.morse_index[atlas.point_of]
        ways = [column.tolist() for column in vars(origins).values()]
        for end, parent, direction, sign in zip(
            done.labels[rows].tolist(), *ways, strict=True
        ):
            self.frontier.learn(parent, direction, end)
            if UNKNOWN not in (index[end], index[parent]):
                change = int(index[end] - index[parent])
                self.frontier.answer(parent, direction, sign, change)

    def coverage(self) -> float:
        """Estimate which fraction of the nearby sets is known."""
        # It is the share of the latest quarter of all searches that ended in known sets
        # or did not converge.
        searches, found = np.array(self._past).T
        begin = np.flatnonzero(searches <= 0.75 * searches[-1])[-1]
        new = found[-1] - found[begin]
        return 1 - float(new / (searches[-1] - searches[begin]))

    def discovery(self) -> IntArray:
        """Return the numbers of searches and sets after every round."""
        return np.array(self._past[1:])

    def _discovered(self, described: list[Any]) -> tuple[IntArray, IntArray]:
        """Add the new sets among points that were not recognised."""
        found = Description.concatenate([description for description, _ in described])
        directions = [way for _, ways in described for way in ways]
        labels = np.full(len(found.status), -1)
        rows = np.flatnonzero(found.status == Status.CONVERGED)
        if len(rows):
            labels[rows], new = self.atlas.add(found.take(rows))
            for row in rows[new]:
                ways = within(directions[row], found.morse_index[row], self.max_index)
                self.frontier.add(ways, found.loss[row])
        return labels, found.status

    def result(self) -> SearchResult:
        """Collect all rounds, in the user's coordinates, sets by increasing loss."""
        # The ends of searches are without points, and all descriptions without
        # invariants.
        runs = SolverResult.concatenate([r.runs for r in self.rounds])
        status = np.concatenate([r.status for r in self.rounds])
        labels = np.concatenate([r.labels for r in self.rounds])
        squared = np.concatenate([r.squared for r in self.rounds])
        n_params = self._ends.rows.shape[1]
        ends = sets = unplaced(runs.loss, status, squared, n_params)
        sets = replace(sets.empty(), point=np.empty((0, n_params)))
        order, rank = self.order()
        known = np.flatnonzero(labels >= 0)
        if len(known):
            # The end of a search is described once, when its set was found.
            points = self.atlas.points
            plain = replace(points, point=points.point[:, :0])
            plain, point_of = plain.take(self.atlas.point_of), self.atlas.point_of
            named = replace(
                plain.take(labels[known]),
                squared_balanced_grad_norm=squared[known],
                distance=np.full(len(known), np.nan),
            )
            ends = ends.replace(known, named)
            point = self.problem.back(points.point, point_of[order])
            sets = replace(plain.take(order), point=point)
        return SearchResult(
            starts=self._starts.rows,
            runs=replace(runs, theta=self._ends.rows, status=status),
            ends=ends,
            labels=rank[labels],
            sets=sets,
            is_continuum=self.atlas.is_continuum[order],
        )

    def origins(self) -> Origins:
        """Collect the origins of all searches; sets are numbered by increasing loss."""
        origins = Origins.concatenate([r.origins for r in self.rounds])
        _, rank = self.order()
        return replace(origins, parent=rank[origins.parent])

    def order(self) -> tuple[IntArray, IntArray]:
        """Order sets by loss; return the order and its inverse, which keeps -1."""
        if len(self.atlas) == 0:
            return np.empty(0, dtype=int), np.array([-1])
        points, rows = self.atlas.points, self.atlas.point_of
        order = np.lexsort((points.morse_index[rows], points.loss[rows]))
        return order, np.append(np.argsort(order), -1)


def work(task: Callable[..., Any], *arguments: Any) -> Any:
    """Do one of the two tasks of a round; the store keeps the result."""
    return task(*arguments)


def solve_ends(
    problem: Problem, solver: Any, starts: FloatArray | Displaced
) -> tuple[FloatArray, SolverResult, FloatArray, FloatArray]:
    """Solve a batch and compute the invariants of its ends."""
    # Invariants, in natural units, and squared gradient norms are those of the rescaled
    # ends.
    loss = problem.loss
    theta0 = starts.starts(problem) if isinstance(starts, Displaced) else starts
    runs = solver.solve(loss, loss.asarray(theta0))
    gone = escapes(loss, theta0, runs, problem.scales)
    runs = replace(runs, status=np.where(gone, Status.ESCAPED, runs.status))
    ends = rescaled(loss, runs.theta)
    gradient = to_host(loss.gradient(ends))
    return theta0, runs, invariants_of(loss, ends), np.sum(gradient**2, axis=-1)


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
