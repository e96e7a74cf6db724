"""Attributes that are computed when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class lazy:  # noqa: N801 (used as a decorator, like property)
    """Compute an attribute once, as ``functools.cached_property`` does.

    That one takes a lock, up to Python 3.11, which takes as long as a small product.
    Two threads that ask at the same time compute the same value.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function, self.__doc__ = function, function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        """Keep the name of the attribute."""
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Compute the value, and store it as an attribute of the instance."""
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._function(instance)
        return value
