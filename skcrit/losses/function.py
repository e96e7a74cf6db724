"""Any Python functions as a loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np

from skcrit._typing import Array, ArrayLike, BoolArray, FloatArray
from skcrit.ground_truth.base import GroundTruth
from skcrit.losses.base import Loss
from skcrit.losses.differences import DifferenceModel
from skcrit.losses.local_model import LocalModel
from skcrit.losses.scale import estimate_length
from skcrit.utils._arguments import as_numbers, shown
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
    bounds : tuple of (array-like, array-like), default=None
        Lower and upper bounds of the parameters, numbers or arrays of shape
        (n_params,), infinite ones included. Searches begin inside, and a critical point
        outside is not one: its status is ESCAPED.
    length : float or array-like of shape (n_params,), default=None
        Typical distance between critical points, for all parameters or for each. None
        estimates it: a quarter of the width of ``bounds``, else by
        :func:`~skcrit.losses.scale.estimate_length`.
    symmetries : int or callable, default=None
        Continuous symmetries: how many eigenvalues of the Hessian they make zero at a
        critical point, or a function that maps (..., n_params) to tangent vectors of
        the symmetry orbits, of shape (..., n_tangents, n_params).
    invariants : callable, default=None
        Maps (..., n_params) to (..., n_invariants): what all symmetries leave alone.
        Points belong to one critical set if their invariants agree. None is ``theta``.
    representative : callable, default=None
        Maps (..., n_params) to the same shape: one point of each discrete symmetry
        orbit, such as that of a permutation. None is ``theta``.
    ground_truth : GroundTruth, default=None
        The critical points if they are known, for instance
        :class:`~skcrit.KnownPoints`. Scores, reports and figures compare with them.

    Attributes
    ----------
    n_params_ : int
        Length of ``theta``.

    Notes
    -----
    The functions get NumPy float64 arrays and must treat the rows of a batch
    independently. A difference of gradients costs two gradients per product. Its step
    is ``eps ** (1/3)`` times the length scale and the size of the parameters that ``v``
    moves, its error about ``eps ** (2/3)``, relative to ``|H| |v|``. Dense Hessians,
    which Morse indices are counted on, are extrapolated and far better
    (:class:`~skcrit.losses.differences.DifferenceModel`); they cost ``14 n_params``
    gradients.

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
        "bounds": ["array-like", None],
        "length": [Interval(Real, 0, None, closed="neither"), "array-like", None],
        "symmetries": [Interval(Integral, 0, None, closed="left"), callable, None],
        "invariants": [callable, None],
        "representative": [callable, None],
        "ground_truth": [GroundTruth, None],
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
    ) -> None:
        # A loss has methods of some of these names, so that all are kept elsewhere;
        # get_params and set_params show them as scikit-learn expects.
        self._given = {
            "value": value,
            "gradient": gradient,
            "hvp": hvp,
            "n_params": n_params,
            "bounds": bounds,
            "length": length,
            "symmetries": symmetries,
            "invariants": invariants,
            "representative": representative,
            "ground_truth": ground_truth,
        }

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
        return dict(self._given)

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
        unknown = sorted(set(params) - set(self._given))
        if unknown:
            raise ValueError(
                f"Invalid parameter {unknown[0]!r} for FunctionLoss. "
                f"Valid parameters are: {sorted(self._given)}."
            )
        self._given = {**self._given, **params}
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
            ``ground_truth`` has another number of parameters, or ``bounds`` or
            ``length`` have a wrong shape or order.
        """
        check_params(self)
        self.n_params_ = int(self._given["n_params"])
        truth = self._given["ground_truth"]
        if truth is not None and truth.n_params != self.n_params_:
            raise ValueError(
                "ground_truth must have as many parameters as the loss, "
                f"n_params={self.n_params_}, got {truth.n_params}."
            )
        self._bounds = self._box()
        self._length = None
        if self._given["length"] is not None:
            self._length = self._vector("length", self._given["length"])
            if not np.all((self._length > 0) & np.isfinite(self._length)):
                raise ValueError(
                    "length must be positive and finite, got "
                    f"{shown(self._given['length'])}."
                )
        return self

    def _vector(self, name: str, value: ArrayLike) -> FloatArray:
        # One number per parameter.
        array = as_numbers(value, name)
        if array.shape not in ((), (self.n_params_,)):
            raise ValueError(
                f"{name} must be a number or have shape ({self.n_params_},), got shape "
                f"{array.shape}."
            )
        return np.array(np.broadcast_to(array, self.n_params_), dtype=float)

    def _box(self) -> tuple[FloatArray, FloatArray] | None:
        # Lower and upper bounds, checked.
        bounds = self._given["bounds"]
        if bounds is None:
            return None
        try:
            low, high = (self._vector("bounds", side) for side in bounds)
        except (TypeError, ValueError) as error:
            raise ValueError(
                "bounds must be a pair (low, high) of numbers or arrays of shape "
                f"({self.n_params_},), got {shown(bounds)}: {error}"
            ) from error
        if not np.all(low < high):
            raise ValueError(
                f"bounds must have low < high everywhere, got {shown(bounds)}."
            )
        return low, high

    def ground_truth(self) -> GroundTruth:  # noqa: D102 (documented in Loss)
        truth = self._given["ground_truth"]
        return super().ground_truth() if truth is None else truth

    def length_scale(self) -> FloatArray:
        """Return the given length, or an estimate.

        Returns
        -------
        length : ndarray of shape (n_params,)
            A quarter of the width of finite bounds; otherwise what rays show
            (:func:`~skcrit.losses.scale.estimate_length`), found when it is first asked
            for.
        """
        if self._length is None:
            self._length = self._estimated_length()
        return self._length

    def _estimated_length(self) -> FloatArray:
        # Bounds speak for themselves.
        width = np.full(self.n_params_, np.inf)
        if self._bounds is not None:
            width = self._bounds[1] - self._bounds[0]
        if np.all(np.isfinite(width)):
            return width / 4
        length = estimate_length(self, self._center())
        return np.where(np.isfinite(width), width / 4, length)

    def _center(self) -> FloatArray:
        # The middle of finite bounds, the nearest to the origin of others.
        if self._bounds is None:
            return np.zeros(self.n_params_)
        low, high = self._bounds
        middle = np.where(np.isfinite(high - low), (low + high) / 2, 0.0)
        return np.clip(middle, low, high)

    def inside(self, theta: Array) -> BoolArray:
        """Tell which points lie within the bounds.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        inside : ndarray of bool of shape (...,)
            True everywhere without bounds.
        """
        if self._bounds is None:
            return super().inside(theta)
        low, high = self._bounds
        theta = self._as_points(theta)
        return np.all((theta >= low) & (theta <= high), axis=-1)

    def draw_starts(self, streams: Sequence[np.random.Generator]) -> FloatArray:
        """Draw a random starting point from each stream.

        Parameters
        ----------
        streams : sequence of numpy.random.Generator
            A generator per start.

        Returns
        -------
        theta0 : ndarray of shape (n_starts, n_params)
            Uniform within finite bounds, else normal with the length scale as standard
            deviation, around the origin or what is nearest to it within the bounds.
        """
        n = self.n_params_
        normal = np.stack([stream.standard_normal(n) for stream in streams])
        theta = self._center() + self.length_scale() * normal
        if self._bounds is None:
            return theta
        low, high = self._bounds
        finite = np.isfinite(high - low)
        uniform = np.stack([stream.random(n) for stream in streams])
        width = np.where(finite, high - low, 0.0)
        theta = np.where(finite, np.where(finite, low, 0.0) + width * uniform, theta)
        return np.clip(theta, low, high)

    @property
    def n_zero_modes(self) -> int:
        """Number of zero eigenvalues that are declared without their directions."""
        given = self._given["symmetries"]
        return int(given) if isinstance(given, Integral) else 0

    def orbit_tangents(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        theta = self._as_points(theta)
        tangents = self._given["symmetries"]
        if not callable(tangents):
            return super().orbit_tangents(theta)
        result = self._numbers("symmetries", tangents(theta))
        expected = (*theta.shape[:-1], "n_tangents", self.n_params_)
        if result.ndim != theta.ndim + 1 or result.shape[-1] != self.n_params_:
            raise ValueError(
                f"symmetries must return an array of shape {expected} for theta of "
                f"shape {theta.shape}, got shape {result.shape}."
            )
        return result

    def invariants(self, theta: Array) -> Array:  # noqa: D102
        theta = self._as_points(theta)
        if self._given["invariants"] is None:
            return theta
        return self._numbers("invariants", self._given["invariants"](theta))

    def invariants_scale(self) -> float | FloatArray:
        """Return natural units of the invariants.

        Returns
        -------
        scale : float or ndarray of shape (n_invariants,)
            The length scales if the parameters are the invariants. Otherwise the
            spread of each invariant over random starts.
        """
        if self._given["invariants"] is None:
            return self.length_scale()
        streams = [np.random.default_rng((4, i)) for i in range(64)]
        with np.errstate(all="ignore"):
            drawn = self.invariants(self.draw_starts(streams))
            spread = np.nanmedian(np.abs(drawn - np.nanmedian(drawn, axis=0)), axis=0)
        return np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)

    def representative(self, theta: Array) -> Array:  # noqa: D102
        theta = self._as_points(theta)
        if self._given["representative"] is None:
            return theta
        return self._call("representative", theta.shape, theta)

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
        # Parameters of different sizes allow different steps: the size that counts is
        # that of the parameters which v moves.
        reach = self.length_scale() + np.abs(theta)
        size = np.linalg.norm(v * reach, axis=-1, keepdims=True)
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
        exact = self._given["hvp"] is not None
        model = _ExactModel if exact else DifferenceModel
        return model(self, self._as_points(theta))

    def _call(self, name, shape, *args):
        # Call a function of the user and check the shape of what it returns.
        result = self._numbers(name, self._given[name](*args))
        if result.shape != tuple(shape):
            raise ValueError(
                f"{name} must return an array of shape {tuple(shape)} for theta of "
                f"shape {args[0].shape}, got shape {result.shape}."
            )
        return result

    def _numbers(self, name, result):
        # Check that a function of the user returned numbers.
        try:
            if result is None:
                raise TypeError("nothing, is a return statement missing?")
            return np.asarray(result, dtype=self.dtype)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{name} must return an array of real numbers, got "
                f"{type(result).__name__}: {error}"
            ) from error
