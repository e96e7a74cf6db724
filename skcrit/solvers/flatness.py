"""Whether a search that failed has ended at a gradient-flat point."""

from __future__ import annotations

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import FloatArray, IntArray
from skcrit.linalg import KrylovSystem, flatness_level
from skcrit.losses.local_model import LocalModel
from skcrit.solvers._vectors import norm

# Products that flatness spends on a point, the default of Newton-MR.
MAX_FLATNESS_COST = 50


def flatness(local: LocalModel) -> tuple[FloatArray, FloatArray, IntArray]:
    """Measure how little of the gradient a Newton step p can remove."""
    # It minimises |H p + g| over a Krylov space and takes eigenvalues below 1e-5 of the
    # largest for zero: a longer step would make both ratios small, and say nothing. A
    # search that is merely slow has no gradient in the near-kernel. With r = H p + g,
    # |r| / (|H| |p| + |g|) is near one if the step removes little, and |H r| / (|H|
    # |r|) near zero if the rest lies in the kernel (Frye et al. 2021,
    # arXiv:2003.10397). Returns both, and the products spent, at most 52.
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
