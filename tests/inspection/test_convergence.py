"""The figure of gradients by iteration."""

import builtins

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from skcrit.finders import NewtonMRFinder
from skcrit.inspection import ConvergenceDisplay


def test_data(failed_finder):
    display = ConvergenceDisplay.from_estimator(failed_finder)
    squared = failed_finder.history_["squared_grad_norm"]
    assert_array_equal(display.squared_grad_norm, squared)
    assert_array_equal(display.converged, failed_finder.converged_)
    assert display.tol == failed_finder.tol


def test_lines_are_the_runs(failed_finder):
    display = ConvergenceDisplay.from_estimator(failed_finder)
    squared = failed_finder.history_["squared_grad_norm"]
    assert len(display.lines_) == len(squared)
    for line, run in zip(display.lines_, squared, strict=True):
        assert_array_equal(line.get_ydata(), run[~np.isnan(run)])
        assert_array_equal(line.get_xdata(), np.arange(np.sum(~np.isnan(run))))


def test_color_and_marker_tell_failures(failed_finder):
    display = ConvergenceDisplay.from_estimator(failed_finder)
    looks = {True: set(), False: set()}
    for line, converged in zip(display.lines_, failed_finder.converged_, strict=True):
        looks[bool(converged)].add((line.get_color(), line.get_marker()))
    (success,), (failure,) = looks[True], looks[False]
    assert success[0] != failure[0]
    assert success[1] != failure[1]


def test_labels_and_scales(failed_finder):
    display = ConvergenceDisplay.from_estimator(failed_finder)
    ax = display.ax_
    assert ax.get_xlabel() == "Iteration"
    assert ax.get_ylabel() == "Squared gradient norm"
    assert (ax.get_xscale(), ax.get_yscale()) == ("symlog", "log")
    n = failed_finder.converged_.sum()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [f"converged: {n}", f"failed: {8 - n}", "tolerance 1e-10"]


def test_axis_starts_at_iteration_zero(finder):
    ax = ConvergenceDisplay.from_estimator(finder).ax_
    left, right = ax.get_xlim()
    assert left == 0
    assert right > finder.n_iter_
    ax.figure.canvas.draw()
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels[:2] == ["0", "1"]


def test_tolerance_line(failed_finder):
    display = ConvergenceDisplay.from_estimator(failed_finder)
    assert_array_equal(display.tol_line_.get_ydata(), [1e-10] * 2)
    bottom, top = display.ax_.get_ylim()
    assert 1e-16 <= bottom < 1e-10 < top


def test_line_of_the_automatic_tolerance(finder):
    # What each start was compared with at its end, computed by itself: the squared
    # rounding errors that curvature and size of the point make.
    assert finder.tol == "auto"
    display = ConvergenceDisplay.from_estimator(finder)
    loss, theta = finder.loss_, finder.final_params_
    length = loss.length_scale()
    size = np.maximum(np.linalg.norm(theta / length, axis=1), 1)
    level = 64 * np.finfo(float).eps * loss.curvature(theta) * size
    assert_allclose(display.tol, (level * length) ** 2, rtol=1e-12)
    reached = finder.results_["squared_grad_norm"] <= display.tol * (1 + 1e-12)
    assert_array_equal(reached, finder.converged_)
    median = np.median(display.tol)
    assert_array_equal(display.tol_line_.get_ydata(), [median] * 2)
    bottom, top = display.ax_.get_ylim()
    assert 1e-6 * median <= bottom < median < top
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels[-1] == f"tolerance {median:.0e}, median"


def test_no_tolerance_line_at_zero(finder):
    display = ConvergenceDisplay(finder.history_["squared_grad_norm"], [True] * 8, 0.0)
    assert display.plot().tol_line_ is None
    assert len(display.ax_.get_legend().get_texts()) == 2


def test_draws_on_given_axes(finder):
    figure, (left, right) = plt.subplots(1, 2)
    display = ConvergenceDisplay.from_estimator(finder, ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert not left.has_data()
    assert display.plot(left).ax_ is left


def test_plot_returns_display(finder):
    display = ConvergenceDisplay.from_estimator(finder)
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


def test_line_kw(finder):
    display = ConvergenceDisplay.from_estimator(
        finder, line_kw={"linewidth": 3.0, "color": "red"}
    )
    assert {line.get_linewidth() for line in display.lines_} == {3.0}
    assert {line.get_color() for line in display.lines_} == {"red"}


@pytest.mark.parametrize("end", [0.0, np.inf])
def test_odd_values_and_one_iterate(end):
    squared = np.array([[1.0, 1e-3, end], [1e-12, np.nan, np.nan]])
    display = ConvergenceDisplay(squared, np.array([False, True]), 1e-10).plot()
    display.figure_.canvas.draw()
    low, high = display.ax_.get_ylim()
    # All that a logarithmic axis can show, but for what lies far below the tolerance.
    assert 1e-16 <= low <= 1e-12
    assert 1.0 < high < np.inf
    assert_array_equal(display.lines_[0].get_ydata(), squared[0])
    assert_array_equal(display.lines_[1].get_ydata(), [1e-12])


def test_needs_history(data):
    finder = NewtonMRFinder(n_starts=2, random_state=0).fit(data)
    with pytest.raises(ValueError, match="store_history=True"):
        ConvergenceDisplay.from_estimator(finder)


def test_needs_fit():
    with pytest.raises(NotFittedError):
        ConvergenceDisplay.from_estimator(NewtonMRFinder(store_history=True))


def test_missing_matplotlib(finder, monkeypatch):
    real_import = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"ConvergenceDisplay.plot needs Matplotlib"):
        ConvergenceDisplay.from_estimator(finder)
