"""Displacements that are tried, and those that wait."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from skcrit._typing import FloatArray

# A set, a stage, and the number of the try there; a set, a direction and a sign.
Try = tuple[int, int, int]
Way = tuple[int, int, int]

# Bits for the numbers of tries, at most twice 4096 in a stage, and of stages.
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
    """A search to come: from which set, along which direction."""

    label: int  # set
    direction: int  # its number
    sign: int  # one or minus one
    turn: int  # earlier tries of the direction in this orientation
    vector: FloatArray | None  # the direction, if it is kept
    change: int  # requested, of the Morse index; 0 for any index

    @property
    def way(self) -> Way:
        """The way on which the search begins."""
        return self.label, self.direction, self.sign
