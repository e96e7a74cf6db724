"""Lennard-Jones clusters of a few atoms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from skcrit._typing import Array, FloatArray
from skcrit.proving_grounds._base import Ground, KnownSets
from skcrit.proving_grounds._known_configurations import CLUSTERS
from skcrit.proving_grounds._pairs import PairGround
from skcrit.utils._validation import Interval

# Starts have no two atoms nearer than this, and lie in a ball of this radius times the
# cube root of their number.
_NEAREST = 0.75
_BALL = 0.9


def make_lennard_jones(
    n_atoms: int = 7, *, backend: str = "numpy", dtype: str = "float64"
) -> LennardJones:
    r"""Make the energy of a cluster of atoms.

    .. math::

        f(q) = \sum_{i < j} \left(r_{ij}^{-12} - 2 r_{ij}^{-6}\right),

    in units in which a pair at rest has the energy -1 and the distance 1. There are 1,
    1, 1, 2, 4 and 8 minima for 3 to 8 atoms.

    Parameters
    ----------
    n_atoms : int, default=7
        Number of atoms, from 3 to 8.
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss of ``3 n_atoms`` parameters, the positions atom by atom, with
        ``ground_truth()`` of the minima, numbered by increasing energy. It does not
        list saddles, whose number differs between sources: searches that end at one
        are not judged (``listed_indices`` of :class:`~skcrit.KnownPoints`).

    Raises
    ------
    ValueError
        If ``n_atoms`` is not from 3 to 8.

    Notes
    -----
    Rotations, translations, reflections and permutations do not change the set. The
    energy tends to zero as atoms move apart, so that searches can escape.

    References
    ----------
    .. [1] C. J. Tsai and K. D. Jordan. "Use of an eigenmode method to locate the
       stationary points on the potential energy surfaces of selected argon and water
       clusters". J. Phys. Chem. 97, 1993.
    .. [2] J. Zhang. "A brief review on results and computational algorithms for
       minimizing the Lennard-Jones potential". arXiv:1101.0039. The numbers of minima.
    .. [3] D. J. Wales and J. P. K. Doye. "Global optimization by basin-hopping and the
       lowest energy structures of Lennard-Jones clusters containing up to 110 atoms".
       J. Phys. Chem. A 101, 1997, arXiv:cond-mat/9803344.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_lennard_jones
    >>> truth = make_lennard_jones(7).ground_truth()
    >>> truth.losses(truth.all_sets()).round(6)
    array([-16.505384, -15.935043, -15.593211, -15.53306 ])
    """
    return LennardJones(n_atoms, backend=backend, dtype=dtype).fit()


@dataclass(eq=False, repr=False)
class LennardJones(PairGround):
    """The energy of a cluster, see :func:`make_lennard_jones`."""

    _parameter_constraints = {
        **Ground._parameter_constraints,
        "n_atoms": [Interval(Integral, 3, 8, closed="both")],
    }

    dimension, _trap = 3, 0.0

    n_atoms: int = 7

    def _prepare(self) -> int:
        self._n_points = int(self.n_atoms)
        return 3 * self._n_points

    def _pair(self, u: Array) -> tuple[Array, Array, Array]:
        inverse = u**-3
        value = inverse * (inverse - 2)
        slope = -6 * inverse * (inverse - 1) / u
        bend = (42 * inverse - 24) * inverse / u**2
        return value, slope, bend

    def length_scale(self) -> float:
        """Return half the distance of a pair at rest."""
        return 0.5

    def draw_starts(self, streams: Sequence[np.random.Generator]) -> FloatArray:
        """Draw atoms one by one, uniformly from a ball and not too near to others."""
        return np.stack([self._draw(stream).ravel() for stream in streams])

    def _draw(self, stream: np.random.Generator) -> FloatArray:
        """Draw one cluster."""
        radius = _BALL * self._n_points ** (1 / 3)
        atoms = np.empty((0, 3))
        while len(atoms) < self._n_points:
            new = radius * stream.uniform(-1, 1, 3)
            apart = np.all(np.linalg.norm(atoms - new, axis=1) > _NEAREST)
            if np.linalg.norm(new) <= radius and apart:
                atoms = np.vstack([atoms, new])
        return atoms

    def _known_sets(self) -> KnownSets:
        known = self._numbered(CLUSTERS[self._n_points], nullity=6)
        return known._replace(listed_indices=(0,))
