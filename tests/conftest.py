"""Fixtures shared by the whole suite."""

import multiprocessing
import os

import numpy as np
import pytest

from . import _tally


def pytest_collection_modifyitems(config, items):
    """Leave out what only the long profile runs, and what needs signals."""
    left_out = []
    if os.name != "posix":
        left_out += [item for item in items if item.get_closest_marker("posix")]
    if not _tally.LONG:
        left_out += [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def global_random_seed():
    """Seed of a test: 42, or SKCRIT_TESTS_GLOBAL_RANDOM_SEED before a release."""
    return int(os.environ.get("SKCRIT_TESTS_GLOBAL_RANDOM_SEED", "42"))


@pytest.fixture(scope="session")
def quick_workers():
    """Let Dask fork its workers from a process that has imported what they need."""
    pytest.importorskip("distributed")
    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield
        return
    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        modules = ["distributed", "matplotlib.pyplot", "sklearn.model_selection"]
        get_mp_context().set_forkserver_preload([*modules, "skcrit"])
        yield


@pytest.fixture
def rng(global_random_seed):
    """Random generator of a test."""
    return np.random.default_rng(global_random_seed)
