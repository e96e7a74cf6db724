"""Progress on the screen, and what an interrupted fit leaves behind."""

import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from skcrit import LandscapeExplorer, NewtonMRFinder
from skcrit.finders import _watch
from skcrit.finders._watch import FitReport, Progress, SearchBar
from skcrit.search.batches import Batches
from skcrit.search.critical_sets import Identity, group_points
from skcrit.search.describe import UNKNOWN
from skcrit.solvers import Fallback


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


class Postfixes:
    """Stand for tqdm's bar: keep what is shown."""

    def __init__(self, **options):
        self.options, self.n, self.shown, self.closed = options, 0, [], False

    def set_postfix(self, refresh=True, **numbers):
        self.shown.append(numbers)

    def update(self, n):
        assert n >= 0
        self.n += n

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    "batch_size, seed", [(1, 0), *product((7, 30), range(3))], ids=str
)
def test_sets_found_so_far_are_those_of_a_fit_so_far(X, seed, batch_size, monkeypatch):
    """Batch by batch or all at once: the same number of sets."""
    bars = []

    def make(**options):
        bars.append(Postfixes(**options))
        return bars[-1]

    monkeypatch.setattr(_watch, "progress_bar", make)
    params = {"n_starts": 30, "batch_size": batch_size, "random_state": seed}
    finder = NewtonMRFinder(**params, verbose=1).fit(X)
    (bar,) = bars
    assert bar.closed
    assert bar.n == bar.options["total"] == 30
    assert len(bar.shown) == -(-30 // batch_size)
    last = {"converged": finder.converged_.sum(), "found": finder.n_critical_sets_}
    assert bar.shown[-1] == last
    converged = [shown["converged"] for shown in bar.shown]
    ends = np.minimum(np.arange(1, len(converged) + 1) * batch_size, 30)
    assert converged == np.cumsum(finder.converged_)[ends - 1].tolist()
    sets = [finder.results_["critical_set"][:n] for n in ends]
    for shown, labels in zip(bar.shown, sets, strict=True):
        assert shown["found"] == len(np.unique(labels[labels >= 0]))


def test_nothing_is_claimed_of_what_no_search_has_met(monkeypatch):
    """The share of vain searches is shown; no number of sets is derived from it."""
    bar = Postfixes()
    monkeypatch.setattr(_watch, "progress_bar", lambda **options: bar)
    searches = SearchBar(100)
    for share, shown in [(0.0, "0%"), (0.25, "25%"), (1.0, "100%")]:
        landscape = SimpleNamespace(
            atlas=range(5), coverage=lambda share=share: share, n_searches=10
        )
        assert searches.end(lambda landscape=landscape: landscape) is False
        assert bar.shown[-1] == {"found": 5, "nothing_new": shown}


def result_of(points, converged):
    """Make what Progress reads of the outcome of a search: labels and sets."""
    points, converged = np.asarray(points, dtype=float), np.asarray(converged)
    unknown = np.full(len(points), UNKNOWN)
    identity = Identity(points, np.zeros(len(points)), unknown, unknown)
    labels = np.full(len(points), -1)
    labels[converged], leaders = group_points(identity.take(np.flatnonzero(converged)))
    return SimpleNamespace(labels=labels, sets=SimpleNamespace(loss=leaders))


def test_found_sets_are_counted_once(monkeypatch):
    bar = Postfixes()
    monkeypatch.setattr(_watch, "progress_bar", lambda **options: bar)
    progress, points = Progress(5), [[0, 1], [0, 1], [1, 0], [1, 1e-12], [2, 2]]
    for converged, found in [
        ([False] * 5, 0),
        ([True, True, False, False, False], 1),
        ([True, True, True, False, False], 2),
        ([True] * 5, 3),
    ]:
        assert progress.end(lambda c=converged: result_of(points, c)) is False
        assert bar.shown[-1] == {"converged": sum(converged), "found": found}
    assert bar.n == 5
    progress.finish()
    assert bar.closed


class Context:
    """Stand for scikit-learn's callback context: note what is called."""

    def __init__(self, log, name="fit"):
        self.log, self.name = log, name

    def subcontext(self, task_name):
        return Context(self.log, task_name)

    def call_on_fit_task_begin(self, **arguments):
        self.log.append(("begin", self.name, arguments))

    def call_on_fit_task_end(self, **arguments):
        self.log.append(("end", self.name, arguments))
        return arguments["reconstruction_attributes"]().get("stop", False)


def test_a_report_calls_back_for_the_fit_and_for_every_batch():
    log, sizes = [], []
    finder = SimpleNamespace(
        _init_callback_context=lambda max_subtasks: (
            sizes.append(max_subtasks) or Context(log)
        )
    )
    report = FitReport(finder, "data", "targets", "batch", lambda found: found)
    report.finish()
    assert log == []  # nothing began
    for stop in (False, True):
        report.begin(2)
        assert report.end(lambda stop=stop: {"stop": stop}) is stop
    report.finish()
    assert sizes == [2]
    assert [(what, name) for what, name, _ in log] == [
        ("begin", "fit"),
        ("begin", "batch"),
        ("end", "batch"),
        ("begin", "batch"),
        ("end", "batch"),
        ("end", "fit"),
    ]
    for _, _, arguments in log:
        assert arguments["estimator"] is finder
        assert (arguments["X"], arguments["y"]) == ("data", "targets")
    # The attributes are made of the outcome up to this point, if they are asked for.
    assert log[2][2]["reconstruction_attributes"]() == {"stop": False}


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
import os
import time
from pathlib import Path
from skcrit import FunctionLoss, NewtonMRFinder

def value(theta):
    return (theta**2).sum(-1)

def gradient(theta):
    Path(__file__).with_name(f"{os.getpid()}.at_work").touch()
    time.sleep(0.005)
    return 2 * theta

def hvp(theta, v):
    return 2 * v

loss = FunctionLoss(value, gradient, hvp, n_params=2).fit(None)

def fit(folder, n_starts, **params):
    return NewtonMRFinder(
        init=[[i, 1.0] for i in range(n_starts)],
        n_starts=n_starts,
        batch_size=1,
        memory=folder,
        **params,
    ).fit(loss)
"""

FIT = """
import signal
import sys
from surface import fit

# Tests that run in the background of a shell hand on that they ignore the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    fit(sys.argv[1], 500, n_jobs=int(sys.argv[2]), verbose=1)
except KeyboardInterrupt:
    sys.exit(130)
"""


def finished(folder):
    return set(folder.glob("*.npz"))


@pytest.mark.posix
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_ctrl_c_keeps_what_is_finished(tmp_path, n_jobs, monkeypatch):
    pytest.importorskip("tqdm")
    (tmp_path / "surface.py").write_text(SURFACE)
    (tmp_path / "fit.py").write_text(FIT)
    folder = tmp_path / "memory"
    command = [sys.executable, str(tmp_path / "fit.py"), str(folder), str(n_jobs)]
    errors = tmp_path / "errors.txt"  # a pipe that is not read would fill up
    with errors.open("w") as stream:
        run = subprocess.Popen(
            command,
            stderr=stream,
            start_new_session=True,  # the signal goes to all of it, as from a terminal
        )
    try:
        # A worker that is still importing when the signal comes has a traceback of
        # Python's own.
        own = {str(run.pid)} if n_jobs > 1 else set()
        while run.poll() is None:
            workers = {path.stem for path in tmp_path.glob("*.at_work")} - own
            before = finished(folder)
            if len(workers) == n_jobs and len(before) >= 30:
                break
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
    assert before <= kept
    assert 30 <= len(kept) < 500
    stamps = {path: path.stat().st_mtime_ns for path in kept}
    # The same starts again: what was finished is read, not repeated.
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "surface", raising=False)
    importlib.import_module("surface").fit(folder, 3)
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
    params |= {"memory": sys.argv[1], "n_jobs": int(sys.argv[2])}
    finder = NewtonMRFinder(**params).fit(loss)
    print(finder.n_critical_sets_)
"""


def test_memory_knows_functions_of_a_script(tmp_path):
    """A worker cannot name them; the main process can."""
    script, folder = tmp_path / "fit.py", tmp_path / "memory"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(folder)]
    # What workers have kept, the main process finds.
    for n_jobs in ("2", "1"):
        done = subprocess.run(
            [*command, n_jobs], check=True, capture_output=True, text=True
        )
        assert done.stdout.split() == ["1"]
        assert len(finished(folder)) == 2


def test_missing_tqdm(X, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"verbose > 0 needs tqdm: install skcrit"):
        NewtonMRFinder(n_starts=2, random_state=0, verbose=1).fit(X)


def interrupted(finder, monkeypatch, n_batches=2):
    """Fit a finder that is interrupted after some parts; return the error."""
    done = []

    def solve(self, *args, _solve=Fallback.solve):
        if len(done) == n_batches:
            raise KeyboardInterrupt
        done.append(args)
        return _solve(self, *args)

    monkeypatch.setattr(Fallback, "solve", solve)
    X = np.random.default_rng(0).standard_normal((20, 3))
    with pytest.raises(KeyboardInterrupt) as caught:
        finder.fit(X)
    return caught.value


@pytest.mark.parametrize("verbose", [0, 1])
def test_ctrl_c_says_what_is_lost(monkeypatch, capsys, verbose):
    finder = NewtonMRFinder(n_starts=6, batch_size=2, random_state=0, verbose=verbose)
    error = interrupted(finder, monkeypatch)
    assert str(error) == (
        "NewtonMRFinder was interrupted: 2 finished batches lost, the finder is not "
        "fitted. With memory='some_folder' they are kept, and the same fit goes on "
        "from there."
    )
    text = "".join(traceback.format_exception(error))
    assert "engine.py" not in text
    assert len(text.splitlines()) < 20
    assert verbose == 0 or capsys.readouterr().err.endswith("\n")


def test_ctrl_c_says_what_is_kept(monkeypatch, tmp_path):
    finder = NewtonMRFinder(n_starts=6, batch_size=2, random_state=0, memory=tmp_path)
    error = interrupted(finder, monkeypatch, n_batches=1)
    assert str(error) == (
        f"NewtonMRFinder was interrupted: 1 finished batch kept in {str(tmp_path)!r}. "
        "The same fit goes on from there."
    )
    assert len(finished(tmp_path)) == 1


def test_ctrl_c_of_an_explorer(monkeypatch):
    explorer = LandscapeExplorer(n_starts=3, random_state=0)
    error = interrupted(explorer, monkeypatch, n_batches=1)
    assert str(error).startswith("LandscapeExplorer was interrupted: 1 finished round ")


@pytest.mark.parametrize("verbose", [0, 1])
def test_only_a_fit_that_somebody_watches_has_small_batches(X, monkeypatch, verbose):
    pytest.importorskip("tqdm")
    watched = []

    class Spy(Batches):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            watched.append(self.watched)

    monkeypatch.setattr("skcrit.finders.base.Batches", Spy)
    NewtonMRFinder(n_starts=2, random_state=0, verbose=verbose).fit(X)
    assert watched == [bool(verbose)]
