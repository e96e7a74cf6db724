"""The alternating sum, which can prove that critical sets are missing."""

from __future__ import annotations

import numpy as np

from skcrit._typing import FloatArray, IntArray


def alternating_sum(
    morse_index: IntArray, euler: FloatArray, is_coercive: bool | None
) -> int:
    """Sum (-1)^index times the Euler characteristic over critical sets."""
    # It is 1 for all sets of a coercive Morse-Bott function. ValueError if the loss is
    # known not to be coercive, or an Euler characteristic is not known.
    if is_coercive is False:
        raise ValueError(
            "euler_sum needs a loss that grows in every direction; this one is known "
            "not to, for instance because some of its weights have no penalty."
        )
    if np.any(np.isnan(euler)):
        raise ValueError(
            "euler_sum needs the Euler characteristic of every critical set; the loss "
            "does not know that of the orbits of its continuous symmetries "
            "(orbit_euler)."
        )
    signs = np.where(morse_index % 2 == 0, 1.0, -1.0)
    return round(float(np.sum(signs * euler)))
