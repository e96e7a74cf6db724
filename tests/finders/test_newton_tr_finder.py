"""Newton-TR as a finder: its parameters, and what it finds."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skcrit import FunctionLoss, LinearAutoencoderLoss, NewtonTRFinder
from skcrit.solvers import NewtonTR

from ._finders import assert_same_fit, data, ignore_failures


def small(**params):
    params = {"n_starts": 12, "init": "gaussian", "random_state": 0, **params}
    return NewtonTRFinder(LinearAutoencoderLoss((2,)), **params)


PARAMS = {
    "tol": 1e-7,
    "max_iter": 7,
    "store_history": True,
    "step_size": 0.7,
    "linear_solver": "krylov",
    "max_inner_iter": 11,
}


def test_parameters_reach_the_solver():
    finder = NewtonTRFinder(**PARAMS, gammas=(1, 0.5, -2), fallback=False)
    given = vars(finder._make_solver())
    assert given.pop("gammas").tolist() == [1.0, 0.5, -2.0]
    assert given == PARAMS


def test_defaults_are_those_of_the_solver():
    assert vars(NewtonTRFinder()._make_solver().solver) == vars(NewtonTR())


@ignore_failures
@pytest.mark.parametrize(
    "name, value",
    [
        ("gammas", [1e-4]),
        ("step_size", 0.3),
        ("linear_solver", "krylov"),
        ("max_iter", 1),
    ],
)
def test_each_parameter_changes_the_search(name, value):
    reference = small(max_iter=5).fit(data())
    changed = small(**{"max_iter": 5, name: value}).fit(data())
    np.testing.assert_array_equal(changed.start_params_, reference.start_params_)
    assert not np.array_equal(changed.final_params_, reference.final_params_)


GAMMAS = 'gammas must be "auto" or a non-empty sequence of finite numbers, got '


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("gammas", "x", "'gammas' parameter of NewtonTRFinder must be"),
        ("gammas", 1.0, "'gammas' parameter of NewtonTRFinder must be"),
        ("gammas", None, "'gammas' parameter of NewtonTRFinder must be"),
        ("gammas", [], GAMMAS + r"\[\]"),
        ("gammas", [1.0, np.nan], GAMMAS + r"\[1.0, nan\]"),
        ("gammas", [np.inf], GAMMAS + r"\[inf\]"),
        ("gammas", [[1.0, 2.0]], GAMMAS + r"\[\[1.0, 2.0\]\]"),
        ("gammas", [[1.0], [2.0, 3.0]], GAMMAS),
        ("gammas", ["a", "b"], GAMMAS + r"\['a', 'b'\]"),
        ("step_size", 0, "'step_size' parameter of NewtonTRFinder must be"),
        ("step_size", -1.0, "'step_size' parameter of NewtonTRFinder must be"),
        ("step_size", "auto", "'step_size' parameter of NewtonTRFinder must be"),
        ("linear_solver", "cg", "'linear_solver' parameter of NewtonTRFinder must be"),
        ("max_inner_iter", 0, "'max_inner_iter' parameter of NewtonTRFinder must be"),
        ("max_inner_iter", 2.5, "'max_inner_iter' parameter of NewtonTRFinder must be"),
        ("max_iter", -1, "'max_iter' parameter of NewtonTRFinder must be"),
    ],
)
def test_bad_parameters(name, value, message):
    with pytest.raises(ValueError, match=message):
        small(**{name: value}).fit(data())


@ignore_failures
@pytest.mark.parametrize("gammas", [[1, 2], (0.5,), np.array([3.0, -1.0]), range(1, 4)])
def test_kinds_of_ladders(gammas):
    finder = small(gammas=gammas, max_iter=2).fit(data())
    assert finder.gammas is gammas


@ignore_failures
@pytest.mark.parametrize("linear_solver", ["dense", "krylov"])
def test_every_end_is_a_known_critical_point(linear_solver):
    finder = small(n_starts=60, init="height", linear_solver=linear_solver).fit(data())
    converged = finder.converged_
    assert np.mean(converged) >= 0.4
    match = finder.loss_.analytical_spectrum().match(finder.final_params_[converged])
    assert np.all(match.status == "identified")
    index = finder.results_["morse_index"][converged]
    np.testing.assert_array_equal(index, match.morse_index)
    assert finder.score() == np.mean(converged)
    assert "inner_status" not in finder.results_


@ignore_failures
def test_batches_and_workers_do_not_change_the_result(tmp_path):
    X = data()
    reference = small(max_iter=6).fit(X)
    for params in (
        {"batch_size": 1},
        {"batch_size": 5},
        {"n_jobs": 2},
        {"memory": str(tmp_path), "batch_size": 5},
        {"memory": str(tmp_path), "batch_size": 5},
    ):
        assert_same_fit(small(max_iter=6, **params).fit(X), reference)


@ignore_failures
def test_grid_search_over_ladders():
    grid = {"gammas": ["auto", [1.0, 0.1]], "linear_solver": ["dense", "krylov"]}
    split = [(np.arange(60), np.arange(60))]
    search = GridSearchCV(small(max_iter=10), grid, cv=split, n_jobs=2).fit(data())
    alone = [
        small(max_iter=10, **params).fit(data()).score()
        for params in search.cv_results_["params"]
    ]
    assert len(alone) == 4
    assert search.cv_results_["mean_test_score"].tolist() == alone


@ignore_failures
def test_clone_and_pickle():
    finder = small(gammas=[2.0, 0.2], max_iter=10).fit(data())
    again = clone(finder)
    assert again.gammas == [2.0, 0.2]
    assert not hasattr(again, "results_")
    assert_same_fit(again.fit(data()), finder)
    assert_same_fit(pickle.loads(pickle.dumps(finder)), finder)


@pytest.mark.parametrize("linear_solver", ["dense", "krylov"])
def test_a_function_without_an_exact_product(linear_solver):
    # x^4 / 4 - x^2 / 2 - y^2: a maximum at the origin, saddles at x = 1 and -1.
    loss = FunctionLoss(
        lambda t: t[..., 0] ** 4 / 4 - t[..., 0] ** 2 / 2 - t[..., 1] ** 2,
        lambda t: np.stack([t[..., 0] ** 3 - t[..., 0], -2 * t[..., 1]], axis=-1),
        n_params=2,
    ).fit()
    starts = np.array([[0.2, 0.1], [1.3, -0.2], [-0.9, 0.3]])
    finder = NewtonTRFinder(
        n_starts=3,
        init=starts,
        gammas=[1.0, 0.1, 1e-2, -1e-2, 1e-8],
        linear_solver=linear_solver,
    ).fit(loss)
    assert finder.converged_.all()
    expected = [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]
    np.testing.assert_allclose(finder.final_params_, expected, atol=1e-4)
    assert finder.results_["morse_index"].tolist() == [2, 1, 1]
