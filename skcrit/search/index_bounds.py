"""The Morse index without a dense Hessian: bounds from products alone.

Parameters that do not act on the data are left out first (``Loss.data_subspace``): on
them the Hessian is a known multiple of the identity. If few enough parameters remain,
the Hessian is formed in these coordinates, and the index is counted. Otherwise three
facts are combined. By the theorem of Courant and Fischer at least k eigenvalues are
below a level if k Ritz values are; LOBPCG finds Ritz values, whose residuals do not
matter here. By Cauchy's interlacing theorem there are at most k more such eigenvalues
than those of the Hessian restricted to the orthogonal complement of k given vectors.
Stochastic Lanczos quadrature estimates the number of these, with a confidence interval.
If the k vectors are the eigenvectors of all negative eigenvalues and a gap follows,
quadrature finds no others, and both bounds of the index are k.

How many random vectors the quadrature takes, and how many products with each, is chosen
by a pilot, one vector more: as few as give intervals that are no wider than those of
four vectors without any error of the quadrature. What the pilot says depends on neither
of the others, so that the choice leaves their confidence as it is.

If many eigenvalues are close to zero, their signs cannot be determined down to rounding
from far fewer products than parameters. They can be determined down to a coarser level,
and this level is part of the answer: the fractions of eigenvalues below minus the level
and above it, while the rest counts as flat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from operator import itemgetter
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, take_rows, to_host
from skcrit._rows import Rows
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.linalg import InertiaFractions, lowest_eigenpairs, spectral_norm
from skcrit.linalg._decompositions import eigvalsh
from skcrit.linalg._known_zeros import KnownZeros
from skcrit.linalg.dense import MAX_DENSE_FORMED
from skcrit.linalg.quadrature import SpectrumSample, sample_spectrum
from skcrit.losses.base import Loss
from skcrit.search.inertia_shares import InertiaShares
from skcrit.search.noise import last_digits
from skcrit.search.scales import Scales
from skcrit.search.zero_modes import zero_modes

# Ritz pairs that are sought, and iterations for them: at most 150 products.
_N_LOWEST, _MAX_ITER = 6, 24

# If at least this many eigenvalues are negative, a few of their eigenvectors do not
# narrow an interval, and rough Ritz values serve as well.
_MANY = 10 * _N_LOWEST

# Vectors of the quadrature: beyond 4096 parameters the error of the sample is below
# 0.01 (two standard errors). With this dimension of their Krylov spaces they cost 1600
# products, the most that is spent.
_N_PROBES, _N_VECTORS = 4, 400

# Dimensions of Krylov spaces that are tried on one vector, in this order. If the second
# leaves more than this part undecided, the third is not tried.
_PILOTS, _CROWDED = (10, 30, 90), 0.5

# One Krylov space takes at most this many numbers, 512 MiB.
_MAX_KRYLOV_NUMBERS = 2**26

# A fraction counts as known if quadrature leaves at most this part of the spectrum
# undecided.
_UNDECIDED = 0.01

# The level of the shares leaves at most this part undecided on either side. Together
# with the error of the sample, intervals are then narrower than 0.01 if few eigenvalues
# are beyond the level.
_SMEARED = 0.005

# Factor between the levels that are tried, from the errors of products to the size of
# the Hessian.
_LEVEL_STEP = 10.0

# Weights of a quadrature are rounded.
_ROUNDING = 1e-12

# Columns of a dense Hessian that are formed together.
_COLUMNS = 16

# Safety factor on the measured error of products.
_SAFETY = 3.0


@dataclass
class IndexBounds(Rows):
    """Bounds of the Morse index from products, one row per point, on the host."""

    n_below: IntArray  # least number of negative eigenvalues, up to rounding
    # Estimated part of the eigenvalues that are negative, NaN if more than one
    # hundredth of the spectrum is undecided; and an interval of at least 95 %
    # confidence for it.
    fraction: FloatArray
    low: FloatArray
    high: FloatArray
    # Parts that are negative, flat and positive, to the lowest of the levels tried
    # (powers of ten times the error of products) at which they are resolved.
    inertia: InertiaShares


@dataclass(frozen=True)
class _Hessian:
    """The Hessian in natural units, restricted to parameters that act on the data."""

    product: Callable[[Array], Array]
    n: int
    n_params: int
    decay: float
    size: float
    level: float
    zeros: KnownZeros

    def relative(self, level: float) -> float:
        """Divide by the size of the Hessian; zero for a constant loss."""
        return level / self.size if self.size else 0.0


def bound_index(loss: Loss, theta: Array, scales: Scales) -> IndexBounds:
    """Bound the Morse index at finite points by Hessian-vector products, row by row."""
    # If at most 4096 parameters act on the data, it costs as many products and the
    # eigenvalues of a dense matrix, and the intervals do not contain the error of a
    # sample. Beyond, it costs about 100 products per point if a gap at zero separates
    # the eigenvalues, at most 2038 otherwise, and storage for 400 vectors, or
    # for 512 MiB of them. Eigenvalues count as negative if they are below minus the
    # measured error of the products, in the natural units of the parameters. If
    # products are not finite the index remains unknown. See B. N. Parlett, "The
    # Symmetric Eigenvalue Problem", SIAM, 1998, chapter 10.
    rows = [
        _bound(loss, take_rows(theta, np.array([i])), scales)
        for i in range(theta.shape[0])
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    n_below, fraction, low, high, *shares = columns
    return IndexBounds(n_below, fraction, low, high, InertiaShares(*shares))


_UNKNOWN = (0, np.nan, 0.0, 1.0, np.nan, [np.nan] * 3, [0.0] * 3, [1.0] * 3)


@np.errstate(over="ignore", invalid="ignore")
def _bound(loss: Loss, theta: Array, scales: Scales) -> tuple[Any, ...]:
    """Bound the index at one point, an array with one row."""
    H = _hessian(loss, theta, scales)
    if not np.isfinite(H.size + H.level):
        return _UNKNOWN
    way = _counted if H.n <= MAX_DENSE_FORMED else _sampled
    return way(H, loss)


def _hessian(loss: Loss, theta: Array, scales: Scales) -> _Hessian:
    """Restrict the Hessian to parameters that act on the data, and measure it."""
    local, unit, n_params = loss.at(theta), scales.unit, theta.shape[1]
    units = to_host(unit)
    seen = loss.data_subspace() if np.all(units == units[0]) else None
    n = n_params if seen is None else seen.n_coordinates

    def reduce(v: Array) -> Array:
        return v if seen is None else seen.reduce(v)

    def product(v: Array) -> Array:
        v = v if seen is None else seen.expand(v)
        return reduce(unit * local.hvp(unit * v))

    draw = np.random.default_rng(5).standard_normal((1, n))
    size = float(to_host(spectral_norm(product, loss.asarray(draw)))[0])
    decay = 0.0 if seen is None else seen.decay * float(units[0]) ** 2
    level = _level(loss, theta, scales, size)
    return _Hessian(
        product=product,
        n=n,
        n_params=n_params,
        decay=decay,
        size=max(size, decay),
        level=level,
        zeros=zero_modes(loss, theta, unit, seen, product, level),
    )


def _counted(H: _Hessian, loss: Loss) -> tuple[Any, ...]:
    """Count eigenvalues of the dense matrix."""
    identity = loss.asarray(np.eye(H.n))
    xp = array_namespace(identity)
    columns = [
        H.product(identity[i : i + _COLUMNS, :]) for i in range(0, H.n, _COLUMNS)
    ]
    matrix = xp.concat(columns, axis=0)
    if not bool(xp.all(xp.isfinite(matrix))):
        return _UNKNOWN
    values = to_host(eigvalsh((matrix + xp.matrix_transpose(matrix)) / 2))
    more = _unseen(H, H.level)
    below, above = np.sum(values < -H.level), np.sum(values > H.level) + more[2]
    # Eigenvalues that are zero by symmetry are known; other signs are not.
    undecided = H.n_params - below - above - more[1] - H.zeros.size
    n, low = H.n_params, below / H.n_params
    high = (below + max(undecided, 0)) / n
    share = [low, 1 - (below + above) / n, above / n]
    fraction = low if high - low <= _UNDECIDED else np.nan
    return below, fraction, low, high, H.relative(H.level), share, share, share


def _sampled(H: _Hessian, loss: Loss) -> tuple[Any, ...]:
    """Bound the shares by Ritz values and quadrature."""
    draws = np.random.default_rng(5).standard_normal((_N_LOWEST, H.n))
    start = loss.asarray(draws)[None, :, :]
    try:
        size, pilot = _enough(H, H.zeros, start)
        many = H.n * (pilot.negative - pilot.smearing[0] / 2) >= _MANY
        values, vectors, _, _ = lowest_eigenpairs(
            *(H.product, start),
            rtol=1e-6,
            max_iter=_MAX_ITER,
            below=-H.level if many else -np.inf,
        )
        ritz = to_host(values)[0]
        removed = np.flatnonzero((ritz < -H.level) & ~many)
        known = H.zeros.joined(take_rows(vectors[0, ...], removed), start)
        if len(removed) and max(pilot.smearing) <= _CROWDED:
            size, _ = _enough(H, known, start)
        sample = _sample(H, known, start, *size)
    except ValueError:  # products that are not finite
        return _UNKNOWN
    found: list[tuple[Any, ...]] = []
    for level in _levels(H):
        rest = sample.fractions(level)
        share, low, high = _shares(H, ritz, len(removed), level, rest)
        smearing = max(rest.smearing)
        share = share if smearing <= _UNDECIDED else np.full(3, np.nan)
        found.append((smearing, H.relative(level), share, low, high))
        if smearing <= _SMEARED:
            break
    fine, best = found[0][2:], min(found, key=itemgetter(0))[1:]
    return int(np.sum(ritz < -H.level)), *(part[0] for part in fine), *best


def _levels(H: _Hessian) -> list[float]:
    """List the levels that are tried."""
    ratio = H.size / H.level if H.level else 1.0
    n_steps = int(np.log(max(ratio, 1.0)) / np.log(_LEVEL_STEP))
    return [H.level * _LEVEL_STEP**step for step in range(n_steps + 1)]


def _sample(
    H: _Hessian,
    known: KnownZeros,
    like: Array,
    n_probes: int,
    n_vectors: int,
    seed: int = 0,
) -> SpectrumSample:
    """Take a sample of the spectrum, without known vectors."""
    n_vectors = min(n_vectors, max(_MAX_KRYLOV_NUMBERS // H.n, 20))
    numbers = H.n, n_probes, n_vectors
    return sample_spectrum(H.product, *numbers, known, like, seed)


def _enough(
    H: _Hessian, known: KnownZeros, like: Array
) -> tuple[tuple[int, int], InertiaFractions]:
    """Choose numbers of vectors and of products with each; return the pilot too."""
    best, pilot = (_N_PROBES, _N_VECTORS), None
    for n_vectors in _PILOTS:
        if pilot and (_N_PROBES + 1) * n_vectors >= prod(best):
            break
        pilot = _sample(H, known, like, 1, n_vectors, 1).fractions(H.level)
        n_probes = _n_probes(pilot, H.n)
        if n_probes * n_vectors < prod(best):
            best = int(n_probes), n_vectors
        if n_vectors > _PILOTS[0] and max(pilot.smearing) > _CROWDED:
            break
    assert pilot is not None
    return best, pilot


def _n_probes(pilot: InertiaFractions, n: int) -> float:
    """Return how many vectors make up for what the quadrature leaves undecided."""
    # The interval for a part f is w / sqrt(N) wide for N vectors, and wider by what is
    # undecided. Four vectors without that are the measure. The width is that of the
    # smallest part that is possible, so that zero remains zero.
    smearing = np.array(pilot.smearing)
    if max(smearing) > _SMEARED:
        return np.inf
    f = np.array([pilot.negative, pilot.positive]) - smearing / 2
    width = 4 * np.sqrt(2 * np.clip(f * (1 - f), 0.0, None) / n)
    left = width / np.sqrt(_N_PROBES) - np.maximum(smearing - _ROUNDING, 0.0)
    if np.any(left < 0) or np.any((left == 0) & (width > 0)):
        return np.inf
    ratio = width / np.where(left > 0, left, 1.0)
    return max(float(np.ceil(np.max(ratio**2) - _ROUNDING)), _N_PROBES)


def _shares(
    H: _Hessian, ritz: FloatArray, k: int, level: float, rest: InertiaFractions
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Add k removed eigenvalues to the fractions of the rest: estimates and bounds."""
    # Their vectors have Ritz values below the finest level, and were counted as zero;
    # fewer of them are below this level.
    n_least = int(np.sum(ritz < -level))
    k_here = min(k, n_least)
    more, n = _unseen(H, level), H.n_params
    estimate = H.n * np.array([rest.negative, rest.zero, rest.positive])
    estimate += more + np.array([k_here, -k_here, 0])
    intervals = rest.negative_interval, rest.zero_interval, rest.positive_interval
    low, high = np.round(H.n * np.array(intervals)).T
    low += more + np.array([0, -2 * k, 0])
    high += more + np.array([k, 0, k])
    low[0] = max(low[0], n_least)
    low, high = np.clip(low, 0, n), np.clip(high, 0, n)
    return np.clip(estimate, low, high) / n, low / n, high / n


def _unseen(H: _Hessian, level: float) -> IntArray:
    """Count the eigenvalues of parameters that do not act on the data, by sign."""
    positive = bool(H.decay > level)
    return (H.n_params - H.n) * np.array([0, int(not positive), int(positive)])


def _level(loss: Loss, theta: Array, scales: Scales, size: float) -> float:
    """Measure the change of products with the last digit of the point."""
    xp, n = array_namespace(theta), theta.shape[1]
    v = loss.asarray(np.random.default_rng(6).standard_normal((1, n)))
    v = scales.unit * v / float(np.sqrt(n))
    before, error = loss.at(theta).hvp(v), 0.0
    for change in last_digits(loss, theta, scales):
        moved = scales.unit * (loss.at(theta + change).hvp(v) - before)
        # The change of a random vector of length one, times the root of n, is about
        # the Frobenius norm of the change of the matrix.
        error = max(error, float(np.sqrt(n * to_host(xp.sum(moved**2)))))
    eps = float(xp.finfo(theta.dtype).eps)
    return 10 * n * eps * size + _SAFETY * error
