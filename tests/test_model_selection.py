"""The curve over tolerances says what refitting at each of them would say."""

import numpy as np
import pytest

from skcrit import FunctionLoss, LinearAutoencoderLoss, NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.finders import BaseFinder
from skcrit.metrics import (
    index_error,
    loss_error,
    recovery_accuracy,
    recovery_precision,
)
from skcrit.model_selection import tolerance_curve
from skcrit.starts import TrajectoryStarts

TOLS = [1e-2, np.inf, 1e-20, 1e-6, 1e-4]


@pytest.fixture
def X():
    return make_gaussian_spectrum(
        100, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0
    )


def make(**params):
    return NewtonMRFinder(
        LinearAutoencoderLoss((2,)),
        n_starts=12,
        init=TrajectoryStarts(n_steps=200),
        random_state=0,
        **params,
    )


# One start of the twelve spends its budget, others end above the strictest tolerance.
PARAMS = [{}, {"max_iter": 8}, {"balance": False, "window": 1, "max_iter": 100}]


def assert_equal(one, other):
    for name, value in vars(one).items():
        if name in {"results_", "history_"}:
            for key in value:
                np.testing.assert_array_equal(value[key], vars(other)[name][key], key)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, vars(other)[name], name)
    assert one.n_iter_ == other.n_iter_
    assert one.n_critical_sets_ == other.n_critical_sets_


@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_curve_equals_refitting(X, params):
    finder = make(store_history=True, **params)
    curve = tolerance_curve(finder, X, TOLS)
    assert curve.tols.tolist() == sorted(TOLS, reverse=True)
    for i, tol in enumerate(curve.tols):
        refit = make(store_history=True, tol=tol, **params).fit(X)
        assert_equal(refit, curve.finders[i])
        assert curve.finders[i].tol == tol
        assert curve.accuracy[i] == recovery_accuracy(refit)
        assert curve.converged[i] == np.mean(refit.converged_)
        for name, metric in (
            ("precision", recovery_precision),
            ("loss_error", loss_error),
            ("index_error", index_error),
        ):
            np.testing.assert_equal(getattr(curve, name)[i], metric(refit))
        assert curve.n_hvp[i] == np.mean(refit.results_["n_hvp"])
        assert curve.n_gradient[i] == np.mean(refit.results_["n_gradient"])


def test_infinity_is_the_starting_points(X):
    curve = tolerance_curve(make(balance=False), X, [np.inf])
    (finder,) = curve.finders
    # The search has coordinates of its own: there and back is right to rounding.
    np.testing.assert_allclose(
        finder.final_params_, finder.start_params_, rtol=0, atol=1e-14
    )
    assert finder.n_iter_ == 0
    assert not finder.converged_.any()
    assert set(finder.results_["status"]) == {"UNCONFIRMED"}


def test_stricter_tolerances_recover_more_and_cost_more(X):
    curve = tolerance_curve(make(), X)
    assert curve.converged[0] == curve.accuracy[0] == 0
    assert curve.accuracy[-1] == curve.converged[-1] == 1
    assert np.all(np.diff(curve.accuracy) >= 0)
    assert np.all(np.diff(curve.n_hvp) >= 0)
    # Nothing converges at infinity, so that it has no error.
    assert np.isnan(curve.loss_error[0])
    assert np.all(np.diff(curve.loss_error[1:]) <= 0)


def test_look_at_failures_is_not_charged_to_those_who_arrived(X):
    # The iteration that spends the budget at the strict tolerance is the one in which
    # others reach the loose one.
    *looser, strictest = tolerance_curve(make(max_iter=8), X, TOLS).finders
    strict, n_arrived = strictest.results_, 0
    for finder in looser:
        loose = finder.results_
        arrived = np.isin(loose["status"], ["CONVERGED", "UNCONFIRMED"])
        arrived &= (loose["n_iter"] == 8) & (strict["status"] == "MAX_ITER")
        assert np.all(np.isnan(loose["residual_ratio"][arrived]))
        assert np.all(strict["n_hvp"][arrived] > loose["n_hvp"][arrived])
        n_arrived += arrived.sum()
    assert n_arrived > 0


def test_same_curve_for_all_batches_workers_and_from_the_cache(X, tmp_path):
    expected = tolerance_curve(make(), X, TOLS)
    kept = {"memory": tmp_path}  # written, then read
    for params in ({"batch_size": 5}, {"n_jobs": 2}, kept, kept):
        curve = tolerance_curve(make(**params), X, TOLS)
        for one, other in zip(expected.finders, curve.finders, strict=True):
            assert_equal(one, other)


def test_finder_is_left_alone_and_unseeded_starts_are_shared(X):
    finder = make(tol=0.5).set_params(random_state=None)
    curve = tolerance_curve(finder, X, [1e-2, 1e-4])
    assert finder.tol == 0.5
    assert not hasattr(finder, "loss_")
    first, second = curve.finders
    np.testing.assert_array_equal(first.start_params_, second.start_params_)


def test_fitted_loss_and_frame(X):
    loss = LinearAutoencoderLoss((2,)).fit(X)
    by_loss = tolerance_curve(make(), loss, [1e-4])
    by_data = tolerance_curve(make(), X, [1e-4])
    assert_equal(by_loss.finders[0], by_data.finders[0])
    columns = by_loss.to_dict()
    assert "finders" not in columns
    assert {len(column) for column in columns.values()} == {1}


@pytest.mark.parametrize(
    "tols", [[], [-1.0], ["strict"], [np.nan], 1e-4, None, [1, "a"], b"1"]
)
def test_bad_tolerances_are_refused(X, tols):
    with pytest.raises(ValueError, match="tols must be a non-empty sequence"):
        tolerance_curve(make(), X, tols)


def test_masked_tolerances_are_refused(X):
    tols = np.ma.MaskedArray([1e-4, 1e-8], mask=[False, True])
    with pytest.raises(ValueError, match="tols must be a non-empty sequence"):
        tolerance_curve(make(), X, tols)


class OneTolerance:
    def solve(self, loss, theta0):
        raise AssertionError("not reached")


class OneToleranceFinder(BaseFinder):
    def _make_solver(self):
        return OneTolerance()


def test_solver_without_several_tolerances_is_refused(X):
    with pytest.raises(ValueError, match="solve_tols.*OneTolerance of OneToleranceF"):
        tolerance_curve(OneToleranceFinder(init="gaussian"), X)


def test_loss_without_truth():
    loss = FunctionLoss(
        lambda t: (t**2).sum(-1), lambda t: 2 * t, lambda t, v: 2 * v, n_params=2
    ).fit()
    curve = tolerance_curve(
        NewtonMRFinder(n_starts=2, init="gaussian", random_state=0), loss
    )
    for name in ("accuracy", "precision", "loss_error", "index_error"):
        assert np.isnan(getattr(curve, name)).all()
    # At infinity all stop where they begin, far from the minimum.
    assert curve.converged.tolist() == [0.0, 1.0, 1.0, 1.0]
    assert np.all(np.diff(curve.n_gradient) >= 0)
