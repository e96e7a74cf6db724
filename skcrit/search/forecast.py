"""Prediction of the loss at which a search will end, from earlier searches."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

# Predictions begin after this number of searches along curvatures that were tried from
# another set before, if at least half of them changed the loss by the same amount: this
# is then a property of the landscape, and not chance.
_ENOUGH = 8
_AGREE = 0.5


class Measured(NamedTuple):
    """A number, and a bound on its rounding error."""

    value: float
    error: float


@dataclass
class _Change:
    """The change of the loss that most searches along a curvature made."""

    value: float
    n_votes: int = 1


class Forecast:
    """Record how much searches along each curvature changed the loss.

    If a landscape is composed of independent parts, the same change of a part is
    possible at many critical points, with the same curvature and the same change of the
    loss up to rounding. For a linear network the parts are the eigenvectors of the
    data. Without such parts curvatures do not repeat, and nothing is predicted.
    """

    def __init__(self) -> None:
        # Curvatures, ascending, and the change of the loss that belongs to each.
        self._curvatures: list[float] = []
        self._changes: list[_Change] = []
        self._n_repeated = self._n_agreed = 0

    def learn(self, curvature: Measured, change: Measured) -> None:
        """Record the change of the loss along a direction of this curvature."""
        place = self._place(curvature)
        if place is None:
            place = bisect_left(self._curvatures, curvature.value)
            self._curvatures.insert(place, curvature.value)
            self._changes.insert(place, _Change(change.value))
            return
        known = self._changes[place]
        agrees = abs(known.value - change.value) <= change.error
        self._n_repeated += 1
        self._n_agreed += agrees
        # A search that ends elsewhere does not outweigh those that agree.
        known.n_votes += 1 if agrees else -1
        if known.n_votes == 0:
            self._changes[place] = _Change(change.value)

    def change(self, curvature: Measured) -> float | None:
        """Predict how much a search changes the loss; None if that is not possible."""
        few = self._n_repeated < _ENOUGH
        if few or self._n_agreed < _AGREE * self._n_repeated:
            return None
        place = self._place(curvature)
        return None if place is None else self._changes[place].value

    def _place(self, curvature: Measured) -> int | None:
        """Find the nearest curvature that rounding does not distinguish."""
        value, error = curvature
        after = bisect_left(self._curvatures, value)
        near = range(max(after - 1, 0), min(after + 1, len(self._curvatures)))
        gaps = [(abs(self._curvatures[place] - value), place) for place in near]
        gap, place = min(gaps, default=(float("inf"), -1))
        return place if gap <= error else None
