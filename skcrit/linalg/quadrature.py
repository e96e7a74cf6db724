r"""Fractions of negative, zero and positive eigenvalues, from products alone.

For a vector z the eigenvalues of A, each weighted by the squared component of z along
its eigenvector, are a measure on the line, and a Lanczos process from z gives the
measure's Gauss quadrature. A rule with one more node, at t (Gauss-Radau), bounds the
measure below t: the sum of the weights left of that node is a lower bound, and with the
weight of that node an upper bound (Chebyshev, Markov, Stieltjes; Golub & Meurant 2010,
chapters 2 and 6). The error of the quadrature is therefore known for each z.

If z is Gaussian, the part of :math:`|z|^2` along k of n eigenvectors has the beta
distribution with parameters k/2 and (n - k)/2, and for N vectors together with N k/2
and N (n - k)/2. The error of the sample is therefore known too, and gives a confidence
interval for k without any approximation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, overload

import numpy as np
from scipy.stats import beta

from skcrit._backend import array_namespace, device, to_host
from skcrit._typing import Array, FloatArray, RandomState
from skcrit.linalg._decompositions import eigh
from skcrit.linalg._known_zeros import KnownZeros
from skcrit.linalg._lanczos import lanczos
from skcrit.utils._arguments import check_int, check_number, check_seed

# Numbers in the Krylov bases that are held together: 256 MiB in double precision.
_MAX_NUMBERS = 2**25


@dataclass(frozen=True)
class InertiaFractions:
    """Fractions of the eigenvalues of a symmetric matrix, with confidence intervals.

    Attributes
    ----------
    negative, zero, positive : float
        Estimated parts of the eigenvalues below, within and above the level; their sum
        is one. If the quadrature does not resolve the level, the weight that it finds
        at zero in excess of neighbouring nodes counts as zero.
    negative_interval, zero_interval, positive_interval : tuple of float
        Confidence intervals, one for each part alone: multiples of 1/n.
    smearing : tuple of float
        The part of the sample's weight that the quadrature leaves undecided at minus
        the level and at the level. It falls with more Lanczos vectors, not with more
        probes; 0.0 if the bounds are exact.
    n_matvec : int
        Products that were computed.
    """

    negative: float
    zero: float
    positive: float
    negative_interval: tuple[float, float]
    zero_interval: tuple[float, float]
    positive_interval: tuple[float, float]
    smearing: tuple[float, float]
    n_matvec: int


@overload
def inertia_fractions(
    matvec: Callable[..., Any],
    n: int,
    *,
    level: float,
    n_probes: int = ...,
    n_vectors: int = ...,
    confidence_level: float = ...,
    random_state: RandomState = ...,
    kernel: Array | None = ...,
    like: Array | None = ...,
) -> InertiaFractions: ...


@overload
def inertia_fractions(
    matvec: Callable[..., Any],
    n: int,
    *,
    level: Sequence[float],
    n_probes: int = ...,
    n_vectors: int = ...,
    confidence_level: float = ...,
    random_state: RandomState = ...,
    kernel: Array | None = ...,
    like: Array | None = ...,
) -> list[InertiaFractions]: ...


def inertia_fractions(
    matvec: Callable[..., Any],
    n: int,
    *,
    level: float | Sequence[float],
    n_probes: int = 10,
    n_vectors: int = 100,
    confidence_level: float = 0.95,
    random_state: RandomState = None,
    kernel: Array | None = None,
    like: Array | None = None,
) -> InertiaFractions | list[InertiaFractions]:
    r"""Estimate the fractions of eigenvalues that are negative, zero and positive.

    By stochastic Lanczos quadrature, with the errors of the sample and of the
    quadrature in the confidence intervals.

    Parameters
    ----------
    matvec : callable
        Maps an array (n_rows, n) to the products of one symmetric matrix with each row,
        such as ``loss.at(theta).hvp``; the number of rows varies.
    n : int
        Number of rows of the matrix.
    level : float or sequence of float
        Absolute, in the unit of the matrix: eigenvalues of at most this size count as
        zero. It should be above the errors of the products, of about the machine
        epsilon times the largest eigenvalue. Eigenvalues at the level, up to rounding,
        may be counted on either side. Several levels need no more products than one. If
        the signs of small eigenvalues are not resolved, a coarser level may be.
    n_probes : int, default=10
        Number N of random vectors. The standard error of a part f is
        :math:`\sqrt{2 f (1 - f) / (N n)}`.
    n_vectors : int, default=100
        Dimension m of the Krylov space of each, cut to n. Eigenvalues that are nearer
        to a threshold than about the m-th part of the spectrum's length are not
        distinguished from those beyond it, unless a gap separates them.
    confidence_level : float, default=0.95
        Probability at least of an interval to contain the true part.
    random_state : int, RandomState, Generator or None, default=None
        Seed or source of the random vectors.
    kernel : array of shape (k, n), default=None
        Linearly independent vectors that the matrix is known to map to zero, such as
        the tangents of a symmetry. They are removed and counted as zero; otherwise the
        kernel would blur the eigenvalues near it.
    like : array, default=None
        An array of the namespace, dtype and device that `matvec` takes; None is that of
        `kernel`, or NumPy's float64.

    Returns
    -------
    result : InertiaFractions, or a list of them
        Parts with their intervals; a list, in their order, for a sequence of levels.
        Each interval holds with its probability, all of them together with less.

    Raises
    ------
    ValueError
        If an argument is out of range, or a product is not finite.

    Notes
    -----
    Costs N m products and :math:`4 N m^2 n` operations that keep the bases orthogonal.
    At most 256 MiB of bases are held together (one basis, if that is larger); the
    result does not depend on their number.

    References
    ----------
    .. [1] G. H. Golub and G. Meurant. "Matrices, Moments and Quadrature with
       Applications". Princeton University Press, 2010.
    .. [2] S. Ubaru, J. Chen and Y. Saad. "Fast estimation of tr(f(A)) via stochastic
       Lanczos quadrature". SIAM J. Matrix Anal. Appl. 38(4), 2017,
       doi:10.1137/16M1104974.

    Examples
    --------
    >>> import numpy as np
    >>> from skcrit.linalg import inertia_fractions
    >>> eigenvalues = np.r_[np.full(30, -1.0), np.zeros(10), np.full(60, 2.0)]
    >>> found = inertia_fractions(
    ...     lambda v: v * eigenvalues, 100, level=1e-6, random_state=0
    ... )
    >>> found.negative_interval[0] <= 0.3 <= found.negative_interval[1]
    True
    """
    several = not isinstance(level, Real)
    levels = [check_number(x, "level", low=0.0) for x in np.atleast_1d(level).tolist()]
    if not levels:
        raise ValueError("level must be a number or a sequence of them, got none.")
    confidence_level = check_number(
        confidence_level, "confidence_level", 0.0, 1.0, closed="neither"
    )
    n, known = check_int(n, "n", 1), KnownZeros()
    like = like if like is not None else np.zeros(0) if kernel is None else kernel
    if kernel is not None:
        shape = tuple(kernel.shape)
        if len(shape) != 2 or shape[1] != n or shape[0] > n:
            raise ValueError(f"kernel must have shape (k, {n}), k <= {n}, got {shape}.")
        known = known.joined(kernel, like)
    numbers = n, n_probes, n_vectors
    sample = sample_spectrum(matvec, *numbers, known, like, random_state)
    results = [sample.fractions(x, confidence_level) for x in levels]
    return results if several else results[0]


def sample_spectrum(
    matvec: Callable[..., Any],
    n: int,
    n_probes: int,
    n_vectors: int,
    known: KnownZeros,
    like: Array,
    random_state: RandomState,
) -> SpectrumSample:
    """Run the Lanczos processes of :func:`inertia_fractions`, whatever the level."""
    n_probes = check_int(n_probes, "n_probes", 1)
    free = n - known.size
    n_vectors, rules = min(check_int(n_vectors, "n_vectors", 1), free), []
    # Data are often drawn with the same seed, and vectors from the same stream would
    # not be independent of them.
    seed = check_seed(random_state).randint(2**32, size=4, dtype=np.uint64)
    rng = np.random.default_rng(seed)
    if free:
        rules = [
            _rule(lambda v: known.remove(matvec(v)), known.remove(some), n_vectors)
            for some in _probes(rng, n, n_probes, n_vectors, like)
        ]
    return SpectrumSample(n, free, n_probes, rules)


@dataclass(frozen=True)
class _Rule:
    """The quadrature of some vectors."""

    T: FloatArray
    ritz: tuple[FloatArray, FloatArray]
    error: FloatArray  # of Ritz values: within it their side of a level is undecided
    squares: FloatArray  # of the norms of the vectors
    # Estimated parts below zero, and with the kernel, for levels not resolved.
    guess: tuple[FloatArray, FloatArray]
    n_matvec: int


@dataclass(frozen=True)
class SpectrumSample:
    """Quadratures of random vectors, which give the fractions to any level."""

    n: int
    n_free: int  # without the known kernel
    n_probes: int
    rules: list[_Rule]

    def fractions(
        self, level: float, confidence_level: float = 0.95
    ) -> InertiaFractions:
        """Convert fractions of the sample below two thresholds into those of all."""
        n, free, alpha = self.n, self.n_free, 1 - confidence_level
        sums = sum((_sums(rule, level) for rule in self.rules), np.zeros(7))
        bounds = sums[1:] / sums[0] if free else np.zeros(6)
        lower, upper, guess = np.split(bounds, 3)
        # Resolved thresholds need no estimate of the rest.
        resolved = upper[0] <= lower[1]
        middle = (lower + upper) / 2 if resolved else np.clip(guess, lower, upper)

        def interval(low: float, high: float, n_more: int = 0) -> tuple[float, float]:
            least, most = _compatible(low, high, free, self.n_probes, alpha)
            return (least + n_more) / n, (most + n_more) / n

        negative, positive = middle[0] * free / n, (1 - middle[1]) * free / n
        return InertiaFractions(
            negative=float(negative),
            zero=float(1 - negative - positive),
            positive=float(positive),
            negative_interval=interval(lower[0], upper[0]),
            zero_interval=interval(lower[1] - upper[0], upper[1] - lower[0], n - free),
            positive_interval=interval(1 - upper[1], 1 - lower[1]),
            smearing=(float(upper[0] - lower[0]), float(upper[1] - lower[1])),
            n_matvec=sum(rule.n_matvec for rule in self.rules),
        )


def _probes(
    rng: np.random.Generator, n: int, n_probes: int, n_vectors: int, like: Array
) -> Iterator[Array]:
    """Draw Gaussian vectors, as many at a time as there is room for their bases."""
    xp = array_namespace(like)
    size = max(1, _MAX_NUMBERS // ((n_vectors + 1) * n))
    for first in range(0, n_probes, size):
        drawn = rng.standard_normal((min(size, n_probes - first), n))
        yield xp.asarray(drawn, dtype=like.dtype, device=device(like))


def _rule(matvec: Callable[..., Any], probes: Array, n_vectors: int) -> _Rule:
    """Run the Lanczos processes of some vectors."""
    _, tridiagonal, count = lanczos(matvec, probes, n_vectors)
    # All matrices below are small, and are decomposed on the host in double precision.
    # If all spaces are invariant, there is no further vector.
    count = to_host(count)
    size = max(int(np.max(count)), 1)
    T = to_host(tridiagonal).astype(float)[:, : size + 1, :size]
    if not np.all(np.isfinite(T)):
        raise ValueError("matvec must return finite products, got others.")
    eps = float(array_namespace(probes).finfo(probes.dtype).eps)
    error = 10 * n_vectors * eps * np.max(np.abs(T), axis=(1, 2))[:, None]
    values, vectors = eigh(T[:, :-1, :])
    ritz = values, vectors[:, -1, :] ** 2
    left, here, near = _radau(T, ritz, 0.0, error)
    kernel = np.maximum(here - near, 0.0)
    negative = left + (here - kernel) / 2
    squares = np.sum(to_host(probes).astype(float) ** 2, axis=-1)
    guess = negative, negative + kernel
    return _Rule(T, ritz, error, squares, guess, int(np.sum(count)))


def _sums(rule: _Rule, level: float) -> FloatArray:
    """Sum the squares of vectors and the parts of them below the thresholds."""
    # Lower bounds, upper bounds, and an estimate for a level that is not resolved.
    below, within = (_radau(rule.T, rule.ritz, t, rule.error) for t in (-level, level))
    bounds = below[0], within[0], below[0] + below[1], within[0] + within[1]
    parts = np.stack([np.ones(len(rule.T)), *bounds, *rule.guess])
    sums: FloatArray = parts @ rule.squares
    return sums


def _radau(
    T: FloatArray, ritz: tuple[FloatArray, FloatArray], t: float, error: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute weights of rules with a node at t: left of it, its own, beside it."""
    values, last_squared = ritz
    # If t is a node already, this moves the new node far away.
    floor = np.where(error > 0, 1e-3 * error, 1.0)
    gap = np.where(np.abs(values - t) > floor, values - t, floor)
    corner = t + T[:, -1, -1] ** 2 * np.sum(last_squared / gap, axis=-1)
    n_probes, m = len(T), T.shape[-1]
    R = np.zeros((n_probes, m + 1, m + 1))
    R[:, :, :m], R[:, :m, m], R[:, m, m] = T, T[:, m, :], corner
    nodes, vectors = eigh(R)
    weights = vectors[:, 0, :] ** 2
    is_left, is_right = nodes < t - error, nodes > t + error
    left, right = (
        np.sum(weights * is_left, axis=-1),
        np.sum(weights * is_right, axis=-1),
    )
    padded = np.pad(weights, ((0, 0), (1, 1)))
    each, first = np.arange(n_probes), np.sum(is_left, axis=-1)
    last = m + 2 - np.sum(is_right, axis=-1)
    near = (padded[each, first] + padded[each, last]) / 2
    return left, np.maximum(1 - left - right, 0.0), near


def _compatible(
    low: float, high: float, n: int, n_probes: int, alpha: float
) -> tuple[int, int]:
    """Find the numbers of eigenvalues that are compatible with a sampled fraction."""
    # Weights are rounded.
    low, high = low - 1e-12, high + 1e-12

    def tail(k: int, x: float, upper: bool) -> float:
        parameters = n_probes * k / 2, n_probes * (n - k) / 2
        return float((beta.sf if upper else beta.cdf)(x, *parameters))

    def first(holds: Callable[[int], bool]) -> int:
        """Return the least number from 1 to n for which it holds, by bisection."""
        begin, end = 1, n
        while begin < end:
            middle = (begin + end) // 2
            begin, end = (begin, middle) if holds(middle) else (middle + 1, end)
        return begin

    # The least k for which a fraction this large is not improbable, and the largest k
    # for which one this small is not.
    least = first(lambda k: tail(k, low, True) > alpha / 2) if low > 0 else 0
    most = first(lambda k: tail(k, high, False) <= alpha / 2) - 1 if high < 1 else n
    return min(least, n), max(min(most, n), 0)
