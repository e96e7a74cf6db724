"""Whether a search needs all eigenvectors of the Hessian, or products are enough."""

from __future__ import annotations

from skcrit._typing import BoolArray, IntArray
from skcrit.linalg.dense import MAX_DENSE_EIGENVECTORS
from skcrit.solvers.eigenpairs import N_GUARD

# Beyond MAX_DENSE_EIGENVECTORS parameters a search is faster with all eigenvectors for
# an index above (n_params / CROSSOVER)^2. Measured by
# benchmarks/saddle_dynamics_crossover.py, see doc/landscape.md.
CROSSOVER = 200


def largest_index(eigensolver: str, n_params: int) -> int:
    """Return the largest index for which products are enough."""
    if eigensolver == "auto":
        return min(n_params**2 // CROSSOVER**2, n_params // 3 - N_GUARD)
    return n_params // 3 - N_GUARD


def needs_all(eigensolver: str, index: IntArray, n_params: int) -> BoolArray:
    """Return which starts, of these indices, need all eigenvectors."""
    if eigensolver == "auto":
        few = n_params <= MAX_DENSE_EIGENVECTORS
        return few | (index > largest_index(eigensolver, n_params))
    too_many = 3 * (index + N_GUARD) > n_params
    return too_many | (eigensolver == "dense")
