"""Whether a search that ends without success stands on gradient-flat ground."""

from __future__ import annotations

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import FloatArray, IntArray
from skcrit.linalg import KrylovSystem, flatness_level
from skcrit.losses.local_model import LocalModel
from skcrit.solvers._vectors import norm

__all__ = ["flatness"]

# Products that flatness spends on a point, the default of Newton-MR.
MAX_FLATNESS_COST = 50


def flatness(local: LocalModel) -> tuple[FloatArray, FloatArray, IntArray]:
    """Measure how little of the gradient a Newton step can remove.

    The step p minimises ``|H p + g|`` over a Krylov space and takes eigenvalues below
    1e-5 of the largest for zero: a longer step would make both ratios small, and say
    nothing. A search that is merely slow has no gradient in the near-kernel.

    Parameters
    ----------
    local : LocalModel
        Loss at a batch of points.

    Returns
    -------
    residual_ratio : ndarray of shape (n,)
        ``|r| / (|H| |p| + |g|)`` with ``r = H p + g``: near one if the step removes
        little of the gradient.
    kernel_ratio : ndarray of shape (n,)
        ``|H r| / (|H| |r|)``: near zero if the rest lies in the kernel of the Hessian.
    n_hvp : ndarray of int of shape (n,)
        products spent, at most 52.

    References
    ----------
    .. [1] C. G. Frye, J. Simon, N. S. Wadia, A. Ligeralde, M. R. DeWeese and K. E.
       Bouchard. "Critical point-finding methods reveal gradient-flat regions of deep
       network losses". Neural Computation 33, 2021, arXiv:2003.10397.
    """
    system = KrylovSystem(local.hvp, -local.gradient, MAX_FLATNESS_COST)
    p = system.truncated(flatness_level)
    residual = local.hvp(p) + local.gradient
    size, rest = norm(p), norm(residual)
    scale = system.norm * size + norm(local.gradient)
    image = norm(local.hvp(residual))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(scale > 0, rest / scale, 0.0)
        kernel = np.where(rest > 0, image / (system.norm * rest), 0.0)
    # Without a Hessian all of the gradient is in its kernel.
    kernel = np.where(system.norm > 0, kernel, 0.0)
    return ratio, kernel, to_host(system.n_matvec) + 2
