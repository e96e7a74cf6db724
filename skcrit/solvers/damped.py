"""Newton systems that a step damps in many ways."""

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit.linalg import EigenSystem, KrylovSystem

__all__ = ["factorize", "residual_ratio"]


def factorize(local, linear_solver, max_inner_iter, max_dense):
    """Factorise ``H p = -g`` such that damping it costs little.

    Parameters
    ----------
    local : LocalModel
        Loss at a batch of points.
    linear_solver : {"auto", "dense", "krylov"}
        Eigenvectors of the Hessian, or the Krylov space of the gradient; "auto" is
        "dense" up to ``max_dense`` parameters.
    max_inner_iter : int
        Dimension of the Krylov space.
    max_dense : int
        See ``linear_solver``.

    Returns
    -------
    system : EigenSystem or KrylovSystem
        The systems.
    """
    n_params = local.theta.shape[-1]
    if linear_solver == "dense" or (linear_solver == "auto" and n_params <= max_dense):
        return EigenSystem(local.hessian(), -local.gradient)
    return KrylovSystem(local.hvp, -local.gradient, max_inner_iter)


def residual_ratio(system, p, grad_norm):
    """Compute ``|H p + g| / (|H| |p| + |g|)``, near one where no step helps.

    Parameters
    ----------
    system : EigenSystem or KrylovSystem
        Systems ``H p = -g``.
    p : array of shape (n, n_params)
        Steps.
    grad_norm : ndarray of shape (n,)
        Gradient norms.

    Returns
    -------
    ratio : ndarray of shape (n,)
        Ratios.
    """
    xp = array_namespace(p)
    size = to_host(xp.sqrt(xp.sum(p * p, axis=-1)))
    scale = system.norm * size + grad_norm
    return system.residual_norm(p) / np.where(scale > 0, scale, 1.0)
