"""Names and legends stay inside the figure, from a narrow column to a poster."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skcrit.inspection import (
    ConvergenceDisplay,
    LossIndexDisplay,
    ParticipationDisplay,
)
from skcrit.inspection._axes import name_axes, together, wrap

DISPLAYS = [ConvergenceDisplay, LossIndexDisplay, ParticipationDisplay]


@pytest.mark.parametrize("size", [(2.4, 1.9), (3.3, 2.5), (10, 7)])
@pytest.mark.parametrize("display", DISPLAYS)
def test_nothing_leaves_the_figure(failed_finder, display, size):
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    display.from_estimator(failed_finder, ax=ax)
    figure.canvas.draw()
    box = figure.get_tightbbox()  # in inches
    assert np.all(box.min >= 0)
    assert np.all(box.max <= size)


@pytest.mark.parametrize("size", [(2.4, 1.9), (3.3, 2.5), (10, 7)])
def test_legend_of_participation_leaves_the_bars_alone(failed_finder, size):
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    display = ParticipationDisplay.from_estimator(failed_finder, ax=ax, random_state=0)
    figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    bars = [*display.bars_, *display.origin_bar_]
    assert max(bar.get_window_extent().y1 for bar in bars) < legend.y0


@pytest.mark.parametrize("size", [(2.4, 1.9), (3.3, 2.5), (10, 7)])
def test_legend_of_convergence_stands_above_the_runs(size):
    _, ax = plt.subplots(figsize=size, layout="constrained")
    runs = np.array([[1.0, 1e3, 1e-4, 1e-20], [1.0, 2.0, 3.0, 4.0]])
    display = ConvergenceDisplay(runs, np.array([True, False]), 1e-10).plot(ax)
    ax.figure.canvas.draw()
    legend = ax.get_legend().get_window_extent()
    marks = [ax.transData.transform(line.get_xydata()) for line in display.lines_]
    assert np.vstack(marks)[:, 1].max() < legend.y0
    assert legend.y1 <= ax.get_window_extent().y1


@pytest.mark.parametrize("display", DISPLAYS)
def test_legends_are_legible(failed_finder, display):
    _, ax = plt.subplots()
    display.from_estimator(failed_finder, ax=ax)
    assert min(text.get_size() for text in ax.get_legend().get_texts()) > 7


def test_names_are_broken_only_where_they_are_too_long():
    text = "Index / number of parameters"
    assert wrap(text, 300, 10) == text
    assert wrap(text, 110, 10) == "Index / number of\nparameters"
    assert wrap("a few words " + together("and two"), 100, 10).endswith("\nand two")
    assert wrap("Incommensurability", 5, 10) == "Incommensurability"
    _, ax = plt.subplots(figsize=(10, 7))
    name_axes(ax, text, "Loss")
    assert (ax.get_xlabel(), ax.get_ylabel()) == (text, "Loss")
