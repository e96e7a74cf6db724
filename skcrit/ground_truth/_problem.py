"""A linear network in the coordinates in which its critical points are diagonal.

A *cluster* is a distinct eigenvalue e with its multiplicity m_e. A critical set is
named by its *counts*, the multiplicity vector (k_e) with 0 <= k_e <= m_e, or by a
*mask* over the eigenvalues. In the formulas k is the sum of a multiplicity vector, p
the bottleneck, r the number of eigenvalues that sets can use, and q the number of
hidden units that the middle layers pass on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.ground_truth._factors import layer_shapes
from skcrit.utils._arguments import shown


@dataclass(frozen=True, eq=False)
class Problem:
    """A linear network and the spectrum of its data, as the formulas use them.

    In the *coordinates* outputs^T W inputs of an end-to-end matrix W, the loss without
    a penalty on the weights is (1/m) tr[W diag(c) W^T - 2 diag(t) W^T] plus a constant,
    for m outputs; critical W are diagonal, with singular values s = t / c.

    An autoencoder has its eigenvectors as both bases, c = lambda + tau and t = lambda.
    With targets, the inputs are whitened: c is the square of ``scale`` and t = scale
    sqrt(lambda), for the eigenvalues lambda of Syx Sxx^+ Sxy. The largest s is 1.
    """

    eigenvalues: np.ndarray  # cleaned, descending
    outputs: np.ndarray  # orthonormal basis of the outputs, as columns
    # Rows of the first layer into coordinates, (n_inputs, n_columns), and back.
    inputs: np.ndarray
    directions: np.ndarray
    layer_sizes: tuple  # from the input to the output
    # Thresholds of a penalty on the weights, or on the end-to-end matrix, on the scale
    # of the eigenvalues; 0 without one.
    tau_sum: float = 0.0
    tau_product: float = 0.0
    scale: float | None = None  # of the targets; None for an autoencoder
    residual: float = 0.0  # part of m times the loss that no network explains
    # Directions of the inputs without data, as rows; None for an autoencoder's.
    null: np.ndarray | None = None
    # How the rounding error of the loss grows with W; None is the loss at the origin.
    growth: float | None = None
    # Least ratio of the gradient norm to that in the coordinates
    grad_factor: float = 1.0

    @cached_property
    def shapes(self) -> list[tuple[int, int]]:
        """Shapes (n_out, n_in) of the layers."""
        return layer_shapes(self.layer_sizes)

    @property
    def n_outputs(self) -> int:
        """Number of outputs, m."""
        return self.layer_sizes[-1]

    @property
    def depth(self) -> int:
        """Number of weight matrices, L."""
        return len(self.layer_sizes) - 1

    @property
    def n_params(self) -> int:
        """Number of weights."""
        return sum(a * b for a, b in self.shapes)

    @property
    def bottleneck(self) -> int:
        """Smallest width of a hidden layer, p."""
        return min(self.layer_sizes[1:-1])

    @cached_property
    def moments(self) -> FloatArray:
        """The numbers c, one per column of the inputs."""
        if self.scale is None:
            return self.eigenvalues + self.tau_product
        return np.full(self.inputs.shape[1], self.scale**2)

    @cached_property
    def cross(self) -> FloatArray:
        """The numbers t, one per output."""
        if self.scale is None:
            return self.eigenvalues
        return self.scale * np.sqrt(self.eigenvalues)

    @cached_property
    def rank(self) -> int:
        """Number of positive eigenvalues."""
        return int(np.count_nonzero(self.eigenvalues > 0))

    @property
    def n_seen(self) -> int:
        """Number of columns of the inputs that the data see; they come first."""
        return self.rank if self.scale is None else self.inputs.shape[1]

    @property
    def unseen(self) -> FloatArray:
        """Directions of the inputs that the data do not see, as rows."""
        return self.directions[self.rank :] if self.null is None else self.null

    @property
    def reach(self) -> float:
        """Largest distance at which a point can belong to a set."""
        # Half the distance between sets: with targets, that to the set without the
        # smallest singular value.
        if self.scale is None:
            return 0.5
        return 0.5 * np.min(self.singular_values, initial=1.0)

    @cached_property
    def n_admissible(self) -> int:
        """Number of eigenvalues that a critical set can use, r."""
        return int(np.count_nonzero(self.eigenvalues > self.tau_sum))

    @cached_property
    def n_at_threshold(self) -> int:
        """Number of eigenvalues equal to a positive threshold (degenerate)."""
        at = (self.eigenvalues == self.tau_sum) & (self.tau_sum > 0)
        return int(np.count_nonzero(at))

    @cached_property
    def multiplicities(self) -> IntArray:
        """Multiplicities m_e of the distinct admissible eigenvalues, (n_distinct,)."""
        lam = self.eigenvalues[: self.n_admissible]
        edges = np.flatnonzero(np.diff(lam, prepend=np.inf, append=-np.inf))
        return np.diff(edges)

    @cached_property
    def cluster_starts(self) -> IntArray:
        """First index of each cluster, (n_distinct,)."""
        return np.cumsum(self.multiplicities) - self.multiplicities

    @cached_property
    def cluster_of(self) -> IntArray:
        """Cluster of each admissible index, (n_admissible,)."""
        return np.repeat(np.arange(self.multiplicities.size), self.multiplicities)

    @cached_property
    def position(self) -> IntArray:
        """Position of each admissible index inside its cluster, (n_admissible,)."""
        return np.arange(self.n_admissible) - self.cluster_starts[self.cluster_of]

    @cached_property
    def distinct(self) -> FloatArray:
        """Distinct admissible eigenvalues, descending, (n_distinct,)."""
        return self.eigenvalues[self.cluster_starts]

    @cached_property
    def max_rank(self) -> int:
        """Largest rank of a critical set."""
        return min(self.bottleneck, self.n_admissible)

    @cached_property
    def singular_values(self) -> FloatArray:
        """Singular values s_i of the end-to-end matrix if i is used."""
        # For autoencoders 1 without a penalty, 1 - tau/lambda with "sum",
        # lambda/(lambda + tau) with "product" (Kunin et al. 2019).
        used = slice(self.n_admissible)
        return (self.cross[used] - self.tau_sum) / self.moments[used]

    def rounding(self, size: FloatArray) -> FloatArray:
        """Return the size of the terms of the loss where W has a given size."""
        at_origin = (self.eigenvalues.sum() + self.residual) / self.n_outputs
        growth = at_origin if self.growth is None else self.growth
        return at_origin + growth * size

    def masks(self, counts: IntArray) -> BoolArray:
        """Turn multiplicity vectors into masks of the canonical names."""
        masks = np.zeros((counts.shape[0], self.n_outputs), dtype=bool)
        masks[:, : self.n_admissible] = self.position < counts[:, self.cluster_of]
        return masks

    def counts(self, masks: BoolArray) -> IntArray:
        """Turn masks over the admissible indices into multiplicity vectors."""
        if self.n_admissible == 0:
            return np.zeros((masks.shape[0], 0), dtype=np.int64)
        inside = masks[:, : self.n_admissible]
        if self.multiplicities.size == self.n_admissible:
            return inside.astype(np.int64)
        return np.add.reduceat(inside, self.cluster_starts, axis=1, dtype=np.int64)

    def losses(self, counts: IntArray) -> FloatArray:
        """Compute the critical values."""
        # (1/m) times the sum of the eigenvalues that a set leaves out (Baldi & Hornik
        # 1989), plus what the penalty leaves of those it uses (Kunin et al. 2019).
        # Summing what remains, rather than subtracting, keeps small values accurate.
        lam = self.distinct
        # lambda - (lambda - tau)^2 / lambda, and lambda - lambda^2 / (lambda + tau).
        kept = self.tau_sum * (2 - self.tau_sum / lam)
        kept = kept + lam * self.tau_product / (lam + self.tau_product)
        never = np.sum(self.eigenvalues[self.n_admissible :])
        total = (self.multiplicities - counts) @ lam + counts @ kept + never
        total = total + self.residual
        return total / self.n_outputs

    def inversions(self, counts: IntArray) -> IntArray:
        """Count the pairs of a used eigenvalue and an unused strictly larger one."""
        unused = self.multiplicities - counts
        larger = np.cumsum(unused, axis=1) - unused
        return np.sum(counts * larger, axis=1)

    def n_passed(self, rank: IntArray, kind: str) -> IntArray:
        """Return q at the "balanced" or "open" points of sets of the given ranks."""
        if not isinstance(kind, str) or kind not in {"balanced", "open"}:
            raise ValueError(f"kind must be 'balanced' or 'open', got {shown(kind)}.")
        # With one hidden layer nothing lies between the two matrices.
        if self.depth == 2 or kind == "open":
            return np.full_like(rank, self.bottleneck)
        return rank

    def morse_indices(self, counts: IntArray, q: IntArray) -> IntArray:
        """Count the negative eigenvalues of the Hessian: inv + (q - k)(r - k)."""
        rank = counts.sum(axis=1)
        free = (q - rank) * (self.n_admissible - rank)
        return self.inversions(counts) + free

    def nullities(self, counts: IntArray, q: IntArray) -> IntArray:
        """Count the zero eigenvalues of the Hessian."""
        # Without a penalty and with one hidden layer this is the dimension of the set:
        # f is Morse-Bott.
        k = counts.sum(axis=1)
        p, m, r = self.bottleneck, self.n_outputs, self.n_admissible
        # Dimension of the product of Grassmannians Gr(k_e, m_e).
        turns = np.sum(counts * (self.multiplicities - counts), axis=1)
        if self.tau_sum > 0:
            # The Stiefel manifold V_k(R^p); an eigenvalue at the threshold makes the
            # free hidden units flat in one more direction each.
            stiefel = p * k - k * (k + 1) // 2
            return stiefel + turns + (p - k) * self.n_at_threshold
        # A penalty on the end-to-end matrix sees all columns.
        n = self.n_seen if self.tau_product == 0 else self.moments.size
        # All parameters, less the non-zero eigenvalues: k m from the used directions
        # and their large pairs, the small pairs that are not tied, and two for each
        # passed free unit and unused eigenvalue.
        moving = k * m + k * (n - k) - turns + 2 * (q - k) * (r - k)
        return self.n_params - moving
