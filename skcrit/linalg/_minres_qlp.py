r"""MINRES-QLP for a batch of symmetric systems, indefinite or singular ones included.

Written from Choi, Paige & Saunders (2011), whose symbols are kept, with
:math:`\gamma_k^{(1)}` spelt ``gbar``, and with these changes:

* the recurrences see :math:`A / \sigma` and :math:`b / \beta_1`, with a power of two
  :math:`\sigma` near :math:`\|A b\| / \|b\|`, so that squares neither overflow nor
  vanish; ``v`` holds :math:`v_k / \sigma`, which makes the scaling of A free;
* a trailing digit counts columns back from k: ``gamma2`` is :math:`\gamma_{k-2}`,
  ``mu0`` is :math:`\mu_k`, each at its current stage;
* ``row2`` is the right side of row k-2 of :math:`L u = t` less its left neighbours,
  ``part1`` the same of row k-1 without its nearest neighbour.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral
from types import SimpleNamespace
from typing import Any

from skcrit._backend import array_namespace, device
from skcrit._typing import Array
from skcrit.linalg._linear_result import LinearStatus, MinresQLPResult

__all__ = ["minres_qlp"]

# Norms that differ by less are about equal.
_ABOUT = 1.001


def minres_qlp(
    matvec: Callable[..., Any],
    b: Array,
    *,
    shift: float | Array = 0.0,
    rtol: float = 1e-10,
    ls_rtol: float = 1e-10,
    atol: float = 0.0,
    max_iter: int | None = None,
    refine: bool = True,
) -> MinresQLPResult:
    r"""Solve a batch of symmetric linear systems by MINRES-QLP.

    System i is :math:`\min \|x_i\|` over the minimisers of
    :math:`\|b_i - (A_i - \mathrm{shift}_i I) x_i\|_2`, for symmetric :math:`A_i` of any
    inertia and rank: the solution where the system is regular, the solution of minimum
    norm where it is singular and consistent, the least-squares solution of minimum norm
    (pseudoinverse times :math:`b_i`) where it is inconsistent. The k-th iterate
    minimises the residual over the Krylov space of dimension k.

    Parameters
    ----------
    matvec : callable
        ``matvec(v)`` maps an array of shape (n_systems, n) to the array of the products
        :math:`A_i v_i` of the same shape and dtype. It must not modify ``v``. Rows of
        finished systems are zero.
    b : array of shape (n_systems, n)
        Right-hand sides, float64 or float32, of any Array API namespace.
    shift : float or array of shape (n_systems,), default=0.0
        Multiple of the identity that is subtracted from :math:`A_i`.
    rtol : float, default=1e-10
        Relative, on the residual norm: SOLVED means
        :math:`\|r\| \le \mathrm{rtol} \|b\| + \mathrm{atol}` for the residual r that
        is computed from the returned x, with rtol at least the machine epsilon
        :math:`\epsilon`.
    ls_rtol : float, default=1e-10
        Relative, on the gradient of the least-squares problem: INCONSISTENT means
        that the iteration ended at a least-squares solution, and
        :math:`\|A r\| \le \mathrm{tol} \|A\| \|r\|` for the same r, with `matrix_norm`
        for the norm of A. The tolerance is ls_rtol, but at least :math:`100 \epsilon`,
        and without `refine` at least :math:`\epsilon^{1/3}`.
    atol : float, default=0.0
        Absolute, on the residual norm, in the unit of `b`.
    max_iter : int, default=None
        Largest number of iterations; None is ``5 * n``. Rounding delays convergence
        beyond n iterations when the matrix is ill-conditioned. Each solve of a restart
        or a refinement has the same limit.
    refine : bool, default=True
        Whether to solve inconsistent systems again, as two consistent ones:
        :math:`A c = A b`, then :math:`A x = c`. It costs twice the iterations again
        and gives full accuracy; without it the relative error of x is about the root
        of the machine epsilon times the condition number.

    Returns
    -------
    result : MinresQLPResult
        Solutions, residuals, norms, estimates, counts and a status per system.

    Raises
    ------
    ValueError
        If a parameter is out of range, or an array has the wrong shape or dtype.

    Notes
    -----
    An iteration costs one product, the work of about 30 passes over vectors and one
    host synchronisation; storage is 12 arrays of shape (n_systems, n) and what `matvec`
    needs. Two products close the run: they measure r and A r. Two more take the kernel
    out of an inconsistent x, and three compare it with the refined one. A product is
    always one of the whole batch: an iteration costs the same while one system is left,
    and a single inconsistent system makes all wait for its refinement.

    Systems do not mix: all arithmetic is by rows, and a system that has ended is
    masked while the others go on. On NumPy a row of the result is bitwise the same in
    every batch, if that holds for `matvec`.

    The paper starts with MINRES updates and turns to QLP when the condition estimate
    passes `TranCond`. Here all iterations are QLP: in a batch both updates would run
    as soon as one system has turned, and the update is one small matrix product.

    The paper measures :math:`\|r\|` against :math:`\|A\| \|x\| + \|b\|`, here it is
    :math:`\|b\|` alone: else an inconsistent system whose x grows counts as solved.

    The recurrences have a residual of their own, from which that of x differs by
    rounding. They only propose a status, and the measured norms decide. Where x misses
    the tolerance that the recurrences have met, the system is solved again with the
    measured residual on the right, as long as that halves it. STAGNATED means that
    rounding forbids what is asked for: the residual is at the rounding level of
    :math:`\|A\| \|x\|`, or restarts do not reduce it, or what looked like a least-squares
    solution does not stand the test. The smallest eigenvalues are then of the order of
    :math:`\epsilon \|A\| / \mathrm{rtol}`, or smaller.

    The x of an inconsistent system has a part in the kernel, along r, until the last
    iterate of exact arithmetic, which rounding never lets be reached. That part is
    taken out as in [4]_; then `refine` restores the accuracy.

    References
    ----------
    .. [1] S.-C. T. Choi, C. C. Paige, M. A. Saunders, "MINRES-QLP: a Krylov subspace
       method for indefinite or singular symmetric systems", SIAM J. Sci. Comput. 33(4),
       2011, 1810-1836, doi:10.1137/100787921.
    .. [2] S.-C. T. Choi, M. A. Saunders, "Algorithm 937: MINRES-QLP for symmetric and
       Hermitian linear equations and least-squares problems", ACM Trans. Math. Softw.
       40(2), 2014, doi:10.1145/2527267.
    .. [3] Y. Liu, F. Roosta, "MINRES: from negative curvature detection to monotonicity
       properties", arXiv:2206.05732, 2022 (curvature of the residual from the
       recurrences).
    .. [4] Y. Liu, A. Milzarek, F. Roosta, "Obtaining pseudo-inverse solutions with
       MINRES", arXiv:2309.17096, 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skcrit.linalg import minres_qlp
    >>> result = minres_qlp(lambda v: v * np.array([2.0, -1.0, 0.0]), np.ones((1, 3)))
    >>> result.x.round(6) + 0.0
    array([[ 0.5, -1. ,  0. ]])
    """
    limits = {"rtol": rtol, "ls_rtol": ls_rtol, "atol": atol, "max_iter": max_iter}
    problem = _find_problem(b, shift, limits)
    if problem:
        raise ValueError(problem)
    max_iter = 5 * b.shape[1] if max_iter is None else max_iter
    product = _shifted_product(matvec, b, shift)
    xp = array_namespace(b)
    eps = float(xp.finfo(b.dtype).eps)
    b_norm = _norm(xp, xp.where(xp.isfinite(b), b, xp.zeros_like(b)))
    goal = max(rtol, eps) * b_norm + atol
    ls_tol = max(ls_rtol, eps)
    s = _run(product, b, goal, ls_tol, max_iter)
    _measure(s, product, b)
    _restart(s, product, b, goal, max_iter)
    _improve(s, product, b, goal, max_iter, refine)
    tol = max(ls_rtol, 100 * eps if refine else eps ** (1 / 3))
    return _result(s, goal, tol)


def _find_problem(b, shift, limits):
    """Describe the first thing that is wrong with the input; None if nothing is."""
    xp = array_namespace(b)
    shape = tuple(b.shape)
    if len(shape) != 2 or 0 in shape:
        return f"b must have shape (n_systems, n), no axis empty, got shape {shape}."
    if b.dtype not in (xp.float64, xp.float32):
        return f"b must be float64 or float32, got {b.dtype}."
    for name in ("rtol", "ls_rtol", "atol"):
        value = limits[name]
        if not 0 <= value < math.inf:
            return f"{name} must be a nonnegative finite number, got {value!r}."
    n_iter = limits["max_iter"]
    if n_iter is not None and not (isinstance(n_iter, Integral) and n_iter >= 1):
        return f"max_iter must be a positive integer or None, got {n_iter!r}."
    got = tuple(getattr(shift, "shape", ()))
    if got not in ((), shape[:1]):
        return f"shift must be a number or have shape {shape[:1]}, got shape {got}."
    return None


def _shifted_product(matvec, b, shift):
    """Wrap the product with A - shift I, and check what matvec returns."""
    xp = array_namespace(b)
    shifted = hasattr(shift, "shape") or shift != 0
    shift = xp.asarray(shift, dtype=b.dtype, device=device(b))
    shift = shift[:, None] if shift.ndim else shift

    def product(v):
        p = matvec(v)
        got = (getattr(p, "shape", None), getattr(p, "dtype", None))
        if got != (b.shape, b.dtype):
            raise ValueError(
                f"matvec must return an array of shape {tuple(b.shape)} and {b.dtype}, "
                f"got shape {got[0]} and {got[1]}."
            )
        return p - shift * v if shifted else p

    return product


def _run(product, b, goal, ls_tol, max_iter):
    """Iterate until every system has ended: the last state, with x in its own scale."""
    s = _setup(product, b)
    s.goal, s.ls_tol = goal, ls_tol
    for k in range(1, max_iter + 1):
        _lanczos_step(s)
        _left_reflection(s)
        _right_reflections(s)
        _stop(s, k)
        _update(s)
        if k == max_iter or not _any(s.xp, s.running):
            break
        s.p = product(s.v)
    # x_k = x_{k-2} + mu_{k-1} w_{k-1} + mu_k w_k
    x = s.stack[:, 0, :] + s.last_mu1[:, None] * s.stack[:, 1, :]
    x = x + s.last_mu0[:, None] * s.stack[:, 2, :]
    s.x = s.xp.where((s.n_iter > 0)[:, None], x * s.scale[:, None], s.zeros)
    return s


def _any(xp, mask):
    """Whether any entry of a mask is true: the one synchronisation with the host."""
    return bool(xp.any(mask))


def _setup(product, b):
    """Scale the systems and form the first product: the state before iteration 1."""
    xp = array_namespace(b)
    s = SimpleNamespace(xp=xp, eps=float(xp.finfo(b.dtype).eps), zeros=xp.zeros_like(b))
    zero = xp.zeros(b.shape[:1], dtype=b.dtype, device=device(b))
    one = zero + 1
    s.zero, s.one, s.inf = zero, one, one * xp.inf
    s.tiny = zero + float(xp.finfo(b.dtype).smallest_normal)
    finite = xp.all(xp.isfinite(b), axis=-1)
    v = xp.where(finite[:, None], b, s.zeros)
    s.beta1 = _norm(xp, v)
    s.running = s.beta1 > 0
    v = _unit(xp, v)
    p = product(v)
    peak = xp.max(xp.abs(xp.where(xp.isfinite(p), p, s.zeros)), axis=-1)
    exponent = xp.floor(xp.log2(xp.where(peak > 0, peak, one)))
    s.sigma = xp.pow(one + 1, exponent)
    s.p, s.v = p / s.sigma[:, None], v / s.sigma[:, None]
    s.scale = s.beta1 / s.sigma
    s.count = xp.zeros(b.shape[:1], dtype=xp.int64, device=device(b))
    s.codes = {code: s.count + int(code) for code in LinearStatus}
    # MAX_ITER stands for "not finished" until the end.
    s.unfinished = s.codes[LinearStatus.MAX_ITER]
    s.status = xp.where(s.running, s.unfinished, s.codes[LinearStatus.SOLVED])
    s.status = xp.where(finite, s.status, s.codes[LinearStatus.NON_FINITE])
    s.no_iter = s.n_iter = s.n_matvec = s.count
    # x, w_{k-2}, w_{k-1} and v_k
    s.v1, s.stack = s.zeros, xp.stack((s.zeros, s.zeros, s.zeros, s.v), axis=1)
    s.identity = xp.eye(4, dtype=b.dtype, device=device(b))
    s.step = xp.zeros((b.shape[0], 4, 4), dtype=b.dtype, device=device(b))
    s.step[:, 0, 0] = one
    s.c, s.s, s.phi = -one, zero, one
    # Columns -1 and 0 of L are large multiples of those of the identity, with w = 0:
    # their reflections are [1 0; 0 -1].
    s.gamma1 = s.gamma2 = one / s.eps**2
    s.beta = s.delta = s.epsilon = s.theta1 = s.part1 = s.row2 = zero
    s.chi = s.anorm = s.last_mu0 = s.last_mu1 = s.last_root = zero
    s.gmin2 = s.last_gmin = s.curvature = s.inf
    return s


def _lanczos_step(s):
    """Orthogonalise the product: alpha_k, beta_{k+1} and beta_{k+1} v_{k+1}."""
    xp = s.xp
    finite = xp.all(xp.isfinite(s.p), axis=-1)
    s.bad = ~finite
    p = xp.where((s.running & finite)[:, None], s.p, s.zeros)
    # p = A v_k - beta_k v_{k-1}
    p -= (s.beta * s.sigma)[:, None] * s.v1
    # alpha_k = v_k^T p
    s.alpha = s.sigma * xp.vecdot(s.v, p)
    # p = A v_k - alpha_k v_k - beta_k v_{k-1} = beta_{k+1} v_{k+1}
    p -= (s.alpha * s.sigma)[:, None] * s.v
    square = xp.vecdot(p, p)
    s.beta_next = xp.sqrt(square)
    # |A| >= the norm of column k of the Lanczos matrix
    column = xp.sqrt(s.alpha * s.alpha + s.beta * s.beta + square)
    s.anorm = xp.maximum(s.anorm, column)
    s.p = p


def _left_reflection(s):
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
    # |A r_{k-1}| = phi_{k-1} |[gbar_k, delta_{k+1}^(1)]|
    s.root = xp.hypot(gbar, delta_next)
    s.root_norm = s.phi * s.root
    # [gamma_k; 0] = [c s; s -c] [gbar_k; beta_{k+1}]
    s.gamma = xp.maximum(xp.hypot(gbar, s.beta_next), s.tiny)
    s.c, s.s = gbar / s.gamma, s.beta_next / s.gamma
    # [tau_k; phi_k] = [c s; s -c] [phi_{k-1}; 0]
    s.tau = s.c * s.phi
    s.phi = s.s * s.phi
    s.delta, s.beta = delta_next, s.beta_next


def _right_reflections(s):
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
    s.mu1 = row1 / gamma1
    # row k of L u = t
    part0 = s.tau - eta * s.mu2
    size = xp.abs(gamma0)
    s.mu0 = (part0 - theta0 * s.mu1) / xp.where(size > s.tiny, gamma0, s.inf)
    # |x_k|^2 = |u_k|^2
    s.chi = s.chi + s.mu2 * s.mu2
    s.xnorm = xp.sqrt(s.chi + s.mu1 * s.mu1 + s.mu0 * s.mu0)
    # smallest diagonal entry of L
    s.gmin2 = xp.minimum(s.gmin2, gamma2)
    s.gmin = xp.minimum(s.gmin2, xp.minimum(gamma1, size))
    s.gamma2, s.gamma1, s.theta1 = gamma1, gamma0, theta0
    s.row2, s.part1, s.epsilon = row1, part0, s.epsilon_next


def _is_optimal(s, k):
    """Whether x_{k-1} is a least-squares solution, b in the kernel included."""
    where = s.xp.where
    # Rounding keeps |A r| of an inconsistent system near the root of eps (see _refine;
    # no minimum above 1e-8 was met up to n = 200). That comes from the kernel if the
    # Rayleigh quotient of r is of second order, and from small eigenvalues, which more
    # iterations resolve, if it is larger.
    second = 100 * (s.root * s.root + s.anorm * s.anorm * s.eps)
    flat = s.xp.abs(s.rayleigh) * s.anorm <= second
    flat = flat & (s.root <= s.anorm * (4 * math.sqrt(s.eps)))
    optimal = flat | (s.root <= s.anorm * s.ls_tol)
    if k == 1:
        s.first = s.root
    if k == 2:
        # b in the kernel: the second product shows that the first was rounding noise
        kernel = s.running & (s.first <= s.anorm * (100 * s.eps))
        optimal = optimal | kernel
        s.n_iter = where(kernel, s.no_iter, s.n_iter)
        s.root_norm = where(kernel, s.first, s.root_norm)
        s.curvature = where(kernel, s.inf, s.curvature)
    return optimal


def _stop(s, k):
    """Decide for each running system whether it ends, and at x_{k-1} or at x_k."""
    xp, where, codes = s.xp, s.xp.where, s.codes
    rounding = s.anorm * s.xnorm * s.eps
    # x_k: codes of the systems that end there, lowest priority first
    code = where(s.phi <= rounding, codes[LinearStatus.STAGNATED], s.unfinished)
    code = where(s.phi * s.beta1 <= s.goal, codes[LinearStatus.SOLVED], code)
    # x_{k-1}: the same, for reasons that forbid the step to x_k
    reject = rounding >= s.one
    code = where(reject, codes[LinearStatus.INCONSISTENT], code)
    optimal = _is_optimal(s, k)
    # at a least-squares solution the sign of the curvature is noise
    curved = s.running & ~(optimal | s.bad)
    s.curvature = where(curved, xp.minimum(s.curvature, s.rayleigh), s.curvature)
    code = where(optimal, codes[LinearStatus.INCONSISTENT], code)
    code = where(s.bad, codes[LinearStatus.NON_FINITE], code)
    s.accept = curved & ~reject
    s.count = s.count + 1
    s.n_matvec = where(s.running, s.count, s.n_matvec)
    s.n_iter = where(s.accept, s.count, s.n_iter)
    s.last_root = where(s.running, s.root_norm, s.last_root)
    s.status = where(s.running, code, s.status)
    s.running = s.accept & (code == s.unfinished)


def _update(s):
    """Advance x and the directions of the accepted systems, then v of the running."""
    xp, accept = s.xp, s.accept
    s.last_mu1 = xp.where(accept, s.mu1, s.last_mu1)
    s.last_mu0 = xp.where(accept, s.mu0, s.last_mu0)
    s.last_gmin = xp.where(accept, s.gmin, s.last_gmin)
    cv, step = s.c2 * s.sigma, s.step
    # x = x + mu_{k-2} w_{k-2} with w_{k-2} = c_2 w_{k-2} + s_2 v_k
    step[:, 0, 1], step[:, 0, 3] = s.mu2 * s.c2, s.mu2 * s.s2 * s.sigma
    # w_{k-1} = c_1 w_{k-1} + s_1 w_k with w_k = s_2 w_{k-2} - c_2 v_k
    step[:, 1, 1], step[:, 1, 2], step[:, 1, 3] = s.s1 * s.s2, s.c1, -s.s1 * cv
    # w_k = s_1 w_{k-1} - c_1 w_k
    step[:, 2, 1], step[:, 2, 2], step[:, 2, 3] = -s.c1 * s.s2, s.s1, s.c1 * cv
    # One small product per system: 13 passes over vectors become one. The identity
    # keeps a system that has ended.
    s.stack = xp.where(accept[:, None, None], step, s.identity) @ s.stack
    # v_{k+1}, zero where the iteration has ended
    s.v1 = s.v
    scale = s.one / xp.where(s.running, s.beta_next * s.sigma, s.inf)
    s.v = s.p * scale[:, None]
    s.stack[:, 3, :] = s.v
    s.beta = xp.where(s.running, s.beta_next, s.zero)


def _measure(s, product, b):
    """Compute the residuals of x, and what A makes of them."""
    xp = s.xp
    s.residual, s.residual_norm, s.image = _judged(xp, product, b, s.x)
    s.n_matvec = s.n_matvec + 2
    s.x_norm = _norm(xp, s.x)


def _restart(s, product, b, goal, max_iter):
    """Solve for what the recurrences left of the residual without knowing.

    They have a residual of their own, which differs from that of x by rounding. Where x
    misses the tolerance for that reason, the system with its residual on the right is
    solved, and x corrected, as long as that halves the residual.
    """
    xp, codes = s.xp, s.codes
    rounding = 10 * s.eps * s.anorm * s.sigma * s.x_norm
    short = s.status == codes[LinearStatus.SOLVED]
    short = short | (s.status == codes[LinearStatus.STAGNATED])
    short = short & (s.residual_norm > xp.maximum(goal, rounding))
    while _any(xp, short):
        right = xp.where(short[:, None], s.residual, s.zeros)
        part = _run(product, right, goal, s.ls_tol, max_iter)
        x = s.x + part.x
        judged = _judged(xp, product, b, x)
        s.n_iter = s.n_iter + part.n_iter
        s.n_matvec = s.n_matvec + part.n_matvec + 2 * xp.astype(short, xp.int64)
        halved = short & (judged[1] <= s.residual_norm / 2)
        _replace(s, short & (judged[1] < s.residual_norm), x, judged)
        short = halved & (s.residual_norm > goal)


def _improve(s, product, b, goal, max_iter, refine):
    """Improve what the recurrences take for least-squares solutions."""
    xp = s.xp
    singular = s.status == s.codes[LinearStatus.INCONSISTENT]
    singular = singular & (s.n_iter > 0) & (s.residual_norm > goal)
    s.limited = xp.zeros_like(singular)
    if _any(xp, singular):
        _lift(s, product, b, singular)
        if refine:
            _refine(s, product, b, singular, max_iter)


def _lift(s, product, b, singular):
    """Take out of the least-squares solutions their part in the kernel.

    The residual is the part of b in the kernel, and the only direction of the kernel
    that the Krylov space holds. Where it is not in the kernel, it grows.
    """
    xp = s.xp
    unit = _unit(xp, xp.where(singular[:, None], s.residual, s.zeros))
    x = s.x - xp.vecdot(unit, s.x)[:, None] * unit
    judged = _judged(xp, product, b, x)
    s.n_matvec = s.n_matvec + 2 * xp.astype(singular, xp.int64)
    _, size, image = judged
    good = size <= _ABOUT * s.residual_norm
    tol = s.eps ** (1 / 3) * s.anorm * s.sigma * size
    good = good & (image <= xp.maximum(tol, s.image))
    _replace(s, singular & good, x, judged)


def _refine(s, product, b, singular, max_iter):
    r"""Solve the inconsistent systems again, as two consistent ones.

    :math:`A c = A b` has the solution :math:`c = A A^+ b` in the range of A, and
    :math:`A y = c` then has :math:`y = A^+ b`. In the direct iteration the kernel
    enters the Krylov space with b, and limits :math:`\|A r\|` to the root of the
    machine epsilon; here it does not. y replaces x where its residual is smaller, or
    about equal with a smaller :math:`\|A r\|`.
    """
    xp, fine = s.xp, 10 * s.eps
    options = {"ls_tol": fine, "max_iter": max_iter}
    right = xp.where(singular[:, None], product(b), s.zeros)
    # The product has rounding errors, also in the kernel.
    goal = fine * xp.maximum(_norm(xp, right), s.anorm * s.sigma * _norm(xp, b))
    first = _run(product, right, goal, **options)
    second = _run(product, first.x, fine * _norm(xp, first.x), **options)
    judged = _judged(xp, product, b, second.x)
    s.n_iter = s.n_iter + first.n_iter + second.n_iter
    s.n_matvec = s.n_matvec + first.n_matvec + second.n_matvec
    s.n_matvec = s.n_matvec + 3 * xp.astype(singular, xp.int64)
    _, size, image = judged
    about = (size <= _ABOUT * s.residual_norm) & (image <= s.image)
    better = about | (_ABOUT * size < s.residual_norm)
    _replace(s, singular & better, second.x, judged)
    for part in (first, second):
        s.limited = s.limited | singular & (part.status == s.unfinished)


def _judged(xp, product, b, x):
    """Compute the residuals of some x, their norms, and those of their images."""
    residual = _residual(xp, product, b, x)
    norm = _norm(xp, residual)
    finite = xp.isfinite(norm)
    image = product(xp.where(finite[:, None], residual, xp.zeros_like(residual)))
    nan = xp.full_like(b, xp.nan)
    image = xp.where(finite[:, None] & xp.isfinite(image), image, nan)
    return residual, norm, _norm(xp, image)


def _replace(s, better, x, judged):
    """Take up better solutions, and what is known of them."""
    where = s.xp.where
    residual, norm, image = judged
    s.x = where(better[:, None], x, s.x)
    s.x_norm = _norm(s.xp, s.x)
    s.residual = where(better[:, None], residual, s.residual)
    s.residual_norm = where(better, norm, s.residual_norm)
    s.image = where(better, image, s.image)


def _result(s, goal, tol):
    """Say what was reached, by the measured norms; undo the scaling."""
    where, codes = s.xp.where, s.codes
    norm = s.anorm * s.sigma
    condition = s.anorm / s.last_gmin
    solved, flat = LinearStatus.SOLVED, LinearStatus.INCONSISTENT
    status, claimed = s.status, s.status == codes[flat]
    least = claimed & (s.image <= tol * norm * s.residual_norm)
    claimed = (claimed & ~least) | (status == codes[solved])
    status = where(claimed, codes[LinearStatus.STAGNATED], status)
    status = where(claimed & s.limited, s.unfinished, status)
    status = where(s.residual_norm <= goal, codes[solved], status)
    return MinresQLPResult(
        x=s.x,
        residual=s.residual,
        residual_norm=s.residual_norm,
        matrix_residual_norm=s.image,
        x_norm=s.x_norm,
        matrix_norm=norm,
        condition=where(condition > s.one, condition, s.one),
        curvature=s.curvature * s.sigma,
        n_iter=s.n_iter,
        n_matvec=s.n_matvec,
        status=status,
    )


def _residual(xp, product, b, x):
    """Compute b - A x, with NaN for all that is not finite."""
    residual = product(x)
    ok = xp.isfinite(residual) & xp.isfinite(b)
    zero, nan = xp.zeros_like(b), xp.full_like(b, xp.nan)
    return xp.where(ok, b, zero) - xp.where(ok, residual, nan)


def _norm(xp, v):
    """Compute the 2-norms of the rows, safe from overflow and underflow."""
    peak = xp.max(xp.abs(v), axis=-1)
    unit = xp.where(peak > 0, peak, xp.ones_like(peak))
    v = v / unit[:, None]
    return unit * xp.sqrt(xp.vecdot(v, v))


def _unit(xp, v):
    """Scale the rows to norm 1; zero rows stay zero."""
    peak = xp.max(xp.abs(v), axis=-1)
    v = v / xp.where(peak > 0, peak, xp.ones_like(peak))[:, None]
    norm = xp.sqrt(xp.vecdot(v, v))
    return v / xp.where(norm > 0, norm, xp.ones_like(norm))[:, None]
