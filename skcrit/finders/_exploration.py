"""The rounds of the systematic search: where they begin, and when they are over."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import FloatArray, IntArray
from skcrit.losses.adapt import as_loss
from skcrit.search.connect import connect
from skcrit.search.connections import Connections
from skcrit.search.departures import Displaced, Origins, Searches, no_origins, placed
from skcrit.search.describe import UNKNOWN
from skcrit.search.landscape import Landscape
from skcrit.search.tries import Displacement
from skcrit.solvers.fallback import Fallback
from skcrit.solvers.natural_step import UNCHOSEN
from skcrit.starts import make_starts, random_streams
from skcrit.starts.make import is_sampler
from skcrit.utils._arguments import check_array

# Searches of the first round that begins at known sets.
_FIRST_ROUND = 16

# Later passes try other lengths: shorter, longer, and much shorter.
_PASSES = (1.0, 0.4, 1.6, 0.15)

# Above this share of failed searches, sets may be missing that no untried direction
# leads to. Then this number of rounds of new starts is considered too, and more than
# half of them must converge.
_MANY_FAILURES = 0.1
_N_FRESH = 3
_MOST = 0.5

# Once this share of the latest quarter of the searches has found nothing new, half of
# each round descends from distant starts, until 64 of these searches in a row have been
# in vain, or fewer if there are many parameters, because each of their steps decomposes
# a Hessian. Searches from known sets end near their starts, and distant sets are mostly
# minima.
_SETTLED = 0.95
_LEAST_IN_VAIN, _MOST_IN_VAIN, _NUMBERS_IN_VAIN = 16, 64, 2048

# Draws whose mean is the middle of what the loss proposes.
_N_MIDDLE = 64

# How far out, relative to the farthest known set.
_WIDE = (1.0, 2.0)


class Exploration:
    """Run round after round until there is a reason to stop.

    Displacements are ``reach`` long, a range in length scales; ``watch`` looks at every
    round.
    """

    def __init__(
        self,
        explorer: Any,
        landscape: Landscape,
        reach: tuple[float, float],
        watch: list[Any],
    ) -> None:
        self.explorer, self.landscape = explorer, landscape
        self.reach, self.watch = reach, watch
        self.n_vain = 0

    def run(self, starts: FloatArray, are_drawn: bool = True) -> None:
        """Search from starts, drawn or critical already, and on from what is found."""
        landscape = self.landscape
        self.stream = random_streams(self.explorer.random_state, 1, kind=2)[0]
        self.n_fresh, self.n_known = 0, 0
        searches: Searches | None = self._from(starts, are_drawn)
        self._begin()
        while True:
            was_open, following = landscape.is_open, None
            step = landscape.step(searches)
            for _ in step:
                if was_open and self._is_over():
                    step.close()
                    return
                following = self._following(searches)
                if following is None and searches is None:
                    return
                if was_open:
                    self._begin()
            searches = following

    def connected(self) -> Connections:
        """Go down from all saddles."""
        explorer = self.explorer
        return connect(
            explorer.loss_,
            explorer.critical_points_,
            explorer.morse_indices_,
            max_directions=explorer.max_directions,
            max_iter=explorer.max_iter,
            batches=explorer._batches(),
        )

    def _begin(self) -> None:
        """Say that a round begins: of two that overlap, when the first is over."""
        for watcher in self.watch:
            watcher.begin(None)

    def _is_over(self) -> bool:
        """Show what a round has found; return whether it was the last."""
        last, n_known = self.landscape.rounds[-1], self.landscape.discovery()[:-1, 1]
        # Not the starts of the first round, nor new ones if nothing else is left.
        if np.any(last.origins.parent >= 0):
            far = last.labels[last.origins.parent < 0]
            self.n_vain = (
                0 if np.any(far >= np.max(n_known, initial=0)) else self.n_vain
            )
        wanted = any([watcher.end(lambda: self.landscape) for watcher in self.watch])
        self.landscape.stop_reason = "callback" if wanted else self._over()
        return self.landscape.stop_reason is not None

    def _following(self, running: Searches | None) -> Searches | None:
        """Choose the searches that follow those that run, if there are any."""
        size = self._size(0 if running is None else len(running))
        # A round that is full has two halves: one is prepared, and what the one before
        # it found is described, while the other one runs. While few sets are known, or
        # at the end of the budget, it is better to wait for what running searches find.
        is_full = size >= self.explorer.round_size
        size = (size + 1) // 2 if is_full else size
        if running is None:
            return self._next(size)
        if not is_full:
            return None
        n_wide = self._n_wide(size)
        tasks = self.landscape.frontier.pop(size - n_wide, meanwhile=True)
        return self._displaced(tasks, n_wide) if tasks else None

    def _next(self, size: int) -> Searches | None:
        """Choose searches when the ends of all others are known."""
        explorer, landscape = self.explorer, self.landscape
        # Without iterations new starts end at once.
        n_more = _N_FRESH if explorer.max_iter > 0 else 0
        n_wide = self._n_wide(size)
        tasks, lacks = landscape.frontier.pop(size - n_wide), False
        if not tasks:
            lacks = bool(landscape.frontier.n_sets) and explorer._lacks_sets(landscape)
            # Only rounds that led to nothing new count, and only in a row.
            if len(landscape.atlas) > self.n_known:
                self.n_fresh, self.n_known = 0, len(landscape.atlas)
        if lacks and self.n_fresh >= n_more:
            landscape.frontier.extend()
            tasks, self.n_fresh = landscape.frontier.pop(size - n_wide), 0
        if tasks:
            return self._displaced(tasks, n_wide)
        if self.n_fresh >= n_more or not (lacks or _doubtful(landscape)):
            landscape.stop_reason = _exhausted(landscape)
            return None
        self.n_fresh += 1
        seed = int(self.stream.integers(2**31))
        return self._from(self._fresh(self._size(0), lacks, seed))

    def _index(self, tasks: list[Displacement]) -> IntArray:
        """Say which Morse index each search is to end at; UNCHOSEN leaves it open."""
        labels = np.array([task.label for task in tasks])
        atlas = self.landscape.atlas
        index = atlas.points.morse_index[atlas.point_of[labels]]
        change = np.array([task.change for task in tasks])
        asked = (change != 0) & (index != UNKNOWN)
        return np.where(asked, index + change, UNCHOSEN)

    def _from(self, starts: FloatArray, are_drawn: bool = True) -> Searches:
        """Make searches from starts; with a limit of the index drawn ones go down."""
        n, limit = len(starts), self.explorer.max_index
        goes_down = limit is not None and are_drawn
        index = np.zeros(n, dtype=int) if goes_down else None
        return Searches(self._solver(n, index), starts, no_origins(n))

    def _solver(self, n_starts: int, index: IntArray | None = None) -> Any:
        """Make the local search of a round."""
        seed = int(self.stream.integers(2**31))
        solver = self.explorer._local_solver(n_starts, seed)
        if isinstance(solver, Fallback) and index is not None:
            # Natural steps from the beginning: they go to points of the index asked.
            solver.index = index
        return solver

    def _room(self) -> int:
        """Return how many searches the budget still has."""
        return self.explorer.max_searches - self.landscape.n_searches

    def _size(self, n_running: int) -> int:
        """Choose the size of the next round."""
        # While little is known, a large round would try one set to exhaustion.
        size = _FIRST_ROUND + 4 * len(self.landscape.atlas)
        return min(self.explorer.round_size, size, self._room() - n_running)

    def _n_wide(self, size: int) -> int:
        """Choose how many searches of a round go down from far out."""
        # A share of few searches says little.
        if self.landscape.n_searches < self.explorer.round_size:
            return 0
        if not len(self.landscape.atlas) or self.landscape.coverage() < _SETTLED:
            return 0
        most = _NUMBERS_IN_VAIN // self.explorer.n_params_
        most = min(max(most, _LEAST_IN_VAIN), _MOST_IN_VAIN)
        return min(size // 2, max(most - self.n_vain, 0))

    def _wide(self, n: int) -> FloatArray:
        """Draw starts far out, in the coordinates of the search."""
        loss, problem = as_loss(self.explorer.loss_), self.landscape.problem
        seed = int(self.stream.integers(2**31))
        drawn = make_starts("gaussian", loss, n + _N_MIDDLE, seed)
        points = self.landscape.atlas.points.point
        unit = np.asarray(problem.loss.length_scale(), dtype=float)
        drawn = problem.into(drawn)
        middle, drawn = np.mean(drawn[n:], axis=0), drawn[:n]
        size = np.linalg.norm((drawn - middle) / unit, axis=1, keepdims=True)
        reach = max(np.linalg.norm((point - middle) / unit) for point in points)
        factor = reach * self.stream.uniform(*_WIDE, size=(n, 1))
        factor = np.divide(factor, size, out=np.ones_like(size), where=size > 0)
        starts = middle + np.maximum(factor, 1.0) * (drawn - middle)
        inside = to_host(problem.loss.inside(problem.loss.asarray(starts)))
        return np.where(inside[:, None], starts, drawn)

    def _fresh(self, size: int, lacks: bool, seed: int) -> FloatArray:
        """Draw as many starts as sets are known; given points are not used again."""
        explorer = self.explorer
        n_starts = max(explorer.n_starts, len(self.landscape.atlas))
        n_starts = size if lacks else min(n_starts, explorer.round_size, self._room())
        init: Any = explorer.init
        if not isinstance(init, str) and not is_sampler(init):
            init = "spread"
        starts = make_starts(init, as_loss(explorer.loss_), n_starts, seed)
        return self.landscape.problem.into(starts)

    def _displaced(self, tasks: list[Displacement], n_wide: int) -> Searches:
        """Set out from known sets, and from far out."""
        names = ("label", "direction", "sign", "turn")
        columns = [np.array([getattr(task, name) for task in tasks]) for name in names]
        origins, turns = Origins(*columns[:3]), columns[3]
        sets = self.landscape.atlas.take(origins.parent)
        reach = np.array(_PASSES)[turns % len(_PASSES)]
        length = reach * self.stream.uniform(*self.reach, size=len(tasks))
        # The first pass goes along eigenvectors and nowhere else: noise in a direction
        # of large curvature would be more than what a weak one changes.
        noise = self.explorer.noise * self.stream.standard_normal(sets.point.shape)
        starts = Displaced(
            origins=origins,
            point=sets.point,
            morse_index=sets.morse_index,
            nullity=sets.nullity,
            vector=[task.vector for task in tasks],
            length=length,
            noise=np.where(turns[:, None] > 0, noise, 0.0),
            max_directions=self.explorer.max_directions,
        )
        index = self._index(tasks)
        if n_wide:
            # In vain, unless they turn out to have found something.
            self.n_vain += n_wide
            starts = Displaced.concatenate([starts, placed(self._wide(n_wide))])
            index = np.append(index, np.zeros(n_wide, dtype=int))
        return Searches(self._solver(len(index), index), starts, starts.origins)

    def _over(self) -> str | None:
        """Return the reason to stop, or None."""
        explorer, landscape = self.explorer, self.landscape
        if landscape.n_searches >= explorer.max_searches:
            return "incomplete" if explorer._lacks_sets(landscape) else "max_searches"
        enough = explorer.coverage
        covered = enough is not None and landscape.coverage() >= enough
        return "coverage" if covered and not explorer._lacks_sets(landscape) else None


def check_displacement(displacement: Any) -> tuple[float, float]:
    """Return both ends of a range of lengths, or raise ValueError."""
    low, high = check_array(
        displacement,
        "displacement",
        "a pair of positive numbers in ascending order",
        lambda a: a.shape == (2,) and 0 < a[0] <= a[1] < np.inf,
    ).tolist()
    return low, high


def _exhausted(landscape: Landscape) -> str:
    """Say what it means that no direction is left."""
    if not _doubtful(landscape):
        return "exhausted"
    share = landscape.first_failed()
    return "failures" if len(landscape.atlas) == 0 or share > _MOST else "exhausted"


def _doubtful(landscape: Landscape) -> bool:
    """Return whether untried directions are not all that is missing."""
    many = landscape.n_failed > _MANY_FAILURES * landscape.n_searches
    return many or len(landscape.atlas) == 0
