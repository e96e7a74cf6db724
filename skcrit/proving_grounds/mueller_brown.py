"""The surface of Mueller and Brown: three minima in a bent valley."""

from __future__ import annotations

from skcrit._backend import array_namespace
from skcrit._typing import Array
from skcrit.proving_grounds._plane import PlaneSurface

# Of each Gaussian: height, coefficients of x^2, x y and y^2, and the centre.
_TERMS = (
    (-200.0, -1.0, 0.0, -10.0, 1.0, 0.0),
    (-100.0, -1.0, 0.0, -10.0, 0.0, 0.5),
    (-170.0, -6.5, 11.0, -6.5, -0.5, 1.5),
    (15.0, 0.7, 0.6, 0.7, -1.0, 1.0),
)


def make_mueller_brown(
    *, backend: str = "numpy", dtype: str = "float64"
) -> MuellerBrown:
    """Make the surface of Mueller and Brown, a test of searches for saddles.

    It is a sum of four exponentials of quadratic forms. The valley with its three
    minima, and the two saddles between them, bends sharply.

    Parameters
    ----------
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes.
    dtype : {"float64", "float32"}, default="float64"
        Precision in which it computes.

    Returns
    -------
    loss : Loss
        Fitted loss of two parameters with ``ground_truth()`` of 5 points.

    References
    ----------
    .. [1] K. Mueller and L. D. Brown. "Location of saddle points and minimum energy
       paths by a constrained simplex optimization procedure". Theoretica Chimica Acta
       53, 1979.

    Examples
    --------
    >>> from skcrit.proving_grounds import make_mueller_brown
    >>> make_mueller_brown().ground_truth().losses(["minimum 1"]).round(4)
    array([-146.6995])
    """
    return MuellerBrown(backend=backend, dtype=dtype).fit()


class MuellerBrown(PlaneSurface):
    """Four exponentials, see :func:`make_mueller_brown`."""

    is_coercive = True

    _digits = (
        ((-0.5582, 1.4417), (-0.05, 0.4667), (0.6235, 0.028)),
        ((-0.822, 0.6243), (0.2125, 0.293)),
    )
    _box = ((-1.5, -0.5), (1.2, 2.0))

    def _terms(self, x: Array, y: Array) -> list[tuple[Array, ...]]:
        """Return each term, its logarithmic slopes, and their derivatives."""
        xp, terms = array_namespace(x), []
        for height, a, b, c, x0, y0 in _TERMS:
            u, w = x - x0, y - y0
            value = height * xp.exp(a * u * u + b * u * w + c * w * w)
            terms.append((value, 2 * a * u + b * w, b * u + 2 * c * w, a, b, c))
        return terms

    def _height(self, x: Array, y: Array) -> Array:
        return sum(term[0] for term in self._terms(x, y))

    def _slope(self, x: Array, y: Array) -> tuple[Array, Array]:
        terms = self._terms(x, y)
        return (
            sum(value * p for value, p, _, *_ in terms),
            sum(value * q for value, _, q, *_ in terms),
        )

    def _bend(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        terms = self._terms(x, y)
        return (
            sum(value * (p * p + 2 * a) for value, p, _, a, _, _ in terms),
            sum(value * (p * q + b) for value, p, q, _, b, _ in terms),
            sum(value * (q * q + 2 * c) for value, _, q, _, _, c in terms),
        )
