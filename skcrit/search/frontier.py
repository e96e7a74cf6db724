"""The next searches of an exploration: displacements from known sets, in order."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from dataclasses import replace
from operator import itemgetter

import numpy as np

from skcrit.linalg.rounding import UNIT
from skcrit.search.directions import Directions
from skcrit.search.forecast import Forecast, Measured
from skcrit.search.tries import Displacement, Queue, Try, Way
from skcrit.solvers.tolerance import ROUNDING

# Numbers in the directions that are kept: 256 MiB in single precision. They belong to
# the newest sets, which are tried most; others are computed again when they are tried.
_MOST_NUMBERS = 2**26

# If more than this fraction of neighbouring losses are equal, losses do not identify
# sets.
_FEW = 0.01


def _passes(n_passes: int, begin: int = 0) -> list[tuple[int, bool]]:
    """Order passes; each has a number and says whether its directions are stable."""
    # Unstable directions are few and lead to most sets: they are searched in both ways
    # before the many others.
    numbers = range(begin, begin + n_passes)
    order = sorted((n // 2, is_stable, n) for n in numbers for is_stable in (0, 1))
    return [(number, bool(is_stable)) for _, is_stable, number in order]


class Frontier:
    """Untried displacements, in stages: unstable directions, the others, and again.

    Two passes over the unstable directions come before two over the others. Every
    second try leaves the Morse index of the end open (none with ``always_asks``). The
    others ask for a critical point of the next Morse index, lower along unstable
    directions and higher along stable ones, because each kind of search finds other
    sets easily.

    Within a stage, displacements from the sets with the fewest unsuccessful tries come
    first, and among these those of the newest set, because a set from which others were
    found is likely to have more neighbours. A set tries every direction of a stage in
    one orientation, then in the other, ``n_passes`` times. If the
    :class:`~skcrit.search.forecast.Forecast` predicts from the loss that a displacement
    leads to a known set, or to the end of another search of the round, it waits for the
    end of its stage. A try that asks for the next index waits until earlier ones on the
    same way have ended, and comes last of all if one of them has ended at that index.
    """

    def __init__(
        self, n_passes: int, eps: float = 2 * UNIT, always_asks: bool = False
    ) -> None:
        self.n_passes = n_passes
        self.eps = eps
        self.always_asks = always_asks
        self._schedule = _passes(n_passes)
        # Stage of each set, with its tries and discoveries there; the last stage means
        # that it is finished.
        self._stage: list[int] = []
        self._tries: list[int] = []
        self._found: list[int] = []
        self._directions: list[Directions] = []
        self._n_kept = self._n_forgotten = 0
        self._losses: list[float] = []
        self._largest = 0.0
        self._forecast = Forecast()
        # Set, direction and sign of searches that ended at the next Morse index.
        self._answered: set[Way] = set()
        # The keys of all sets, and outdated keys, which are skipped.
        self._heap: list[tuple[int, int, int]] = []
        # Tries that have to wait, by the stage whose end they wait for.
        self._waiting: dict[int, Queue] = {}
        # For the searches that were taken last: the losses at which they are expected
        # to end, the ways on which they begin, the stage of the last one, and whether
        # it had waited.
        self._expected: list[float] = []
        self._ways: set[Way] = set()
        self._reached = (0, False)
        # Displacements that were too few for a round.
        self._held: list[Displacement] = []

    def add(self, directions: Directions, loss: float) -> None:
        """Add the directions of the next set."""
        self._directions.append(directions)
        self._n_kept += directions.vectors.size
        while self._n_kept > _MOST_NUMBERS:
            oldest = self._directions[self._n_forgotten]
            self._n_kept -= oldest.vectors.size
            none = np.empty((0, oldest.vectors.shape[1]), dtype=np.float32)
            self._directions[self._n_forgotten] = replace(oldest, vectors=none)
            self._n_forgotten += 1
        self._losses.append(float(loss))
        self._largest = max(self._largest, abs(float(loss)))
        self._stage.append(0)
        self._tries.append(0)
        self._found.append(0)
        self._advance(len(self._directions) - 1)

    def reward(self, label: int) -> None:
        """Record that a displacement from a set led to a new set."""
        self._found[label] += 1
        heapq.heappush(self._heap, self._key(label))

    def learn(self, label: int, direction: int, end: int) -> None:
        """Record the set in which a search from a set along a direction ended."""
        curvature = self._curvature(label, direction)
        if curvature.value != 0:
            change = self._losses[end] - self._losses[label]
            self._forecast.learn(curvature, Measured(change, self._error()))

    def answer(self, label: int, direction: int, sign: int, change: int) -> None:
        """Record the change of the Morse index along a way from a set."""
        if change != 0 and change == self._asked(label, direction):
            self._answered.add((label, direction, sign))

    def _asked(self, label: int, direction: int) -> int:
        """Return the change of the Morse index that is expected along a direction."""
        return int(np.sign(self._directions[label].curvatures[direction]))

    def _curvature(self, label: int, direction: int) -> Measured:
        """Return the curvature along a direction."""
        directions = self._directions[label]
        return Measured(float(directions.curvatures[direction]), directions.error)

    def _error(self) -> float:
        """Bound the rounding errors of losses; smaller differences do not count."""
        return ROUNDING * self.eps * self._largest

    @property
    def n_sets(self) -> int:
        """Number of sets whose directions are known."""
        return len(self._directions)

    def extend(self) -> None:
        """Add as many passes over all directions as before, when all are finished."""
        begin = len(self._schedule) // 2
        self._schedule += _passes(self.n_passes, begin)
        for label in range(len(self._directions)):
            self._advance(label)

    def pop(self, n_tasks: int, meanwhile: bool = False) -> list[Displacement]:
        """Take at most n_tasks displacements; fewer, or none, if nothing is left."""
        # If meanwhile is True, the searches that were taken before still run, and their
        # ends can only be predicted. The displacements from what they find may be
        # better than those of a later stage, so that all of a round come from the same
        # stage.
        taken = list(enumerate(self._held[:n_tasks]))
        self._held = self._held[n_tasks:]
        if not (meanwhile or taken):
            self._expected, self._ways = [], set()
        ways, self._ways = self._ways, {task.way for _, task in taken}
        losses = self._known_losses()
        limit = self._reached if meanwhile else (len(self._schedule), True)
        # A try is early if a search that still runs may give its answer.
        early: list[tuple[int, Displacement, int, Try]] = []
        is_over = False
        while len(taken) < n_tasks and not is_over:
            come = self._next_stage()
            if come[0] == len(self._schedule):
                break
            is_over = come > limit
            if is_over:
                break
            self._reached = come
            attempt, until, goes_on = self._next(*come, losses)
            if not goes_on:
                self._wait(until, attempt)
                continue
            task, number = self._displacement(*attempt), len(taken) + len(early)
            if task.change != 0 and (task.way in ways or task.way in self._ways):
                early.append((number, task, until, attempt))
            else:
                taken.append((number, task))
            self._ways.add(task.way)
        room = 0 if is_over else n_tasks - len(taken)
        for _, _, until, attempt in early[room:]:
            self._wait(until, attempt)
        chosen = taken + [(number, task) for number, task, *_ in early[:room]]
        tasks = [task for _, task in sorted(chosen, key=itemgetter(0))]
        if is_over:
            tasks, self._held = [], tasks + self._held
        return tasks

    def _known_losses(self) -> list[float]:
        """Sort known and expected losses; empty if losses do not identify sets."""
        expected, self._expected = self._expected, []
        if not self._losses_tell_apart():
            return []
        return sorted(self._losses + expected)

    def _next_stage(self) -> tuple[int, bool]:
        """Return the stage of the next try, and whether it has waited for its end."""
        none = len(self._schedule)
        label, waits = self._first(), min(self._waiting, default=none)
        stage = none if label < 0 else self._stage[label]
        return min(stage, waits), waits < stage

    def _next(
        self, stage: int, has_waited: bool, losses: list[float]
    ) -> tuple[Try, int, bool]:
        """Take the next try; return it, a stage to wait for, and if it may go now."""
        last = len(self._schedule) - 1
        if has_waited:
            attempt = self._waiting[stage].take()
            if not self._waiting[stage]:
                del self._waiting[stage]
            return attempt, last, stage == last or not self._is_answered(*attempt)
        label = self._first()
        attempt = label, stage, self._tries[label]
        self._tries[label] += 1
        self._advance(label)
        if self._is_answered(*attempt):
            return attempt, last, False
        return attempt, stage, not self._is_expected(*attempt, losses)

    def _wait(self, stage: int, attempt: Try) -> None:
        """Defer a try to the end of a stage."""
        self._waiting.setdefault(stage, Queue()).put(*attempt)

    def _is_answered(self, label: int, stage: int, number: int) -> bool:
        """Return whether a search has ended at the Morse index that is asked for."""
        direction, turn = self._where(label, stage, number)
        if not self._asks(stage, turn) or self._asked(label, direction) == 0:
            return False
        return (label, direction, self._sign(label, direction, turn)) in self._answered

    def _first(self) -> int:
        """Return the next set; -1 if no set has any tries left."""
        while self._heap:
            label = -self._heap[0][-1]
            is_over = self._stage[label] == len(self._schedule)
            if not is_over and self._heap[0] == self._key(label):
                return label
            heapq.heappop(self._heap)
        return -1

    def _losses_tell_apart(self) -> bool:
        """Return whether different sets have different losses, with few exceptions."""
        gaps = np.diff(np.sort(self._losses))
        return bool(np.sum(gaps <= self._error()) <= _FEW * len(gaps))

    def _where(self, label: int, stage: int, number: int) -> tuple[int, int]:
        """Return the direction of a try in a stage, and its number of earlier tries."""
        begin, n = self._range(label, stage)
        turn, step = divmod(number, n)
        return begin + step, turn

    def _sign(self, label: int, direction: int, turn: int) -> int:
        """Return the orientation of a try."""
        return (-1) ** (turn + label + direction)

    def _asks(self, stage: int, turn: int) -> bool:
        """Return whether a try asks for the next Morse index."""
        # In every second pass it does. Stable directions are so many that a single pass
        # may use up all searches; along them it does in every second orientation.
        number, is_stable = self._schedule[stage]
        return self.always_asks or (number + is_stable * turn) % 2 == 1

    def _displacement(self, label: int, stage: int, number: int) -> Displacement:
        """Make the displacement of a try."""
        direction, turn = self._where(label, stage, number)
        vectors = self._directions[label].vectors
        return Displacement(
            label=label,
            direction=direction,
            sign=self._sign(label, direction, turn),
            turn=self._schedule[stage][0],
            vector=vectors[direction] if direction < len(vectors) else None,
            change=self._asked(label, direction) if self._asks(stage, turn) else 0,
        )

    def _is_expected(
        self, label: int, stage: int, number: int, losses: list[float]
    ) -> bool:
        """Return whether a predicted loss is in a list; add it if it is not."""
        if not losses:
            return False
        direction, _ = self._where(label, stage, number)
        change = self._forecast.change(self._curvature(label, direction))
        if change is None:
            return False
        loss = self._losses[label] + change
        position = bisect_left(losses, loss)
        near = losses[max(position - 1, 0) : position + 1]
        if any(abs(other - loss) <= self._error() for other in near):
            return True
        losses.insert(position, loss)
        self._expected.append(loss)
        return False

    def _key(self, label: int) -> tuple[int, int, int]:
        """Return the sort key of a set: the smallest comes first."""
        fruitless = self._tries[label] - self._found[label]
        return self._stage[label], fruitless, -label

    def _range(self, label: int, stage: int) -> tuple[int, int]:
        """Return the first direction of a stage, and the number of its directions."""
        directions = self._directions[label]
        n_unstable = directions.n_unstable
        if not self._schedule[stage][1]:
            return 0, n_unstable
        return n_unstable, len(directions.curvatures) - n_unstable

    def _advance(self, label: int) -> None:
        """Advance to the next stage that has directions left, if this one is over."""
        while self._stage[label] < len(self._schedule):
            if self._tries[label] < 2 * self._range(label, self._stage[label])[1]:
                heapq.heappush(self._heap, self._key(label))
                return
            self._stage[label] += 1
            self._tries[label] = self._found[label] = 0
