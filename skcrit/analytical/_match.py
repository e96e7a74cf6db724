"""The record that identification returns."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from skcrit._typing import BoolArray

__all__ = ["Match"]


@dataclass(frozen=True, eq=False)
class Match:
    """The critical set nearest to each of a batch of points.

    Arrays have the leading shape of ``theta``; one vector gives Python scalars.

    Parameters
    ----------
    set : tuple of int, or ndarray of object of shape (...,)
        Canonical name of the nearest critical set.
    mask : ndarray of shape (..., n_features), dtype bool
        The same name as a mask.
    distance : float or ndarray of shape (...,)
        Frobenius distance between the end-to-end matrix and the nearest one of the set,
        both as the data see them: U^T W U_+, columns of positive eigenvalues only.
        Without a penalty different sets are at least 1 apart.
    margin : float or ndarray of shape (...,)
        Decision margin on the squared distance: the smallest change of the squared
        distance by which one index would enter or leave the set.
    status : str or ndarray of str of shape (...,)
        "identified" when the distance is below 1/2, the balanced gradient norm at most
        the resolution and the value consistent with the distance; else "ambiguous".
    loss : float or ndarray of shape (...,)
        Loss of the nearest set (not of the point).
    morse_index : int or ndarray of shape (...,)
        Morse index of the nearest set; -1 where a deep network has an open pivot, so
        that the formula gives a lower bound only.
    index_lower_bound : int or ndarray of shape (...,)
        Every critical point of the set has at least this Morse index.
    squared_balanced_grad_norm : float or ndarray of shape (...,)
        Squared gradient norm at the balanced factorisation of the end-to-end matrix.
        With the penalty "sum" that factorisation would be another point of the loss,
        and this is the squared norm of the gradient at ``theta`` itself.
    error_estimate : float or ndarray of shape (...,)
        First-order estimate of the distance from the gradient; 0 for the empty set,
        where the end-to-end matrix responds to second order.
    certificate : float or ndarray of shape (...,)
        Rigorous bound on the distance to *some* critical end-to-end matrix; infinite
        where no bound is proved: penalties, zero or repeated eigenvalues, or a gradient
        that is too large.
    """

    set: object
    mask: np.ndarray
    distance: object
    margin: object
    status: object
    loss: object
    morse_index: object
    index_lower_bound: object
    squared_balanced_grad_norm: object
    error_estimate: object
    certificate: object

    @property
    def identified(self) -> bool | BoolArray:
        """Whether the status is "identified": bool, or ndarray of bool."""
        return self.status == "identified"

    @classmethod
    def from_columns(cls, columns: dict[str, Any], shape: tuple[int, ...]) -> Self:
        """Give flat columns the leading shape of the points.

        Parameters
        ----------
        columns : dict of str to ndarray
            One array per field, with a row per point.
        shape : tuple of int
            Leading shape of ``theta``; empty for one vector.

        Returns
        -------
        match : Match
            The record.
        """
        values = {}
        for field in fields(cls):
            column = columns[field.name]
            value = column.reshape(shape + column.shape[1:])
            # An array of shape () becomes the Python object that it holds.
            values[field.name] = value.item() if value.ndim == 0 else value
        return cls(**values)
