"""Newton trajectories as a finder: blocks of starts, parameters, what it finds."""

import numpy as np
import pytest
from sklearn.base import clone

from skcrit import LandscapeExplorer, LinearAutoencoderLoss, NewtonTrajectoryFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.metrics import recovery_accuracy, recovery_coverage
from skcrit.proving_grounds import (
    make_central_configurations,
    make_himmelblau,
    make_separable_quartic,
)
from skcrit.solvers import NewtonTrajectory

from ._finders import ignore_failures


def test_parameters_reach_the_solver():
    finder = NewtonTrajectoryFinder(
        n_starts=5, n_points=2, tol=1e-7, max_iter=9, max_step=0.3, reach=4.0
    )
    given = vars(finder._make_solver())
    assert given.pop("order").tolist() == [1, 2, 1, 2, 1]
    expected = {"tol": 1e-7, "max_iter": 9, "store_history": False}
    assert given == expected | {"max_step": 0.3, "reach": 4.0, "known": None}


def test_defaults_are_those_of_the_solver():
    given = vars(NewtonTrajectoryFinder(n_starts=3)._make_solver())
    assert given.pop("order").tolist() == [1, 1, 1]
    expected = vars(NewtonTrajectory())
    assert expected.pop("order") == 1
    assert given == expected


def test_starts_of_a_block_begin_together():
    init = np.arange(14.0).reshape(7, 2) / 7
    finder = NewtonTrajectoryFinder(n_starts=7, n_points=3, init=init, max_iter=0)
    with pytest.warns(UserWarning):
        finder.fit(make_himmelblau())
    np.testing.assert_array_equal(finder.start_params_, init[[0, 0, 0, 3, 3, 3, 6]])
    assert len(finder.results_["status"]) == 7


def test_points_of_a_block_are_different():
    finder = NewtonTrajectoryFinder(n_starts=30, n_points=3, random_state=0)
    finder.fit(make_himmelblau())
    labels = finder.results_["critical_set"].reshape(10, 3)
    assert np.all([len(set(row)) == 3 for row in labels.tolist()])
    assert recovery_accuracy(finder) == 1.0
    assert recovery_coverage(finder) == 1.0
    costs = finder.results_["n_hvp"].reshape(10, 3)
    assert np.all(np.diff(costs, axis=1) > 0)


@ignore_failures
@pytest.mark.parametrize(
    "name, value", [("n_points", 2), ("max_step", 0.1), ("reach", 0.9), ("max_iter", 3)]
)
def test_each_parameter_changes_the_search(name, value):
    reference = NewtonTrajectoryFinder(n_starts=12, n_points=3, random_state=1)
    loss = make_central_configurations(4)
    changed = clone(reference).set_params(**{name: value}).fit(loss)
    reference.fit(loss)
    assert not np.array_equal(changed.final_params_, reference.final_params_)


@ignore_failures
@pytest.mark.parametrize("deflate", [False, True])
def test_batches_and_workers_do_not_matter(deflate):
    loss = make_central_configurations(3)
    common = {"n_starts": 9, "n_points": 3, "random_state": 2, "max_iter": 60}
    common |= {"deflate": deflate, "round_size": 2}
    finders = [
        NewtonTrajectoryFinder(**common, **options)
        for options in ({}, {"batch_size": 2}, {"n_jobs": 2, "batch_size": 4})
    ]
    first, *others = (finder.fit(loss) for finder in finders)
    for other in others:
        np.testing.assert_array_equal(first.final_params_, other.final_params_)
        for name, column in first.results_.items():
            np.testing.assert_array_equal(column, other.results_[name], err_msg=name)


@pytest.mark.parametrize(
    "name, value",
    [
        ("n_points", 0),
        ("max_step", 0),
        ("reach", -1),
        ("deflate", 2),
        ("round_size", 0),
    ],
)
def test_bad_parameters(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of NewtonTraj"):
        NewtonTrajectoryFinder(**{name: value}).fit(make_himmelblau())


@ignore_failures
def test_deflated_curves_end_at_what_earlier_rounds_have_not_found():
    loss = make_central_configurations(4)
    options = {"n_starts": 30, "init": "gaussian", "max_iter": 60, "random_state": 0}
    plain = NewtonTrajectoryFinder(**options).fit(loss)
    deflated = NewtonTrajectoryFinder(deflate=True, **options).fit(loss)
    assert recovery_coverage(plain) < recovery_coverage(deflated) == 1.0
    first, second = (f.results_["critical_set"][:10] for f in (plain, deflated))
    assert len(np.unique(first)) == len(np.unique(second))  # of the first round
    known = set(second)
    # One that has no iterations left to go on ends where it is.
    ended = deflated.results_["n_iter"] < 60
    labels = np.where(ended, deflated.results_["critical_set"], -1)
    for begin in (10, 20):
        new = set(labels[begin : begin + 10]) - {-1}
        assert not new & known
        known |= new


def test_a_round_of_all_starts_deflates_nothing():
    loss = make_himmelblau()
    plain = NewtonTrajectoryFinder(n_starts=9, n_points=3, random_state=0).fit(loss)
    other = NewtonTrajectoryFinder(
        n_starts=9, n_points=3, deflate=True, round_size=3, random_state=0
    ).fit(loss)
    np.testing.assert_array_equal(plain.final_params_, other.final_params_)


def test_it_serves_an_explorer():
    loss = make_separable_quartic(2)
    explorer = LandscapeExplorer(
        finder=NewtonTrajectoryFinder(), max_searches=120, random_state=0
    ).fit(loss)
    assert recovery_coverage(explorer) == 1.0


@ignore_failures
def test_points_of_different_inertia_with_equal_invariants_are_not_deflated():
    X = make_gaussian_spectrum(40, eigenvalues=[3, 2, 1], exact=True, random_state=0)
    options = {"n_starts": 6, "n_points": 2, "max_iter": 40, "random_state": 0}
    loss = LinearAutoencoderLoss((1, 1)).fit(X)
    plain = NewtonTrajectoryFinder(**options).fit(loss)
    deflated = NewtonTrajectoryFinder(deflate=True, round_size=1, **options).fit(loss)
    for name in ("status", "critical_set", "n_passed"):
        assert plain.results_[name].tolist() == deflated.results_[name].tolist()
    np.testing.assert_allclose(plain.results_["loss"], deflated.results_["loss"])
