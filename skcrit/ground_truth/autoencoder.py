"""The critical points of linear autoencoders in closed form."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from skcrit._typing import ArrayLike, BoolArray, FloatArray, Sets
from skcrit.exceptions import NoGroundTruthError, ResolutionWarning
from skcrit.ground_truth._eigenvalues import (
    check_eigenvectors,
    clean_eigenvalues,
    rounding_error,
    warn_near,
)
from skcrit.ground_truth._factors import split_weights
from skcrit.ground_truth._hessian import hessian_spectrum, min_moduli
from skcrit.ground_truth._names import parse_one
from skcrit.ground_truth._pivots import open_pivots
from skcrit.ground_truth._problem import Problem
from skcrit.ground_truth.base import check_theta
from skcrit.ground_truth.linear import LinearSpectrum
from skcrit.utils._arguments import as_numbers, check_number, is_number, shown
from skcrit.utils._validation import check_hidden_layer_sizes


class AnalyticalSpectrum(LinearSpectrum):
    """All critical sets of a linear autoencoder, in closed form.

    The loss is f(W) = tr((I - W) C (I - W)^T) / d, the mean over samples and features
    of the squared error of W = W_L ... W_1 with the second moment matrix C, plus
    ``alpha`` times the sum of the squared weights ("sum") or the squared norm of W
    ("product"). Without a penalty its critical points satisfy W C = P C with P the
    projector on eigenvectors of positive eigenvalues, at most as many as the smallest
    hidden layer has units [1]_; with one, P is shrunk [2]_. Each choice of eigenvectors
    is a set of critical points of one value.

    Make one with ``from_eigenvalues``. A set is named by a sorted tuple of zero-based
    indices into the descending eigenvalues. If eigenvalues are equal, only the number
    of them that a set uses counts, and its name has the first of them. Indices of zero
    eigenvalues (with the penalty "sum", of eigenvalues up to ``tau``) are refused.
    Methods with the argument ``sets`` accept a list of tuples or a boolean mask of
    shape (n_sets, n_features) and return a row per set; for one tuple they return one
    number.

    In networks with two or more hidden layers the Hessian depends on the point of a set
    if the rank k of the set is below the bottleneck p. At "balanced" points the middle
    layers have rank k, and the Morse index is the smallest possible. At "open" points
    they have rank p, and all of these points are strict saddles. With one hidden layer
    the two kinds are the same.

    Parameters
    ----------
    problem : Problem
        The network and its spectrum, validated.
    alpha : float, default=0.0
        Weight of the penalty.
    penalty : {"sum", "product"}, default="sum"
        What the penalty acts on.

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
        Largest balanced gradient norm at which sets can be distinguished:
        0.1 min(min_gap, 2 smallest_positive) / n_features. Halfway between two sets the
        gradient norm is their gap over n_features, and leaving out a weak direction
        costs 2 lambda / n_features. With a penalty it is multiplied by the
        square root of the smallest singular value of a W. With "sum" the second term is
        twice the smallest distance of an eigenvalue from ``tau``, or ``tau`` itself if
        one equals it. With one distinct eigenvalue only the second term is used;
        constant data have one critical set and no limit (inf).

    References
    ----------
    .. [1] P. Baldi, K. Hornik, "Neural networks and principal component analysis:
       learning from examples without local minima", Neural Networks 2 (1989), 53-58.
    .. [2] D. Kunin, J. M. Bloom, A. Goeva, C. Seed, "Loss landscapes of regularized
       linear autoencoders", ICML 2019, arXiv:1901.08168.

    Examples
    --------
    >>> from skcrit.ground_truth import AnalyticalSpectrum
    >>> spectrum = AnalyticalSpectrum.from_eigenvalues([4, 2.25, 1], (2,))
    >>> spectrum.n_sets
    7
    >>> spectrum.morse_indices([(0, 1), (1, 2)]).tolist()
    [0, 2]
    >>> spectrum.match(spectrum.representative((1, 2), random_state=0)).set
    (1, 2)
    """

    def __init__(
        self, problem: Problem, alpha: float = 0.0, penalty: str = "sum"
    ) -> None:
        super().__init__(problem)
        self.n_features = problem.n_outputs
        self.alpha, self.penalty = alpha, penalty
        self.tau = alpha * problem.n_outputs

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
            Eigenvalues up to this multiple of the largest one are zero. None means
            ``10 * max(n_samples, n_features) * eps``.
        tie_rtol : float, default=1e-10
            Largest difference between equal eigenvalues, relative to themselves, see
            :func:`~skcrit.ground_truth.clean_eigenvalues`; and between ``tau`` and an
            eigenvalue that equals it, relative to ``tau``.
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
            If cleaning changes eigenvalues by more than rounding, or if they lie so
            close
            together, to zero or to ``tau`` that the labels of the sets are unstable.
        """
        hidden = check_hidden_layer_sizes(hidden_layer_sizes)
        alpha = _check_penalty(alpha, penalty, len(hidden) + 1)
        lam = clean_eigenvalues(
            eigenvalues, n_samples=n_samples, zero_rtol=zero_rtol, tie_rtol=tie_rtol
        )
        vectors = check_eigenvectors(eigenvectors, lam.size)
        # Stable, so that the columns of equal eigenvalues keep their order.
        order = np.argsort(-as_numbers(eigenvalues, "eigenvalues"), kind="stable")
        vectors, tau = vectors[:, order], alpha * lam.size
        if penalty == "sum" and alpha > 0:
            rounding = rounding_error(lam[0], lam.size, n_samples or lam.size)
            lam = _settle_threshold(lam, tau, max(tie_rtol * tau, rounding))
        sizes = (lam.size, *hidden, lam.size)
        thresholds = (tau, 0.0) if penalty == "sum" else (0.0, tau)
        problem = Problem(lam, vectors, vectors, vectors.T, sizes, *thresholds)
        return cls(problem, alpha, penalty)

    def mu_min(self, sets: Sets, kind: str = "balanced") -> FloatArray:
        """Compute the smallest non-zero modulus of a Hessian eigenvalue.

        It is taken at the balanced representative. A count of negative eigenvalues is
        reliable only if the gradient is well below it.

        Parameters
        ----------
        sets : list of tuple of int, or ndarray of bool
            Critical sets.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network.

        Returns
        -------
        mu_min : ndarray of shape (n_sets,)
            Moduli; infinite if the Hessian is zero.
        """
        problem = self._problem
        return self._per_set(
            sets, lambda counts, q: min_moduli(problem, problem.masks(counts), q), kind
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
            Which points of a deep network.

        Returns
        -------
        eigenvalues : ndarray of shape (n_params,)
            Ascending eigenvalues; zeros are exact. With one hidden layer their signs
            are the same at all points of the set. Their sizes are so only if the
            penalty "sum" makes the set an orbit of isometries.
        """
        problem, counts = self._problem, parse_one(self._problem, index_set)
        q = problem.n_passed(counts.sum(axis=1), kind)
        return hessian_spectrum(problem, problem.masks(counts)[0], int(q[0]))

    def index_interval(
        self, index_set: Sequence[int], eps: float, kind: str = "balanced"
    ) -> tuple[int, int]:
        """Bound the index that is counted from eigenvalues of a finite accuracy.

        Parameters
        ----------
        index_set : sequence of int
            One critical set.
        eps : float
            Absolute accuracy of a Hessian eigenvalue.
        kind : {"balanced", "open"}, default="balanced"
            Which points of a deep network.

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
        values = self.hessian_spectrum(index_set, kind)
        return int(np.sum(values < -float(eps))), int(np.sum(values <= float(eps)))

    def to_dict(  # noqa: D102 (documented in LinearSpectrum)
        self, sets: Sets | None = None, max_sets: int = 10**6, kind: str = "balanced"
    ) -> dict[str, Any]:
        table = super().to_dict(sets, max_sets, kind)
        return table | {"mu_min": self.mu_min(table["set"], kind)}

    def has_open_pivot(self, theta: ArrayLike, rtol: float = 1e-6) -> bool | BoolArray:
        """Check whether a critical point of a deep network has an open pivot.

        If it has one, it is a strict saddle, and its Morse index exceeds the number of
        inversions. Otherwise the Morse index is the number of inversions, and if the
        set uses the k largest eigenvalues, k < max_rank, the point is a non-strict
        saddle.

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
            genuine cannot be distinguished from noise.
        """
        theta, rtol = check_theta(theta, self.n_params), check_number(rtol, "rtol", 0)
        shape = theta.shape[:-1]
        rank = self.match(theta).mask.reshape(-1, self._problem.n_outputs).sum(axis=1)
        # A point that is not finite matches nothing, and has no pivots either.
        finite = np.all(np.isfinite(theta), axis=-1, keepdims=True)
        flat = np.where(finite, theta, 0.0).reshape(-1, self.n_params)
        weights = split_weights(flat, self._problem.shapes)
        is_open = open_pivots(self._problem, weights, rank, np.full(rank.shape, rtol))
        is_open = is_open.reshape(shape) & finite[..., 0]
        return is_open if shape else bool(is_open)

    def _options(self) -> str:
        penalty = f", alpha={self.alpha:g}, penalty={self.penalty!r}"
        return penalty if self.alpha > 0 else ""


def _check_penalty(alpha: float, penalty: str, depth: int) -> float:
    """Check the penalty against what is known in closed form."""
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


def _settle_threshold(lam: FloatArray, tau: float, tolerance: float) -> FloatArray:
    """Decide which eigenvalues equal the threshold, so that all formulas agree."""
    # An eigenvalue at tau bifurcates: it is not usable yet, but its free directions
    # are flat.
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
