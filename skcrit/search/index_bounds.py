"""The Morse index where no dense Hessian is formed: bounds from products alone.

Three facts are put together. By the theorem of Courant and Fischer at least k
eigenvalues are below a level if k Ritz values are, which LOBPCG finds, whatever their
residuals. By Cauchy's interlacing theorem at most k more of them are there than in the
Hessian between vectors orthogonal to k given ones. How many there are in that Hessian,
stochastic Lanczos quadrature tells with a confidence interval. If the k vectors are all
eigenvectors of negative eigenvalues and a gap follows, quadrature finds nothing among
the others, and the index is bracketed by k and k.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._backend import array_namespace, take_rows, to_host
from skcrit._rows import Rows
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.linalg import inertia_fractions, lowest_eigenpairs, spectral_norm
from skcrit.losses.base import Loss
from skcrit.search.polish import last_digits
from skcrit.search.scales import Scales

__all__ = ["IndexBounds", "bound_index"]

# Ritz pairs that are sought, and iterations for them: at most 150 products.
_N_LOWEST, _MAX_ITER = 6, 24

# Vectors of the quadrature, and dimension of the Krylov space of each: 400 products.
# Beyond 4096 parameters the sample errs by less than 0.01 (two standard errors).
_N_PROBES, _N_VECTORS = 4, 100

# Tangents of symmetries are taken out if they are at most so many numbers, 128 MiB.
# Without them the interval still holds: their zeros are counted like other small
# eigenvalues, and may blur what is near them.
_MAX_TANGENT_NUMBERS = 2**24

# A fraction is known if quadrature leaves at most this part of the spectrum undecided.
_UNDECIDED = 0.01

# Safety factor on the measured error of products.
_SAFETY = 3.0


@dataclass
class IndexBounds(Rows):
    """What products tell of the Morse index, one row per point, on the host.

    Attributes
    ----------
    n_below : ndarray of int of shape (n,)
        Number of negative eigenvalues that are there for certain, up to rounding.
    fraction : ndarray of shape (n,)
        Estimated part of the eigenvalues that are negative; NaN if more than one
        hundredth of the spectrum is left undecided.
    low, high : ndarray of shape (n,)
        Interval of at least 95 % confidence for that part.
    """

    n_below: IntArray
    fraction: FloatArray
    low: FloatArray
    high: FloatArray


def bound_index(loss: Loss, theta: Array, scales: Scales) -> IndexBounds:
    """Bound the Morse index at points by Hessian-vector products.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : array of shape (n, n_params)
        Finite points.
    scales : Scales
        Natural units of the loss.

    Returns
    -------
    bounds : IndexBounds
        One row per point, which does not depend on the others.

    Notes
    -----
    Costs at most 574 products per point, and storage for 400 vectors. Negative is what
    lies below the error of the products, which is measured, in the loss's own units of
    the parameters. Products that are not finite leave the index unknown.

    References
    ----------
    .. [1] B. N. Parlett. "The Symmetric Eigenvalue Problem". SIAM, 1998, chapter 10.
    """
    rows = [
        _bound(loss, take_rows(theta, np.array([i])), scales)
        for i in range(theta.shape[0])
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    return IndexBounds(*columns)


@np.errstate(over="ignore", invalid="ignore")
def _bound(loss: Loss, theta: Array, scales: Scales) -> tuple[int, float, float, float]:
    """Bound the index at one point, an array with one row."""
    n, local = theta.shape[1], loss.at(theta)
    unit = scales.unit

    def product(v: Array) -> Array:
        return unit * local.hvp(unit * v)

    draws = np.random.default_rng(5).standard_normal((_N_LOWEST, n))
    start = loss.asarray(draws)[None, :, :]
    size = float(to_host(spectral_norm(product, start[:, 0, :]))[0])
    if not np.isfinite(size):
        return 0, np.nan, 0.0, 1.0
    level = _level(loss, theta, scales, size)
    values, vectors, _, _ = lowest_eigenpairs(
        product, start, rtol=1e-6, max_iter=_MAX_ITER
    )
    below = np.flatnonzero(to_host(values)[0] < -level)
    known = take_rows(vectors[0], below)
    xp, tangents = array_namespace(theta), _tangents(loss, theta)
    known = xp.concat([known, tangents / unit], axis=0)
    try:
        rest = inertia_fractions(
            product,
            n,
            level=level,
            n_probes=_N_PROBES,
            n_vectors=_N_VECTORS,
            kernel=known,
            random_state=0,
        )
    except ValueError:  # products that are not finite
        return 0, np.nan, 0.0, 1.0
    k = len(below)
    least, most = (round(n * part) for part in rest.negative_interval)
    low, high = max(k, least), min(most + k, n)
    fraction = np.clip(rest.negative + k / n, low / n, high / n)
    decided = rest.smearing[0] <= _UNDECIDED
    return k, float(fraction) if decided else np.nan, low / n, high / n


def _level(loss: Loss, theta: Array, scales: Scales, size: float) -> float:
    """Measure how much products change with the last digit of the point."""
    xp, n = array_namespace(theta), theta.shape[1]
    v = loss.asarray(np.random.default_rng(6).standard_normal((1, n)))
    v = scales.unit * v / float(np.sqrt(n))
    before, error = loss.at(theta).hvp(v), 0.0
    for change in last_digits(loss, theta, scales):
        moved = scales.unit * (loss.at(theta + change).hvp(v) - before)
        # The change of a random vector of length one, times the root of n, is about
        # the Frobenius norm of the change of the matrix.
        error = max(error, float(np.sqrt(n * to_host(xp.sum(moved**2)))))
    eps = float(xp.finfo(theta.dtype).eps)
    return 10 * n * eps * size + _SAFETY * error


def _tangents(loss: Loss, theta: Array) -> Array:
    """Span the directions of symmetries by orthonormal rows, unless they are many."""
    n = theta.shape[1]
    if loss.count_tangents(theta) * n > _MAX_TANGENT_NUMBERS:
        return theta[:0]
    xp, rows = array_namespace(theta), loss.orbit_tangents(theta)[0]
    if rows.shape[0] == 0:
        return rows
    # They may depend on each other.
    _, values, basis = xp.linalg.svd(rows, full_matrices=False)
    largest = float(to_host(values)[0])
    keep = np.flatnonzero(to_host(values) > 1e-10 * largest)
    return take_rows(basis, keep)
