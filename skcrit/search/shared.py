"""What all tasks of a fit need, sent to each worker once."""

from __future__ import annotations

import os
import pickle
import tempfile
import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from joblib import effective_n_jobs
from joblib import hash as hash_of
from joblib.externals.loky.backend.reduction import dumps
from joblib.parallel import get_active_backend

__all__ = ["Shared"]

# Backends of joblib whose workers are processes that see the files of this one.
_ON_THIS_MACHINE = ("LokyBackend", "MultiprocessingBackend")

# What this process has read, by file; a worker serves one fit after the other.
_READ: dict[str, Shared] = {}


class Shared:
    """A value that is the same for all tasks.

    Processes of this machine read it from a file, each of them once, and their tasks
    carry the name of the file. Workers that may be elsewhere get the value with each
    task.

    Parameters
    ----------
    value : object
        What tasks need. It must not be changed.
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self._path: str | None = None

    @cached_property
    def digest(self) -> str:
        """Name of the value, made once."""
        return str(hash_of(self.value))

    def prepare(self, n_jobs: int | None) -> None:
        """Write the file, if there are processes that will read it."""
        here = type(get_active_backend()[0]).__name__ in _ON_THIS_MACHINE
        if self._path is not None or not here or effective_n_jobs(n_jobs) == 1:
            return
        # As joblib does it: functions of scripts and notebooks are sent whole.
        content = dumps(self.value)
        handle, self._path = tempfile.mkstemp(prefix="skcrit-", suffix=".pickle")
        weakref.finalize(self, _remove, self._path, os.getpid())
        with os.fdopen(handle, "wb") as file:
            file.write(content)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._path is None:
            return Shared, (self.value,)
        return _read, (self._path,)


def _read(path: str) -> Shared:
    """Read a value, unless this process has it."""
    if path not in _READ:
        _READ.clear()
        # Written by the process that this one works for, in a folder of its own user.
        _READ[path] = Shared(pickle.loads(Path(path).read_bytes()))  # noqa: S301
    return _READ[path]


def _remove(path: str, owner: int) -> None:
    """Delete the file, where it was made: a fork of that process leaves it alone."""
    if os.getpid() == owner:
        with suppress(OSError):
            os.unlink(path)
