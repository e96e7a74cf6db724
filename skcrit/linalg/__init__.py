"""Linear algebra on batches of matrices, independent of any loss."""

from skcrit.linalg._apart import eigh_apart
from skcrit.linalg._damped import EigenSystem, KrylovSystem
from skcrit.linalg._decompositions import eigh, pinv, svd
from skcrit.linalg._inertia import inertia
from skcrit.linalg._lanczos import lanczos
from skcrit.linalg._linear_result import LinearStatus, MinresQLPResult
from skcrit.linalg._lobpcg import lowest_eigenpairs
from skcrit.linalg._minres_qlp import minres_qlp
from skcrit.linalg._spectral_norm import spectral_norm
from skcrit.linalg._units import comparable_units
from skcrit.linalg.levels import (
    direction_level,
    flatness_level,
    pseudoinverse_level,
    rounding_level,
    symmetry_level,
)
from skcrit.linalg.quadrature import InertiaFractions, inertia_fractions

__all__ = [
    "EigenSystem",
    "InertiaFractions",
    "KrylovSystem",
    "LinearStatus",
    "MinresQLPResult",
    "comparable_units",
    "direction_level",
    "eigh",
    "eigh_apart",
    "flatness_level",
    "inertia",
    "inertia_fractions",
    "lanczos",
    "lowest_eigenpairs",
    "minres_qlp",
    "pinv",
    "pseudoinverse_level",
    "rounding_level",
    "spectral_norm",
    "svd",
    "symmetry_level",
]
