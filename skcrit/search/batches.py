"""Distribute batches of rows over workers, and keep their results in a folder."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pickle import PicklingError
from typing import Any

from joblib import effective_n_jobs
from joblib import hash as hash_of
from sklearn.utils.parallel import Parallel, delayed

from skcrit._backend import keep_freed_memory, one_blas_thread
from skcrit._version import __version__
from skcrit.losses.base import Loss
from skcrit.search.shared import Shared
from skcrit.search.store import BatchStore

# Numbers in the points of a batch: enough to make the interpreter's time negligible,
# few enough for the cache. Measured by benchmarks/speed/growth.py, see
# doc/benchmarks.md.
_BATCH_NUMBERS = 2**16
_BATCH_SIZES = (4, 512)

# The fraction of that number if finished batches are kept or watched: an interrupted
# fit loses less than one batch per worker, and a display is updated after each batch.
_KEPT_PART = 4

# A task runs through at most this many batches, and each worker has about that many
# tasks, so that all workers are busy to the end.
_MOST_BATCHES = 16
_TASKS = 4

# The same on a device, which is slow to start and wide: 64 MiB of float64 for the
# points, about twenty times that in all.
_DEVICE_NUMBERS = 2**23

# Numbers that a loss may hold for the points of a batch, such as the activities of
# units on samples: 256 MiB and 1 GiB of float64.
_HOST_HELD = 2**25
_DEVICE_HELD = 2**27


class Batches:
    """How rows are divided into batches and which workers compute them.

    ``batch_size=None`` divides them over the ``n_jobs`` workers of joblib, so that a
    batch of points fits into the cache; finished batches are kept in the folder
    ``memory``. If the loss computes ``on_device``, one process works, with large
    batches. ``watched`` means that every batch is observed as it ends.
    """

    def __init__(
        self,
        batch_size: int | None = None,
        n_jobs: int | None = None,
        memory: Any = None,
        on_device: bool = False,
        watched: bool = False,
    ) -> None:
        if on_device and n_jobs not in (None, 1):
            warnings.warn(
                f"n_jobs={n_jobs} is ignored: the loss computes on a device, where all "
                "starts are solved in one process, in large batches.",
                UserWarning,
                stacklevel=4,
            )
        self.batch_size, self.on_device, self.watched = batch_size, on_device, watched
        self.n_jobs = 1 if on_device else n_jobs
        folder = getattr(memory, "location", memory)
        self.store = None if folder is None else BatchStore(os.fspath(folder))

    def slices(self, n_rows: int, loss: Loss) -> list[slice]:
        """Divide rows into batches."""
        return _slices(n_rows, self.width(n_rows, loss))

    def tasks(self, n_rows: int, loss: Loss) -> tuple[list[slice], int]:
        """Divide rows into tasks; each is a batch that is refilled while it runs."""
        width = self.width(n_rows, loss)
        if self.batch_size or self.store or self.watched:
            return _slices(n_rows, width), width
        workers = 1 if self.on_device else effective_n_jobs(self.n_jobs)
        share = -(-n_rows // (workers * _TASKS)) if workers > 1 else n_rows
        return _slices(n_rows, min(max(share, width), _MOST_BATCHES * width)), width

    def width(self, n_rows: int, loss: Loss) -> int:
        """Choose how many rows are computed together."""
        if self.batch_size:
            return min(int(self.batch_size), max(n_rows, 1))
        held = loss.numbers_per_point_
        if self.on_device:
            points = _DEVICE_NUMBERS // loss.n_params_
            return max(min(points, _DEVICE_HELD // held), 1)
        smallest, largest = _BATCH_SIZES
        size = min(max(_BATCH_NUMBERS // loss.n_params_, smallest), largest)
        size = max(min(size, _HOST_HELD // held), 1)
        if self.store or self.watched:
            size = max(size // _KEPT_PART, min(size, smallest))
        return max(min(size, -(-n_rows // effective_n_jobs(self.n_jobs))), 1)


def _slices(n_rows: int, size: int) -> list[slice]:
    """Cut rows into parts of a size."""
    return [slice(i, i + size) for i in range(0, max(n_rows, 1), size)]


def run_batches(
    batches: Batches, task: Callable[..., Any], calls: list[tuple]
) -> Iterator[Any]:
    """Do a task for each tuple of arguments; yield the outcomes in order."""
    # Functions of a script or a notebook, which a loss can have, are found by name in
    # the main process only, so that a worker could not make the key.
    store = batches.store
    keys = (_key(task, call) if store else "" for call in calls)
    for part in {p for call in calls for p in call if isinstance(p, Shared)}:
        part.prepare(batches.n_jobs)
    tasks = (
        delayed(_do)(task, call, store, key)
        for call, key in zip(calls, keys, strict=True)
    )
    done = Parallel(n_jobs=batches.n_jobs, return_as="generator")(tasks)
    with _closing(done):
        # Not "yield from", which would close the workers before the context does.
        for outcome in done:  # noqa: UP028
            yield outcome


def _key(task: Any, arguments: Any) -> Any:
    """Name a task and its arguments."""
    try:
        plain = [p.digest if isinstance(p, Shared) else p for p in arguments]
        return hash_of((__version__, task.__name__, plain))
    except (PicklingError, AttributeError, TypeError) as error:
        raise ValueError(
            f"with memory the loss must be picklable: define its functions in a "
            f"module, not as lambdas or in other functions ({error.args[0]})."
        ) from error


def _do(task: Callable[..., Any], arguments: Any, store: Any, key: str) -> Any:
    """Do a task in a worker, which sets its own threads, or load its stored result."""
    # The arguments are passed as one object: the Dask backend would leave the only copy
    # of a separate array on one worker, and the fit would fail if that worker were
    # lost.
    arguments = tuple(p.value if isinstance(p, Shared) else p for p in arguments)
    keep_freed_memory()
    with one_blas_thread():
        if store is None:
            return task(*arguments)
        return store.call(key, task, arguments)


@contextmanager
def _closing(done: Any) -> Generator[None, None, None]:
    """End workers whose results are not needed, after an error, Ctrl-C or a stop."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            # Messages of joblib about unfinished tasks would hide the reason.
            warnings.filterwarnings("ignore", ".*tasks", UserWarning)
            done.close()
