"""Phase retrieval from infinitely many real Gaussian measurements."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, ArrayLike, BoolArray, FloatArray, IntArray
from skcrit.ground_truth._factors import column_signs
from skcrit.losses.symmetries import stiefel_euler
from skcrit.proving_grounds._base import Ground, KnownSets, as_vector
from skcrit.proving_grounds.quadratic_network import QuadraticLoss
from skcrit.utils._arguments import shown

# Parts of a point along the signal or across it that are zero, in lengths of the
# signal.
_ZERO = 1e-6


def make_phase_retrieval(
    signal: ArrayLike = (1.0, 0.0, 0.0, 0.0, 0.0),
    *,
    backend: str = "numpy",
    dtype: str = "float64",
) -> PhaseRetrieval:
    r"""Make the expected error of real phase retrieval.

    A signal s is sought from the squares of its products with Gaussian vectors a:

    .. math::

        E\left[((a^T w)^2 - (a^T s)^2)^2\right]
        = 2 \|w w^T - s s^T\|_F^2 + (\|w\|^2 - \|s\|^2)^2.

    Its critical points are 0 (a maximum), :math:`\pm s` (the minima), and the sphere of
    radius :math:`\|s\| / \sqrt 3` in the complement of s (saddles of index 1).

    Parameters
    ----------
    signal : array-like of shape (n,), default=(1, 0, 0, 0, 0)
        The signal s, not zero, of at least three entries.
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss of n parameters with ``ground_truth()`` of the sets "maximum",
        "minima" and "saddles". Its symmetries are the sign and the rotations that do
        not change s.

    Raises
    ------
    ValueError
        If the signal is zero or has fewer than three entries.

    References
    ----------
    .. [1] J. Sun, Q. Qu and J. Wright. "A geometric analysis of phase retrieval".
       Foundations of Computational Mathematics 18, 2018, arXiv:1602.06664.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_phase_retrieval
    >>> truth = make_phase_retrieval().ground_truth()
    >>> truth.all_sets(), truth.morse_indices(["maximum", "minima", "saddles"])
    (['maximum', 'minima', 'saddles'], array([5, 0, 1]))
    """
    return PhaseRetrieval(signal, backend=backend, dtype=dtype).fit()


@dataclass(eq=False, repr=False)
class PhaseRetrieval(QuadraticLoss):
    """Population phase retrieval, see :func:`make_phase_retrieval`."""

    _parameter_constraints = {**Ground._parameter_constraints, "signal": ["array-like"]}

    signal: ArrayLike = (1.0, 0.0, 0.0, 0.0, 0.0)

    def _prepare(self) -> int:
        s = as_vector(self.signal, "signal", least=3)
        self._size = float(np.linalg.norm(s))
        if self._size == 0:
            raise ValueError(f"signal must not be zero, got {shown(self.signal)}.")
        self._shape, self._target = (len(s), 1), np.outer(s, s)
        # The signal's direction, and an orthonormal basis of its complement.
        basis = np.linalg.svd(s[None, :])[2]
        self._direction, self._rest = s / self._size, basis[1:]
        return len(s)

    def length_scale(self) -> float:
        """Return the norm of the signal."""
        return self._size

    def invariants(self, theta: Array) -> Array:
        """Compute the squared lengths along the signal and across it."""
        theta = self._as_points(theta)
        xp = array_namespace(theta)
        along = xp.sum(theta * self.asarray(self._direction), axis=-1) ** 2
        return xp.stack([along, xp.sum(theta**2, axis=-1) - along], axis=-1)

    def invariants_scale(self) -> float:
        """Return the squared norm of the signal."""
        return self._size**2

    def representative(self, theta: Array) -> Array:
        """Choose the sign: the largest entry is positive."""
        theta = self._as_points(theta)
        return theta * column_signs(theta[..., None])

    def orbit_tangents(self, theta: Array) -> Array:
        """Rotate pairs of directions across the signal into each other."""
        theta = self._as_points(theta)
        xp, rows = array_namespace(theta), self._rest
        pairs = combinations(range(len(rows)), 2)
        turns = np.stack([
            np.outer(rows[a], rows[b]) - np.outer(rows[b], rows[a]) for a, b in pairs
        ])
        return xp.sum(self.asarray(turns) * theta[..., None, None, :], axis=-1)

    def orbit_size(self, theta: Array) -> IntArray:
        """Count the components of the orbit: two unless the signal is orthogonal."""
        # Across the signal, rotations reach the opposite point.
        return np.where(self._present(theta)[0], 2, 1)

    def orbit_euler(self, theta: Array) -> FloatArray:
        """Compute the Euler characteristic of the orbits."""
        # Points across the signal make a sphere in n - 1 dimensions, those with a part
        # along it have two signs, and 0 is a point.
        along, across = self._present(theta)
        sphere = stiefel_euler(1, self.n_params_ - 1)
        return np.where(along, 2.0, 1.0) * np.where(across, sphere, 1.0)

    def _present(self, theta: Array) -> tuple[BoolArray, BoolArray]:
        """Say which points have a part along the signal, and across it."""
        parts = to_host(self.invariants(theta)) > (_ZERO * self._size) ** 2
        return parts[..., 0], parts[..., 1]

    def _known_sets(self) -> KnownSets:
        n, size = self.n_params_, self._size
        saddle = self._rest[0] * size / np.sqrt(3)
        points = np.stack([np.zeros(n), size * self._direction, saddle])
        names = ["maximum", "minima", "saddles"]
        return KnownSets(points, [n, 0, 1], [0, 0, n - 2], names)
