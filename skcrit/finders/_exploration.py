"""What a landscape explorer knows, and where it searches next."""

import heapq
from dataclasses import dataclass, field

import numpy as np

from skcrit._backend import to_host
from skcrit.finders._characterize import Characters, characterize
from skcrit.finders._grouping import group_points
from skcrit.losses.symmetries import rescaled

__all__ = ["Atlas", "Ends", "Frontier", "describe_new", "solve_batch"]

# Points whose invariants agree to this fraction of their scale with those of a known
# set belong to it, whatever is known of their errors.
_SAME = 1e-6

# Eigenvalues below this part of the largest belong to symmetries; those that agree to
# this part have equivalent eigenvectors.
_NULL = 1e-6

# Random directions in the kernel of the Hessian, per set.
_N_FLAT = 16


@dataclass
class Ends:
    """End points of a batch of searches, one row each.

    Attributes
    ----------
    invariants : ndarray of shape (n, n_invariants)
        Invariants of the rescaled points.
    squared_balanced_grad_norm : ndarray of shape (n,)
        Squared gradient norms there.
    """

    invariants: np.ndarray
    squared_balanced_grad_norm: np.ndarray

    @staticmethod
    def concatenate(parts):
        """Join batches.

        Parameters
        ----------
        parts : sequence of Ends
            At least one batch.

        Returns
        -------
        ends : Ends
            All rows, in the order of the batches.
        """
        names = ("invariants", "squared_balanced_grad_norm")
        return Ends(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))


def solve_batch(solver, loss, theta0):
    """Solve a batch and name its ends by their invariants; what the cache keeps.

    Parameters
    ----------
    solver : Solver
        Local search.
    loss : Loss
        Fitted loss.
    theta0 : ndarray of shape (n, n_params)
        Starting points.

    Returns
    -------
    outcome : list of one tuple of (SolverResult, Ends)
        The results, in the form that batches are joined in.
    """
    result = solver.solve(loss, theta0)
    scaled = rescaled(loss, result.theta)
    gradient = to_host(loss.gradient(scaled))
    ends = Ends(to_host(loss.invariants(scaled)), np.sum(gradient**2, axis=-1))
    return [(result, ends)]


def describe_new(loss, theta0, theta, max_directions):
    """Describe points that may be new sets, and the directions that lead away.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta0, theta : ndarray of shape (n, n_params)
        Where their searches began and ended.
    max_directions : int or None
        Largest number of directions per point.

    Returns
    -------
    characters : Characters
        A row per point.
    directions : list of tuple of (ndarray, int)
        Per point unit vectors in rows, in the order to try them, and how many of them
        are unstable.
    """
    modes, converged = {}, np.ones(len(theta), dtype=bool)
    characters = characterize(loss, theta0, theta, converged, modes)
    directions = []
    for row in range(len(theta)):
        values, vectors = modes[row]
        directions.append(_directions(values, vectors.T, max_directions))
    return characters, directions


def _directions(values, vectors, limit):
    """Order directions: unstable, stable, flat; weak before strong, each kind once."""
    size = np.abs(values)
    scale = size.max()
    unstable = np.flatnonzero(values < -_NULL * scale)
    stable = np.flatnonzero(values > _NULL * scale)
    order = []
    for rows in (unstable, stable):
        rows = rows[np.argsort(size[rows], kind="stable")]
        # Eigenvectors of one eigenvalue lead to the same sets by symmetry: one of each
        # first, their likes afterwards.
        first = np.diff(size[rows], prepend=-np.inf) > _NULL * scale
        order += [rows[first], rows[~first]]
    # Single precision is plenty for a displacement, and the store is large.
    chosen = np.concatenate([vectors[np.concatenate(order)], _flat(values, vectors)])
    chosen = chosen[:limit].astype(np.float32)
    return chosen, min(len(unstable), len(chosen))


def _flat(values, vectors):
    """Draw directions in the kernel: a degenerate saddle has no unstable ones."""
    kernel = vectors[np.abs(values) <= _NULL * np.abs(values).max()]
    weights = np.random.default_rng(0).standard_normal((_N_FLAT, len(kernel)))
    drawn = weights @ kernel
    return drawn / np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-300)


@dataclass
class Atlas:
    """All critical sets found so far, in the order of discovery.

    Parameters
    ----------
    scale : float
        Typical norm of invariants, where the searches began.
    """

    scale: float
    parts: list = field(default_factory=list)
    counts: list = field(default_factory=list)
    _points: np.ndarray | None = None
    _invariants: np.ndarray | None = None
    _radius: np.ndarray | None = None

    def __len__(self):
        return len(self.counts)

    @property
    def characters(self):
        """Descriptions of all sets."""
        return Characters.concatenate(self.parts)

    def points(self, labels):
        """Return the rescaled points of sets.

        Parameters
        ----------
        labels : list of int
            Numbers of the sets.

        Returns
        -------
        points : ndarray of shape (n, n_params)
            Points.
        """
        return self._points[labels]

    def match(self, invariants):
        """Find the known set of each point.

        Parameters
        ----------
        invariants : ndarray of shape (n, n_invariants)
            Invariants of points.

        Returns
        -------
        labels : ndarray of int of shape (n,)
            Numbers of the sets, -1 where a point belongs to none.
        """
        labels = np.full(len(invariants), -1)
        if not self.counts or len(invariants) == 0:
            return labels
        known = self._invariants
        # The nearest by expanded squares, its distance without cancellation.
        squares = np.sum(known**2, axis=1) - 2 * (invariants @ known.T)
        nearest = np.argmin(squares, axis=1)
        distance = np.linalg.norm(known[nearest] - invariants, axis=1)
        same = distance <= self._radius[nearest]
        labels[same] = nearest[same]
        return labels

    def add(self, characters):
        """Add those of several points that are new sets.

        Parameters
        ----------
        characters : Characters
            Descriptions of points that match no known set.

        Returns
        -------
        labels : ndarray of int of shape (n,)
            Set of each point.
        leaders : ndarray of int of shape (n_new,)
            Points that stand for the new sets, in the order of their numbers.
        """
        groups, leaders = group_points(
            characters.invariants,
            characters.uncertainty,
            characters.squared_balanced_grad_norm,
            scale=self.scale,
        )
        # After the correction a point may turn out to be known.
        known = self.match(characters.invariants[leaders])
        order = np.argsort(leaders)
        fresh = [g for g in order if known[g] < 0]
        number = known.copy()
        number[fresh] = len(self) + np.arange(len(fresh))
        leaders = leaders[fresh]
        if len(leaders):
            part = _rows(characters, leaders)
            self.parts.append(part)
            self.counts += [0] * len(leaders)
            radius = np.clip(part.uncertainty, _SAME * self.scale, 1e-3 * self.scale)
            self._points = _join(self._points, part.point)
            self._invariants = _join(self._invariants, part.invariants)
            self._radius = _join(self._radius, 2 * radius)
        return number[groups], leaders


class Frontier:
    """Untried displacements, in stages: unstable directions, the others, and again.

    Within a stage those of the sets with the fewest tries go first, of these the
    newest set's. A set tries every direction of a stage one way, then the other way.

    Parameters
    ----------
    n_passes : int
        How often every direction is tried each way.
    """

    def __init__(self, n_passes):
        self.n_passes = n_passes
        self._heap, self._directions = [], []

    def add(self, directions, n_unstable):
        """Take up the next set.

        Parameters
        ----------
        directions : ndarray of shape (n_directions, n_params)
            Unit vectors, in the order to try them.
        n_unstable : int
            How many of them are unstable.
        """
        label = len(self._directions)
        self._directions.append((directions, n_unstable))
        self._push(label, 0, 0)

    def _range(self, label, stage):
        """Return the first direction of a stage, and how many it has."""
        directions, n_unstable = self._directions[label]
        if stage % 2 == 0:
            return 0, n_unstable
        return n_unstable, len(directions) - n_unstable

    def _push(self, label, stage, tries):
        while stage < 2 * self.n_passes:
            if tries < 2 * self._range(label, stage)[1]:
                heapq.heappush(self._heap, (stage, tries, -label))
                return
            stage, tries = stage + 1, 0

    def pop(self, n_tasks):
        """Take the next displacements.

        Parameters
        ----------
        n_tasks : int
            Largest number of them.

        Returns
        -------
        tasks : list of tuple of (int, int, int, ndarray)
            Set, number of the direction, sign and unit vector.
        """
        tasks = []
        while self._heap and len(tasks) < n_tasks:
            stage, tries, minus_label = heapq.heappop(self._heap)
            label = -minus_label
            begin, n = self._range(label, stage)
            turn, step = divmod(tries, n)
            direction = begin + step
            sign = (-1) ** (turn + label + direction)
            vector = self._directions[label][0][direction]
            tasks.append((label, direction, sign, vector))
            self._push(label, stage, tries + 1)
        return tasks


def _rows(characters, rows):
    """Select rows of descriptions."""
    return Characters(**{k: v[rows] for k, v in vars(characters).items()})


def _join(array, more):
    """Append rows; None is empty."""
    return more if array is None else np.concatenate([array, more])
