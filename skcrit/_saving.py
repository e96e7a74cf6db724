"""What a saved estimator says when another version of skcrit loads it."""

import warnings

from skcrit._version import __version__
from skcrit.exceptions import InconsistentVersionWarning

__all__ = ["VersionMixin"]

_KEY = "_skcrit_version"


class VersionMixin:
    """Keep the version of skcrit in the saved state, and compare it on loading.

    scikit-learn does the same for its own classes only. It stands before
    ``BaseEstimator`` among the bases.
    """

    def __getstate__(self):
        return {**super().__getstate__(), _KEY: __version__}

    def __setstate__(self, state):
        state = dict(state)
        version = state.pop(_KEY, "unknown")
        if version != __version__:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_version=__version__,
                    original_version=version,
                ),
                stacklevel=2,
            )
        super().__setstate__(state)
