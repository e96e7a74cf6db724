"""Halve step lengths until they are accepted, for a batch of searches at once."""

import numpy as np

__all__ = ["BACKTRACK", "halve"]

BACKTRACK = 0.5

# Points that cost hardly more than one if they are evaluated together.
TOGETHER = 64


def halve(look, known, p, alpha, accepts):
    """Find the first of the lengths ``alpha``, ``alpha / 2``, ... that is accepted.

    Few rows are left after some lengths: these try several at a time, which takes no
    longer than to try one. Beyond the first that is accepted none counts.

    Parameters
    ----------
    look : callable
        Maps points to what is known there: a dict of columns, ``"theta"`` among them.
    known : dict of str to ndarray
        What is known where the searches begin.
    p : ndarray of shape (n, n_params)
        Directions.
    alpha : ndarray of shape (n,)
        First lengths.
    accepts : callable
        ``accepts(there, size, rows)`` says which lengths are accepted for these rows,
        from what is known at the new points.

    Returns
    -------
    new : dict of str to ndarray
        What is known at the new points, the old ones where no length is accepted.
    alpha : ndarray of shape (n,)
        Lengths at which the searches ended: accepted, or zero.
    n_tests : ndarray of int of shape (n,)
        Lengths tried.
    """
    new = {name: column.copy() for name, column in known.items()}
    alpha, n_tests = alpha.copy(), np.zeros(len(alpha), dtype=int)
    pending, n_halvings = np.arange(len(alpha)), 1
    while len(pending):
        size = _lengths(alpha[pending], n_halvings).ravel()
        rows = np.repeat(pending, n_halvings)
        there = look(known["theta"][rows] + size[:, None] * p[rows])
        good = accepts(there, size, rows)
        ends = (good | ~(size > 0)).reshape(-1, n_halvings)
        ended = ends.any(axis=1)
        last = np.where(ended, ends.argmax(axis=1), n_halvings - 1)
        n_tests[pending] += last + 1
        last += n_halvings * np.arange(len(pending))
        alpha[pending] = size[last]
        last = last[good[last]]
        for name, column in there.items():
            new[name][rows[last]] = column[last]
        pending = pending[~ended]
        alpha[pending] *= BACKTRACK
        room = max(len(alpha), TOGETHER) // max(len(pending), 1)
        n_halvings = min(2 * n_halvings, room)
    return new, alpha, n_tests


def _lengths(alpha, n_halvings):
    """Return lengths and what halving makes of them, a row for each."""
    # One after the other: the smallest numbers round when they are halved.
    lengths = [alpha]
    for _ in range(n_halvings - 1):
        lengths.append(lengths[-1] * BACKTRACK)
    return np.stack(lengths, axis=1)
