"""Guess at which loss a search will end, from those that have ended."""

from __future__ import annotations

__all__ = ["Forecast"]

# Guesses are made once so many searches set out along a curvature that was tried from
# another set, and at least half of them changed the loss as before, to this part: then
# it is a law of the landscape, and not chance.
_ENOUGH = 8
_AGREE = 0.5
_EXACT = 1e-6

# Significant digits by which curvatures are compared.
_DIGITS = 7


class Forecast:
    """Remember how much searches along each curvature changed the loss.

    If a landscape is composed of parts that do not see each other, the same change
    of a part is made from many critical points: its curvature is the same at all of
    them, to the last digits, and so is what it does to the loss. For a linear network
    the parts are the eigenvectors of the data. If there are no such parts curvatures
    do not repeat, and nothing is guessed.
    """

    def __init__(self) -> None:
        self._changes: dict[str, float] = {}
        self._n_repeated = self._n_agreed = 0

    def learn(self, curvature: float, change: float) -> None:
        """Take note of the change of the loss along a direction of this curvature."""
        key = _key(curvature)
        if key in self._changes:
            self._n_repeated += 1
            error = abs(self._changes[key] - change)
            self._n_agreed += error <= _EXACT * abs(change)
        self._changes[key] = change

    def change(self, curvature: float) -> float | None:
        """Guess how much a search changes the loss; None if searches do not say."""
        few = self._n_repeated < _ENOUGH
        if few or self._n_agreed < _AGREE * self._n_repeated:
            return None
        return self._changes.get(_key(curvature))


def _key(curvature: float) -> str:
    """Round to significant digits."""
    return f"{curvature:.{_DIGITS - 1}e}"
