"""Fits that are killed, and started again."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError

from skcrit import LinearAutoencoderLoss
from skcrit.datasets import make_gaussian_spectrum

from ._finders import WatchedFinder, solved

psutil = pytest.importorskip("psutil")

ROOT = Path(__file__).parents[2]

# Never a measure of speed: only so that a script that is broken ends the test.
PATIENCE = 300

N_BATCHES = 12
SCRIPT = """
import sys
from pathlib import Path
from tests.finders.test_search import fit

folder = Path(sys.argv[1])
fit(folder, n_jobs=int(sys.argv[2]), memory=folder / "cache")
(folder / "ended").touch()
"""


def fit(folder, **params):
    """Search in batches, each of which leaves a trace in a folder."""
    X = make_gaussian_spectrum(60, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0)
    options = {"n_starts": 4 * N_BATCHES, "batch_size": 4, "store_history": True}
    finder = WatchedFinder(
        LinearAutoencoderLoss((2,)),
        init="gaussian",
        random_state=0,
        **options,
        **params,
    )
    finder.folder = folder
    return finder.fit(X)


def findings(finder):
    """Collect the arrays of numbers that a finder found."""
    arrays = {**vars(finder), **finder.results_, **finder.history_}
    return {
        name: array
        for name, array in arrays.items()
        if isinstance(array, np.ndarray) and array.dtype.kind in "fib"
    }


def start(folder, n_jobs):
    """Run the script on a folder."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(n_jobs)],
        env={**os.environ, "PYTHONPATH": path},
    )


def kill(process):
    """End a fit and its workers as a power cut does: at once, all of them."""
    main = psutil.Process(process.pid)
    # Who cleans up behind joblib may live: it ends when the others are dead.
    workers = [
        child
        for child in main.children(recursive=True)
        if not any("resource_tracker" in word for word in child.cmdline())
    ]
    for victim in (main, *workers):
        victim.kill()
    psutil.wait_procs(workers, timeout=PATIENCE)
    process.wait(timeout=PATIENCE)


def kept(folder):
    """Count the finished batches on the disk."""
    return len(list((folder / "cache").glob("*.npz")))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What an undisturbed fit finds."""
    folder = tmp_path_factory.mktemp("whole")
    found = findings(fit(folder))
    assert len(solved(folder)) == N_BATCHES
    assert len(found) > 15
    return found


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_killed_and_started_again(n_jobs, whole, tmp_path, rng):
    limit = int(rng.integers(1, N_BATCHES - 1))
    (tmp_path / "fatal").write_text(f"{limit} wait")
    victim = start(tmp_path, n_jobs)
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "suffered").exists():
        assert victim.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    kill(victim)
    assert not (tmp_path / "ended").exists()
    n_kept, n_solved = kept(tmp_path), len(solved(tmp_path))
    # The other worker can have been killed between the end of a batch and its writing.
    assert limit - n_jobs < n_kept <= n_solved < N_BATCHES
    if n_jobs == 1:
        assert n_kept == limit

    # In another process, with other workers: the batches are the same.
    found = findings(fit(tmp_path, memory=tmp_path / "cache"))
    # What was finished is not solved again, and the rest is, once.
    assert len(solved(tmp_path)) == n_solved + N_BATCHES - n_kept
    assert set(found) == set(whole)
    for name, array in whole.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


@pytest.mark.posix
def test_a_process_of_n_jobs_dies(whole, tmp_path):
    (tmp_path / "fatal").write_text("3")
    with pytest.raises(TerminatedWorkerError):
        fit(tmp_path, n_jobs=2, memory=tmp_path / "cache")
    found = findings(fit(tmp_path, memory=tmp_path / "cache"))
    batches, _ = zip(*solved(tmp_path), strict=True)
    assert len(set(batches)) == N_BATCHES
    # joblib ends the other process too, perhaps before it has written its batch.
    assert len(batches) <= N_BATCHES + 1
    for name, array in whole.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
