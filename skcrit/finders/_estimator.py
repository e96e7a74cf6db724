"""Warnings and errors that finders add to those of scikit-learn's estimators."""

from __future__ import annotations

import warnings
from typing import Any, Self

from skcrit._version import __version__

__all__ = ["CarefulEstimator"]


class CarefulEstimator:
    """Warn if another version saved a finder; refuse parameters of a missing loss."""

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_skcrit_version": __version__}  # type: ignore[operator]

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        saved = state.pop("_skcrit_version", __version__)
        if saved != __version__:
            warnings.warn(
                f"This {type(self).__name__} was saved by skcrit {saved}, and this is "
                f"skcrit {__version__}. Its attributes may mean something else: fit it "
                "again if you can.",
                UserWarning,
                stacklevel=2,
            )
        super().__setstate__(state)  # type: ignore[misc]

    def set_params(self, **params: Any) -> Self:
        """Set parameters of the finder, and those of its loss by ``loss__`` names.

        Parameters
        ----------
        **params : dict
            Parameters by name, such as ``tol=1e-8`` or ``loss__alpha=0.1``.

        Returns
        -------
        self : BaseFinder
            The finder.

        Raises
        ------
        ValueError
            If a name is not a parameter, or belongs to a loss and ``loss`` is None.
        """
        nested = [name for name in params if name.startswith("loss__")]
        if nested and params.get("loss", getattr(self, "loss", None)) is None:
            raise ValueError(
                f"{nested[0]} cannot be set: loss is None. Set the loss first, such as "
                "loss=LinearAutoencoderLoss()."
            )
        return super().set_params(**params)  # type: ignore[misc]
