"""Batched kernels that know no loss."""

from skcrit.linalg._inertia import inertia, rounding_level
from skcrit.linalg._minres_qlp import LinearStatus, MinresQLPResult, minres_qlp
from skcrit.linalg._spectral_norm import spectral_norm

__all__ = [
    "LinearStatus",
    "MinresQLPResult",
    "inertia",
    "minres_qlp",
    "rounding_level",
    "spectral_norm",
]
