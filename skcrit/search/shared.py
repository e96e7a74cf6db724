"""Values that all tasks of a fit need, sent to each worker once."""

from __future__ import annotations

import os
import pickle
import tempfile
import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import uuid4

from joblib import effective_n_jobs
from joblib import hash as hash_of
from joblib.externals.loky.backend.reduction import dumps
from joblib.parallel import get_active_backend

from skcrit.search.cluster import held, hold

# Backends of joblib: those over a cluster, and those whose processes share files with
# this one.
_CLUSTER = "DaskDistributedBackend"
_ON_THIS_MACHINE = ("LokyBackend", "MultiprocessingBackend")

# Values that this process has read, by file; a worker serves several fits in turn.
_READ: dict[str, Shared] = {}

# Placeholder for a value that is held where tasks run, not here.
_ELSEWHERE = object()


class Shared:
    """A value that is the same for all tasks, and that nothing changes.

    Processes on this machine read it from a file once, and their tasks contain only the
    name of the file. Workers of a Dask cluster receive it before the first task, or
    when they join. Workers of other backends, which may run elsewhere, receive it with
    each task.
    """

    def __init__(self, value: Any) -> None:
        self._value = value
        self._path: str | None = None
        self._name: str | None = None

    @property
    def value(self) -> Any:
        """The value; a worker of a cluster returns the one that it holds."""
        if self._value is _ELSEWHERE:
            # Only when a task needs it, because the scheduler reads tasks too.
            assert self._name is not None
            return held(self._name)
        return self._value

    @cached_property
    def digest(self) -> str:
        """Name of the value, made once."""
        return str(hash_of(self.value))

    def prepare(self, n_jobs: int | None) -> None:
        """Write the file or send the value, if there are processes that need it."""
        backend = get_active_backend()[0]
        kind, sent = type(backend).__name__, self._path or self._name
        if sent or kind not in (_CLUSTER, *_ON_THIS_MACHINE):
            return
        if effective_n_jobs(n_jobs) == 1:
            return
        # As in joblib, functions of scripts and notebooks are pickled by value.
        content = dumps(self.value)
        if kind == _CLUSTER:
            name = f"skcrit-{uuid4().hex}"
            hold(self, backend.client, name, content)
            self._name = name
            return
        handle, self._path = tempfile.mkstemp(prefix="skcrit-", suffix=".pickle")
        weakref.finalize(self, _remove, self._path, os.getpid())
        with os.fdopen(handle, "wb") as file:
            file.write(content)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._name is not None:
            return _named, (self._name,)
        if self._path is None:
            return Shared, (self.value,)
        return _read, (self._path,)


def _read(path: str) -> Shared:
    """Read a value, unless this process has read it before."""
    if path not in _READ:
        _READ.clear()
        # Written by the process that this one works for, in a folder of its own user.
        _READ[path] = Shared(pickle.loads(Path(path).read_bytes()))  # noqa: S301
    return _READ[path]


def _named(name: str) -> Shared:
    """Make a placeholder for a value that a cluster has sent to its workers."""
    shared = Shared(_ELSEWHERE)
    shared._name = name
    return shared


def _remove(path: str, owner: int) -> None:
    """Delete the file in the process that made it, but not in a fork of it."""
    if os.getpid() == owner:
        with suppress(OSError):
            os.unlink(path)
