"""Fits of statistics: one critical point, far from the origin, with weak penalties."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import scale

from skcrit import FunctionLoss, NewtonMRFinder, NewtonTRFinder, SaddleDynamicsFinder

FINDERS = [NewtonMRFinder, NewtonTRFinder, SaddleDynamicsFinder]


def with_intercept(X):
    return np.column_stack([X, np.ones(len(X))])


def logistic_regression(X, y, penalty):
    """Mean log loss of labels 0 and 1, all coefficients penalised."""
    signs = 2 * y - 1.0

    def margins(theta):
        return signs * (theta @ X.T)

    def hvp(theta, v):
        p = expit(margins(theta))
        return (p * (1 - p) * (v @ X.T)) @ X / len(X) + penalty * v

    return FunctionLoss(
        lambda t: (
            np.mean(np.logaddexp(0, -margins(t)), axis=-1)
            + penalty / 2 * np.sum(t**2, axis=-1)
        ),
        lambda t: -(signs * expit(-margins(t))) @ X / len(X) + penalty * t,
        hvp,
        n_params=X.shape[1],
    ).fit()


def robust_regression(X, y, penalty, width):
    """Pseudo-Huber loss: squares below a width, moduli beyond."""

    def residual(theta):
        return (theta @ X.T - y) / width

    def hvp(theta, v):
        bend = (1 + residual(theta) ** 2) ** -1.5
        return (bend * (v @ X.T)) @ X / len(X) + penalty * v

    return FunctionLoss(
        lambda t: (
            width**2 * np.mean(np.hypot(1, residual(t)) - 1, axis=-1)
            + penalty / 2 * np.sum(t**2, axis=-1)
        ),
        lambda t: (
            (width * residual(t) / np.hypot(1, residual(t))) @ X / len(X) + penalty * t
        ),
        hvp,
        n_params=X.shape[1],
    ).fit()


def only_minimum(finder):
    """Check that all starts end at one minimum, and return it."""
    assert finder.converged_.all()
    assert len(finder.critical_points_) == 1
    assert finder.morse_indices_.tolist() == [0]
    assert finder.nullities_.tolist() == [0]
    return finder.critical_points_[0]


@pytest.mark.parametrize("Finder", FINDERS)
def test_logistic_regression(Finder):
    data = load_breast_cancer()
    X, penalty = with_intercept(scale(data.data)), 1e-2
    loss = logistic_regression(X, data.target, penalty)
    theta = only_minimum(Finder(loss, n_starts=6, random_state=0).fit())
    # C weighs the sum over samples, and there the penalty is one half.
    model = LogisticRegression(
        C=1 / (penalty * len(X)), fit_intercept=False, tol=1e-12, max_iter=10_000
    )
    assert_allclose(theta, model.fit(X, data.target).coef_[0], atol=1e-6)


@pytest.mark.parametrize("penalty", [1e-2, 1e-4])
@pytest.mark.parametrize("Finder", FINDERS)
def test_logistic_regression_on_raw_data(Finder, penalty):
    # Features are as large as 4000 and as small as 0.001, and the minimum lies hundreds
    # of the distances away at which the loss turns beside the origin.
    data = load_breast_cancer()
    X = with_intercept(data.data)
    loss = logistic_regression(X, data.target, penalty)
    theta = only_minimum(Finder(loss, n_starts=6, random_state=0).fit())
    model = LogisticRegression(
        C=1 / (penalty * len(X)),
        fit_intercept=False,
        solver="newton-cholesky",
        tol=1e-12,
        max_iter=1000,
    )
    assert_allclose(theta, model.fit(X, data.target).coef_[0], atol=1e-5)


@pytest.mark.parametrize("Finder", FINDERS)
def test_robust_regression(Finder):
    data = load_diabetes()
    X = with_intercept(scale(data.data))
    loss = robust_regression(X, data.target, 1e-3, 50.0)
    theta = only_minimum(Finder(loss, n_starts=6, random_state=0).fit())
    fit = minimize(
        *(loss.value, np.zeros(X.shape[1])),
        method="trust-exact",
        jac=loss.gradient,
        hess=loss.hessian,
        options={"gtol": 1e-11},
    )
    assert_allclose(theta, fit.x, atol=1e-6)
