"""What the explorer promises: workers, tables, reasons to stop, resumption."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from skcrit import LandscapeExplorer, NewtonMRFinder
from skcrit.exceptions import NotConvergedWarning
from skcrit.losses import FunctionLoss
from skcrit.search import landscape
from skcrit.starts import GaussianStarts

from ._finders import autoencoder


@pytest.fixture
def loss():
    return autoencoder([5.0, 4.0, 3.0, 2.0, 1.0], (2,))


def assert_same(one, other):
    for name, value in vars(one).items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, vars(other)[name], name)
    for key, column in one.results_.items():
        np.testing.assert_array_equal(column, other.results_[key], key)


@pytest.mark.parametrize("round_size", [256, 24])
def test_same_result_for_all_workers_and_batches(loss, tmp_path, round_size):
    # In rounds of 24 searches half of each runs while the other half is described.
    explorer = LandscapeExplorer(
        max_searches=150, round_size=round_size, random_state=0
    )
    expected = clone(explorer).fit(loss)
    kept = {"memory": tmp_path}  # written, then read
    for params in ({"n_jobs": 2}, {"batch_size": 7}, kept, kept):
        assert_same(expected, clone(explorer).set_params(**params).fit(loss))
    other = clone(explorer).set_params(random_state=1, max_searches=10).fit(loss)
    assert not np.array_equal(other.start_params_, expected.start_params_[:10])


def test_the_halves_of_a_full_round_overlap(loss, monkeypatch):
    together = []

    def run(batches, task, calls, _run=landscape.run_batches):
        together.append({call[0].__name__ for call in calls})
        return _run(batches, task, calls)

    monkeypatch.setattr(landscape, "run_batches", run)
    explorer = LandscapeExplorer(max_searches=150, round_size=24, random_state=0)
    sizes = np.diff(explorer.fit(loss).discovery_[:, 0])
    # As long as something new is found, it is described while others search.
    assert together.count({"describe_ends", "solve_ends"}) >= 3
    # The first rounds, of 16 searches and more, are small as little is known.
    assert np.count_nonzero(sizes == 12) >= 6
    assert explorer.n_critical_sets_ == loss.analytical_spectrum().n_sets


def test_table_and_graph_agree(loss):
    explorer = LandscapeExplorer(max_searches=150, random_state=0).fit(loss)
    results, graph = explorer.results_, explorer.to_networkx()
    assert explorer.n_searches_ == 150
    assert {len(column) for column in results.values()} == {150}
    assert explorer.final_params_.shape == explorer.start_params_.shape
    labels = results["critical_set"]
    np.testing.assert_array_equal(
        explorer.counts_, np.bincount(labels, minlength=explorer.n_critical_sets_)
    )
    np.testing.assert_array_equal(
        results["morse_index"], explorer.morse_indices_[labels]
    )
    assert np.all(np.diff(explorer.critical_losses_) >= 0)
    assert np.all(results["parent"][:10] == -1)
    assert np.all(results["parent"][10:] >= 0)
    assert list(graph.nodes) == list(range(explorer.n_critical_sets_))
    for node, data in graph.nodes(data=True):
        assert data["loss"] == explorer.critical_losses_[node]
        assert data["morse_index"] == explorer.morse_indices_[node]
        assert data["count"] == explorer.counts_[node]
    assert sum(count for *_, count in graph.edges(data="count")) == 140
    for parent, child, data in graph.edges(data=True):
        rows = (results["parent"] == parent) & (labels == child)
        assert data["count"] == rows.sum()
        assert data["direction"] == results["direction"][rows][0]
        assert data["sign"] in (-1, 1)


def test_starts_lie_where_the_table_says(loss):
    reach = (0.5, 0.7)
    # Later passes have other lengths, and one over unstable directions comes early.
    explorer = LandscapeExplorer(
        max_searches=120, displacement=reach, noise=0.0, n_passes=1, random_state=0
    ).fit(loss)
    rows = np.flatnonzero(explorer.results_["parent"] >= 0)
    assert len(rows) == 110
    parents = explorer.critical_points_[explorer.results_["parent"][rows]]
    moves = explorer.start_params_[rows] - parents
    lengths = np.linalg.norm(moves, axis=1)
    assert np.all((lengths > 0.499) & (lengths < 0.701))
    # Unstable eigenvectors come first: the first of each set is one.
    first = explorer.results_["direction"][rows] == 0
    unstable = explorer.morse_indices_[explorer.results_["parent"][rows]] > 0
    for move, theta in zip(
        moves[first & unstable], parents[first & unstable], strict=True
    ):
        assert move @ loss.hvp(theta, move) < 0


def test_reasons_to_stop(loss):
    explorer = LandscapeExplorer(max_searches=60, random_state=0).fit(loss)
    assert (explorer.stop_reason_, explorer.n_searches_) == ("max_searches", 60)
    explorer.set_params(max_searches=5000, coverage=0.9).fit(loss)
    assert explorer.stop_reason_ == "coverage"
    assert explorer.n_searches_ < 5000
    explorer.set_params(coverage=None, max_directions=2, n_passes=1).fit(loss)
    assert explorer.stop_reason_ == "exhausted"
    tried = explorer.results_["direction"]
    assert set(tried[10:]) == {0, 1}


def test_coverage_is_the_share_of_the_latest_quarter(loss):
    explorer = LandscapeExplorer(max_searches=5000, coverage=0.9, random_state=0)
    rows = np.vstack([[[0, 0]], explorer.fit(loss).discovery_])
    told = []
    for n, found in rows[1:]:
        begin = rows[rows[:, 0] <= 0.75 * n][-1]
        told.append(1 - (found - begin[1]) / (n - begin[0]))
    assert explorer.stop_reason_ == "coverage"
    assert told[-1] >= 0.9 > max(told[:-1])


def test_discovery_is_the_history_of_the_search(loss):
    explorer = LandscapeExplorer(max_searches=200, random_state=0).fit(loss)
    searches, found = explorer.discovery_.T
    assert searches[0] == 10
    assert (searches[-1], found[-1]) == (200, explorer.n_critical_sets_)
    assert np.all(np.diff(searches) > 0)
    assert np.all(np.diff(found) >= 0)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"displacement": (2.0, 1.0)}, "displacement must be a pair"),
        ({"displacement": (0.0, 1.0)}, "displacement must be a pair"),
        ({"displacement": [1.0]}, "displacement must be a pair"),
        ({"displacement": 3}, "'displacement' parameter"),
        ({"max_searches": 0}, "'max_searches' parameter"),
        ({"coverage": 1.5}, "'coverage' parameter"),
        ({"noise": -1.0}, "'noise' parameter"),
        ({"finder": "newton"}, "'finder' parameter"),
        ({"round_size": 0}, "'round_size' parameter"),
        ({"max_directions": 0}, "'max_directions' parameter"),
        ({"n_passes": 0}, "'n_passes' parameter"),
        ({"max_searches": 9}, "max_searches must be at least n_starts=10"),
        ({"finder": NewtonMRFinder(inner_tol=-1.0)}, "'inner_tol' parameter"),
    ],
)
def test_bad_parameters(params, message, loss):
    with pytest.raises(ValueError, match=message):
        LandscapeExplorer(**params).fit(loss)


def test_a_loss_of_too_many_parameters_is_refused():
    loss = FunctionLoss(lambda t: np.sum(t**2, axis=-1), lambda t: 2 * t, n_params=5000)
    with pytest.raises(ValueError, match="at most 4096 parameters, got 5000"):
        LandscapeExplorer(init=GaussianStarts(1.0)).fit(loss.fit())


def test_nothing_converges(loss):
    explorer = LandscapeExplorer(max_iter=0, random_state=0)
    with pytest.warns(NotConvergedWarning, match="10 of 10"):
        explorer.fit(loss)
    assert explorer.n_critical_sets_ == 0
    assert explorer.stop_reason_ == "failures"
    assert explorer.critical_points_.shape == (0, loss.n_params_)
    assert len(explorer.to_networkx()) == 0


# An exploration that is killed

SCRIPT = """
import os, signal, sys
from skcrit import NewtonMRFinder
from tests.finders._finders import autoencoder
from tests.finders.test_landscape_promises import explore

done, solver = [], type(NewtonMRFinder()._make_solver())

def solve(self, loss, theta0, _solve=solver.solve):
    if len(done) == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(theta0)
    return _solve(self, loss, theta0)

solver.solve = solve
explore(autoencoder([5.0, 4.0, 3.0, 2.0, 1.0], (2,)), memory=sys.argv[1])
"""
ROOT = Path(__file__).parents[2]


def explore(loss, **params):
    """Explore in small batches."""
    params = {"max_searches": 200, "batch_size": 20, "random_state": 0, **params}
    return LandscapeExplorer(**params).fit(loss)


@pytest.mark.posix
def test_killed_and_started_again(tmp_path, loss, monkeypatch):
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    killed = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path],
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert killed.returncode == -signal.SIGKILL
    done, solver = [], type(NewtonMRFinder()._make_solver())

    def solve(self, loss, theta0, _solve=solver.solve):
        done.append(theta0)
        return _solve(self, loss, theta0)

    monkeypatch.setattr(solver, "solve", solve)
    expected = explore(loss)
    n_batches = len(done)
    assert_same(expected, explore(loss, memory=tmp_path))
    # What was finished is not solved again.
    assert len(done) == 2 * n_batches - 6
    assert n_batches > 6
