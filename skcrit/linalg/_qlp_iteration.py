r"""The iteration of MINRES-QLP, for a batch of symmetric systems.

Written from Choi, Paige & Saunders (2011, doi:10.1137/100787921), whose symbols are
kept, with :math:`\gamma_k^{(1)}` spelt ``gbar``, and with these changes:

* the recurrences see :math:`A / \sigma` and :math:`b / \beta_1`, with a power of two
  :math:`\sigma` near :math:`\|A b\| / \|b\|`, so that squares neither overflow nor
  vanish; ``v`` holds :math:`v_k / \sigma`, which makes the scaling of A free;
* a trailing digit counts columns back from k: ``gamma2`` is :math:`\gamma_{k-2}`,
  ``mu0`` is :math:`\mu_k`, each at its current stage;
* ``row2`` is the right side of row k-2 of :math:`L u = t` less its left neighbours,
  ``part1`` the same of row k-1 without its nearest neighbour;
* x and the directions w are kept as ``parts``, their coefficients in a ``basis`` of
  Lanczos vectors and of what they were when it was begun. They are vectors only when
  it is full, or when a system ends: most passes over vectors are saved.

A system that has ended continues with a vector of zeros, so that no masks are needed,
until its rows are dropped. The values in its other recurrences are then meaningless,
and are not read.
"""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from skcrit._backend import array_namespace, device, empty_like, evaluate, take, to_host
from skcrit._typing import Array, BoolArray
from skcrit.linalg._products import Products
from skcrit.linalg._qlp_ends import collected, idle, index_of, retire

# x, w_{k-2} and w_{k-1} are the first vectors of a basis. Of the Lanczos vectors that
# follow, two are those before; the more there are, the rarer are sums of vectors.
_N_PARTS, _N_VECTORS = 3, 16

# Rows of ended systems are dropped before their products exceed this fraction of all
# products. The cost of `take` is then small compared with the work since the last time.
_WASTE = 0.12


def iterate(
    products: Products,
    b: tuple[Array, Array],
    goal: Array,
    ls_tol: float,
    max_iter: int,
) -> SimpleNamespace:
    """Iterate until every system has ended."""
    # ``b`` is (norms, right-hand sides divided by them), ``goal`` an absolute tolerance
    # on the residual norms, ``ls_tol`` a relative one on the norm of A r. The result
    # has ``x``, and for each system ``n_iter``, ``n_matvec``, ``status`` (what the
    # recurrences claim), ``norm`` (of A), ``condition`` and ``curvature``.
    s = _start(products, b, goal)
    for k in range(1, max_iter + 1):
        if s.n_alive == 0:
            break
        p = s.products(s.basis[s.at, ...]) if k > 1 else _first_product(s)
        # If a product is not finite, the values computed from it are not finite either.
        with np.errstate(invalid="ignore", over="ignore"):
            _make_room(s)
            _lanczos_step(s, p)
            _left_reflection(s)
            _right_reflections(s)
            ended = _stop(s, k, ls_tol)
            # The only transfer to the host.
            ending = s.alive & to_host(ended) if k < max_iter else s.alive
            _advance(s)
        n_ending = np.count_nonzero(ending)
        if n_ending:
            retire(s, k, ending)
        if s.n_alive:
            s.beta, s.at = s.beta_next, s.at + 1
            if not _drop(s) and n_ending:
                _rest(s, ending)
    return collected(s)


def _start(products: Products, b: tuple[Array, Array], goal: Array) -> SimpleNamespace:
    """Make the state before iteration 1, with a row per system in every array."""
    norms, v = b
    xp = array_namespace(v)
    info = xp.finfo(v.dtype)
    s = SimpleNamespace(xp=xp, eps=float(info.eps), products=products, goal=goal)
    s.beta1, s.v = norms, v
    s.zero = xp.zeros_like(s.beta1)
    s.one, s.minus_one, s.inf = s.zero + 1, s.zero - 1, s.zero + math.inf
    s.tiny = s.zero + float(info.smallest_normal)
    on = {"dtype": v.dtype, "device": device(v)}
    s.step = xp.zeros((v.shape[0], _N_PARTS, _N_PARTS), **on)
    s.step[:, 0, 0] = s.one
    size = _N_PARTS + _N_VECTORS
    s.unit = s.zero[:, None, None] + xp.eye(_N_PARTS, size, **on)[None, ...]
    for name, value in _resting(s.eps).items():
        setattr(s, name, s.zero + value)
    s.phi = s.one
    s.rows, s.alive = np.arange(v.shape[0]), to_host(s.beta1 > 0)
    s.n_alive = int(np.count_nonzero(s.alive))
    s.n_useful = s.n_computed = 0
    rows = np.flatnonzero(~s.alive)
    s.ended = []
    s.parts = [idle(s, rows)] if len(rows) else []
    _drop(s)
    return s


def _resting(eps: float) -> dict[str, float]:
    """Return the values of a finished system in the recurrences."""
    # Columns -1 and 0 of L are large multiples of those of the identity, with w = 0:
    # their reflections are [1 0; 0 -1].
    large = 1 / eps**2
    zeros = dict.fromkeys(
        ("beta", "delta", "epsilon", "theta1", "part1", "row2", "chi", "anorm", "phi")
        + ("mu0", "mu1", "s"),
        0.0,
    )
    infinite = dict.fromkeys(("gmin", "gmin2", "curvature"), math.inf)
    return zeros | infinite | {"c": -1.0, "gamma1": large, "gamma2": large}


def _first_product(s: SimpleNamespace) -> Array:
    """Choose the scale of each matrix by the first product, and return it scaled."""
    xp, p = s.xp, s.products(s.v)
    peak = xp.max(xp.abs(p), axis=-1)
    peak = xp.where(xp.isfinite(peak) & (peak > 0), peak, s.one)
    exponent = xp.floor(xp.log2(peak))
    s.sigma = xp.pow(s.one + 1, exponent)
    s.scale = s.beta1 / s.sigma
    # v_0 and v_1; x and the directions are zero.
    s.basis = empty_like(p, (_N_PARTS + _N_VECTORS, *p.shape))
    s.basis[0, ...], s.basis[1, ...] = 0.0, s.v / s.sigma[:, None]
    s.at, s.coefficients = 1, 0 * s.unit
    return p / s.sigma[:, None]


def _make_room(s: SimpleNamespace) -> None:
    """Begin a new basis if there is no place for v_{k+1}: the parts, v_{k-1}, v_k."""
    if s.at + 1 < s.basis.shape[0]:
        return
    xp = s.xp
    parts = s.coefficients @ xp.permute_dims(s.basis, (1, 0, 2))
    s.basis[:_N_PARTS, ...] = xp.permute_dims(parts, (1, 0, 2))
    for i in (-1, 0):
        s.basis[_N_PARTS + 1 + i, ...] = s.basis[s.at + i, ...]
    s.at, s.coefficients = _N_PARTS + 1, s.unit


def _lanczos_step(s: SimpleNamespace, p: Array) -> None:
    """Orthogonalise the product: alpha_k, beta_{k+1} and v_{k+1}."""
    xp = s.xp
    v1, v, place = (s.basis[s.at + i, ...] for i in (-1, 0, 1))
    # -(A v_k - beta_k v_{k-1})
    q = evaluate("multiply", v1, (s.beta * s.sigma)[:, None], spare=place)
    q -= p
    # alpha_k = v_k^T A v_k
    s.alpha = s.sigma * -xp.vecdot(v, q)
    # -(A v_k - alpha_k v_k - beta_k v_{k-1}) = -beta_{k+1} v_{k+1}
    q += (s.alpha * s.sigma)[:, None] * v
    square = xp.vecdot(q, q)
    s.beta_next = beta = xp.sqrt(square)
    # zero for finished systems
    q *= (s.minus_one / xp.where(beta > 0, beta * s.sigma, s.inf))[:, None]
    if type(q) is not np.ndarray:
        s.basis[s.at + 1, ...] = q
    # |A| >= the norm of column k of the Lanczos matrix
    column = xp.sqrt(s.alpha * s.alpha + s.beta * s.beta + square)
    s.last_anorm, s.anorm = s.anorm, xp.maximum(s.anorm, column)


def _left_reflection(s: SimpleNamespace) -> None:
    """Extend the QR factorisation by Q_k: column k of R, tau_k and phi_k."""
    xp = s.xp
    # [delta_k; gbar_k] = [c s; s -c] [delta_k^(1); alpha_k]
    s.delta2 = s.c * s.delta + s.s * s.alpha
    gbar = s.s * s.delta - s.c * s.alpha
    # r^T A r / r^T r = -c_{k-1} gbar_k for r = r_{k-1}
    s.rayleigh = -s.c * gbar
    # [epsilon_{k+1}; delta_{k+1}^(1)] = [c s; s -c] [0; beta_{k+1}]
    s.epsilon_next = s.s * s.beta_next
    delta_next = -s.c * s.beta_next
    # |A r_{k-1}| / |r_{k-1}| = |[gbar_k, delta_{k+1}^(1)]|
    s.root = xp.hypot(gbar, delta_next)
    # [gamma_k; 0] = [c s; s -c] [gbar_k; beta_{k+1}]
    s.gamma = xp.maximum(xp.hypot(gbar, s.beta_next), s.tiny)
    s.c, s.s = gbar / s.gamma, s.beta_next / s.gamma
    # [tau_k; phi_k] = [c s; s -c] [phi_{k-1}; 0]
    s.tau = s.c * s.phi
    s.phi = s.s * s.phi
    s.delta = delta_next


def _right_reflections(s: SimpleNamespace) -> None:
    """Extend the LQ factorisation of R by P_{k-2,k} and P_{k-1,k}; solve L u = t."""
    xp = s.xp
    # [gamma_{k-2} epsilon_k] P_{k-2,k} = [gamma_{k-2} 0]
    gamma2 = xp.maximum(xp.hypot(s.gamma2, s.epsilon), s.tiny)
    s.c2, s.s2 = s.gamma2 / gamma2, s.epsilon / gamma2
    # [theta_{k-1} delta_k] P_{k-2,k} = [theta_{k-1} delta_k^(3)]
    theta1 = s.c2 * s.theta1 + s.s2 * s.delta2
    delta3 = s.s2 * s.theta1 - s.c2 * s.delta2
    # [0 gamma_k] P_{k-2,k} = [eta_k gamma_k^(3)]
    eta = s.s2 * s.gamma
    gamma3 = -s.c2 * s.gamma
    # [gamma_{k-1} delta_k^(3)] P_{k-1,k} = [gamma_{k-1} 0]
    gamma1 = xp.maximum(xp.hypot(s.gamma1, delta3), s.tiny)
    s.c1, s.s1 = s.gamma1 / gamma1, delta3 / gamma1
    # [0 gamma_k^(3)] P_{k-1,k} = [theta_k gamma_k]
    theta0 = s.s1 * gamma3
    gamma0 = -s.c1 * gamma3
    # row k-2 of L u = t; mu_{k-2} is final
    s.mu2 = s.row2 / gamma2
    # row k-1 of L u = t
    row1 = s.part1 - theta1 * s.mu2
    s.last_mu1, s.mu1 = s.mu1, row1 / gamma1
    # row k of L u = t
    part0 = s.tau - eta * s.mu2
    size = xp.abs(gamma0)
    s.last_mu0 = s.mu0
    s.mu0 = (part0 - theta0 * s.mu1) / xp.where(size > s.tiny, gamma0, s.inf)
    # |x_k|^2 = |u_k|^2
    s.chi = s.chi + s.mu2 * s.mu2
    s.xnorm = xp.sqrt(s.chi + s.mu1 * s.mu1 + s.mu0 * s.mu0)
    # smallest diagonal entry of L
    s.gmin2 = xp.minimum(s.gmin2, gamma2)
    s.last_gmin, s.gmin = s.gmin, xp.minimum(s.gmin2, xp.minimum(gamma1, size))
    s.gamma2, s.gamma1, s.theta1 = gamma1, gamma0, theta0
    s.row2, s.part1, s.epsilon = row1, part0, s.epsilon_next


def _stop(s: SimpleNamespace, k: int, ls_tol: float) -> Array:
    """Decide which systems end, at x_{k-1} or at x_k, and keep the reasons."""
    xp = s.xp
    rounding = s.anorm * s.xnorm * s.eps
    # x_k
    s.solved = s.phi * s.beta1 <= s.goal
    s.stagnated = s.phi <= rounding
    # x_{k-1}, because x_k is disproportionately large or not finite
    s.growing = rounding >= s.one
    s.bad = ~xp.isfinite(s.beta_next)
    # x_{k-1}, because it is a least-squares solution. Rounding errors keep |A r| of an
    # inconsistent system near the root of eps (up to n = 200 no minimum was above
    # 1e-8). If the Rayleigh quotient of r is of second order, this is due to the
    # kernel; if it is larger, to small eigenvalues, which more iterations resolve.
    second = 100 * (s.root * s.root + s.anorm * s.anorm * s.eps)
    flat = xp.abs(s.rayleigh) * s.anorm <= second
    flat = flat & (s.root <= s.anorm * (4 * math.sqrt(s.eps)))
    s.flat = flat | (s.root <= s.anorm * ls_tol)
    if k in {1, 3}:
        s.in_kernel = s.one < 0
    if k == 1:
        s.first = s.root
    if k == 2:
        # b is in the kernel: the second product shows that the first was only rounding
        s.in_kernel = s.first <= s.anorm * (100 * s.eps)
        s.flat = s.flat | s.in_kernel
    # at a least-squares solution the sign of the curvature is noise
    s.last_curvature = s.curvature
    s.curvature = xp.minimum(s.curvature, s.rayleigh)
    return s.solved | s.stagnated | s.growing | s.bad | s.flat


def _advance(s: SimpleNamespace) -> None:
    """Advance x and the directions, by their coefficients."""
    cv, step = s.c2 * s.sigma, s.step
    # x = x + mu_{k-2} w_{k-2} with w_{k-2} = c_2 w_{k-2} + s_2 v_k
    step[:, 0, 1] = s.mu2 * s.c2
    # w_{k-1} = c_1 w_{k-1} + s_1 w_k with w_k = s_2 w_{k-2} - c_2 v_k
    step[:, 1, 1], step[:, 1, 2] = s.s1 * s.s2, s.c1
    # w_k = s_1 w_{k-1} - c_1 w_k
    step[:, 2, 1], step[:, 2, 2] = -s.c1 * s.s2, s.s1
    s.last_coefficients, s.coefficients = s.coefficients, step @ s.coefficients
    s.coefficients[:, 0, s.at] = s.mu2 * s.s2 * s.sigma
    s.coefficients[:, 1, s.at] = -s.s1 * cv
    s.coefficients[:, 2, s.at] = s.c1 * cv


# State that is passed from one iteration to the next: vectors and numbers of each
# system, numbers that only some iterations compute, and values common to all systems.
_CARRIED = (
    ("goal", "beta1", "beta", "delta", "epsilon", "theta1", "part1")
    + ("row2", "chi", "anorm", "phi", "mu0", "mu1", "s", "c", "gamma1", "gamma2")
    + ("gmin", "gmin2", "curvature")
)
_LATER = ("sigma", "scale", "in_kernel", "first", "coefficients")
_SAME = ("zero", "one", "minus_one", "inf", "tiny", "step", "unit")


def _rest(s: SimpleNamespace, ending: BoolArray) -> None:
    """Continue systems that have ended with vectors of zeros."""
    # In place: each iteration computes these anew, and the final states of the systems
    # that ended are copies.
    rows = s.xp.asarray(ending, device=device(s.beta))
    for array in (s.basis[s.at - 1, ...], s.basis[s.at, ...], s.coefficients, s.beta):
        array[rows] = 0.0


def _drop(s: SimpleNamespace) -> bool:
    """Count the next products, and drop rows of ended systems if that saves time."""
    n_alive, n_rows = s.n_alive, len(s.alive)
    s.n_useful += n_alive
    s.n_computed += n_rows
    few = s.n_computed <= s.n_useful * (1 + _WASTE)
    if s.products.take is None or n_alive in {0, n_rows} or few:
        return False
    s.n_computed += n_alive - n_rows
    local = np.flatnonzero(s.alive)
    index = index_of(s, local)
    s.rows, s.alive = s.rows[local], s.alive[local]
    s.products = s.products.select(local)
    for name in _CARRIED + tuple(name for name in _LATER if hasattr(s, name)):
        setattr(s, name, take(getattr(s, name), index))
    for name in _SAME:
        setattr(s, name, getattr(s, name)[:n_alive, ...])
    _drop_vectors(s, index)
    return True


def _drop_vectors(s: SimpleNamespace, index: Array) -> None:
    """Keep some rows of the vectors."""
    if not hasattr(s, "basis"):
        s.v = take(s.v, index)
        return
    old, size = s.basis[: s.at + 1, ...], s.basis.shape[-1]
    s.basis = empty_like(old, (_N_PARTS + _N_VECTORS, len(s.rows), size))
    if type(old) is np.ndarray:
        old.take(index, axis=1, out=s.basis[: s.at + 1], mode="clip")
    else:
        s.basis[: s.at + 1, ...] = s.xp.take(old, index, axis=1)
