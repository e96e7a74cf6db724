"""The graph shows what the explorer found, where it lies."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skcrit import FunctionLoss, LandscapeExplorer, LinearAutoencoderLoss
from skcrit.datasets import make_gaussian_spectrum
from skcrit.inspection import LandscapeGraphDisplay


@pytest.fixture(scope="module")
def explorer():
    X = make_gaussian_spectrum(
        100, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0
    )
    loss = LinearAutoencoderLoss((2,))
    return LandscapeExplorer(loss, max_searches=200, random_state=0).fit(X)


def test_nodes_and_edges_are_those_of_the_graph(explorer):
    display = LandscapeGraphDisplay.from_estimator(explorer)
    points = np.column_stack([explorer.morse_indices_, explorer.critical_losses_])
    np.testing.assert_array_equal(display.nodes_.get_offsets(), points)
    segments = np.array(display.edges_.get_segments())
    assert len(segments) == explorer.graph_.number_of_edges()
    np.testing.assert_array_equal(segments, points[np.array(explorer.graph_.edges)])
    assert display.ax_.get_xlabel() == "Morse index"
    assert display.figure_ is display.ax_.figure


def test_names_are_the_critical_sets(explorer):
    display = LandscapeGraphDisplay.from_estimator(explorer)
    assert [text.get_text() for text in display.texts_] != []
    assert set(display.names) >= {"{}", "{0, 1}", "{3}"}
    assert len(set(display.names)) == 11
    boxes = [text.get_window_extent() for text in display.texts_]
    overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[i + 1 :]]
    assert not any(overlaps)


def test_many_sets_have_no_names_and_no_trend(explorer):
    display = LandscapeGraphDisplay.from_estimator(explorer, max_labels=5)
    assert display.names is None
    assert display.texts_ == []
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


def test_given_axes_and_styles(explorer):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots()
    display = LandscapeGraphDisplay.from_estimator(
        explorer, ax=ax, node_kw={"s": 7.0}, edge_kw={"linewidths": 3.0}
    )
    assert display.ax_ is ax
    assert display.nodes_.get_sizes().tolist() == [7.0]
    assert display.edges_.get_linewidths()[0] == 3.0


def test_nothing_to_draw():
    empty = np.empty(0, dtype=int)
    display = LandscapeGraphDisplay(empty, empty, np.empty((0, 2), dtype=int)).plot()
    assert len(display.nodes_.get_offsets()) == 0


def test_not_fitted():
    with pytest.raises(NotFittedError):
        LandscapeGraphDisplay.from_estimator(LandscapeExplorer())
