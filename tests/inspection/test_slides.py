"""Figures are readable on dark slides and in large letters."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.text import Text

from skcrit import FunctionLoss, LandscapeExplorer
from skcrit.inspection import (
    ConvergenceDisplay,
    DisconnectivityDisplay,
    LandscapeGraphDisplay,
    LossIndexDisplay,
    ParticipationDisplay,
    ToleranceDisplay,
)

# W3C's weights of the three colours for an eye.
EYE = np.array([0.2126, 0.7152, 0.0722])


@pytest.fixture(scope="module")
def explorer():
    """Four minima of equal loss and what lies between them."""
    loss = FunctionLoss(
        lambda t: np.sum((t**2 - 1) ** 2, axis=-1),
        lambda t: 4 * t * (t**2 - 1),
        n_params=2,
    )
    explorer = LandscapeExplorer(loss, max_searches=80, connect=True, random_state=0)
    return explorer.fit()


@pytest.fixture
def draw(explorer, failed_finder, data):
    """All figures, by name."""
    return {
        "convergence": lambda: ConvergenceDisplay.from_estimator(failed_finder),
        "disconnectivity": lambda: DisconnectivityDisplay.from_estimator(explorer),
        "graph": lambda: LandscapeGraphDisplay.from_estimator(explorer),
        "loss_index": lambda: LossIndexDisplay.from_estimator(failed_finder),
        "participation": lambda: ParticipationDisplay.from_estimator(failed_finder),
        "tolerance": lambda: ToleranceDisplay.from_estimator(failed_finder, data),
    }


NAMES = [
    "convergence",
    "disconnectivity",
    "graph",
    "loss_index",
    "participation",
    "tolerance",
]


def _colors(ax):
    """Colours of lines and words: each with what it is drawn on."""
    paper = to_rgb(ax.get_facecolor())
    # Not the grid and the ticks, which belong to the style; nor what fills gaps.
    lines = [*ax.lines, *ax.findobj(LineCollection)]
    lines += ax.get_legend().findobj(Line2D) if ax.get_legend() else []
    for artist in lines:
        if artist.get_zorder() != 1.4:
            for color in np.atleast_2d(artist.get_color()):
                yield artist, to_rgb(color if color.size > 1 else color[0]), paper
    for text in ax.findobj(Text):
        box = text.get_bbox_patch()
        back = to_rgb(box.get_facecolor()) if box else paper
        if text.get_text():
            yield text, to_rgb(text.get_color()), back


@pytest.mark.parametrize("style", ["default", "dark_background", "ggplot"])
@pytest.mark.parametrize("name", NAMES)
def test_lines_and_words_differ_from_what_they_are_drawn_on(draw, name, style):
    with plt.style.context(style):
        ax = draw[name]().ax_
        for artist, color, back in _colors(ax):
            contrast = abs(EYE @ np.array(color) - EYE @ np.array(back))
            assert contrast > 0.2, artist


@pytest.mark.parametrize("font", [7, 10, 18])
@pytest.mark.parametrize("name", NAMES)
def test_letters_of_any_size_stay_inside_the_figure(draw, name, font):
    with plt.rc_context({"font.size": font}):
        figure = draw[name]().figure_
        figure.canvas.draw()
        box = figure.get_tightbbox()  # in inches
    assert np.all(box.min >= 0)
    assert np.all(box.max <= figure.get_size_inches())


def test_large_letters_of_participation_leave_the_bars_alone(failed_finder):
    with plt.rc_context({"font.size": 18}):
        display = ParticipationDisplay.from_estimator(failed_finder, random_state=0)
        display.figure_.canvas.draw()
        legend = display.ax_.get_legend().get_window_extent()
    bars = [*display.bars_, *display.origin_bar_]
    assert max(bar.get_window_extent().y1 for bar in bars) < legend.y0


def test_no_search_edge_shows_in_the_gaps_of_a_connection():
    edges = np.array([[0, 1]])
    display = LandscapeGraphDisplay(
        np.array([0.0, 1.0]), np.array([0, 1]), edges, connections=edges[:, ::-1]
    ).plot()
    display.edges_.set_color("red")
    figure = display.figure_
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)
    low, high = np.round(display.ax_.transData.transform(display.positions_)).astype(
        int
    )
    # Between the two sets, not beside them.
    column = (low[0] + high[0]) // 2
    strip = pixels[:, column - 40 : column + 40]
    red = (strip[..., 0] > 200) & (strip[..., 1] < 150) & (strip[..., 2] < 150)
    assert not red.any()
