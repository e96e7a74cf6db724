"""Participation entropy of finders: values, corrections, intervals, scorer."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcrit.exceptions import NotConvergedWarning
from skcrit.finders import NewtonMRFinder
from skcrit.metrics import (
    participation_counts,
    participation_entropy,
    participation_entropy_interval,
    participation_entropy_scorer,
)
from tests.metrics._fits import fit_at, make_data, make_loss

# Counts 4, 2, 1, 0 and 1 at the origin: 1 + 1/2 + 3/8 bits, of an even 8.
SETS = [(0, 1), (0, 1), (0, 2), (0,), ()]
BITS = 0.5 + 0.25 * 2 + 2 * 0.125 * 3


@pytest.fixture(scope="module")
def lost_finder():
    finder = NewtonMRFinder(n_starts=3, max_iter=0, init="gaussian", random_state=0)
    with pytest.warns(NotConvergedWarning):
        return finder.fit(make_data())


def test_known_entropy(finder):
    assert participation_counts(finder).tolist() == [4, 2, 1, 0, 1]
    value = participation_entropy(finder)
    assert type(value) is float
    assert_allclose(value, BITS)


def test_corrections(finder):
    value = participation_entropy(finder, bias_correction="miller-madow")
    assert_allclose(value, BITS + 3 / (2 * 8 * np.log(2)))
    value = participation_entropy(finder, bias_correction="jackknife")
    assert BITS < value <= np.log2(5)


def test_each_start_a_group_is_no_groups(finder):
    options = {"bias_correction": "jackknife"}
    alone = participation_entropy(finder, groups=list("abcde"), **options)
    assert_allclose(alone, participation_entropy(finder, **options))


def test_groups_do_not_change_the_plain_entropy(finder):
    assert_allclose(participation_entropy(finder, groups=[0, 0, 0, 1, 1]), BITS)


def test_one_set_has_no_entropy():
    finder = fit_at(make_loss(), [(2,)] * 3)
    for correction in (None, "miller-madow", "jackknife"):
        assert participation_entropy(finder, bias_correction=correction) == 0


def test_interval(finder):
    low, high = participation_entropy_interval(finder, random_state=0)
    middle = participation_entropy(finder, bias_correction="jackknife")
    assert type(low) is type(high) is float
    assert 0 <= low < middle <= high <= np.log2(5)
    assert participation_entropy_interval(finder, random_state=0) == (low, high)
    assert participation_entropy_interval(finder, random_state=1) != (low, high)
    inner = participation_entropy_interval(
        finder, confidence_level=0.5, n_resamples=500, random_state=0
    )
    assert low < inner[0] < inner[1] <= high


def test_interval_of_groups(finder):
    options = {"random_state": 0, "n_resamples": 300}
    alone = participation_entropy_interval(finder, **options)
    singles = participation_entropy_interval(finder, groups=range(5), **options)
    assert_allclose(singles, alone)
    pairs = participation_entropy_interval(finder, groups=[0, 0, 1, 1, 2], **options)
    assert pairs != alone


def test_undefined(lost_finder):
    with pytest.warns(UndefinedMetricWarning, match="entropy is undefined .* NaN: no"):
        assert math.isnan(participation_entropy(lost_finder))
    with pytest.warns(UndefinedMetricWarning, match="interval is undefined") as caught:
        interval = participation_entropy_interval(lost_finder)
    assert np.all(np.isnan(interval))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "groups, fault",
    [
        (np.ma.MaskedArray(range(5), mask=[0, 0, 1, 0, 0]), "masked entries"),
        ([0, "a", None, 1, 2], "labels that can be compared"),
    ],
)
def test_impossible_groups(finder, groups, fault):
    with pytest.raises(ValueError, match=f"groups must .*{fault}"):
        participation_entropy(finder, groups=groups)


def test_interval_needs_two_groups(finder):
    with pytest.warns(UndefinedMetricWarning, match="two independent starts"):
        interval = participation_entropy_interval(finder, groups=[7] * 5)
    assert np.all(np.isnan(interval))


def test_wrong_arguments(finder):
    with pytest.raises(ValueError, match="bias_correction must be"):
        participation_entropy(finder, bias_correction="miller")
    with pytest.raises(ValueError, match="groups must have one label per start"):
        participation_entropy(finder, groups=[0, 1])
    with pytest.raises(ValueError, match="groups must have one label per start"):
        participation_entropy_interval(finder, groups=[0, 1])
    with pytest.raises(ValueError, match="confidence_level"):
        participation_entropy_interval(finder, confidence_level=95.0)


def test_unfitted():
    for metric in (participation_entropy, participation_entropy_interval):
        with pytest.raises(NotFittedError):
            metric(NewtonMRFinder())


def test_scorer(finder, lost_finder):
    assert participation_entropy_scorer(finder) == participation_entropy(finder)
    assert participation_entropy_scorer(finder, make_data(), None) == pytest.approx(
        BITS
    )
    with pytest.warns(UndefinedMetricWarning):
        assert math.isnan(participation_entropy_scorer(lost_finder, None))


def test_scorer_in_pipeline_and_search():
    finder = NewtonMRFinder(n_starts=6, init="gaussian", random_state=0)
    pipeline = make_pipeline(StandardScaler(), finder).fit(make_data())
    expected = participation_entropy(pipeline[-1])
    assert participation_entropy_scorer(pipeline, make_data()) == expected
    grid = GridSearchCV(
        finder,
        {"n_starts": [1, 12]},
        scoring=participation_entropy_scorer,
        cv=2,
        error_score="raise",
    ).fit(make_data())
    assert grid.best_params_ == {"n_starts": 12}
