"""In which order an exploration searches, and what it guesses of the losses to come."""

import numpy as np

from skcrit.search.forecast import Forecast
from skcrit.search.frontier import Directions, Frontier

# Parts of a separable landscape: the curvature of each, and what leaving it changes.
CURVATURES, CHANGES = np.array([-1.0, -2.0, -4.0]), np.array([-0.3, -0.7, -1.9])


def test_equal_curvatures_change_the_loss_alike():
    forecast = Forecast()
    for _ in range(5):
        for curvature, change in zip(CURVATURES, CHANGES, strict=True):
            forecast.learn(curvature, change)
    assert forecast.change(-2.0 * (1 + 1e-12)) == -0.7
    assert forecast.change(-2.001) is None


def test_nothing_is_guessed_from_few_searches_or_where_changes_differ():
    few, unlike = Forecast(), Forecast()
    few.learn(-1.0, -0.3)
    for k in range(20):
        unlike.learn(-1.0, -0.3 * k)
    assert few.change(-1.0) is None
    assert unlike.change(-1.0) is None


def add_corner(frontier, lowered):
    """Add a corner of a cube whose sides are the parts."""
    unstable = np.flatnonzero(~lowered)
    vectors = np.eye(3, dtype=np.float32)[unstable]
    directions = Directions(vectors, len(unstable), CURVATURES[unstable])
    frontier.add(directions, CHANGES[lowered].sum())


def test_what_leads_to_a_known_loss_waits_and_is_not_lost():
    none, first, second = (np.arange(3) < k for k in range(3))
    frontier = Frontier(1)
    for lowered in (none, first, second):
        add_corner(frontier, lowered)
    for _ in range(5):
        frontier.learn(0, 0, 1)
        frontier.learn(1, 0, 2)
    frontier._forecast.learn(CURVATURES[2], CHANGES[2])
    tasks = frontier.pop(100)
    # All that there is to try, each way of each direction once.
    ways = {(task.label, task.direction, task.sign) for task in tasks}
    assert len(tasks) == len(ways) == 2 * (3 + 2 + 1)
    # Changes by the second part are known to lead from the first corner to others: only
    # new losses come first.
    new = [(task.label, task.direction) for task in tasks[:4]]
    assert (0, 0) not in new
    assert (1, 0) not in new
    assert sorted(new) == [(0, 1), (0, 2), (1, 1), (2, 0)]
