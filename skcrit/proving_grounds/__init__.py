"""Proving grounds: losses with known critical points, by which finders are judged."""

from skcrit.proving_grounds.brockett import make_brockett_cost
from skcrit.proving_grounds.camels import make_six_hump_camel, make_three_hump_camel
from skcrit.proving_grounds.central_configurations import make_central_configurations
from skcrit.proving_grounds.himmelblau import make_himmelblau
from skcrit.proving_grounds.lennard_jones import make_lennard_jones
from skcrit.proving_grounds.mueller_brown import make_mueller_brown
from skcrit.proving_grounds.phase_retrieval import make_phase_retrieval
from skcrit.proving_grounds.quadratic_network import make_quadratic_network
from skcrit.proving_grounds.separable import make_separable_quartic
from skcrit.proving_grounds.tensor import make_orthogonal_tensor

__all__ = [
    "make_brockett_cost",
    "make_central_configurations",
    "make_himmelblau",
    "make_lennard_jones",
    "make_mueller_brown",
    "make_orthogonal_tensor",
    "make_phase_retrieval",
    "make_quadratic_network",
    "make_separable_quartic",
    "make_six_hump_camel",
    "make_three_hump_camel",
]
