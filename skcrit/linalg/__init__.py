"""Batched kernels that know no loss."""

from skcrit.linalg._damped import EigenSystem, KrylovSystem
from skcrit.linalg._decompositions import eigh, svd
from skcrit.linalg._inertia import inertia, rounding_level
from skcrit.linalg._lanczos import lanczos
from skcrit.linalg._linear_result import LinearStatus, MinresQLPResult
from skcrit.linalg._lobpcg import lowest_eigenpairs
from skcrit.linalg._minres_qlp import minres_qlp
from skcrit.linalg._spectral_norm import spectral_norm

__all__ = [
    "EigenSystem",
    "KrylovSystem",
    "LinearStatus",
    "MinresQLPResult",
    "eigh",
    "inertia",
    "lanczos",
    "lowest_eigenpairs",
    "minres_qlp",
    "rounding_level",
    "spectral_norm",
    "svd",
]
