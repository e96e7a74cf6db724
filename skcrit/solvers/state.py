"""What a solver carries from step to step, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skcrit._rows import Rows
from skcrit._tables import html_table, text_table
from skcrit.losses.local_model import LocalModel
from skcrit.solvers.status import Status


@dataclass
class State(Rows):
    """Running starts of a batch: device arrays for the mathematics, host for the log.

    Attributes
    ----------
    local : LocalModel
        Loss at the current points.
    rows : ndarray of int of shape (n,)
        Numbers of the starts in the batch.
    start_norm : ndarray of shape (n,)
        Norms of the starting points, at least one.
    n_gradient, n_hvp : ndarray of int of shape (n,)
        Gradients and Hessian-vector products spent.
    stuck : ndarray of bool of shape (n,)
        Whether the last step failed.
    n_iter : ndarray of int of shape (n,)
        Iterations done.
    carry : dict of str to array
        Whatever else a solver carries from step to step, a row per start, on host or
        device.
    """

    local: LocalModel
    rows: np.ndarray
    start_norm: np.ndarray
    n_gradient: np.ndarray
    n_hvp: np.ndarray
    stuck: np.ndarray
    n_iter: np.ndarray
    carry: dict[str, Any] = field(default_factory=dict)


@dataclass
class SolverResult(Rows):
    """Outcome of a batch, one row per start, on the host.

    It prints as a table of the medians by status.

    Attributes
    ----------
    theta : ndarray of shape (n_starts, n_params)
        Last finite points.
    loss : ndarray of shape (n_starts,)
        Loss there.
    squared_grad_norm : ndarray of shape (n_starts,)
        Squared gradient norm there.
    n_iter, n_gradient, n_hvp : ndarray of int of shape (n_starts,)
        Iterations, gradients and Hessian-vector products spent.
    status : ndarray of int of shape (n_starts,)
        Codes of :class:`~skcrit.solvers.Status`.
    residual_ratio, kernel_ratio : ndarray of shape (n_starts,)
        How flat the loss is if a search failed, NaN elsewhere: ``|r| / (|H| |p| +
        |g|)`` and ``|H r| / (|H| |r|)`` with the residual ``r = H p + g`` of a
        minimum-residual step p (:func:`~skcrit.solvers.flatness.flatness`).
    extra : dict of str to ndarray of shape (n_starts,)
        Columns of the method, by name.
    history : dict of str to list of ndarray
        Per start, the requested quantities of all its iterates, by name.
    """

    theta: np.ndarray
    loss: np.ndarray
    squared_grad_norm: np.ndarray
    n_iter: np.ndarray
    n_gradient: np.ndarray
    n_hvp: np.ndarray
    status: np.ndarray
    residual_ratio: np.ndarray
    kernel_ratio: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    history: dict[str, list[np.ndarray]] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self._title()}\n{text_table(self._by_status())}"

    def _repr_html_(self) -> str:
        return html_table(self._title(), self._by_status())

    def _title(self) -> str:
        n_starts, n_params = self.theta.shape
        return f"{type(self).__name__}: {n_starts} starts, {n_params} parameters"

    def _by_status(self) -> dict[str, list[Any]]:
        """Count the starts of each status, and say how far they came."""
        rows = {code.name: self.status == code for code in Status}
        rows = {name: mask for name, mask in rows.items() if mask.any()}

        def medians(column: np.ndarray) -> list[Any]:
            return [np.median(column[mask]) for mask in rows.values()]

        return {
            "status": list(rows),
            "starts": [int(mask.sum()) for mask in rows.values()],
            "iterations": medians(self.n_iter),
            "products": medians(self.n_hvp),
            "loss": medians(self.loss),
            "squared grad norm": medians(self.squared_grad_norm),
        }
