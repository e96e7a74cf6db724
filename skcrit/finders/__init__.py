"""Finders: estimators that search critical points."""

from skcrit.finders.base import BaseFinder
from skcrit.finders.grad_norm import GradNormFinder
from skcrit.finders.newton_mr import NewtonMRFinder
from skcrit.finders.newton_tr import NewtonTRFinder

__all__ = ["BaseFinder", "GradNormFinder", "NewtonMRFinder", "NewtonTRFinder"]
