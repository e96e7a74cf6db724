"""An independent sample shows which share of the critical sets is known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning

from skcrit import (
    GaussianStarts,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NotConvergedWarning,
    SaddleDynamicsFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import probe_coverage, probe_coverage_interval
from tests.metrics._fits import fit_at, make_data, make_loss

KNOWN = [(0, 1), (0, 2), (0,)]


@pytest.fixture(scope="module")
def finder():
    return fit_at(make_loss(), KNOWN)


def test_share_of_hits_in_known_sets(finder):
    probe = fit_at(make_loss(), [(0, 1), (0, 1), (0, 1), (1, 2), (), (0,)])
    assert probe_coverage(finder, probe) == 4 / 6
    # The other way round: which share of the finder's starts ended where the probe was.
    assert probe_coverage(probe, finder) == 2 / 3
    assert probe_coverage(finder, finder) == 1.0


def test_interval_is_that_of_wilson(finder):
    probe = fit_at(make_loss(), [(0, 1)] * 8 + [()] * 2)
    low, high = probe_coverage_interval(finder, probe)
    # Newcombe (1998) gives this formula; 8 of 10 at 95 %.
    z, p, n = 1.959964, 0.8, 10
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    assert_allclose([low, high], [centre - half, centre + half], rtol=1e-6)
    wide = probe_coverage_interval(finder, probe, confidence_level=0.99)
    assert wide[0] < low < 0.8 < high < wide[1]


def test_points_on_the_orbit_are_the_same_set():
    loss = LinearAutoencoderLoss((2,)).fit(make_data())
    one, other = (
        NewtonMRFinder(n_starts=30, init="gaussian", random_state=seed).fit(loss)
        for seed in (0, 1)
    )
    names = [
        set(loss.analytical_spectrum().match(f.critical_points_).set)
        for f in (one, other)
    ]
    known = [
        name in names[0]
        for name in loss.analytical_spectrum().match(other.critical_points_).set
    ]
    expected = other.counts_[known].sum() / other.counts_.sum()
    assert probe_coverage(one, other) == expected > 0


def test_a_partial_search_is_told(global_random_seed):
    X = make_gaussian_spectrum(100, eigenvalues=[7, 6, 5, 4, 3, 2, 1], random_state=0)
    loss = LinearAutoencoderLoss((3,)).fit(X)
    truth = loss.analytical_spectrum().n_sets
    probe = SaddleDynamicsFinder(
        n_starts=150, init=GaussianStarts(0.05), random_state=global_random_seed
    ).fit(loss)
    errors = []
    for max_searches in (30, 100, 600):
        explorer = LandscapeExplorer(max_searches=max_searches, random_state=0)
        true = explorer.fit(loss).n_critical_sets_ / truth
        errors.append(probe_coverage(explorer, probe) - true)
    assert np.max(np.abs(errors)) < 0.2
    assert explorer.n_critical_sets_ == truth and errors[-1] == 0


def test_no_hits(finder):
    lost = NewtonMRFinder(n_starts=3, max_iter=0, init="gaussian", random_state=0)
    with pytest.warns(NotConvergedWarning, match="3 of 3 starts did not end"):
        lost.fit(finder.loss_)
    with pytest.warns(UndefinedMetricWarning, match="no set was hit"):
        assert np.isnan(probe_coverage(finder, lost))
    with pytest.warns(UndefinedMetricWarning):
        assert np.all(np.isnan(probe_coverage_interval(finder, lost)))
    assert probe_coverage(lost, finder) == 0.0
    with pytest.warns(UndefinedMetricWarning):
        assert np.isnan(probe_coverage(lost, lost))


def test_refused(finder):
    other = fit_at(LinearAutoencoderLoss((2,)).fit(2 * make_data()), KNOWN)
    narrow = fit_at(LinearAutoencoderLoss((1,)).fit(make_data()), [(0,)])
    for probe in (other, narrow):
        with pytest.raises(ValueError, match="probe must be fitted to the loss of fin"):
            probe_coverage(finder, probe)
    with pytest.raises(
        ValueError, match=r"confidence_level must be a number in \(0, 1\)"
    ):
        probe_coverage_interval(finder, finder, confidence_level=95)
    with pytest.raises(NotFittedError):
        probe_coverage(finder, NewtonMRFinder())
    with pytest.raises(TypeError, match="finder must be fitted"):
        probe_coverage([1, 2], finder)
