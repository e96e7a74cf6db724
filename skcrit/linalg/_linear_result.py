"""How a linear solve ended and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any


class LinearStatus(IntEnum):
    """Reasons for which the iteration on a linear system ends."""

    SOLVED = 0
    INCONSISTENT = 1
    MAX_ITER = 2
    STAGNATED = 3
    NON_FINITE = 4

    @property
    def text(self) -> str:
        """Explanation in one line."""
        return _TEXTS[self]


_TEXTS = {
    LinearStatus.SOLVED: "the residual is within tolerance",
    LinearStatus.INCONSISTENT: "least-squares solution of minimum norm",
    LinearStatus.MAX_ITER: "iteration limit reached",
    LinearStatus.STAGNATED: "rounding keeps the residual from falling further",
    LinearStatus.NON_FINITE: "a product or the right-hand side is not finite",
}


@dataclass(frozen=True)
class MinresQLPResult:
    r"""Solutions of a batch of linear systems, with the properties found for each.

    Attributes
    ----------
    x : array of shape (n_systems, n)
        Solutions, in the dtype of the right-hand sides.
    residual : array of shape (n_systems, n)
        :math:`b - (A - \mathrm{shift} I) x`, computed with one product after the
        iteration.
    residual_norm : array of shape (n_systems,)
        2-norm of `residual`.
    matrix_residual_norm : array of shape (n_systems,)
        :math:`\|(A - \mathrm{shift} I) r\|` for r the `residual`, computed with another
        product.
    x_norm : array of shape (n_systems,)
        2-norm of `x`.
    matrix_norm : array of shape (n_systems,)
        Lower estimate of the 2-norm of :math:`A - \mathrm{shift} I`: the largest column
        norm of the Lanczos matrix.
    condition : array of shape (n_systems,)
        `matrix_norm` over the smallest diagonal entry of L: a lower estimate of the
        condition number on the Krylov space; 1 without iterations.
    curvature : array of shape (n_systems,)
        Smallest Rayleigh quotient :math:`r^T (A - \mathrm{shift} I) r / r^T r` over the
        residuals before a least-squares solution is reached. It is an upper bound of
        the smallest eigenvalue, or inf if the iteration begins at such a solution. Its
        error is a few machine epsilons times `matrix_norm`.
    n_iter : array of int of shape (n_systems,)
        Iterations that contributed to `x`, including those of the refinement.
    n_matvec : array of int of shape (n_systems,)
        Products that the system needed, including those after the iteration.
    status : array of int of shape (n_systems,)
        Codes of :class:`LinearStatus`.
    """

    x: Any
    residual: Any
    residual_norm: Any
    matrix_residual_norm: Any
    x_norm: Any
    matrix_norm: Any
    condition: Any
    curvature: Any
    n_iter: Any
    n_matvec: Any
    status: Any
