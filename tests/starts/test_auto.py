"""Starts that suit the loss, and what is said of starts that do not."""

import numpy as np
import pandas as pd
import pytest

from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    NewtonMRFinder,
    NewtonTrajectoryFinder,
    NewtonTRFinder,
    NotConvergedWarning,
    SaddleDynamicsFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss, MLPLoss
from skcrit.proving_grounds import make_himmelblau
from skcrit.starts import (
    AutoStarts,
    GaussianStarts,
    SpreadStarts,
    TrajectoryStarts,
    make_starts,
)
from skcrit.starts.make import lie_on_one_descent

from ..finders._own_functions import own_function

FINDERS = [
    GradNormFinder,
    NewtonMRFinder,
    NewtonTRFinder,
    NewtonTrajectoryFinder,
    SaddleDynamicsFinder,
]


def autoencoder(n_features, hidden):
    X = make_gaussian_spectrum(
        2 * n_features,
        eigenvalues=np.arange(n_features, 0.0, -1),
        exact=True,
        random_state=0,
    )
    return LinearAutoencoderLoss(hidden).fit(X)


def double_well():
    return own_function("double well").loss


@pytest.mark.parametrize("Finder", FINDERS)
def test_finders_begin_where_it_suits_the_loss(Finder):
    assert Finder().init == "auto"


def test_functions_begin_in_several_sizes():
    loss = make_himmelblau()
    expected = SpreadStarts(n_sizes=2).sample(loss, 7, random_state=3)
    np.testing.assert_array_equal(make_starts("auto", loss, 7, 3), expected)


def test_an_object_without_the_method_begins_in_several_sizes():
    class Bowl:
        n_params_ = 2

        def value(self, theta):
            return np.sum(theta**2, axis=-1) / 2

        def gradient(self, theta):
            return 1.0 * theta

        def hvp(self, theta, v):
            return 1.0 * v

    expected = SpreadStarts(n_sizes=2).sample(Bowl(), 4, 0)
    np.testing.assert_array_equal(AutoStarts().sample(Bowl(), 4, 0), expected)
    assert expected.shape == (4, 2)


def test_networks_begin_along_several_descents():
    loss = autoencoder(4, (2,))
    first = GaussianStarts().sample(loss, 25, np.random.RandomState(0))
    starts = AutoStarts().sample(loss, 25, np.random.RandomState(0))
    assert np.all(loss.value(starts) <= loss.value(first))
    assert len(np.unique(starts, axis=0)) == 25
    # Each lies on a descent of its own, which leads down from the draw of its number.
    ends = [first]
    for _ in range(2000):
        step = 0.1 / np.max(loss.curvature(first))
        ends.append(ends[-1] - step * loss.gradient(ends[-1]))
    gaps = np.max(np.abs(np.stack(ends) - starts), axis=-1)
    assert np.max(np.min(gaps, axis=0)) < 1e-12


def test_searches_of_a_deep_network_do_not_all_end_at_the_origin():
    loss = autoencoder(4, (2, 2, 2))
    auto, near = (
        NewtonMRFinder(n_starts=25, init=init, random_state=0).fit(loss)
        for init in ("auto", "gaussian")
    )
    assert auto.n_critical_sets_ > 2 * near.n_critical_sets_
    assert auto.score() >= 0.9


def test_a_network_of_units_begins_along_descents(rng):
    X = rng.standard_normal((20, 2))
    assert MLPLoss((2,)).fit(X, X[:, 0] * X[:, 1]).default_init() == "height"


def test_a_loss_that_proposes_something_else():
    class Proposing(FunctionLoss):
        def default_init(self):
            return "nearby"

    loss = Proposing(lambda t: t[..., 0], lambda t: 0 * t, n_params=1).fit()
    with pytest.raises(ValueError, match="default_init of Proposing must return one"):
        AutoStarts().sample(loss, 3)


# One descent


@pytest.mark.parametrize("init", ["height", "iteration", TrajectoryStarts(n_steps=99)])
def test_one_set_from_one_descent_is_said(init):
    with pytest.warns(NotConvergedWarning, match="all 20 starts lie on one gradient"):
        NewtonMRFinder(n_starts=20, init=init, random_state=0).fit(double_well())


@pytest.mark.parametrize("init", ["auto", "spread", "gaussian"])
def test_nothing_is_said_of_other_starts(init):
    finder = NewtonMRFinder(n_starts=60, init=init, random_state=0).fit(double_well())
    assert finder.n_critical_sets_ >= 6


def test_nothing_is_said_of_one_start_or_of_noise():
    assert lie_on_one_descent("height", 2)
    assert not lie_on_one_descent("height", 1)
    assert not lie_on_one_descent("auto", 2)
    assert not lie_on_one_descent(np.zeros((2, 3)), 2)
    for params in ({"n_trajectories": 2}, {"noise_variance": 0.1}):
        assert not lie_on_one_descent(TrajectoryStarts(**params), 2)


@pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")
def test_a_frame_of_starts_is_not_used_again():
    # x^2 exp(-x^2): searches that begin outside run away, and rounds of new starts
    # follow. A data frame has a method named sample, but draws no starts.
    loss = FunctionLoss(
        lambda t: np.sum(t**2 * np.exp(-(t**2)), axis=-1),
        lambda t: 2 * t * (1 - t**2) * np.exp(-(t**2)),
        n_params=1,
        length=1.0,
    ).fit()
    points = np.array([[0.2], [3.0], [-4.0]])
    options = {"n_starts": 3, "max_searches": 40, "random_state": 0}
    array = LandscapeExplorer(init=points, **options).fit(loss)
    frame = LandscapeExplorer(init=pd.DataFrame(points), **options).fit(loss)
    assert np.sum(array.results_["parent"] == -1) > 3
    np.testing.assert_array_equal(frame.start_params_, array.start_params_)
    assert frame.stop_reason_ == array.stop_reason_
