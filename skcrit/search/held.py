"""Values that a cluster has sent to this process, by name."""

from __future__ import annotations

import pickle
from typing import Any

__all__ = ["forget", "held", "keep"]

# Pickled, until a task needs it.
_PICKLED: dict[str, bytes] = {}
_READ: dict[str, Any] = {}


def keep(name: str, content: bytes) -> None:
    """Keep a pickled value."""
    _PICKLED[name] = content


def forget(name: str) -> None:
    """Drop a value."""
    _PICKLED.pop(name, None)
    _READ.pop(name, None)


def held(name: str) -> Any:
    """Return a value, read where it is needed first."""
    if name not in _READ:
        # From the process that this one works for, over the cluster's own connections.
        _READ[name] = pickle.loads(_PICKLED[name])  # noqa: S301
    return _READ[name]
