"""Warnings and errors that skcrit raises under names of its own."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

__all__ = ["NoGroundTruthError", "NotConvergedWarning", "ResolutionWarning"]


class NotConvergedWarning(ConvergenceWarning):
    """Some starts of a finder did not reach the tolerance, or the index asked for."""


class ResolutionWarning(UserWarning):
    """Eigenvalues of the data lie so close together, or to zero, that labels may flip.

    The values and the index intervals of the critical sets remain right. The warning is
    also given for data without variance, for which every point is critical.
    """


class NoGroundTruthError(NotImplementedError):
    """The critical points of the loss are not known, so that none can be compared."""
