"""Which sets two finders have both found, and what counts say on symmetric sets."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skcrit import NewtonMRFinder
from skcrit.metrics import (
    chao1_richness_interval,
    finder_agreement,
    good_turing_coverage_interval,
)
from tests.losses._tanh import CLASSES, finder_at, make_points, make_tanh_loss
from tests.metrics._fits import fit_at, make_loss


def test_shared_sets_and_others():
    one = fit_at(make_loss(), [(0, 1), (0, 2), (0,)])
    other = fit_at(make_loss(), [(0, 1), (0, 1), (1, 2), (), (0,)])
    found = finder_agreement(one, other)
    assert len(found.shared) == 2
    first, second = found.shared.T
    np.testing.assert_allclose(
        one.critical_losses_[first], other.critical_losses_[second]
    )
    assert (len(found.only_finder), len(found.only_probe)) == (1, 2)
    assert found.jaccard == 2 / 5
    assert found.richness == pytest.approx(4 * 5 / 3 - 1)
    swapped = finder_agreement(other, one)
    assert set(map(tuple, swapped.shared[:, ::-1])) == set(map(tuple, found.shared))
    np.testing.assert_array_equal(swapped.only_probe, found.only_finder)
    assert finder_agreement(one, one).jaccard == 1
    assert finder_agreement(one, one).richness == 3


def test_symmetric_points_are_one_set(rng):
    """Points that units in another order, or with other signs, make of one."""
    loss = make_tanh_loss()
    points = make_points(loss)[:6]
    coefs, intercepts = loss.unpack(points)
    order, signs = [2, 0, 1], np.array([1, -1, -1])
    coefs = [coefs[0][..., order] * signs, coefs[1][:, order] * signs[:, None]]
    moved = loss.pack(coefs, [intercepts[0][:, order] * signs, intercepts[1]])
    assert np.all(np.linalg.norm(moved - points, axis=1) > 0.1)
    found = finder_agreement(finder_at(loss, points), finder_at(loss, moved))
    assert found.jaccard == 1


def test_nothing_found():
    loss, start = make_loss(), np.ones((1, make_loss().n_params_))
    with pytest.warns(UserWarning, match="did not end"):
        none = NewtonMRFinder(n_starts=1, init=start, max_iter=0, tol=0.0).fit(loss)
    found = finder_agreement(none, none)
    assert np.isnan(found.jaccard)
    assert found.richness == 0
    assert found.shared.shape == (0, 2)


def test_messages():
    one = fit_at(make_loss(), [(0, 1)])
    with pytest.raises(ValueError, match="probe must be fitted to the loss of finder"):
        finder_agreement(one, finder_at(make_tanh_loss(), np.zeros((1, 13))))
    with pytest.raises(NotFittedError):
        finder_agreement(one, NewtonMRFinder())
    with pytest.raises(TypeError, match="probe must be fitted"):
        finder_agreement(one, 3)


def test_coverage_and_richness_of_sets_of_different_orbits():
    """A set of 48 points is found four times as often as one of 12.

    So sets have different probabilities, which are the shares of all points: coverage
    is the share of points whose set is known, and the number of sets is bounded from
    below.
    """
    loss = make_tanh_loss()
    sizes = loss.orbit_size(make_points(loss))
    assert len(sizes) == len(CLASSES)
    assert sizes.sum() == 579
    rng, covered, above = np.random.default_rng(0), [], []
    for _ in range(200):
        counts = rng.multinomial(60, sizes / sizes.sum())
        low, high = good_turing_coverage_interval(counts[counts > 0])
        covered.append(low <= sizes[counts > 0].sum() / 579 <= high)
        above.append(chao1_richness_interval(counts[counts > 0])[0] > len(sizes))
    assert np.mean(covered) >= 0.9
    assert np.mean(above) <= 0.05
