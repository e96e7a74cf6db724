"""Ground truth: the critical points of a loss, if they are known."""

from skcrit.ground_truth._eigenvalues import clean_eigenvalues
from skcrit.ground_truth._identification import LinearMatch
from skcrit.ground_truth.autoencoder import AnalyticalSpectrum
from skcrit.ground_truth.base import GroundTruth, Match
from skcrit.ground_truth.known_points import KnownPoints
from skcrit.ground_truth.network import LinearNetworkSpectrum

__all__ = [
    "AnalyticalSpectrum",
    "GroundTruth",
    "KnownPoints",
    "LinearMatch",
    "LinearNetworkSpectrum",
    "Match",
    "clean_eigenvalues",
]
