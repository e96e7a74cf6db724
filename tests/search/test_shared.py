"""What all tasks share is sent once, and hashed once."""

import gc
import os
import pickle

import numpy as np
import pytest
from joblib import parallel_config

from skcrit.search.batches import Batches, run_batches
from skcrit.search.shared import Shared


def where(value, number):
    """Say which process has which object."""
    return os.getpid(), id(value), float(value.sum()), number


@pytest.fixture
def shared():
    return Shared(np.arange(1000.0))


def test_process_reads_it_once(shared):
    found = list(run_batches(Batches(n_jobs=2), where, [(shared, i) for i in range(8)]))
    processes = {pid for pid, *_ in found}
    assert os.getpid() not in processes
    assert len({row[:2] for row in found}) == len(processes)
    assert [row[2:] for row in found] == [(499500.0, i) for i in range(8)]
    assert len(pickle.dumps(shared)) < 500


def test_one_process_needs_no_file(shared):
    found = list(run_batches(Batches(), where, [(shared, 0)]))
    assert found[0][:2] == (os.getpid(), id(shared.value))
    # Sent to a worker that may be elsewhere, it is whole.
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(shared)).value, shared.value
    )


def test_file_is_removed():
    shared = Shared(np.arange(1000.0))
    with parallel_config(backend="loky"):
        shared.prepare(2)
    path = shared._path
    assert os.path.exists(path)
    del shared
    gc.collect()
    assert not os.path.exists(path)


def test_key_of_a_batch_is_that_of_its_values(shared, tmp_path):
    batches = Batches(memory=tmp_path)
    first = list(run_batches(batches, where, [(shared, 0)]))
    again = list(run_batches(batches, where, [(Shared(np.arange(1000.0)), 0)]))
    other = list(run_batches(batches, where, [(Shared(np.arange(999.0)), 0)]))
    assert first == again
    assert other[0][2] != first[0][2]
