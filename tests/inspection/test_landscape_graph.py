"""The graph shows what the explorer found, where it lies."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.text import Text
from sklearn.exceptions import NotFittedError

from skcrit import FunctionLoss, LandscapeExplorer, LinearAutoencoderLoss
from skcrit.datasets import make_gaussian_spectrum
from skcrit.exceptions import NotConvergedWarning
from skcrit.inspection import LandscapeGraphDisplay


@pytest.fixture(scope="module")
def explorer():
    X = make_gaussian_spectrum(
        100, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0
    )
    loss = LinearAutoencoderLoss((2,))
    return LandscapeExplorer(loss, max_searches=200, random_state=0).fit(X)


def made_up(loss, index, edges=(), names=None, **options):
    """Display of given numbers."""
    loss, index = np.asarray(loss, dtype=float), np.asarray(index, dtype=int)
    edges = np.asarray(edges, dtype=int).reshape(-1, 2)
    return LandscapeGraphDisplay(loss, index, edges, names, **options)


@pytest.mark.parametrize("width", [1.9, 3.3, 8.0])
def test_indices_on_the_axis_do_not_touch(width):
    figure, ax = plt.subplots(figsize=(width, 2.5), layout="constrained")
    made_up(np.linspace(0, 1, 65), np.arange(65)).plot(ax)
    figure.canvas.draw()
    low, high = ax.get_xlim()
    labels = [
        label.get_window_extent()
        for tick, label in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True)
        if low <= tick <= high
    ]
    assert len(labels) >= 2
    assert all(a.x1 < b.x0 for a, b in pairwise(labels))


def test_nodes_and_edges_are_those_of_the_graph(explorer):
    display = LandscapeGraphDisplay.from_estimator(explorer)
    points = display.positions_
    np.testing.assert_array_equal(display.nodes_.get_offsets(), points)
    np.testing.assert_array_equal(points[:, 1], explorer.critical_losses_)
    np.testing.assert_array_less(np.abs(points[:, 0] - explorer.morse_indices_), 0.5)
    # Edges come in the order of their discovery, those of the graph by their parents.
    segments = np.array(display.edges_.get_segments())
    np.testing.assert_array_equal(segments, points[explorer.edges_[:, :2]])
    edges = list(map(tuple, explorer.edges_[:, :2].tolist()))
    assert len(edges) == len(set(edges))
    assert set(edges) == set(explorer.to_networkx().edges)
    assert display.ax_.get_xlabel() == "Morse index"
    assert display.figure_ is display.ax_.figure


def test_names_are_the_critical_sets(explorer):
    display = LandscapeGraphDisplay.from_estimator(explorer)
    assert set(display.names) >= {"{}", "{0, 1}", "{3}"}
    assert len(set(display.names)) == 11
    texts = {row: text.get_text() for row, text in display.texts_.items()}
    assert texts == dict(enumerate(display.names))
    for row, text in display.texts_.items():
        np.testing.assert_array_equal(text.xy, display.positions_[row])


@pytest.mark.parametrize("size", [(6.4, 4.8), (3.3, 2.4), (1.2, 1.0)])
@pytest.mark.parametrize("n", [1, 11, 40])
def test_names_cover_neither_each_other_nor_sets(n, size):
    figure, ax = plt.subplots(figsize=size, layout="constrained")
    rng = np.random.default_rng(n)
    index = np.sort(rng.integers(0, 19, n))
    names = [f"{{{i}, {i + 1}, {i + 2}}}" for i in range(n)]
    display = made_up(index / 4 + 1, index, names=names).plot(ax)
    figure.canvas.draw()
    boxes = [Text.get_window_extent(text) for text in display.texts_.values()]
    assert len(boxes) == n or size[0] < 6
    frame = ax.get_window_extent()
    nodes = ax.transData.transform(display.positions_)
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])
        assert not any(box.contains(*node) for node in nodes)
        assert frame.x0 <= box.x0 < box.x1 <= frame.x1
        assert frame.y0 <= box.y0 < box.y1 <= frame.y1


def test_sets_at_one_place_are_moved_apart():
    index = np.array([3, 3, 3, 5, 5, 7])
    # Rounding differs, as between sets that are reached in different ways.
    loss = np.array([1, 1 + 1e-15, 1, 2, 3, 3])
    x = made_up(loss, index).plot().positions_[:, 0]
    assert len(np.unique(x[:3])) == 3
    assert x[:3].mean() == pytest.approx(3)
    np.testing.assert_array_equal(x[3:], index[3:])


def test_any_number_at_one_place_stays_within_its_index():
    x = made_up(np.ones(900), np.full(900, 4)).plot().positions_[:, 0]
    assert len(np.unique(x)) == 900
    assert np.abs(x - 4).max() < 0.5


def test_unknown_index_has_a_column_at_the_edge():
    index = np.array([0, -1, 20, 9])
    edges = [[2, 1], [1, 0]]
    display = made_up([0.0, 1, 2, 1], index, edges, detrend=True).plot()
    x, y = display.positions_.T
    np.testing.assert_array_equal(y, [0, 1, 2, 1])  # no trend without index
    assert display.ax_.get_ylabel() == "Loss"
    assert x[1] > 20
    np.testing.assert_array_equal(x[index >= 0], [0, 20, 9])
    colors = display.nodes_.get_facecolors()
    assert not np.array_equal(colors[0], colors[1])
    np.testing.assert_array_equal(colors[0], colors[2])
    display.figure_.canvas.draw()
    assert display.ax_.get_xticklabels()[-1].get_text() == "?"
    assert display.ax_.get_xticks()[-1] == x[1]
    assert "not known, 1" in display.ax_.get_xlabel()


def test_no_index_known_at_all():
    display = made_up([1.0, 2.0], [-1, -1], [[1, 0]], ["a", "b"], detrend=True).plot()
    display.figure_.canvas.draw()
    assert [t.get_text() for t in display.ax_.get_xticklabels()] == ["?"]
    assert len(display.texts_) == 2


@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("loss", [[1.0], [1.0, 1.0], [1.0, 2.0]])
def test_one_index_has_no_trend(loss, detrend):
    display = made_up(loss, [3] * len(loss), detrend=detrend).plot()
    np.testing.assert_array_equal(display.positions_[:, 1], loss)
    display.figure_.canvas.draw()


def test_thousands_of_edges_are_a_faint_image():
    rng = np.random.default_rng(0)
    faint = made_up(
        rng.random(2517), rng.integers(0, 65, 2517), rng.integers(0, 2517, (20_000, 2))
    ).plot()
    few = made_up([1.0, 2.0], [0, 1], [[1, 0]]).plot()
    assert faint.edges_.get_rasterized()
    assert not few.edges_.get_rasterized()
    assert 0.01 < faint.edges_.get_alpha() < 0.1 < few.edges_.get_alpha()
    assert len(faint.edges_.get_segments()) == 20_000


def test_names_in_a_subfigure():
    sub = plt.figure(layout="constrained").subfigures(1, 2)[1]
    display = made_up([1.0, 2.0], [0, 1], [[1, 0]], ["a", "b"]).plot(sub.subplots())
    assert list(display.texts_) == [0, 1]


def test_many_sets_have_no_names_and_no_trend(explorer):
    display = LandscapeGraphDisplay.from_estimator(explorer, max_labels=5)
    assert display.names is None
    assert display.texts_ == {}
    height = np.asarray(display.nodes_.get_offsets())[:, 1]
    slope = np.polyfit(explorer.morse_indices_, height, 1)
    np.testing.assert_allclose(slope, 0, atol=1e-12)
    assert "trend" in display.ax_.get_ylabel()


def test_own_names_and_wrong_number_of_them(explorer):
    names = [f"set {i}" for i in range(11)]
    display = LandscapeGraphDisplay.from_estimator(explorer, names=names)
    assert display.names == names
    with pytest.raises(
        ValueError, match="names must have one entry for each of the 11"
    ):
        LandscapeGraphDisplay.from_estimator(explorer, names=["one"])


def test_without_truth_sets_are_numbered():
    loss = FunctionLoss(
        lambda t: (t[..., 0] ** 2 - 1) ** 2,
        lambda t: 4 * t * (t**2 - 1),
        lambda t, v: (12 * t**2 - 4) * v,
        n_params=1,
    ).fit()
    explorer = LandscapeExplorer(max_searches=60, random_state=0).fit(loss)
    display = LandscapeGraphDisplay.from_estimator(explorer)
    assert display.names == ["0", "1", "2"]


def test_an_explorer_that_found_nothing():
    loss = LinearAutoencoderLoss((1,)).fit(np.eye(3))
    explorer = LandscapeExplorer(max_searches=20, max_iter=0, init="gaussian")
    with pytest.warns(NotConvergedWarning):
        explorer.set_params(random_state=0).fit(loss)
    display = LandscapeGraphDisplay.from_estimator(explorer)
    assert display.names == []


def test_given_axes_and_styles(explorer):
    _, ax = plt.subplots()
    display = LandscapeGraphDisplay.from_estimator(
        explorer, ax=ax, node_kw={"s": 7.0}, edge_kw={"linewidths": 3.0}
    )
    assert display.ax_ is ax
    assert display.nodes_.get_sizes().tolist() == [7.0]
    assert display.edges_.get_linewidths()[0] == 3.0


@pytest.mark.parametrize("detrend", [False, True])
@pytest.mark.parametrize("names", [None, []])
def test_nothing_to_draw(names, detrend):
    display = made_up([], [], names=names, detrend=detrend).plot()
    display.figure_.canvas.draw()
    assert len(display.nodes_.get_offsets()) == 0
    assert len(display.edges_.get_segments()) == 0
    assert display.texts_ == {}


def test_own_color_of_nodes():
    display = made_up([1.0, 2.0], [0, -1]).plot(node_kw={"color": "red"})
    assert {tuple(c) for c in display.nodes_.get_facecolors()} == {(1.0, 0, 0, 1.0)}


def test_not_fitted():
    with pytest.raises(NotFittedError):
        LandscapeGraphDisplay.from_estimator(LandscapeExplorer())
