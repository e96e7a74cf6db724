"""Faults of machines and of losses: nothing finished is lost, nothing wrong returned.

Callbacks that raise are in tests/finders/test_callbacks.py.
"""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from skcrit import NewtonMRFinder, NotConvergedWarning
from skcrit.losses import FunctionLoss
from skcrit.search.store import BatchStore

from .. import _tally
from ._faulty import Well, batches, fit, no_value

ROOT = Path(__file__).parents[2]


@pytest.fixture
def paths(tmp_path):
    """Log and cache of a test."""
    return tmp_path / "log", tmp_path / "cache"


def memory_of(kind, folder):
    """A folder, or a Memory of joblib that names one."""
    return joblib.Memory(folder, verbose=0) if kind == "joblib" else folder


KINDS = ("folder", "joblib")


@pytest.fixture(params=KINDS)
def kept(request, tmp_path):
    """Log and cache of a test, of either kind."""
    return tmp_path / "log", memory_of(request.param, tmp_path / "cache")


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What an undisturbed fit gives."""
    return fit(tmp_path_factory.mktemp("undisturbed") / "log", None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Folder with log and cache of an undisturbed fit, and a copy of it."""
    base = tmp_path_factory.mktemp("whole")
    folder, copy = base / "used", base / "copy"
    folder.mkdir()
    fit(folder / "log", folder / "cache")
    shutil.copytree(folder, copy)
    return folder, copy


@pytest.fixture
def full(whole):
    """Log and cache of a fit that has ended, which this test may damage."""
    folder, copy = whole
    shutil.rmtree(folder)  # where the log lies is part of the key of a batch
    shutil.copytree(copy, folder)
    return folder / "log", folder / "cache"


@pytest.fixture(params=KINDS)
def full_kept(request, full):
    """The same for both kinds of caches."""
    return full[0], memory_of(request.param, full[1])


@pytest.fixture(autouse=True)
def counted():
    """Count faults that were injected, and those that were survived."""
    _tally.count("fault", "injected")
    yield
    _tally.count("fault", "ended")


def same(finder, expected):
    """Compare two fits, bit by bit."""
    np.testing.assert_array_equal(finder.final_params_, expected.final_params_)
    np.testing.assert_array_equal(finder.critical_points_, expected.critical_points_)
    for name, column in expected.results_.items():
        np.testing.assert_array_equal(finder.results_[name], column)


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


def outputs(memory):
    """Find the files in which batches are kept."""
    folder = Path(getattr(memory, "location", memory))
    return sorted([*folder.rglob("output.pkl"), *folder.rglob("*.npz")])


def damaged_fit(log, memory, caplog):
    """Fit with a damaged cache, and see that something is said."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        finder = fit(log, memory)
    said = caplog.text + "".join(str(warning.message) for warning in caught)
    assert "cannot read" in said
    return finder


@pytest.mark.parametrize(
    "content", [b"", b"garbage", b"\x80\x04\x95\xff", b"PK\x03\x04"]
)
def test_a_corrupted_file_is_solved_again(content, full_kept, expected, caplog):
    log, memory = full_kept
    outputs(memory)[0].write_bytes(content)
    same(damaged_fit(log, memory, caplog), expected)
    assert batches(log) == 9


def test_a_truncated_file_is_solved_again(full_kept, expected, caplog):
    log, memory = full_kept
    for path in outputs(memory)[:2]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    same(damaged_fit(log, memory, caplog), expected)
    assert batches(log) == 10


@pytest.mark.parametrize("other", [None, [1, 2], {"a": 1}, [("x", "y")], 3.5])
def test_a_foreign_pickle_is_solved_again(other, full, expected, caplog):
    log, memory = full
    outputs(memory)[0].write_bytes(pickle.dumps(other))
    same(damaged_fit(log, memory, caplog), expected)
    assert batches(log) == 9


FOREIGN = [
    ["plain", None],
    ["plain", 3.5],
    ["list", [["plain", 1], ["plain", 2]]],
    ["dict", [["a", ["plain", 1]]]],
    ["dict", [["key", ["plain", "another"]], ["result", ["plain", 1]]]],
]


@pytest.mark.parametrize("structure", FOREIGN, ids=str)
def test_a_sound_file_of_something_else_is_no_result(structure, full):
    log, memory = full
    np.savez(outputs(memory)[0], structure=np.array(json.dumps(structure)))
    with pytest.raises(ValueError, match="memory holds something else than .* batch"):
        fit(log, memory)


class Trap:
    """An object whose pickle makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_folder_is_data_and_not_code(full, expected, tmp_path, caplog):
    log, memory = full
    victim, sprung = outputs(memory)[0], tmp_path / "sprung"
    content = {name: np.load(victim)[name] for name in np.load(victim).files}
    trap = np.array([Trap(str(sprung))], dtype=object)
    for hostile in ({"a": trap}, {**content, **dict.fromkeys(content, trap)}):
        np.savez(victim, allow_pickle=True, **hostile)
        same(damaged_fit(log, memory, caplog), expected)
        assert not sprung.exists()
    victim.write_bytes(pickle.dumps(Trap(str(sprung))))
    same(damaged_fit(log, memory, caplog), expected)
    assert not sprung.exists()


def test_a_file_of_another_batch_is_no_result(full_kept):
    log, memory = full_kept
    first, second = outputs(memory)[:2]
    first.write_bytes(second.read_bytes())
    with pytest.raises(ValueError, match="files have been exchanged"):
        fit(log, memory)


def test_no_part_of_a_file_stays(full):
    _, memory = full
    assert all(path.suffix == ".npz" for path in Path(memory).iterdir())


# Losses


def search(loss, starts, **params):
    params = {"init": starts, "n_starts": len(starts), "random_state": 0, **params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return NewtonMRFinder(**params).fit(loss)


STARTS = np.array([[0.9, 1.1], [5.0, 0.1], [-0.2, 0.1], [0.1, -0.9]])


def test_a_loss_that_raises():
    with pytest.raises(FloatingPointError, match="the loss has no value here"):
        search(Well("raise").fit(), STARTS)


def test_a_loss_that_is_nan_on_some_starts():
    finder = search(Well("nan").fit(), STARTS)
    sound = search(Well().fit(), STARTS)
    assert finder.results_["status"].tolist()[1] == "DIVERGED"
    others = [0, 2, 3]
    np.testing.assert_array_equal(
        finder.final_params_[others], sound.final_params_[others]
    )
    assert np.all(finder.converged_[others])


@pytest.mark.parametrize("part", ["value", "gradient", "hvp"])
def test_a_loss_of_the_wrong_shape(part):
    with pytest.raises(ValueError, match=rf"({part} of Well|matvec) must .* got shape"):
        search(Well(f"shape of {part}").fit(), STARTS)


def test_functions_that_return_nothing():
    loss = FunctionLoss(no_value, no_value, n_params=2).fit()
    with pytest.raises(ValueError, match="must return an array of real numbers"):
        search(loss, STARTS)


def test_an_asymmetric_product_gives_no_index():
    finder = search(Well("asymmetric").fit(), STARTS, max_iter=200)
    sound = search(Well().fit(), STARTS)
    # Convergence is decided by the gradient, which is right; the index is not known.
    squared = np.sum(Well().fit().gradient(finder.final_params_) ** 2, axis=-1)
    assert np.all(squared[finder.converged_] <= 1e-10)
    assert np.any(finder.converged_)
    assert np.all(finder.results_["morse_index"] == -1)
    assert np.all(sound.results_["morse_index"][sound.converged_] >= 0)
