"""Figures of fitted finders; Matplotlib is imported when one is drawn."""

from skcrit.inspection.convergence import ConvergenceDisplay
from skcrit.inspection.disconnectivity import DisconnectivityDisplay
from skcrit.inspection.landscape_graph import LandscapeGraphDisplay
from skcrit.inspection.loss_index import LossIndexDisplay
from skcrit.inspection.participation import ParticipationDisplay
from skcrit.inspection.tolerance import ToleranceDisplay

__all__ = [
    "ConvergenceDisplay",
    "DisconnectivityDisplay",
    "LandscapeGraphDisplay",
    "LossIndexDisplay",
    "ParticipationDisplay",
    "ToleranceDisplay",
]
