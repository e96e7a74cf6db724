"""Hessians that are zero, which those of small structures only seem to be.

Beside a point of higher multiplicity all eigenvalues are far below those of Hessians
elsewhere, and below their errors. But so are they at a critical point of a structure
that is small compared with the lengths of the loss, such as a ring of minima of radius
1e-9. What differs is how the gradient grows: by the square of the distance or faster at
the former, in proportion to the distance at the latter, as far as numbers resolve it.
"""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace
from skcrit._typing import Array, BoolArray
from skcrit.linalg._decompositions import eigh
from skcrit.losses.base import Loss
from skcrit.search.frame import Frame, scaled_hessian
from skcrit.search.noise import last_digits
from skcrit.search.scales import Scales
from skcrit.solvers._vectors import norm

# Distances in units in the last place, and the least factor by which the gradient grows
# from one to the next: between that of a linear gradient, 4, and of a quadratic one.
_DISTANCES, _GROWTH = (4.0, 16.0, 64.0, 256.0), 12.0

# Newton steps to the point from which distances count, their largest total length, in
# length scales, and their largest ratio.
_MAX_STEPS, _FAR, _SLOW = 40, 0.1, 0.95


@np.errstate(all="ignore")  # eigenvalues and gradients may be zero
def vanishes(
    loss: Loss, frame: Frame, small: BoolArray, negligible: BoolArray, scales: Scales
) -> BoolArray:
    """Return where Hessians are zero along eigenvectors, and not only small.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    frame : Frame
        Critical points, n of them.
    small : ndarray of bool of shape (n, n_params)
        Eigenvalues in question.
    negligible : ndarray of bool of shape (n,)
        Whether errors are far below Hessians elsewhere. If not, a gradient that does
        not grow at all decides nothing: rounding may keep it constant.
    scales : Scales
        Natural units of the loss.

    Returns
    -------
    vanishes : ndarray of bool of shape (n,)
        Whether the gradient grows faster than the distance, over four distances of 4
        to 256 units in the last place.

    Notes
    -----
    Costs at most 40 dense Hessians and gradients, and 17 gradients.
    """
    if len(small) == 0:
        return np.zeros(0, dtype=bool)
    mask = loss.asarray(small)
    theta = _nearest(loss, frame, mask, scales)

    def components(points: Array) -> Array:
        return mask * frame.components(frame.unit * loss.gradient(points))

    here, result = components(theta), np.ones(len(small), dtype=bool)
    for change in last_digits(loss, theta, scales):
        line = frame.combine(mask * frame.components(change / frame.unit))
        sizes = [norm(components(theta + k * line) - here) for k in _DISTANCES]
        for near, far in zip(sizes[:-1], sizes[1:], strict=True):
            result &= (far >= _GROWTH * near) & (negligible | (near > 0))
    return result


def _nearest(loss: Loss, frame: Frame, mask: Array, scales: Scales) -> Array:
    """Take Newton steps along eigenvectors, noise or not, while gradients decrease."""
    xp, theta = array_namespace(mask), frame.theta
    path, last = np.zeros(theta.shape[0]), np.full(theta.shape[0], np.inf)
    gradient = mask * frame.components(frame.unit * loss.gradient(theta))
    for _ in range(_MAX_STEPS):
        step = frame.combine(_newton(loss, frame, theta, mask, gradient))
        length = norm(step / scales.length)
        # Contraction by a constant factor is that of a power, which longer steps undo.
        ratio = np.where(length < last, length / last, 0.0)
        stretch = 1 / (1 - np.minimum(ratio, _SLOW))
        moved = theta + loss.asarray(stretch)[:, None] * step
        there = mask * frame.components(frame.unit * loss.gradient(moved))
        path = path + stretch * length
        better = (norm(there) < norm(gradient)) & (path <= _FAR)
        if not better.any():
            break
        moves = loss.asarray(better)[:, None] > 0
        theta = xp.where(moves, moved, theta)
        gradient = xp.where(moves, there, gradient)
        last = np.where(better, length, np.inf)
    return theta


def _newton(
    loss: Loss, frame: Frame, theta: Array, mask: Array, gradient: Array
) -> Array:
    """Compute Newton steps in the space of some eigenvectors, in components."""
    xp = array_namespace(mask)
    columns = frame.vectors * mask[:, None, :]
    hessian = scaled_hessian(frame, loss.at(theta))
    values, vectors = eigh(xp.matrix_transpose(columns) @ hessian @ columns)
    inner = (xp.matrix_transpose(vectors) @ gradient[..., None])[..., 0]
    used = values != 0
    inner = xp.where(used, -inner / xp.where(used, values, 1 + 0 * values), 0 * inner)
    return mask * (vectors @ inner[..., None])[..., 0]
