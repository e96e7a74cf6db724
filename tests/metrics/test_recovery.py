"""Recovery metrics: known fractions, each kind of mistake, edge cases."""

import copy
import math
import warnings

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning

from skcrit import KnownPoints
from skcrit.exceptions import NoGroundTruthError, NotConvergedWarning
from skcrit.finders import NewtonMRFinder
from skcrit.losses import FunctionLoss
from skcrit.metrics import (
    index_error,
    judge,
    loss_error,
    recovery_accuracy,
    recovery_coverage,
    recovery_precision,
    recovery_report,
)
from skcrit.proving_grounds import make_himmelblau
from tests.metrics._fits import (
    METRICS,
    SETS,
    corrupt,
    fit_at,
    make_data,
    make_loss,
    scores,
)


@pytest.mark.parametrize("seed", range(3))
def test_perfect_fit(seed):
    finder = NewtonMRFinder(n_starts=20, tol=1e-14, random_state=seed, init="gaussian")
    with warnings.catch_warnings():
        # Rarely a start stalls; then it is for accuracy to say so.
        warnings.simplefilter("ignore", NotConvergedWarning)
        finder.fit(make_data(seed=seed))
    assert recovery_precision(finder) == 1.0
    assert recovery_accuracy(finder) == finder.converged_.mean()
    assert finder.converged_.mean() > 0.8
    assert index_error(finder) == 0.0
    assert loss_error(finder) < 1e-12
    assert recovery_coverage(finder) == finder.n_critical_sets_ / 11


def test_scores_are_floats_with_known_values(finder):
    values = scores(finder)
    assert all(type(value) is float for value in values)
    assert values[:3] == [1.0, 1.0, 3 / 11]
    assert values[3] < 1e-12
    assert values[4] == 0.0
    assert judge(finder).sets_found == [(0, 1), (1, 2), (3,)]


def test_score_of_the_estimator_is_the_accuracy(finder):
    assert finder.score() == recovery_accuracy(finder)
    assert finder.score(make_data()) == 1.0


def test_wrong_index(finder):
    wrong = corrupt(finder, 3, morse_index=finder.results_["morse_index"][3] + 2)
    assert scores(wrong)[:3] == [0.75, 0.75, 2 / 11]
    assert loss_error(wrong) == loss_error(finder)
    assert index_error(wrong) == 2 / 16 / 4


def test_wrong_loss(finder):
    wrong = corrupt(finder, 0, loss=finder.results_["loss"][0] + 1e-6)
    # The other start on the same set still finds it.
    assert scores(wrong)[:3] == [0.75, 0.75, 3 / 11]
    assert loss_error(wrong) == pytest.approx(1e-6 / 4, rel=1e-6)
    assert index_error(wrong) == 0.0


def test_not_converged(finder):
    wrong = corrupt(finder, 2, converged=False, loss=7.0, morse_index=-1)
    assert scores(wrong)[:3] == [0.75, 1.0, 2 / 11]
    assert loss_error(wrong) < 1e-12
    assert index_error(wrong) == 0.0


def test_ambiguous_point(finder):
    # Halfway between the eigenvectors of (0,) and (1,): the gradient is not small, and
    # no set is near. What is reported agrees with the nearest set all the same.
    loss = finder.loss_
    b = (loss.eigenvectors_[:, 0] + loss.eigenvectors_[:, 1]) / np.sqrt(2)
    W = np.zeros((2, 4))
    W[0] = b
    theta = loss.pack([W, W.T])
    match = loss.analytical_spectrum().match(theta)
    assert match.status == "ambiguous"
    wrong = corrupt(
        finder, 0, theta=theta, loss=match.loss, morse_index=match.morse_index
    )
    assert scores(wrong)[:3] == [0.75, 0.75, 3 / 11]
    assert loss_error(wrong) < 1e-12
    assert index_error(wrong) == 0.0


def test_error_against_the_nearest_set_even_if_ambiguous(finder):
    theta = 1.2 * finder.final_params_[3]
    match = finder.loss_.analytical_spectrum().match(theta)
    assert match.set == (3,)
    assert not match.identified
    wrong = corrupt(finder, 3, theta=theta, loss=2.0)
    assert loss_error(wrong) == pytest.approx((2.25 - 2.0) / 4)


def test_unknown_index(finder):
    wrong = corrupt(finder, 1, morse_index=-1)
    assert scores(wrong)[:3] == [0.75, 0.75, 3 / 11]
    assert index_error(wrong) == 0.0  # of the starts whose index is known


def test_all_indices_unknown(finder):
    wrong = corrupt(finder, slice(None), morse_index=-1)
    assert recovery_accuracy(wrong) == 0.0
    assert recovery_precision(wrong) == 0.0
    with pytest.warns(UndefinedMetricWarning, match="index_error is undefined"):
        assert math.isnan(index_error(wrong))


def test_nothing_converged():
    finder = NewtonMRFinder(n_starts=5, max_iter=0, init="gaussian", random_state=0)
    with pytest.warns(NotConvergedWarning):
        finder.fit(make_data())
    assert recovery_accuracy(finder) == 0.0
    assert recovery_coverage(finder) == 0.0
    for metric in (recovery_precision, loss_error, index_error):
        with pytest.warns(UndefinedMetricWarning, match="no start converged"):
            value = metric(finder)
        assert type(value) is float
        assert math.isnan(value)


def test_loss_tolerance_follows_the_scale_of_the_data(finder):
    # The same mistake, relative to the trace, at any scale; rounding is accepted.
    for scale in (1e-8, 1e8):
        eigenvalues = scale * np.array([4.0, 3.0, 2.0, 1.0])
        loss = make_loss(eigenvalues=eigenvalues)
        tol = 1e-24 * scale**2
        found = fit_at(loss, SETS, tol=tol)
        assert recovery_accuracy(found) == 1.0
        value = found.results_["loss"][0]
        assert recovery_accuracy(corrupt(found, 0, loss=value * (1 + 1e-5))) == 0.75
        assert recovery_accuracy(corrupt(found, 0, loss=value * (1 + 4e-16))) == 1.0


@pytest.mark.parametrize(
    ("hidden", "eigenvalues", "params"),
    [
        ((2,), (4.0, 3.0, 2.0, 1.0), {}),
        ((6,), (4.0, 3.0, 2.0, 1.0), {}),
        ((2,), (8.0, 4.0, 4.0, 1.0, 0.0), {}),
        ((2,), (4.0, 3.0, 2.0, 1.0), {"alpha": 0.1}),
        ((2,), (4.0, 3.0, 2.0, 1.0), {"alpha": 0.1, "penalty": "product"}),
        ((3,), (4.0, 3.0, 2.0, 0.0), {"alpha": 0.1, "penalty": "product"}),
        ((2, 3), (4.0, 3.0, 2.0, 1.0), {}),
        ((3, 3, 3), (4.0, 3.0, 2.0, 1.0), {}),
    ],
)
def test_gradient_explains_the_loss(hidden, eigenvalues, params, finder, rng):
    # Identified points at every distance from every set are within the tolerance.
    loss = make_loss(hidden, eigenvalues, **params)
    spectrum = loss.analytical_spectrum()
    points = np.array([
        spectrum.representative(name, random_state=int(seed))
        for name in spectrum.all_sets()
        for seed in rng.integers(1000, size=5)
    ])
    sizes = 10.0 ** rng.uniform(-8, -1, size=(len(points), 1))
    points = points + sizes * rng.standard_normal(points.shape)
    n = len(points)
    probe = copy.copy(finder)
    probe.loss_, probe.final_params_ = loss, points
    probe.results_ = {
        "converged": np.ones(n, dtype=bool),
        "loss": loss.value(points),
        "morse_index": np.zeros(n, dtype=int),
        "squared_grad_norm": np.sum(loss.gradient(points) ** 2, axis=1),
    }
    judgement = judge(probe)
    assert judgement.identified.sum() > n / 4
    assert np.all(judgement.loss_right[judgement.identified])
    # And the tolerance never reaches the next critical value of an identified point.
    levels = np.unique(np.round(spectrum.losses(spectrum.all_sets()), 10))
    near = judgement.loss_tolerance[judgement.identified]
    if loss.alpha == 0 and len(hidden) == 1:
        assert np.max(near) < np.min(np.diff(levels)) / 2


def test_a_list_of_the_minima_judges_no_saddle():
    # Starts at all nine critical points of Himmelblau's function: four minima, four
    # saddles and a maximum.
    loss = make_himmelblau()
    every = loss.ground_truth()
    minima = every.points[every.morse_indices(every.all_sets()) == 0]
    finder = NewtonMRFinder(n_starts=9, init=every.points).fit(loss)
    known = {"losses": loss.value(minima), "invariants": loss.invariants}
    partial = KnownPoints(minima, [0] * 4, listed_indices=(0,), **known)
    index = finder.results_["morse_index"]
    judgement = judge(finder, partial)
    np.testing.assert_array_equal(judgement.judged, index == 0)
    assert (judgement.accuracy, judgement.precision, judgement.coverage) == (1, 1, 1)
    assert judgement.index_error == 0 and judgement.loss_error < 1e-9
    # Without that word each saddle is a miss.
    plain = judge(finder, KnownPoints(minima, [0] * 4, **known))
    assert plain.judged.all() and plain.accuracy == plain.precision == 4 / 9
    # What is not certainly of another index counts: a minimum that is called a saddle,
    # a saddle that is called a minimum, an index that is not known, and no end at all.
    first, saddle = np.flatnonzero(index == 0)[0], np.flatnonzero(index == 1)[0]
    for row, change in (
        (first, {"morse_index": 1}),
        (saddle, {"morse_index": 0}),
        (saddle, {"morse_index": -1}),
        (saddle, {"converged": False, "morse_index": -1}),
    ):
        wrong = judge(corrupt(finder, row, **change), partial)
        assert wrong.judged[row] and not wrong.hit[row]
    report = recovery_report(finder, truth=partial)
    assert "beside       5 critical points of other indices, not judged" in report
    assert recovery_report(finder, truth=partial, output_dict=True)["n_beside"] == 5


def test_nothing_to_judge():
    loss = make_himmelblau()
    every = loss.ground_truth()
    index = every.morse_indices(every.all_sets())
    finder = NewtonMRFinder(n_starts=4, init=every.points[index == 1]).fit(loss)
    minima = KnownPoints(
        every.points[index == 0], [0] * 4, loss=loss, listed_indices=(0,)
    )
    with pytest.warns(UndefinedMetricWarning, match="no start can be judged"):
        assert np.isnan(recovery_accuracy(finder, truth=minima))
    assert recovery_coverage(finder, truth=minima) == 0


def test_unfitted():
    for metric in METRICS:
        with pytest.raises(NotFittedError):
            metric(NewtonMRFinder())


def test_no_ground_truth():
    loss = FunctionLoss(_value, _gradient, n_params=2).fit(None)
    finder = NewtonMRFinder(n_starts=3, init=np.ones((3, 2))).fit(loss)
    for metric in METRICS:
        with pytest.raises(NoGroundTruthError):
            metric(finder)
    finder.loss_ = object()
    with pytest.raises(ValueError, match="loss_ must be a loss with the methods"):
        recovery_accuracy(finder)


def test_no_ground_truth_for_penalised_deep_networks():
    finder = NewtonMRFinder(n_starts=2, max_iter=0, init="gaussian", random_state=0)
    with pytest.warns(NotConvergedWarning):
        finder.fit(make_loss((3, 2), alpha=0.1))
    with pytest.raises(NoGroundTruthError, match="alpha=0"):
        recovery_accuracy(finder)


def _value(theta):
    return np.sum(theta**2, axis=-1)


def _gradient(theta):
    return 2 * theta
