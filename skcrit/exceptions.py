"""Warnings and errors that skcrit raises under names of its own."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning

__all__ = [
    "NoGroundTruthError",
    "NotConvergedWarning",
    "ResolutionWarning",
]


class NotConvergedWarning(ConvergenceWarning):
    """Some starts of a finder did not reach the tolerance, or the index asked for."""


class ResolutionWarning(UserWarning):
    """Eigenvalues of the data lie so close together, or to zero, that labels may flip.

    The values and the index intervals of the critical sets remain right. Data without
    any variance, which leave nothing to find, are warned of as well.
    """


class NoGroundTruthError(NotImplementedError):
    """The loss has no closed-form critical points to compare with."""
