"""Names of types that recur in signatures."""

import os
from typing import Any, Protocol, TypeAlias

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray

# On the host, of any shape.
FloatArray: TypeAlias = NDArray[Any]
IntArray: TypeAlias = NDArray[Any]
BoolArray: TypeAlias = NDArray[np.bool_]

# Of NumPy or CuPy: the array API has no static type yet.
Array: TypeAlias = Any

RandomState: TypeAlias = int | np.random.RandomState | np.random.Generator | None
Memory: TypeAlias = str | os.PathLike[str] | joblib.Memory | None

# Critical sets by name, or a row of booleans for each.
Sets: TypeAlias = list[tuple[int, ...]] | BoolArray


class Sampler(Protocol):
    """Something that draws starting points."""

    def sample(self, loss: Any, n_starts: int, random_state: Any) -> ArrayLike:
        """Return points of shape (n_starts, n_params)."""


class Distribution(Protocol):
    """Something that draws numbers, such as a distribution of ``scipy.stats``."""

    def rvs(self, *, size: Any, random_state: Any) -> ArrayLike:
        """Return numbers of the given shape."""


class FittedLoss(Protocol):
    """A fitted loss, as its local models and coordinates see it."""

    def value(self, theta: Array) -> Array:
        """Return the loss at each point, of shape (...,)."""

    def gradient(self, theta: Array) -> Array:
        """Return the gradient at each point, of shape (..., n_params)."""

    def hvp(self, theta: Array, v: Array) -> Array:
        """Return products of the Hessian with vectors, of shape (..., n_params)."""

    def hessian(self, theta: Array) -> Array:
        """Return the Hessian at each point, of shape (..., n_params, n_params)."""

    def at(self, theta: Array) -> Any:
        """Return the loss expanded to second order at each point."""


class FittedFinder(Protocol):
    """A fitted finder, as metrics and figures see it.

    Anything with these attributes can be judged. ``results_`` has a row per start, with
    the columns that :class:`~skcrit.BaseFinder` describes.
    """

    tol: Any
    loss_: Any
    final_params_: FloatArray
    converged_: BoolArray
    results_: dict[str, Any]
    critical_points_: FloatArray
    critical_losses_: FloatArray
    morse_indices_: IntArray
    nullities_: IntArray
    counts_: IntArray
