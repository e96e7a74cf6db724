"""Branches end at minima and meet at saddles."""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skcrit import LandscapeExplorer, NewtonMRFinder, NewtonTrajectoryFinder
from skcrit.exceptions import NotConvergedWarning
from skcrit.finders import Merge
from skcrit.inspection import DisconnectivityDisplay, LandscapeGraphDisplay
from skcrit.proving_grounds import make_mueller_brown


def explored(**options):
    """Explore a surface of three minima and two saddles."""
    local = NewtonTrajectoryFinder()
    explorer = LandscapeExplorer(max_searches=60, random_state=0, finder=local)
    explorer.set_params(**options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return explorer.fit(make_mueller_brown())


@pytest.fixture(scope="module")
def explorer():
    return explored(connect=True)


def test_branches_of_mueller_brown(explorer):
    display = DisconnectivityDisplay.from_estimator(explorer)
    assert set(display.positions_) == {0, 1, 2}
    segments = np.array(display.lines_.get_segments())
    level = [s[0, 1] for s in segments if s[0, 1] == s[1, 1]]
    np.testing.assert_allclose(sorted(level), explorer.critical_losses_[3:5])
    # Every minimum is the foot of a vertical line.
    for minimum, x in display.positions_.items():
        foot = [x, explorer.critical_losses_[minimum]]
        assert any(np.array_equal(s[0], foot) for s in segments)
    # The two that the lower saddle joins are neighbours.
    assert abs(display.positions_[1] - display.positions_[2]) == 1
    assert display.ax_.get_ylabel() == "Loss"


def test_names_axes_and_styles(explorer):
    _, ax = plt.subplots()
    display = DisconnectivityDisplay.from_connections(
        explorer.connections_, names=["A", "B", "C"], ax=ax, line_kw={"linewidths": 3}
    )
    assert display.ax_ is ax
    texts = [label.get_text() for label in ax.get_xticklabels()]
    assert sorted(texts) == ["A", "B", "C"]
    assert texts[int(display.positions_[0])] == "A"
    assert display.lines_.get_linewidths()[0] == 3


def test_parts_that_nothing_joins():
    display = DisconnectivityDisplay([0, 1], np.array([1.0, 2.0]), []).plot()
    segments = np.array(display.lines_.get_segments())
    assert len(segments) == 2
    np.testing.assert_array_equal(segments[:, 0, 1], [1, 2])
    DisconnectivityDisplay([], np.array([]), []).plot()


def test_a_saddle_above_a_saddle_is_no_branch():
    # Set 2 joins the minimum 0 with a saddle that has no minimum below it: the tree
    # goes on with the minimum under that number, and branches at the next one.
    merges = [Merge(1.0, 3, (2, 0)), Merge(2.0, 4, (2, 1))]
    display = DisconnectivityDisplay([0, 1], np.array([0.0, 0.5, 1.0]), merges).plot()
    assert sorted(display.positions_) == [0, 1]
    tops = np.array(display.lines_.get_segments())[:, :, 1].max(axis=1)
    assert np.sum(tops == 2.0) == 3  # two branches, and the line that joins them


def test_connections_are_told_apart_in_the_graph(explorer):
    display = LandscapeGraphDisplay.from_estimator(explorer)
    segments = np.array(display.connections_.get_segments())
    pairs = explorer.connections_.edges()[:, :2]
    np.testing.assert_array_equal(segments, display.positions_[pairs])
    assert not np.array_equal(
        display.connections_.get_colors(), display.edges_.get_colors()
    )
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["search edge", "connection"]
    assert LandscapeGraphDisplay.from_estimator(explored()).connections_ is None


def test_wrong_arguments(explorer):
    with pytest.raises(NotFittedError):
        DisconnectivityDisplay.from_estimator(NewtonMRFinder())
    with pytest.raises(TypeError, match="connections must be Connections"):
        DisconnectivityDisplay.from_connections(explorer)
    with pytest.raises(ValueError, match="names must have one entry for each of the 3"):
        DisconnectivityDisplay.from_connections(explorer.connections_, names=["A"])
