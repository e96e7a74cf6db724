"""Eigenvalues of the data: which are zero, which are equal, which are too close."""

from __future__ import annotations

import warnings

import numpy as np

from skcrit._typing import ArrayLike, FloatArray
from skcrit.exceptions import ResolutionWarning
from skcrit.utils._arguments import as_numbers, is_int, is_number, shown

__all__ = ["check_eigenvectors", "clean_eigenvalues", "warn_near"]

# A gap, or an eigenvalue, below this multiple of its tolerance is a coin toss: data
# from another sample, or another eigensolver, could fall on the other side.
_DOUBTFUL = 1e3

# With more samples than this rounding would hide every eigenvalue.
_MAX_SAMPLES = 2**48


def clean_eigenvalues(
    eigenvalues: ArrayLike,
    *,
    n_samples: int | None = None,
    zero_rtol: float | None = None,
    tie_rtol: float = 1e-10,
) -> FloatArray:
    """Sort eigenvalues in descending order and decide which are zero and which equal.

    An eigenvalue is set to zero when it is at most ``zero_rtol`` times the largest.
    Positive neighbours whose gap is at most ``tie_rtol`` times the largest form a
    cluster, and every member is replaced by the mean of its cluster. Cleaning a
    cleaned array changes nothing.

    Parameters
    ----------
    eigenvalues : array-like of shape (n_features,)
        Eigenvalues of the second moment matrix of the data, in any order.
    n_samples : int, default=None
        Number of samples behind the matrix. It enters the default of ``zero_rtol``
        only; None counts as ``n_features``.
    zero_rtol : float, default=None
        Relative to the largest eigenvalue: the bound below which an eigenvalue is
        zero. None means ``10 * max(n_samples, n_features) * eps``.
    tie_rtol : float, default=1e-10
        Relative to the largest eigenvalue: the largest gap between equal neighbours.

    Returns
    -------
    eigenvalues : ndarray of shape (n_features,)
        Cleaned float64 eigenvalues, descending.

    Raises
    ------
    ValueError
        If the eigenvalues are not a non-empty vector of finite numbers, if one is
        negative beyond ``zero_rtol``, or if a tolerance or ``n_samples`` is invalid.

    Warns
    -----
    ResolutionWarning
        If a gap or an eigenvalue lies between its tolerance and 1000 times that.

    Examples
    --------
    >>> from skcrit.ground_truth import clean_eigenvalues
    >>> clean_eigenvalues([1.0, 4.0, 1e-18])
    array([4., 1., 0.])
    """
    lam = _check_eigenvalues(eigenvalues)
    n_features = lam.shape[0]
    n_samples = _check_n_samples(n_samples, n_features)
    if zero_rtol is None:
        zero_rtol = 10 * max(n_samples, n_features) * np.finfo(np.float64).eps
    _check_rtol("zero_rtol", zero_rtol)
    _check_rtol("tie_rtol", tie_rtol)
    lam = np.sort(lam)[::-1]
    # A negative matrix has no positive eigenvalue to compare with.
    largest = max(lam[0], 0.0)
    if lam[-1] < -zero_rtol * largest:
        raise ValueError(
            "eigenvalues must be those of a positive semidefinite matrix: expected "
            f"all >= {-zero_rtol * largest:.3g} (zero_rtol={zero_rtol:.3g} times the "
            f"largest), got {lam[-1]:.6g}."
        )
    lam = np.where(lam <= zero_rtol * largest, 0.0, lam)
    positive = lam[lam > 0]
    warn_near("an eigenvalue lies", positive, zero_rtol * largest)
    warn_near("a gap lies", positive[:-1] - positive[1:], tie_rtol * largest)
    lam[: positive.size] = _merge(positive, tie_rtol * largest)
    return lam


def check_eigenvectors(eigenvectors, n_features):
    """Return a square matrix with orthonormal columns; None is the identity."""
    if eigenvectors is None:
        return np.eye(n_features)
    vectors = np.array(as_numbers(eigenvectors, "eigenvectors"))
    if vectors.shape != (n_features, n_features):
        raise ValueError(
            f"eigenvectors must have one column per eigenvalue: expected shape "
            f"{(n_features, n_features)}, got {vectors.shape}."
        )
    with np.errstate(over="ignore", invalid="ignore"):  # NaN is no small error
        error = np.max(np.abs(vectors.T @ vectors - np.eye(n_features)))
    if not error <= 1e-8:
        raise ValueError(
            "eigenvectors must have orthonormal columns: expected U^T U = I to 1e-8, "
            f"got a largest deviation of {error:.3g}."
        )
    return vectors


def warn_near(what, values, tolerance):
    """Warn when a value lies above a tolerance by less than a factor of 1000."""
    doubtful = values[(values > tolerance) & (values <= _DOUBTFUL * tolerance)]
    if doubtful.size:
        warnings.warn(
            f"{what} close to the tolerance that decides whether it counts: expected "
            f"none between {tolerance:.3g} and {_DOUBTFUL * tolerance:.3g}, got "
            f"{doubtful.size}, the smallest {doubtful.min():.3g}. The labels of the "
            "critical sets may be unstable; losses and index intervals remain right.",
            ResolutionWarning,
            stacklevel=3,
        )


def _check_eigenvalues(eigenvalues):
    lam = as_numbers(eigenvalues, "eigenvalues")
    if lam.ndim != 1 or lam.size == 0:
        raise ValueError(
            f"eigenvalues must be a non-empty vector, got an array of shape "
            f"{lam.shape}."
        )
    if not np.all(np.isfinite(lam)):
        raise ValueError("eigenvalues must be finite, got NaN or infinity.")
    return lam


def _check_n_samples(n_samples, n_features):
    if n_samples is None:
        return n_features
    if not is_int(n_samples, 1):
        raise ValueError(
            f"n_samples must be a positive integer, got {shown(n_samples)}."
        )
    if n_samples > _MAX_SAMPLES:
        raise ValueError(
            f"n_samples must be at most 2**48, got {shown(n_samples)}: with more no "
            "eigenvalue would be above the default of zero_rtol."
        )
    return int(n_samples)


def _check_rtol(name, value):
    if not is_number(value, 0, 1):
        raise ValueError(f"{name} must lie in [0, 1), got {shown(value)}.")


def _merge(lam, tolerance):
    # Clusters are chains of small gaps: a transitive relation, so the labels do not
    # depend on where the comparison starts.
    if lam.size == 0:
        return lam
    edges = np.flatnonzero(lam[:-1] - lam[1:] > tolerance) + 1
    return np.concatenate([_mean(part) for part in np.split(lam, edges)])


def _mean(part):
    # The mean of equal numbers can be off by one ulp; keep cleaning idempotent.
    if part[0] == part[-1]:
        return part
    return np.full(part.size, part.mean())
