"""The order of the parameters of a multilayer network in one vector."""

from __future__ import annotations

from math import prod
from typing import Any

from sklearn.utils.validation import check_is_fitted

from skcrit._backend import array_namespace
from skcrit._typing import Array
from skcrit.losses._points import TakesPoints
from skcrit.utils._arguments import shown


class NetworkLayout(TakesPoints):
    """Cut parameters into the matrices of layers, and join them.

    ``_widths`` holds the widths of all layers, inputs first, and ``_shapes`` the shapes
    of the matrices, intercepts in the last column.
    """

    fit_intercept: bool
    _widths: tuple[int, ...]
    _shapes: list[tuple[int, int]]

    def _split(self, theta: Array) -> list[Array]:
        # Cut parameters that are known to be right into the matrices of the layers.
        xp = array_namespace(theta)
        weights, start = [], 0
        for shape in self._shapes:
            stop = start + prod(shape)
            part = theta[..., start:stop]
            weights.append(xp.reshape(part, (*theta.shape[:-1], *shape)))
            start = stop
        return weights

    def _join(self, weights: list[Array]) -> Array:
        # Join matrices that are known to be right.
        xp = array_namespace(weights[0])
        flat = [xp.reshape(W, (*W.shape[:-2], prod(W.shape[-2:]))) for W in weights]
        return xp.concat(flat, axis=-1)

    def unpack(self, theta: Array) -> tuple[list[Array], list[Array]]:
        """Divide parameters into coefficients and intercepts, as in scikit-learn.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        coefs : list of arrays of shape (..., n_in, n_out)
            Weights of the layers, first layer first, as views if possible.
        intercepts : list of arrays of shape (..., n_out)
            Intercepts; zero without ``fit_intercept``.
        """
        theta = self._as_points(theta)
        xp = array_namespace(theta)
        weights = self._split(theta)
        widths = self._widths[:-1]
        coefs = [
            xp.matrix_transpose(W[..., :n_in])
            for W, n_in in zip(weights, widths, strict=True)
        ]
        if self.fit_intercept:
            return coefs, [W[..., -1] for W in weights]
        return coefs, [xp.zeros_like(W[..., 0]) for W in weights]

    def pack(self, coefs: list[Array], intercepts: list[Array] | None = None) -> Array:
        """Join coefficients and intercepts to parameters.

        Parameters
        ----------
        coefs : list of arrays of shape (..., n_in, n_out)
            Weights of the layers, first layer first.
        intercepts : list of arrays of shape (..., n_out), default=None
            Intercepts; None is zero. They must be zero without ``fit_intercept``.

        Returns
        -------
        theta : array of shape (..., n_params)
            Points.

        Raises
        ------
        ValueError
            If the number of arrays or their shapes are not those of the network, or
            there are intercepts without ``fit_intercept``.
        """
        check_is_fitted(self)
        layers = list(zip(self._widths[:-1], self._widths[1:], strict=True))
        coefs = self._arrays(coefs, "coefs", layers)
        xp = array_namespace(coefs[0])
        weights = [xp.matrix_transpose(W) for W in coefs]
        if intercepts is None:
            intercepts = [xp.zeros_like(W[..., 0]) for W in weights]
        intercepts = self._arrays(intercepts, "intercepts", [(n,) for _, n in layers])
        if not self.fit_intercept:
            if any(bool(xp.any(b != 0)) for b in intercepts):
                raise ValueError("intercepts must be zero for fit_intercept=False.")
            return self._join(weights)
        joined = [
            xp.concat([W, b[..., None]], axis=-1)
            for W, b in zip(weights, intercepts, strict=True)
        ]
        return self._join(joined)

    def _arrays(self, arrays: list[Any], name: str, shapes: list[Any]) -> list[Array]:
        # Bring arrays of the layers to where the loss computes, and check their shapes.
        try:
            arrays = [self._on_device(array, name) for array in arrays]
        except TypeError as error:
            raise ValueError(
                f"{name} must be a list of arrays, got {shown(arrays)}: {error}."
            ) from error
        found = [tuple(array.shape) for array in arrays]
        right = len(found) == len(shapes) and all(
            have[-len(want) :] == want and have[: -len(want)] == found[0][: -len(want)]
            for have, want in zip(found, shapes, strict=True)
        )
        if not right:
            raise ValueError(
                f"{name} must have shapes {shapes}, all after the same leading axes, "
                f"got {found}."
            )
        return arrays
