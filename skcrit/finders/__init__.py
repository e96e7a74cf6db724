"""Finders: estimators that search critical points."""

from skcrit.finders._connect import connections
from skcrit.finders.base import BaseFinder
from skcrit.finders.grad_norm import GradNormFinder
from skcrit.finders.landscape import LandscapeExplorer
from skcrit.finders.newton_mr import NewtonMRFinder
from skcrit.finders.newton_tr import NewtonTRFinder
from skcrit.finders.newton_trajectory import NewtonTrajectoryFinder
from skcrit.finders.saddle_dynamics import SaddleDynamicsFinder
from skcrit.search.connections import Connections, Merge

__all__ = [
    "BaseFinder",
    "Connections",
    "GradNormFinder",
    "LandscapeExplorer",
    "Merge",
    "NewtonMRFinder",
    "NewtonTRFinder",
    "NewtonTrajectoryFinder",
    "SaddleDynamicsFinder",
    "connections",
]
