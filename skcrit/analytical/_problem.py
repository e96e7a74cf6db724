"""What the formulas need to know: eigenpairs, widths, penalty, clusters."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skcrit.analytical._eigenvalues import cluster_sizes
from skcrit.exceptions import NoGroundTruthError
from skcrit.utils._arguments import is_number, shown

__all__ = ["Problem", "check_penalty"]


@dataclass(frozen=True, eq=False)
class Problem:
    """A linear autoencoder and the spectrum of its data, as the formulas see them.

    *Admissible* eigenvalues are those that a critical set can use: the positive ones,
    and with the penalty "sum" those above ``tau`` (Kunin et al. 2019).

    Parameters
    ----------
    eigenvalues : ndarray of shape (n_features,)
        Cleaned eigenvalues, descending.
    eigenvectors : ndarray of shape (n_features, n_features)
        Eigenvectors, as columns.
    hidden_layer_sizes : tuple of int
        Widths of the hidden layers.
    alpha : float
        Weight of the penalty.
    penalty : {"sum", "product"}
        What the penalty acts on.
    """

    eigenvalues: np.ndarray
    eigenvectors: np.ndarray
    hidden_layer_sizes: tuple
    alpha: float
    penalty: str

    @property
    def n_features(self):
        """Number of features."""
        return self.eigenvalues.shape[0]

    @property
    def depth(self):
        """Number of weight matrices."""
        return len(self.hidden_layer_sizes) + 1

    @property
    def layer_sizes(self):
        """Widths from the input to the output."""
        return (self.n_features, *self.hidden_layer_sizes, self.n_features)

    @cached_property
    def n_params(self):
        """Number of weights."""
        sizes = self.layer_sizes
        return sum(a * b for a, b in zip(sizes[1:], sizes[:-1], strict=True))

    @property
    def bottleneck(self):
        """Smallest width, p."""
        return min(self.hidden_layer_sizes)

    @property
    def tau(self):
        """Threshold of the penalty on the scale of the eigenvalues."""
        return self.alpha * self.n_features

    @property
    def tau_sum(self):
        """The threshold if the penalty is on the weights, else 0."""
        return self.tau if self.penalty == "sum" else 0.0

    @property
    def tau_product(self):
        """The threshold if the penalty is on the end-to-end matrix, else 0."""
        return self.tau if self.penalty == "product" else 0.0

    @cached_property
    def rank(self):
        """Number of positive eigenvalues."""
        return int(np.count_nonzero(self.eigenvalues > 0))

    @cached_property
    def n_admissible(self):
        """Number of eigenvalues that a critical set can use."""
        return int(np.count_nonzero(self.eigenvalues > self.tau_sum))

    @cached_property
    def n_at_threshold(self):
        """Number of eigenvalues equal to a positive threshold (degenerate)."""
        at = (self.eigenvalues == self.tau_sum) & (self.tau_sum > 0)
        return int(np.count_nonzero(at))

    @cached_property
    def multiplicities(self):
        """Multiplicities of the distinct admissible eigenvalues, (n_distinct,)."""
        return cluster_sizes(self.eigenvalues[: self.n_admissible])

    @cached_property
    def cluster_starts(self):
        """First index of each cluster, (n_distinct,)."""
        return np.cumsum(self.multiplicities) - self.multiplicities

    @cached_property
    def cluster_of(self):
        """Cluster of each admissible index, (n_admissible,)."""
        return np.repeat(np.arange(self.multiplicities.size), self.multiplicities)

    @cached_property
    def position(self):
        """Position of each admissible index inside its cluster, (n_admissible,)."""
        return np.arange(self.n_admissible) - self.cluster_starts[self.cluster_of]

    @cached_property
    def distinct(self):
        """Distinct admissible eigenvalues, descending, (n_distinct,)."""
        return self.eigenvalues[self.cluster_starts]

    @cached_property
    def min_gap(self):
        """Smallest gap between distinct admissible eigenvalues, inf without one."""
        gaps = self.distinct[:-1] - self.distinct[1:]
        return float(np.min(gaps, initial=np.inf))

    @cached_property
    def max_rank(self):
        """Largest rank of a critical set."""
        return min(self.bottleneck, self.n_admissible)

    @cached_property
    def singular_values(self):
        """Singular values s_i of the end-to-end matrix if i is used, (n_admissible,).

        1 without a penalty, 1 - tau/lambda with "sum", lambda/(lambda + tau) with
        "product" (Kunin et al. 2019).
        """
        lam = self.eigenvalues[: self.n_admissible]
        return (lam - self.tau_sum) / (lam + self.tau_product)

    def masks(self, counts):
        """Turn multiplicity vectors into canonical masks.

        Parameters
        ----------
        counts : ndarray of shape (n_sets, n_distinct)
            Multiplicity vectors.

        Returns
        -------
        masks : ndarray of shape (n_sets, n_features), dtype bool
            True at the indices of the canonical name.
        """
        masks = np.zeros((counts.shape[0], self.n_features), dtype=bool)
        masks[:, : self.n_admissible] = self.position < counts[:, self.cluster_of]
        return masks

    def counts(self, masks):
        """Turn masks over the admissible indices into multiplicity vectors.

        Parameters
        ----------
        masks : ndarray of shape (n_sets, n_features), dtype bool
            True at the indices of a set.

        Returns
        -------
        counts : ndarray of shape (n_sets, n_distinct), dtype int64
            Multiplicity vectors.
        """
        if self.n_admissible == 0:
            return np.zeros((masks.shape[0], 0), dtype=np.int64)
        inside = masks[:, : self.n_admissible]
        if self.multiplicities.size == self.n_admissible:
            return inside.astype(np.int64)
        return np.add.reduceat(inside, self.cluster_starts, axis=1, dtype=np.int64)


def check_penalty(alpha, penalty, depth):
    """Check the penalty against what is known in closed form.

    Parameters
    ----------
    alpha : float
        Weight of the penalty.
    penalty : {"sum", "product"}
        What the penalty acts on.
    depth : int
        Number of weight matrices.

    Returns
    -------
    alpha : float
        The weight as a Python float.

    Raises
    ------
    ValueError
        If ``alpha`` is negative or not finite, or ``penalty`` is unknown.
    NoGroundTruthError
        If ``alpha`` is positive and there are three or more weight matrices.
    """
    if not isinstance(penalty, str) or penalty not in {"sum", "product"}:
        raise ValueError(f"penalty must be 'sum' or 'product', got {shown(penalty)}.")
    if not is_number(alpha, 0):
        raise ValueError(f"alpha must be a finite number >= 0, got {shown(alpha)}.")
    if alpha > 0 and depth > 2:
        raise NoGroundTruthError(
            "the critical points of a penalised linear autoencoder are known in closed "
            f"form for one hidden layer only: expected alpha=0, got alpha={alpha} with "
            f"{depth - 1} hidden layers."
        )
    return float(alpha)
