"""An explorer with a largest Morse index: minima and what lies between them."""

import numpy as np
import pytest

from skcrit import FunctionLoss, LandscapeExplorer, NewtonMRFinder
from skcrit.proving_grounds import make_lennard_jones, make_separable_quartic
from tests.finders.test_euler_alarm import wells

# A few searches go round in circles; what the others find is complete.
pytestmark = pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")


def explore(loss, max_index, seed=0, **params):
    """Explore up to an index."""
    return LandscapeExplorer(
        loss, max_index=max_index, random_state=seed, **params
    ).fit()


@pytest.fixture(scope="module")
def quartic():
    """Three tilted double wells: 8 minima, 12 transition states, 7 sets above."""
    return make_separable_quartic(3, tilt=[0.05, 0.1, 0.15])


@pytest.fixture(scope="module")
def limited(quartic):
    """What is found up to index one."""
    return explore(quartic, 1)


def counts(explorer):
    """Count the sets of each Morse index."""
    values, n = np.unique(explorer.morse_indices_, return_counts=True)
    return dict(zip(values.tolist(), n.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_all_minima_and_transition_states(quartic, seed):
    explorer = explore(quartic, 1, seed)
    found = counts(explorer)
    assert (found[0], found[1]) == (8, 12)
    assert explorer.stop_reason_ == "exhausted"


def test_minima_alone_are_reached_from_starts(quartic):
    explorer = explore(quartic, 0, n_starts=50)
    assert counts(explorer) == {0: 8}
    assert np.all(explorer.results_["parent"] == -1)


def test_searches_are_saved(quartic, limited):
    everything = explore(quartic, 3)
    assert counts(everything) == {0: 8, 1: 12, 2: 6, 3: 1}
    assert limited.n_searches_ < everything.n_searches_


def test_nothing_sets_out_from_sets_above(limited):
    index, parent = limited.morse_indices_, limited.results_["parent"]
    assert np.all(index[parent[parent >= 0]] <= 1)
    # From a transition state only along its one unstable direction.
    from_saddle = (parent >= 0) & (index[parent] == 1)
    assert from_saddle.any()
    assert np.all(limited.results_["direction"][from_saddle] == 0)


def test_unknown_indices_are_explored():
    # Nothing is known of x^4 at its minimum, which has to be left along y.
    loss = FunctionLoss(
        lambda t: t[..., 0] ** 4 + (t[..., 1] ** 2 - 1) ** 2,
        lambda t: 4 * t * np.stack([t[..., 0] ** 2, t[..., 1] ** 2 - 1], axis=-1),
        n_params=2,
    )
    assert explore(loss, 1).n_critical_sets_ == 3


def test_the_euler_sum_does_not_apply():
    # The loss is coercive: without the limit the four minima would raise the alarm.
    explorer = explore(wells(is_coercive=True), 0)
    assert set(explorer.morse_indices_.tolist()) == {0}
    assert np.isnan(explorer.euler_sum_)
    assert explorer.stop_reason_ == "exhausted"
    assert explorer.summary().alarm == ""


def test_minima_and_transition_states_of_five_atoms():
    # One minimum, and the two transition states between its copies.
    found = counts(explore(make_lennard_jones(5), 1, max_searches=120))
    assert (found[0], found[1]) == (1, 2)


@pytest.mark.long
@pytest.mark.parametrize(("n", "minima", "saddles"), [(6, 2, 3), (7, 4, 12)])
def test_minima_and_transition_states_of_clusters(n, minima, saddles):
    for seed in range(2):
        found = counts(explore(make_lennard_jones(n), 1, seed))
        assert (found[0], found[1]) == (minima, saddles)


def test_same_result_for_all_workers(quartic, limited):
    other = explore(quartic, 1, n_jobs=2, batch_size=7)
    assert np.array_equal(other.critical_points_, limited.critical_points_)
    assert np.array_equal(other.results_["parent"], limited.results_["parent"])


@pytest.mark.parametrize("bad", [-1, 1.5, "one"])
def test_bad_limit(quartic, bad):
    with pytest.raises(ValueError, match="'max_index' parameter of LandscapeExplorer"):
        LandscapeExplorer(quartic, max_index=bad).fit()


def test_a_local_search_without_natural_steps(quartic):
    local = NewtonMRFinder(fallback=False)
    explorer = explore(quartic, 1, finder=local, max_searches=200)
    parent = explorer.results_["parent"]
    assert np.all(explorer.morse_indices_[parent[parent >= 0]] <= 1)
