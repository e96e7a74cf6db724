"""Losses that are not defined everywhere: a NaN shortens steps, and ends no search."""

import numpy as np
import pytest

from skcrit import (
    FunctionLoss,
    GradNormFinder,
    LandscapeExplorer,
    NewtonMRFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)

FINDERS = [NewtonMRFinder, NewtonTRFinder, GradNormFinder, SaddleDynamicsFinder]


def positive(theta):
    return np.where(theta > 0, theta, np.nan)


@pytest.fixture
def loss():
    """The sum of x - log x: Newton's step from 3 would lead to -3."""
    return FunctionLoss(
        lambda theta: np.sum(positive(theta) - np.log(positive(theta)), axis=-1),
        lambda theta: 1 - 1 / positive(theta),
        n_params=2,
    ).fit()


@pytest.mark.parametrize("Finder", FINDERS)
# The first start lies where the loss is not defined.
@pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")
def test_searches_turn_back_from_the_edge(Finder, loss):
    starts = np.random.default_rng(0).uniform(0.01, 8, size=(20, 2))
    starts[0] = -1
    finder = Finder(n_starts=20, init=starts, random_state=0).fit(loss)
    status = finder.results_["status"]
    assert status[0] == "DIVERGED" and "DIVERGED" not in status[1:]
    assert np.count_nonzero(status == "CONVERGED") >= 18
    np.testing.assert_allclose(finder.critical_points_, [[1, 1]], atol=1e-12)
    assert finder.morse_indices_.tolist() == [0]


# Most random starts do.
@pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")
def test_explorer_begins_at_random_in_spite_of_the_edge(loss):
    explorer = LandscapeExplorer(random_state=0, max_searches=100).fit(loss)
    np.testing.assert_allclose(explorer.critical_points_, [[1, 1]], atol=1e-12)
