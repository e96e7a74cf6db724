"""A network of quadratic units on Gaussian inputs, whose points are all known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from numbers import Integral
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, device, to_host
from skcrit._typing import Array, ArrayLike, FloatArray, IntArray
from skcrit.losses.symmetries import stiefel_euler
from skcrit.proving_grounds._base import Ground, KnownSets, as_vector, planes
from skcrit.utils._arguments import shown
from skcrit.utils._validation import Interval

# Singular values below this part of the length scale are zero.
_RANK = 1e-6


def make_quadratic_network(
    eigenvalues: ArrayLike = (4.0, 3.0, 2.0, 1.0),
    n_hidden: int = 2,
    *,
    backend: str = "numpy",
    dtype: str = "float64",
) -> QuadraticNetwork:
    r"""Make the expected error of a network of quadratic units.

    The network ``x -> |W^T x|^2`` with W of shape (n, r) learns ``x^T T x`` from
    standard Gaussian inputs. Its expected squared error is, with ``A = W W^T``,

    .. math::

        E\left[(x^T (A - T) x)^2\right] = 2 \|A - T\|_F^2 + \mathrm{tr}(A - T)^2.

    At a critical point the eigenvectors of A are those of a subset S of at most r
    eigenvalues of T. With k = \|S\|, its eigenvalues are :math:`\lambda_i + \sum_{j
    \notin S} \lambda_j / (k + 2)`.

    Parameters
    ----------
    eigenvalues : array-like of shape (n,), default=(4, 3, 2, 1)
        Eigenvalues of T, positive and all different; T is diagonal.
    n_hidden : int, default=2
        Number r of hidden units, at most n.
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss of n r parameters, the matrix W row by row, with
        ``ground_truth()`` of :math:`\sum_{k \leq r} \binom n k` sets. Each is an orbit
        of the rotations ``W -> W O``; its name lists S.

    Raises
    ------
    ValueError
        If eigenvalues are not positive or not different, or ``n_hidden`` is not from 1
        to n.

    Notes
    -----
    A set has :math:`(n - k)(r - k)` negative eigenvalues, and another one for each pair
    of an eigenvalue in S and a larger one outside S. The :math:`k (k - 1) / 2 + k (r -
    k)` zero eigenvalues are those of the rotations.

    References
    ----------
    .. [1] Y. S. Du and J. D. Lee. "On the power of over-parametrization in neural
       networks with quadratic activation". ICML 2018, arXiv:1803.01206.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_quadratic_network
    >>> truth = make_quadratic_network().ground_truth()
    >>> truth.n_sets, truth.all_sets()[:7]
    (11, ['none', '0', '1', '2', '3', '01', '02'])
    """
    return QuadraticNetwork(eigenvalues, n_hidden, backend=backend, dtype=dtype).fit()


class QuadraticLoss(Ground):
    """The loss ``2 |A - T|^2 + tr(A - T)^2`` of ``A = W W^T``.

    A subclass sets ``_shape`` (n, r) and ``_target``, the matrix T.
    """

    is_coercive = True

    _shape: tuple[int, int]
    _target: FloatArray

    def value(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        xp, W = self._weights(self._as_points(theta))
        excess = W @ xp.matrix_transpose(W) - self.asarray(self._target)
        return 2 * xp.sum(excess**2, axis=(-2, -1)) + xp.linalg.trace(excess) ** 2

    def gradient(self, theta: Array) -> Array:  # noqa: D102
        theta = self._as_points(theta)
        xp, W = self._weights(theta)
        excess = W @ xp.matrix_transpose(W) - self.asarray(self._target)
        total = 8 * (excess @ W) + 4 * xp.linalg.trace(excess)[..., None, None] * W
        return xp.reshape(total, theta.shape)

    def hvp(self, theta: Array, v: Array) -> Array:  # noqa: D102
        theta, v = self._broadcast(theta, v)
        xp, W = self._weights(theta)
        _, Z = self._weights(v)
        excess = W @ xp.matrix_transpose(W) - self.asarray(self._target)
        half = Z @ xp.matrix_transpose(W)
        change = half + xp.matrix_transpose(half)
        traces = [xp.linalg.trace(M)[..., None, None] for M in (excess, change)]
        total = 8 * (change @ W + excess @ Z) + 4 * (traces[1] * W + traces[0] * Z)
        return xp.reshape(total, theta.shape)

    def _weights(self, theta: Array) -> tuple[Any, Array]:
        """Return the namespace, and points as matrices (..., n, r)."""
        xp = array_namespace(theta)
        return xp, xp.reshape(theta, (*theta.shape[:-1], *self._shape))


@dataclass(eq=False, repr=False)
class QuadraticNetwork(QuadraticLoss):
    """A network of quadratic units, see :func:`make_quadratic_network`."""

    _parameter_constraints = {
        **Ground._parameter_constraints,
        "eigenvalues": ["array-like"],
        "n_hidden": [Interval(Integral, 1, None, closed="left")],
    }

    eigenvalues: ArrayLike = (4.0, 3.0, 2.0, 1.0)
    n_hidden: int = 2

    def _prepare(self) -> int:
        self._lam = as_vector(self.eigenvalues, "eigenvalues")
        n, r = len(self._lam), int(self.n_hidden)
        if np.any(self._lam <= 0) or len(np.unique(self._lam)) < n:
            raise ValueError(
                "eigenvalues must be positive and all different, got "
                f"{shown(self.eigenvalues)}."
            )
        if r > n:
            raise ValueError(
                f"n_hidden must be at most the number of eigenvalues, {n}, got {r}."
            )
        self._shape, self._target = (n, r), np.diag(self._lam)
        return n * r

    def length_scale(self) -> float:
        """Return the root of the mean eigenvalue."""
        return float(np.sqrt(np.mean(self._lam)))

    def invariants(self, theta: Array) -> Array:
        """Compute the upper triangle of W W^T."""
        theta = self._as_points(theta)
        xp, W = self._weights(theta)
        A = W @ xp.matrix_transpose(W)
        rows, columns = np.triu_indices(self._shape[0])
        flat = xp.asarray(rows * self._shape[0] + columns, device=device(theta))
        A = xp.reshape(A, (*theta.shape[:-1], self._shape[0] ** 2))
        return xp.take(A, flat, axis=-1)

    def invariants_scale(self) -> float:
        """Return the mean eigenvalue."""
        return float(np.mean(self._lam))

    def orbit_tangents(self, theta: Array) -> Array:
        """Rotate two hidden units into each other, each pair of them."""
        theta = self._as_points(theta)
        xp, W = self._weights(theta)
        turns = planes(self._shape[1])
        moved = W[..., None, :, :] @ self.asarray(turns)
        return xp.reshape(moved, (*theta.shape[:-1], len(turns), self.n_params_))

    def orbit_size(self, theta: Array) -> IntArray:
        """Count the components of the orbit: two if W has full rank, else one."""
        # Rotations and reflections of W of lower rank reach the same points.
        return np.where(self._ranks(theta) == self._shape[1], 2, 1)

    def orbit_euler(self, theta: Array) -> FloatArray:
        """Compute the Euler characteristic of the orbits."""
        # That of k orthonormal vectors in r dimensions, the right singular vectors of
        # W, where W has rank k: 1 for k = 0, for k = 1 that of a sphere, 0 beyond.
        r = self._shape[1]
        of_rank = np.array([stiefel_euler(k, r) for k in range(r + 1)], dtype=float)
        return of_rank[self._ranks(theta)]

    def _ranks(self, theta: Array) -> IntArray:
        """Count the singular values of W that are not zero."""
        _, W = self._weights(to_host(self._as_points(theta)))
        sizes = np.linalg.svd(W, compute_uv=False)
        return np.sum(sizes > _RANK * self.length_scale(), axis=-1)

    def _known_sets(self) -> KnownSets:
        n, r = self._shape
        points, indices, nullities, names = [], [], [], []
        for k in range(r + 1):
            for kept in combinations(range(n), k):
                rest = [j for j in range(n) if j not in kept]
                W = np.zeros((n, r))
                added = np.sum(self._lam[rest]) / (k + 2)
                W[kept, range(k)] = np.sqrt(self._lam[list(kept)] + added)
                swaps = np.sum(self._lam[rest][:, None] > self._lam[list(kept)])
                points.append(W.ravel())
                indices.append((n - k) * (r - k) + int(swaps))
                nullities.append(k * (k - 1) // 2 + k * (r - k))
                names.append("".join(str(i) for i in kept) or "none")
        return KnownSets(np.array(points), indices, nullities, names)
