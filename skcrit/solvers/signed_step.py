"""The step that scales each eigendirection by its eigenvalue and chooses its sign."""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, BoolArray, FloatArray
from skcrit.losses.base import Loss
from skcrit.solvers.eigenpairs import Eigenpairs

__all__ = ["LONGEST", "signed_step"]

# Longest step of a search, in length scales of the loss.
LONGEST = 0.5


def signed_step(
    loss: Loss,
    pairs: Eigenpairs,
    signs: FloatArray,
    keep: BoolArray,
    *,
    gradient_norm: FloatArray,
    floor: float,
    longest: FloatArray,
    bounds: Array | None = None,
) -> tuple[Array, Array]:
    r"""Sum :math:`-s_i q_i^T g / \max(|\lambda_i|, \epsilon |H|)\, q_i`.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    pairs : Eigenpairs
        Eigenpairs, and the components of the gradient along them.
    signs : ndarray of shape (n, size)
        Signs s: minus one is upwards, one is downwards, zero does not move.
    keep : ndarray of bool of shape (n, size)
        Directions in which to move; others belong to symmetries, or are rounding.
    gradient_norm : ndarray of shape (n,)
        Norms of the gradients, in the unit of the pairs.
    floor : float
        Largest epsilon. It is ``|g| / (|H| longest)`` if that is smaller, for quadratic
        convergence.
    longest : ndarray of shape (n, 1)
        Lengths of the longest steps, in the unit of the pairs.
    bounds : array of shape (n, size), default=None
        Largest moduli of the factors of :math:`q_i`; None bounds nothing.

    Returns
    -------
    p : array of shape (n, n_params)
        Steps, in the unit of theta.
    change : array of shape (n, n_params)
        How they change the gradient, to first order.

    References
    ----------
    .. [1] C. J. Cerjan and W. H. Miller. "On finding transition states". J. Chem. Phys.
       75, 1981, doi:10.1063/1.442352.
    """
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
