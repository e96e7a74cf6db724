"""What finders add to scikit-learn's estimators: warnings, errors, a table."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.utils import estimator_html_repr

from skcrit._version import __version__
from skcrit.exceptions import NotConvergedWarning
from skcrit.metrics._summary import summarize
from skcrit.solvers.status import Status
from skcrit.starts.make import lie_on_one_descent


class CarefulEstimator:
    """Warn of old versions and of failures; show sets under the diagram in notebooks.

    Parameters of a missing loss are refused.
    """

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

    def _warn(self: Any) -> None:
        """Warn the caller of ``fit`` of all that went wrong."""
        for text in self._complaints():
            warnings.warn(
                f"{type(self).__name__}: {text}.",
                NotConvergedWarning,
                # The decorator of fit is a frame of its own.
                stacklevel=3 + hasattr(self.fit, "__wrapped__"),
            )

    def _complaints(self: Any) -> Iterator[str]:
        """Count the starts that failed; say if all lie on one descent and found one."""
        status = self.results_["status"]
        failed = [s for s in Status if s != Status.CONVERGED and s.name in status]
        if failed:
            reasons = "; ".join(
                f"{np.sum(status == code.name)} {code.name} ({code.text})"
                for code in failed
            )
            yield (
                f"{np.sum(~self.converged_)} of {len(status)} starts did not end at a "
                f"critical point with tol={self.tol}: {reasons}"
            )
        if self.n_critical_sets_ == 1 and lie_on_one_descent(self.init, self.n_starts):
            yield (
                f"all {self.n_starts} starts lie on one gradient descent and found one "
                'critical set; others are missed. Take init="auto", "spread" or '
                "TrajectoryStarts(n_trajectories=25)"
            )

    def _html_repr(self) -> str:
        """Return scikit-learn's diagram, and of a fitted finder the table."""
        diagram = estimator_html_repr(self)
        if not hasattr(self, "critical_points_"):
            return diagram
        with warnings.catch_warnings():
            # Showing a finder gives no advice; its method summary does.
            warnings.simplefilter("ignore", UserWarning)
            table = summarize(self)._repr_html_()  # type: ignore[arg-type]
        return f"<div>{diagram}{table}</div>"

    # scikit-learn before 1.9 does not ask _html_repr for either of these.
    def _repr_html_inner(self) -> str:
        return self._html_repr()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(**kwargs)  # type: ignore[misc]
        if "text/html" in bundle:
            bundle["text/html"] = self._html_repr()
        return bundle
