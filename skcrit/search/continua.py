"""Critical points that lie on one continuum, recognised by walks between them.

On a circle of minima, in a flat valley or on the manifold of a duplicated unit, every
start ends at a different point. Such points have the same loss and inertia, and zero
eigenvalues that no declared symmetry explains. A walk examines whether two of them are
connected: it takes small steps towards the other point, corrects each by Newton steps,
and either stays on the critical set or leaves it.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skcrit._backend import chunks_of_rows, take_rows, to_host
from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.linalg import eigh, svd
from skcrit.losses.base import Loss
from skcrit.search.describe import UNKNOWN, Description, describe, invariants_of
from skcrit.search.scales import Scales
from skcrit.solvers.status import Status

# Steps of a walk, and the part of what remains that a step takes first.
_MAX_STEPS = 30
_PART = 0.5

# A walk has arrived when this fraction of the initial distance remains, and is
# abandoned when its steps become this short.
_ARRIVED = 0.05

# Number of failed walks between two components, from different points, after which they
# count as separate.
_MAX_FAILURES = 4

# Relative difference up to which losses on one continuum agree.
_SAME_LOSS = 1e-9

# Derivatives of invariants are differences over this fraction of a length scale. Along
# symmetries they are zero up to errors, which are below this fraction of the largest
# derivative.
_STEP, _CONSTANT = 1e-5, 1e-6


def join_continua(
    loss: Loss, points: Description, scales: Scales, n_known: int = 0
) -> tuple[IntArray, BoolArray]:
    """Join critical points that a walk along critical points connects."""
    # Only points of known inertia with more zero eigenvalues than the loss declares are
    # tried. Ways between the first n_known points were tried before and are left out.
    # Returns the component of each point, and whether a walk ended or began at the
    # point, which then lies on a continuum that no declared symmetry explains.
    n = len(points.loss)
    labels, joined = np.arange(n), np.zeros(n, dtype=bool)
    rows = np.flatnonzero(may_be_joined(points))
    if len(rows) > 1:
        n_old = int(np.sum(rows < n_known))
        component, joined[rows] = _joined(loss, points.take(rows), scales, n_old)
        _, first = np.unique(component, return_index=True)
        labels[rows] = rows[first[component]]
    return labels, joined


def may_be_joined(points: Description) -> BoolArray:
    """Return which points have zero eigenvalues that no declared symmetry explains."""
    return (points.nullity != UNKNOWN) & (points.nullity > points.n_tangent)


def _joined(
    loss: Loss, points: Description, scales: Scales, n_known: int
) -> tuple[IntArray, BoolArray]:
    """Join points; return the components and which points are joined with others."""
    # In each round every component tries a way to its nearest neighbour, as in
    # Boruvka's algorithm for spanning trees, so that few ways are tried twice.
    n = len(points.loss)
    labels, joined = np.arange(n), np.zeros(n, dtype=bool)
    distance, failures = _distances(points, scales), np.zeros((n, n), dtype=int)
    distance[:n_known, :n_known] = np.inf
    while True:
        apart = np.where(labels[:, None] == labels, np.inf, distance)
        pairs = _nearest_pairs(apart, labels)
        if len(pairs) == 0:
            return labels, joined
        reached = _walk(loss, points, pairs, scales)
        first, second = pairs.T
        distance[first, second] = distance[second, first] = np.inf
        _give_up(distance, failures, labels, pairs[~reached])
        links = coo_array(
            (np.ones(reached.sum()), (labels[first[reached]], labels[second[reached]])),
            shape=(n, n),
        )
        labels = connected_components(links, directed=False)[1][labels]
        joined[pairs[reached].ravel()] = True


def _give_up(
    distance: FloatArray, failures: IntArray, labels: IntArray, pairs: IntArray
) -> None:
    """Exclude pairs of components after several walks between them have failed."""
    first, second = pairs.T
    failures[first, second] = failures[second, first] = 1
    for one, other in labels[pairs]:
        between = np.ix_(labels == one, labels == other)
        if np.sum(failures[between]) >= _MAX_FAILURES:
            distance[between] = distance.T[between] = np.inf


def _distances(points: Description, scales: Scales) -> FloatArray:
    """Compute distances; infinite for points that cannot lie on one continuum."""
    n = len(points.loss)
    distance = np.full((n, n), np.inf)
    for row in range(n):
        like = _is_like(points, points, row, scales)
        gaps = points.invariants - points.invariants[row]
        distance[row] = np.where(like & (np.arange(n) != row), _size(gaps), np.inf)
    return distance


def _is_like(
    points: Description, goals: Description, row: IntArray | int, scales: Scales
) -> BoolArray:
    """Return which points have the loss and the inertia of others."""
    same = points.morse_index == goals.morse_index[row]
    same &= points.nullity == goals.nullity[row]
    size = scales.curvature + np.abs(goals.loss[row])
    return same & (np.abs(points.loss - goals.loss[row]) <= _SAME_LOSS * size)


def _nearest_pairs(distance: FloatArray, labels: IntArray) -> IntArray:
    """List for each component the nearest pair with another one, each once."""
    pairs = set()
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        part = distance[rows]
        if not np.isfinite(part).any():
            continue
        row, column = np.unravel_index(np.argmin(part), part.shape)
        pairs.add(tuple(sorted((int(rows[row]), int(column)))))
    return np.array(sorted(pairs), dtype=int).reshape(-1, 2)


def _walk(
    loss: Loss, points: Description, pairs: IntArray, scales: Scales
) -> BoolArray:
    """Walk from the first point of each pair to the second; return which arrived."""
    n_flat = points.nullity[pairs[:, 0]]
    here, target = points.point[pairs[:, 0]], points.invariants[pairs[:, 1]]
    gap = target - points.invariants[pairs[:, 0]]
    whole = _size(gap)
    part, arrived = np.full(len(pairs), _PART), np.zeros(len(pairs), dtype=bool)
    active = np.arange(len(pairs))
    for _ in range(_MAX_STEPS):
        if len(active) == 0:
            break
        left = _size(gap[active])
        # Only directions within the critical set can be followed: the straight line is
        # a chord.
        along, change = _along(loss, here[active], gap[active], n_flat[active], scales)
        leads_on = change > _ARRIVED * left
        step = part[active, None] * along
        status = np.full(len(active), Status.CONVERGED)
        every = np.ones(len(active), dtype=bool)
        found = describe(loss, here[active] + step, status, every, scales, tails=False)
        good = found.status == Status.CONVERGED
        good &= _is_like(found, points, pairs[active, 0], scales)
        rest = _size(target[active] - found.invariants)
        good &= rest < left - part[active] * change**2 / left / 4
        here[active] = np.where(good[:, None], found.point, here[active])
        gap[active] = np.where(
            good[:, None], target[active] - found.invariants, gap[active]
        )
        part[active] = np.where(good, _PART, part[active] / 2)
        arrived[active] = np.where(good, rest, left) <= _ARRIVED * whole[active]
        active = active[leads_on & ~arrived[active] & (part[active] >= _ARRIVED)]
    return arrived


def _along(
    loss: Loss, here: FloatArray, gap: FloatArray, n_flat: IntArray, scales: Scales
) -> tuple[FloatArray, FloatArray]:
    """Find directions in the critical set, and how far they lead towards the target."""
    # In the kernel of the Hessian, by least squares in the invariants.
    along, change = np.zeros_like(here), np.zeros(len(here))
    unit, points = to_host(scales.length), loss.asarray(here)
    for rows in chunks_of_rows(np.arange(len(here)), here.shape[1] ** 2, points):
        hessian = to_host(loss.hessian(take_rows(points, rows)))
        values, vectors = eigh(hessian * unit[:, None] * unit)
        for row, size, basis in zip(rows, np.abs(values), vectors, strict=True):
            flat = unit * basis[:, np.argsort(size, kind="stable")[: n_flat[row]]].T
            ahead, back = (
                invariants_of(loss, loss.asarray(here[row] + sign * _STEP * flat))
                for sign in (1, -1)
            )
            slopes = np.nan_to_num((ahead - back).T / (2 * _STEP))
            left, sizes, right = svd(slopes)
            used = sizes > _CONSTANT * sizes[0]
            wanted = np.where(used, gap[row] @ left, 0.0)
            weights = (wanted / np.where(used, sizes, 1.0)) @ right
            along[row], change[row] = weights @ flat, _size(wanted)
    return along, change


def _size(gap: FloatArray) -> FloatArray:
    """Measure differences of invariants."""
    return np.linalg.norm(gap, axis=-1)
