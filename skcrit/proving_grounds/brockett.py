"""The Brockett cost: all eigenvectors at once on the Stiefel manifold."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from skcrit._backend import array_namespace, device
from skcrit._typing import Array, ArrayLike, FloatArray, IntArray
from skcrit.ground_truth._factors import column_signs
from skcrit.proving_grounds._base import Ground, KnownSets, as_vector
from skcrit.proving_grounds._stiefel import StiefelGround
from skcrit.utils._arguments import shown


def make_brockett_cost(
    eigenvalues: ArrayLike = (1.0, 2.0, 3.0, 4.0),
    weights: ArrayLike = (2.0, 1.0),
    *,
    backend: str = "numpy",
    dtype: str = "float64",
) -> BrockettCost:
    r"""Make the Brockett cost ``tr(X^T A X N)`` of matrices with orthonormal columns.

    Here A = diag(eigenvalues) has n different entries, and N = diag(weights) has p
    different positive ones. The critical points are the matrices whose columns are
    different eigenvectors of A, with any signs: :math:`2^p n! / (n - p)!` points.

    Parameters
    ----------
    eigenvalues : array-like of shape (n,), default=(1, 2, 3, 4)
        Eigenvalues of A, all different.
    weights : array-like of shape (p,), default=(2, 1)
        Weights of the columns, positive and all different, at most n of them.
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss of n p parameters, the matrix X row by row, with ``ground_truth()``
        of ``n! / (n - p)!`` sets, each of :math:`2^p` points that differ in signs. The
        name of a set lists the eigenvector of each column.

    Raises
    ------
    ValueError
        If the numbers are not different, not finite, or too many.

    Notes
    -----
    The loss is ``f(Q)`` for ``X = Q S`` (polar decomposition) and a penalty that pins S
    to the identity. Its critical points are those on the manifold, with the same Morse
    indices.

    References
    ----------
    .. [1] R. W. Brockett. "Dynamical systems that sort lists, diagonalize matrices, and
       solve linear programming problems". Linear Algebra and its Applications 146,
       1991.
    .. [2] P.-A. Absil, R. Mahony and R. Sepulchre. "Optimization Algorithms on Matrix
       Manifolds". Princeton University Press, 2008, section 4.8.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_brockett_cost
    >>> truth = make_brockett_cost().ground_truth()
    >>> truth.n_sets, truth.all_sets()[:3]
    (12, ['0-1', '0-2', '0-3'])
    """
    return BrockettCost(eigenvalues, weights, backend=backend, dtype=dtype).fit()


@dataclass(eq=False, repr=False)
class BrockettCost(StiefelGround):
    """Weighted sum of Rayleigh quotients, see :func:`make_brockett_cost`."""

    _parameter_constraints = {
        **Ground._parameter_constraints,
        "eigenvalues": ["array-like"],
        "weights": ["array-like"],
    }

    eigenvalues: ArrayLike = (1.0, 2.0, 3.0, 4.0)
    weights: ArrayLike = (2.0, 1.0)

    def _prepare(self) -> int:
        self._lam = as_vector(self.eigenvalues, "eigenvalues", least=2)
        self._mu = as_vector(self.weights, "weights")
        if len(np.unique(self._lam)) < len(self._lam):
            raise ValueError(
                f"eigenvalues must be all different, got {shown(self.eigenvalues)}."
            )
        n, p = len(self._lam), len(self._mu)
        if len(np.unique(self._mu)) < p or np.any(self._mu <= 0) or p > n:
            raise ValueError(
                f"weights must be at most {n} different positive numbers, got "
                f"{shown(self.weights)}."
            )
        self._shape = (n, p)
        self._pin = float(np.max(self._mu) * np.ptp(self._lam))
        return n * p

    def _cost(self, Q: Array) -> Array:
        xp = array_namespace(Q)
        return xp.sum(Q * self._cost_gradient(Q), axis=(-2, -1)) / 2

    def _cost_gradient(self, Q: Array) -> Array:
        scaled = self.asarray(self._lam)[:, None] * Q * self.asarray(self._mu)
        return 2 * scaled

    def _cost_hvp(self, Q: Array, V: Array) -> Array:
        return self._cost_gradient(V)

    def representative(self, theta: Array) -> Array:
        """Choose signs of columns: their largest entry is positive."""
        theta = self._as_points(theta)
        X = self._matrix(theta)
        signed = X * column_signs(X)[..., None, :]
        return array_namespace(X).reshape(signed, theta.shape)

    def invariants(self, theta: Array) -> Array:
        """Compute the products of any two entries of each column."""
        theta = self._as_points(theta)
        xp = array_namespace(theta)
        columns = xp.matrix_transpose(self._matrix(theta))
        rows = [
            xp.asarray(index, device=device(theta))
            for index in np.triu_indices(self._shape[0])
        ]
        left, right = (xp.take(columns, index, axis=-1) for index in rows)
        size = self._shape[1] * rows[0].shape[0]
        return xp.reshape(left * right, (*theta.shape[:-1], size))

    def orbit_size(self, theta: Array) -> IntArray:  # noqa: D102 (documented in Loss)
        shape = self._as_points(theta).shape[:-1]
        return np.full(shape, 2 ** self._shape[1], dtype=np.int64)

    def _known_sets(self) -> KnownSets:
        n, p = self._shape
        points, indices, names = [], [], []
        for chosen in permutations(range(n), p):
            points.append(np.eye(n)[:, chosen].ravel())
            indices.append(self._index(np.array(chosen)))
            names.append("-".join(str(i) for i in chosen))
        return KnownSets(np.array(points), indices, [0] * len(names), names)

    def _index(self, chosen: FloatArray) -> int:
        """Count the rotations of two eigenvectors that lower the cost."""
        # Columns beyond p weigh nothing; a rotation by a small angle of the vectors in
        # columns a and b changes the cost by its square times
        # (mu_a - mu_b) (lambda_b - lambda_a).
        n, p = self._shape
        rest = [i for i in range(n) if i not in chosen]
        lam = self._lam[[*chosen, *rest]]
        mu = np.concatenate([self._mu, np.zeros(n - p)])
        pairs = combinations(range(n), 2)
        return sum((mu[a] - mu[b]) * (lam[b] - lam[a]) < 0 for a, b in pairs)
