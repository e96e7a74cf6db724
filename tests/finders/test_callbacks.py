"""Finders report to scikit-learn's callbacks."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skcrit import LandscapeExplorer, NewtonMRFinder, NotConvergedWarning
from skcrit.metrics import recovery_accuracy_scorer

from ._finders import ignore_failures

callback = pytest.importorskip("sklearn.callback")


class Recorder:
    """Keep what happens; at the end of a chosen batch stop, or raise."""

    max_propagation_depth = None  # scikit-learn hands it on to sub-estimators

    def __init__(self, stop_at=None, error=None):
        self.stop_at, self.error = stop_at, error
        self.events, self.fitted, self.data = [], [], []

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name, context.max_subtasks))

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name, context.max_subtasks))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.events.append(("begin", context.task_name, context.task_id))
        self.data.append(X)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.events.append(("end", context.task_name, context.task_id))
        self.fitted.append(fitted_estimator)
        if self.stop_at == (context.task_name, context.task_id):
            if self.error is not None:
                raise self.error
            return True
        return False

    def ended(self, name):
        return sum(kind == "end" and task == name for kind, task, _ in self.events)


def make_finder(**params):
    return NewtonMRFinder(**{"n_starts": 20, "random_state": 0, **params})


@pytest.fixture
def X(rng):
    return rng.standard_normal((60, 4)) * [2, 1.4, 1, 0.7]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_tasks_are_the_batches(X, n_jobs):
    recorder = Recorder()
    make_finder(batch_size=8, n_jobs=n_jobs).set_callbacks(recorder).fit(X)
    batches = [(kind, "batch", i) for i in range(3) for kind in ("begin", "end")]
    assert recorder.events == [
        ("setup", "fit", 3),
        ("begin", "fit", 0),
        *batches,
        ("end", "fit", 0),
        ("teardown", "fit", 3),
    ]
    assert all(data is X for data in recorder.data)


def test_fitted_estimator_is_the_fit_so_far(X):
    recorder = Recorder()
    finder = make_finder(batch_size=8).set_callbacks(recorder).fit(X)
    for fitted, n_done in zip(recorder.fitted, (8, 16, 20, 20), strict=True):
        assert_array_equal(fitted.start_params_, finder.start_params_[:n_done])
        assert_array_equal(fitted.results_["loss"], finder.results_["loss"][:n_done])
        assert fitted.counts_.sum() == fitted.converged_.sum()
        assert fitted.transform(X).shape == (60, fitted.n_critical_sets_)
    assert_array_equal(recorder.fitted[-1].critical_points_, finder.critical_points_)


def test_callbacks_change_no_result(X):
    watched = make_finder().set_callbacks(Recorder()).fit(X)
    alone = make_finder().fit(X)
    for name in ("start_params_", "final_params_", "critical_points_", "counts_"):
        assert_array_equal(getattr(watched, name), getattr(alone, name))


@ignore_failures
def test_watched_batches_are_small_unless_told_otherwise(X):
    recorder = Recorder()
    make_finder(n_starts=300, max_iter=1, tol=1e-3).set_callbacks(recorder).fit(X)
    assert recorder.ended("batch") > 1


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_callback_can_stop_a_fit(X, n_jobs):
    # Tasks that are not needed any more are still to come: nothing warns of them.
    params = {"batch_size": 2, "n_jobs": n_jobs}
    finder = make_finder(**params).set_callbacks(Recorder(("batch", 1))).fit(X)
    whole = make_finder().fit(X)
    assert len(finder.start_params_) == len(finder.converged_) == 4
    assert_array_equal(finder.final_params_, whole.final_params_[:4])
    assert finder.counts_.sum() == finder.converged_.sum()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_error_of_a_callback_comes_out_and_finished_batches_are_kept(
    X, tmp_path, n_jobs
):
    error = RuntimeError("not today")
    recorder = Recorder(("batch", 1), error)
    params = {"batch_size": 5, "n_jobs": n_jobs, "memory": tmp_path}
    finder = make_finder(**params).set_callbacks(recorder)
    with pytest.raises(RuntimeError) as caught:
        finder.fit(X)
    assert caught.value is error
    assert recorder.events[-1][0] == "teardown"
    kept = set(tmp_path.glob("*.npz"))
    assert len(kept) >= 2
    stamps = {path: path.stat().st_mtime_ns for path in kept}
    again = make_finder(**params).fit(X)
    assert {path: path.stat().st_mtime_ns for path in kept} == stamps
    assert len(set(tmp_path.glob("*.npz"))) == 4
    assert_array_equal(again.final_params_, make_finder().fit(X).final_params_)


def test_error_of_the_search_comes_out(X):
    recorder = Recorder()
    finder = make_finder(loss=Broken(), init="gaussian").set_callbacks(recorder)
    with pytest.raises(ArithmeticError, match="no Hessian"):
        finder.fit(X)
    assert recorder.events[-1][0] == "teardown"


def test_grid_search_hands_callbacks_on(X):
    recorder = Recorder()
    grid = {"tol": [1e-4, 1e-8]}
    search = GridSearchCV(make_finder(n_starts=6, batch_size=3), grid, cv=2)
    search.set_callbacks(recorder).fit(X)
    # Two tolerances on two folds, and the refit: five fits of two batches.
    assert recorder.ended("batch") == 10
    assert not getattr(search.best_estimator_, "_skl_callbacks", [])


def test_progress_bar(X, capsys):
    pytest.importorskip("rich")
    make_finder(n_starts=6).set_callbacks(callback.ProgressBar()).fit(X)
    search = GridSearchCV(make_finder(n_starts=6), {"tol": [1e-4, 1e-8]}, cv=2)
    search.set_callbacks(callback.ProgressBar()).fit(X)
    shown = capsys.readouterr().out
    assert "NewtonMRFinder - fit" in shown
    assert "GridSearchCV - fit" in shown
    assert "100%" in shown


def test_scoring_monitor(X):
    scoring = {"accuracy": recovery_accuracy_scorer}
    monitor = callback.ScoringMonitor(scoring=scoring)
    finder = make_finder(batch_size=8).set_callbacks(monitor).fit(X, np.zeros(60))
    rows = monitor.get_logs().data
    assert [row["task_name"] for row in rows] == ["fit", "batch", "batch", "batch"]
    assert rows[0]["accuracy"] == rows[-1]["accuracy"] == finder.score()


def test_explorer_reports_rounds(X):
    recorder = Recorder()
    explorer = LandscapeExplorer(max_searches=60, random_state=0)
    explorer.set_callbacks(recorder).fit(X)
    n_rounds = len(explorer.discovery_)
    assert recorder.ended("round") == n_rounds
    found = [fitted.n_critical_sets_ for fitted in recorder.fitted[:n_rounds]]
    assert_array_equal(found, explorer.discovery_[:, 1])
    alone = LandscapeExplorer(max_searches=60, random_state=0).fit(X)
    assert_array_equal(explorer.critical_points_, alone.critical_points_)


def test_explorer_can_be_stopped(X):
    explorer = LandscapeExplorer(max_searches=60, random_state=0)
    explorer.set_callbacks(Recorder(("round", 1))).fit(X)
    assert explorer.stop_reason_ == "callback"
    assert len(explorer.discovery_) == 2
    assert explorer.n_searches_ == len(explorer.converged_) < 60


def test_clone_and_pickle_keep_callbacks(X):
    finder = make_finder(n_starts=4).set_callbacks(Recorder()).fit(X)
    assert clone(finder)._skl_callbacks == finder._skl_callbacks
    again = pickle.loads(pickle.dumps(finder))
    assert again.score() == finder.score()


def test_warning_points_at_the_call_of_fit(X):
    finder = make_finder(n_starts=3, max_iter=0)
    with pytest.warns(NotConvergedWarning) as caught:
        finder.fit(X)
    assert caught[0].filename == __file__


class Broken:
    """A loss that cannot be searched."""

    n_params_ = 2

    def get_params(self, deep=True):
        return {}

    def fit(self, X, y=None):
        return self

    def value(self, theta):
        return np.sum(theta**2, axis=-1)

    def gradient(self, theta):
        return 2 * theta

    def hvp(self, theta, v):
        return 2 * v

    def curvature(self, theta):
        return np.ones(len(theta))

    def at(self, theta):
        raise ArithmeticError("no Hessian here")

    rescale = invariants = staticmethod(np.asarray)
