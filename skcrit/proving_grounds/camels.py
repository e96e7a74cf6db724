"""The three-hump and the six-hump camel."""

from __future__ import annotations

from skcrit._backend import array_namespace
from skcrit._typing import Array
from skcrit.proving_grounds._plane import PlaneSurface


def make_six_hump_camel(
    *, backend: str = "numpy", dtype: str = "float64"
) -> SixHumpCamel:
    """Make ``4 x^2 - 2.1 x^4 + x^6 / 3 + x y - 4 y^2 + 4 y^4``.

    It has six minima, seven saddles and two maxima. These are all of its 15 complex
    critical points.

    Parameters
    ----------
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss of two parameters with ``ground_truth()`` of 15 points. That a point
        and its opposite are equivalent is not declared.

    References
    ----------
    .. [1] L. C. W. Dixon and G. P. Szego. "The global optimization problem: an
       introduction". Towards Global Optimisation 2, North-Holland, 1978.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_six_hump_camel
    >>> make_six_hump_camel().ground_truth().n_sets
    15
    """
    return SixHumpCamel(backend=backend, dtype=dtype).fit()


def make_three_hump_camel(
    *, backend: str = "numpy", dtype: str = "float64"
) -> ThreeHumpCamel:
    """Make ``2 x^2 - 1.05 x^4 + x^6 / 6 + x y + y^2``.

    It has three minima and the two saddles between them.

    Parameters
    ----------
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss of two parameters with ``ground_truth()`` of 5 points. That a point
        and its opposite are equivalent is not declared.

    References
    ----------
    .. [1] F. H. Branin. "Widely convergent method for finding multiple solutions of
       simultaneous nonlinear equations". IBM J. Res. Dev. 16, 1972.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_three_hump_camel
    >>> make_three_hump_camel().ground_truth().n_sets
    5
    """
    return ThreeHumpCamel(backend=backend, dtype=dtype).fit()


class SixHumpCamel(PlaneSurface):
    """A polynomial of degree six, see :func:`make_six_hump_camel`."""

    is_coercive = True

    _digits = (
        (
            (-1.7036, 0.7961),
            (-1.6071, -0.5687),
            (-0.0898, 0.7127),
            (0.0898, -0.7127),
            (1.6071, 0.5687),
            (1.7036, -0.7961),
        ),
        (
            (-1.6381, -0.2287),
            (-1.2961, -0.6051),
            (-1.1092, 0.7683),
            (0.0, 0.0),
            (1.1092, -0.7683),
            (1.2961, 0.6051),
            (1.6381, 0.2287),
        ),
        ((-1.2302, -0.1623), (1.2302, 0.1623)),
    )
    _box = ((-2.0, -1.0), (2.0, 1.0))

    def _height(self, x: Array, y: Array) -> Array:
        return 4 * x**2 - 2.1 * x**4 + x**6 / 3 + x * y - 4 * y**2 + 4 * y**4

    def _slope(self, x: Array, y: Array) -> tuple[Array, Array]:
        return 8 * x - 8.4 * x**3 + 2 * x**5 + y, x - 8 * y + 16 * y**3

    def _bend(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        one = array_namespace(x).ones_like(x)
        return 8 - 25.2 * x**2 + 10 * x**4, one, 48 * y**2 - 8


class ThreeHumpCamel(PlaneSurface):
    """A polynomial of degree six, see :func:`make_three_hump_camel`."""

    is_coercive = True

    _digits = (
        ((-1.7476, 0.8738), (0.0, 0.0), (1.7476, -0.8738)),
        ((-1.0705, 0.5353), (1.0705, -0.5353)),
    )
    _box = ((-2.5, -2.0), (2.5, 2.0))

    def _height(self, x: Array, y: Array) -> Array:
        return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2

    def _slope(self, x: Array, y: Array) -> tuple[Array, Array]:
        return 4 * x - 4.2 * x**3 + x**5 + y, x + 2 * y

    def _bend(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        one = array_namespace(x).ones_like(x)
        return 4 - 12.6 * x**2 + 5 * x**4, one, 2 * one
