"""Eigenvectors of orthogonally decomposable symmetric tensors."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from numbers import Integral

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, ArrayLike, FloatArray, IntArray
from skcrit.proving_grounds._base import Ground, KnownSets, as_vector
from skcrit.proving_grounds._exchange import (
    count_arrangements,
    equal_groups,
    sorted_in_groups,
)
from skcrit.proving_grounds._stiefel import StiefelGround
from skcrit.utils._arguments import shown
from skcrit.utils._validation import Interval

# Entries of a unit vector below this are zero.
_ZERO = 1e-6


def make_orthogonal_tensor(
    weights: ArrayLike = (1.0, 1.2, 1.4, 1.6),
    order: int = 3,
    *,
    backend: str = "numpy",
    dtype: str = "float64",
) -> OrthogonalTensor:
    r"""Make ``-sum(w_i x_i^d) / d`` on the unit sphere.

    The critical points are the eigenvectors of a symmetric tensor of order d with
    orthogonal components. For every set of k coordinates, the support, there are
    eigenvectors whose other coordinates are zero and for which :math:`w_i x_i^{d - 2}`
    is the same for all coordinates of the support. For d = 3 and 4 there are
    :math:`((d - 1)^n - 1) / (d - 2)` of them up to the sign, which is the number of all
    complex eigenvectors. For larger d not all of these are real, and there are as many
    as for 3 if d is odd, or as for 4 if d is even.

    Parameters
    ----------
    weights : array-like of shape (n,), default=(1, 1.2, 1.4, 1.6)
        Positive weights w. Coordinates of equal weight can be exchanged, and critical
        points that differ by an exchange are one set.
    order : int, default=3
        Order d of the tensor, at least 3.
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss of n parameters with ``ground_truth()``. If all weights differ and d
        is even, it has a set for each support, of :math:`2^k` points that differ in the
        signs of coordinates. If d is odd, it has two sets for each support, of opposite
        points, which have opposite losses. The name of a set is the sign and the
        support.

    Raises
    ------
    ValueError
        If a weight is not positive, there are fewer than two, or ``order`` is less
        than 3.

    Notes
    -----
    With ``mu = w_i x_i^(d - 2)`` the Hessian on the sphere is ``-(d - 2) mu`` times the
    identity along the support and ``mu`` times the identity across it: a point of
    positive signs has Morse index ``k - 1``, its opposite for odd d has ``n - k``. The
    loss is ``f(x / |x|)`` and a penalty that pins ``|x|`` to one; its critical points
    are those on the sphere, with the same Morse indices.

    References
    ----------
    .. [1] D. Cartwright and B. Sturmfels. "The number of eigenvalues of a tensor".
       Linear Algebra and its Applications 438, 2013, arXiv:1004.4953.
    .. [2] E. Robeva. "Orthogonal decomposition of symmetric tensors". SIAM J. Matrix
       Anal. Appl. 37, 2016, arXiv:1409.6685.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_orthogonal_tensor
    >>> truth = make_orthogonal_tensor([1, 2, 3], order=4).ground_truth()
    >>> truth.n_sets, truth.all_sets()
    (7, ['+0', '+1', '+01', '+2', '+02', '+12', '+012'])
    """
    return OrthogonalTensor(weights, order, backend=backend, dtype=dtype).fit()


@dataclass(eq=False, repr=False)
class OrthogonalTensor(StiefelGround):
    """A sum of powers on the sphere, see :func:`make_orthogonal_tensor`."""

    _parameter_constraints = {
        **Ground._parameter_constraints,
        "weights": ["array-like"],
        "order": [Interval(Integral, 3, None, closed="left")],
    }

    weights: ArrayLike = (1.0, 1.2, 1.4, 1.6)
    order: int = 3

    def _prepare(self) -> int:
        self._w = as_vector(self.weights, "weights", least=2)
        if np.any(self._w <= 0):
            raise ValueError(f"weights must be positive, got {shown(self.weights)}.")
        self._groups = equal_groups(self._w)
        self._shape = (len(self._w), 1)
        self._pin = float(np.max(self._w))
        return len(self._w)

    def _cost(self, Q: Array) -> Array:
        xp, w = array_namespace(Q), self.asarray(self._w)[:, None]
        return -xp.sum(w * Q**self.order, axis=(-2, -1)) / self.order

    def _cost_gradient(self, Q: Array) -> Array:
        return -self.asarray(self._w)[:, None] * Q ** (self.order - 1)

    def _cost_hvp(self, Q: Array, V: Array) -> Array:
        w = self.asarray(self._w)[:, None]
        return -(self.order - 1) * w * Q ** (self.order - 2) * V

    def representative(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        theta = self._as_points(theta)
        if self.order % 2 == 0:
            theta = array_namespace(theta).abs(theta)
        return sorted_in_groups(theta, self._groups)

    def invariants(self, theta: Array) -> Array:  # noqa: D102
        return self.representative(theta)

    def orbit_size(self, theta: Array) -> IntArray:  # noqa: D102
        points = to_host(self._as_points(theta))
        if self.order % 2:
            return count_arrangements(points, self._groups)
        signs = 2 ** np.sum(np.abs(points) > _ZERO, axis=-1)
        return signs * count_arrangements(np.abs(points), self._groups)

    def _known_sets(self) -> KnownSets:
        points, indices, names = [], [], []
        for support in self._supports():
            k, n = int(np.sum(support)), len(support)
            x = np.where(support, self._w ** (-1 / (self.order - 2)), 0.0)
            x /= np.linalg.norm(x)
            text = "".join(str(i) for i in np.flatnonzero(support))
            points.append(x)
            indices.append(k - 1)
            names.append(f"+{text}")
            if self.order % 2:
                points.append(-x)
                indices.append(n - k)
                names.append(f"-{text}")
        return KnownSets(np.array(points), indices, [0] * len(names), names)

    def _supports(self) -> list[FloatArray]:
        """List supports, one of those that exchanges make of each other."""
        every = product((False, True), repeat=len(self._w))
        found = [np.array(support[::-1]) for support in every]
        return [
            support
            for support in found[1:]
            if not any(
                np.any(np.diff(support[g].astype(int)) > 0) for g in self._groups
            )
        ]
