"""Properties of a loss that its functions do not show, and that a user declares."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np

from skcrit._typing import Array, ArrayLike, BoolArray, FloatArray
from skcrit.ground_truth.base import GroundTruth
from skcrit.losses.base import Loss
from skcrit.losses.proofs import as_radius
from skcrit.losses.scale import lengthened, turning_length
from skcrit.utils._arguments import as_numbers, check_streams, shown
from skcrit.utils._validation import Interval

# Parameters by which a loss is described, and their types.
DECLARATIONS: dict[str, list[Any]] = {
    "bounds": ["array-like", None],
    "length": [Interval(Real, 0, None, closed="neither"), "array-like", None],
    "symmetries": [Interval(Integral, 0, None, closed="left"), callable, None],
    "invariants": [callable, None],
    "representative": [callable, None],
    "ground_truth": [GroundTruth, None],
    "is_coercive": ["boolean", None],
}


class DeclaredLoss(Loss):
    """Take bounds, length, symmetries and truth as constructor arguments.

    A loss has methods of some of these names, so that the arguments are kept in a dict;
    ``get_params`` and ``set_params`` show them as scikit-learn expects.
    """

    _given: dict[str, Any]

    @property
    def numbers_per_point_(self) -> int:
        """Numbers in a point, its gradient and its value: a function hides the rest."""
        return 2 * self.n_params_ + 1

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        given = self._given
        return {
            name: given[name] if name in given else getattr(self, name)
            for name in self._get_param_names()
        }

    def set_params(self, **params: Any) -> Self:
        valid = self._get_param_names()
        unknown = sorted(set(params) - set(valid))
        if unknown:
            raise ValueError(
                f"Invalid parameter {unknown[0]!r} for {type(self).__name__}. "
                f"Valid parameters are: {valid}."
            )
        for name in set(params) - set(self._given):
            setattr(self, name, params[name])
        given = {name: params[name] for name in set(params) & set(self._given)}
        self._given = {**self._given, **given}
        return self

    @property
    def n_zero_modes(self) -> int:  # type: ignore[override]
        """Zero eigenvalues at critical points, by the number ``symmetries``."""
        symmetries = self._given["symmetries"]
        return int(symmetries) if isinstance(symmetries, Integral) else 0

    @property
    def is_coercive(self) -> bool | None:  # type: ignore[override]
        """Whether the loss grows in every direction, as declared; None with bounds.

        Critical points outside the bounds are not listed, so that a sum over the others
        is meaningless.
        """
        return None if self._given["bounds"] is not None else self._given["is_coercive"]

    def _declare(self) -> None:
        # Check what is declared, once the number of parameters is known.
        truth = self._given["ground_truth"]
        if truth is not None and truth.n_params != self.n_params_:
            raise ValueError(
                "ground_truth must have as many parameters as the loss, "
                f"n_params={self.n_params_}, got {truth.n_params}."
            )
        self._bounds = self._box()
        self._length: FloatArray | None = None
        self._turns: FloatArray | None = None
        self._spread: FloatArray | None = None
        if self._given["length"] is not None:
            self._length = self._vector("length", self._given["length"])
            if not np.all((self._length > 0) & np.isfinite(self._length)):
                raise ValueError(
                    "length must be positive and finite, got "
                    f"{shown(self._given['length'])}."
                )

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
                f"{self._transposed(bounds)}"
            ) from error
        if not np.all(low < high):
            raise ValueError(
                f"bounds must have low < high everywhere, got {shown(bounds)}."
                f"{self._transposed(bounds)}"
            )
        return low, high

    def _transposed(self, bounds: Any) -> str:
        # What to do if bounds are pairs for each parameter, as SciPy wants them.
        try:
            pairs = np.shape(bounds) == (self.n_params_, 2)
        except ValueError:  # a number and an array
            pairs = False
        return (
            " Give all lower, then all upper bounds: list(zip(*bounds))."
            if pairs
            else ""
        )

    def ground_truth(self) -> GroundTruth:  # noqa: D102 (documented in Loss)
        truth = self._given["ground_truth"]
        return super().ground_truth() if truth is None else truth

    def length_scale(self) -> FloatArray:
        """Return the given length, or an estimate.

        Returns
        -------
        length : ndarray of shape (n_params,)
            A quarter of the width of finite bounds; otherwise an estimate along rays
            (:func:`~skcrit.losses.scale.estimate_length`), which is computed when it is
            first needed.
        """
        self._check_fitted()
        if self._length is None:
            self._length = self._bounded_length()
        return self._length

    def _bounded_length(self) -> FloatArray:
        # Bounds speak for themselves.
        width = np.full(self.n_params_, np.inf)
        if self._bounds is not None:
            width = self._bounds[1] - self._bounds[0]
        if np.all(np.isfinite(width)):
            return width / 4
        return np.where(np.isfinite(width), width / 4, self._estimated_length())

    def _estimated_length(self) -> FloatArray:
        # What rays show, unless a subclass knows better.
        self._turns = turning_length(self, self._center())
        return lengthened(self, self._center(), self._turns)

    def _center(self) -> FloatArray:
        # The middle of finite bounds, the nearest to the origin of others.
        if self._bounds is None:
            return np.zeros(self.n_params_)
        low, high = self._bounds
        finite = np.isfinite(high - low)
        total = np.add(low, high, out=np.zeros(self.n_params_), where=finite)
        return np.clip(total / 2, low, high)

    def inside(self, theta: Array) -> BoolArray:
        theta = self._as_points(theta)
        if self._bounds is None:
            return super().inside(theta)
        low, high = self._bounds
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
            Uniform within finite bounds. Otherwise normal around the point within the
            bounds that is nearest to the origin. The standard deviation is the length
            scale or, if that is an estimate, the distance at which rays turn.

        Raises
        ------
        ValueError
            If ``streams`` is not a sequence of generators, or empty.
        """
        self._check_fitted()
        n = self.n_params_
        check_streams(streams)
        normal = np.stack([stream.standard_normal(n) for stream in streams])
        length = self.length_scale()
        # Beyond where it turns a loss can be a steep slope from which nothing is seen.
        length = length if self._turns is None else self._turns
        theta = self._center() + length * normal
        if self._bounds is None:
            return theta
        low, high = self._bounds
        finite = np.isfinite(high - low)
        uniform = np.stack([stream.random(n) for stream in streams])
        width = np.where(finite, high - low, 0.0)
        theta = np.where(finite, np.where(finite, low, 0.0) + width * uniform, theta)
        return np.clip(theta, low, high)

    def orbit_tangents(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        theta = self._as_points(theta)
        if not callable(self._given["symmetries"]):
            return super().orbit_tangents(theta)
        shape = (*theta.shape[:-1], "n_tangents", self.n_params_)
        return self._declared("symmetries", theta, shape)

    def invariants(self, theta: Array) -> Array:  # noqa: D102
        theta = self._as_points(theta)
        if self._given["invariants"] is None:
            return theta
        shape = (*theta.shape[:-1], "n_invariants")
        return self._declared("invariants", theta, shape)

    def enclose_invariants(
        self, theta: Array, radius: ArrayLike
    ) -> tuple[Array, Array] | None:
        # None if symmetries are declared: two balls may then contain points of one
        # orbit.
        names = ("symmetries", "invariants", "representative")
        if any(self._given[name] is not None for name in names):
            return None
        return as_radius(self, theta, radius)

    def _declared(self, name: str, theta: Array, shape: tuple[Any, ...]) -> Array:
        # Call a function of the user with points of its own and check what it returns;
        # a name in the shape stands for any length.
        # reshape(-1, ...) needs a point, even if there is none.
        points = np.array(theta) if theta.size else np.ones((1, self.n_params_))
        result = as_numbers(self._given[name](points), f"what {name} returns")
        if not theta.size:
            result = np.zeros((*theta.shape[:-1], *result.shape[1:]))
        wanted = [
            came if isinstance(length, str) else length
            for length, came in zip(shape, result.shape, strict=False)
        ]
        if result.ndim != len(shape) or list(result.shape) != wanted:
            expected = ", ".join(str(length) for length in shape)
            raise ValueError(
                f"{name} must return an array of shape ({expected}) for theta of shape "
                f"{theta.shape}, got shape {result.shape}."
            )
        return result.astype(self.dtype)

    def invariants_scale(self) -> float | FloatArray:
        """Return natural units of the invariants.

        Returns
        -------
        scale : float or ndarray of shape (n_invariants,)
            The length scales if the parameters are the invariants. Otherwise the
            spread of each invariant over random starts, found when it is first asked
            for.
        """
        if self._given["invariants"] is None:
            return self.length_scale()
        if self._spread is None:
            self._spread = self._drawn_spread()
        return self._spread

    def _drawn_spread(self) -> FloatArray:
        # Spread over random starts.
        streams = [np.random.default_rng((4, i)) for i in range(64)]
        with np.errstate(all="ignore"):
            drawn = self.invariants(self.draw_starts(streams))
            spread = np.nanmedian(np.abs(drawn - np.nanmedian(drawn, axis=0)), axis=0)
        return np.where(np.isfinite(spread) & (spread > 0), spread, 1.0)

    def representative(self, theta: Array) -> Array:  # noqa: D102
        theta = self._as_points(theta)
        if self._given["representative"] is None:
            return theta
        return self._declared("representative", theta, theta.shape)
