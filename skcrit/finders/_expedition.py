"""The rounds of a landscape exploration: search, recognise, describe, record."""

import numpy as np

from skcrit.finders._exploration import Atlas, Ends, Frontier, describe_new, solve_batch
from skcrit.finders._search import concatenate, run_batches
from skcrit.solvers import Status

__all__ = ["ORIGIN", "Expedition"]

# New points are described in chunks of this many: some eigenproblems each.
_CHUNK = 32

# Parent, direction and sign of searches that come from no set.
ORIGIN = (-1, -1, 0)


class Expedition:
    """Search in rounds, and keep what all searches ended in.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    scale : float
        Typical norm of invariants, where the searches begin.
    options : dict
        ``batch_size``, ``n_jobs`` and ``memory`` of a finder.
    max_directions : int or None
        Largest number of directions tried from a set.
    n_passes : int
        How often every direction is tried each way.
    """

    def __init__(self, loss, scale, options, max_directions, n_passes):
        self.loss, self.options = loss, {**options, "verbose": 0}
        self.max_directions = max_directions
        self.atlas, self.frontier = Atlas(scale), Frontier(n_passes)
        self.results, self.starts, self.ends = [], [], []
        self.origins, self.labels = [], []
        self.n_searches = 0

    def search(self, solver, theta0, origins):
        """Run one round of searches.

        Parameters
        ----------
        solver : Solver
            Local search.
        theta0 : ndarray of shape (n, n_params)
            Starting points.
        origins : list of tuple of (int, int, int)
            Set, direction and sign that each start comes from.
        """
        select = getattr(solver, "select", lambda rows: solver)
        done = run_batches(
            solve_batch,
            lambda rows: (select(rows), self.loss, theta0[rows]),
            *theta0.shape,
            **self.options,
        )
        results, ends = zip(*(outcome for (outcome,) in done), strict=True)
        result, ends = concatenate(results), Ends.concatenate(ends)
        self.results.append(result)
        self.starts.append(theta0)
        self.ends.append(ends.squared_balanced_grad_norm)
        self.origins += origins
        self.labels.append(self._recognise(theta0, result, ends))
        self.n_searches += len(theta0)

    def _recognise(self, theta0, result, ends):
        """Find the sets that searches ended in, and take up new ones."""
        labels = np.full(len(theta0), -1)
        rows = np.flatnonzero(result.status == Status.CONVERGED)
        labels[rows] = self.atlas.match(ends.invariants[rows])
        rows = rows[labels[rows] < 0]
        if len(rows):
            labels[rows] = self._discover(theta0[rows], result.theta[rows])
        counted = labels[labels >= 0]
        for label in counted:
            self.atlas.counts[label] += 1
        return labels

    def _discover(self, theta0, theta):
        """Describe points that match no known set."""
        done = run_batches(
            describe_new,
            lambda rows: (self.loss, theta0[rows], theta[rows], self.max_directions),
            *theta.shape,
            **{**self.options, "batch_size": _CHUNK},
        )
        parts, directions = zip(*done, strict=True)
        directions = [pair for part in directions for pair in part]
        labels, leaders = self.atlas.add(type(parts[0]).concatenate(parts))
        for leader in leaders:
            self.frontier.add(*directions[leader])
        return labels
