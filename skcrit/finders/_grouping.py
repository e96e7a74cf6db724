"""Which numerical points are the same critical set, told by their invariants."""

import numpy as np

__all__ = ["group_points", "radii"]

# Invariants of points that agree to this fraction of the scale are equal even where the
# error estimate says that they are known better: rounding.
_FLOOR = 1e-6

# However uncertain, points further apart than this fraction are different.
_CEILING = 1e-3

# Points that are compared with the leaders at once, and 8 MiB of distances.
_ROWS = 256
_DISTANCES = 2**20


def group_points(invariants, uncertainty, quality, scale=0.0):
    """Group points by nearness of their invariants.

    Parameters
    ----------
    invariants : ndarray of shape (n, n_invariants)
        Invariants of the points.
    uncertainty : ndarray of shape (n,)
        Estimated error of the invariants of each point, in their Euclidean norm.
    quality : ndarray of shape (n,)
        Squared gradient norm: the point of least is its group's leader.
    scale : float, default=0.0
        Typical norm of invariants, for instance at the starts; the norms of the given
        ones count too. It tells near-zero invariants from different ones.

    Returns
    -------
    labels : ndarray of int of shape (n,)
        Group of each point, numbered by their leaders.
    leaders : ndarray of int of shape (n_groups,)
        Point that stands for each group, best first.

    Notes
    -----
    Points come in order of quality, and one that is near no leader becomes a leader;
    the order of the rows does not matter. The symmetries of a loss make critical points
    continua, and neither parameters nor losses tell sets apart: two different sets can
    have the same loss.
    """
    n = len(invariants)
    labels = np.empty(n, dtype=int)
    if n == 0:
        return labels, np.empty(0, dtype=int)
    radius = radii(invariants, uncertainty, scale)
    # Equal qualities are ordered by the invariants, so that rows can come in any order.
    order = np.lexsort((*invariants.T[::-1], quality))
    leaders, done = [], 0
    while done < n:
        known = len(leaders)
        rows = order[done : done + min(max(_DISTANCES // max(known, 1), 1), _ROWS)]
        done += len(rows)
        near = _candidates(invariants[rows], invariants[leaders])
        for row, few in zip(rows, near, strict=True):
            few = [*few, *range(known, len(leaders))]
            label = _nearest(invariants, radius, row, few, leaders)
            if label is None:
                label = len(leaders)
                leaders.append(row)
            labels[row] = label
    return labels, np.array(leaders)


def _candidates(points, known):
    """List for each point the known ones that can be its nearest."""
    if len(known) == 0:
        return [[]] * len(points)
    # Expanded squares are one matrix product, but cancel. What rounding may have moved
    # behind the smallest stays in the list.
    size = np.sum(known**2, axis=1)
    squares = size - 2 * (points @ known.T)
    error = 4 * points.shape[1] * np.finfo(points.dtype).eps
    slack = error * (np.max(size) + np.sum(points**2, axis=1))
    close = squares <= (np.min(squares, axis=1) + slack)[:, None]
    return [np.flatnonzero(row) for row in close]


def _nearest(invariants, radius, row, few, leaders):
    """Return which of few leaders a point belongs to; None if it is near no one."""
    if not few:
        return None
    few_leaders = [leaders[label] for label in few]
    gaps = invariants[few_leaders] - invariants[row]
    distance = np.sqrt(np.einsum("ij,ij->i", gaps, gaps))
    nearest = int(np.argmin(distance))
    if distance[nearest] <= radius[few_leaders[nearest]] + radius[row]:
        return few[nearest]
    return None


def radii(invariants, uncertainty, scale):
    """Say how far from each point its critical set can be.

    Parameters
    ----------
    invariants : ndarray of shape (n, n_invariants)
        Invariants of the points, at least one.
    uncertainty : ndarray of shape (n,)
        Their estimated errors.
    scale : float
        Typical norm of invariants.

    Returns
    -------
    radius : ndarray of shape (n,)
        Radius, in the norm of the invariants.
    """
    scale = max(scale, np.max(np.linalg.norm(invariants, axis=1)))
    return np.clip(uncertainty, _FLOOR * scale, _CEILING * scale)
