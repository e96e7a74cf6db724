"""Fractions of the eigenvalues that are negative, flat and positive at a level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from skcrit._rows import Rows
from skcrit._typing import FloatArray, IntArray


@dataclass
class InertiaShares(Rows):
    """Shares of the eigenvalues of Hessians by sign, a row per point, on the host."""

    # Relative, to the spectral norm of the Hessian: eigenvalues up to it count as flat;
    # NaN if nothing is known.
    level: FloatArray
    # Estimated parts below minus the level, within it and above it, (n, 3); NaN if
    # unknown, or if more than one hundredth of the spectrum is undecided.
    share: FloatArray
    low: FloatArray  # interval of at least 95 % confidence for each share alone
    high: FloatArray

    @classmethod
    def unknown(cls, n: int) -> Self:
        """Return unknown shares of n points: all intervals are from 0 to 1."""
        nothing = np.full((n, 3), np.nan)
        return cls(np.full(n, np.nan), nothing, np.zeros((n, 3)), np.ones((n, 3)))

    @classmethod
    def counted(
        cls, negative: IntArray, flat: IntArray, n_params: int, level: FloatArray
    ) -> Self:
        """State exact counts of eigenvalues below minus the level and within it."""
        counts = np.stack([negative, flat, n_params - negative - flat], axis=-1)
        share = counts / n_params
        return cls(level, share, share, share)
