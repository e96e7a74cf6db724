"""Every public estimator passes scikit-learn's checks, none excepted."""

import inspect

import pytest
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import skcrit


def _takes_no_arguments(cls):
    parameters = inspect.signature(cls).parameters.values()
    return all(p.default is not p.empty for p in parameters)


def public_estimators():
    """All public classes with a fit on data that can be built without arguments."""
    classes = [getattr(skcrit, name) for name in skcrit.__all__]
    classes = [c for c in classes if inspect.isclass(c) and issubclass(c, BaseEstimator)]
    return [
        c
        for c in classes
        if hasattr(c, "fit") and not inspect.isabstract(c) and _takes_no_arguments(c)
    ]


def test_the_public_estimators_are_found():
    names = {cls.__name__ for cls in public_estimators()}
    assert {"NewtonMRFinder", "LinearAutoencoderLoss"} <= names
    assert not names & {"BaseFinder", "Loss", "FunctionLoss", "GaussianStarts"}


def _instances():
    # Small searches, so that the checks take seconds; the defaults come on top.
    for cls in public_estimators():
        yield cls()
        if issubclass(cls, skcrit.BaseFinder):
            yield cls(n_starts=5, init="gaussian", max_iter=50)


# Some checks fit noise on which a few of 50 iterations do not suffice.
@pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")
@parametrize_with_checks(list(_instances()))
def test_scikit_learn_checks(estimator, check):
    check(estimator)
