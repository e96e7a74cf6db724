"""The Euler sum of a coercive loss keeps explorations going, and is reported."""

import numpy as np
import pytest

from skcrit import (
    FunctionLoss,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import morse_inequalities, recovery_report
from skcrit.metrics._euler import alarm_text, euler_alarm
from skcrit.proving_grounds import make_central_configurations, make_himmelblau
from tests.losses._tanh import finder_at, make_points, make_tanh_loss
from tests.metrics.test_euler import landscape_of


def wells(**options):
    """Four wells in the plane, whose nine critical points have the sum +1."""
    return FunctionLoss(
        lambda t: np.sum((t**2 - 1) ** 2, axis=-1),
        lambda t: 4 * t * (t**2 - 1),
        lambda t, v: (12 * t**2 - 4) * v,
        n_params=2,
        **options,
    )


@pytest.mark.parametrize("p", [1, 2, 3])
def test_linear_network_with_the_sum_penalty(p):
    X = make_gaussian_spectrum(60, eigenvalues=[3, 2, 1], exact=True, random_state=0)
    loss = LinearAutoencoderLoss((p,), penalty="sum", alpha=0.1).fit(X)
    explorer = LandscapeExplorer(max_searches=80, random_state=0).fit(loss)
    assert explorer.n_critical_sets_ == loss.analytical_spectrum().n_sets
    assert explorer.euler_sum_ == 1
    assert explorer.summary().alarm == ""


def test_tanh_network_says_that_sets_are_missing():
    loss = make_tanh_loss()
    points = make_points(loss)
    assert alarm_text(finder_at(loss, points[:2])) == (
        "Euler sum +24: the loss is coercive, and for a complete list it is +1. Sets "
        "are missing."
    )
    assert alarm_text(finder_at(loss, points)) == ""


def test_inequalities_see_what_the_sum_does_not():
    # Of a double well in three dimensions and two points that are not critical: three
    # minima need two saddles between them, and not two points of index three.
    finder = landscape_of([0, 0, 0, 3, 3])
    finder.loss_.set_params(is_coercive=True).fit()
    assert alarm_text(finder) == (
        "The Morse inequality for index 1 fails: the loss is coercive, and it holds "
        "for a complete list. Sets are missing."
    )
    assert "Morse inequality" in repr(finder.summary())
    finder.morse_indices_ = np.array([0, 0, 0, 1, 1])
    assert alarm_text(finder) == ""
    finder.loss_.set_params(is_coercive=None).fit()
    finder.morse_indices_ = np.array([0, 0, 0, 3, 3])
    assert alarm_text(finder) == ""


def test_an_explorer_goes_on_while_an_inequality_fails():
    # A maximum in the plane has the sum +1, but a coercive function has a minimum.
    loss = wells(is_coercive=True).fit()
    options = {"n_starts": 1, "init": [[0.0, 0.0]], "random_state": 0}
    options |= {"coverage": 0.0, "round_size": 4, "max_searches": 60}
    blind = LandscapeExplorer(**options).fit(wells().fit())
    assert blind.morse_indices_.tolist() == [2]
    seeing = LandscapeExplorer(**options).fit(loss)
    assert np.sum(seeing.morse_indices_ == 0) >= 1
    assert morse_inequalities(seeing).all()
    assert seeing.euler_sum_ == 1


def test_an_explorer_goes_on_while_sets_are_missing():
    loss = wells(is_coercive=True).fit()
    options = {"n_starts": 1, "init": [[0.9, 0.9]], "random_state": 0}
    options |= {"coverage": 0.0, "round_size": 4, "max_searches": 200}
    blind = LandscapeExplorer(**options).fit(wells().fit())
    assert blind.stop_reason_ == "coverage"
    assert np.isnan(blind.euler_sum_)
    seeing = LandscapeExplorer(**options).fit(loss)
    # One minimum has the sum +1 already, which proves nothing.
    assert seeing.euler_sum_ == 1
    assert seeing.n_critical_sets_ >= blind.n_critical_sets_
    options["init"] = [[0.01, 0.9]]
    blind = LandscapeExplorer(**options).fit(wells().fit())
    assert blind.n_critical_sets_ == 1
    seeing = LandscapeExplorer(**options).fit(loss)
    assert seeing.n_critical_sets_ > 1
    assert seeing.euler_sum_ == 1


def test_a_spent_budget_is_called_incomplete():
    explorer = LandscapeExplorer(
        n_starts=1, init=[[0.01, 0.9]], max_searches=1, random_state=0
    )
    explorer.fit(wells(is_coercive=True).fit())
    assert explorer.stop_reason_ == "incomplete"
    assert explorer.euler_sum_ == -1
    assert "Euler sum -1" in repr(explorer.summary())
    assert "Sets are missing" in recovery_report(explorer)


def test_exhausted_directions_are_tried_again():
    loss = wells(is_coercive=True).fit()
    explorer = LandscapeExplorer(
        n_starts=1,
        init=[[0.01, 0.9]],
        max_searches=60,
        n_passes=1,
        displacement=(1e-3, 2e-3),
        noise=0,
        random_state=0,
    )
    explorer.fit(loss)
    assert explorer.stop_reason_ == "incomplete" or explorer.euler_sum_ == 1
    assert explorer.n_searches_ > 5


def test_configurations_have_a_sum_of_their_own():
    # The space of three points in the plane, rotations divided out, has the sum -1.
    loss = make_central_configurations(3)
    options = {"n_starts": 1, "max_searches": 40, "random_state": 0}
    explorer = LandscapeExplorer(**options).fit(loss)
    assert explorer.n_critical_sets_ == 2
    assert explorer.euler_sum_ == loss.euler_characteristic == -1
    assert explorer.summary().alarm == ""
    triangle = loss.ground_truth().points[:1]
    one = LandscapeExplorer(init=triangle, **options | {"max_searches": 1}).fit(loss)
    assert one.stop_reason_ == "incomplete"
    assert "for a complete list it is -1" in one.summary().alarm


def test_losses_of_users_and_bounds():
    assert wells().is_coercive is None
    assert wells(is_coercive=True).is_coercive is True
    bounded = wells(is_coercive=True, bounds=(-2, 0.5))
    assert bounded.is_coercive is None
    with pytest.raises(ValueError, match="is_coercive"):
        wells(is_coercive="yes").fit()
    finder = NewtonMRFinder(n_starts=1, init=[[0.01, 0.9]]).fit(wells().fit())
    assert finder.summary().alarm == ""
    assert make_himmelblau().is_coercive


def test_other_zero_eigenvalues_than_those_of_symmetries_say_nothing():
    # x^4 / 4 + y^2 / 2: the sum over its only critical point is +1, by chance, because
    # the minimum is degenerate.
    class Quartic(FunctionLoss):
        def orbit_euler(self, theta):
            return np.ones(theta.shape[:-1])

    loss = Quartic(
        lambda t: t[..., 0] ** 4 / 4 + t[..., 1] ** 2 / 2,
        lambda t: np.stack([t[..., 0] ** 3, t[..., 1]], axis=-1),
        lambda t, v: np.stack([3 * t[..., 0] ** 2 * v[..., 0], v[..., 1]], axis=-1),
        n_params=2,
        is_coercive=True,
    ).fit()
    finder = NewtonMRFinder(init=[[0.0, 0.0]], n_starts=1).fit(loss)
    assert (finder.morse_indices_.tolist(), finder.nullities_.tolist()) == ([0], [1])
    total, reason = euler_alarm(finder)
    assert np.isnan(total)
    assert (
        reason == "critical set 0 has other zero eigenvalues than those of symmetries"
    )
    assert alarm_text(finder) == ""
