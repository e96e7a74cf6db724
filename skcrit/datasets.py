"""Data with a prescribed covariance spectrum."""

from __future__ import annotations

import numpy as np

from skcrit._typing import ArrayLike, FloatArray, RandomState
from skcrit.utils._arguments import check_array, check_flag, check_seed, is_int, shown

__all__ = ["make_gaussian_spectrum"]


def make_gaussian_spectrum(
    n_samples: int = 10_000,
    *,
    eigenvalues: ArrayLike | None = None,
    rotate: bool = False,
    exact: bool = False,
    random_state: RandomState = None,
) -> FloatArray:
    """Draw Gaussian data whose covariance has given eigenvalues.

    Parameters
    ----------
    n_samples : int, default=10000
        Number of samples.
    eigenvalues : array-like of shape (n_features,), default=None
        Eigenvalues of the covariance, in the unit of the squared data. None is
        ``1, 2, ..., 16``, the data of the study of Frye et al. (arXiv:1901.10603).
    rotate : bool, default=False
        Whether the eigenvectors are a random orthonormal basis, uniform over the
        orthogonal group; otherwise eigenvalue i is the variance of feature i.
    exact : bool, default=False
        Whether the centred second moment of the sample itself has these eigenvalues, to
        rounding. It needs more samples than features.
    random_state : int, RandomState, Generator or None, default=None
        Source of randomness.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        Data; centred if ``exact``.

    Raises
    ------
    ValueError
        If ``n_samples`` is not a positive int, ``eigenvalues`` is empty or has an entry
        that is negative or not finite, or there are too few samples for ``exact``.

    Examples
    --------
    >>> from skcrit.datasets import make_gaussian_spectrum
    >>> X = make_gaussian_spectrum(50, eigenvalues=[4, 1], exact=True, random_state=0)
    >>> (X.T @ X / 50).round(6) + 0.0
    array([[4., 0.],
           [0., 1.]])
    """
    if not is_int(n_samples, 1):
        raise ValueError(f"n_samples must be a positive int, got {shown(n_samples)}.")
    rotate, exact = check_flag(rotate, "rotate"), check_flag(exact, "exact")
    eigenvalues = check_array(
        np.arange(1.0, 17.0) if eigenvalues is None else eigenvalues,
        "eigenvalues",
        "a non-empty sequence of finite nonnegative numbers",
        lambda a: a.ndim == 1 and a.size and np.all((a >= 0) & np.isfinite(a)),
    )
    n_features = len(eigenvalues)
    if exact and n_samples <= n_features:
        raise ValueError(
            f"n_samples must be larger than the number of eigenvalues ({n_features}) "
            f"if exact=True, got {n_samples}."
        )
    rng = check_seed(random_state)
    X = rng.standard_normal((n_samples, n_features))
    if exact:
        X = X - X.mean(axis=0)
        X = np.linalg.qr(X)[0] * np.sqrt(n_samples)
    X = X * np.sqrt(eigenvalues)
    if rotate:
        X = X @ _random_basis(n_features, rng).T
    return X


def _random_basis(n: int, rng: np.random.RandomState) -> FloatArray:
    # LAPACK prefers signs of the diagonal of R; undone, the basis is uniform.
    Q, R = np.linalg.qr(rng.standard_normal((n, n)))
    return Q * np.where(np.diag(R) < 0, -1.0, 1.0)
