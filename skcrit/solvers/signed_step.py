"""The step that scales each eigendirection by its eigenvalue and chooses its sign."""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, BoolArray, FloatArray
from skcrit.losses.base import Loss
from skcrit.solvers.eigenpairs import Eigenpairs

# Longest step of a search, in length scales of the loss.
LONGEST = 0.5


def signed_step(
    loss: Loss,
    pairs: Eigenpairs,
    signs: FloatArray,
    keep: BoolArray,
    *,
    gradient_norm: FloatArray,
    floor: float | FloatArray,
    longest: FloatArray,
    bounds: Array | None = None,
) -> tuple[Array, Array]:
    """Sum ``-s_i q_i^T g / max(|l_i|, epsilon |H|) q_i``, and how that changes g."""
    # A sign s of minus one is upwards, one downwards, zero does not move. Directions
    # that keep leaves out belong to symmetries, or are rounding; both have the shape
    # (n, size). epsilon is floor, a number or of shape (n, 1), or |g| / (|H| longest)
    # if that is smaller, for quadratic convergence. longest, of shape (n, 1), is the
    # length of the longest steps, and gradient_norm that of the gradients, in the unit
    # of the pairs. bounds, of shape (n, size), are the largest moduli of the factors of
    # q_i. See C. J. Cerjan and W. H. Miller, "On finding transition states", J. Chem.
    # Phys. 75, 1981, doi:10.1063/1.442352.
    values = np.abs(to_host(pairs.values))
    largest = np.max(values, axis=1, keepdims=True)
    # The gradient in the unit of a step: the floor goes where the search goes.
    relative = gradient_norm[:, None] / np.where(largest > 0, largest * longest, 1.0)
    floored = np.maximum(values, np.minimum(floor, relative) * largest)
    factors = np.where(keep, -signs / np.where(floored > 0, floored, 1.0), 0.0)
    weights = loss.asarray(factors) * pairs.components
    if bounds is not None:
        xp = array_namespace(weights)
        size = xp.abs(weights)
        weights = weights * (bounds / xp.where(size > bounds, size, bounds))
    return pairs.combine(weights), pairs.image(weights)
