"""How a notebook shows a finder: scikit-learn's diagram and the table of its sets."""

from __future__ import annotations

import warnings
from typing import Any

from sklearn.utils import estimator_html_repr

from skcrit.metrics._summary import summarize


class NotebookDisplay:
    """Show the table of critical sets under the diagram of a fitted finder."""

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
