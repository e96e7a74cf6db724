"""Symmetries that a user declares by functions."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from skcrit._typing import Array
from skcrit.losses.base import Loss
from skcrit.utils._arguments import as_numbers

__all__ = ["DeclaredSymmetries"]


class DeclaredSymmetries(Loss):
    """Take the functions ``invariants`` and ``symmetries`` as constructor arguments.

    A subclass keeps the first as ``_invariants``, because a loss has a method of its
    name, and the second as ``symmetries``.
    """

    _invariants: Any
    symmetries: Any

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the constructor arguments.

        Parameters
        ----------
        deep : bool, default=True
            Ignored: no argument is an estimator.

        Returns
        -------
        params : dict
            Arguments by name.
        """
        return super().get_params(deep=False) | {"invariants": self._invariants}

    def set_params(self, **params: Any) -> Self:
        """Set constructor arguments.

        Parameters
        ----------
        **params : dict
            Arguments by name.

        Returns
        -------
        self : Loss
            The same object.

        Raises
        ------
        ValueError
            If a name is not an argument.
        """
        rest = {name: value for name, value in params.items() if name != "invariants"}
        super().set_params(**rest)
        self._invariants = params.get("invariants", self._invariants)
        return self

    @property
    def n_zero_modes_(self) -> int | None:
        """Number of zero eigenvalues of the Hessian that symmetries explain.

        It is None if ``symmetries`` is a function.
        """
        return None if callable(self.symmetries) else self.symmetries or 0

    def invariants(self, theta: Array) -> Array:
        """Compute what the symmetries leave alone, by the function if there is one.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        invariants : array of shape (..., n_invariants)
            Two critical points belong to the same set when their invariants agree.

        Raises
        ------
        ValueError
            If the function returns something else.
        """
        theta = self._as_points(theta)
        if self._invariants is None:
            return theta
        return self._call("invariants", self._invariants, theta, "n_invariants")

    def orbit_tangents(self, theta: Array) -> Array:
        """Span the tangent space of the continuous symmetries.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        tangents : array of shape (..., n_tangents, n_params)
            Vectors in rows, by the function ``symmetries``; none if it is not one.

        Raises
        ------
        ValueError
            If the function returns something else.
        """
        theta = self._as_points(theta)
        if not callable(self.symmetries):
            return super().orbit_tangents(theta)
        return self._call(
            "symmetries", self.symmetries, theta, "n_tangents", self.n_params_
        )

    def _call(self, name, function, theta, number, *tail):
        # Call a function of the user with points of its own, and check what it returns.
        result = function(np.array(theta))
        result = as_numbers(result, f"what {name} returns").astype(self.dtype)
        free = len(theta.shape) - 1
        expected = (*theta.shape[:-1], *result.shape[free : free + 1], *tail)
        if result.shape != expected or result.ndim == free:
            wanted = ", ".join(map(str, (*theta.shape[:-1], number, *tail)))
            raise ValueError(
                f"{name} must return an array of shape ({wanted}) for theta of shape "
                f"{theta.shape}, got shape {result.shape}."
            )
        return result
