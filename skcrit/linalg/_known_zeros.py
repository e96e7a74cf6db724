"""Known zero eigenvalues of a matrix, which would blur those near them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skcrit._backend import array_namespace
from skcrit._typing import Array


@dataclass(frozen=True, eq=False)
class KnownZeros:
    """A space that a matrix is known to map to zero."""

    size: int = 0  # its dimension
    # The orthogonal projection of rows on its complement.
    remove: Callable[[Array], Array] = lambda v: v

    def joined(self, rows: Array, like: Array) -> KnownZeros:
        """Add linearly independent rows."""
        if rows.shape[0] == 0:
            return self
        xp = array_namespace(like)
        basis = xp.linalg.qr(xp.matrix_transpose(self.remove(rows)))[0]
        basis = xp.astype(xp.matrix_transpose(basis), like.dtype)

        def remove(v: Array) -> Array:
            v = self.remove(v)
            for _ in range(2):  # because of rounding
                v = v - (v @ xp.matrix_transpose(basis)) @ basis
            return v

        return KnownZeros(self.size + basis.shape[0], remove)
