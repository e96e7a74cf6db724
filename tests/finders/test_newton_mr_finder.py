"""Newton-MR end to end: the paper's problem, deep networks and penalties."""

import numpy as np
import pytest

from skcrit import LinearAutoencoderLoss, NewtonMRFinder, TrajectoryStarts
from skcrit.datasets import make_gaussian_spectrum
from skcrit.solvers import NewtonMR

from ._finders import ignore_failures


def data(eigenvalues, n_samples=100):
    return make_gaussian_spectrum(
        n_samples, eigenvalues=eigenvalues, exact=True, random_state=0
    )


# The acceptance of the method, on the problem of the paper


@pytest.fixture(scope="module")
def paper():
    """A fit of 5 trajectories by 15 starts to 1e-20, on a covariance diag(1..16)."""
    finder = NewtonMRFinder(
        LinearAutoencoderLoss((4,)),
        n_starts=75,
        init=TrajectoryStarts(by="height", n_trajectories=5),
        tol=1e-20,
        store_history=True,
        random_state=0,
    )
    return finder.fit(make_gaussian_spectrum(200, exact=True, random_state=0))


def test_paper_problem_is_the_right_one(paper):
    assert paper.loss_.analytical_spectrum().n_sets == 2517
    assert paper.n_params_ == 128
    np.testing.assert_allclose(paper.loss_.eigenvalues_, np.arange(16, 0, -1))


@pytest.mark.parametrize("tol", [1e-10, 1e-20])
def test_paper_problem_is_solved(paper, tol):
    reached = np.nanmin(paper.history_["squared_grad_norm"], axis=1) <= tol
    assert np.mean(reached) >= 0.95


def test_paper_problem_is_solved_soon(paper):
    below = paper.history_["squared_grad_norm"] <= 1e-10
    n_iter = np.argmax(below, axis=1)[np.any(below, axis=1)]
    assert np.median(n_iter) <= 40


def test_every_end_is_a_critical_point_with_its_index(paper):
    converged = paper.converged_
    spectrum = paper.loss_.analytical_spectrum()
    match = spectrum.match(paper.final_params_[converged])
    assert np.all(match.status == "identified")
    assert np.max(match.distance) < 1e-8
    index = paper.results_["morse_index"][converged]
    np.testing.assert_array_equal(index, match.morse_index)
    nullity = paper.results_["nullity"][converged]
    np.testing.assert_array_equal(nullity, spectrum.nullities(list(match.set)))
    loss = paper.results_["loss"][converged]
    np.testing.assert_allclose(loss, match.loss, rtol=1e-12)
    label = paper.results_["critical_set"][converged]
    assert len(set(zip(label, match.set, strict=True))) == paper.n_critical_sets_
    assert paper.score() == np.mean(converged)


def test_saddles_of_many_indices_are_found(paper):
    # Starts on a descent see more than minima: many sets, over a range of indices.
    assert paper.n_critical_sets_ >= 25
    assert len(np.unique(paper.morse_indices_)) >= 15
    assert np.max(paper.counts_) <= 15


# Other networks


def success(loss, X, n_starts=60, **params):
    init = TrajectoryStarts(n_trajectories=5, n_steps=1500)
    finder = NewtonMRFinder(
        loss, n_starts=n_starts, init=init, random_state=0, max_iter=80, **params
    )
    finder.fit(X)
    match = finder.loss_.analytical_spectrum().match(finder.final_params_)
    return finder, match


@ignore_failures
@pytest.mark.parametrize("hidden", [(2,), (5,), (8,)], ids=str)
def test_shallow_networks(hidden):
    finder, match = success(LinearAutoencoderLoss(hidden), data([5.0, 4, 3, 2, 1]))
    converged = finder.converged_
    assert np.mean(converged) >= 0.95
    assert np.all(match.status[converged] == "identified")
    assert finder.score() == np.mean(converged)
    assert finder.n_critical_sets_ == len(set(match.set[converged]))


@ignore_failures
@pytest.mark.parametrize("alpha", [0.05, 0.3])
@pytest.mark.parametrize("penalty", ["sum", "product"])
def test_penalties(alpha, penalty):
    loss = LinearAutoencoderLoss((3,), alpha=alpha, penalty=penalty)
    finder, match = success(loss, data([5.0, 4, 3, 2, 1]))
    converged = finder.converged_
    assert np.mean(converged) >= 0.85
    assert np.all(match.status[converged] == "identified")
    index = finder.results_["morse_index"][converged]
    np.testing.assert_array_equal(index, match.morse_index[converged])
    assert finder.score() == np.mean(converged)


@ignore_failures
@pytest.mark.parametrize("hidden", [(2, 2), (3, 2, 3)], ids=str)
def test_deep_networks(hidden):
    # Where k < r_max the critical set is degenerate and no cutoff gives its index: the
    # end is identified by its end-to-end matrix, and its index is right or unknown.
    finder, match = success(LinearAutoencoderLoss(hidden), data([5.0, 4, 3, 2, 1]))
    converged = finder.converged_
    assert np.mean(converged) >= 0.85
    assert np.all(match.status[converged] == "identified")
    loss = finder.results_["loss"]
    np.testing.assert_allclose(loss[converged], match.loss[converged], atol=1e-4)
    index = finder.results_["morse_index"]
    full = np.array([len(s) == 2 for s in match.set]) & converged
    assert np.sum(full) >= 5
    np.testing.assert_array_equal(index[full], match.morse_index[full])
    rest = ~full & converged & (index >= 0)
    assert np.all(index[rest] >= match.index_lower_bound[rest])


@ignore_failures
def test_singular_and_repeated_eigenvalues():
    for eigenvalues in ([4.0, 2.0, 2.0, 1.0], [4.0, 2.0, 1.0, 0.0, 0.0]):
        finder, match = success(LinearAutoencoderLoss((2,)), data(eigenvalues))
        converged = finder.converged_
        assert np.mean(converged) >= 0.95
        index = finder.results_["morse_index"][converged]
        np.testing.assert_array_equal(index, match.morse_index[converged])
        assert finder.score() == np.mean(converged)


@ignore_failures
def test_balancing_helps():
    # Without it more searches end in badly scaled valleys, none of them as a success.
    X = data([6.0, 5, 4, 3, 2, 1])
    balanced, published = (
        success(LinearAutoencoderLoss((3,)), X, n_starts=30, balance=balance)[0]
        for balance in (True, False)
    )
    assert np.mean(balanced.converged_) >= np.mean(published.converged_)
    for finder in (balanced, published):
        assert finder.score() == np.mean(finder.converged_)


# The estimator passes its parameters on

PARAMS = {
    "tol": 1e-7,
    "max_iter": 7,
    "store_history": True,
    "inner_tol": 0.3,
    "max_inner_iter": 11,
    "max_step": 0.5,
    "regularization": 0.01,
    "balance": False,
    "window": 3,
    "step_size": 0.7,
    "sufficient_decrease": 0.2,
    "backtrack": 0.3,
    "max_backtracks": 5,
}


def test_parameters_reach_the_solver():
    given = vars(NewtonMRFinder(**PARAMS, fallback=False)._make_solver())
    flat = {**given, **given.pop("line_search")}
    flat.pop("line_search", None)
    assert flat == PARAMS


def test_defaults_are_those_of_the_solver():
    finder, solver = vars(NewtonMRFinder()._make_solver().solver), vars(NewtonMR())
    assert finder == solver


@ignore_failures
@pytest.mark.parametrize(
    "name, value",
    [
        ("inner_tol", 0.5),
        ("inner_tol", "adaptive"),
        ("max_inner_iter", 2),
        ("max_step", 0.01),
        ("regularization", 1.0),
        ("balance", False),
        ("step_size", 0.1),
        ("sufficient_decrease", 0.9),
    ],
)
def test_each_parameter_changes_the_search(name, value):
    params = {"n_starts": 5, "init": "gaussian", "random_state": 0, "max_iter": 5}
    X = data([4.0, 3.0, 2.0, 1.0])
    reference = NewtonMRFinder(**params).fit(X)
    changed = NewtonMRFinder(**params, **{name: value}).fit(X)
    np.testing.assert_array_equal(changed.start_params_, reference.start_params_)
    assert not np.array_equal(changed.final_params_, reference.final_params_)
