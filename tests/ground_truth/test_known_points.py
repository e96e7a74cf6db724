"""Lists of known critical points as a ground truth."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import root
from sklearn.base import clone

from skcrit import FunctionLoss, KnownPoints, NewtonMRFinder, NotConvergedWarning
from skcrit.ground_truth import AnalyticalSpectrum, GroundTruth
from skcrit.inspection import LossIndexDisplay
from skcrit.metrics import (
    judge,
    participation_counts,
    recovery_accuracy,
    recovery_coverage,
    recovery_precision,
    recovery_report,
    uniformity_test,
)
from tests.metrics._fits import corrupt, fit_at, make_loss


def value(t):
    """Himmelblau's function."""
    x, y = t[..., 0], t[..., 1]
    return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2


def gradient(t):
    x, y = t[..., 0], t[..., 1]
    a, b = x**2 + y - 11, x + y**2 - 7
    return np.stack([4 * x * a + 2 * b, 2 * a + 4 * y * b], axis=-1)


def dense_hessian(t):
    x, y = t
    mixed = 4 * x + 4 * y
    return np.array([
        [4 * (x**2 + y - 11) + 8 * x**2 + 2, mixed],
        [mixed, 4 * (x + y**2 - 7) + 8 * y**2 + 2],
    ])


def hvp(t, v):
    x, y = t[..., 0], t[..., 1]
    xx, yy = 12 * x**2 + 4 * y - 42, 12 * y**2 + 4 * x - 26
    xy = 4 * (x + y)
    return np.stack(
        [xx * v[..., 0] + xy * v[..., 1], xy * v[..., 0] + yy * v[..., 1]], axis=-1
    )


def himmelblau_points():
    """All nine critical points, by SciPy from a grid of starts."""
    found = []
    for x in np.linspace(-5, 5, 12):
        for y in np.linspace(-5, 5, 12):
            result = root(gradient, [x, y], jac=dense_hessian, tol=1e-13)
            new = all(np.linalg.norm(result.x - p) > 1e-3 for p in found)
            if result.success and new:
                found.append(result.x)
    return np.array(found)


POINTS = himmelblau_points()
INDICES = np.array([np.sum(np.linalg.eigvalsh(dense_hessian(p)) < 0) for p in POINTS])


def make(**params):
    return KnownPoints(POINTS, INDICES, losses=value(POINTS), **params)


def himmelblau(truth=None):
    return FunctionLoss(value, gradient, hvp, n_params=2, ground_truth=truth).fit()


@pytest.fixture(scope="module")
def finder():
    init = np.random.default_rng(0).uniform(-5, 5, size=(150, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        found = NewtonMRFinder(init=init, n_starts=150, tol=1e-16)
        return found.fit(himmelblau(make()))


def test_himmelblau_has_nine_points():
    assert sorted(INDICES) == [0] * 4 + [1] * 4 + [2]


def test_scores_of_a_finder(finder):
    assert recovery_precision(finder) == 1.0
    assert recovery_accuracy(finder) == finder.converged_.mean() > 0.8
    assert recovery_coverage(finder) == 1.0
    judgement = judge(finder)
    assert judgement.sets_found == list(range(9))
    near = POINTS[judgement.sets[finder.converged_].astype(int)]
    assert_allclose(finder.final_params_[finder.converged_], near, atol=1e-6)


def test_mistakes_are_found(finder):
    row = int(np.flatnonzero(finder.converged_)[0])
    accuracy = recovery_accuracy(finder)
    index = finder.results_["morse_index"][row]
    for entries in (
        {"morse_index": index + 1},
        {"morse_index": -1},
        {"loss": finder.results_["loss"][row] + 1e-3},
        {"theta": finder.final_params_[row] + 1.5},
    ):
        wrong = corrupt(finder, row, **entries)
        assert recovery_accuracy(wrong) == pytest.approx(accuracy - 1 / 150)


def test_truth_that_is_given_wins(finder):
    minima = np.flatnonzero(INDICES == 0)
    some = KnownPoints(POINTS[minima], [0] * 4, losses=value(POINTS[minima]))
    judgement = judge(finder, truth=some)
    expected = np.isin(judge(finder).sets, minima) & finder.converged_
    assert_array_equal(judgement.hit, expected)
    assert recovery_coverage(finder, truth=some) == 1.0
    with pytest.raises(TypeError, match="truth must be a ground truth"):
        judge(finder, truth=POINTS)
    with pytest.raises(ValueError, match="truth must be of points with 2 parameters"):
        judge(finder, truth=KnownPoints([[0.0]], losses=[0.0]))


def test_report(finder):
    names = [f"point {i}" for i in range(9)]
    text = recovery_report(finder, truth=make(names=names))
    assert "KnownPoints(n_sets=9, n_params=2)" in text
    assert "(9 of 9 sets)" in text
    assert all(name in text for name in names)
    assert "which tolerance distinguishes the critical sets is not known" in text
    report = recovery_report(finder, truth=make(resolution=1e-3), output_dict=True)
    assert report["resolved"]
    assert report["resolution"] == 1e-3
    rows = {
        row["set"]: row for row in recovery_report(finder, output_dict=True)["sets"]
    }
    for name, row in rows.items():
        assert row["predicted_indices"] == row["morse_indices"] == [INDICES[name]]
        assert row["count"] == row["n_hits"]


def test_figure(finder):
    display = LossIndexDisplay.from_estimator(finder)
    assert display.n_sets == 9
    assert_allclose(display.analytical_loss, value(POINTS))
    assert_array_equal(display.analytical_index_fraction, INDICES / 2)
    assert np.all(display.hit)
    few = LossIndexDisplay.from_estimator(finder, max_sets=4, random_state=0)
    assert len(few.analytical_loss) == 4


def test_metrics_of_eigenvectors_refuse_other_points(finder):
    with pytest.raises(ValueError, match="named by eigenvectors .* KnownPoints"):
        participation_counts(finder)
    with pytest.raises(ValueError, match="named by eigenvectors"):
        uniformity_test(finder, over="eigenvectors")
    result = uniformity_test(finder, random_state=0)
    assert_array_equal(result.observed, np.bincount(finder_sets(finder), minlength=9))
    assert_allclose(result.expected, result.n_starts / 9)
    by_index = uniformity_test(finder, over="indices", random_state=0)
    assert_allclose(by_index.expected, result.n_starts * np.array([4, 4, 1]) / 9)


def finder_sets(finder):
    return judge(finder).sets[finder.converged_].astype(int)


def test_agrees_with_the_closed_form():
    # One representative of each set, and the loss for the rest.
    loss = make_loss()
    spectrum = loss.analytical_spectrum()
    names = spectrum.all_sets()
    points = [spectrum.representative(name) for name in names]
    known = KnownPoints(
        points,
        spectrum.morse_indices(names),
        loss=loss,
        nullities=spectrum.nullities(names),
    )
    assert_allclose(known.losses(range(11)), spectrum.losses(names), atol=1e-14)
    finder = fit_at(loss, names + names)
    wrong = corrupt(finder, 2, loss=finder.results_["loss"][2] + 1e-4)
    one, other = judge(wrong), judge(wrong, known)
    assert_array_equal(one.hit, other.hit)
    assert [names[i] for i in other.sets] == list(one.sets)
    assert one.hit.sum() == 21
    assert spectrum.resolution < known.resolution < 100 * spectrum.resolution


def test_ring_of_minima_is_one_set():
    # One of its points stands for all, by what the rotation leaves alone.
    known = KnownPoints(
        [[2.0, 0.0], [0.0, 0.0]],
        [0, 2],
        losses=[0.0, 4.0],
        nullities=[1, 0],
        invariants=lambda t: np.linalg.norm(t, axis=-1, keepdims=True),
    )
    angles = np.linspace(0, 6, 20)
    ring = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    match = known.match(ring)
    assert list(match.set) == [0] * 20
    assert np.all(match.identified)
    assert_allclose(match.distance, 0, atol=1e-14)
    assert known.match([0.0, 0.01]).set == 1


def test_between_two_points_is_ambiguous():
    known = KnownPoints([[0.0], [1.0], [1.01]], losses=[0, 0, 0])
    match = known.match([[0.05], [0.2], [0.5], [0.99], [1.0004], [1.005], [5.0]])
    assert list(match.set) == [0, 0, 0, 1, 1, 1, 2]
    assert list(match.identified) == [True, False, False, False, True, False, False]
    assert match.margin[0] == pytest.approx(0.95**2 - 0.05**2)
    # A radius that is given may overlap with another: such points stay ambiguous.
    wide = KnownPoints([[0.0], [1.0]], losses=[0, 0], radius=0.6)
    assert list(wide.match([[0.3], [0.45], [1.5]]).identified) == [True, False, True]


def test_single_point_takes_the_length_of_the_loss():
    assert KnownPoints([[3.0]], losses=[1.0]).radius == 0.1
    loss = himmelblau()
    loss.length_scale = lambda: 7.0
    known = KnownPoints(POINTS[:1], loss=loss)
    assert_allclose(known.radius, 0.7)
    assert known.resolution == np.inf
    assert known.match(POINTS[0]).margin == np.inf


@pytest.mark.parametrize("with_loss", [True, False])
def test_loss_tolerance_follows_the_distance(with_loss, rng):
    known = KnownPoints(POINTS, INDICES, loss=himmelblau()) if with_loss else make()
    for size in (1e-8, 1e-5, 1e-2):
        theta = POINTS + size * rng.standard_normal(POINTS.shape)
        norm = np.linalg.norm(gradient(theta), axis=1)
        match = known.match(theta, grad_norm=norm)
        error = np.abs(value(theta) - value(POINTS))
        assert np.all(error <= match.loss_tolerance)
        # Quadratic in the distance, or rounding.
        assert np.all(match.loss_tolerance < 2000 * size**2 + 1e-10)


def test_unknown_indices():
    known = KnownPoints([[0.0], [1.0]], [1, -1], losses=[0, 1])
    match = known.match([[0.0], [1.0]])
    assert match.morse_index.tolist() == [1, -1]
    assert match.least_index.tolist() == [1, 0]
    table = known.to_dict()
    assert table["nullity"].tolist() == [-1, -1]
    assert_array_equal(table["index_fraction"], [1.0, np.nan])


def test_unknown_indices_accept_any_that_a_finder_knows(finder):
    known = KnownPoints(POINTS, losses=value(POINTS))
    assert recovery_accuracy(finder, truth=known) == recovery_accuracy(finder)
    row = int(np.flatnonzero(finder.converged_)[0])
    unknown = corrupt(finder, row, morse_index=-1)
    assert recovery_accuracy(unknown, truth=known) < recovery_accuracy(finder)


def test_points_that_are_not_finite():
    match = make().match(np.array([[np.nan, 0.0], [np.inf, 0.0], POINTS[2]]))
    assert match.identified.tolist() == [False, False, True]
    assert match.distance[:2].tolist() == [np.inf, np.inf]
    assert np.all(np.isnan(match.loss[:2]))
    assert match.morse_index[:2].tolist() == [-1, -1]


def test_shapes():
    known = make()
    one = known.match(POINTS[3])
    assert (one.set, one.identified, one.distance) == (3, True, 0.0)
    assert type(one.loss) is float
    assert known.match(np.zeros((2, 3, 2))).set.shape == (2, 3)
    assert known.match(np.zeros((0, 2))).status.shape == (0,)
    with pytest.raises(ValueError, match=r"n_params=2, got \(3,\)"):
        known.match(np.zeros(3))


def test_names_and_tables():
    known = KnownPoints([[0.0], [1.0]], [0, 1], losses=[5, 6], names=["b", "a"])
    assert known.all_sets() == ["b", "a"]
    assert known.losses("a") == 6
    assert known.morse_indices(["a", "b", "a"]).tolist() == [1, 0, 1]
    assert known.to_dict(["a"])["loss"].tolist() == [6]
    assert set(known.sample_sets(50, random_state=0)) == {"a", "b"}
    assert known.match([[0.9], [0.05]]).set.tolist() == ["a", "b"]
    for sets in ("c", ["a", "c"], 0, None, [[]]):
        with pytest.raises(ValueError, match="sets must be names of known points"):
            known.losses(sets)
    with pytest.raises(ValueError, match="max_sets=1 is too small to list all 2"):
        known.all_sets(1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"points": [1.0, 2.0]}, r"points must be a finite array of shape \(n_sets"),
        ({"points": np.zeros((0, 2))}, "points must be a finite array"),
        ({"points": [[np.nan]]}, "points must be a finite array"),
        ({"listed_indices": [0.5]}, "listed_indices must be integers from 0 to"),
        ({"listed_indices": [3]}, "listed_indices must be integers from 0 to"),
        ({"listed_indices": 0}, "listed_indices must be integers from 0 to"),
        ({"points": [["a"]]}, "points must be an array of real numbers"),
        ({"losses": None}, "losses must be given, or a fitted loss"),
        ({"losses": [1.0]}, "losses must be 2 finite numbers"),
        ({"losses": [1.0, np.inf]}, "losses must be 2 finite numbers"),
        ({"morse_indices": [0, 3]}, "morse_indices must be 2 integers from 0 to .*=2"),
        ({"morse_indices": [0, 0.5]}, "morse_indices must be 2 integers"),
        ({"morse_indices": [0]}, "morse_indices must be 2 integers"),
        ({"nullities": [0, -2]}, "nullities must be 2 integers"),
        (
            {"morse_indices": [2, 0], "nullities": [1, 0]},
            "nullities and morse_indices must add up to at most n_params=2",
        ),
        ({"names": ["a"]}, "names must be 2 different texts"),
        ({"names": ["a", "a"]}, "names must be 2 different texts"),
        ({"names": "ab"}, "names must be 2 different texts"),
        ({"names": [1, 2]}, "names must be 2 different texts"),
        ({"radius": 0}, "radius must be a positive number"),
        ({"radius": [1.0, 2.0, 3.0]}, "radius must be a positive number"),
        ({"resolution": -1}, "resolution must be a number"),
        ({"invariants": 3}, "invariants must be callable, got 3"),
        ({"invariants": lambda t: t[..., 0]}, "invariants must map points of shape"),
        ({"invariants": lambda t: t / 0 * 0}, "points must have finite invariants"),
        ({"invariants": lambda t: 0 * t}, "got the same invariants at points 0 and 1"),
        ({"points": [[1, 2], [1, 2]]}, "got the same invariants at points 0 and 1"),
        ({"loss": FunctionLoss(value, gradient, n_params=2)}, "loss must be a fitted"),
        ({"loss": FunctionLoss}, "loss must be a fitted"),
        (
            {"loss": FunctionLoss(value, gradient, n_params=3).fit()},
            "loss must have as many parameters as points has columns, 2, got 3",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_bad_arguments(arguments, message):
    right = {"points": [[0.0, 1.0], [1.0, 2.0]], "losses": [1.0, 2.0]}
    with pytest.raises(ValueError, match=message):
        KnownPoints(**right | arguments)


def test_both_kinds_are_ground_truths():
    spectrum = AnalyticalSpectrum.from_eigenvalues([2, 1], 1)
    assert isinstance(spectrum, GroundTruth)
    assert isinstance(make(), GroundTruth)
    assert not isinstance(POINTS, GroundTruth)


def test_function_loss_carries_its_truth():
    truth = make()
    loss = himmelblau(truth)
    assert loss.ground_truth() is truth
    assert loss.get_params()["ground_truth"] is truth
    copy = pickle.loads(pickle.dumps(loss))
    assert_array_equal(copy.ground_truth().points, POINTS)
    assert_array_equal(clone(loss).fit().ground_truth().points, POINTS)
    assert (
        clone(loss).set_params(ground_truth=None).get_params()["ground_truth"] is None
    )


def test_function_loss_refuses_what_is_no_truth():
    with pytest.raises(ValueError, match="'ground_truth' parameter of FunctionLoss"):
        himmelblau(POINTS)
    with pytest.raises(ValueError, match="ground_truth must have as many parameters"):
        himmelblau(KnownPoints([[0.0]], losses=[0.0]))


def test_invariants_that_are_no_numbers():
    def named(theta):
        return np.full((len(theta), 1), "a point")

    with pytest.raises(
        ValueError, match=r"map points of shape \(2, 1\) to real numbers"
    ):
        KnownPoints([[0.0], [1.0]], losses=[0, 1], invariants=named)
