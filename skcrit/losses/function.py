"""A loss made of Python functions."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, Self

import numpy as np

from skcrit._typing import Array, ArrayLike
from skcrit.ground_truth.base import GroundTruth
from skcrit.losses._declared import DECLARATIONS, DeclaredLoss
from skcrit.losses.base import Loss
from skcrit.losses.differences import DifferenceModel
from skcrit.losses.local_model import LocalModel
from skcrit.losses.proofs import as_radius
from skcrit.utils._arguments import LEADING_AXES, shown
from skcrit.utils._validation import Interval, check_params

# Said to a function that raises an error of arithmetic, such as that of a Cholesky
# decomposition of a matrix that is not positive definite.
_NO_VALUE = (
    "If it is not defined at some points, let it return nan for them: searches then "
    "take shorter steps."
)


class _ExactModel(LocalModel):
    """Local model with the Hessian of exact products."""

    def hessian(self) -> Array:
        return Loss.hessian(self.loss, self.theta)


class FunctionLoss(DeclaredLoss):
    """Make a loss of functions: value, gradient and optionally Hessian product.

    Parameters
    ----------
    value : callable
        ``value(theta)`` maps (..., n_params) to (...,).
    gradient : callable
        ``gradient(theta)`` maps (..., n_params) to the same shape.
    hvp : callable, default=None
        ``hvp(theta, v)`` maps two arrays (..., n_params) to the same shape. None uses
        central differences of the gradient.
    n_params : int, default=None
        Length of ``theta``. It must be given; it stands after the functions only for
        the sake of their order.
    bounds : tuple of (array-like, array-like), default=None
        All lower and all upper bounds, numbers or arrays of shape (n_params,), possibly
        infinite; not a pair for each parameter. Searches begin inside, and a search
        that ends outside has the status ESCAPED.
    length : float or array-like of shape (n_params,), default=None
        Typical distance between critical points, for all parameters or for each. None
        estimates it: a quarter of the width of ``bounds``, else by
        :func:`~skcrit.losses.scale.estimate_length`.
    symmetries : int or callable, default=None
        Continuous symmetries: how many eigenvalues of the Hessian they make zero at a
        critical point, or a function that maps (..., n_params) to tangent vectors of
        the symmetry orbits, of shape (..., n_tangents, n_params).
    invariants : callable, default=None
        Maps (..., n_params) to (..., n_invariants), numbers that no symmetry changes.
        Points belong to one critical set if their invariants agree. None is ``theta``.
    representative : callable, default=None
        Maps (..., n_params) to the same shape: one point of each discrete symmetry
        orbit, such as that of a permutation. None is ``theta``.
    ground_truth : GroundTruth, default=None
        The critical points if they are known, for instance
        :class:`~skcrit.KnownPoints`. Scores, reports and figures compare with them.
    is_coercive : bool, default=None
        Whether the loss tends to infinity in every direction; None if you do not know.
        With True a wrong Euler sum alarms :class:`~skcrit.LandscapeExplorer`.
    hessian_lipschitz : callable, default=None
        Maps points (..., n_params) and radii (...,) to Lipschitz constants (...,) of
        the Hessian, in the 2-norm, on the balls of these radii around the points. With
        this and ``evaluation_error`` the verdicts of :func:`skcrit.certify` are proofs;
        without them they are estimates.
    evaluation_error : callable, default=None
        Maps points (..., n_params) to three arrays (...,): bounds on the rounding
        errors of the value, of the gradient (2-norm) and of the dense Hessian (spectral
        norm; it needs ``hvp``, as differences of gradients have larger errors).

    Attributes
    ----------
    n_params_ : int
        Length of ``theta``.

    Notes
    -----
    The functions get NumPy float64 arrays and must treat the rows of a batch
    independently. A function that is not defined everywhere must return NaN for the
    other points, not raise an error: searches then take shorter steps. One that begins
    at such a point is DIVERGED. A difference of gradients costs two gradients per
    product. Its step is ``2 eps ** (1/3)`` times the length scale of the parameters
    that ``v`` moves, its error about ``eps ** (2/3)``, relative to ``|H| |v|``. If
    parameters are r times their length scale, the step is larger by ``r ** (1/3)`` and
    the error by ``r ** (2/3)``. The dense Hessians from which Morse indices are counted
    are extrapolated and far more accurate
    (:class:`~skcrit.losses.differences.DifferenceModel`); they cost ``14 n_params``
    gradients.

    ``memory`` and a saved finder need functions that are defined in a module, not
    lambdas. ``n_jobs`` alone takes any function.

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
        **DECLARATIONS,
        "hessian_lipschitz": [callable, None],
        "evaluation_error": [callable, None],
    }

    def __init__(
        self,
        value: Callable[..., Any],
        gradient: Callable[..., Any],
        hvp: Callable[..., Any] | None = None,
        n_params: int | None = None,
        *,
        bounds: tuple[ArrayLike, ArrayLike] | None = None,
        length: float | ArrayLike | None = None,
        symmetries: int | Callable[..., Any] | None = None,
        invariants: Callable[..., Any] | None = None,
        representative: Callable[..., Any] | None = None,
        ground_truth: GroundTruth | None = None,
        is_coercive: bool | None = None,
        hessian_lipschitz: Callable[..., Any] | None = None,
        evaluation_error: Callable[..., Any] | None = None,
    ) -> None:
        # A loss has methods of some of these names, so that all are kept elsewhere;
        # get_params and set_params show them as scikit-learn expects.
        self._given = dict(vars())
        del self._given["self"]

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
            If a function is not callable, ``n_params`` is not a positive int,
            ``ground_truth`` has another number of parameters, or ``bounds`` or
            ``length`` have a wrong shape or order.
        """
        check_params(self)
        self.n_params_ = int(self._given["n_params"])
        self._declare()
        return self

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
        if self._given["hvp"] is not None:
            return self._call("hvp", theta.shape, theta, v)
        # With entries of at most one, the squares below neither over- nor underflow.
        scale = np.max(np.abs(v), axis=-1, keepdims=True)
        v = v / np.where(scale > 0, scale, 1.0)
        # Parameters of different sizes allow different steps: the sizes that count are
        # those of the parameters which v moves.
        lengths = np.broadcast_to(self.length_scale(), theta.shape)
        size = np.linalg.norm(v * (lengths + np.abs(theta)), axis=-1, keepdims=True)
        bend = np.linalg.norm(v * lengths, axis=-1, keepdims=True)
        # The step balances the rounding of the point, eps size / step, against the
        # third derivative, (step / bend)^2 / 8 as functions go.
        reach = 2 * (np.finfo(theta.dtype).eps * size * bend**2) ** (1 / 3)
        length = np.linalg.norm(v, axis=-1, keepdims=True)
        step = reach / np.where(scale > 0, length**2, 1.0)
        step = np.where(scale > 0, step, 1.0)
        ahead, behind = theta + step * v, theta - step * v
        slope = (self.gradient(ahead) - self.gradient(behind)) / (2 * step)
        return scale * slope

    def hessian(self, theta: Array) -> Array:  # noqa: D102
        return self.at(theta).hessian()

    def at(self, theta: Array) -> LocalModel:  # noqa: D102
        exact = self._given["hvp"] is not None
        model = _ExactModel if exact else DifferenceModel
        return model(self, self._as_points(theta))

    def hessian_lipschitz(self, theta: Array, radius: ArrayLike) -> Array:  # noqa: D102
        if self._given["hessian_lipschitz"] is None:
            return super().hessian_lipschitz(theta, radius)
        theta, radius = as_radius(self, theta, radius)
        args = np.array(theta), np.array(radius)
        return self._call("hessian_lipschitz", radius.shape, *args)

    def evaluation_error(self, theta: Array) -> tuple[Array, Array, Array]:  # noqa: D102
        theta = self._as_points(theta)
        function = self._given["evaluation_error"]
        if function is None:
            return super().evaluation_error(theta)
        shape, result = theta.shape[:-1], function(np.array(theta))
        parts = list(result) if isinstance(result, tuple | list) else []
        arrays = [self._numbers("evaluation_error", part) for part in parts]
        if [a.shape for a in arrays] != [shape] * 3:
            raise ValueError(
                f"evaluation_error must return three arrays of shape {shape} for theta "
                f"of shape {theta.shape}, got {shown(result)}."
            )
        value, gradient, hessian = arrays
        return value, gradient, hessian

    def _call(self, name: str, shape: Any, *args: Any) -> Array:
        # Call a function of the user and check the shape of what it returns. Without
        # points reshape(-1, ...) would fail in it.
        if not args[0].size:
            return np.zeros(shape, dtype=self.dtype)
        try:
            result = self._given[name](*args)
        except Exception as error:
            shapes = " and ".join(str(a.shape) for a in args)
            what = "1 array" if len(args) == 1 else f"{len(args)} arrays"
            of_numbers = isinstance(error, ArithmeticError | np.linalg.LinAlgError)
            error.add_note(
                f"This was raised by the function {name} of FunctionLoss, called with "
                f"{what} of shape {shapes}. {_NO_VALUE if of_numbers else LEADING_AXES}"
            )
            raise
        result = self._numbers(name, result)
        if result.shape != tuple(shape):
            raise ValueError(
                f"{name} must return an array of shape {tuple(shape)} for theta of "
                f"shape {args[0].shape}, got shape {result.shape}. {LEADING_AXES}"
            )
        return result

    def _numbers(self, name: str, result: Array) -> Array:
        # Check that a function of the user returned numbers.
        try:
            if result is None:
                raise TypeError("nothing, is a return statement missing?")
            if np.iscomplexobj(result):
                raise TypeError("complex numbers")
            return np.asarray(result, dtype=self.dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name} must return an array of real numbers, got "
                f"{type(result).__name__}: {error}"
            ) from None
