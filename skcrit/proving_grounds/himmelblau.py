"""Himmelblau's function: four minima of the same height."""

from __future__ import annotations

from skcrit._typing import Array
from skcrit.proving_grounds._plane import PlaneSurface


def make_himmelblau(*, backend: str = "numpy", dtype: str = "float64") -> Himmelblau:
    """Make ``(x^2 + y - 11)^2 + (x + y^2 - 7)^2``.

    It has four minima, at all of which it is zero, four saddles and a maximum. Two
    cubic equations cannot have more solutions.

    Parameters
    ----------
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss of two parameters with ``ground_truth()`` of 9 points.

    References
    ----------
    .. [1] D. M. Himmelblau. "Applied Nonlinear Programming". McGraw-Hill, 1972.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_himmelblau
    >>> make_himmelblau().ground_truth().n_sets
    9
    """
    return Himmelblau(backend=backend, dtype=dtype).fit()


class Himmelblau(PlaneSurface):
    """A sum of two squares, see :func:`make_himmelblau`."""

    is_coercive = True

    _digits = (
        ((-3.7793, -3.2832), (-2.8051, 3.1313), (3.0, 2.0), (3.5844, -1.8481)),
        ((-3.073, -0.0814), (-0.128, -1.9537), (0.0867, 2.8843), (3.3852, 0.0739)),
        ((-0.2708, -0.923),),
    )
    _box = ((-5.0, -5.0), (5.0, 5.0))

    def _height(self, x: Array, y: Array) -> Array:
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    def _slope(self, x: Array, y: Array) -> tuple[Array, Array]:
        a, b = x**2 + y - 11, x + y**2 - 7
        return 4 * x * a + 2 * b, 2 * a + 4 * y * b

    def _bend(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        return 12 * x**2 + 4 * y - 42, 4 * (x + y), 12 * y**2 + 4 * x - 26
