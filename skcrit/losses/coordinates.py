"""Coordinates in which searches work better, and the transformations between them."""

from __future__ import annotations

from typing import Any

from skcrit._typing import Array, FittedLoss


class Coordinates:
    """A loss in coordinates of its choice: by default its own.

    The change of coordinates is an isometry, so that gradient norms, spectra and the
    paths of methods do not change, or another affine map, which changes all of these
    but neither critical points nor their Morse indices.

    Parameters
    ----------
    loss : Loss
        The loss as a function of the new coordinates.
    """

    is_isometry = True

    def __init__(self, loss: FittedLoss) -> None:
        # Of any class: subclasses use what else theirs has.
        self.loss: Any = loss

    def into(self, theta: Array) -> Array:
        """Express points in the new coordinates."""
        return theta

    def back(self, theta: Array) -> Array:
        """Express points in the coordinates of the user."""
        return theta
