"""Finders: estimators that search critical points."""

from skcrit.finders.base import BaseFinder
from skcrit.finders.grad_norm import GradNormFinder
from skcrit.finders.landscape import LandscapeExplorer
from skcrit.finders.newton_mr import NewtonMRFinder
from skcrit.finders.newton_tr import NewtonTRFinder
from skcrit.finders.newton_trajectory import NewtonTrajectoryFinder
from skcrit.finders.saddle_dynamics import SaddleDynamicsFinder

__all__ = [
    "BaseFinder",
    "GradNormFinder",
    "LandscapeExplorer",
    "NewtonMRFinder",
    "NewtonTRFinder",
    "NewtonTrajectoryFinder",
    "SaddleDynamicsFinder",
]
