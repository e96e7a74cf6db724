"""Every public estimator passes scikit-learn's checks, none excepted."""

import inspect
import os
import pickle
import subprocess
import sys

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

import skcrit


def takes_no_arguments(cls):
    parameters = inspect.signature(cls).parameters.values()
    return all(p.default is not p.empty for p in parameters)


def public_estimators():
    """All public classes with a fit that can be built without arguments."""
    classes = [getattr(skcrit, name) for name in skcrit.__all__]
    classes = [
        c for c in classes if inspect.isclass(c) and issubclass(c, BaseEstimator)
    ]
    return [
        c
        for c in classes
        if hasattr(c, "fit") and not inspect.isabstract(c) and takes_no_arguments(c)
    ]


def instances():
    """One small search per class: scikit-learn fits each a hundred times."""
    for cls in public_estimators():
        if issubclass(cls, skcrit.LandscapeExplorer):
            yield cls(max_searches=30)
        elif issubclass(cls, skcrit.BaseFinder):
            yield cls(n_starts=5, init="gaussian", max_iter=50)
        else:
            yield cls()


def test_the_public_estimators_are_found():
    names = {cls.__name__ for cls in public_estimators()}
    assert {"NewtonMRFinder", "LinearAutoencoderLoss"} <= names
    assert not names & {"BaseFinder", "Loss", "FunctionLoss", "GaussianStarts"}


# A search of 50 iterations may leave a start or two behind; the checks judge the rest.
@pytest.mark.filterwarnings("ignore::skcrit.NotConvergedWarning")
@parametrize_with_checks(list(instances()))
def test_scikit_learn_checks(estimator, check):
    if "array_api" in str(check):
        # SciPy decides at its import whether it dispatches.
        script = (
            "import pickle, sys, warnings, skcrit;"
            "warnings.simplefilter('ignore', skcrit.NotConvergedWarning);"
            "e, c = pickle.load(sys.stdin.buffer); c(e)"
        )
        subprocess.run(
            [sys.executable, "-W", "error", "-c", script],
            input=pickle.dumps((estimator, check)),
            env={**os.environ, "SCIPY_ARRAY_API": "1"},
            check=True,
        )
    else:
        check(estimator)
