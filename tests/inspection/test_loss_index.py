"""The figure of loss against index."""

import copy

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from skcrit import KnownPoints
from skcrit.finders import NewtonMRFinder
from skcrit.inspection import LossIndexDisplay
from skcrit.proving_grounds import make_himmelblau


def legend_of(display):
    """Texts of the legend."""
    return [text.get_text() for text in display.ax_.get_legend().get_texts()]


def altered(finder, **columns):
    """Copy of a finder that reports something else."""
    other = copy.copy(finder)
    other.results_ = {**finder.results_, **columns}
    return other


def test_numerical_data(failed_finder):
    display = LossIndexDisplay.from_estimator(failed_finder)
    converged = failed_finder.converged_
    assert_array_equal(display.loss, failed_finder.results_["loss"][converged])
    fractions = failed_finder.results_["morse_index"][converged] / 16
    assert_array_equal(display.index_fraction, fractions)
    assert display.n_starts == 8
    assert display.hit.all()


def test_analytical_data(finder):
    display = LossIndexDisplay.from_estimator(finder)
    table = finder.loss_.analytical_spectrum().to_dict()
    assert_allclose(display.analytical_loss, table["loss"])
    assert_allclose(display.analytical_index_fraction, table["index_fraction"])
    assert display.n_sets == 11


def test_hits_lie_on_analytical_points(finder):
    display = LossIndexDisplay.from_estimator(finder)
    truth = display.analytical_points_.get_offsets()
    for point in display.points_[0].get_offsets():
        assert np.min(np.linalg.norm(truth - point, axis=1)) < 1e-6


def test_axes_and_legend(finder):
    display = LossIndexDisplay.from_estimator(finder)
    assert display.ax_.get_xlabel() == "Index / number of parameters"
    assert display.ax_.get_ylabel() == "Loss"
    assert legend_of(display) == ["known: 11 sets", "hits: 8 of 8 starts"]
    assert display.analytical_points_.get_zorder() < display.points_[0].get_zorder()


def test_points_that_the_truth_does_not_judge():
    loss = make_himmelblau()
    every = loss.ground_truth()
    minima = every.points[every.morse_indices(every.all_sets()) == 0]
    truth = KnownPoints(minima, [0] * 4, loss=loss, listed_indices=(0,))
    finder = NewtonMRFinder(n_starts=9, init=every.points).fit(loss)
    display = LossIndexDisplay.from_estimator(finder, truth=truth)
    assert legend_of(display)[1:] == ["hits: 4 of 9 starts", "of other indices: 5"]
    assert len(display.points_[1].get_offsets()) == 5


def test_misses(finder):
    index = finder.results_["morse_index"].copy()
    index[:3] += 1
    display = LossIndexDisplay.from_estimator(altered(finder, morse_index=index))
    assert_array_equal(display.hit, [False] * 3 + [True] * 5)
    assert legend_of(display)[1:] == ["hits: 5 of 8 starts", "missed: 3"]
    hits, misses = display.points_
    assert len(hits.get_offsets()) == 5
    assert_array_equal(misses.get_offsets()[:, 0], index[:3] / 16)


def test_unknown_index_is_drawn_at_the_edge(finder):
    index = finder.results_["morse_index"].copy()
    index[2] = -1
    display = LossIndexDisplay.from_estimator(altered(finder, morse_index=index))
    assert np.isnan(display.index_fraction[2])
    assert legend_of(display)[1:] == ["hits: 7 of 8 starts", "index not resolved: 1"]
    assert_allclose(display.points_[1].get_offsets()[0, 1], display.loss[2])


def test_axes_reach_losses_without_index():
    loss, fraction = np.array([1.0, 5.0]), np.array([0.1, np.nan])
    display = LossIndexDisplay(loss, fraction, 2).plot()
    assert display.ax_.get_ylim()[1] > 5


def test_random_sample_of_many_sets(finder):
    display = LossIndexDisplay.from_estimator(finder, max_sets=4, random_state=0)
    spectrum = finder.loss_.analytical_spectrum()
    sets = spectrum.sample_sets(4, 0)
    assert_allclose(display.analytical_loss, spectrum.losses(sets))
    assert display.n_sets == 11
    assert legend_of(display)[0] == "known: 4 random\nof 11 sets"


def test_without_ground_truth(blind_finder):
    display = LossIndexDisplay.from_estimator(blind_finder)
    assert display.hit is None
    assert display.analytical_loss is None
    assert display.analytical_points_ is None
    assert_allclose(display.index_fraction, [0, 0, 0.5])
    assert_allclose(display.loss, [0, 0, 1], atol=1e-9)
    assert legend_of(display) == ["converged: 3 of 3 starts"]


def test_nothing_converged(finder):
    other = altered(finder, converged=np.zeros(8, dtype=bool))
    other.converged_ = other.results_["converged"]
    display = LossIndexDisplay.from_estimator(other)
    assert len(display.loss) == 0
    assert legend_of(display)[1] == "hits: 0 of 8 starts"


def test_draws_on_given_axes(finder):
    figure, (left, right) = plt.subplots(1, 2)
    display = LossIndexDisplay.from_estimator(finder, ax=left)
    assert display.ax_ is left
    assert display.figure_ is figure
    assert plt.get_fignums() == [figure.number]
    assert display.plot(right) is display
    assert display.ax_ is right


def test_keywords(finder):
    display = LossIndexDisplay.from_estimator(
        finder, point_kw={"s": 50}, analytical_kw={"s": 2}
    )
    assert_array_equal(display.points_[0].get_sizes(), [50])
    assert_array_equal(display.analytical_points_.get_sizes(), [2])


def test_needs_fit():
    with pytest.raises(NotFittedError):
        LossIndexDisplay.from_estimator(NewtonMRFinder())
