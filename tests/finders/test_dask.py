"""Fits over a Dask cluster: two worker processes, one of which may die."""

import logging
import os
import time
from uuid import uuid4

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from skcrit import LandscapeExplorer, LinearAutoencoderLoss, NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum

from ._finders import WatchedFinder, solved

distributed = pytest.importorskip("distributed")

# Never a measure of speed: only so that a cluster that is broken ends the test.
PATIENCE = 120


@pytest.fixture(scope="module")
def cluster(quick_workers):
    """Two workers of one thread each, in processes of their own."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    # Port 0 is any free one: tests run beside each other.
    quiet = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with (
        distributed.LocalCluster(**options, **quiet) as cluster,
        distributed.Client(cluster, set_as_default=True) as client,
    ):
        yield client


@pytest.fixture
def dask(cluster):
    """Context in which joblib spreads work over both workers."""
    cluster.wait_for_workers(2, timeout=PATIENCE)
    with joblib.parallel_config(backend="dask"):
        yield cluster


@pytest.fixture(scope="module")
def X():
    return make_gaussian_spectrum(
        60, eigenvalues=[4.0, 3.0, 2.0, 1.0], exact=True, random_state=0
    )


def small(cls=NewtonMRFinder, **params):
    options = {"n_starts": 48, "init": "gaussian", "random_state": 0, **params}
    return cls(LinearAutoencoderLoss((2,)), **options)


def watched(folder, **params):
    folder.mkdir(exist_ok=True)
    finder = small(WatchedFinder, batch_size=12, **params)
    finder.folder = folder
    return finder


def assert_same_fit(one, other):
    """Every fitted attribute is the same, bit by bit."""
    compared = 0
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray | int) and name.endswith("_"):
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=name)
            compared += 1
    for name, value in one.results_.items():
        np.testing.assert_array_equal(value, other.results_[name], err_msg=name)
    assert compared > 10


@pytest.fixture(scope="module")
def plain(X):
    """A fit of one process."""
    return small(n_jobs=1).fit(X)


@pytest.mark.parametrize("batch_size", [None, 5, 48])
def test_the_cluster_does_not_change_the_result(batch_size, dask, X, plain):
    assert_same_fit(plain, small(batch_size=batch_size).fit(X))


def test_the_workers_do_the_work(dask, X, plain, tmp_path):
    finder = watched(tmp_path)
    assert_same_fit(plain, finder.fit(X))
    batches, processes = zip(*solved(tmp_path), strict=True)
    assert len(set(batches)) == len(batches) == 4
    assert set(map(int, processes)) <= set(dask.run(os.getpid).values())


def test_an_exploration_over_the_cluster(dask, X):
    def explore():
        loss = LinearAutoencoderLoss((2,))
        options = {"max_searches": 60, "random_state": 0, "round_size": 50}
        return LandscapeExplorer(loss, batch_size=10, **options).fit(X)

    explorer = explore()
    with joblib.parallel_config(backend="sequential"):
        assert_same_fit(explore(), explorer)


class Counted(LinearAutoencoderLoss):
    """An autoencoder that leaves a file each time that a process reads it."""

    folder = None

    def __setstate__(self, state):
        super().__setstate__(state)
        if self.folder is not None:
            (self.folder / f"read-{os.getpid()}-{uuid4().hex}").touch()


def test_the_loss_is_sent_once(dask, X, plain, tmp_path):
    loss = Counted((2,)).fit(X)
    loss.folder = tmp_path
    finder = small(batch_size=4).set_params(loss=None).fit(loss)  # twelve batches
    np.testing.assert_array_equal(finder.critical_points_, plain.critical_points_)
    readers = [path.name.split("-")[1] for path in tmp_path.glob("read-*")]
    workers = set(map(str, dask.run(os.getpid).values()))
    by_workers = [pid for pid in readers if pid in workers]
    assert 1 <= len(by_workers) == len(set(by_workers)) <= 2
    # It is dropped when the fit is over.
    for _ in range(100):
        held = sum(dask.run(count_held).values())
        if held == 0:
            break
        time.sleep(0.05)
    assert held == 0


def count_held():
    from skcrit.search import cluster

    return len(cluster._PICKLED) + len(cluster._READ)


@pytest.mark.posix
@pytest.mark.parametrize("keep", [False, True], ids=["forgets", "keeps"])
def test_a_worker_is_killed(keep, dask, X, plain, tmp_path):
    before = set(dask.run(os.getpid).values())
    finder = watched(tmp_path, memory=tmp_path / "cache" if keep else None)
    # One process dies in the third batch, with what it has not yet handed over. The
    # points of a batch are more than 1000 bytes: Dask would store such an array, given
    # on its own, on one worker only.
    assert 12 * 20 * 8 > 1000
    (tmp_path / "fatal").write_text("2")
    assert_same_fit(plain, finder.fit(X))
    assert (tmp_path / "suffered").exists()
    batches, processes = zip(*solved(tmp_path), strict=True)
    assert len(set(batches)) == 4
    if keep:
        assert len(batches) == 4  # what the dead had finished is on the disk
    dask.wait_for_workers(2, timeout=PATIENCE)
    assert len(before & set(dask.run(os.getpid).values())) == 1


def test_finished_batches_are_kept(dask, X, plain, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the workers are elsewhere
    finder = watched(tmp_path, memory="cache")
    assert_same_fit(plain, finder.fit(X))
    assert len(solved(tmp_path)) == 4
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 4
    assert_same_fit(plain, finder.fit(X))
    assert len(solved(tmp_path)) == 4
    # They are found without the cluster, too.
    with joblib.parallel_config(backend="sequential"):
        assert_same_fit(plain, finder.fit(X))
    assert len(solved(tmp_path)) == 4


def test_grid_search(dask, X):
    def search():
        grid = {"tol": [1e-8, 1e-10], "loss__alpha": [0.0, 0.1]}
        return GridSearchCV(small(n_starts=10, batch_size=5), grid, cv=2).fit(X)

    spread = search()
    with joblib.parallel_config(backend="sequential"):
        alone = search()
    compared = [name for name in alone.cv_results_ if "score" in name]
    compared = [name for name in compared if "time" not in name]
    assert len(compared) == 5
    for name in compared:
        np.testing.assert_array_equal(spread.cv_results_[name], alone.cv_results_[name])
    assert_same_fit(alone.best_estimator_, spread.best_estimator_)
