r"""Bounds on rounding errors, and norms that are bounded instead of estimated.

The model is the standard one of floating point arithmetic with unit roundoff u: ``fl(a
op b) = (a op b)(1 + e)`` with ``|e| <= u``, and an absolute error of at most the
smallest subnormal number where a product underflows. A value that is computed by
additions, subtractions and multiplications alone is a sum of monomials; if no input
passes through more than n operations, the computed value is the same sum with every
monomial multiplied by ``1 + e``, ``|e| <= gamma_n = n u / (1 - n u)``, in whatever
order the sums are taken and with or without fused operations (Higham, sections 2.2 and
3.1). The error is therefore at most ``gamma_n`` times the sum of the moduli of the
monomials.

References
----------
.. [1] N. J. Higham. "Accuracy and stability of numerical algorithms". SIAM, 2nd edition
   2002, doi:10.1137/1.9780898718027.
"""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace
from skcrit._typing import Array

# Unit roundoff of float64.
UNIT = 2.0**-53

# An upper bound on the total loss of moderate products by underflow.
TINY = 1e-290


def unit_roundoff(dtype: str) -> float:
    """Return half the distance from one to the next number."""
    return float(np.finfo(dtype).eps) / 2


def underflow(unit: float) -> float:
    """Bound what moderate products lose by underflow, for a unit roundoff."""
    return TINY if unit <= UNIT else 1e-35


def gamma(n: int, unit: float = UNIT) -> float:
    """Bound the relative error of n successive roundings, ``n u / (1 - n u)``."""
    part = n * unit
    return part / (1 - part) if part < 0.5 else float("inf")


def frobenius_bound(A: Array, axes: int = 2) -> Array:
    """Bound Euclidean norms over the last axes, one or two of them, from above."""
    xp = array_namespace(A)
    last = tuple(range(-axes, 0))
    size = 1
    for axis in last:
        size *= A.shape[axis]
    # Scaled, so that squares neither over- nor underflow.
    scale = xp.max(xp.abs(A), axis=last) if size else xp.sum(A, axis=last)
    safe = xp.where(scale > 0, scale, xp.ones_like(scale))
    ratio = A / xp.reshape(safe, (*safe.shape, *(1 for _ in last)))
    root = xp.sqrt(xp.sum(ratio * ratio, axis=last))
    unit = float(xp.finfo(A.dtype).eps) / 2
    return scale * root * (1 + 2 * (size + 8) * unit)


def spectral_bound(A: Array) -> Array:
    """Bound spectral norms from above, a few percent above them."""
    # With the smaller Gram matrix G, of order k, scaled to Frobenius norms of one, the
    # bound is |G^8|_F^(1/16) <= k^(1/32) |A|_2, up to rounding, which is bounded and
    # added.
    xp = array_namespace(A)
    m, n = A.shape[-2:]
    size = frobenius_bound(A)
    unit = float(xp.finfo(A.dtype).eps) / 2
    safe = xp.where(size > 0, size, xp.ones_like(size))
    A = A / safe[..., None, None]
    transposed = xp.matrix_transpose(A)
    G = A @ transposed if m <= n else transposed @ A
    # In the 2-norm of a matrix of Frobenius norm at most one: entries of the quotient
    # and of the product.
    error, power = gamma(max(m, n) + 4, unit), 1
    bound = frobenius_bound(G) + error
    total = xp.ones_like(bound)
    for _ in range(3):
        # |G|_2 <= scale (|G / scale|_2), and |G|_2 = |G G|_2^(1/2) for symmetric G.
        G = G / bound[..., None, None]
        error = error / bound + gamma(2, unit)
        total = total * bound ** (1 / power)
        G = G @ G
        power = 2 * power
        # (G + E)^2 = G^2 + G E + E G + E^2, where |G| <= 1 + |E|.
        error = 2 * error + 3 * error * error + gamma(max(m, n), unit)
        bound = frobenius_bound(G) + error
    total = total * bound ** (1 / power)
    return size * xp.sqrt(total) * (1 + 64 * unit)
