"""Central configurations of equal masses in the plane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial
from numbers import Integral

import numpy as np

from skcrit._typing import Array, FloatArray
from skcrit.proving_grounds._base import Ground, KnownSets
from skcrit.proving_grounds._known_configurations import CENTRAL
from skcrit.proving_grounds._pairs import PairGround
from skcrit.utils._validation import Interval


def make_central_configurations(
    n_bodies: int = 5, *, backend: str = "numpy", dtype: str = "float64"
) -> CentralConfigurations:
    r"""Make the potential whose critical points are the central configurations.

    .. math::

        f(q) = \sum_{i < j} \frac{1}{|q_i - q_j|} + \frac{1}{2} \sum_i |q_i|^2.

    At a critical point the others pull every body towards the origin in proportion to
    its distance from it. If the bodies are released at rest, they keep their shape
    while they collapse. There are 2, 4, 5, 9 and 14 shapes for 3 to 7 equal masses.

    Parameters
    ----------
    n_bodies : int, default=5
        Number of bodies, from 3 to 7.
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss of ``2 n_bodies`` parameters, the positions body by body, with
        ``ground_truth()`` of one set for each shape. Rotations, reflections and
        permutations do not change the set. Sets are numbered by increasing loss; the
        last is the collinear one.

    Raises
    ------
    ValueError
        If ``n_bodies`` is not from 3 to 7.

    Notes
    -----
    Central configurations are commonly defined up to scale, as critical points of the
    first sum, U, on the sphere on which the second, I, is fixed and the centre of mass
    is the origin. Here nothing is fixed. Along a ray t q the loss is ``U / t + t^2 I``,
    which has one minimum, so that each shape has exactly one critical size, and one
    more positive eigenvalue. The centre of mass adds a term that is minimal at the
    origin and independent of the rest, with two more positive eigenvalues. Therefore
    the critical points are the central configurations, with the Morse indices of U on
    the sphere. The loss tends to infinity towards collisions and towards infinity.

    The shapes were found by many searches; for 5 to 7 masses [1]_ proves that there are
    no others.

    References
    ----------
    .. [1] M. Moczurad and P. Zgliczynski. "Central configurations in planar n-body
       problem with equal masses for n = 5, 6, 7". Celestial Mechanics and Dynamical
       Astronomy 131, 2019, arXiv:1812.07279.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_central_configurations
    >>> [make_central_configurations(n).ground_truth().n_sets for n in range(3, 8)]
    [2, 4, 5, 9, 14]
    """
    return CentralConfigurations(n_bodies, backend=backend, dtype=dtype).fit()


@dataclass(eq=False, repr=False)
class CentralConfigurations(PairGround):
    """Newton's potential in a trap, see :func:`make_central_configurations`."""

    _parameter_constraints = {
        **Ground._parameter_constraints,
        "n_bodies": [Interval(Integral, 3, 7, closed="both")],
    }

    dimension, _trap = 2, 1.0

    # Towards collisions too, where it is infinite.
    is_coercive = True

    n_bodies: int = 5

    def _prepare(self) -> int:
        self._n_points = int(self.n_bodies)
        return 2 * self._n_points

    def _pair(self, u: Array) -> tuple[Array, Array, Array]:
        return u**-0.5, -0.5 * u**-1.5, 0.75 * u**-2.5

    @property
    def euler_characteristic(self) -> int:  # type: ignore[override]
        """Euler sum of a complete list: (-1)^n (n - 2)!.

        The space of n different points in the plane, up to translations and rotations,
        has the Poincare polynomial prod (1 + k t) over k = 2 ... n - 1.
        """
        return (-1) ** int(self.n_bodies) * factorial(int(self.n_bodies) - 2)

    def orbit_euler(self, theta: Array) -> FloatArray:
        """Compute the Euler characteristic of orbits, rotations divided out."""
        return np.asarray(self.orbit_size(theta), dtype=float)

    def draw_starts(self, streams: Sequence[np.random.Generator]) -> FloatArray:
        """Draw positions from the standard normal distribution."""
        return np.stack([stream.standard_normal(self.n_params_) for stream in streams])

    def _known_sets(self) -> KnownSets:
        return self._numbered(CENTRAL[self._n_points], nullity=1)
