"""Newton systems that a step damps in many ways."""

from skcrit.linalg import EigenSystem, KrylovSystem

__all__ = ["factorize"]


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
