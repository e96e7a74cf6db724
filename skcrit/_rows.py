"""Records of columns: every field has a row per start, on host or device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from skcrit._backend import array_namespace, replace_rows, take_rows
from skcrit._typing import IntArray


@dataclass
class Rows:
    """A dataclass whose fields are columns with a row per start.

    A column is an array of any library, a list with an entry per row, a dict of
    columns, or another object with the method ``take``. Numbers and None belong to all
    rows.
    """

    def take(self, rows: IntArray) -> Self:
        """Select rows by their numbers, an ndarray of int of shape (m,)."""
        columns = {f.name: getattr(self, f.name) for f in fields(self)}
        return type(self)(**{name: _take(c, rows) for name, c in columns.items()})

    def replace(self, rows: IntArray, part: Self) -> Self:
        """Return a record in which these rows, each once, are those of another one."""
        columns = {
            f.name: _replace(getattr(self, f.name), rows, getattr(part, f.name))
            for f in fields(self)
        }
        return type(self)(**columns)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Join records, at least one, in the order of the parts."""
        columns = {
            f.name: [getattr(part, f.name) for part in parts] for f in fields(cls)
        }
        return cls(**{name: _concatenated(c) for name, c in columns.items()})

    def empty(self) -> Self:
        """Return a record of the same columns without any rows."""
        return self.take(np.empty(0, dtype=int))


class GrowingArray:
    """Rows of an array that has room for more; only rows that are used take memory."""

    def __init__(self) -> None:
        self._room: np.ndarray | None = None
        self._n = 0

    def __len__(self) -> int:
        return self._n

    def add(self, rows: np.ndarray) -> None:
        """Copy rows behind the others."""
        begin, self._n = self._n, self._n + len(rows)
        if self._room is None or len(self._room) < self._n:
            room = np.empty((2 * self._n, *rows.shape[1:]), rows.dtype)
            if self._room is not None:
                room[:begin] = self._room[:begin]
            self._room = room
        self._room[begin : self._n] = rows

    @property
    def rows(self) -> np.ndarray:
        """All rows, not copied."""
        assert self._room is not None
        return self._room[: self._n]


class GrowingRows:
    """A record that grows; its columns are arrays or records of arrays, on the host."""

    def __init__(self, first: Rows) -> None:
        self._kind = type(first)
        self._columns: dict[str, GrowingArray | GrowingRows] = {}
        for f in fields(first):
            column = getattr(first, f.name)
            if isinstance(column, Rows):
                self._columns[f.name] = GrowingRows(column)
            else:
                self._columns[f.name] = GrowingArray()
                self._columns[f.name].add(column)

    def add(self, part: Rows) -> None:
        """Copy rows behind the others."""
        for name, column in self._columns.items():
            column.add(getattr(part, name))

    @property
    def rows(self) -> Any:
        """All rows, not copied."""
        return self._kind(**{name: c.rows for name, c in self._columns.items()})


def _take(column: Any, rows: IntArray) -> Any:
    """Select rows of a column."""
    if column is None or isinstance(column, int | float | str):
        return column
    if isinstance(column, dict):
        return {name: _take(part, rows) for name, part in column.items()}
    if isinstance(column, list):
        return [column[row] for row in rows]
    if isinstance(column, np.ndarray):
        return column[rows]
    if hasattr(column, "__array_namespace__") or hasattr(column, "dtype"):
        return take_rows(column, rows)
    return column.take(rows)


def _replace(column: Any, rows: IntArray, part: Any) -> Any:
    """Return a column with some rows replaced."""
    if column is None or isinstance(column, int | float | str):
        return part
    if isinstance(column, dict):
        return {name: _replace(c, rows, part[name]) for name, c in column.items()}
    if isinstance(column, list):
        column = column.copy()
        for row, entry in zip(rows, part, strict=True):
            column[row] = entry
        return column
    if isinstance(column, Rows):
        return column.replace(rows, part)
    if isinstance(column, np.ndarray):
        column = column.copy()
        column[rows] = part
        return column
    return replace_rows(column, rows, part)


def _concatenated(parts: list[Any]) -> Any:
    """Join the parts of a column."""
    first = parts[0]
    if first is None or isinstance(first, int | float | str):
        return first
    if isinstance(first, dict):
        return {name: _concatenated([part[name] for part in parts]) for name in first}
    if isinstance(first, list):
        return [entry for part in parts for entry in part]
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    if hasattr(first, "dtype"):
        return array_namespace(first).concat(parts, axis=0)
    return type(first).concatenate(parts)
