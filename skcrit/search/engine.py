"""From starts to critical sets: search, describe, group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from skcrit._backend import one_blas_thread, to_host
from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.losses.base import Loss
from skcrit.search.batches import Batches, run_batches
from skcrit.search.continua import join_continua
from skcrit.search.critical_sets import group_points
from skcrit.search.degenerate import grows_all_around
from skcrit.search.describe import Description, describe
from skcrit.search.polish import LONG, newton_length
from skcrit.search.problem import Problem, pose
from skcrit.search.runaway import escapes
from skcrit.search.shared import Shared
from skcrit.solvers.base import Solver
from skcrit.solvers.state import SolverResult
from skcrit.solvers.status import Status
from skcrit.solvers.tolerance import squared_norm

# A search that stalls at the level of rounding may have arrived, and one that makes
# only small steps may be at a degenerate point, if the scaled gradient is below this
# fraction of what is typical for the loss.
_NEARLY = 1e-6

# Beside a pole typical gradients are huge: such a search has arrived only if the
# critical point is this near, in length scales.
_CLOSE = 1e-4

# If Newton steps do not confirm an end and the scaled gradient is below this fraction,
# the search continues from there. After at most this number of iterations the squared
# gradient norm must have decreased to this fraction, within this distance in length
# scales.
_SMALL = 1e-3
_MORE_ITERATIONS = 100
_COLLAPSE = 1e-4
_NEAR = 0.1

# Number of attempts, until Newton steps confirm the new end.
_ROUNDS = 3


class Watch(Protocol):
    """An observer of a search in progress."""

    def begin(self, n_batches: int) -> None:
        """Register that a batch begins."""

    def end(self, so_far: Callable[[], SearchResult]) -> bool:
        """Register that a batch has ended; return whether to stop."""


@dataclass
class SearchResult:
    """Outcome of a search, and the critical sets it found.

    Attributes
    ----------
    starts : ndarray of shape (n_starts, n_params)
        Starts of the searches; only the first ones if the search was stopped.
    runs : SolverResult
        Results of the solver, a row per start.
    ends : Description
        Descriptions of their ends, a row per start.
    labels : ndarray of int of shape (n_starts,)
        Critical set of each start, by increasing loss; -1 if not converged.
    sets : Description
        A point of each critical set, a row per set.
    is_continuum : ndarray of bool of shape (n_sets,)
        Whether several starts ended at different points of the set, which are connected
        by a walk along critical points and not by a declared symmetry.
    """

    starts: FloatArray
    runs: SolverResult
    ends: Description
    labels: IntArray
    sets: Description
    is_continuum: BoolArray


def search(
    loss: Any,
    solver: Any,
    starts: FloatArray,
    *,
    batches: Batches | None = None,
    watch: Sequence[Watch] = (),
) -> SearchResult:
    """Search critical points from many starts.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    solver : Solver
        Object with ``solve(loss, theta0)``.
    starts : ndarray of shape (n_starts, n_params)
        Starting points.
    batches : Batches, default=None
        How starts are divided and distributed; None is one process.
    watch : sequence of Watch
        What is called before and after every batch.

    Returns
    -------
    result : SearchResult
        One row per start; only the first ones if a watch stopped the search.
    """
    return search_tols(loss, solver, starts, None, batches=batches, watch=watch)[0]


def search_tols(
    loss: Any,
    solver: Any,
    starts: FloatArray,
    tols: Sequence[float | str] | None,
    *,
    batches: Batches | None = None,
    watch: Sequence[Watch] = (),
) -> list[SearchResult]:
    """Search once, and describe the points at which starts reach several tolerances.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    solver : Solver
        Object with ``solve_tols(loss, theta0, tols)``.
    starts : ndarray of shape (n_starts, n_params)
        Starting points.
    tols : sequence of float or "auto", or None
        Tolerances; None is that of the solver.
    batches : Batches, default=None
        How starts are divided and distributed; None is one process.
    watch : sequence of Watch
        What is called before and after every batch.

    Returns
    -------
    results : list of SearchResult
        The results that :func:`search` would return at each tolerance.
    """
    with one_blas_thread():
        problem = pose(loss)
    batches = Batches() if batches is None else batches
    # A solver of a user need not support starts with parameters of their own.
    select = getattr(solver, "select", lambda rows: solver)
    slices, width = batches.tasks(len(starts), problem.loss)
    shared = Shared(problem)
    calls = [(select(rows), shared, starts[rows], tols, width) for rows in slices]
    done = run_batches(batches, solve_batch, calls)
    parts: list[Any] = []

    def so_far() -> SearchResult:
        with one_blas_thread():
            return joined(problem, starts, parts, -1)

    for _ in slices:
        for watcher in watch:
            watcher.begin(len(slices))
        parts.append(next(done))
        if any([watcher.end(so_far) for watcher in watch]):
            break
    done.close()  # type: ignore[attr-defined]
    with one_blas_thread():
        return [joined(problem, starts, parts, i) for i in range(len(parts[0]))]


def solve_batch(
    solver: Any, problem: Any, theta0: Any, tols: Any, width: Any = None
) -> Any:
    """Solve and describe some starts, as a worker does; the store keeps the result."""
    # A pair of SolverResult and Description for each tolerance; None is that of the
    # solver. ``width`` starts run at a time, None is all.
    loss, coordinates = problem.loss, problem.coordinates
    begin = coordinates.into(loss.asarray(theta0))
    if isinstance(solver, Solver):
        solver = copy(solver)
        solver.width = width
    if tols is None:
        results, tols = [solver.solve(loss, begin)], [getattr(solver, "tol", None)]
    else:
        results = solver.solve_tols(loss, begin, tols)
    outcomes = []
    for result, tol in zip(results, tols, strict=True):
        examine = may_be_critical(problem, result, tol)
        ends = describe(loss, result.theta, result.status, examine, problem.scales)
        ends = _continued(solver, problem, result, ends)
        status = verdict(result.status, ends.status)
        gone = escapes(loss, begin, replace(result, status=status), problem.scales)
        status = np.where(gone, Status.ESCAPED, status)
        runs = problem.runs_back(replace(result, status=status))
        outcomes.append((runs, problem.points_back(replace(ends, status=status))))
    return outcomes


def _continued(
    solver: Any, problem: Problem, runs: SolverResult, ends: Description
) -> Description:
    """Continue the search itself from ends that Newton steps do not confirm."""
    # At degenerate points the weak directions bend within the length of a Newton step.
    # A method that has come near such a point comes nearer; on a tail it runs away. If
    # a search has not reached the tolerance, its gradient collapses on a tail too,
    # because the components across the tail still decrease.
    reached = runs.status == Status.CONVERGED
    rows = np.flatnonzero((ends.status == Status.UNCONFIRMED) & reached)
    rows = rows[_is_flat(problem, runs.theta[rows], _SMALL)]
    if len(rows) == 0 or not isinstance(solver, Solver):
        return ends
    theta, squared = runs.theta[rows], runs.squared_grad_norm[rows]
    for _ in range(_ROUNDS):
        select = np.zeros(len(ends.status), dtype=bool)
        select[rows] = True
        part = solver.select(select)
        near, again, theta, squared = _closer(part, problem, theta, squared)
        # An end that Newton steps still do not confirm is degenerate, and its inertia
        # unknown. It is a critical point if gradients grow in all directions, which
        # they do not on a tail.
        unsure = np.flatnonzero(near & (again.status == Status.UNCONFIRMED))
        grows = grows_all_around(problem.loss, theta[unsure], problem.scales)
        again.status[unsure[grows]] = Status.CONVERGED
        judged = np.flatnonzero(near & (again.status != Status.UNCONFIRMED))
        ends = ends.replace(rows[judged], again.take(judged))
        rows, theta, squared = rows[unsure], theta[unsure], squared[unsure]
        if len(rows) == 0:
            break
    return ends


def _closer(
    solver: Solver, problem: Problem, begin: FloatArray, before: FloatArray
) -> tuple[BoolArray, Description, FloatArray, FloatArray]:
    """Let searches come closer to critical points, and describe their new ends."""
    further = copy(solver)
    further.max_iter, further.store_history = _MORE_ITERATIONS, False
    further.width = None
    theta, squared = _goes_on(problem.loss, further, begin, before)
    moved = np.linalg.norm((theta - begin) / to_host(problem.scales.length), axis=1)
    near = (squared <= _COLLAPSE * before) & (moved <= _NEAR)
    # Near a pole gradients collapse on a short way too, but remain large.
    near &= _is_flat(problem, theta, _NEARLY)
    # On a tail the gradient across it collapses, and the rest leads further and
    # further.
    near &= newton_length(problem.loss, theta, problem.scales) <= LONG
    status = np.where(near, Status.CONVERGED, Status.UNCONFIRMED)
    again = describe(problem.loss, theta, status, near, problem.scales)
    again.distance = np.where(np.isnan(again.distance), moved, again.distance)
    return near, again, theta, squared


def _goes_on(
    loss: Loss, solver: Solver, begin: FloatArray, before: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Run a solver until each squared gradient norm has collapsed."""
    # Goals are whole powers of ten, so that there are few. Each start has its own goal,
    # so that its end does not depend on the others in its batch.
    with np.errstate(divide="ignore"):
        goals = 10.0 ** np.floor(np.log10(before * _COLLAPSE**2))
    goals = np.maximum(goals, np.finfo(float).tiny)
    levels, level = np.unique(goals, return_inverse=True)
    results = solver.solve_tols(loss, loss.asarray(begin), levels.tolist())
    chosen = [(results[k], row) for row, k in enumerate(level)]
    theta = np.stack([result.theta[row] for result, row in chosen])
    squared = np.array([result.squared_grad_norm[row] for result, row in chosen])
    return theta, squared


def may_be_critical(
    problem: Problem, runs: SolverResult, tol: float | str | None
) -> BoolArray:
    """Choose ends that have reached the tolerance, or the level of rounding."""
    reached = runs.status == Status.CONVERGED
    if tol != "auto":
        return reached
    stopped = np.isin(runs.status, (Status.STALLED, Status.MAX_ITER))
    rows = np.flatnonzero(stopped & np.all(np.isfinite(runs.theta), axis=1))
    if len(rows) == 0:
        return reached
    reached = reached.copy()
    reached[rows] = _is_flat(problem, runs.theta[rows], _NEARLY)
    rows = np.flatnonzero(reached & stopped)
    if len(rows):
        distance = newton_length(problem.loss, runs.theta[rows], problem.scales)
        reached[rows] = distance <= _CLOSE
    return reached


def _is_flat(problem: Problem, theta: FloatArray, part: float) -> BoolArray:
    """Return at which points the gradient is small beside what is typical."""
    gradient = problem.loss.gradient(problem.loss.asarray(theta))
    near = squared_norm(gradient * problem.scales.length)
    return near <= (part * problem.scales.curvature) ** 2


def verdict(before: IntArray, after: IntArray) -> IntArray:
    """Combine the status of searches with that of their examined ends."""
    # A start that has not reached the tolerance keeps its status, unless it has reached
    # a critical point nevertheless.
    judged = (after == Status.CONVERGED) | (before == Status.CONVERGED)
    return np.where(judged, after, before)


def joined(problem: Any, starts: Any, parts: Any, which: Any) -> Any:
    """Join batches, and group their ends into critical sets."""
    results, ends = zip(*(part[which] for part in parts), strict=True)
    runs = SolverResult.concatenate(results)
    ends = Description.concatenate(ends)
    rows = np.flatnonzero(runs.status == Status.CONVERGED)
    labels, sets, is_continuum = find_sets(problem, ends.take(rows))
    all_labels = np.full(len(runs.status), -1)
    all_labels[rows] = labels
    begin = starts[: len(all_labels)]
    return SearchResult(begin, runs, ends, all_labels, sets, is_continuum)


def find_sets(
    problem: Problem, points: Description
) -> tuple[IntArray, Description, BoolArray]:
    """Group critical points into sets, in the order of their losses."""
    # Returns the set of each point, a point of each set, and whether walks joined it.
    labels, leaders = group_points(points)
    sets = points.take(leaders)
    inside = replace(sets, point=problem.into(sets.point))
    component, joined = join_continua(problem.loss, inside, problem.scales)
    # The point with the least error represents a continuum: leaders come in this order.
    _, first, number = np.unique(component, return_index=True, return_inverse=True)
    sets, is_continuum = sets.take(first), joined[first]
    order = np.lexsort((sets.morse_index, sets.loss))
    rank = np.argsort(order)
    labels = rank[number[labels]] if len(labels) else labels
    return labels, sets.take(order), is_continuum[order]
