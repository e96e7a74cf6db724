"""Run a finder and the explorer over a Dask cluster: scaling, traffic, and losses.

Usage: ``python -m benchmarks.many [--starts 1000] [--searches 600]``. The raw numbers
go to ``doc/many_machines.json``, the tables to ``doc/many_machines_measured.md``.
"""

import argparse
import json
import logging
import os
import signal
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import distributed
import joblib
import numpy as np
from distributed.comm.tcp import TCP

from skcrit import LandscapeExplorer, NewtonMRFinder
from skcrit.exceptions import NotConvergedWarning

from .speed import machine, problems

DOC = Path(__file__).resolve().parents[1] / "doc"

# Starts per batch: a batch takes about half a second.
BATCH_SIZE = 100


class Noted:
    """A solver that leaves a file in a folder for each batch that it has solved.

    Parameters
    ----------
    solver : Solver
        Local search.
    folder : Path
        Where the files are left. The process that takes away the file "fatal" there,
        once three batches are solved, dies in its next batch.
    """

    def __init__(self, solver, folder):
        self.solver, self.folder, self.tol = solver, folder, solver.tol

    def solve(self, loss, theta0):
        """Solve a batch, unless this process has to die."""
        result = self.solver.solve(loss, theta0)
        fatal = self.folder / "fatal"
        if fatal.exists() and len(list(self.folder.glob("solved-*"))) >= 3:
            fatal.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        (self.folder / f"solved-{uuid4().hex}").touch()
        return result


class NotedFinder(NewtonMRFinder):
    """Newton-MR whose batches leave files in ``folder``, which is no parameter."""

    folder = None

    def _make_solver(self):
        return Noted(super()._make_solver(), self.folder)


@contextmanager
def cluster(n_workers):
    """Start a cluster of processes with one thread each, and spread work over it."""
    options = {"n_workers": n_workers, "threads_per_worker": 1, "processes": True}
    quiet = {"dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with (
        distributed.LocalCluster(**options, **quiet) as workers,
        distributed.Client(workers, set_as_default=True) as client,
        joblib.parallel_config(backend="dask"),
    ):
        client.wait_for_workers(n_workers)
        yield client


@contextmanager
def counted():
    """Count the bytes that this process, which also schedules, sends to others."""
    sent, write = [0], TCP.write

    async def counting(self, *args, **options):
        n_bytes = await write(self, *args, **options)
        sent[0] += n_bytes
        return n_bytes

    TCP.write = counting
    try:
        yield sent
    finally:
        TCP.write = write


def measured(estimator, loss, client):
    """Fit, and measure time and what is sent.

    Parameters
    ----------
    estimator : BaseFinder
        What is fitted.
    loss : Loss
        Fitted loss.
    client : distributed.Client
        The cluster.

    Returns
    -------
    row : dict
        Seconds by the clock, processor seconds here and of all workers, and megabytes.
    """
    before = sum(client.run(time.process_time).values())
    begin, own = time.perf_counter(), time.process_time()
    with counted() as sent:
        estimator.fit(loss)
    took, own = time.perf_counter() - begin, time.process_time() - own
    return {
        "seconds": took,
        "processor seconds of the workers": sum(client.run(time.process_time).values())
        - before,
        "processor seconds of the main process": own,
        "MB written by the main process": sent[0] / 1e6,
    }


def _warm():
    """Import everything, which takes seconds, and compute a little."""
    NewtonMRFinder(n_starts=5, init="gaussian").fit(problems.network(4, 2)[0])


def scaling(n_starts, n_searches, sizes=(1, 2, 4)):
    """Fit over clusters of several sizes.

    Parameters
    ----------
    n_starts, n_searches : int
        Starts of the finder, and searches of the explorer.
    sizes : sequence of int
        Numbers of workers.

    Returns
    -------
    rows : list of dict
        A row per estimator and size. All fits of an estimator end the same.
    """
    loss, _ = problems.network(16, 4)
    fits = {
        "NewtonMRFinder": NewtonMRFinder(
            n_starts=n_starts, init="gaussian", batch_size=BATCH_SIZE, random_state=0
        ),
        "LandscapeExplorer": LandscapeExplorer(
            max_searches=n_searches, batch_size=BATCH_SIZE // 4, random_state=0
        ),
    }
    rows, found = [], {name: [] for name in fits}
    for n_workers in sizes:
        with cluster(n_workers) as client:
            client.run(_warm)
            for name, estimator in fits.items():
                row = measured(estimator, loss, client)
                found[name].append(estimator.critical_points_)
                count = len(estimator.results_["status"])
                rows.append({"estimator": name, "workers": n_workers, "starts": count})
                rows[-1] |= row
                print(rows[-1], flush=True)
    for points in found.values():
        assert all(np.array_equal(points[0], other) for other in points)
    return rows


def losses(n_batches=12):
    """Kill one of two workers in its second or third batch, and count what is repeated.

    Parameters
    ----------
    n_batches : int
        Number of batches.

    Returns
    -------
    rows : list of dict
        A row without ``memory`` and one with it.
    """
    loss, _ = problems.network(16, 4)
    rows, points = [], []
    for keeps in (False, True):
        with tempfile.TemporaryDirectory() as name, cluster(2) as client:
            folder = Path(name)
            finder = NotedFinder(
                n_starts=25 * n_batches,
                batch_size=25,
                init="gaussian",
                random_state=0,
                memory=folder / "kept" if keeps else None,
            )
            finder.folder = folder
            (folder / "fatal").touch()
            finder.fit(loss)
            assert not (folder / "fatal").exists()
            points.append(finder.critical_points_)
            n_solved = len(list(folder.glob("solved-*")))
            # A process that still starts while its cluster closes complains.
            client.wait_for_workers(2)
        rows.append({
            "memory": keeps,
            "batches": n_batches,
            "solved and handed over or kept": n_solved,
            "cut off": 1,
            "solved twice": n_solved - n_batches,
        })
    assert np.array_equal(*points)
    return rows


def table(rows):
    """Write rows as a table of Markdown."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    for row in rows:
        cells = [f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def page(record):
    """Write the page that goes into ``doc/many_machines.md``.

    Parameters
    ----------
    record : dict
        Raw numbers.

    Returns
    -------
    text : str
        Markdown.
    """
    where = record["machine"]
    return f"""The network 16-4-16, in batches of {BATCH_SIZE} starts for the finder
and {BATCH_SIZE // 4} searches for the explorer, from `make many`. Workers have one
thread each and share one machine: {where["processor"]}, {where["cores"]} cores. When
the measurement began {where["load"]} processes on average wanted to run on them: the
more of them, the less seconds say, and the more processor seconds. With one worker
joblib computes in the main process. All fits found the same points, bit by bit. What
the main process writes includes the results, which its scheduler passes on.

{table(record["scaling"])}
One of two workers is killed in the middle of a batch:

{table(record["losses"])}"""


def main():
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--starts", type=int, default=1000)
    parser.add_argument("--searches", type=int, default=600)
    options = parser.parse_args()
    record = {"machine": machine.describe("numpy")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        record["scaling"] = scaling(options.starts, options.searches)
        record["losses"] = losses()
    text = json.dumps(record, indent=1) + "\n"
    (DOC / "many_machines.json").write_text(text, encoding="utf-8")
    (DOC / "many_machines_measured.md").write_text(page(record), encoding="utf-8")


if __name__ == "__main__":
    main()
