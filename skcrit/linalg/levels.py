"""Sizes below which an eigenvalue counts as zero: one function for each purpose.

Each takes eigenvalues (or singular values) of shape (..., n) and returns absolute
levels of shape (...,). In ascending order, in double precision:

===================  ====================  =======================================
function             times the largest     for
===================  ====================  =======================================
pseudoinverse_level  n eps                 what a pseudoinverse leaves out
rounding_level       10 n eps              what an eigensolver cannot resolve
symmetry_level       1e-10, or rounding    zero modes while a search is under way
direction_level      1e-6                  directions worth a search
flatness_level       1e-5                  the near-kernel where a search is stuck
===================  ====================  =======================================

These levels do not show that an eigenvalue of a Hessian *is* zero. That requires the
error of this Hessian at this point, or a symmetry of the loss that explains it.
"""

from __future__ import annotations

from skcrit._backend import array_namespace
from skcrit._typing import Array

__all__ = [
    "direction_level",
    "flatness_level",
    "pseudoinverse_level",
    "rounding_level",
    "symmetry_level",
]


def pseudoinverse_level(eigenvalues: Array) -> Array:
    """Bound the values whose inverse is rounding error, as ranks are counted.

    Parameters
    ----------
    eigenvalues : array of shape (..., n)
        Eigenvalues or singular values.

    Returns
    -------
    level : array of shape (...,)
        ``n eps max|lambda|``, the convention of LAPACK's users for ranks and
        pseudoinverses: a computed value of this size may stand for zero, and its
        inverse would swamp the solution. A larger level would leave out directions in
        which a step is still accurate.
    """
    eps = _eps(eigenvalues)
    return eigenvalues.shape[-1] * eps * _largest(eigenvalues)


def rounding_level(eigenvalues: Array, norm: Array | None = None) -> Array:
    """Bound the error that rounding leaves in computed eigenvalues.

    Parameters
    ----------
    eigenvalues : array of shape (..., n)
        Eigenvalues of symmetric matrices.
    norm : array of shape (...,), default=None
        Bounds of the spectral norms; None takes the largest moduli of the eigenvalues.

    Returns
    -------
    level : array of shape (...,)
        ``10 n eps max|lambda|``: a multiple of the backward error of a symmetric
        eigensolver, which also covers the rounding of the matrix itself.
    """
    norm = _largest(eigenvalues) if norm is None else norm
    return 10 * eigenvalues.shape[-1] * _eps(eigenvalues) * norm


def symmetry_level(eigenvalues: Array) -> Array:
    """Bound the eigenvalues that are attributed to symmetries during a search.

    Parameters
    ----------
    eigenvalues : array of shape (..., n)
        Eigenvalues of Hessians, or Ritz values.

    Returns
    -------
    level : array of shape (...,)
        ``1e-10 max|lambda|``, or :func:`rounding_level` if that is larger, as in
        float32. Along a symmetry the gradient is zero, so that leaving a direction out
        costs nothing. If it were kept, an eigenvalue that consists of rounding errors
        of either sign could take the place of an unstable one.
    """
    xp = array_namespace(eigenvalues)
    return xp.maximum(rounding_level(eigenvalues), 1e-10 * _largest(eigenvalues))


def direction_level(eigenvalues: Array) -> Array:
    """Bound the eigenvalues along whose directions no critical point is sought.

    Parameters
    ----------
    eigenvalues : array of shape (..., n)
        Eigenvalues of Hessians at critical points.

    Returns
    -------
    level : array of shape (...,)
        ``1e-6 max|lambda|``: eigenvalues up to it are taken for those of symmetries.
        Random directions in the kernel make up for a direction that is left out
        wrongly; an unnecessary direction costs a search.
    """
    return 1e-6 * _largest(eigenvalues)


def flatness_level(eigenvalues: Array) -> Array:
    """Bound the near-kernel in which the gradient lies when a search is stuck.

    Parameters
    ----------
    eigenvalues : array of shape (..., n)
        Singular values of Hessians on Krylov spaces.

    Returns
    -------
    level : array of shape (...,)
        ``1e-5 max(lambda)``. Gradient-flat regions have small eigenvalues, not zero
        ones; a step that inverts them is so long that the quadratic model does not
        describe it.
    """
    return 1e-5 * _largest(eigenvalues)


def _largest(eigenvalues: Array) -> Array:
    """Compute the largest moduli."""
    xp = array_namespace(eigenvalues)
    return xp.max(xp.abs(eigenvalues), axis=-1)


def _eps(eigenvalues: Array) -> float:
    """Return the machine epsilon."""
    return float(array_namespace(eigenvalues).finfo(eigenvalues.dtype).eps)
