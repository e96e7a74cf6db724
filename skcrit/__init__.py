"""Critical points of loss surfaces, found by scikit-learn estimators.

skcrit finds minima and saddles of every index, and says how far to believe them: its
proving ground is the linear autoencoder, whose critical points are known.
"""

from skcrit._version import __version__
from skcrit.certification import certify
from skcrit.exceptions import NoGroundTruthError, NotConvergedWarning, ResolutionWarning
from skcrit.finders import (
    BaseFinder,
    GradNormFinder,
    LandscapeExplorer,
    NewtonMRFinder,
    NewtonTrajectoryFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
    connections,
)
from skcrit.ground_truth import AnalyticalSpectrum, KnownPoints
from skcrit.losses import (
    FunctionLoss,
    GradientNormLoss,
    LinearAutoencoderLoss,
    LinearNetworkLoss,
    Loss,
    MLPLoss,
    TorchLoss,
)
from skcrit.starts import AutoStarts, GaussianStarts, SpreadStarts, TrajectoryStarts
from skcrit.utils._versions import show_versions

__all__ = [
    "AnalyticalSpectrum",
    "AutoStarts",
    "BaseFinder",
    "FunctionLoss",
    "GaussianStarts",
    "GradNormFinder",
    "GradientNormLoss",
    "KnownPoints",
    "LandscapeExplorer",
    "LinearAutoencoderLoss",
    "LinearNetworkLoss",
    "Loss",
    "MLPLoss",
    "NewtonMRFinder",
    "NewtonTRFinder",
    "NewtonTrajectoryFinder",
    "NoGroundTruthError",
    "NotConvergedWarning",
    "ResolutionWarning",
    "SaddleDynamicsFinder",
    "SpreadStarts",
    "TorchLoss",
    "TrajectoryStarts",
    "__version__",
    "certify",
    "connections",
    "show_versions",
]
