"""The critical sets of a linear network: names, numbers, closed forms, matching."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from skcrit._tables import html_table
from skcrit._typing import ArrayLike, FloatArray, IntArray, RandomState, Sets
from skcrit.ground_truth._counting import (
    iterate_names,
    sample_counts,
    suffix_counts,
    tally_indices,
)
from skcrit.ground_truth._identification import LinearMatch, match_points, resolution
from skcrit.ground_truth._names import parse_one, parse_sets, to_names
from skcrit.ground_truth._representatives import random_source, representative
from skcrit.ground_truth.base import PRECISIONS, NamedSets, check_grad_norm, check_theta
from skcrit.utils._arguments import check_choice, check_int, check_number, shown

if TYPE_CHECKING:
    from skcrit.ground_truth._problem import Problem

# How many sets a notebook shows, and the most from which they are chosen.
_N_SHOWN, _MAX_SHOWN_FROM = 10, 10_000


class LinearSpectrum(NamedSets):
    """The critical sets of a linear network, by name.

    :class:`~skcrit.AnalyticalSpectrum` explains the names of sets and ``kind``.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum, validated.
    """

    def __init__(self, problem: Problem) -> None:
        if not hasattr(problem, "layer_sizes"):
            raise TypeError(
                f"problem must be the description of a network, got {shown(problem)}. "
                "Write AnalyticalSpectrum.from_eigenvalues(eigenvalues, "
                "hidden_layer_sizes), or loss.analytical_spectrum()."
            )
        self._problem = problem
        self.eigenvalues = problem.eigenvalues.copy()
        self.eigenvectors = problem.outputs.copy()
        self.hidden_layer_sizes = problem.layer_sizes[1:-1]
        self.n_params = problem.n_params
        self.depth = problem.depth
        self.rank = problem.rank
        self.smallest_positive = float(problem.eigenvalues[problem.rank - 1])
        gaps = problem.distinct[:-1] - problem.distinct[1:]
        self.min_gap = float(np.min(gaps, initial=np.inf))
        self.resolution = resolution(problem) * problem.grad_factor

    @property
    def max_rank(self) -> int:
        """Largest number of indices of a set."""
        return self._problem.max_rank

    @property
    def multiplicities(self) -> IntArray:
        """Multiplicities of the distinct eigenvalues that sets can use, descending."""
        return self._problem.multiplicities.copy()

    @property
    def n_sets(self) -> int:
        """Exact number of critical sets, a Python integer; nothing is enumerated."""
        return suffix_counts(self._problem.multiplicities, self.max_rank)[0][-1]

    def index_histogram(self, kind: str = "balanced") -> dict[int, int]:
        """Count the critical sets of each Morse index, without enumerating them.

        Parameters
        ----------
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network.

        Returns
        -------
        histogram : dict of int to int
            Exact numbers of sets, in ascending order of the index.
        """
        free = self._problem.n_passed(np.zeros(1, dtype=np.int64), kind)[0] > 0
        return tally_indices(
            self._problem.multiplicities, self._problem.bottleneck, bool(free)
        )

    def index_sets(self, max_sets: int | None = None) -> Iterator[tuple[int, ...]]:
        """Iterate over all critical sets, by rank and then in lexicographic order.

        Parameters
        ----------
        max_sets : int, default=None
            Refuse to start if there are more sets; None never refuses.

        Returns
        -------
        names : iterator of tuple of int
            Canonical names, made one at a time.

        Raises
        ------
        ValueError
            If there are more than ``max_sets`` sets.
        """
        n_sets = self.n_sets
        if max_sets is not None and n_sets > check_int(max_sets, "max_sets"):
            raise ValueError(
                f"max_sets={max_sets} is too small to list all {n_sets} critical sets: "
                "use sample_sets(n), index_histogram(), or raise max_sets."
            )
        return (
            name
            for rank in range(self.max_rank + 1)
            for name in iterate_names(self._problem.multiplicities, rank)
        )

    def all_sets(self, max_sets: int = 10**6) -> list[tuple[int, ...]]:  # noqa: D102 (documented in GroundTruth)
        return list(self.index_sets(check_int(max_sets, "max_sets")))

    def sample_sets(  # noqa: D102
        self, n: int, random_state: RandomState = None
    ) -> list[tuple[int, ...]]:
        problem, rng = self._problem, random_source(random_state)
        counts = sample_counts(
            problem.multiplicities, self.max_rank, check_int(n, "n"), rng
        )
        return to_names(problem.masks(counts))

    def canonical_set(self, index_set: Sequence[int]) -> tuple[int, ...]:
        """Return the canonical name of a set.

        Parameters
        ----------
        index_set : sequence of int
            Indices of distinct admissible eigenvalues, in any order.

        Returns
        -------
        name : tuple of int
            Sorted tuple with the first indices of each cluster.
        """
        return to_names(self._problem.masks(parse_one(self._problem, index_set)))[0]

    def multiplicity_vectors(self, sets: Sets) -> IntArray:
        """Return how many directions of each eigenspace the sets use.

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool
            Critical sets.

        Returns
        -------
        counts : ndarray of shape (n_sets, n_distinct), dtype int64
            Columns in descending order of the eigenvalue.
        """
        return self._per_set(sets, lambda counts, q: counts)

    def losses(self, sets: Sets) -> FloatArray:  # noqa: D102
        return self._per_set(sets, lambda counts, q: self._problem.losses(counts))

    def morse_indices(self, sets: Sets, kind: str = "balanced") -> IntArray:
        """Count the negative Hessian eigenvalues: inversions plus (q - k)(r - k).

        k is the rank of the set and r the number of eigenvalues that sets can use. With
        one hidden layer q is its width p, and the index is the same at every point of
        the set. In deeper networks q is k at "balanced" points and p at "open" ones.

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool
            Critical sets.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network.

        Returns
        -------
        morse_indices : ndarray of shape (n_sets,), dtype int64
            Morse indices.
        """
        return self._per_set(sets, self._problem.morse_indices, kind)

    def index_fractions(self, sets: Sets, kind: str = "balanced") -> FloatArray:
        """Divide the Morse indices by the number of parameters.

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool
            Critical sets.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network.

        Returns
        -------
        index_fractions : ndarray of shape (n_sets,)
            Fractions between 0 and 1.
        """
        return self.morse_indices(sets, kind) / self.n_params

    def nullities(self, sets: Sets, kind: str = "balanced") -> IntArray:
        """Count the zero Hessian eigenvalues.

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool
            Critical sets.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network.

        Returns
        -------
        nullities : ndarray of shape (n_sets,), dtype int64
            With one hidden layer the dimension of the set, except that with the penalty
            "product" and zero eigenvalues it is the nullity at the balanced point: such
            a set is not a manifold when k < p.
        """
        return self._per_set(sets, self._problem.nullities, kind)

    def to_dict(
        self, sets: Sets | None = None, max_sets: int = 10**6, kind: str = "balanced"
    ) -> dict[str, Any]:
        """Tabulate critical sets.

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool, default=None
            Critical sets; None is all of them.
        max_sets : int, default=10**6
            A ValueError refuses to tabulate all sets if there are more than this.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network.

        Returns
        -------
        table : dict of str to list or ndarray
            Columns of equal length for ``pandas.DataFrame``: "set" (canonical name),
            "rank", "loss", "morse_index", "index_fraction" and "nullity"; for
            autoencoders also "mu_min".
        """
        max_sets = check_int(max_sets, "max_sets")
        counts, _ = parse_sets(
            self._problem, self.all_sets(max_sets) if sets is None else sets
        )
        masks = self._problem.masks(counts)
        return {
            "set": to_names(masks),
            "rank": counts.sum(axis=1),
            "loss": self.losses(masks),
            "morse_index": self.morse_indices(masks, kind),
            "index_fraction": self.index_fractions(masks, kind),
            "nullity": self.nullities(masks, kind),
        }

    def representative(
        self,
        index_set: Sequence[int],
        random_state: RandomState = None,
        kind: str = "balanced",
    ) -> FloatArray:
        """Build weights on a critical set.

        Parameters
        ----------
        index_set : sequence of int
            One critical set.
        random_state : int, RandomState, Generator or None, default=None
            None gives the balanced point, at which all layers share the singular values
            of the end-to-end matrix. Otherwise the bases of the hidden layers change at
            random, with condition at most 100 (by rotations if the penalty is "sum"),
            and so do those of eigenspaces, and weights along directions without data.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network.

        Returns
        -------
        theta : ndarray of shape (n_params,)
            Concatenation of the row-major weight matrices, first layer first.
        """
        counts = parse_one(self._problem, index_set)
        q = self._problem.n_passed(counts.sum(axis=1), kind)
        rng = None if random_state is None else random_source(random_state)
        return representative(self._problem, counts[0], int(q[0]), rng)

    def match(
        self,
        theta: ArrayLike,
        *,
        grad_norm: ArrayLike | None = None,
        dtype: str = "float64",
        pivot_rtol: float = 1e-6,
    ) -> LinearMatch:
        """Identify the critical set nearest to each point.

        Only the end-to-end matrix W counts: the set is the exact minimiser of the
        distance over all sets. The gradient norm at the point itself cannot replace the
        balanced one, because W1 / t and t W2 can make it arbitrarily small far from any
        critical point.

        Parameters
        ----------
        theta : array-like of shape (..., n_params)
            Points. Those that are not finite match nothing.
        grad_norm : array-like of shape (...,), default=None
            Norms that the gradient may have at the points, None for zero. In networks
            of L > 2 layers a norm g allows weights up to (2 g / w)^(1/(L-1)) in the
            place of zeros of the critical point, w = 2 lambda / m for the smallest
            positive eigenvalue and m outputs. Only larger weights raise
            ``least_index``, and only weights below 1e-12 leave the index exact.
        dtype : {"float64", "float32"}, default="float64"
            Precision in which losses were computed, for ``loss_tolerance``.
        pivot_rtol : float, default=1e-6
            Tolerance of ``has_open_pivot`` at points without a gradient, used in deep
            networks only.

        Returns
        -------
        match : LinearMatch
            Arrays with the leading shape of ``theta``; Python scalars for one vector.

        Notes
        -----
        The cost is O(d^2 p) per point, batched. If k < p, ``theta`` need not be
        critical even if W is "identified": weights that do not contribute to W
        contribute to the gradient at the point itself.
        """
        theta = check_theta(theta, self.n_params)
        norms = check_grad_norm(grad_norm, theta.shape[:-1])
        dtype = check_choice(dtype, "dtype", PRECISIONS)
        pivot_rtol = check_number(pivot_rtol, "pivot_rtol", 0)
        return match_points(self._problem, theta, norms, dtype, pivot_rtol)

    def _per_set(self, sets: Any, function: Any, kind: str = "balanced") -> Any:
        """Call function(counts, q), which gives an array with a row per set."""
        counts, single = parse_sets(self._problem, sets)
        values = function(counts, self._problem.n_passed(counts.sum(axis=1), kind))
        return values[0] if single else values

    def __repr__(self) -> str:
        sizes = "-".join(str(h) for h in self._problem.layer_sizes)
        return (
            f"{type(self).__name__}({sizes}, rank={self.rank}{self._options()}, "
            f"n_sets={self.n_sets})"
        )

    def _options(self) -> str:
        """Return what else the text form of the spectrum says."""
        return ""

    def _repr_html_(self) -> str:
        # More sets than this take longer than a display may.
        if self.n_sets > _MAX_SHOWN_FROM:
            return f"<p>{escape(repr(self))}</p>"
        table = self.to_dict()
        lowest = np.argsort(table["loss"], kind="stable")[:_N_SHOWN]
        names = ("set", "loss", "morse_index", "nullity")
        rows = {name: [table[name][i] for i in lowest] for name in names}
        title = f"{self!r}, lowest losses first"
        return html_table(title, rows)
