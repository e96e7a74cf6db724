"""The explorer finds every critical set, and none else, from the loss alone."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    SaddleDynamicsFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.exceptions import NotConvergedWarning
from skcrit.losses import FunctionLoss, MLPLoss
from skcrit.proving_grounds import make_mueller_brown
from skcrit.search import landscape
from skcrit.starts import GaussianStarts, random_streams

from ..solvers._potentials import HIMMELBLAU, HIMMELBLAU_POINTS
from ._surfaces import MULLER_BROWN, MULLER_BROWN_POINTS, polynomial_system

# Searches that fail are the subject, or do not matter, where this is used.
ignore_failures = pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")


def autoencoder(eigenvalues, hidden, **params):
    X = make_gaussian_spectrum(100, eigenvalues=eigenvalues, exact=True, random_state=0)
    return LinearAutoencoderLoss(hidden, **params).fit(X)


def assert_complete(explorer):
    """Every analytical set is found once, with its loss and index; nothing else is."""
    spectrum = explorer.loss_.analytical_spectrum()
    match = spectrum.match(explorer.critical_points_)
    assert match.identified.all()
    assert len(set(match.set)) == explorer.n_critical_sets_ == spectrum.n_sets
    np.testing.assert_array_equal(explorer.morse_indices_, match.morse_index)
    np.testing.assert_allclose(
        explorer.critical_losses_, match.loss, rtol=1e-9, atol=1e-12
    )


PROBLEMS = {
    "42 sets": ((6, 5, 4, 3, 2, 1), (3,), {}, 300),
    "93 sets": (range(8, 0, -1), (3,), {}, 800),
    "ties 2, 3, 1": ((3, 3, 2, 2, 2, 1), (3,), {}, 200),
    "two null eigenvalues": ((4, 3, 2, 1, 0, 0), (3,), {}, 200),
    "more units than features": ((3, 2, 1), (4,), {}, 130),
    "penalty on the weights": ((4, 3, 2, 1), (2,), {"alpha": 0.05}, 150),
    "penalty that removes sets": ((4, 3, 2, 0.1), (2,), {"alpha": 0.1}, 130),
    "penalty on the product": (
        (4, 3, 2, 1),
        (2,),
        {"alpha": 0.2, "penalty": "product"},
        150,
    ),
}


@ignore_failures
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
def test_every_critical_set(name, seed):
    eigenvalues, hidden, params, budget = PROBLEMS[name]
    loss = autoencoder([float(e) for e in eigenvalues], hidden, **params)
    explorer = LandscapeExplorer(max_searches=budget, random_state=seed).fit(loss)
    assert_complete(explorer)
    assert explorer.converged_.mean() > 0.99


def test_rank_deficient_data():
    X = np.random.default_rng(0).normal(size=(4, 6))
    loss = LinearAutoencoderLoss((2,))
    explorer = LandscapeExplorer(loss, max_searches=300, random_state=0).fit(X)
    assert explorer.loss_.rank_ == 3
    assert_complete(explorer)


@pytest.mark.parametrize(
    "finder",
    [
        NewtonMRFinder(inner_tol=0.01, window=1),
        SaddleDynamicsFinder(index="natural"),
        GradNormFinder(minimizer="lm"),
    ],
    ids=lambda finder: type(finder).__name__,
)
@ignore_failures
def test_any_finder_can_search_locally(finder):
    loss = autoencoder([5.0, 4.0, 3.0, 2.0, 1.0], (2,))
    explorer = LandscapeExplorer(finder=finder, max_searches=500, random_state=0)
    assert_complete(explorer.fit(loss))


def deeper(*hidden):
    """Name a depth that only the long profile runs."""
    return pytest.param(hidden, marks=pytest.mark.long)


@ignore_failures
@pytest.mark.parametrize("hidden", [(2, 2), deeper(2, 2, 2)], ids=str)
def test_all_critical_values_of_deep_networks(hidden):
    # The origin of a deep network is flat: the searches need indices of their own.
    loss = autoencoder([4.0, 3.0, 2.0, 1.0], hidden)
    explorer = LandscapeExplorer(
        finder=SaddleDynamicsFinder(),
        init=GaussianStarts(0.4),
        n_starts=40,
        max_searches=400,
        random_state=0,
    ).fit(loss)
    spectrum = loss.analytical_spectrum()
    match = spectrum.match(explorer.critical_points_)
    assert match.identified.all()
    # Sets of lower rank have strata of different inertia, and each is one of the sets.
    inertia = zip(explorer.morse_indices_, explorer.nullities_, strict=True)
    strata = set(zip(match.set, inertia, strict=True))
    assert len(strata) == explorer.n_critical_sets_
    values = np.unique(spectrum.losses(spectrum.all_sets(100)).round(8))
    found = np.unique(explorer.critical_losses_.round(8))
    np.testing.assert_allclose(found, values, atol=1e-7)
    # At the full rank of the bottleneck every saddle is strict, and its index known.
    full = np.array([len(name) == 2 for name in match.set])
    np.testing.assert_array_equal(
        explorer.morse_indices_[full], match.morse_index[full]
    )
    assert_strictness(explorer, spectrum)


def assert_strictness(finder, spectrum):
    """Theorem: more negative directions than inversions where a pivot is open."""
    points, index = finder.critical_points_, finder.morse_indices_
    match = spectrum.match(points)
    lower = match.index_lower_bound
    # However little the middle layers pass on at a degenerate set, it shows in the
    # Hessian; only in the pivots it looks like rounding.
    strong = spectrum.has_open_pivot(points, rtol=1e-2)
    assert np.all(index[strong] > lower[strong])
    assert np.all(index >= lower)
    leading = np.array([name == tuple(range(len(name))) for name in match.set])
    short = np.array([len(name) < spectrum.max_rank for name in match.set])
    assert np.any(leading & short & (index == 0))  # saddles that are not strict
    assert np.all(leading[index == 0])


@pytest.mark.parametrize("kind", ["balanced", "open"])
@pytest.mark.parametrize("hidden", [(3, 3), deeper(3, 3, 3)], ids=str)
def test_every_set_of_a_deep_network_is_a_strict_saddle_or_not(hidden, kind):
    loss = autoencoder([float(e) for e in range(8, 0, -1)], hidden)
    spectrum = loss.analytical_spectrum()
    names = list(spectrum.all_sets(100))
    points = [
        spectrum.representative(name, i, kind=kind) for i, name in enumerate(names)
    ]
    # Balancing would drop what the middle layers pass beyond the rank.
    params = {"balance": False, "tol": 1e-20, "n_starts": len(points)}
    finder = NewtonMRFinder(init=points, **params).fit(loss)
    assert finder.n_iter_ == 0
    rank, positive = np.array([len(name) for name in names]), 8
    inversions = spectrum.morse_indices(names)
    passed = 3 - rank if kind == "open" else 0
    expected = inversions + passed * (positive - rank)
    np.testing.assert_array_equal(finder.results_["morse_index"], expected)
    leading = np.array([name == tuple(range(len(name))) for name in names])
    flat = leading & (rank < 3) & (kind == "balanced")
    assert flat.sum() == (3 if kind == "balanced" else 0)
    minimum = leading & (rank == 3)
    np.testing.assert_array_equal(finder.results_["morse_index"] == 0, flat | minimum)


def assert_points(explorer, expected, atol):
    """The points found are the expected ones, with their indices."""
    points = np.array([point for point, _ in expected])
    gaps = np.linalg.norm(explorer.critical_points_[:, None] - points, axis=-1)
    assert explorer.n_critical_sets_ == len(points)
    nearest = np.argmin(gaps, axis=1)
    assert sorted(nearest) == list(range(len(points)))
    assert gaps.min(axis=1).max() < atol
    assert [expected[i][1] for i in nearest] == explorer.morse_indices_.tolist()


def surface_explorer(max_step, **params):
    local = SaddleDynamicsFinder(index="natural", max_step=max_step)
    params = {"noise": 0.05, "n_starts": 20, **params}
    return LandscapeExplorer(finder=local, max_searches=400, random_state=0, **params)


def test_himmelblau():
    explorer = surface_explorer(1.0, displacement=(0.5, 4.0)).fit(HIMMELBLAU)
    assert_points(explorer, HIMMELBLAU_POINTS, 1e-5)


@ignore_failures
def test_muller_brown():
    starts = np.random.default_rng(0).uniform((-1.5, -0.2), (1.2, 2.0), size=(20, 2))
    explorer = surface_explorer(
        0.05,
        displacement=(0.1, 0.4),
        init=starts,
        tol=1e-16,
        noise=0.01,
    )
    explorer.fit(MULLER_BROWN)
    inside = np.all(np.abs(explorer.critical_points_) < 2.5, axis=1)
    assert inside.all()
    assert_points(explorer, MULLER_BROWN_POINTS, 1e-3)


@ignore_failures
@pytest.mark.parametrize("seed", [3, 4])
def test_random_polynomial(seed):
    loss, expected = polynomial_system(seed)
    explorer = surface_explorer(0.3, displacement=(0.3, 2.0)).fit(loss)
    assert_points(explorer, expected, 1e-6)


# What the estimator promises


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
from tests.finders.test_landscape import autoencoder, explore

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


def test_all_sets_of_wine_within_six_searches_a_set():
    data = StandardScaler().fit_transform(load_wine().data)
    loss = LinearAutoencoderLoss((2,)).fit(data)
    n_sets = loss.analytical_spectrum().n_sets
    explorer = LandscapeExplorer(max_searches=6 * n_sets, random_state=0).fit(loss)
    assert explorer.n_critical_sets_ == n_sets
    assert explorer.score() == 1


def test_searches_that_fail_do_not_spoil_a_complete_exploration():
    loss = make_mueller_brown()
    # With so few iterations about half of the searches fail.
    with pytest.warns(NotConvergedWarning):
        explorer = LandscapeExplorer(max_iter=12, random_state=0).fit(loss)
    assert np.mean(explorer.converged_) < 0.7
    assert explorer.n_critical_sets_ == 5
    assert explorer.stop_reason_ == "exhausted"


def test_new_starts_follow_until_they_lead_to_nothing_new():
    # Products of cosines in a box: 25 extrema and 16 saddles, and two searches in five
    # leave the box.
    def gradient(t):
        return -np.sin(t) * np.cos(t)[..., ::-1]

    def hvp(t, v):
        both = np.prod(np.sin(t), axis=-1), np.prod(np.cos(t), axis=-1)
        return both[0][..., None] * v[..., ::-1] - both[1][..., None] * v

    loss = FunctionLoss(
        lambda t: np.prod(np.cos(t), axis=-1),
        gradient,
        hvp,
        n_params=2,
        bounds=(-7.5, 7.5),
    )
    found = []
    for seed in range(5):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotConvergedWarning)
            explorer = LandscapeExplorer(loss, random_state=seed).fit(None)
        assert explorer.stop_reason_ == "exhausted"
        found.append(explorer.n_critical_sets_)
    # Three rounds in all found 36 to 40 of them.
    assert sum(found) >= 0.97 * 5 * 41


@ignore_failures
def test_minima_far_from_all_other_sets_are_found():
    """One search in 440 from another set meets the distant minimum or its saddle."""
    # Network 1-3-1 of doc/nonlinear.md; SciPy finds the minimum from far starts.
    rng = np.random.default_rng(3)
    X = rng.normal(size=(20, 1))
    x = X[:, 0]
    y = np.sin(2 * x) + 0.5 * x**2 - 0.5 + 0.1 * rng.normal(size=20)
    loss = MLPLoss((3,), alpha=0.1, penalize_intercept=True).fit(X, y)
    starts = 5 * loss.draw_starts(random_streams(0, 40))
    ends = [minimize(loss.value, t, jac=loss.gradient, tol=1e-10) for t in starts]
    explorer = LandscapeExplorer(max_searches=700, random_state=1).fit(loss)
    minima = explorer.critical_losses_[explorer.morse_indices_ == 0]
    reached = np.unique([round(end.fun, 6) for end in ends])
    np.testing.assert_allclose(minima, reached, atol=1e-6)
    assert len(minima) == 2
    assert explorer.euler_sum_ == 1
    assert explorer.n_critical_sets_ == 24
