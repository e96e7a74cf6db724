"""Minimisers of the gradient norm as a finder: parameters, and what it finds."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skcrit import (
    FunctionLoss,
    GradNormFinder,
    LinearAutoencoderLoss,
    NotConvergedWarning,
)
from skcrit.solvers import GradNormDescent, GradNormLBFGS, GradNormLM, GradNormWolfe

from ._finders import assert_same_fit, data, ignore_failures

MINIMIZERS = ("gd", "momentum", "btls", "l-bfgs", "lm")


def small(**params):
    params = {"n_starts": 12, "init": "gaussian", "random_state": 0, **params}
    return GradNormFinder(LinearAutoencoderLoss((2,)), **params)


# Parameters

COMMON = {"tol": 1e-7, "max_iter": 7, "store_history": True, "balance": False}
OWN = {
    "learning_rate": 0.03,
    "momentum": 0.7,
    "memory_size": 5,
    "damping": 0.2,
    "linear_solver": "krylov",
    "max_inner_iter": 11,
    "sufficient_decrease": 0.01,
    "curvature": 0.5,
    "max_trials": 13,
}
SEARCH = {"sufficient_decrease": 0.01, "curvature": 0.5, "max_trials": 13}
EXPECTED = {
    "gd": (GradNormDescent, {"learning_rate": 0.03, "momentum": 0.0}),
    "momentum": (GradNormDescent, {"learning_rate": 0.03, "momentum": 0.7}),
    "btls": (GradNormWolfe, {"line_search": SEARCH}),
    "l-bfgs": (
        GradNormLBFGS,
        {"memory_size": 5, "line_search": {**SEARCH, "strong": True}},
    ),
    "lm": (
        GradNormLM,
        {
            "damping": 0.2,
            "linear_solver": "krylov",
            "max_inner_iter": 11,
            "max_trials": 13,
        },
    ),
}


@pytest.mark.parametrize("minimizer", MINIMIZERS)
def test_parameters_reach_the_solver(minimizer):
    finder = GradNormFinder(minimizer=minimizer, **COMMON, **OWN)
    solver, own = EXPECTED[minimizer]
    made = finder._make_solver().solver
    assert type(made) is solver
    assert vars(made) == {**COMMON, **own}


@ignore_failures
@pytest.mark.parametrize(
    "minimizer, name, value",
    [
        ("gd", "learning_rate", 0.01),
        ("momentum", "momentum", 0.1),
        ("btls", "sufficient_decrease", 0.85),
        ("btls", "curvature", 0.01),
        ("l-bfgs", "memory_size", 1),
        ("l-bfgs", "curvature", 0.01),
        ("lm", "damping", 10.0),
        ("lm", "linear_solver", "krylov"),
        ("lm", "max_trials", 1),
        *[(minimizer, "balance", False) for minimizer in MINIMIZERS],
    ],
)
def test_each_parameter_changes_the_search(minimizer, name, value):
    loss = LinearAutoencoderLoss((2,)).fit(data())
    starts = np.random.default_rng(0).standard_normal((12, loss.n_params_))
    starts[:, :8] *= 3
    params = {"minimizer": minimizer, "max_iter": 12, "init": starts}
    reference = small(**params).fit(loss)
    changed = small(**params, **{name: value}).fit(loss)
    assert not np.array_equal(changed.final_params_, reference.final_params_)


@ignore_failures
@pytest.mark.parametrize("minimizer", MINIMIZERS)
def test_parameters_of_other_minimizers_do_not_matter(minimizer):
    params = {"minimizer": minimizer, "max_iter": 4, "n_starts": 3}
    names = {
        "gd": ("learning_rate",),
        "momentum": ("learning_rate", "momentum"),
        "btls": tuple(SEARCH),
        "l-bfgs": ("memory_size", *SEARCH),
        "lm": ("damping", "linear_solver", "max_inner_iter", "max_trials"),
    }[minimizer]
    others = {name: value for name, value in OWN.items() if name not in names}
    assert_same_fit(small(**params, **others).fit(data()), small(**params).fit(data()))


@pytest.mark.parametrize(
    "name, value",
    [
        ("minimizer", "newton"),
        ("minimizer", None),
        ("balance", "yes"),
        ("learning_rate", 0.0),
        ("learning_rate", "x"),
        ("learning_rate", None),
        ("momentum", 1),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("memory_size", 0),
        ("memory_size", 1.5),
        ("damping", 0.0),
        ("damping", -1e-3),
        ("linear_solver", "cg"),
        ("max_inner_iter", 0),
        ("sufficient_decrease", 0.0),
        ("sufficient_decrease", 1.0),
        ("curvature", 0.0),
        ("curvature", 1.0),
        ("max_trials", 0),
        ("max_iter", -1),
    ],
)
@pytest.mark.parametrize("minimizer", ["gd", "lm"])
def test_bad_parameters(minimizer, name, value):
    # Whether the minimizer uses them or not.
    message = f"'{name}' parameter of GradNormFinder must be"
    with pytest.raises(ValueError, match=message):
        small(**{"minimizer": minimizer, name: value}).fit(data())


@pytest.mark.parametrize("c1, c2", [(0.5, 0.5), (0.3, 0.1), (0.95, 0.9)])
def test_constants_of_wolfe_in_the_wrong_order(c1, c2):
    message = (
        "curvature must be above sufficient_decrease.*"
        f"got curvature={c2} and sufficient_decrease={c1}"
    )
    with pytest.raises(ValueError, match=message):
        small(sufficient_decrease=c1, curvature=c2).fit(data())


def test_the_warning_counts_the_failures():
    with pytest.warns(NotConvergedWarning, match="GradNormFinder: 12 of 12 starts"):
        small(max_iter=1).fit(data())


# What it finds


@pytest.mark.parametrize("minimizer", ["l-bfgs", "lm"])
def test_all_starts_are_recovered(minimizer):
    finder = small(minimizer=minimizer, n_starts=40, init="height").fit(data())
    assert finder.score() == 1.0
    assert finder.converged_.all()
    match = finder.loss_.analytical_spectrum().match(finder.final_params_)
    np.testing.assert_array_equal(finder.results_["morse_index"], match.morse_index)
    # Not a minimiser of the loss.
    assert np.max(finder.morse_indices_) > 0


@ignore_failures
@pytest.mark.parametrize("minimizer", MINIMIZERS)
def test_every_end_is_a_known_critical_point(minimizer):
    finder = small(minimizer=minimizer, n_starts=8, tol=1e-11, max_iter=3000)
    finder.fit(data())
    converged = finder.converged_
    assert np.mean(converged) >= 0.8
    match = finder.loss_.analytical_spectrum().match(finder.final_params_[converged])
    assert np.all(match.status == "identified")
    assert finder.score() == np.mean(converged)
    assert "inner_status" not in finder.results_


@ignore_failures
@pytest.mark.parametrize("minimizer", MINIMIZERS)
def test_batches_and_workers_do_not_change_the_result(minimizer, tmp_path):
    params = {"minimizer": minimizer, "max_iter": 15}
    reference = small(**params).fit(data())
    for more in (
        {"batch_size": 1},
        {"batch_size": 5},
        {"memory": str(tmp_path), "batch_size": 5},
        {"memory": str(tmp_path), "batch_size": 5},
    ):
        assert_same_fit(small(**params, **more).fit(data()), reference)


@ignore_failures
def test_workers_do_not_change_the_result():
    params = {"max_iter": 15, "store_history": True}
    alone, together = (small(**params, n_jobs=n).fit(data()) for n in (None, 2))
    assert_same_fit(alone, together)
    for name, array in alone.history_.items():
        np.testing.assert_array_equal(together.history_[name], array)


@ignore_failures
def test_grid_search_over_minimizers():
    split = [(np.arange(60), np.arange(60))]
    grid = {"minimizer": list(MINIMIZERS)}
    finder = small(max_iter=60, tol=1e-8)
    search = GridSearchCV(finder, grid, cv=split, n_jobs=2).fit(data())
    scores = dict(zip(MINIMIZERS, search.cv_results_["mean_test_score"], strict=True))
    assert np.all(np.isfinite(list(scores.values())))
    assert search.best_params_["minimizer"] in {"lm", "l-bfgs"}
    assert scores["lm"] > scores["gd"]


@ignore_failures
@pytest.mark.parametrize("minimizer", MINIMIZERS)
def test_clone_and_pickle(minimizer):
    finder = small(minimizer=minimizer, max_iter=10).fit(data())
    again = clone(finder)
    assert again.get_params()["minimizer"] == minimizer
    assert not hasattr(again, "results_")
    assert_same_fit(again.fit(data()), finder)
    assert_same_fit(pickle.loads(pickle.dumps(finder)), finder)


@pytest.mark.parametrize("minimizer", MINIMIZERS)
def test_a_function_without_an_exact_product(minimizer):
    # x^4 / 4 - x^2 / 2 - y^2: a maximum at the origin, saddles at x = 1 and -1.
    loss = FunctionLoss(
        lambda t: t[..., 0] ** 4 / 4 - t[..., 0] ** 2 / 2 - t[..., 1] ** 2,
        lambda t: np.stack([t[..., 0] ** 3 - t[..., 0], -2 * t[..., 1]], axis=-1),
        n_params=2,
    ).fit()
    starts = np.array([[0.1, 0.1], [1.2, -0.2], [-0.9, 0.2]])
    finder = GradNormFinder(n_starts=3, init=starts, minimizer=minimizer).fit(loss)
    assert finder.converged_.all()
    expected = [[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0]]
    np.testing.assert_allclose(finder.final_params_, expected, atol=1e-4)
    assert finder.results_["morse_index"].tolist() == [2, 1, 1]
    assert finder.n_critical_sets_ == 3


@ignore_failures
def test_a_flat_end_is_told():
    loss = FunctionLoss(
        lambda t: t[..., 0] ** 3 + t[..., 0] + t[..., 1] ** 2,
        lambda t: np.stack([3 * t[..., 0] ** 2 + 1, 2 * t[..., 1]], axis=-1),
        lambda t, v: np.stack([6 * t[..., 0] * v[..., 0], 2 * v[..., 1]], axis=-1),
        n_params=2,
    ).fit()
    starts = np.array([[1.0, 1.0], [0.0, 3.0]])
    for minimizer in ("btls", "l-bfgs", "lm"):
        finder = GradNormFinder(n_starts=2, init=starts, minimizer=minimizer).fit(loss)
        assert finder.results_["status"].tolist() == ["GRADIENT_FLAT"] * 2
        assert finder.n_critical_sets_ == 0
