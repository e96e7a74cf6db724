"""Faults of machines and of losses: nothing finished is lost, nothing wrong returned.

Callbacks that raise are in tests/finders/test_callbacks.py.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from skcrit.search.store import BatchStore

from .. import _tally
from ._faulty import batches, fit
from ._machines import KINDS, memory_of, outputs, same

ROOT = Path(__file__).parents[2]


@pytest.fixture
def paths(tmp_path):
    """Log and cache of a test."""
    return tmp_path / "log", tmp_path / "cache"


@pytest.fixture(params=KINDS)
def kept(request, tmp_path):
    """Log and cache of a test, of either kind."""
    return tmp_path / "log", memory_of(request.param, tmp_path / "cache")


@pytest.fixture(autouse=True)
def counted():
    """Count faults that were injected, and those that were survived."""
    _tally.count("fault", "injected")
    yield
    _tally.count("fault", "ended")


def start(log, memory, option=1, entry="main"):
    """Start a fit in a process of its own."""
    # Not by -m: what is defined in a main program has another name, and another key.
    code = f"from tests.hostile._faulty import {entry}; {entry}()"
    command = [sys.executable, "-c", code, str(log), str(memory)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, str(option)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# Machines


def test_a_solver_that_raises_loses_no_finished_batch(paths, expected):
    log, memory = paths
    Path(f"{log}.fault").write_text("raise 3")
    with pytest.raises(FloatingPointError, match="the loss has no value here"):
        fit(log, memory)
    assert batches(log) == 3
    same(fit(log, memory), expected)
    assert batches(log) == 8


@pytest.mark.posix
def test_a_killed_process_is_resumed(paths, expected):
    log, memory = paths
    Path(f"{log}.fault").write_text("kill 3")
    process = start(log, memory)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert batches(log) == 3
    same(fit(log, memory), expected)
    # The batch before the kill may have been solved and not yet written.
    assert 8 <= batches(log) <= 9


@pytest.mark.posix
@pytest.mark.long
def test_a_killed_worker_is_named_and_its_fit_resumed(paths, expected):
    log, memory = paths
    Path(f"{log}.fault").write_text("kill 4")
    with pytest.raises(TerminatedWorkerError, match="worker process"):
        fit(log, memory, n_jobs=2)
    done = batches(log)
    assert done >= 3
    same(fit(log, memory), expected)
    # At most the batches in flight are repeated.
    assert batches(log) <= done + 8 - done + 4


@pytest.mark.posix
@pytest.mark.parametrize("seed", range(_tally.size(1, 40)))
def test_ctrl_c_at_any_moment(seed, paths, expected):
    # In a process of its own: an interrupt can fall into the interpreter's own work.
    log, memory = paths
    process = start(log, memory, seed, entry="interrupted")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    interrupts, losses = out.split()
    _tally.count("fault", "interrupts", interrupts)
    assert losses == expected.results_["loss"].tobytes().hex()
    same(fit(log, memory), expected)
    # Each interrupt can cost the batch that it falls in, and no other.
    assert batches(log) <= 8 + int(interrupts)


def test_an_interrupt_is_no_error_of_an_archive(paths, expected, monkeypatch):
    log, memory = paths

    def interrupted(*args, **kwargs):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            # What zipfile says when an interrupt catches it between two entries.
            raise ValueError("Can't close the ZIP file")  # noqa: B904

    monkeypatch.setattr(np, "savez", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(log, memory)
    monkeypatch.undo()
    assert outputs(memory) == []
    same(fit(log, memory), expected)


@pytest.mark.long
@pytest.mark.parametrize("wait", [0.2, 0.6, 1.0, 1.4, 1.8, 2.2])
def test_sigkill_at_any_moment(wait, paths, expected):
    log, memory = paths
    Path(f"{log}.fault").write_text("slow 0")
    process = start(log, memory)
    deadline = time.monotonic() + 60
    while batches(log) == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(wait)
    process.kill()
    process.communicate(timeout=120)
    done = batches(log)
    Path(f"{log}.fault").unlink()
    same(fit(log, memory), expected)
    assert batches(log) <= 9
    assert done <= 8


@pytest.mark.long
def test_two_fits_share_a_folder(paths, expected):
    log, memory = paths
    processes = [start(log, memory) for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert out.strip() == expected.results_["loss"].tobytes().hex()
    done = batches(log)
    same(fit(log, memory), expected)
    assert batches(log) == done  # all of it was kept


def test_a_full_disk_costs_the_cache_and_not_the_fit(kept, expected, monkeypatch):
    log, memory = kept

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.warns(Warning, match=r"cannot keep a finished batch.*No space"):
        finder = fit(log, memory)
    same(finder, expected)
    monkeypatch.undo()
    # What was not kept is solved again, and kept now.
    same(fit(log, memory), expected)
    same(fit(log, memory), expected)
    assert batches(log) == 16


def test_a_result_that_is_no_data_is_not_kept(tmp_path):
    store = BatchStore(tmp_path / "cache")
    result = [np.array([{}], dtype=object)]
    with pytest.warns(UserWarning, match=r"cannot keep a finished batch.*not data"):
        assert store.call("key", lambda: result, ()) is result
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.long
def test_a_limit_on_file_sizes(paths, expected):
    resource = pytest.importorskip("resource")
    log, memory = paths
    code = (
        "import resource, warnings; from tests.hostile._faulty import main;"
        "warnings.simplefilter('ignore');"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600)); main()"
    )
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 600
    done = subprocess.run(
        [sys.executable, "-c", code, str(log), str(memory), "1"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert done.stdout.strip() == expected.results_["loss"].tobytes().hex()
    same(fit(log, memory), expected)
