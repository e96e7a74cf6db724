"""The figure of recovery by tolerance."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skcrit.finders import NewtonMRFinder
from skcrit.inspection import ToleranceDisplay
from skcrit.losses import LinearAutoencoderLoss, LinearNetworkLoss
from skcrit.model_selection import tolerance_curve

TOLS = [np.inf, 1e-1, 1e-4, 1e-8, 0.0]


@pytest.fixture(scope="module")
def searcher():
    return NewtonMRFinder(LinearAutoencoderLoss((2,)), n_starts=8, random_state=0)


@pytest.fixture(scope="module")
def curve(searcher, data):
    return tolerance_curve(searcher, data, TOLS)


def test_data_are_the_curve(searcher, data, curve):
    display = ToleranceDisplay.from_estimator(searcher, data, TOLS)
    assert_array_equal(display.tols, curve.tols)
    assert list(display.scores) == ["converged", "accuracy", "index_error"]
    for name, values in display.scores.items():
        assert_array_equal(values, getattr(curve, name))
    assert display.n_starts == 8


def test_targets_reach_the_loss(data):
    targets = data @ np.arange(1.0, 1.0 + data.shape[1])[:, None]
    loss = LinearNetworkLoss((1,))
    finder = NewtonMRFinder(loss, n_starts=4, random_state=0)
    display = ToleranceDisplay.from_estimator(finder, data, [1e-8], y=targets)
    curve = tolerance_curve(finder, loss.fit(data, targets), [1e-8])
    assert_array_equal(display.scores["accuracy"], curve.accuracy)
    assert curve.accuracy[0] > 0


def test_lines_have_what_a_logarithmic_axis_has(curve):
    display = ToleranceDisplay.from_curve(curve)
    for name, line in display.lines_.items():
        assert_array_equal(line.get_xdata(), [1e-8, 1e-4, 1e-1])
        assert_array_equal(line.get_ydata(), getattr(curve, name)[3:0:-1])
        edge = display.edge_lines_[name]
        assert edge.get_linestyle() == "None"
        assert_array_equal(edge.get_ydata(), getattr(curve, name)[[0, 4]])
    right, left = display.ax_.get_xlim()
    beyond, below = display.edge_lines_["accuracy"].get_xdata()
    assert left < below < 1e-8
    assert 1e-1 < beyond < right


def test_strict_is_right_and_says_so(curve):
    ax = ToleranceDisplay.from_curve(curve).ax_
    assert ax.get_xscale() == "log"
    assert ax.xaxis_inverted()
    words = ax.get_xlabel().split()
    assert words[-3:] == ["(loose", "→", "strict)"]
    assert "squared" in words
    ticks = [label.get_text() for label in ax.get_xticklabels()]
    assert {"∞", "0"} <= set(ticks)
    assert ax.get_ylabel().split() == ["Fraction", "(8", "starts)"]


def test_no_edges_without_zero_and_infinity(searcher, data):
    display = ToleranceDisplay.from_estimator(searcher, data, [1e-8, 1e-2])
    assert len(display.edge_lines_["accuracy"].get_xdata()) == 0
    ticks = {label.get_text() for label in display.ax_.get_xticklabels()}
    assert not ticks & {"∞", "0"}


@pytest.mark.parametrize("tols", [[1e-4], [np.inf], [0.0], [np.inf, 0.0]])
def test_few_tolerances(curve, tols):
    scores = {"accuracy": np.full(len(tols), 0.5)}
    display = ToleranceDisplay(tols, scores, 8).plot()
    display.figure_.canvas.draw()
    low, high = sorted(display.ax_.get_xlim())
    places = [*display.lines_["accuracy"].get_xdata()]
    places += [*display.edge_lines_["accuracy"].get_xdata()]
    assert len(places) == len(tols)
    assert all(low < place < high for place in places)


def test_order_of_tolerances_does_not_matter(curve):
    rows = [3, 0, 2, 1, 4]
    mixed = {"accuracy": curve.accuracy[rows]}
    display = ToleranceDisplay(curve.tols[rows], mixed, 8).plot()
    straight = ToleranceDisplay.from_curve(curve, scores="accuracy")
    one, other = display.lines_["accuracy"], straight.lines_["accuracy"]
    assert_array_equal(one.get_xydata(), other.get_xydata())


def test_color_marker_and_line_tell_scores_apart(curve):
    scores = ("index_error", "precision", "accuracy", "converged")
    display = ToleranceDisplay.from_curve(curve, scores=scores)
    lines = display.lines_.values()
    for look in ("get_color", "get_marker", "get_linestyle"):
        assert len({getattr(line, look)() for line in lines}) == 4
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["converged", "precision", "accuracy", "mean index error"]


@pytest.mark.parametrize("size", [(2.4, 1.9), (3.3, 2.5), (10, 7)])
def test_texts_stay_inside_the_figure(curve, size):
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    ToleranceDisplay.from_curve(curve, ax=ax)
    figure.canvas.draw()
    box = figure.get_tightbbox()  # in inches
    assert np.all(box.min >= 0)
    assert np.all(box.max <= size)


def test_draws_on_given_axes(curve):
    figure, (left, right) = plt.subplots(1, 2)
    display = ToleranceDisplay.from_curve(curve, ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.has_data()
    assert display.plot(left) is display
    assert display.ax_ is left


def test_line_kw(curve):
    display = ToleranceDisplay.from_curve(curve, line_kw={"linewidth": 3.0})
    assert {line.get_linewidth() for line in display.lines_.values()} == {3.0}


@pytest.mark.parametrize("scores", [(), ("accuracy", "beauty"), "beauty", 3])
def test_unknown_scores(searcher, data, scores):
    with pytest.raises(ValueError, match="scores must be a non-empty sequence"):
        ToleranceDisplay.from_estimator(searcher, data, scores=scores)


def test_without_truth_only_convergence_has_a_line(blind_finder):
    display = ToleranceDisplay.from_estimator(blind_finder, blind_finder.loss_, [1e-4])
    assert_array_equal(display.lines_["converged"].get_ydata(), [1.0])
    for name in ("accuracy", "index_error"):
        assert np.isnan(display.lines_[name].get_ydata()).all()
    display.figure_.canvas.draw()


def test_needs_a_curve_and_axes(curve):
    with pytest.raises(TypeError, match="curve must be a ToleranceCurve"):
        ToleranceDisplay.from_curve([1, 2])
    with pytest.raises(TypeError, match="ax must be axes of Matplotlib or None"):
        ToleranceDisplay.from_curve(curve, ax=3)
