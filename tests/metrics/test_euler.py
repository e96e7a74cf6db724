"""The alternating sum: known landscapes, and when it is not defined."""

import copy
import math

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning

from skcrit import FunctionLoss, LandscapeExplorer, NewtonMRFinder
from skcrit.exceptions import NotConvergedWarning
from skcrit.metrics import euler_sum, morse_inequalities
from tests.losses._tanh import CLASSES, finder_at, make_points, make_tanh_loss
from tests.metrics._fits import fit_at, make_loss


@pytest.fixture(scope="module")
def loss():
    return make_tanh_loss()


@pytest.fixture(scope="module")
def points(loss):
    return make_points(loss)


@pytest.fixture(scope="module")
def complete(loss, points):
    return finder_at(loss, points)


def wells():
    """Product of two double wells: 4 minima, 4 saddles, 1 maximum."""
    return FunctionLoss(
        lambda t: np.sum((t**2 - 1) ** 2, axis=-1),
        lambda t: 4 * t * (t**2 - 1),
        lambda t, v: (12 * t**2 - 4) * v,
        n_params=2,
    ).fit()


def ring(euler_characteristic=None):
    """A circle of minima around a maximum, on a coercive surface."""

    def squared(t):
        return np.sum(t * t, axis=-1, keepdims=True)

    loss = FunctionLoss(
        lambda t: ((squared(t) - 1) ** 2)[..., 0],
        lambda t: 4 * (squared(t) - 1) * t,
        n_params=2,
    ).fit()
    if euler_characteristic is not None:
        loss.orbit_euler = euler_characteristic
    init = [[1.1, 0.2], [0.3, -0.9], [0.05, 0.02]]
    return NewtonMRFinder(n_starts=3, init=init, random_state=0).fit(loss)


def test_all_points_of_the_tanh_network(complete):
    assert complete.n_critical_sets_ == 21
    assert euler_sum(complete) == 1.0
    assert type(euler_sum(complete)) is float


def test_sum_of_a_part_by_hand(loss, points):
    rows = [0, 3, 7, 14, 20]
    expected = sum((-1) ** CLASSES[row][1] * CLASSES[row][2] for row in rows)
    assert euler_sum(finder_at(loss, points[rows])) == expected == 48 - 24 - 24 + 24 - 1


def test_plus_one_does_not_prove_completeness(loss, points):
    # Without two classes of the same size and of neighbouring index.
    rows = [row for row in range(21) if row not in (1, 5)]
    assert [CLASSES[row][1:] for row in (1, 5)] == [(1, 24), (2, 24)]
    assert euler_sum(finder_at(loss, points[rows])) == 1.0


@pytest.mark.parametrize("missing", range(21))
def test_one_missing_set_shows(complete, missing):
    part = copy.copy(complete)
    keep = np.arange(21) != missing
    for name in ("points", "losses"):
        name = f"critical_{name}_"
        setattr(part, name, getattr(complete, name)[keep])
    for name in ("morse_indices_", "nullities_", "counts_"):
        setattr(part, name, getattr(complete, name)[keep])
    assert euler_sum(part) != 1.0


def test_an_exploration():
    explorer = LandscapeExplorer(max_searches=200, random_state=0)
    explorer.fit(wells())
    assert sorted(explorer.morse_indices_) == [0] * 4 + [1] * 4 + [2]
    assert euler_sum(explorer) == 1.0


def test_nothing_found():
    finder = NewtonMRFinder(n_starts=2, max_iter=0, init="gaussian", random_state=0)
    with pytest.warns(NotConvergedWarning):
        finder.fit(wells())
    assert euler_sum(finder) == 0.0


def test_unknown_index(complete):
    unknown = copy.copy(complete)
    unknown.morse_indices_ = complete.morse_indices_.copy()
    unknown.morse_indices_[[2, 4]] = -1
    with pytest.warns(
        UndefinedMetricWarning, match=r"index of critical sets 2, 4 is unknown"
    ):
        assert math.isnan(euler_sum(unknown))


def test_manifolds():
    finder = ring()
    assert finder.nullities_.tolist() == [1, 0]
    with pytest.warns(
        UndefinedMetricWarning, match="critical set 0 has zero eigenvalues"
    ):
        assert math.isnan(euler_sum(finder))
    # A circle has the Euler characteristic zero; the maximum has index two.
    assert euler_sum(finder, euler_characteristics=[0, 1]) == 1.0
    knows = ring(lambda t: np.where(np.sum(t * t, axis=-1) > 0.5, 0, 1))
    assert euler_sum(knows) == 1.0


def test_zero_eigenvalues_of_linear_networks():
    finder = fit_at(make_loss(), [(0, 1), (3,)])
    with pytest.warns(UndefinedMetricWarning, match="give euler_characteristics"):
        assert math.isnan(euler_sum(finder))


@pytest.mark.parametrize("given", [[1], [0.5] * 21, [[1] * 21], "one", [np.nan] * 21])
def test_bad_characteristics(complete, given):
    with pytest.raises(ValueError, match="euler_characteristics must be"):
        euler_sum(complete, euler_characteristics=given)


def test_morse_inequalities_of_the_tanh_network(complete):
    holds = morse_inequalities(complete)
    assert holds.shape == (14,)
    assert holds.all()
    # By hand: 48, 168 - 48, 218 - 168 + 48, ... against 1, -1, 1, ...
    partial = np.cumsum([48, -168, 218, -121, 24]) * [1, -1, 1, -1, 1]
    assert partial.tolist() == [48, 120, 98, 23, 1]


def landscape_of(indices, n_params=3):
    """Make up a finder that has found points of these indices."""
    finder = NewtonMRFinder(n_starts=1, init=np.ones((1, n_params)), random_state=0)
    loss = FunctionLoss(
        lambda t: np.sum(t**2, axis=-1), lambda t: 2 * t, n_params=n_params
    )
    finder.fit(loss.fit())
    n = len(indices)
    finder.morse_indices_ = np.array(indices)
    finder.nullities_ = np.zeros(n, dtype=int)
    finder.critical_points_ = np.zeros((n, n_params))
    finder.critical_losses_ = np.zeros(n)
    finder.counts_ = np.ones(n, dtype=int)
    return finder


def test_inequalities_see_what_the_sum_does_not():
    # Three minima need two saddles between them, and not two points of index three.
    missing = landscape_of([0, 0, 0, 3, 3])
    assert euler_sum(missing) == 1.0
    assert morse_inequalities(missing).tolist() == [True, False, True, True]
    right = landscape_of([0, 0, 0, 1, 1])
    assert euler_sum(right) == 1.0
    assert morse_inequalities(right).all()


@pytest.mark.parametrize("k", range(3))
def test_pairs_of_neighbouring_index_keep_the_inequalities(k):
    # A birth adds two points of neighbouring index to any complete list.
    assert morse_inequalities(landscape_of([0, 1, 0, k, k + 1])).all()
    # One of them alone breaks the last inequality or the sum.
    alone = landscape_of([0, 1, 0, k])
    assert euler_sum(alone) != 1.0


def test_refused():
    finder = ring()
    with pytest.raises(ValueError, match="critical set 0 has zero eigenvalues"):
        morse_inequalities(finder)
    finder.nullities_ = np.array([-1, 0])
    finder.morse_indices_ = np.array([-1, 2])
    with pytest.raises(ValueError, match="index of critical set 0 is unknown"):
        morse_inequalities(finder)
    with pytest.raises(NotFittedError):
        euler_sum(NewtonMRFinder())
    with pytest.raises(NotFittedError):
        morse_inequalities(NewtonMRFinder())
    with pytest.raises(TypeError, match="finder must be fitted"):
        euler_sum([1, 2])
