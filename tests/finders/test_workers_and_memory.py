"""Neither workers, batches nor a cache change the result of a fit."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skcrit import LinearAutoencoderLoss, NewtonMRFinder, TrajectoryStarts

from ._finders import FINDERS, LoggingFinder, assert_same_fit, ignore_failures, small

# Workers, batches, cache


@ignore_failures
@pytest.mark.parametrize("cls", FINDERS)
def test_batches_and_workers_do_not_change_the_result(cls, X):
    X = X[:, :3]
    params = {"n_starts": 9, "init": TrajectoryStarts(n_steps=50), "max_iter": 8}
    reference = small(cls, **params).fit(X)
    for changes in (
        {"batch_size": 1},
        {"batch_size": 7},
        {"batch_size": 75},
        {"n_jobs": 2},
        {"n_jobs": 2, "batch_size": 4},
    ):
        assert_same_fit(small(cls, **params, **changes).fit(X), reference)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert_same_fit(small(cls, **params).fit(X), reference)


def test_fits_are_reproducible(X):
    assert_same_fit(small().fit(X), small().fit(X))
    other = small(random_state=1).fit(X)
    assert not np.array_equal(other.start_params_, small().fit(X).start_params_)
    few = small(n_starts=5).fit(X)
    np.testing.assert_array_equal(few.final_params_, small().fit(X).final_params_[:5])


@ignore_failures
@pytest.mark.parametrize("make", [str, lambda p: p, joblib.Memory])
def test_finished_batches_are_kept(make, X, tmp_path):
    log = tmp_path / "log"
    memory = make(tmp_path / "cache")
    if isinstance(memory, joblib.Memory):
        memory.verbose = 0
    params = {"batch_size": 4, "log": str(log), "max_iter": 30}
    plain = small(LoggingFinder, **params).fit(X)
    assert log.read_text().count("\n") == 3
    first = small(LoggingFinder, memory=memory, **params).fit(X)
    assert log.read_text().count("\n") == 6
    second = small(LoggingFinder, memory=memory, **params).fit(X)
    assert log.read_text().count("\n") == 6  # the solver was not called at all
    for finder in (first, second):
        assert_same_fit(finder, plain)
    # More starts: the batches in common are not repeated.
    small(LoggingFinder, memory=memory, **{**params, "n_starts": 16}).fit(X)
    assert log.read_text().count("\n") == 7
    # Other data or another tolerance is another search.
    small(LoggingFinder, memory=memory, **params, tol=1e-6).fit(X)
    assert log.read_text().count("\n") == 10


@ignore_failures
def test_an_interrupted_fit_goes_on_where_it_stopped(X, tmp_path):
    log, armed = tmp_path / "log", tmp_path / "log.armed"
    params = {"batch_size": 3, "log": str(log), "memory": tmp_path / "cache"}
    armed.touch()
    with pytest.raises(KeyboardInterrupt):
        small(LoggingFinder, **params).fit(X)
    assert log.read_text().count("\n") == 2
    armed.unlink()
    finder = small(LoggingFinder, **params).fit(X)
    assert log.read_text().count("\n") == 4  # two more, not four
    log.unlink()
    assert_same_fit(finder, small(LoggingFinder, batch_size=3, log=str(log)).fit(X))


def test_progress_is_shown_on_standard_error(X, capsys):
    small(verbose=1, batch_size=4).fit(X)
    shown = capsys.readouterr()
    assert "12/12" in shown.err
    assert "converged=" in shown.err
    assert shown.out == ""
    small(verbose=0).fit(X)
    assert capsys.readouterr().err == ""


@ignore_failures
def test_workers_are_ignored_on_a_device(X):
    loss = LinearAutoencoderLoss((2,), backend="array_api_strict")
    params = {"init": "gaussian", "tol": np.inf, "random_state": 0}
    finder = NewtonMRFinder(loss, n_starts=4, **params)
    alone = clone(finder).fit(X)
    with pytest.warns(UserWarning, match="n_jobs=2 is ignored: the loss computes on a"):
        together = finder.set_params(n_jobs=2).fit(X)
    np.testing.assert_array_equal(together.final_params_, alone.final_params_)
