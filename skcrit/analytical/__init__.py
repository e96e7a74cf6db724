"""The analytical ground truth of the linear autoencoder, from its eigenpairs alone."""

from skcrit.analytical._eigenvalues import clean_eigenvalues
from skcrit.analytical._match import Match
from skcrit.analytical._spectrum import AnalyticalSpectrum

__all__ = ["AnalyticalSpectrum", "Match", "clean_eigenvalues"]
