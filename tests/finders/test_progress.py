"""Progress on the screen, and what an interrupted fit leaves behind."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from skcrit.finders._characterize import Characters
from skcrit.finders._progress import FoundSets

from skcrit import LandscapeExplorer, NewtonMRFinder


@pytest.fixture
def X(rng):
    return rng.standard_normal((60, 4)) * [2, 1.4, 1, 0.7]


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_bar_shows_starts_converged_found_and_time_left(X, capsys, n_jobs):
    pytest.importorskip("tqdm")
    finder = NewtonMRFinder(n_starts=40, n_jobs=n_jobs, random_state=0, verbose=1)
    finder.fit(X)
    shown = capsys.readouterr().err.replace("\r", "\n").splitlines()
    n_converged, n_found = finder.converged_.sum(), finder.n_critical_sets_
    assert "40/40" in shown[-1]
    assert f"converged={n_converged}, found={n_found}" in shown[-1]
    assert any("<00:" in line for line in shown)


def test_explorer_shows_searches_and_sets(X, capsys):
    pytest.importorskip("tqdm")
    explorer = LandscapeExplorer(max_searches=40, random_state=0, verbose=1).fit(X)
    shown = capsys.readouterr().err.replace("\r", "\n").splitlines()
    assert "40/40" in shown[-1]
    assert f"found={explorer.n_critical_sets_}" in shown[-1]


def characters_at(invariants):
    invariants = np.asarray(invariants, dtype=float).reshape(-1, 2)
    one = np.ones(len(invariants))
    return Characters(
        point=invariants,
        loss=one,
        squared_balanced_grad_norm=0 * one,
        morse_index=one.astype(int),
        nullity=one.astype(int),
        invariants=invariants,
        uncertainty=0 * one,
        start_norm=one,
    )


def test_found_sets_are_counted_once():
    found = FoundSets()
    assert len(found) == 0
    points = characters_at([[0, 1], [0, 1], [1, 0]])
    found.add(points, np.array([False, False, False]))
    assert len(found) == 0
    found.add(points, np.array([True, True, False]))
    assert len(found) == 1
    found.add(points, np.array([True, True, True]))
    assert len(found) == 2
    found.add(characters_at([[1, 1e-9], [2, 2]]), np.array([True, True]))
    assert len(found) == 3


@pytest.mark.parametrize("seed", range(3))
def test_found_sets_agree_with_the_fit(X, seed):
    """Batch by batch or all at once: the same number of sets."""
    finder = NewtonMRFinder(n_starts=30, random_state=seed).fit(X)
    invariants = finder.loss_.invariants(finder.final_params_)
    found = FoundSets()
    for rows in np.array_split(np.flatnonzero(finder.converged_), 4):
        part = characters_at(np.zeros((len(rows), 2)))
        part.invariants = invariants[rows]
        part.start_norm = np.linalg.norm(invariants[rows], axis=1)
        part.uncertainty = np.full(len(rows), 1e-4)
        found.add(part, np.ones(len(rows), dtype=bool))
    assert len(found) == finder.n_critical_sets_


WITHOUT_CALLBACKS = """
import sys
import sklearn.model_selection
sys.modules["sklearn.callback"] = None  # as before scikit-learn 1.9
from skcrit import LandscapeExplorer, NewtonMRFinder
X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
finder = NewtonMRFinder(n_starts=5, random_state=0).fit(X)
explorer = LandscapeExplorer(n_starts=5, max_searches=20, random_state=0).fit(X)
print(finder.score(), hasattr(finder, "set_callbacks"), explorer.n_searches_)
"""


def test_scikit_learn_without_callbacks():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_CALLBACKS],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1.0", "False", "20"]


# Each search takes a moment, so that the signal comes in the middle of the fit.
SURFACE = """
import time
from skcrit import FunctionLoss

def value(theta):
    return (theta**2).sum(-1)

def gradient(theta):
    time.sleep(0.05)
    return 2 * theta

def hvp(theta, v):
    return 2 * v

loss = FunctionLoss(value, gradient, hvp, n_params=2).fit(None)
"""

FIT = """
import signal
import sys
from skcrit import NewtonMRFinder
from surface import loss

# Tests that run in the background of a shell hand on that they ignore the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)

folder, n_jobs, n_starts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
finder = NewtonMRFinder(
    init=[[i, 1.0] for i in range(n_starts)],
    n_starts=n_starts,
    batch_size=1,
    memory=folder,
    n_jobs=n_jobs,
    verbose=1,
)
try:
    finder.fit(loss)
except KeyboardInterrupt:
    sys.exit(130)
"""


def finished(folder):
    return set(folder.glob("*.npz"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_keeps_what_is_finished(tmp_path, n_jobs):
    pytest.importorskip("tqdm")
    (tmp_path / "surface.py").write_text(SURFACE)
    (tmp_path / "fit.py").write_text(FIT)
    folder = tmp_path / "memory"
    command = [sys.executable, str(tmp_path / "fit.py"), str(folder), str(n_jobs)]
    errors = tmp_path / "errors.txt"  # a pipe that nobody reads would fill up
    with errors.open("w") as stream:
        run = subprocess.Popen(
            [*command, "500"],
            stderr=stream,
            start_new_session=True,  # the signal goes to all of it, as from a terminal
        )
    try:
        while len(finished(folder)) < 3 and run.poll() is None:
            time.sleep(0.05)
        assert run.poll() is None, errors.read_text()
        os.killpg(run.pid, signal.SIGINT)
        run.wait(timeout=60)
    finally:
        run.kill()
    shown = errors.read_text()
    assert run.returncode == 130, shown
    assert "Traceback" not in shown
    kept = finished(folder)
    assert 3 <= len(kept) < 500
    stamps = {path: path.stat().st_mtime_ns for path in kept}
    # The same starts again: what was finished is read, not repeated.
    subprocess.run([*command, "3"], check=True, capture_output=True)
    assert {path: path.stat().st_mtime_ns for path in kept} == stamps


SCRIPT = """
import sys
from skcrit import FunctionLoss, NewtonMRFinder

def value(theta):
    return (theta**2).sum(-1)

def gradient(theta):
    return 2 * theta

def hvp(theta, v):
    return 2 * v

if __name__ == "__main__":
    loss = FunctionLoss(value, gradient, hvp, n_params=2).fit(None)
    params = {"n_starts": 4, "init": [[i, 1.0] for i in range(4)], "batch_size": 2}
    finder = NewtonMRFinder(memory=sys.argv[1], n_jobs=2, **params).fit(loss)
    print(finder.n_critical_sets_)
"""


def test_memory_knows_functions_of_a_script(tmp_path):
    """A worker cannot name them; the main process can."""
    script, folder = tmp_path / "fit.py", tmp_path / "memory"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(folder)]
    for _ in range(2):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert done.stdout.split() == ["1"]
        assert len(finished(folder)) == 2


def test_missing_tqdm(X, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"verbose > 0 needs tqdm: install skcrit"):
        NewtonMRFinder(n_starts=2, random_state=0, verbose=1).fit(X)
