"""The explorer finds every critical set, and none else, from the loss alone."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    SaddleDynamicsFinder,
)
from skcrit.exceptions import NotConvergedWarning
from skcrit.losses import FunctionLoss, MLPLoss
from skcrit.proving_grounds import make_mueller_brown
from skcrit.starts import GaussianStarts, random_streams

from ..solvers._potentials import HIMMELBLAU, HIMMELBLAU_POINTS
from ._finders import autoencoder, ignore_failures
from ._surfaces import MULLER_BROWN, MULLER_BROWN_POINTS, polynomial_system


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
        0.05, displacement=(0.1, 0.4), init=starts, tol=1e-16, noise=0.01
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
