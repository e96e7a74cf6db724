"""Naming, listing, counting and drawing of critical sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from skcrit._typing import FloatArray, RandomState, Sets
from skcrit.analytical._counting import (
    iterate_names,
    sample_counts,
    suffix_counts,
    tally_indices,
)
from skcrit.analytical._formulas import n_passed
from skcrit.analytical._names import parse_sets, to_names
from skcrit.utils._arguments import check_int, check_seed, is_int, shown

if TYPE_CHECKING:
    from skcrit.analytical._problem import Problem

__all__ = ["CriticalSets", "random_source"]


class CriticalSets:
    """The critical sets of a linear autoencoder, by name.

    A set is named by a sorted tuple of zero-based indices into the descending
    eigenvalues. Equal eigenvalues form clusters, of which a set uses some number each;
    its canonical name has the first indices of each cluster, and any other choice is
    accepted and means the same set. Indices of zero eigenvalues (with the penalty
    "sum": of eigenvalues up to ``tau``) name nothing and are refused.

    Methods that take ``sets`` take a list of tuples or a boolean mask of shape (n_sets,
    n_features) and return a row per set; one tuple of integers gives one number. What
    does not name a critical set raises a ValueError that says why.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem

    @property
    def max_rank(self) -> int:
        """Largest number of indices of a set."""
        return self._problem.max_rank

    @property
    def multiplicities(self) -> list[int]:
        """Multiplicities of the distinct admissible eigenvalues, descending."""
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
            Which critical points of a deep network, see ``morse_indices``.

        Returns
        -------
        histogram : dict of int to int
            Exact numbers of sets, in ascending order of the index.

        Notes
        -----
        With distinct eigenvalues this is the sum of q^((p-k)(r-k)) times the Gaussian
        binomial [r choose k] over k.
        """
        free = n_passed(self._problem, np.zeros(1, dtype=np.int64), kind)[0] > 0
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
                f"max_sets={max_sets} is too small to list all {n_sets} critical sets. "
                "Use sample_sets(n) for a uniform sample, index_histogram() for all "
                "indices, or raise max_sets."
            )
        return (
            name
            for rank in range(self.max_rank + 1)
            for name in iterate_names(self._problem.multiplicities, rank)
        )

    def all_sets(self, max_sets: int = 10**6) -> list[tuple[int, ...]]:
        """List all critical sets in the order of ``index_sets``.

        Parameters
        ----------
        max_sets : int, default=10**6
            A ValueError refuses to list more sets than this.

        Returns
        -------
        names : list of tuple of int
            Canonical names.
        """
        return list(self.index_sets(check_int(max_sets, "max_sets")))

    def sample_sets(
        self, n: int, random_state: RandomState = None
    ) -> list[tuple[int, ...]]:
        """Draw critical sets uniformly, independently and with replacement.

        Parameters
        ----------
        n : int
            Number of draws.
        random_state : int, RandomState, Generator or None, default=None
            Source of randomness; an int makes the draw reproducible.

        Returns
        -------
        names : list of tuple of int
            Canonical names. All sets have exactly the same probability, however many
            there are.

        Raises
        ------
        ValueError
            If ``n`` is negative.
        """
        if not is_int(n):
            raise ValueError(f"n must be a non-negative integer, got {shown(n)}.")
        problem = self._problem
        counts = sample_counts(
            problem.multiplicities, self.max_rank, int(n), random_source(random_state)
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
        return to_names(self._problem.masks(self._one(index_set)))[0]

    def multiplicity_vectors(self, sets: Sets) -> FloatArray:
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
        counts, single = parse_sets(self._problem, sets)
        return counts[0] if single else counts

    def _one(self, index_set):
        # Multiplicity vector of one set, as a single row.
        is_mask = isinstance(index_set, np.ndarray) and index_set.dtype == bool
        sets = index_set if is_mask else [index_set]
        counts, _ = parse_sets(self._problem, sets, "index_set")
        if len(counts) != 1:
            raise ValueError(f"index_set must be one set, got a mask of {len(counts)}.")
        return counts


def random_source(random_state):
    """Turn a seed into a source of random numbers.

    Parameters
    ----------
    random_state : int, RandomState, Generator or None
        Seed or source.

    Returns
    -------
    rng : numpy.random.RandomState or numpy.random.Generator
        Generators are passed through, the rest follows scikit-learn.
    """
    if isinstance(random_state, np.random.Generator):
        return random_state
    return check_seed(random_state)
