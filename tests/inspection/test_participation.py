"""The figure of participation counts."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from skcrit.exceptions import NoGroundTruthError
from skcrit.finders import NewtonMRFinder
from skcrit.inspection import ParticipationDisplay
from skcrit.metrics import (
    participation_counts,
    participation_entropy,
    participation_entropy_interval,
)


def legend_of(display):
    """Title and texts of the legend."""
    legend = display.ax_.get_legend()
    texts = [text.get_text() for text in legend.get_texts()]
    return legend.get_title().get_text(), texts


def made_up(n_features, ties=False):
    """Display of counts that are all about alike: the hardest to label."""
    counts = np.append(np.full(n_features, 20), 3)
    labels = [str(i) for i in range(n_features)]
    if ties:
        labels[-1] = f"{n_features - 1}-{n_features + 90}"
    return ParticipationDisplay(counts, [*labels, "at 0"], 3.05, (2.98, 3.12))


def boxes(artists):
    """Extents of artists on the drawn figure."""
    return [artist.get_window_extent() for artist in artists]


def test_data(finder):
    display = ParticipationDisplay.from_estimator(finder, random_state=0)
    assert_array_equal(display.counts, participation_counts(finder))
    assert display.labels == ["0", "1", "2", "3", "at 0"]
    entropy = participation_entropy(finder, bias_correction="jackknife")
    interval = participation_entropy_interval(finder, random_state=0)
    assert display.entropy == entropy
    assert display.interval == interval
    assert interval[0] <= entropy <= interval[1]


def test_options_reach_the_metrics(finder):
    options = {"confidence_level": 0.8, "n_resamples": 100, "groups": [0, 1, 2, 3] * 2}
    display = ParticipationDisplay.from_estimator(
        finder, bias_correction=None, random_state=0, **options
    )
    interval = participation_entropy_interval(finder, random_state=0, **options)
    assert display.entropy == participation_entropy(finder)
    assert display.interval == interval
    assert "(80 %: " in legend_of(display)[0]


def test_bars_are_shares(finder):
    display = ParticipationDisplay.from_estimator(finder, random_state=0)
    shares = display.counts / display.counts.sum()
    heights = [bar.get_height() for bar in (*display.bars_, *display.origin_bar_)]
    assert_allclose(heights, shares)
    assert_allclose(display.uniform_line_.get_ydata(), [0.2, 0.2])
    assert display.uniform_line_.get_linestyle() == "--"


def test_origin_stands_apart():
    display = made_up(4).plot()
    (origin,) = display.origin_bar_
    last, before = display.bars_[-1], display.bars_[-2]
    step = last.get_x() - before.get_x()
    assert origin.get_x() - last.get_x() > 1.5 * step
    assert origin.get_facecolor() != last.get_facecolor()
    assert origin.get_hatch()
    assert not last.get_hatch()


def test_texts():
    display = made_up(4).plot()
    title, texts = legend_of(display)
    assert title == "3.05 bits (95 %: 2.98 to 3.12), at most 2.32"
    assert texts == ["in sets: 80", "at 0: 3", "uniform"]
    assert display.ax_.get_xlabel() == "Eigenvector, by descending eigenvalue"
    assert display.ax_.get_ylabel() == "Share of participations"


@pytest.mark.parametrize("interval", [None, (float("nan"), float("nan"))])
def test_without_interval(interval):
    display = ParticipationDisplay([3, 1, 0], ["0", "1", "at 0"], 0.81, interval)
    assert legend_of(display.plot())[0] == "0.81 bits, at most 1.58"


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("n_features", [1, 4, 16, 64, 300])
@pytest.mark.parametrize("size", [(3.3, 2.4), (8, 5)])
def test_nothing_collides(n_features, size, ties):
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    display = made_up(n_features, ties).plot(ax)
    figure.canvas.draw()
    labels = sorted(boxes(ax.get_xticklabels()), key=lambda box: box.x0)
    for left, right in zip(labels, labels[1:], strict=False):
        assert left.x1 < right.x0
    (legend,) = boxes([ax.get_legend()])
    frame = ax.get_window_extent()
    assert frame.x0 <= legend.x0 < legend.x1 <= frame.x1
    for bar in boxes([*display.bars_, *display.origin_bar_]):
        assert bar.y1 < legend.y0 or bar.x1 < legend.x0
        assert frame.x0 < bar.x0 < bar.x1 < frame.x1


def test_labels_name_their_bars():
    display = made_up(64).plot()
    shown = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert shown[0] == "0"
    assert shown[-1] == "at 0"
    for position, text in zip(display.ax_.get_xticks(), shown[:-1], strict=False):
        assert position == int(text)


def test_small_numbers_get_every_label():
    display = made_up(4).plot()
    shown = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert shown == display.labels


def test_nothing_found(finder):
    lost = NewtonMRFinder(n_starts=2, max_iter=0, init="gaussian", random_state=0)
    with pytest.warns(UserWarning, match="did not end at a critical point"):
        lost.fit(finder.loss_)
    display = ParticipationDisplay.from_estimator(lost)
    assert np.isnan(display.entropy)
    assert not display.counts.any()
    assert legend_of(display)[0] == "no start is identified"
    display.figure_.canvas.draw()


def test_only_the_origin_exists():
    display = ParticipationDisplay([5], ["at 0"], 0.0, (0.0, 0.0)).plot()
    display.figure_.canvas.draw()
    assert len(display.bars_) == 0
    assert legend_of(display)[0] == "0.00 bits (95 %: 0.00 to 0.00), at most 0.00"


def test_draws_on_given_axes(finder):
    figure, (left, right) = plt.subplots(1, 2)
    display = ParticipationDisplay.from_estimator(finder, ax=left)
    assert display.ax_ is left
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert display.plot(right) is display
    assert display.ax_ is right


def test_bar_kw(finder):
    display = ParticipationDisplay.from_estimator(
        finder, bar_kw={"alpha": 0.5, "width": 0.3}
    )
    bars = [*display.bars_, *display.origin_bar_]
    assert {bar.get_alpha() for bar in bars} == {0.5}
    assert_allclose([bar.get_width() for bar in bars], 0.3)


def test_refused(blind_finder):
    with pytest.raises(NoGroundTruthError):
        ParticipationDisplay.from_estimator(blind_finder)
    with pytest.raises(NotFittedError):
        ParticipationDisplay.from_estimator(NewtonMRFinder())
