"""Any Python functions as a loss."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, Self

import numpy as np

from skcrit._typing import Array, ArrayLike
from skcrit.ground_truth.base import GroundTruth
from skcrit.losses.base import Loss
from skcrit.losses.differences import DifferenceModel
from skcrit.losses.local_model import LocalModel
from skcrit.utils._validation import Interval, check_params

__all__ = ["FunctionLoss"]


class _ExactModel(LocalModel):
    """Local model with the Hessian of exact products."""

    def hessian(self):
        return Loss.hessian(self.loss, self.theta)


class FunctionLoss(Loss):
    """Wrap functions for value, gradient and, where there is one, Hessian product.

    Parameters
    ----------
    value : callable
        ``value(theta)`` maps (..., n_params) to (...,).
    gradient : callable
        ``gradient(theta)`` maps (..., n_params) to the same shape.
    hvp : callable, default=None
        ``hvp(theta, v)`` maps two arrays (..., n_params) to the same shape. None takes
        central differences of the gradient.
    n_params : int, default=None
        Length of ``theta``. It must be given; it is last only because its neighbours
        are the functions.
    ground_truth : GroundTruth, default=None
        The critical points, where somebody knows them, for instance
        :class:`~skcrit.KnownPoints`. Scores, reports and figures compare with them.

    Attributes
    ----------
    n_params_ : int
        Length of ``theta``.

    Notes
    -----
    The functions get NumPy float64 arrays and must treat the rows of a batch
    independently. A difference of gradients costs two gradients per product. Its step
    is ``eps ** (1/3)`` times one plus the size of the parameters that ``v`` moves, its
    error about ``eps ** (2/3)``, relative to ``|H| |v|``: enough to find critical
    points (their gradient is exact), not enough to certify tiny eigenvalues.

    To run on several processes the functions must be picklable: defined in a module,
    not lambdas.

    Examples
    --------
    >>> from skcrit.losses import FunctionLoss
    >>> saddle = FunctionLoss(
    ...     value=lambda t: t[..., 0] ** 2 - t[..., 1] ** 2,
    ...     gradient=lambda t: t * [2.0, -2.0],
    ...     n_params=2,
    ... ).fit()
    >>> saddle.hessian([0.0, 0.0]).round(6)
    array([[ 2.,  0.],
           [ 0., -2.]])
    """

    _parameter_constraints = {
        "value": [callable],
        "gradient": [callable],
        "hvp": [callable, None],
        "n_params": [Interval(Integral, 1, None, closed="left")],
        "ground_truth": [GroundTruth, None],
    }

    def __init__(
        self,
        value: Callable[..., Any],
        gradient: Callable[..., Any],
        hvp: Callable[..., Any] | None = None,
        n_params: int | None = None,
        *,
        ground_truth: GroundTruth | None = None,
    ) -> None:
        # A loss has methods of these names, so that they are kept under others;
        # get_params and set_params show them as scikit-learn expects.
        self._functions = {"value": value, "gradient": gradient, "hvp": hvp}
        self._truth = ground_truth
        self.n_params = n_params

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
        rest = {"n_params": self.n_params, "ground_truth": self._truth}
        return {**self._functions, **rest}

    def set_params(self, **params: Any) -> Self:
        """Set constructor arguments.

        Parameters
        ----------
        **params : dict
            Arguments by name.

        Returns
        -------
        self : FunctionLoss
            The same object.

        Raises
        ------
        ValueError
            If a name is not an argument.
        """
        unknown = sorted(set(params) - set(self.get_params()))
        if unknown:
            raise ValueError(
                f"Invalid parameter {unknown[0]!r} for FunctionLoss. "
                f"Valid parameters are: {sorted(self.get_params())}."
            )
        self.n_params = params.pop("n_params", self.n_params)
        self._truth = params.pop("ground_truth", self._truth)
        self._functions = {**self._functions, **params}
        return self

    def fit(self, X: ArrayLike | None = None, y: object = None) -> Self:
        """Check the arguments; there is nothing to learn.

        Parameters
        ----------
        X, y : None
            Ignored.

        Returns
        -------
        self : FunctionLoss
            The fitted loss.

        Raises
        ------
        ValueError
            If a function is not callable, ``n_params`` is not a positive int, or
            ``ground_truth`` is of another kind or has another number of parameters.
        """
        check_params(self)
        if self._truth is not None and self._truth.n_params != self.n_params:
            raise ValueError(
                "ground_truth must have as many parameters as the loss, "
                f"n_params={self.n_params}, got {self._truth.n_params}."
            )
        self.n_params_ = int(self.n_params)  # type: ignore[arg-type]  # it is checked
        return self

    def ground_truth(self) -> GroundTruth:  # noqa: D102 (documented in Loss)
        return super().ground_truth() if self._truth is None else self._truth

    def value(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        theta = self._as_points(theta)
        return self._call("value", theta.shape[:-1], theta)

    def gradient(self, theta: Array) -> Array:  # noqa: D102
        theta = self._as_points(theta)
        return self._call("gradient", theta.shape, theta)

    def hvp(self, theta: Array, v: Array) -> Array:  # noqa: D102
        theta = self._as_points(theta)
        v = self._as_directions(v, theta)
        # Copies: functions get arrays that are theirs alone, not views of one another.
        theta, v = (np.array(a) for a in np.broadcast_arrays(theta, v))
        if self._functions["hvp"] is not None:
            return self._call("hvp", theta.shape, theta, v)
        # With entries of at most one, the squares below neither over- nor underflow.
        scale = np.max(np.abs(v), axis=-1, keepdims=True)
        v = v / np.where(scale > 0, scale, 1.0)
        # Parameters of different sizes allow different steps: the size that counts is
        # that of the parameters which v moves.
        size = np.linalg.norm(v * (1 + np.abs(theta)), axis=-1, keepdims=True)
        length = np.linalg.norm(v, axis=-1, keepdims=True)
        # The step balances the rounding of the gradient against the third derivative.
        eps = np.finfo(theta.dtype).eps
        step = eps ** (1 / 3) * size / np.where(scale > 0, length**2, 1.0)
        step = np.where(scale > 0, step, 1.0)
        ahead, behind = theta + step * v, theta - step * v
        slope = (self.gradient(ahead) - self.gradient(behind)) / (2 * step)
        return scale * slope

    def hessian(self, theta: Array) -> Array:  # noqa: D102
        return self.at(theta).hessian()

    def at(self, theta: Array) -> LocalModel:  # noqa: D102
        exact = self._functions["hvp"] is not None
        model = _ExactModel if exact else DifferenceModel
        return model(self, self._as_points(theta))

    def _call(self, name, shape, *args):
        # Call a function of the user and check what it returns.
        result = self._functions[name](*args)
        try:
            if result is None:
                raise TypeError("nothing, is a return statement missing?")
            result = np.asarray(result, dtype=self.dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name} must return an array of real numbers, got "
                f"{type(result).__name__}: {error}"
            ) from error
        if result.shape != tuple(shape):
            raise ValueError(
                f"{name} must return an array of shape {tuple(shape)} for theta of "
                f"shape {args[0].shape}, got shape {result.shape}."
            )
        return result
