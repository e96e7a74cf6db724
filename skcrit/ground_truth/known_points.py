"""Any list of known critical points as a ground truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from skcrit._backend import to_host
from skcrit._typing import Array, ArrayLike, FloatArray, IntArray, RandomState
from skcrit.ground_truth._point_checks import (
    check_inertia,
    check_listed,
    check_losses,
    check_names,
    check_own_loss,
    check_points,
    check_radius,
    invariants_at,
    separate,
)
from skcrit.ground_truth.base import (
    PRECISIONS,
    Match,
    NamedSets,
    check_grad_norm,
    check_theta,
)
from skcrit.utils._arguments import (
    check_choice,
    check_int,
    check_number,
    check_seed,
    shown,
)

# A point belongs to the nearest set up to this fraction of the distance from there to
# the next one.
_REACH = 0.1

# Rounding of a loss, in units of eps times the largest known loss.
_ROUNDING = 100.0

# Sets can be distinguished up to this fraction of the gradient norm between them.
_BETWEEN = 0.1


class KnownPoints(NamedSets):
    """A list of known critical points, as a ground truth for the scores of searches.

    Each point stands for one *critical set*: the point, or all that the symmetries of
    the loss reach from it. The list should be complete, at least for some Morse indices
    (``listed_indices``): a search that ends at another critical point counts as a miss.

    Parameters
    ----------
    points : array-like of shape (n_sets, n_params)
        One critical point of each set.
    morse_indices : array-like of int of shape (n_sets,), default=None
        Number of negative Hessian eigenvalues at each point. -1 or None means unknown;
        then every index that a finder reports as known is accepted.
    losses : array-like of shape (n_sets,), default=None
        Loss at each point. None uses the values of ``loss``, which must then be given.
    nullities : array-like of int of shape (n_sets,), default=None
        Number of zero Hessian eigenvalues at each point; -1 or None means unknown.
    loss : Loss, default=None
        The fitted loss. It provides ``losses``, ``invariants`` and ``resolution`` if
        these are None, and the loss at the points that are matched.
    invariants : callable, default=None
        ``invariants(theta)`` maps (n_points, n_params) to (n_points, n_invariants):
        continuous functions that are the same at all points of a set and differ between
        sets, in a unit comparable to that of ``theta``. None takes those of ``loss``,
        or without one ``theta`` itself.
    names : sequence of str, default=None
        Distinct names of the sets; None is their numbers 0, 1, ...
    radius : float or array-like of shape (n_sets,), default=None
        Distance in the invariants up to which a point belongs to a set. None is a tenth
        of the distance to the nearest other known point; for a single set a tenth of
        ``loss.length_scale()``, or 0.1 without a loss.
    resolution : float, default=None
        Largest gradient norm, at rescaled points, at which sets can be distinguished.
        If it is None and there is a loss, the largest gradient norm is computed between
        each point and the nearest other one (at a quarter, a half and three quarters of
        the distance), and a tenth of the smallest of these is used; for a single set it
        is infinite. Without a loss it is NaN, unknown.
    listed_indices : sequence of int, default=None
        Morse indices of which the list has every set, such as ``(0,)`` for a list of
        all minima; None is all indices. Searches that report a critical point of
        another index, near no set of the list, are not judged.

    Attributes
    ----------
    points : ndarray of shape (n_sets, n_params)
        The points.
    names : list
        Names of the sets.
    n_sets, n_params : int
        Number of sets, and length of a point.
    radius : ndarray of shape (n_sets,)
        Distance up to which a point belongs to each set.
    resolution : float
        See the parameter.
    listed_indices : tuple of int or None
        See the parameter.

    Raises
    ------
    ValueError
        If an argument has the wrong shape or impossible values, neither ``losses`` nor
        ``loss`` is given, or two of the points have the same invariants.

    See Also
    --------
    skcrit.FunctionLoss : Takes one as ``ground_truth``.
    skcrit.metrics.judge : Takes one as ``truth``.

    Examples
    --------
    The minima and the saddle of a double well:

    >>> import numpy as np
    >>> from skcrit import FunctionLoss, KnownPoints, NewtonMRFinder
    >>> from skcrit.metrics import recovery_coverage
    >>> known = KnownPoints([[-1], [0], [1]], [0, 1, 0], losses=[0, 1, 0])
    >>> well = FunctionLoss(
    ...     value=lambda t: (t[..., 0] ** 2 - 1) ** 2,
    ...     gradient=lambda t: 4 * t * (t**2 - 1),
    ...     n_params=1,
    ...     ground_truth=known,
    ... ).fit()
    >>> init = np.linspace(-1.2, 1.2, 20)[:, None]
    >>> finder = NewtonMRFinder(init=init, n_starts=20).fit(well)
    >>> recovery_coverage(finder)
    1.0
    """

    def __init__(
        self,
        points: ArrayLike,
        morse_indices: ArrayLike | None = None,
        *,
        losses: ArrayLike | None = None,
        nullities: ArrayLike | None = None,
        loss: Any = None,
        invariants: Callable[[Array], Array] | None = None,
        names: Sequence[str] | None = None,
        radius: ArrayLike | None = None,
        resolution: float | None = None,
        listed_indices: Sequence[int] | None = None,
    ) -> None:
        self.points = check_points(points)
        self.n_sets, self.n_params = self.points.shape
        self._loss = check_own_loss(loss, self.n_params)
        self._losses = check_losses(losses, self._loss, self.points)
        shape = self.points.shape
        self._indices, self._nullities = check_inertia(morse_indices, nullities, shape)
        self.names = check_names(names, self.n_sets)
        self.listed_indices = check_listed(listed_indices, self.n_params)
        self._row_of = {name: row for row, name in enumerate(self.names)}
        if invariants is not None and not callable(invariants):
            raise ValueError(f"invariants must be callable, got {shown(invariants)}.")
        self._invariants = invariants
        self._known = self._invariants_of(self.points)
        separation, neighbour = separate(self._known)
        self.radius = check_radius(radius, self.n_sets)
        if radius is None:
            self.radius = _REACH * separation
        if radius is None and self.n_sets == 1:
            length = getattr(self._loss, "length_scale", lambda: 1.0)()
            self.radius = np.full(1, _REACH * length)
        self.resolution = self._check_resolution(resolution, neighbour)

    def match(
        self,
        theta: ArrayLike,
        *,
        grad_norm: ArrayLike | None = None,
        dtype: str = "float64",
    ) -> Match:
        """Find the known critical set nearest to each point.

        A point is "identified" if it lies within the ``radius`` of exactly one set, and
        otherwise "ambiguous". By default the radius is small compared with the distance
        from the set to any other.

        Parameters
        ----------
        theta : array-like of shape (..., n_params)
            Points. Those that are not finite match nothing.
        grad_norm : array-like of shape (...,), default=None
            Norms of the gradient at the points, None for zero. Without ``loss``, they
            determine how far the loss at a point can be from that of the set.
        dtype : {"float64", "float32"}, default="float64"
            Precision in which losses were computed.

        Returns
        -------
        match : Match
            Arrays with the leading shape of ``theta``; Python scalars for one vector.
            ``distance`` is that of the invariants. ``loss_tolerance`` is twice the
            difference between the loss at the point and that of the set, or without a
            loss twice the gradient norm times the distance; and rounding.
        """
        theta = check_theta(theta, self.n_params)
        shape, flat = theta.shape[:-1], theta.reshape(-1, self.n_params)
        norms = check_grad_norm(grad_norm, shape)
        dtype = check_choice(dtype, "dtype", PRECISIONS)
        finite = np.all(np.isfinite(flat), axis=1)
        safe = np.where(finite[:, None], flat, 0.0)
        values = self._invariants_of(safe)
        finite &= np.all(np.isfinite(values), axis=1)
        distances = cdist(np.where(finite[:, None], values, 0.0), self._known)
        nearest = np.argmin(distances, axis=1)
        rows = np.arange(len(flat))
        distance = distances[rows, nearest]
        inside = distances <= self.radius
        known = finite & inside[rows, nearest] & (inside.sum(axis=1) == 1)
        distances[rows, nearest] = np.inf
        next_one = np.min(distances, axis=1, initial=np.inf)
        names = np.empty(len(flat), dtype=object)
        names[:] = [self.names[row] for row in nearest]
        index = np.where(finite, self._indices[nearest], -1)
        tolerance = self._tolerance(safe, nearest, norms, distance, dtype)
        columns = {
            "set": names,
            "distance": np.where(finite, distance, np.inf),
            "margin": np.where(finite, next_one**2 - distance**2, 0.0),
            "status": np.where(known, "identified", "ambiguous"),
            "loss": np.where(finite, self._losses[nearest], np.nan),
            "loss_tolerance": np.where(finite, tolerance, np.inf),
            "morse_index": index,
            "least_index": np.maximum(index, 0),
        }
        return Match.from_columns(columns, shape)

    def all_sets(self, max_sets: int = 10**6) -> list[Any]:  # noqa: D102 (documented in GroundTruth)
        if self.n_sets > check_int(max_sets, "max_sets"):
            raise ValueError(
                f"max_sets={max_sets} is too small to list all {self.n_sets} sets."
            )
        return list(self.names)

    def sample_sets(self, n: int, random_state: RandomState = None) -> list[Any]:  # noqa: D102
        rows = check_seed(random_state).randint(self.n_sets, size=check_int(n, "n"))
        return [self.names[row] for row in rows]

    def losses(self, sets: Any) -> FloatArray:  # noqa: D102
        return self._losses[self._find(sets)]

    def morse_indices(self, sets: Any) -> IntArray:  # noqa: D102
        return self._indices[self._find(sets)]

    def nullities(self, sets: Any) -> IntArray:  # noqa: D102
        return self._nullities[self._find(sets)]

    def to_dict(self, sets: Any = None, max_sets: int = 10**6) -> dict[str, Any]:  # noqa: D102
        sets = self.all_sets(max_sets) if sets is None else sets
        rows = np.atleast_1d(self._find(sets))
        index = self._indices[rows]
        return {
            "set": [self.names[row] for row in rows],
            "loss": self._losses[rows],
            "morse_index": index,
            "index_fraction": np.where(index >= 0, index / self.n_params, np.nan),
            "nullity": self._nullities[rows],
        }

    def __repr__(self) -> str:
        return f"KnownPoints(n_sets={self.n_sets}, n_params={self.n_params})"

    def _find(self, sets: Any) -> Any:
        """Return the rows of sets, an int for one name."""
        try:
            if isinstance(sets, str | int | np.integer):
                return self._row_of[sets]
            return np.array([self._row_of[name] for name in sets], dtype=np.intp)
        except (KeyError, TypeError):
            raise ValueError(
                f"sets must be names of known points, such as {self.names[0]!r}, got "
                f"{shown(sets)}."
            ) from None

    def _invariants_of(self, theta: FloatArray) -> FloatArray:
        """Compute invariants (n, n_invariants) of points (n, n_params)."""
        function = self._invariants or getattr(self._loss, "invariants", None)
        if function is None:
            return theta
        return invariants_at(function, theta)

    def _tolerance(
        self, theta: Array, nearest: Array, norms: Array, distance: Array, dtype: str
    ) -> FloatArray:
        """Bound the difference of the losses of points and of their nearest sets."""
        rounding = _ROUNDING * np.finfo(dtype).eps * np.max(np.abs(self._losses))
        with np.errstate(over="ignore", invalid="ignore"):
            if self._loss is None:
                # Between a critical point and a point nearby the gradient is largest at
                # the latter.
                difference = np.where(distance > 0, norms * distance, 0.0)
            else:
                values = np.asarray(to_host(self._loss.value(theta)), dtype=float)
                difference = np.abs(values - self._losses[nearest])
            return 2 * difference + rounding

    def _check_resolution(self, resolution: Any, neighbour: IntArray) -> float:
        """Return the resolution that was given, or estimate it from gradients."""
        if resolution is not None:
            return check_number(resolution, "resolution", 0, closed="both")
        if self._loss is None:
            return float("nan")
        if self.n_sets == 1:
            return float("inf")
        parts = np.array([0.25, 0.5, 0.75])[:, None, None]
        between = self.points + parts * (self.points[neighbour] - self.points)
        gradient = np.asarray(to_host(self._loss.gradient(between)), dtype=float)
        norms = np.linalg.norm(gradient, axis=-1)
        return float(_BETWEEN * np.min(np.max(norms, axis=0)))
