"""The rounds of the systematic search: where they begin, and when they are over."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import FloatArray, IntArray
from skcrit.losses.adapt import as_loss
from skcrit.search.describe import UNKNOWN
from skcrit.search.frontier import Displacement
from skcrit.search.landscape import Landscape, Origins
from skcrit.solvers.fallback import Fallback
from skcrit.solvers.natural_step import UNCHOSEN
from skcrit.starts import make_starts, random_streams
from skcrit.utils._arguments import as_numbers, shown

__all__ = ["Exploration", "check_displacement"]

# Searches of the first round that sets out from a set.
_FIRST_ROUND = 16

# Later passes try other lengths: shorter, longer, and much shorter.
_PASSES = (1.0, 0.4, 1.6, 0.15)

# Above this share of failed searches untried directions are not all that is missing:
# then so many rounds of new starts have a say, and above half of them must converge.
_MANY_FAILURES = 0.1
_N_FRESH = 3
_MOST = 0.5

# Once so many of the latest quarter of the searches led to nothing new, half of each
# round goes down from far out, until so many of these searches in a row were in vain:
# searches from known sets end near where they begin, and what lies far out are minima.
_SETTLED = 0.95
_N_VAIN = 64

# Draws whose mean is the middle of what the loss proposes.
_N_MIDDLE = 64

# How far out, relative to the farthest known set.
_WIDE = (1.0, 2.0)


class Exploration:
    """Run round after round until there is a reason to stop.

    Parameters
    ----------
    explorer : LandscapeExplorer
        Explorer that is being fitted.
    landscape : Landscape
        What is known, which the rounds extend.
    reach : tuple of (float, float)
        Range of the length of displacements, in length scales.
    watch : list
        What looks at every round.
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

    def run(self, starts: FloatArray) -> None:
        """Search from the starts, and on from what is found."""
        explorer, landscape = self.explorer, self.landscape
        stream = random_streams(explorer.random_state, 1, kind=2)[0]
        origins, n_fresh, n_known = _no_origins(len(starts)), 0, 0
        index: IntArray | None = None
        # Without iterations new starts end at once.
        n_more = _N_FRESH if explorer.max_iter > 0 else 0
        while True:
            self._search(starts, origins, index, stream)
            if landscape.stop_reason:
                return
            size = self._size()
            n_wide = self._n_wide(size)
            tasks, lacks = landscape.frontier.pop(size - n_wide), False
            if not tasks:
                lacks = bool(landscape.frontier.n_sets) and explorer._lacks_sets(
                    landscape
                )
                # Only rounds that led to nothing new count, and only in a row.
                if len(landscape.atlas) > n_known:
                    n_fresh, n_known = 0, len(landscape.atlas)
            if lacks and n_fresh >= n_more:
                landscape.frontier.extend()
                tasks, n_fresh = landscape.frontier.pop(size), 0
            if tasks:
                starts, origins = self._displaced(tasks, stream)
                index = self._index(tasks)
                if n_wide:
                    starts = np.concatenate([starts, self._wide(n_wide, stream)])
                    origins = Origins.concatenate([origins, _no_origins(n_wide)])
                    index = np.append(index, np.zeros(n_wide, dtype=int))
            elif n_fresh >= n_more or not (lacks or _doubtful(landscape)):
                landscape.stop_reason = _exhausted(landscape)
                return
            else:
                n_fresh += 1
                starts = self._fresh(size, lacks, int(stream.integers(2**31)))
                origins, index = _no_origins(len(starts)), None

    def _index(self, tasks: list[Displacement]) -> IntArray:
        """Say which Morse index each search is to end at; UNCHOSEN leaves it open."""
        sets = self.landscape.atlas.sets
        assert sets is not None
        index = sets.morse_index[[task.label for task in tasks]]
        change = np.array([task.change for task in tasks])
        asked = (change != 0) & (index != UNKNOWN)
        return np.where(asked, index + change, UNCHOSEN)

    def _search(
        self,
        starts: FloatArray,
        origins: Origins,
        index: IntArray | None,
        stream: np.random.Generator,
    ) -> None:
        """Run one round, and note whether it is the last."""
        for watcher in self.watch:
            watcher.begin(None)
        seed = int(stream.integers(2**31))
        solver = self.explorer._local_solver(len(starts), seed)
        if isinstance(solver, Fallback) and index is not None:
            # Natural steps from the beginning: they go to points of the index asked.
            solver.index = index
        n_known = len(self.landscape.atlas)
        self.landscape.search(solver, starts, origins)
        # Not the starts of the first round, nor new ones if nothing else is left.
        if index is not None:
            far = self.landscape.rounds[-1].labels[origins.parent < 0]
            self.n_vain = 0 if np.any(far >= n_known) else self.n_vain + len(far)
        wanted = any([watcher.end(lambda: self.landscape) for watcher in self.watch])
        self.landscape.stop_reason = "callback" if wanted else self._over()

    def _room(self) -> int:
        """Return how many searches the budget still has."""
        return self.explorer.max_searches - self.landscape.n_searches

    def _size(self) -> int:
        """Choose the size of the next round."""
        # While little is known, a large round would try one set to exhaustion.
        size = _FIRST_ROUND + 4 * len(self.landscape.atlas)
        return min(self.explorer.round_size, size, self._room())

    def _n_wide(self, size: int) -> int:
        """Choose how many searches of a round go down from far out."""
        # A share of few searches says little.
        if self.landscape.n_searches < self.explorer.round_size:
            return 0
        if not len(self.landscape.atlas) or self.landscape.coverage() < _SETTLED:
            return 0
        return min(size // 2, max(_N_VAIN - self.n_vain, 0))

    def _wide(self, n: int, stream: np.random.Generator) -> FloatArray:
        """Draw starts far out, in the coordinates of the search."""
        loss, problem = as_loss(self.explorer.loss_), self.landscape.problem
        seed = int(stream.integers(2**31))
        drawn = make_starts("gaussian", loss, n + _N_MIDDLE, seed)
        sets: Any = self.landscape.atlas.sets
        unit = np.asarray(problem.loss.length_scale(), dtype=float)
        drawn = problem.into(drawn)
        middle, drawn = np.mean(drawn[n:], axis=0), drawn[:n]
        size = np.linalg.norm((drawn - middle) / unit, axis=1, keepdims=True)
        reach = np.max(np.linalg.norm((sets.point - middle) / unit, axis=1))
        factor = reach * stream.uniform(*_WIDE, size=(n, 1)) / size
        starts = middle + np.maximum(factor, 1.0) * (drawn - middle)
        inside = to_host(problem.loss.inside(problem.loss.asarray(starts)))
        return np.where(inside[:, None], starts, drawn)

    def _fresh(self, size: int, lacks: bool, seed: int) -> FloatArray:
        """Draw as many starts as sets are known; given points are not used again."""
        explorer = self.explorer
        n_starts = max(explorer.n_starts, len(self.landscape.atlas))
        n_starts = size if lacks else min(n_starts, explorer.round_size, self._room())
        init = "spread" if _are_points(explorer.init) else explorer.init
        starts = make_starts(init, as_loss(explorer.loss_), n_starts, seed)
        return self.landscape.problem.into(starts)

    def _displaced(self, tasks: Any, stream: Any) -> tuple[FloatArray, Origins]:
        """Set out from known sets."""
        sets: Any = self.landscape.atlas.sets
        points = sets.point[[task.label for task in tasks]]
        unit = np.asarray(self.landscape.problem.loss.length_scale(), dtype=float)
        signs = np.array([task.sign for task in tasks])
        vectors = signs[:, None] * self.landscape.vectors(tasks)
        # Of length one in length scales, like the displacement.
        size = np.linalg.norm(vectors / unit, axis=1, keepdims=True)
        turns = np.array([_PASSES[task.turn % len(_PASSES)] for task in tasks])
        length = turns[:, None] * stream.uniform(*self.reach, size=(len(tasks), 1))
        # The first pass goes along eigenvectors and nowhere else: noise in a direction
        # of large curvature would be more than what a weak one changes.
        again = np.array([[task.turn > 0] for task in tasks])
        noise = self.explorer.noise * unit * stream.standard_normal(points.shape)
        noise = np.where(again, noise, 0.0)
        origins = Origins(
            *(
                np.array([getattr(task, name) for task in tasks])
                for name in ("label", "direction", "sign")
            )
        )
        return points + length * vectors / size + noise, origins

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
    try:
        low, high = as_numbers(displacement, "displacement").tolist()
        low, high = float(low), float(high)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not 0 < low <= high < np.inf:
        raise ValueError(
            "displacement must be a pair of positive numbers in ascending order, "
            f"got {shown(displacement)}."
        )
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


def _no_origins(n: int) -> Origins:
    """Make the record of searches that set out from no set."""
    none = np.full(n, -1)
    return Origins(none, none, np.zeros(n, dtype=int))


def _are_points(init: Any) -> bool:
    """Distinguish starts that are given from a way to draw them."""
    return not isinstance(init, str) and not hasattr(init, "sample")
