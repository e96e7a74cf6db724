"""Newton systems that a step damps in many ways."""

from __future__ import annotations

from typing import Any

from skcrit.linalg import EigenSystem, KrylovSystem


def factorize(
    local: Any, linear_solver: str, max_inner_iter: int, max_dense: int
) -> Any:
    """Factorise ``H p = -g`` such that damping it costs little."""
    # By eigenvectors of the Hessian ("dense"), or on the Krylov space of the gradient
    # of dimension max_inner_iter; "auto" is dense up to max_dense parameters.
    n_params = local.theta.shape[-1]
    if linear_solver == "dense" or (linear_solver == "auto" and n_params <= max_dense):
        return EigenSystem(local.hessian(), -local.gradient)
    return KrylovSystem(local.hvp, -local.gradient, max_inner_iter)
