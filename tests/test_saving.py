"""A fitted finder is saved and loaded."""

import re
import subprocess
import sys
import warnings

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

import skcrit
from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NewtonTrajectoryFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)
from skcrit.losses._network import Moments

FINDERS = [
    NewtonMRFinder(LinearAutoencoderLoss((2,)), n_starts=6, store_history=True),
    NewtonTRFinder(n_starts=6),
    GradNormFinder(n_starts=6, minimizer="lm"),
    SaddleDynamicsFinder(n_starts=6),
    NewtonTrajectoryFinder(n_starts=6, n_points=2),
    LandscapeExplorer(max_searches=30),
]
NAMES = [type(finder).__name__ for finder in FINDERS]


@pytest.fixture
def X(rng):
    return rng.standard_normal((60, 4)) * [2, 1.4, 1, 0.7]


def assert_same(one, other):
    """Compare values of any kind, bit by bit."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        assert_array_equal(one, other)
    elif isinstance(one, float):
        assert_array_equal(one, other)  # NaN is NaN
    elif hasattr(one, "get_params") or isinstance(one, Moments):
        assert_same(vars(one), vars(other))
    else:
        assert one == other


def fitted(finder, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", skcrit.NotConvergedWarning)
        return finder.set_params(random_state=0).fit(X)


def through_joblib(finder, folder):
    joblib.dump(finder, folder / "finder.joblib")
    return joblib.load(folder / "finder.joblib")


def through_skops(finder, folder):
    io = pytest.importorskip("skops.io")
    io.dump(finder, folder / "finder.skops")
    types = io.get_untrusted_types(file=folder / "finder.skops")
    # What a user has to trust is skcrit alone.
    assert all(name.startswith("skcrit.") for name in types)
    return io.load(folder / "finder.skops", trusted=types)


@pytest.mark.parametrize("finder", FINDERS, ids=NAMES)
@pytest.mark.parametrize("through", [through_joblib, through_skops])
def test_round_trip(finder, through, X, tmp_path):
    finder = fitted(finder, X)
    loaded = through(finder, tmp_path)
    assert_same(vars(finder), vars(loaded))
    assert loaded.score(X) == finder.score(X)
    assert_array_equal(loaded.transform(X), finder.transform(X))


def test_loads_in_a_fresh_process(X, tmp_path):
    finder = fitted(FINDERS[0], X)
    joblib.dump(finder, tmp_path / "finder.joblib")
    script = "import joblib, sys; print(repr(joblib.load(sys.argv[1]).score()))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, tmp_path / "finder.joblib"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == repr(finder.score())


def test_finder_of_another_version_is_loaded_with_a_warning(X, tmp_path, monkeypatch):
    finder = fitted(FINDERS[0], X)
    joblib.dump(finder, tmp_path / "finder.joblib")
    monkeypatch.setattr("skcrit.finders._estimator.__version__", "99.0")
    expected = (
        f"This NewtonMRFinder was saved by skcrit {skcrit.__version__}, and this is "
        "skcrit 99.0. Its attributes may mean something else: fit it again if you can."
    )
    with pytest.warns(UserWarning, match=re.escape(expected)):
        again = joblib.load(tmp_path / "finder.joblib")
    assert_same(vars(again), vars(finder))
