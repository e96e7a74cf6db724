"""Displacements that are tried, and those that wait for it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from skcrit._typing import FloatArray

__all__ = ["Displacement", "Queue", "Try", "Way"]


# A set, a stage, and the number of the try there; a set, a direction and a sign.
Try = tuple[int, int, int]
Way = tuple[int, int, int]

# Bits for the numbers of tries, of which a stage has at most twice 4096, and of stages.
_TRIES, _STAGES = 14, 18


class Queue:
    """Tries that wait, first in, first out: 8 bytes for each of millions."""

    def __init__(self) -> None:
        self._tries = array("q")
        self._begin = 0

    def __len__(self) -> int:
        return len(self._tries) - self._begin

    def put(self, label: int, stage: int, number: int) -> None:
        """Add a try."""
        self._tries.append((label << _STAGES | stage) << _TRIES | number)

    def take(self) -> Try:
        """Take the first."""
        rest, number = divmod(self._tries[self._begin], 1 << _TRIES)
        self._begin += 1
        return *divmod(rest, 1 << _STAGES), number


@dataclass
class Displacement:
    """A search to come: from which set, along which direction.

    Attributes
    ----------
    label : int
        Set.
    direction : int
        Number of the direction.
    sign : int
        One or minus one.
    turn : int
        How often the direction has been tried this way.
    vector : ndarray of shape (n_params,), or None
        The direction, if it is kept.
    change : int
        By how much the Morse index is asked to change; 0 asks for nothing.
    """

    label: int
    direction: int
    sign: int
    turn: int
    vector: FloatArray | None
    change: int

    @property
    def way(self) -> Way:
        """On which way the search sets out."""
        return self.label, self.direction, self.sign
