"""In which order an exploration searches, and what it guesses of the losses to come."""

import numpy as np
import pytest

from skcrit import LandscapeExplorer, LinearAutoencoderLoss
from skcrit.proving_grounds import make_separable_quartic
from skcrit.search.directions import Directions, order_directions
from skcrit.search.forecast import Forecast, Measured
from skcrit.search.frontier import Frontier

# Parts of a separable landscape: the curvature of each, and what leaving it changes.
CURVATURES, CHANGES = np.array([-1.0, -2.0, -4.0]), np.array([-0.3, -0.7, -1.9])


def measured(value, error=1e-11):
    return Measured(float(value), error)


def test_equal_curvatures_change_the_loss_alike():
    forecast = Forecast()
    for _ in range(5):
        for curvature, change in zip(CURVATURES, CHANGES, strict=True):
            forecast.learn(measured(curvature), measured(change))
    assert forecast.change(measured(-2.0 * (1 + 1e-12))) == -0.7
    assert forecast.change(measured(-2.001)) is None


def test_curvatures_and_changes_are_equal_up_to_rounding_only():
    # The weak directions of data whose variances differ by 1e10.
    forecast = Forecast()
    weak, error = -1e-10 * np.array([1.0, 1.001, 1.5]), 1e-15
    for _ in range(5):
        for curvature in weak:
            change = measured(3 * curvature + error * np.sign(curvature), 4 * error)
            forecast.learn(measured(curvature, error), change)
    for curvature in weak:
        guess = forecast.change(measured(curvature + error / 2, error))
        assert abs(guess - 3 * curvature) < 2 * error


def test_one_search_that_ends_elsewhere_does_not_overrule_many():
    forecast = Forecast()
    for change in (*CHANGES[[0]].repeat(12), -5.0):
        forecast.learn(measured(-1.0), measured(change))
    assert forecast.change(measured(-1.0)) == CHANGES[0]
    for _ in range(30):
        forecast.learn(measured(-1.0), measured(-5.0))
    assert forecast.change(measured(-1.0)) == -5.0


def test_nothing_is_guessed_from_few_searches_or_where_changes_differ():
    few, unlike = Forecast(), Forecast()
    few.learn(measured(-1.0), measured(-0.3))
    for k in range(20):
        unlike.learn(measured(-1.0), measured(-0.3 * k))
    assert few.change(measured(-1.0)) is None
    assert unlike.change(measured(-1.0)) is None


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
    frontier._forecast.learn(measured(CURVATURES[2]), measured(CHANGES[2]))
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


def test_weak_directions_are_not_taken_for_one_eigenvalue():
    # Two strong directions, of which one is double, and three weak ones.
    values = -np.array([3e5, 3e5, 1.0, 3e-4, 2e-4, 1e-4])
    vectors = np.eye(6)
    directions = order_directions(values, vectors, index=6, nullity=0, limit=None)
    order = np.argmax(directions.vectors, axis=1)
    assert order.tolist()[:4] == [5, 4, 3, 2]
    assert sorted(order.tolist()[4:]) == [0, 1]
    assert abs(directions.curvatures[5]) == 3e5


@pytest.mark.filterwarnings("ignore::skcrit.exceptions.NotConvergedWarning")
@pytest.mark.parametrize("ratio", [3.0, 20.0])
def test_all_sets_of_data_with_very_different_variances(ratio):
    # Six searches for each of the 46 sets: as for data of comparable variances.
    eigenvalues = ratio ** -np.arange(9.0)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 9))
    X, _ = np.linalg.qr(X - X.mean(axis=0))
    loss = LinearAutoencoderLoss((2,), zero_rtol=1e-30, tie_rtol=1e-30)
    loss.fit(X * np.sqrt(200 * eigenvalues))
    explorer = LandscapeExplorer(max_searches=6 * 46, random_state=0).fit(loss)
    match = loss.analytical_spectrum().match(explorer.critical_points_)
    assert match.identified.all()
    assert len(set(match.set)) == explorer.n_critical_sets_ == 46


def test_every_other_try_asks_for_the_next_index():
    # A saddle with one unstable direction, two stable ones and a flat one.
    frontier = Frontier(2)
    curvatures = np.array([-1.0, 1.0, 2.0, 0.0])
    frontier.add(Directions(np.eye(4, dtype=np.float32), 1, curvatures), 0.0)
    tasks = frontier.pop(100)
    assert [task.direction for task in tasks] == [0] * 4 + [1, 2, 3] * 4
    assert [task.turn for task in tasks] == [0, 0, 1, 1] + [0] * 6 + [1] * 6
    way, other = [0, 0, 0], [1, 1, 0]
    expected = [0, 0, -1, -1, *way, *other, *other, *way]
    assert [task.change for task in tasks] == expected
    frontier.extend()
    again = frontier.pop(100)
    assert [task.change for task in again] == expected
    assert {task.turn for task in again} == {2, 3}


def test_an_index_that_was_reached_is_asked_for_last():
    # A saddle with two unstable directions, in two rounds.
    frontier = Frontier(2)
    curvatures = np.array([-1.0, -2.0, 3.0])
    frontier.add(Directions(np.eye(3, dtype=np.float32), 2, curvatures), 0.0)
    first = frontier.pop(6)
    # The second pass along unstable directions waits for what the first one finds.
    assert [(task.direction, task.change) for task in first] == [
        *[(0, 0), (1, 0), (0, 0), (1, 0)],
        *[(2, 0), (2, 1)],
    ]
    for task in first[:2]:
        # One search ended at the next lower index, and one at the next higher.
        frontier.answer(task.label, task.direction, task.sign, -1 + 2 * task.direction)
    second = frontier.pop(100)
    asked = [task for task in second if task.change < 0]
    assert len(asked) == 4 and second[:3] == asked[:3]
    # Nothing is lost, and what is known already comes after all else.
    ways = [(task.direction, task.sign, task.turn) for task in first + second]
    assert len(set(ways)) == len(ways) == 12
    last = second[-1]
    assert (last.direction, last.sign, last.change) == (0, first[0].sign, -1)


@pytest.mark.parametrize("seed", [2, 3])
def test_neighbours_along_exact_axes_are_not_asked_for_twice(seed):
    # Searches along the axes of a separable function change one coordinate, whatever
    # the Morse index that is asked for. With a third of all searches spent on asking
    # again, 300 found 75 and 73 of the 81 sets.
    loss = make_separable_quartic(4, tilt=[0.05, 0.1, 0.15, 0.2])
    explorer = LandscapeExplorer(max_searches=300, random_state=seed).fit(loss)
    assert explorer.n_critical_sets_ >= 79


def test_while_searches_run_no_later_stage_begins():
    # A saddle with two unstable directions and a stable one.
    frontier = Frontier(1)
    curvatures = np.array([-1.0, -2.0, 1.0])
    frontier.add(Directions(np.eye(3, dtype=np.float32), 2, curvatures), 0.0)
    tasks = frontier.pop(2)
    # Two more are unstable, too few for a round: they are kept for the next one.
    assert frontier.pop(3, meanwhile=True) == []
    tasks += frontier.pop(3)
    assert [task.direction for task in tasks] == [0, 1, 0, 1, 2]
    # Once a round has come to the stable ones, the one beside it may.
    tasks += frontier.pop(1, meanwhile=True)
    assert len({(task.direction, task.sign) for task in tasks}) == 6
    assert frontier.pop(1) == frontier.pop(1, meanwhile=True) == []


@pytest.mark.parametrize("meanwhile", [True, False])
def test_what_running_searches_are_expected_to_find_is_not_searched_again(meanwhile):
    frontier = Frontier(1)
    # From both of the last corners a part leads to the corner of all three.
    corners = np.array([[0, 0, 0], [1, 1, 0], [1, 0, 1]], dtype=bool)
    for lowered in corners:
        add_corner(frontier, lowered)
    for curvature, change in zip(CURVATURES, CHANGES, strict=True):
        for _ in range(5):
            frontier._forecast.learn(measured(curvature), measured(change))
    tasks = frontier.pop(1) + frontier.pop(1, meanwhile=meanwhile)
    expected = []
    for task in tasks:
        part = np.flatnonzero(~corners[task.label])[task.direction]
        expected.append(CHANGES[corners[task.label]].sum() + CHANGES[part])
    assert (len(set(np.round(expected, 9))) == 2) == meanwhile
