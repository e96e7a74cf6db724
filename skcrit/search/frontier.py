"""Where an exploration searches next: displacements from known sets, in order."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from dataclasses import dataclass, replace
from operator import itemgetter

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import FloatArray, IntArray
from skcrit.linalg import (
    direction_level,
    eigh_apart,
    pseudoinverse_level,
    rounding_level,
)
from skcrit.linalg.rounding import UNIT
from skcrit.search.describe import UNKNOWN
from skcrit.search.forecast import Forecast, Measured
from skcrit.search.problem import Problem
from skcrit.solvers.tolerance import ROUNDING

__all__ = [
    "Directions",
    "Displacement",
    "Frontier",
    "directions_at",
    "order_directions",
]

# Random directions in the kernel of the Hessian, per set.
_N_FLAT = 16

# Numbers in the directions that are kept: 256 MiB in single precision. Those of later
# sets are computed again for the few that are tried.
_MOST_NUMBERS = 2**26

# Eigenvalues that differ by less, relative to themselves, are one of higher
# multiplicity. Relative to the largest, all weak directions of raw data would be one.
_EQUAL = 1e-6

# If more than this part of neighbouring losses are the same, a loss names no set.
_FEW = 0.01


@dataclass
class Directions:
    """Ways to leave a critical point.

    Attributes
    ----------
    vectors : ndarray of float32 of shape (n_directions, n_params), or None
        Unit vectors, in the order to try them; None if they have to be computed again.
    n_unstable : int
        How many of them, the first ones, are unstable.
    curvatures : ndarray of shape (n_directions,)
        Eigenvalues of the Hessian; zero for flat directions.
    error : float
        Up to which two curvatures may be the same.
    """

    vectors: FloatArray | None
    n_unstable: int
    curvatures: FloatArray
    error: float = 0.0


@dataclass
class Displacement:
    """A search to come: from which set, along which direction.

    Attributes
    ----------
    label : int
        Set.
    direction : int
        Number of the direction.
    sign : int
        One or minus one.
    turn : int
        How often the direction has been tried this way.
    vector : ndarray of shape (n_params,), or None
        The direction, if it is kept.
    change : int
        By how much the Morse index is asked to change; 0 asks for nothing.
    """

    label: int
    direction: int
    sign: int
    turn: int
    vector: FloatArray | None
    change: int


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


def _flat(kernel: FloatArray) -> FloatArray:
    """Draw directions in the kernel: a degenerate saddle has no unstable ones."""
    if len(kernel) == 0:
        return kernel
    weights = np.random.default_rng(0).standard_normal((_N_FLAT, len(kernel)))
    drawn = weights @ kernel
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def _way(task: Displacement) -> tuple[int, int, int]:
    """Name the way on which a search sets out."""
    return task.label, task.direction, task.sign


def _passes(n_passes: int, begin: int = 0) -> list[tuple[int, bool]]:
    """Order passes, each a number and whether it is one of stable directions."""
    # Unstable directions are few and lead to most sets: both ways to search along them,
    # before the many others.
    numbers = range(begin, begin + n_passes)
    order = sorted((n // 2, is_stable, n) for n in numbers for is_stable in (0, 1))
    return [(number, bool(is_stable)) for _, is_stable, number in order]


class Frontier:
    """Untried displacements, in stages: unstable directions, the others, and again.

    Two passes over the unstable directions come before two over the others. Every
    other try leaves the end open to the local search; the rest asks for a critical
    point of the next Morse index, lower along unstable directions and higher along
    stable ones. Which sets are easily found depends on that.

    Within a stage those of the sets with the fewest fruitless tries go first, of these
    the newest set's: a set from which others were found is likely to have more
    neighbours. A set tries every direction of a stage one way, then the other way. What
    seems to lead to a known set, or to the end of another search of the round, waits
    for the end of its stage: the :class:`~skcrit.search.forecast.Forecast` says so by
    the loss, if it knows. A try that asks for the next index waits until earlier ones
    on the same way have ended, and goes last of all if one of them has ended there.

    Parameters
    ----------
    n_passes : int
        How often every direction is tried each way.
    eps : float, default=2**-52
        Machine epsilon of the losses.
    """

    def __init__(self, n_passes: int, eps: float = 2 * UNIT) -> None:
        self.n_passes = n_passes
        self.eps = eps
        self._schedule = _passes(n_passes)
        # Stage of each set, and its tries and discoveries there; the last is over.
        self._stage: list[int] = []
        self._tries: list[int] = []
        self._found: list[int] = []
        self._directions: list[Directions] = []
        self._n_kept = 0
        self._losses: list[float] = []
        self._largest = 0.0
        self._forecast = Forecast()
        # Set, direction and sign of searches that ended at the next Morse index.
        self._answered: set[tuple[int, int, int]] = set()
        # What has to wait, with its stage and a number that keeps the order.
        self._waiting: list[tuple[int, int, Displacement]] = []
        self._n_waited = 0

    def add(self, directions: Directions, loss: float) -> None:
        """Add the directions of the next set."""
        self._n_kept += 0 if directions.vectors is None else directions.vectors.size
        if self._n_kept > _MOST_NUMBERS:
            # They are nearly all that a set takes, and few of them are ever tried.
            directions = replace(directions, vectors=None)
        self._directions.append(directions)
        self._losses.append(float(loss))
        self._largest = max(self._largest, abs(float(loss)))
        self._stage.append(0)
        self._tries.append(0)
        self._found.append(0)
        self._advance(len(self._directions) - 1)

    def reward(self, label: int) -> None:
        """Take note that a displacement from a set led to a new set."""
        self._found[label] += 1

    def learn(self, label: int, direction: int, end: int) -> None:
        """Take note that a search from a set, along a direction, ended in a set."""
        curvature = self._curvature(label, direction)
        if curvature.value != 0:
            change = self._losses[end] - self._losses[label]
            self._forecast.learn(curvature, Measured(change, self._error()))

    def answer(self, label: int, direction: int, sign: int, change: int) -> None:
        """Take note of the change of the Morse index along a way from a set."""
        if change != 0 and change == self._asked(label, direction):
            self._answered.add((label, direction, sign))

    def _asked(self, label: int, direction: int) -> int:
        """Return the change of the Morse index that a direction promises."""
        return int(np.sign(self._directions[label].curvatures[direction]))

    def _curvature(self, label: int, direction: int) -> Measured:
        """Return the curvature along a direction."""
        directions = self._directions[label]
        return Measured(float(directions.curvatures[direction]), directions.error)

    def _error(self) -> float:
        """Bound the rounding errors of losses: below it they are the same."""
        return ROUNDING * self.eps * self._largest

    @property
    def n_sets(self) -> int:
        """Number of sets whose directions are known."""
        return len(self._directions)

    def extend(self) -> None:
        """Try all directions again, as often as before, once none is left."""
        begin = len(self._schedule) // 2
        self._schedule += _passes(self.n_passes, begin)
        for label in range(len(self._directions)):
            self._advance(label)

    def pop(self, n_tasks: int) -> list[Displacement]:
        """Take the next displacements, at most so many; none if nothing is left."""
        heap = [self._key(label) for label in range(len(self._directions))]
        heap = [key for key in heap if key[0] < len(self._schedule)]
        heapq.heapify(heap)
        losses = sorted(self._losses) if self._losses_tell_apart() else []
        last, ways = len(self._schedule) - 1, set()
        # Early is what asks for more than another search of this round may find.
        taken: list[tuple[int, int, Displacement]] = []
        early: list[tuple[int, int, Displacement]] = []
        while (heap or self._waiting) and len(taken) < n_tasks:
            stage = heap[0][0] if heap else last + 1
            if self._waiting and self._waiting[0][0] < stage:
                waited, _, task = heapq.heappop(self._waiting)
                goes_on = waited == last or not self._is_answered(task)
                stage = last
            else:
                task = self._next(-heapq.heappop(heap)[-1])
                if self._stage[task.label] < len(self._schedule):
                    heapq.heappush(heap, self._key(task.label))
                if self._is_answered(task):
                    stage, goes_on = last, False
                else:
                    goes_on = not self._is_expected(task, losses)
            if not goes_on:
                self._wait(stage, task)
                continue
            is_early = task.change != 0 and _way(task) in ways
            number = len(taken) + len(early)
            (early if is_early else taken).append((number, stage, task))
            ways.add(_way(task))
        room = n_tasks - len(taken)
        for _, stage, task in early[room:]:
            self._wait(stage, task)
        return [task for *_, task in sorted(taken + early[:room], key=itemgetter(0))]

    def _wait(self, stage: int, task: Displacement) -> None:
        """Let a task wait until a stage is over."""
        heapq.heappush(self._waiting, (stage, self._n_waited, task))
        self._n_waited += 1

    def _is_answered(self, task: Displacement) -> bool:
        """Return whether a search has ended at the Morse index that is asked for."""
        return task.change != 0 and _way(task) in self._answered

    def _losses_tell_apart(self) -> bool:
        """Return whether different sets have different losses, with few exceptions."""
        gaps = np.diff(np.sort(self._losses))
        return bool(np.sum(gaps <= self._error()) <= _FEW * len(gaps))

    def _next(self, label: int) -> Displacement:
        """Take the next displacement from a set."""
        stage = self._stage[label]
        begin, n = self._range(label, stage)
        turn, step = divmod(self._tries[label], n)
        direction = begin + step
        sign = (-1) ** (turn + label + direction)
        vectors = self._directions[label].vectors
        vector = None if vectors is None else vectors[direction]
        self._tries[label] += 1
        self._advance(label)
        # Every other pass asks for an index; along the stable directions, which are so
        # many that one pass can be all, every other way does.
        number, is_stable = self._schedule[stage]
        asks = (number + is_stable * turn) % 2 == 1
        change = self._asked(label, direction) if asks else 0
        return Displacement(label, direction, sign, number, vector, change)

    def _is_expected(self, task: Displacement, losses: list[float]) -> bool:
        """Return whether a search will end at one of the losses; else add its own."""
        change = self._forecast.change(self._curvature(task.label, task.direction))
        if change is None or not losses:
            return False
        loss = self._losses[task.label] + change
        position = bisect_left(losses, loss)
        near = losses[max(position - 1, 0) : position + 1]
        if any(abs(other - loss) <= self._error() for other in near):
            return True
        losses.insert(position, loss)
        return False

    def _key(self, label: int) -> tuple[int, int, int]:
        """Return what is compared: the smallest goes first."""
        fruitless = self._tries[label] - self._found[label]
        return self._stage[label], fruitless, -label

    def _range(self, label: int, stage: int) -> tuple[int, int]:
        """Return the first direction of a stage, and how many it has."""
        directions = self._directions[label]
        n_unstable = directions.n_unstable
        if not self._schedule[stage][1]:
            return 0, n_unstable
        return n_unstable, len(directions.curvatures) - n_unstable

    def _advance(self, label: int) -> None:
        """Go to the next stage that has directions left, if this one is over."""
        while self._stage[label] < len(self._schedule):
            if self._tries[label] < 2 * self._range(label, self._stage[label])[1]:
                return
            self._stage[label] += 1
            self._tries[label] = self._found[label] = 0
