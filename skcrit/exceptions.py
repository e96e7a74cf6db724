"""Warnings and errors that skcrit raises under names of its own."""

from __future__ import annotations

from sklearn.exceptions import ConvergenceWarning
from sklearn.exceptions import InconsistentVersionWarning as _SklearnVersionWarning

__all__ = [
    "InconsistentVersionWarning",
    "NoGroundTruthError",
    "NotConvergedWarning",
    "ResolutionWarning",
]


class InconsistentVersionWarning(_SklearnVersionWarning):
    """An estimator was saved by another version of skcrit than the one that loads it.

    Parameters
    ----------
    estimator_name : str
        Class of the estimator.
    current_version, original_version : str
        Version of skcrit that loads and that saved; "unknown" if it was not recorded.
    """

    def __init__(
        self, *, estimator_name: str, current_version: str, original_version: str
    ) -> None:
        self.estimator_name = estimator_name
        self.current_version = current_version
        self.original_version = original_version

    def __str__(self):
        return (
            f"{self.estimator_name} was saved by skcrit {self.original_version} and is "
            f"loaded by skcrit {self.current_version}: its attributes can be missing "
            "or mean something else. Fit it again, or load it with "
            f"skcrit {self.original_version}."
        )

    def __reduce__(self):
        return _version_warning, (
            self.estimator_name,
            self.current_version,
            self.original_version,
        )


def _version_warning(name, current, original):
    """Build the warning anew, from another process."""
    return InconsistentVersionWarning(
        estimator_name=name, current_version=current, original_version=original
    )


class NotConvergedWarning(ConvergenceWarning):
    """Some starts of a finder did not reach the tolerance."""


class ResolutionWarning(UserWarning):
    """Eigenvalues of the data lie so close together, or to zero, that labels may flip.

    The values and the index intervals of the critical sets remain right.
    """


class NoGroundTruthError(NotImplementedError):
    """The loss has no closed-form critical points to compare with."""
