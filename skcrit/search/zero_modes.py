"""Directions of symmetries at a point at which the Hessian is zero along them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skcrit._backend import take_rows, to_host
from skcrit._typing import Array
from skcrit.linalg import svd
from skcrit.linalg._known_zeros import KnownZeros
from skcrit.losses.base import Loss
from skcrit.losses.data_subspace import DataSubspace
from skcrit.losses.orbit_projection import DEPENDENT, project_bases

# Tangents of symmetries are formed if they consist of at most this many numbers, 128
# MiB. Otherwise the interval still holds: their zeros are counted like other small
# eigenvalues, and may blur those near them.
_MAX_TANGENT_NUMBERS = 2**24

# Random vectors along tangents on which the Hessian must vanish, and the safety factor
# on the largest of its products.
_N_TRIED, _SAFETY = 4, 3.0


def zero_modes(
    loss: Loss,
    theta: Array,
    unit: Array,
    seen: DataSubspace | None,
    product: Callable[[Array], Array],
    level: float,
) -> KnownZeros:
    """Find the directions of symmetries at one point, or nothing if there are none."""
    # In natural units, and in the coordinates of what the data see. Their number is
    # not restricted if the loss projects on them without their rows.
    found = _tangents(loss, theta, unit, seen)
    if found.size == 0:
        return found
    n = theta.shape[1] if seen is None else seen.n_coordinates
    draws = loss.asarray(np.random.default_rng(7).standard_normal((_N_TRIED, n)))
    # At points that are not critical symmetries bend. The mean square of a product is
    # that of the Frobenius norm of the Hessian on the tangents.
    image = to_host(product(draws - found.remove(draws)))
    vanishes = _SAFETY * np.max(np.linalg.norm(image, axis=1)) <= level
    return found if vanishes else KnownZeros()


def _tangents(
    loss: Loss, theta: Array, unit: Array, seen: DataSubspace | None
) -> KnownZeros:
    """Span the directions of symmetries, unless too many."""
    weights = loss.orbit_weights(theta[0, :]) if seen is None else None
    projection = None if weights is None else project_bases(*weights, unit)
    if projection is not None:
        return KnownZeros(projection.size, projection.remove)
    n, n_free = (
        (theta.shape[1], 0) if seen is None else (seen.n_coordinates, seen.n_free)
    )
    count = loss.count_tangents(theta) - n_free
    if count == 0 or count * n > _MAX_TANGENT_NUMBERS:
        return KnownZeros()
    rows = loss.seen_tangents(theta)[0, ...]
    rows = rows / unit if seen is None else seen.reduce(rows / unit)
    # They may be linearly dependent.
    _, values, basis = svd(rows)
    keep = np.flatnonzero(to_host(values > DEPENDENT * values[:1]))
    return KnownZeros().joined(take_rows(basis, keep), theta)
