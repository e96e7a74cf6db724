"""The interface of known critical points of a loss."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from skcrit._typing import ArrayLike, BoolArray, FloatArray, IntArray, RandomState
from skcrit.utils._arguments import as_numbers, shown

# In which losses can be computed.
PRECISIONS = ("float64", "float32")


@dataclass(frozen=True, eq=False)
class Match:
    """The known critical set nearest to each of a batch of points.

    A *critical set* is a connected family of critical points that share their loss: a
    point, or all that the symmetries of the loss reach from it. Arrays have the leading
    shape of ``theta``; one vector gives Python scalars.

    Parameters
    ----------
    set : object, or ndarray of object of shape (...,)
        Name of the nearest critical set.
    distance : float or ndarray of shape (...,)
        Distance to the set, in the measure of the ground truth.
    margin : float or ndarray of shape (...,)
        Difference of the squared distances to the next set and to the nearest one.
    status : str or ndarray of str of shape (...,)
        "identified" if the point certainly belongs to the set, otherwise "ambiguous".
    loss : float or ndarray of shape (...,)
        Loss of the set (not of the point).
    loss_tolerance : float or ndarray of shape (...,)
        Largest difference between the loss computed at the point and that of the set
        that can be explained by the distance of the point and rounding.
    morse_index : int or ndarray of shape (...,)
        Morse index of the critical point that is approached; -1 if it is not known
        exactly.
    least_index : int or ndarray of shape (...,)
        The Morse index if it is known exactly, else a lower bound of it.
    """

    set: Any
    distance: Any
    margin: Any
    status: Any
    loss: Any
    loss_tolerance: Any
    morse_index: Any
    least_index: Any

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


class NamedSets(Protocol):
    """What every ground truth says of critical sets by their names."""

    def all_sets(self, max_sets: int = 10**6) -> list[Any]:
        """List the names of all critical sets.

        Parameters
        ----------
        max_sets : int, default=10**6
            A ValueError refuses to list more sets than this.

        Returns
        -------
        names : list
            Hashable names that can be sorted.
        """

    def sample_sets(self, n: int, random_state: RandomState = None) -> list[Any]:
        """Draw critical sets uniformly, independently and with replacement.

        Parameters
        ----------
        n : int
            Number of draws.
        random_state : int, RandomState, Generator or None, default=None
            Source of randomness.

        Returns
        -------
        names : list
            Names of sets.
        """

    def losses(self, sets: Any) -> FloatArray:
        """Return the loss on each of several sets.

        Parameters
        ----------
        sets : list
            Names of sets; one name gives one number.

        Returns
        -------
        losses : ndarray of shape (n_sets,)
            The losses, penalty included.
        """

    def morse_indices(self, sets: Any) -> IntArray:
        """Return the Morse index of each of several sets, -1 if it is not known.

        Parameters
        ----------
        sets : list
            Names of sets; one name gives one number.

        Returns
        -------
        morse_indices : ndarray of int of shape (n_sets,)
            The numbers of negative Hessian eigenvalues.
        """

    def nullities(self, sets: Any) -> IntArray:
        """Return the nullity of each of several sets, -1 if it is not known.

        Parameters
        ----------
        sets : list
            Names of sets; one name gives one number.

        Returns
        -------
        nullities : ndarray of int of shape (n_sets,)
            The numbers of zero Hessian eigenvalues.
        """

    def to_dict(self, sets: Any = None, max_sets: int = 10**6) -> dict[str, Any]:
        """Tabulate critical sets.

        Parameters
        ----------
        sets : list, default=None
            Names of sets; None is all of them.
        max_sets : int, default=10**6
            A ValueError refuses to tabulate all sets if there are more than this.

        Returns
        -------
        table : dict of str to list or ndarray
            Columns of equal length for ``pandas.DataFrame``, among them "set", "loss",
            "morse_index", "index_fraction" and "nullity". What is not known is -1, or
            NaN in fractions.
        """


@runtime_checkable
class GroundTruth(NamedSets, Protocol):
    """The known critical points of a loss, as metrics and figures use them.

    A loss whose critical points are known returns an object of this kind from
    ``ground_truth()``. :class:`~skcrit.AnalyticalSpectrum` knows all critical points of
    linear autoencoders; :class:`~skcrit.KnownPoints` makes one of any list of points.

    Attributes
    ----------
    n_sets : int
        Number of critical sets.
    n_params : int
        Length of ``theta``.
    resolution : float
        Largest gradient norm, at rescaled points, at which sets can be distinguished;
        NaN if it is not known.
    """

    @property
    def n_sets(self) -> int:
        """Number of critical sets."""

    @property
    def n_params(self) -> int:
        """Length of ``theta``."""

    @property
    def resolution(self) -> float:
        """Largest gradient norm at which sets can be distinguished."""

    def match(
        self,
        theta: ArrayLike,
        *,
        grad_norm: ArrayLike | None = None,
        dtype: str = "float64",
    ) -> Match:
        """Find the critical set nearest to each point.

        Parameters
        ----------
        theta : array-like of shape (..., n_params)
            Points. Those that are not finite match nothing: status "ambiguous",
            distance infinite, loss NaN.
        grad_norm : array-like of shape (...,), default=None
            Norms that the gradient of the loss may have at the points. They matter for
            the index of degenerate points and the tolerance of the loss. None is zero,
            or the norm that the ground truth can compute itself.
        dtype : {"float64", "float32"}, default="float64"
            Precision in which losses were computed.

        Returns
        -------
        match : Match
            A row per point.
        """


def check_theta(theta: ArrayLike, n_params: int) -> np.ndarray:
    """Return points as numbers, after a check of their last axis."""
    points = as_numbers(theta, "theta")
    if points.ndim == 0 or points.shape[-1] != n_params:
        raise ValueError(
            f"theta must have shape (..., n_params) with n_params={n_params}, got "
            f"{points.shape}."
        )
    return points


def check_grad_norm(grad_norm: ArrayLike | None, shape: tuple[int, ...]) -> np.ndarray:
    """Return a gradient norm per point of a batch, flat; None is zero."""
    norms = as_numbers(0.0 if grad_norm is None else grad_norm, "grad_norm")
    try:
        norms = np.broadcast_to(norms, shape)
    except ValueError:
        norms = np.array(np.nan)
    if not np.all(norms >= 0):
        raise ValueError(
            f"grad_norm must be numbers >= 0 of the leading shape {shape} of theta, or "
            f"None, got {shown(grad_norm)}."
        )
    return norms.reshape(-1)
