"""What is known of each critical set in closed form, vectorised over sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skcrit._typing import FloatArray, Sets
from skcrit.analytical._formulas import losses, morse_indices, n_passed, nullities
from skcrit.analytical._hessian import hessian_spectrum, min_moduli
from skcrit.analytical._names import parse_sets, to_names
from skcrit.analytical._sets import CriticalSets
from skcrit.utils._arguments import check_int, is_number, shown

__all__ = ["SetQuantities"]


class SetQuantities(CriticalSets):
    """Values, Morse indices, nullities and Hessian spectra of the critical sets.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum.
    """

    n_params: int

    def losses(self, sets: Sets) -> FloatArray:
        """Compute the critical values, penalty included.

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool
            Critical sets.

        Returns
        -------
        losses : ndarray of shape (n_sets,)
            Value of the loss on each set.
        """
        return self._per_set(sets, lambda counts, q: losses(self._problem, counts))

    def morse_indices(self, sets: Sets, kind: str = "balanced") -> FloatArray:
        """Count the negative Hessian eigenvalues: inversions plus (q - k)(r - k).

        k is the rank of the set and r the number of eigenvalues that sets can use. With
        one hidden layer q is its width p, and the index is the same at every point of
        the set. In deeper networks it depends on the point if k < min(p, r).

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool
            Critical sets.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network: "balanced" has middle layers of rank k (q =
            k: the index is the number of inversions, the smallest possible), "open" has
            middle layers of rank p (q = p: a strict saddle if k < min(p, r)). Without
            middle layers the two are the same.

        Returns
        -------
        morse_indices : ndarray of shape (n_sets,), dtype int64
            Morse indices.
        """
        return self._per_set(
            sets, lambda counts, q: morse_indices(self._problem, counts, q), kind
        )

    def index_fractions(self, sets: Sets, kind: str = "balanced") -> FloatArray:
        """Divide the Morse indices by the number of parameters.

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool
            Critical sets.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network, see ``morse_indices``.

        Returns
        -------
        index_fractions : ndarray of shape (n_sets,)
            Fractions between 0 and 1.
        """
        return self.morse_indices(sets, kind) / self.n_params

    def nullities(self, sets: Sets, kind: str = "balanced") -> FloatArray:
        """Count the zero Hessian eigenvalues.

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool
            Critical sets.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network, see ``morse_indices``.

        Returns
        -------
        nullities : ndarray of shape (n_sets,), dtype int64
            With one hidden layer the dimension of the set, except that with the penalty
            "product" and zero eigenvalues it is the nullity at the balanced point: such
            a set is not a manifold when k < p.
        """
        return self._per_set(
            sets, lambda counts, q: nullities(self._problem, counts, q), kind
        )

    def mu_min(self, sets: Sets, kind: str = "balanced") -> FloatArray:
        """Compute the smallest non-zero modulus of a Hessian eigenvalue.

        Taken at the balanced representative. A gradient must be well below it before a
        count of negative eigenvalues can be trusted.

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool
            Critical sets.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network, see ``morse_indices``.

        Returns
        -------
        mu_min : ndarray of shape (n_sets,)
            Moduli; infinite where the Hessian is zero.
        """
        problem = self._problem
        return self._per_set(
            sets,
            lambda counts, q: min_moduli(problem, problem.masks(counts), q),
            kind,
        )

    def hessian_spectrum(
        self, index_set: Sequence[int], kind: str = "balanced"
    ) -> FloatArray:
        """Compute all Hessian eigenvalues at the balanced representative of a set.

        Parameters
        ----------
        index_set : sequence of int
            One critical set.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network, see ``morse_indices``.

        Returns
        -------
        eigenvalues : ndarray of shape (n_params,)
            Ascending eigenvalues; zeros are exact. The inertia is that of the whole set
            (with one hidden layer), the eigenvalues are not, unless the penalty "sum"
            makes the set an orbit of isometries.
        """
        counts = self._one(index_set)
        q = n_passed(self._problem, counts.sum(axis=1), kind)
        return hessian_spectrum(
            self._problem, self._problem.masks(counts)[0], int(q[0])
        )

    def index_interval(
        self, index_set: Sequence[int], eps: float, kind: str = "balanced"
    ) -> tuple[int, int]:
        """Bound what counting eigenvalues can give at a finite accuracy.

        Parameters
        ----------
        index_set : sequence of int
            One critical set.
        eps : float
            Absolute accuracy of a Hessian eigenvalue.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network, see ``morse_indices``.

        Returns
        -------
        low : int
            Number of eigenvalues below -eps at the balanced representative.
        high : int
            Number of eigenvalues of at most eps.

        Raises
        ------
        ValueError
            If ``eps`` is negative or not a number.
        """
        if not is_number(eps, 0, closed="both"):
            raise ValueError(f"eps must be a number >= 0, got {shown(eps)}.")
        eps = float(eps)
        values = self.hessian_spectrum(index_set, kind)
        return int(np.sum(values < -eps)), int(np.sum(values <= eps))

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
            Which points of a deep network, see ``morse_indices``.

        Returns
        -------
        table : dict of str to list or ndarray
            Columns of equal length for ``pandas.DataFrame``: "set" (canonical name),
            "rank", "loss", "morse_index", "index_fraction", "nullity", "mu_min".
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
            "mu_min": self.mu_min(masks, kind),
        }

    def _per_set(self, sets, function, kind="balanced"):
        # function(counts, q) gives an array with a row per set.
        counts, single = parse_sets(self._problem, sets)
        values = function(counts, n_passed(self._problem, counts.sum(axis=1), kind))
        return values[0] if single else values
