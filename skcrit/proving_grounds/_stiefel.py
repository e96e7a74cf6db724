r"""Functions on Stiefel manifolds and spheres as losses of free parameters.

A matrix X of full column rank is ``X = Q S`` in exactly one way, with orthonormal
columns Q and S symmetric and positive definite (polar decomposition). A function f on
the Stiefel manifold becomes the loss

.. math::

    F(X) = f(Q) + \frac{c}{8} \mathrm{tr}(S^2 + S^{-2} - 2 I).

``(Q, S) -> Q S`` is a diffeomorphism, and F is a sum of a function of Q and one of S.
So X is critical if and only if Q is critical for f on the manifold and ``S - S^{-3} =
0``, that is S = I and X = Q. There the Hessian of F is block diagonal in these
coordinates: the Hessian of f on the manifold, and c times the identity on the
symmetric matrices. A change of coordinates at a critical point is a congruence, so the
inertia of F is that of f and p (p + 1) / 2 positive eigenvalues more: critical points,
Morse indices and nullities are those on the manifold. F grows beyond all bounds where
the columns become dependent or large, so that nothing is lost or gained there. The
sphere is the case of one column.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skcrit._backend import array_namespace, device
from skcrit._typing import Array, FloatArray
from skcrit.linalg import eigh, svd
from skcrit.proving_grounds._base import Ground

# Smallest squared singular value: inverses of it stay finite.
_LEAST = {"float64": 1e-100, "float32": 1e-12}


class _Polar(NamedTuple):
    """``X = Q S`` with the eigenpairs of S, and the inverses of S and S^2."""

    Q: Array
    sizes: Array
    vectors: Array
    inverse: Array
    squared_inverse: Array

    def lyapunov(self, B: Array) -> Array:
        """Solve ``S W + W S = B`` for W."""
        xp = array_namespace(B)
        transposed = xp.matrix_transpose(self.vectors)
        inner = transposed @ B @ self.vectors
        sums = self.sizes[..., :, None] + self.sizes[..., None, :]
        return self.vectors @ (inner / sums) @ transposed


class StiefelGround(Ground):
    """A function on matrices with orthonormal columns, extended to all matrices.

    A subclass sets ``_shape`` (n, p) and ``_pin``, the weight c, and defines the
    function on all matrices, with its gradient and products there.
    """

    _shape: tuple[int, int]
    _pin: float

    @abstractmethod
    def _cost(self, Q: Array) -> Array:
        """Evaluate f."""

    @abstractmethod
    def _cost_gradient(self, Q: Array) -> Array:
        """Evaluate the gradient of f as a function of a matrix."""

    @abstractmethod
    def _cost_hvp(self, Q: Array, V: Array) -> Array:
        """Multiply the Hessian of f as a function of a matrix."""

    def value(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        X = self._matrix(self._as_points(theta))
        xp, polar = array_namespace(X), self._polar(X)
        excess = polar.sizes**2 + polar.sizes**-2 - 2
        return self._cost(polar.Q) + self._pin / 8 * xp.sum(excess, axis=-1)

    def gradient(self, theta: Array) -> Array:  # noqa: D102
        theta = self._as_points(theta)
        X = self._matrix(theta)
        polar = self._polar(X)
        W, pulled = self._pulled_back(polar)
        inverse4 = polar.squared_inverse @ polar.squared_inverse
        total = pulled - 2 * (X @ W) + self._pin / 4 * (X - X @ inverse4)
        return array_namespace(X).reshape(total, theta.shape)

    def hvp(self, theta: Array, v: Array) -> Array:  # noqa: D102
        theta, v = self._broadcast(theta, v)
        X, V = self._matrix(theta), self._matrix(v)
        polar = self._polar(X)
        total = self._retracted_hvp(polar, X, V) + self._pin_hvp(polar, X, V)
        return array_namespace(theta).reshape(total, theta.shape)

    def _pulled_back(self, polar: _Polar) -> tuple[Array, Array]:
        """Compute W and M S^-1, so that ``M S^-1 - 2 X W`` is the gradient of f(Q)."""
        # With M the gradient of f at Q: dQ = (dX - Q dS) S^-1, and dS solves
        # S dS + dS S = d(X^T X); the adjoint of that solution is itself.
        xp = array_namespace(polar.Q)
        pulled = self._cost_gradient(polar.Q) @ polar.inverse
        inner = _symmetric(xp.matrix_transpose(polar.Q) @ pulled)
        return polar.lyapunov(inner), pulled

    def _retracted_hvp(self, polar: _Polar, X: Array, V: Array) -> Array:
        """Differentiate the gradient of f(Q) along V."""
        xp = array_namespace(X)
        W, pulled = self._pulled_back(polar)
        dS = polar.lyapunov(_gram_change(X, V))
        dQ = (V - polar.Q @ dS) @ polar.inverse
        change = (self._cost_hvp(polar.Q, dQ) - pulled @ dS) @ polar.inverse
        inner = xp.matrix_transpose(dQ) @ pulled + xp.matrix_transpose(polar.Q) @ change
        dW = polar.lyapunov(_symmetric(inner) - dS @ W - W @ dS)
        return change - 2 * (V @ W) - 2 * (X @ dW)

    def _pin_hvp(self, polar: _Polar, X: Array, V: Array) -> Array:
        """Differentiate the gradient of the penalty along V."""
        once = polar.squared_inverse
        twice, dG = once @ once, _gram_change(X, V)
        change = twice @ dG @ once + once @ dG @ twice
        return self._pin / 4 * (V - V @ twice + X @ change)

    def _matrix(self, theta: Array) -> Array:
        """Return points as matrices (..., n, p), row by row."""
        xp = array_namespace(theta)
        return xp.reshape(theta, (*theta.shape[:-1], *self._shape))

    def _polar(self, X: Array) -> _Polar:
        """Decompose matrices; what is not finite gives NaN."""
        xp = array_namespace(X)
        gram = xp.matrix_transpose(X) @ X
        finite = xp.all(xp.isfinite(gram), axis=(-2, -1))[..., None]
        identity = xp.eye(self._shape[1], dtype=X.dtype, device=device(X))
        values, vectors = eigh(xp.where(finite[..., None], gram, identity))
        least = xp.full_like(values, _LEAST[self.dtype])
        values = xp.where(values > least, values, least)
        sizes = xp.sqrt(xp.where(finite, values, xp.full_like(values, xp.nan)))
        transposed = xp.matrix_transpose(vectors)
        inverse = (vectors / sizes[..., None, :]) @ transposed
        squared_inverse = (vectors / sizes[..., None, :] ** 2) @ transposed
        return _Polar(X @ inverse, sizes, vectors, inverse, squared_inverse)

    def draw_starts(self, streams: Sequence[np.random.Generator]) -> FloatArray:
        """Draw points uniformly from the manifold."""
        draws = np.stack([stream.standard_normal(self._shape) for stream in streams])
        left, _, right = svd(draws)
        return (left @ right).reshape(len(draws), -1)


def _symmetric(M: Array) -> Array:
    """Return the symmetric part of matrices."""
    return (M + array_namespace(M).matrix_transpose(M)) / 2


def _gram_change(X: Array, V: Array) -> Array:
    """Return the change of X^T X along V."""
    xp = array_namespace(X)
    product = xp.matrix_transpose(X) @ V
    return product + xp.matrix_transpose(product)
