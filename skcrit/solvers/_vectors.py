"""Products of rows of vectors, brought to the host."""

from __future__ import annotations

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, FloatArray


def dot(a: Array, b: Array) -> FloatArray:
    """Multiply vectors row by row; the inner products are on the host."""
    xp = array_namespace(a)
    return to_host(xp.sum(a * b, axis=-1))


def norm(a: Array) -> FloatArray:
    """Compute the Euclidean norms of rows, on the host."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.sqrt(dot(a, a))
