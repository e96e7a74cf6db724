"""Fixtures of these tests."""

import warnings

import pytest

from skcrit import NotConvergedWarning, TrajectoryStarts

from ._finders import data, small


@pytest.fixture(scope="module")
def X():
    return data()


@pytest.fixture(scope="module")
def fitted(X):
    init = TrajectoryStarts(n_steps=500)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return small(n_starts=60, init=init, store_history=True, max_iter=40).fit(X)
