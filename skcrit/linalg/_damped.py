"""Solutions of symmetric systems for many dampings, from a single factorisation.

Two families of damped solutions of ``A x = b`` are needed by searches:

    shifted        (A + s I) x = b,
    regularized    min |A x - b|^2 + m |x|^2,

for many values of s or m. Both are cheap once the eigenvectors of A are known. They are
also cheap on a Krylov space, because all shifts of A have the same space.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skcrit._backend import array_namespace, device, to_host
from skcrit._typing import Array, FloatArray
from skcrit.linalg._decompositions import eigh, pinv, svd
from skcrit.linalg._lanczos import lanczos
from skcrit.linalg.levels import pseudoinverse_level


class EigenSystem:
    """Damped solutions from the eigendecomposition of dense matrices.

    Parameters
    ----------
    matrix : array of shape (n_systems, n, n)
        Symmetric matrices A.
    b : array of shape (n_systems, n)
        Right-hand sides.

    Attributes
    ----------
    norm : ndarray of shape (n_systems,)
        Spectral norms of A, on the host.
    n_matvec : int
        Number of products that forming a matrix of this size costs, n.
    """

    def __init__(self, matrix: Array, b: Array) -> None:
        xp = array_namespace(matrix)
        # Decompositions refuse what is not finite: such a system gets the solution 0.
        finite = xp.all(xp.isfinite(matrix), axis=(-2, -1))
        finite = finite & xp.all(xp.isfinite(b), axis=-1)
        matrix = xp.where(finite[:, None, None], matrix, xp.zeros_like(matrix))
        b = xp.where(finite[:, None], b, xp.zeros_like(b))
        self._eigenvalues, self._vectors = eigh(matrix)
        self._rhs = self._components(b)
        self.norm = to_host(xp.max(xp.abs(self._eigenvalues), axis=-1))
        self.n_matvec = matrix.shape[-1]

    def shifted(self, shift: Array) -> Array:
        """Solve ``(A + shift I) x = b``, in the least-squares sense if singular.

        Parameters
        ----------
        shift : array of shape (n_systems,)
            Shifts, absolute, in the unit of A.

        Returns
        -------
        x : array of shape (n_systems, n)
            Solutions of minimum norm.
        """
        xp = array_namespace(shift)
        moved = self._eigenvalues + shift[:, None]
        keep = xp.abs(moved) > pseudoinverse_level(moved)[:, None]
        inverse = 1 / xp.where(keep, moved, xp.ones_like(moved))
        return self._combine(xp.where(keep, inverse, xp.zeros_like(moved)))

    def regularized(self, weight: Array) -> Array:
        """Minimise ``|A x - b|^2 + weight |x|^2``.

        Parameters
        ----------
        weight : array of shape (n_systems,)
            Weights, positive, in the unit of A squared.

        Returns
        -------
        x : array of shape (n_systems, n)
            Minimisers.
        """
        xp, values = array_namespace(weight), self._eigenvalues
        return self._combine(_filtered(xp, values, weight))

    def residual_norm(self, x: Array) -> FloatArray:
        """Compute ``|A x - b|``.

        Parameters
        ----------
        x : array of shape (n_systems, n)
            Vectors.

        Returns
        -------
        norm : ndarray of shape (n_systems,)
            Norms, on the host.
        """
        xp = array_namespace(x)
        residual = self._eigenvalues * self._components(x) - self._rhs
        return to_host(xp.sqrt(xp.sum(residual * residual, axis=-1)))

    def _combine(self, factors: Array) -> Array:
        """Return the vectors whose components are the right-hand side's, scaled."""
        return (self._vectors @ (factors * self._rhs)[..., None])[..., 0]

    def _components(self, x: Array) -> Array:
        """Return the components of vectors along the eigenvectors."""
        xp = array_namespace(x)
        return (xp.matrix_transpose(self._vectors) @ x[..., None])[..., 0]


class KrylovSystem:
    """Damped solutions on the Krylov space of the right-hand side.

    The shifted solutions minimise ``|(A + shift I) x - b|`` over the space, and are of
    minimum norm: the iterates of MINRES-QLP, for all shifts at once.

    Parameters
    ----------
    matvec : callable
        Maps an array (n_systems, n) to the products ``A v`` of the same shape.
    b : array of shape (n_systems, n)
        Right-hand sides.
    n_vectors : int
        Dimension of the space, at most n; larger values mean n.

    Attributes
    ----------
    norm : ndarray of shape (n_systems,)
        Spectral norms of A on the space, on the host.
    n_matvec : ndarray of int of shape (n_systems,)
        Products spent.
    """

    def __init__(self, matvec: Callable[..., Any], b: Array, n_vectors: int) -> None:
        xp = array_namespace(b)
        self._basis, self._matrix, count = lanczos(
            matvec, b, min(n_vectors, b.shape[-1])
        )
        # b is the first vector times its norm.
        self._size = xp.sqrt(xp.sum(b * b, axis=-1))
        # Decompositions refuse what is not finite: such a system gets the solution 0.
        finite = xp.all(xp.isfinite(self._matrix), axis=(-2, -1))
        finite = finite & xp.isfinite(self._size)
        self._size = xp.where(finite, self._size, xp.zeros_like(self._size))
        for name in ("_basis", "_matrix"):
            array = getattr(self, name)
            clean = xp.where(finite[:, None, None], array, xp.zeros_like(array))
            setattr(self, name, clean)
        self._left, self._singular, self._right = svd(self._matrix)
        self.norm = to_host(xp.max(self._singular, axis=-1))
        self.n_matvec = to_host(count)

    def shifted(self, shift: Array) -> Array:
        """Minimise ``|(A + shift I) x - b|`` over the space.

        Parameters
        ----------
        shift : array of shape (n_systems,)
            Shifts, absolute, in the unit of A.

        Returns
        -------
        x : array of shape (n_systems, n)
            Minimisers of minimum norm.
        """
        xp = array_namespace(shift)
        n_rows, n_columns = self._matrix.shape[-2:]
        identity = xp.eye(
            n_rows, n_columns, dtype=shift.dtype, device=device(self._matrix)
        )
        inverse = pinv(self._matrix + shift[:, None, None] * identity)
        return self._lift(inverse[:, :, 0] * self._size[:, None])

    def regularized(self, weight: Array) -> Array:
        """Minimise ``|A x - b|^2 + weight |x|^2`` over the space.

        Parameters
        ----------
        weight : array of shape (n_systems,)
            Weights, positive, in the unit of A squared.

        Returns
        -------
        x : array of shape (n_systems, n)
            Minimisers.
        """
        xp = array_namespace(weight)
        return self._filter(_filtered(xp, self._singular, weight))

    def truncated(self, level: Callable[[Array], Array]) -> Array:
        """Minimise ``|A x - b|`` over the space, without small singular values.

        Parameters
        ----------
        level : callable
            One of :mod:`skcrit.linalg.levels`: maps singular values (n_systems, m) to
            the sizes (n_systems,) up to which they count as zero.

        Returns
        -------
        x : array of shape (n_systems, n)
            Minimisers of minimum norm.
        """
        values, xp = self._singular, array_namespace(self._singular)
        keep = values > level(values)[:, None]
        inverse = 1 / xp.where(keep, values, xp.ones_like(values))
        return self._filter(xp.where(keep, inverse, xp.zeros_like(values)))

    def _filter(self, factors: Array) -> Array:
        """Scale the components of b along the singular vectors."""
        xp = array_namespace(factors)
        factors = factors * self._left[:, 0, :] * self._size[:, None]
        transposed = xp.matrix_transpose(self._right)
        return self._lift((transposed @ factors[..., None])[..., 0])

    def residual_norm(self, x: Array) -> FloatArray:
        """Compute ``|A x - b|`` of vectors in the space.

        Parameters
        ----------
        x : array of shape (n_systems, n)
            Vectors in the space.

        Returns
        -------
        norm : ndarray of shape (n_systems,)
            Norms, on the host.
        """
        xp = array_namespace(x)
        y = self._basis[:, :-1, :] @ x[..., None]
        residual = (self._matrix @ y)[..., 0]
        residual[:, 0] = residual[:, 0] - self._size
        return to_host(xp.sqrt(xp.sum(residual * residual, axis=-1)))

    def _lift(self, y: Array) -> Array:
        """Return the vectors with coordinates y in the basis."""
        xp = array_namespace(y)
        transposed = xp.matrix_transpose(self._basis[:, :-1, :])
        return (transposed @ y[..., None])[..., 0]


def _filtered(xp: Any, values: Array, weight: Array) -> Array:
    """Invert values with a weight; values at the level of rounding count as zero."""
    # A small weight would amplify rounding errors, and a weight of zero divide by zero.
    keep = xp.abs(values) > pseudoinverse_level(values)[:, None]
    size = xp.where(keep, values * values + weight[:, None], xp.ones_like(values))
    return xp.where(keep, values / size, xp.zeros_like(values))
