"""Finished batches in a folder, as files of arrays that contain no code."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from skcrit._version import __version__
from skcrit.search.describe import Description
from skcrit.search.directions import Directions
from skcrit.search.inertia_shares import InertiaShares
from skcrit.solvers.state import SolverResult

# Types in results, besides lists, tuples, dicts, numbers and arrays.
_RECORDS: dict[str, type[Any]] = {
    record.__name__: record
    for record in (SolverResult, Description, Directions, InertiaShares)
}

# Errors that reading a damaged file can raise.
_BROKEN = (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, EOFError)


class BatchStore:
    """Keep results of tasks under their keys, in a file each.

    The folder is created when the first file is written. A file is an archive of NumPy
    arrays that are read with ``allow_pickle=False``, and a description of how they
    belong together: reading it runs no code. It is written under a temporary name and
    then renamed, so that it is either complete or absent, and fits that share the
    folder do not disturb each other.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        # An absolute path, because workers may run in another working directory.
        self.folder = Path(os.path.abspath(os.fspath(folder)))

    def call(self, key: str, task: Callable[..., Any], arguments: tuple) -> Any:
        """Load a result from the folder, or do the task and keep its result."""
        # Raises ValueError if the file at this key is valid but has the result of
        # another key; warns if it is damaged, or if a result cannot be written.
        path = self.folder / f"{key}.npz"
        if path.exists():
            try:
                content = _read(path)
            except _BROKEN as error:
                _warn(f"cannot read {path}, and the batch is solved again", error)
            else:
                return _checked(content, key, path)
        result = task(*arguments)
        try:
            self._write(path, {"key": key, "version": __version__, "result": result})
        except (OSError, TypeError) as error:
            _warn("cannot keep a finished batch, and the fit goes on", error)
        return result

    def _write(self, path: Any, content: Any) -> None:
        """Write a file under a temporary name, and rename it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays: list[np.ndarray] = []
        text = json.dumps(_encode(content, arrays))
        named: dict[str, Any] = {f"a{i}": array for i, array in enumerate(arrays)}
        handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, structure=np.array(text), **named)
            os.replace(name, path)
        except BaseException as error:
            # An incomplete file must be removed, whatever interrupted the writing.
            Path(name).unlink(missing_ok=True)
            # An interrupted archive raises an error when it is closed.
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise


def _warn(what: Any, error: Any) -> None:
    """Warn about what failed, and why."""
    warnings.warn(f"memory: {what} ({error}).", UserWarning, stacklevel=4)


def _checked(content: Any, key: Any, path: Any) -> Any:
    """Return the result in a file, if it is that of the key."""
    if not isinstance(content, dict) or content.get("key") != key:
        raise ValueError(
            "memory holds something else than the result of a batch where this one was "
            f"kept, in {path}: another program has written there, or files have been "
            "exchanged. Empty the folder."
        )
    return content["result"]


def _encode(value: Any, arrays: Any) -> Any:
    """Describe a value for JSON, and move its arrays to a list."""
    name = type(value).__name__
    if type(value) is _RECORDS.get(name):
        return ["record", [name, _encode(vars(value), arrays)]]
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return [kind, [_encode(item, arrays) for item in value]]
    if isinstance(value, dict):
        pairs = [[str(key), _encode(item, arrays)] for key, item in value.items()]
        return ["dict", pairs]
    if value is None or isinstance(value, bool | int | float | str):
        return ["plain", value]
    array = np.asarray(value)
    if array.dtype.hasobject:
        raise TypeError(f"{name} is not data")
    arrays.append(array)
    return ["array", len(arrays) - 1]


def _read(path: Any) -> Any:
    """Read a file, without running code from it."""
    with np.load(path, allow_pickle=False) as archive:
        return _decode(json.loads(str(archive["structure"])), archive)


def _decode(node: Any, archive: Any) -> Any:
    """Build a value from its description and arrays."""
    kind, content = node
    if kind == "array":
        return archive[f"a{int(content)}"]
    if kind == "plain":
        return content
    if kind == "dict":
        return {key: _decode(item, archive) for key, item in content}
    if kind == "record":
        name, columns = content
        record = _RECORDS[name]
        values = _decode(columns, archive)
        return record(**{field.name: values[field.name] for field in fields(record)})
    items = [_decode(item, archive) for item in content]
    return items if kind == "list" else tuple(items)
