"""Scorers: signs, unwrapping, grid searches."""

import math
import pickle
import warnings

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcrit import metrics
from skcrit.exceptions import NotConvergedWarning
from skcrit.finders import NewtonMRFinder
from skcrit.metrics import recovery_accuracy_scorer
from tests.metrics._fits import corrupt, fit_at, make_data, make_loss

NAMES = (
    "recovery_accuracy",
    "recovery_precision",
    "recovery_coverage",
    "loss_error",
    "index_error",
)
SCORERS = {name: getattr(metrics, f"{name}_scorer") for name in NAMES}


@pytest.fixture(scope="module")
def finder():
    # One wrong index and one wrong loss, so that no score is trivial.
    finder = fit_at(make_loss(), [(0, 1), (0,), (3,)])
    return corrupt(corrupt(finder, 1, morse_index=0), 2, loss=2.0)


@pytest.mark.parametrize("name", NAMES)
def test_scorer_is_the_metric_and_greater_is_better(finder, name):
    sign = -1 if name.endswith("error") else 1
    expected = sign * getattr(metrics, name)(finder)
    scorer = SCORERS[name]
    assert expected != 0
    assert scorer(finder, make_data()) == expected
    assert scorer(finder, make_data(), None) == expected
    assert scorer(finder, None) == expected
    assert pickle.loads(pickle.dumps(scorer)) is scorer


def test_unfitted():
    for scorer in SCORERS.values():
        with pytest.raises(NotFittedError):
            scorer(make_pipeline(StandardScaler(), NewtonMRFinder()), make_data())


def test_undefined_scores_are_nan():
    finder = NewtonMRFinder(n_starts=2, max_iter=0, init="gaussian", random_state=0)
    with pytest.warns(NotConvergedWarning):
        finder.fit(make_data())
    for name in ("recovery_precision", "loss_error", "index_error"):
        with pytest.warns(UndefinedMetricWarning):
            assert math.isnan(SCORERS[name](finder, None))


def test_pipeline():
    finder = NewtonMRFinder(n_starts=5, init="gaussian", random_state=0)
    pipeline = make_pipeline(StandardScaler(), finder).fit(make_data())
    for name, scorer in SCORERS.items():
        value = scorer(pipeline, make_data())
        assert value == scorer(pipeline[-1], None), name
    nested = make_pipeline(StandardScaler(), pipeline)
    assert recovery_accuracy_scorer(nested, None) == pipeline.score(make_data())


def test_cross_validate_pipeline():
    pipeline = make_pipeline(
        StandardScaler(), NewtonMRFinder(n_starts=5, init="gaussian", random_state=0)
    )
    X = make_data(seed=3)
    result = cross_validate(pipeline, X, cv=2, scoring=SCORERS, error_score="raise")
    assert all(np.all(np.isfinite(result[f"test_{name}"])) for name in NAMES)
    assert np.all(result["test_recovery_precision"] == 1.0)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_picks_a_strict_tolerance(n_jobs):
    finder = NewtonMRFinder(n_starts=10, init="gaussian", random_state=0)
    grid = GridSearchCV(
        finder,
        {"tol": [1.0, 1e-12]},
        scoring=recovery_accuracy_scorer,
        cv=2,
        n_jobs=n_jobs,
        error_score="raise",
    )
    with warnings.catch_warnings():
        # Nothing that stops at the loose tolerance is confirmed; with two workers the
        # warnings stay in theirs.
        warnings.simplefilter("ignore", NotConvergedWarning)
        grid.fit(make_data())
    assert grid.best_params_ == {"tol": 1e-12}
    loose, strict = grid.cv_results_["mean_test_score"]
    assert loose < 0.5 < strict
    # Of a search, the best estimator is scored.
    best = recovery_accuracy_scorer(grid.best_estimator_, None)
    assert recovery_accuracy_scorer(grid, make_data()) == best


def test_grid_search_survives_undefined_scores():
    finder = NewtonMRFinder(n_starts=3, init="gaussian", random_state=0)
    grid = GridSearchCV(
        finder, {"max_iter": [0, 500]}, scoring=SCORERS["loss_error"], cv=2
    )
    with (
        pytest.warns(NotConvergedWarning),
        pytest.warns(UndefinedMetricWarning),
        pytest.warns(UserWarning, match="test scores are non-finite"),
    ):
        grid.fit(make_data())
    assert grid.best_params_ == {"max_iter": 500}
