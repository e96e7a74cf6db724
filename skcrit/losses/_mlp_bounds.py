r"""How fast the Hessian of a network can change: an explicit Lipschitz constant.

Let a ball of radius rho around theta be given, in the 2-norm of all parameters. The
Hessian's Lipschitz constant on the ball is the largest norm of the third derivative,
as a trilinear form on unit vectors. All bounds below hold at every point of the ball;
sizes at its centre are computed, changes away from it bounded.

Notation for one sample: ``a`` is what layer l multiplies (with its one, if there is an
intercept), of norm at most alpha in the ball; W its weights from units, of spectral
norm at most omega = |W(theta)| + rho; D a bound on the change of a in the ball, zero
for the inputs; N1, N2, N3 bounds on the norms of the first three derivatives of the
layer's z by all parameters up to it; s1, s2, s3 bounds on phi', phi'', phi'''.

* The sweep computes z with rounding errors, of at most gamma_(n+2) |W|_F |a|, n inputs.
  They count as a change of z: what is bounded are derivatives at the exact z.
* z moves by |z' - z| <= |W' - W| |a| + |W'| |a' - a| <= rho |a(theta)| + omega D, and
  phi(z) by s1 times that, for s1 between z and z'. There |phi'(z')| <= |phi'(z)| + sup
  |phi''| |z' - z|, and phi'' alike; suprema over the line bound them as well.
* A direction splits into its part V in layer l and its part v below, |V|^2 + |v|^2 <=
  1. Along it z' = V a + W phi'(z) z'_below, so |z'| <= alpha |V| + omega s1 N1 |v|, and
  N1 of the layer is at most sqrt(alpha^2 + (omega s1 N1_below)^2).
* z'' = U a^v + V a^u + W a'' for two directions, with |a^v| <= beta |v|, beta = s1 N1,
  and |a''| <= A2 |u| |v|, A2 = s2 N1^2 + s1 N2 (below; a product entry by entry is not
  longer than the product of the lengths). The bilinear form with the matrix ((0, beta),
  (beta, gamma)), gamma = omega A2, has the norm (gamma + sqrt(gamma^2 + 4 beta^2)) / 2.
* z''' contains terms U a^vw, one for each of three directions, and W a''', with |a'''|
  <= A3 |u| |v| |w|, A3 = s3 N1^3 + 3 s2 N1 N2 + s1 N3. A symmetric trilinear form is
  largest where its arguments agree (Banach): at the maximum over c^2 + s^2 = 1 of
  3 A2 c s^2 + omega A3 s^3.
* The loss of the sample has the third derivative ell'''[z', z', z'] + 3 ell''[z'', z']
  + ell'[z'''], and its mean over samples that of f: the penalty has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

from skcrit._backend import array_namespace
from skcrit._typing import Array
from skcrit.linalg.rounding import UNIT, frobenius_bound, gamma

# Operations that a number of the recursion passes through, with room to spare. All are
# sums and products of positive numbers.
_OPERATIONS = 10**6

# Error of computed slopes and bends, in units of roundoff of one or of the activity:
# they are a few operations on elementary functions that err by few units.
_FUNCTIONS = 256


def hessian_lipschitz(loss: Any, sweeps: Iterable[Any], radius: Array) -> Array:
    """Bound the norm of the third derivative in balls, for a chunk of points."""
    xp, total = array_namespace(radius), 0.0
    for sweep in sweeps:
        bounds = _sample_bounds(sweep, _double(radius))
        total = total + xp.sum(bounds, axis=(-2, -1))
    n_operations = _OPERATIONS + 2 * loss.n_samples_seen_
    mean = (1 + n_operations * UNIT) * total / loss.n_samples_seen_
    return xp.astype(mean * (1 + _unit(radius)), radius.dtype)


def _double(a: Array) -> Array:
    # The recursion is in double precision, also if the sweep is in single.
    xp = array_namespace(a)
    return xp.astype(a, xp.float64, copy=False)


def _unit(a: Array) -> float:
    # Largest relative error of a number that is rounded to the type of an array.
    return float(array_namespace(a).finfo(a.dtype).eps)


def _norm(a: Array) -> Array:
    # Euclidean norms over units.
    xp, a = array_namespace(a), _double(a)
    return xp.sqrt(xp.sum(a * a, axis=-2))


def _largest(a: Array) -> Array:
    # Largest moduli over units.
    xp = array_namespace(a)
    return xp.max(xp.abs(_double(a)), axis=-2)


def _spectral(W: Array) -> Array:
    # Spectral norms of matrices, for all samples.
    xp = array_namespace(W)
    return xp.max(xp.linalg.svdvals(_double(W)), axis=-1)[..., None]


def _rounding(sweep: Any, layer: int) -> Array:
    # What rounding can add to z of a layer, in the norm over units, for each sample.
    W, a = sweep.weights[layer], sweep.inputs[layer]
    size = frobenius_bound(_double(W))[..., None] * _norm(a)
    return gamma(W.shape[-1] + 2, _unit(W) / 2) * size


def _least(bound: Any, array: Array) -> Array:
    # The smaller of an upper bound that always holds and an array.
    xp = array_namespace(array)
    return array if bound == inf else xp.minimum(xp.full_like(array, bound), array)


def _sample_bounds(sweep: Any, radius: Array) -> Array:
    # Bounds on the third derivative of the loss of each sample, (n_points, 1,
    # n_samples).
    xp = array_namespace(radius)
    alpha = _norm(sweep.inputs[0])
    change = radius * alpha + _rounding(sweep, 0)  # of z
    N1, N2, N3 = alpha, xp.zeros_like(alpha), xp.zeros_like(alpha)
    for layer in range(1, len(sweep.weights)):
        s1, s2, s3 = _activation_bounds(sweep, layer - 1, change)
        moved = s1 * change  # a
        size = _norm(sweep.inputs[layer])
        omega = _spectral(sweep.units[layer]) + radius
        A2 = s2 * N1 * N1 + s1 * N2
        A3 = s3 * N1 * N1 * N1 + 3 * s2 * N1 * N2 + s1 * N3
        beta, gamma = s1 * N1, omega * A2
        N1 = xp.sqrt((size + moved) ** 2 + (omega * s1 * N1) ** 2)
        N2 = (gamma + xp.sqrt(gamma * gamma + 4 * beta * beta)) / 2
        N3 = _largest_cubic(3 * A2, omega * A3)
        change = radius * size + omega * moved + _rounding(sweep, layer)
    L1, L2, L3 = sweep.output.bounds
    L1 = _least(L1, _norm(sweep.deltas[-1]) + L2 * change)
    return L3 * N1 * N1 * N1 + 3 * L2 * N1 * N2 + L1 * N3


def _activation_bounds(sweep: Any, layer: int, change: Array) -> Any:
    # Bounds on three derivatives of the activation near the samples' z.
    xp = array_namespace(change)
    slope, bend, _ = sweep.derivatives(layer)
    S1, S2, S3 = sweep.activation.bounds
    if slope is None:
        one = xp.ones_like(change)
        return one, 0 * one, 0.0
    size = 1 + _largest(sweep.inputs[layer + 1])
    lost = _FUNCTIONS * _unit(slope) / 2 * size
    s1 = _least(S1, _largest(slope) + S2 * change + lost)
    s2 = _least(S2, _largest(bend) + S3 * change + lost)
    return s1, s2, S3


def _largest_cubic(a: Array, b: Array) -> Array:
    # The maximum of a c s^2 + b s^3 over c^2 + s^2 = 1, for a, b >= 0: at the ratio r =
    # c / s with 2 a r^2 + 3 b r = a.
    xp = array_namespace(a)
    root = 3 * b + xp.sqrt(9 * b * b + 8 * a * a)
    r = 2 * a / xp.where(root > 0, root, xp.ones_like(root))
    return (a * r + b) / (1 + r * r) ** 1.5
