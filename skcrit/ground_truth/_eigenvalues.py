"""Eigenvalues of the data: which are zero, which are equal, which are too close."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import numpy as np

from skcrit._typing import ArrayLike, FloatArray
from skcrit.exceptions import ResolutionWarning
from skcrit.utils._arguments import as_numbers, is_int, is_number, shown

# A gap, or an eigenvalue, below this multiple of its tolerance is a coin toss: data
# from another sample, or another eigensolver, could fall on the other side.
_DOUBTFUL = 1e3

# How many eigenvalues a warning lists.
_N_LISTED = 10

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

    An eigenvalue is set to zero if it is at most ``zero_rtol`` times the largest. A run
    of positive eigenvalues, each within ``tie_rtol`` of the one before, is replaced by
    one repeated eigenvalue, its mean, if the whole run lies within ``tie_rtol`` of its
    first; otherwise it is not changed. Therefore no eigenvalue changes by more than
    ``tie_rtol`` times itself, however many neighbours it has. Cleaning a cleaned array
    changes nothing.

    Parameters
    ----------
    eigenvalues : array-like of shape (n_features,)
        Eigenvalues of the second moment matrix of the data, in any order.
    n_samples : int, default=None
        Number of samples from which the matrix was computed; it determines the size of
        rounding errors. None counts as ``n_features``.
    zero_rtol : float, default=None
        Eigenvalues up to this multiple of the largest one are zero. None means
        ``10 * max(n_samples, n_features) * eps``.
    tie_rtol : float, default=1e-10
        Largest difference between equal eigenvalues, relative to themselves. Unless it
        is zero, differences by rounding count as ties as well:
        ``10 * max(sqrt(n_samples), n_features) * eps`` times the largest eigenvalue, or
        ``zero_rtol`` if that is smaller.

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
        If cleaning changes an eigenvalue by more than rounding; the message contains
        the eigenvalues and the changes. Also if an eigenvalue, or a gap between two
        that stay different, is less than 1000 times its tolerance (gaps only if
        ``tie_rtol`` is not zero).

    Examples
    --------
    >>> from skcrit.ground_truth import clean_eigenvalues
    >>> clean_eigenvalues([1.0, 4.0, 1e-18])
    array([4., 1., 0.])
    """
    given = np.sort(_check_eigenvalues(eigenvalues))[::-1]
    n_samples = _check_n_samples(n_samples, given.size)
    if zero_rtol is None:
        zero_rtol = 10 * max(n_samples, given.size) * np.finfo(np.float64).eps
    _check_rtol("zero_rtol", zero_rtol)
    _check_rtol("tie_rtol", tie_rtol)
    # A negative matrix has no positive eigenvalue to compare with.
    largest = max(given[0], 0.0)
    zero = zero_rtol * largest
    if given[-1] < -zero:
        raise ValueError(
            "eigenvalues must be those of a positive semidefinite matrix: expected "
            f"all >= {-zero:.3g} (zero_rtol={zero_rtol:.3g} times the largest), got "
            f"{given[-1]:.6g}."
        )
    lam = np.where(given <= zero, 0.0, given)
    rank = np.count_nonzero(lam)
    rounding = rounding_error(largest, given.size, n_samples)
    floor = min(rounding, zero)
    if tie_rtol > 0:
        # Twice, so that a pair which differs by rounding is one even in a run that is
        # too long to be one.
        lam[:rank] = _merge(lam[:rank], np.full(rank, floor))
        lam[:rank] = _merge(lam[:rank], tie_rtol * lam[:rank])
        gaps = lam[: max(rank - 1, 0)] - lam[1:rank]
        tolerance = np.maximum(tie_rtol * lam[: gaps.size], floor)
        warn_near("a gap lies", gaps[gaps > 0], tolerance[gaps > 0])
    _warn_moved(given, lam, rounding)
    warn_near("an eigenvalue lies", lam[:rank], zero)
    return lam


def rounding_error(largest: float, n_features: int, n_samples: int) -> float:
    """Bound the rounding error of the eigenvalues of a second moment, generously."""
    return 10 * max(n_features, n_samples**0.5) * np.finfo(np.float64).eps * largest


def check_eigenvectors(eigenvectors: Any, n_features: int) -> FloatArray:
    """Return a square matrix with orthonormal columns; None is the identity."""
    if eigenvectors is None:
        return np.eye(n_features)
    vectors = np.array(as_numbers(eigenvectors, "eigenvectors"))
    if vectors.shape != (n_features, n_features):
        raise ValueError(
            f"eigenvectors must have one column per eigenvalue: expected shape "
            f"{(n_features, n_features)}, got {vectors.shape}."
        )
    with np.errstate(over="ignore", invalid="ignore"):  # NaN is not a small error
        error = np.max(np.abs(vectors.T @ vectors - np.eye(n_features)))
    if not error <= 1e-8:
        raise ValueError(
            "eigenvectors must have orthonormal columns: expected U^T U = I to 1e-8, "
            f"got a largest deviation of {error:.3g}."
        )
    return vectors


def warn_near(what: str, values: FloatArray, tolerance: Any) -> None:
    """Warn when a value is less than a thousand times the tolerance that decides."""
    bound = np.broadcast_to(_DOUBTFUL * np.asarray(tolerance), values.shape)
    doubtful = np.flatnonzero(values <= bound)
    if doubtful.size:
        least = doubtful[np.argmin(values[doubtful])]
        warnings.warn(
            f"{what} close to the tolerance that decides whether it counts: expected "
            f"more than {bound[least]:.3g}, a thousand times the tolerance, got "
            f"{values[least]:.3g} ({doubtful.size} in all). The labels of the critical "
            "sets may be unstable; losses and index intervals remain right. Data whose "
            "features are scaled alike may have no such eigenvalue.",
            ResolutionWarning,
            stacklevel=3,
        )


def _warn_moved(given: FloatArray, cleaned: FloatArray, rounding: float) -> None:
    """Warn when cleaning moved eigenvalues by more than rounding."""
    change = np.abs(cleaned - given)
    moved = np.flatnonzero(change > rounding)
    if moved.size == 0:
        return
    parts = []
    for rows, verdict in (
        (moved[cleaned[moved] > 0], "equal to a neighbour (tie_rtol)"),
        (moved[cleaned[moved] == 0], "zero (zero_rtol)"),
    ):
        if rows.size:
            listed = ", ".join(f"{i} ({given[i]:.6g})" for i in rows[:_N_LISTED])
            more = f" and {rows.size - _N_LISTED} more" if rows.size > _N_LISTED else ""
            parts.append(
                f"number {listed}{more} counted as {verdict}, changed by up to "
                f"{np.max(change[rows]):.3g}"
            )
    warnings.warn(
        f"cleaning moved eigenvalues by more than rounding, {rounding:.3g}: in "
        f"descending order, {'; '.join(parts)}. A smaller tolerance keeps them.",
        ResolutionWarning,
        stacklevel=3,
    )


def _check_eigenvalues(eigenvalues: Any) -> FloatArray:
    lam = as_numbers(eigenvalues, "eigenvalues")
    if lam.ndim != 1 or lam.size == 0:
        raise ValueError(
            f"eigenvalues must be a non-empty vector, got an array of shape "
            f"{lam.shape}."
        )
    if not np.all(np.isfinite(lam)):
        raise ValueError("eigenvalues must be finite, got NaN or infinity.")
    return lam


def _check_n_samples(n_samples: int | None, n_features: int) -> int:
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


def _check_rtol(name: str, value: float) -> None:
    if not is_number(value, 0, 1):
        raise ValueError(f"{name} must lie in [0, 1), got {shown(value)}.")


def _merge(lam: FloatArray, tolerance: FloatArray) -> FloatArray:
    """Replace runs of close eigenvalues by their mean, if the whole run is close."""
    # A run that ends where the next gap is too large: where the comparison starts does
    # not matter. Means stay as far from other runs as the members were, at least, so
    # that cleaning twice changes nothing.
    edges = np.flatnonzero(lam[:-1] - lam[1:] > tolerance[:-1]) + 1
    merged = lam.copy()
    if len(edges) == lam.size - 1:
        return merged
    for first, stop in pairwise([0, *edges.tolist(), lam.size]):
        run = lam[first:stop]
        # The mean of equal numbers can be off by one ulp.
        if stop > first and 0 < run[0] - run[-1] <= tolerance[first]:
            merged[first:stop] = run.mean()
    return merged
