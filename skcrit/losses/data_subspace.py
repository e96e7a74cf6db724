"""The parameters of a network on which its fit to the data depends.

Images can have pixels that are always zero, and samples can span fewer dimensions than
there are features. Weights of the first layer along a direction in which no sample
extends change only the penalty. On these directions the Hessian is a multiple of the
identity, and its restriction to the others can be far smaller. Written as rows of
parameters, the directions would take gigabytes; one basis for all units takes
kilobytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from skcrit._backend import array_namespace
from skcrit._typing import Array


@dataclass(frozen=True, eq=False)
class DataSubspace:
    """Coordinates of the parameters on which the fit to the data depends.

    The Hessian maps the subspace to itself, and so its orthogonal complement.
    """

    # Orthonormal directions of the weights of a unit of the first layer, (n_seen,
    # n_inputs).
    basis: Array
    n_units: int  # of the first layer, whose weights are the first parameters
    n_params: int
    decay: float  # the Hessian is this times the identity on the complement

    @property
    def n_coordinates(self) -> int:
        """Dimension of the subspace."""
        n_seen, n_inputs = self.basis.shape
        return self.n_params - self.n_units * (n_inputs - n_seen)

    @property
    def n_free(self) -> int:
        """Number of directions outside along which the loss is constant."""
        return 0 if self.decay else self.n_params - self.n_coordinates

    def expand(self, coordinates: Array) -> Array:
        """Return parameters, or directions of them, of these coordinates."""
        return self._changed(coordinates, self.basis)

    def reduce(self, v: Array) -> Array:
        """Return the coordinates of the orthogonal projections of parameters."""
        return self._changed(v, array_namespace(v).matrix_transpose(self.basis))

    def _changed(self, v: Any, matrix: Any) -> Any:
        # Multiply the weights of each unit of the first layer; leave the others.
        xp, leading = array_namespace(v), v.shape[:-1]
        n = self.n_units * matrix.shape[0]
        first = xp.reshape(v[..., :n], (*leading, self.n_units, matrix.shape[0]))
        first = xp.reshape(first @ matrix, (*leading, self.n_units * matrix.shape[1]))
        return xp.concat([first, v[..., n:]], axis=-1)
