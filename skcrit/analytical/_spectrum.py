"""The analytical spectrum: every critical set with its value, index and nullity."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Self

import numpy as np

from skcrit._tables import html_table
from skcrit._typing import ArrayLike, BoolArray, FloatArray, RandomState
from skcrit.analytical._eigenvalues import (
    check_eigenvectors,
    clean_eigenvalues,
    warn_near,
)
from skcrit.analytical._formulas import n_passed
from skcrit.analytical._identification import match_points, resolution
from skcrit.analytical._pivots import open_pivots
from skcrit.analytical._problem import Problem, check_penalty
from skcrit.analytical._quantities import SetQuantities
from skcrit.analytical._representatives import representative
from skcrit.analytical._sets import random_source
from skcrit.analytical._thin import split_weights
from skcrit.exceptions import ResolutionWarning
from skcrit.utils._arguments import as_numbers, check_number
from skcrit.utils._validation import check_hidden_layer_sizes

if TYPE_CHECKING:
    from skcrit.analytical._match import Match

__all__ = ["AnalyticalSpectrum"]

# How many sets a notebook shows, and the most from which they are chosen.
_N_SHOWN, _MAX_SHOWN_FROM = 10, 10_000


class AnalyticalSpectrum(SetQuantities):
    """All critical sets of a linear autoencoder, in closed form.

    The loss is f(W) = tr((I - W) C (I - W)^T) / d, the mean over samples and features
    of the squared error of W = W_L ... W_1 with the second moment matrix C, plus
    ``alpha`` times the sum of the squared weights ("sum") or the squared norm of W
    ("product"). Without a penalty its critical points satisfy W C = P C with P the
    projector on eigenvectors of positive eigenvalues, at most as many as the smallest
    hidden layer has units [1]_; with one, P is shrunk [2]_. Each choice of eigenvectors
    is a set of critical points of one value.

    Make one with ``from_eigenvalues``. A set is named by a sorted tuple of zero-based
    indices into the descending eigenvalues; ``CriticalSets`` tells the details.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum, validated.

    Attributes
    ----------
    eigenvalues : ndarray of shape (n_features,)
        Cleaned eigenvalues of C, descending.
    eigenvectors : ndarray of shape (n_features, n_features)
        Eigenvectors of C, as columns.
    n_features, n_params, depth : int
        Number of features, weights and weight matrices.
    hidden_layer_sizes : tuple of int
        Widths of the hidden layers.
    alpha, penalty, tau : float, str, float
        The penalty, and its threshold ``alpha * n_features`` on the eigenvalues.
    rank : int
        Number of positive eigenvalues.
    smallest_positive : float
        Smallest positive eigenvalue; 0 if there is none.
    min_gap : float
        Smallest gap between distinct eigenvalues that a set can use; infinite if there
        are fewer than two.
    resolution : float
        Largest balanced gradient norm at which a point can be told apart:
        0.1 min(min_gap, 2 smallest_positive) / n_features. Halfway between two sets the
        gradient norm is their gap over n_features, and leaving out a weak direction
        costs 2 lambda / n_features. With a penalty it is multiplied by the square root
        of the smallest singular value of a W, and with "sum" the second term is twice
        the smallest distance of an eigenvalue to ``tau``. With one distinct eigenvalue
        the second term is all; constant data have one critical set and no limit (inf).

    References
    ----------
    .. [1] P. Baldi, K. Hornik, "Neural networks and principal component analysis:
       learning from examples without local minima", Neural Networks 2 (1989), 53-58.
    .. [2] D. Kunin, J. M. Bloom, A. Goeva, C. Seed, "Loss landscapes of regularized
       linear autoencoders", ICML 2019, arXiv:1901.08168.

    Examples
    --------
    >>> from skcrit.analytical import AnalyticalSpectrum
    >>> spectrum = AnalyticalSpectrum.from_eigenvalues([4, 2.25, 1], (2,))
    >>> spectrum.n_sets
    7
    >>> spectrum.morse_indices([(0, 1), (1, 2)]).tolist()
    [0, 2]
    >>> spectrum.match(spectrum.representative((1, 2), random_state=0)).set
    (1, 2)
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.eigenvalues = problem.eigenvalues.copy()
        self.eigenvectors = problem.eigenvectors.copy()
        self.n_features = problem.n_features
        self.n_params = problem.n_params
        self.depth = problem.depth
        self.hidden_layer_sizes = problem.hidden_layer_sizes
        self.alpha, self.penalty = problem.alpha, problem.penalty
        self.tau = problem.tau
        self.rank = problem.rank
        self.smallest_positive = float(problem.eigenvalues[problem.rank - 1])
        self.min_gap = problem.min_gap
        self.resolution = resolution(problem)

    @classmethod
    def from_eigenvalues(
        cls,
        eigenvalues: ArrayLike,
        hidden_layer_sizes: int | Sequence[int],
        *,
        eigenvectors: ArrayLike | None = None,
        alpha: float = 0.0,
        penalty: str = "sum",
        zero_rtol: float | None = None,
        tie_rtol: float = 1e-10,
        n_samples: int | None = None,
    ) -> Self:
        """Make the spectrum of a network from the eigenpairs of its data.

        Invalid arguments raise a ValueError that names the parameter, and a penalty on
        a network with two or more hidden layers a NoGroundTruthError: its critical
        points are not known in closed form.

        Parameters
        ----------
        eigenvalues : array-like of shape (n_features,)
            Eigenvalues of C = X^T X / n_samples, in any order.
        hidden_layer_sizes : int or tuple of int
            Widths of the hidden layers; an int is one layer.
        eigenvectors : array-like of shape (n_features, n_features), default=None
            Eigenvectors as columns, in the order of ``eigenvalues``. None is the
            identity, a diagonal C.
        alpha : float, default=0.0
            Weight of the penalty.
        penalty : {"sum", "product"}, default="sum"
            "sum" penalises the squared weights, "product" the end-to-end matrix.
        zero_rtol : float, default=None
            Relative to the largest eigenvalue: the bound below which an eigenvalue is
            zero. None means ``10 * max(n_samples, n_features) * eps``.
        tie_rtol : float, default=1e-10
            Relative to the largest eigenvalue: the largest gap between equal
            neighbours, and between an eigenvalue and a ``tau`` that it equals.
        n_samples : int, default=None
            Number of samples, for the default of ``zero_rtol``; None counts as
            ``n_features``.

        Returns
        -------
        spectrum : AnalyticalSpectrum
            The spectrum.

        Warns
        -----
        ResolutionWarning
            If eigenvalues lie so close together, to zero or to ``tau`` that the labels
            of the sets are unstable.
        """
        hidden = check_hidden_layer_sizes(hidden_layer_sizes)
        alpha = check_penalty(alpha, penalty, len(hidden) + 1)
        lam = clean_eigenvalues(
            eigenvalues, n_samples=n_samples, zero_rtol=zero_rtol, tie_rtol=tie_rtol
        )
        vectors = check_eigenvectors(eigenvectors, lam.size)
        # Stable, so that the columns of equal eigenvalues keep their order.
        order = np.argsort(-as_numbers(eigenvalues, "eigenvalues"), kind="stable")
        if penalty == "sum" and alpha > 0:
            lam = _settle_threshold(lam, alpha * lam.size, tie_rtol * lam[0])
        return cls(Problem(lam, vectors[:, order], hidden, alpha, penalty))

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
            None gives the balanced point: all layers share the singular values of the
            end-to-end matrix. A seed gives a random point of the same orbit, by changes
            of basis of the hidden layers of condition at most 100 (rotations with the
            penalty "sum"), of the basis within eigenspaces, and of what the data do not
            see when C is singular.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network, see ``morse_indices``.

        Returns
        -------
        theta : ndarray of shape (n_params,)
            Concatenation of the row-major weight matrices, first layer first.
        """
        counts = self._one(index_set)
        q = n_passed(self._problem, counts.sum(axis=1), kind)
        rng = None if random_state is None else random_source(random_state)
        return representative(self._problem, counts[0], int(q[0]), rng)

    def match(self, theta: ArrayLike, *, pivot_rtol: float = 1e-6) -> Match:
        """Identify the critical set nearest to each point.

        The end-to-end matrix W decides: i belongs to the set if (U^T W U)_ii exceeds
        half its value on a set that uses i. This is the exact minimiser of the distance
        over all sets. A point is "identified" if that distance is below 1/2, the
        balanced gradient norm at most ``resolution`` and its value consistent with the
        distance; else "ambiguous". The plain gradient norm cannot replace the balanced
        one: W1 / t and t W2 can make it arbitrarily small far from any critical point.

        Parameters
        ----------
        theta : array-like of shape (..., n_params)
            Points. Those that are not finite match nothing: status "ambiguous",
            distance infinite, loss NaN.
        pivot_rtol : float, default=1e-6
            Tolerance of ``has_open_pivot``, used in deep networks only.

        Returns
        -------
        match : Match
            Arrays with the leading shape of ``theta``; Python scalars for one vector.

        Notes
        -----
        Cost O(d^2 p) per point, batched. An "identified" W does not make ``theta``
        critical when k < p: rows that do not show in W show in the plain gradient only.
        """
        pivot_rtol = check_number(pivot_rtol, "pivot_rtol", 0)
        return match_points(
            self._problem, self._check_theta(theta), self.resolution, pivot_rtol
        )

    def has_open_pivot(self, theta: ArrayLike, rtol: float = 1e-6) -> bool | BoolArray:
        """Tell whether a critical point of a deep network has an open pivot.

        With one it is a strict saddle, and has more negative directions than
        inversions. Without one the Morse index is exactly the number of inversions, and
        if the set uses the k largest eigenvalues, k < max_rank, the point is a
        non-strict saddle.

        Parameters
        ----------
        theta : array-like of shape (..., n_params)
            Critical points, close enough to the exact ones that their errors are below
            ``rtol``.
        rtol : float, default=1e-6
            Singular values of a product M of layers count if above rtol max(1,
            norm(M)): the layers of a balanced network have norm about 1. A block
            X (C - W C) Y is not zero if above rtol lambda_0 max(1, norm(X)) max(1,
            norm(Y)). Layers are rescaled to equal norms first.

        Returns
        -------
        is_open : bool or ndarray of bool of shape (...,)
            Whether some pivot is open. Weaker singular values than ``rtol`` that are
            genuine cannot be told from noise.
        """
        theta, rtol = self._check_theta(theta), check_number(rtol, "rtol", 0)
        shape = theta.shape[:-1]
        problem = self._problem
        mask = match_points(problem, theta, self.resolution, rtol).mask
        # A point that is not finite matches nothing, and has no pivots either.
        finite = np.all(np.isfinite(theta), axis=-1, keepdims=True)
        flat = np.where(finite, theta, 0.0).reshape(-1, self.n_params)
        weights = split_weights(problem, flat)
        rank = mask.reshape(-1, self.n_features).sum(axis=1)
        is_open = (
            open_pivots(problem, weights, rank, rtol).reshape(shape) & finite[..., 0]
        )
        return is_open if shape else bool(is_open)

    def _check_theta(self, theta):
        theta = as_numbers(theta, "theta")
        if theta.ndim == 0 or theta.shape[-1] != self.n_params:
            raise ValueError(
                f"theta must have shape (..., n_params) with n_params={self.n_params}, "
                f"got {theta.shape}."
            )
        return theta

    def __repr__(self):
        sizes = "-".join(str(h) for h in self._problem.layer_sizes)
        penalty = f", alpha={self.alpha:g}, penalty={self.penalty!r}"
        return (
            f"{type(self).__name__}({sizes}, rank={self.rank}"
            f"{penalty if self.alpha > 0 else ''}, n_sets={self.n_sets})"
        )

    def _repr_html_(self):
        # More sets than this take longer than a display may.
        if self.n_sets > _MAX_SHOWN_FROM:
            return f"<p>{escape(repr(self))}</p>"
        table = self.to_dict()
        lowest = np.argsort(table["loss"], kind="stable")[:_N_SHOWN]
        names = ("set", "loss", "morse_index", "nullity")
        rows = {name: [table[name][i] for i in lowest] for name in names}
        title = f"{self!r}, lowest losses first"
        return html_table(title, rows)


def _settle_threshold(lam, tau, tolerance):
    # An eigenvalue at tau bifurcates: it is not usable yet, but its free directions
    # are flat. Decide it here, once, so that all formulas agree.
    distance = np.abs(lam - tau)
    if np.any(distance <= tolerance):
        warnings.warn(
            f"an eigenvalue equals tau = alpha * n_features = {tau:.6g} to "
            f"{tolerance:.3g}: critical sets with free hidden units are degenerate "
            "there. Change alpha to resolve them.",
            ResolutionWarning,
            stacklevel=3,
        )
    else:
        warn_near("an eigenvalue's distance to tau lies", distance, tolerance)
    return np.where(distance <= tolerance, tau, lam)
