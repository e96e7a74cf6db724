"""Finders: estimators that search critical points."""

from skcrit.finders.base import BaseFinder
from skcrit.finders.newton_mr import NewtonMRFinder

__all__ = ["BaseFinder", "NewtonMRFinder"]
