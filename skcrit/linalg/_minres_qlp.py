"""MINRES-QLP for a batch of symmetric systems, which may be indefinite or singular."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from skcrit._backend import array_namespace
from skcrit._typing import Array
from skcrit.linalg._linear_result import LinearStatus, MinresQLPResult
from skcrit.linalg._products import Products, norms_and_units, row_norms
from skcrit.linalg._qlp_input import as_column, at_least, find_problem
from skcrit.linalg._qlp_iteration import iterate

# Norms with a smaller relative difference count as equal.
_ABOUT = 1.001


def minres_qlp(
    matvec: Callable[..., Any],
    b: Array,
    *,
    shift: float | Array = 0.0,
    rtol: float | Array = 1e-10,
    ls_rtol: float = 1e-10,
    atol: float = 0.0,
    max_iter: int | None = None,
    refine: bool = True,
    take: Callable[..., Any] | None = None,
) -> MinresQLPResult:
    r"""Solve a batch of symmetric linear systems by MINRES-QLP.

    System i is :math:`\min \|x_i\|` over the minimisers of
    :math:`\|b_i - (A_i - \mathrm{shift}_i I) x_i\|_2`, for symmetric :math:`A_i` of any
    inertia and rank: the solution if the system is regular, the solution of minimum
    norm if it is singular and consistent, the least-squares solution of minimum norm
    (pseudoinverse times :math:`b_i`) if it is inconsistent. The k-th iterate
    minimises the residual over the Krylov space of dimension k.

    Parameters
    ----------
    matvec : callable
        ``matvec(v)`` maps an array of shape (n_systems, n) to the array of the products
        :math:`A_i v_i` of the same shape and dtype. It must neither modify ``v`` nor
        keep a reference to it, because its memory is reused. Rows of finished systems
        are zero.
    b : array of shape (n_systems, n)
        Right-hand sides, float64 or float32, of any Array API namespace.
    shift : float or array of shape (n_systems,), default=0.0
        Multiple of the identity that is subtracted from :math:`A_i`.
    rtol : float or array of shape (n_systems,), default=1e-10
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
        :math:`A c = A b`, then :math:`A x = c`, to full accuracy. Without it the
        relative error of x is about the root of epsilon times the condition number.
    take : callable, default=None
        ``take(rows)`` returns the `matvec` of some of the systems, such as ``lambda
        rows: loss.at(theta[rows]).hvp``; ``rows`` is an ndarray of int. If it is given,
        the rows of finished systems are dropped as soon as that saves time, and
        products are computed only for the systems that need them. The result is the
        same if `matvec` computes each row independently.

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
    An iteration costs one product, the work of about 15 passes over vectors and one
    transfer to the host; storage is 24 arrays of shape (n_systems, n) and what `matvec`
    needs. The iterate and its directions are kept as sums of Lanczos vectors, which are
    computed for 14 iterations at once. After the iteration, two products measure r and
    A r. For an inconsistent system two more remove the component of x in the kernel,
    and three compare x with the refined solution. Without `take` each product is
    computed for the whole batch, even if only one system needs it.

    All arithmetic is by rows, so that systems do not influence each other. On NumPy a
    row of the result is bitwise the same in every batch if this holds for `matvec`.

    The paper starts with MINRES updates and changes to QLP when the condition estimate
    exceeds `TranCond`. Here all iterations are QLP: in a batch both updates would be
    needed as soon as one system has changed, and the update is one small matrix
    product, of coefficients.

    The paper compares :math:`\|r\|` with :math:`\|A\| \|x\| + \|b\|`. Here it is
    compared with :math:`\|b\|` alone: otherwise an inconsistent system with growing x
    would count as solved.

    The residual in the recurrences differs from that of x by rounding errors. The
    recurrences therefore only propose a status, and the measured norms decide. If x
    does not satisfy the tolerance although the recurrences do, the system is solved
    again with the measured residual as its right-hand side, as long as this halves the
    residual. STAGNATED means that rounding errors prevent the requested accuracy,
    because the smallest eigenvalues are of the order of :math:`\epsilon \|A\| /
    \mathrm{rtol}` or smaller: either restarts do not help, or the measured norms
    contradict an apparent least-squares solution.

    The x of an inconsistent system has a component in the kernel, along r, which only
    the last iterate of exact arithmetic would not have. This component is removed as in
    [4]_; then `refine` restores the accuracy.

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
    problem = find_problem(b, shift, limits)
    if problem:
        raise ValueError(problem)
    xp = array_namespace(b)
    eps = float(xp.finfo(b.dtype).eps)
    parts = norms_and_units(xp, b)
    task = _Task(
        products=Products(matvec, b, as_column(shift, b), take),
        b=b,
        goal=at_least(rtol, eps, b) * parts[0] + atol,
        ls_tol=max(ls_rtol, eps),
        max_iter=5 * b.shape[1] if max_iter is None else max_iter,
    )
    end = iterate(task.products, parts, task.goal, task.ls_tol, task.max_iter)
    found = _measured(task, end)
    _restart(found, task, end)
    _improve(found, task, end, refine)
    tol = max(ls_rtol, 100 * eps if refine else eps ** (1 / 3))
    return _result(found, task, end, tol)


@dataclass
class _Task:
    """The systems and the requested accuracy."""

    products: Products
    b: Array
    goal: Array
    ls_tol: float
    max_iter: int


@dataclass
class _Solutions:
    """Properties of the solutions, each array with a row per system."""

    x: Array
    residual: Array
    residual_norm: Array
    image_norm: Array
    status: Array
    n_iter: Array
    n_matvec: Array
    limited: Array

    def replace(self, better: Array, x: Array, judged: tuple[Array, ...]) -> None:
        """Replace solutions by better ones, with their properties."""
        where = array_namespace(x).where
        residual, norm, image = judged
        self.x = where(better[:, None], x, self.x)
        self.residual = where(better[:, None], residual, self.residual)
        self.residual_norm = where(better, norm, self.residual_norm)
        self.image_norm = where(better, image, self.image_norm)

    def has(self, status: LinearStatus) -> Array:
        """Return which systems have a status."""
        return self.status == int(status)

    def count(self, wanted: Array, n_products: int, *runs: SimpleNamespace) -> None:
        """Count products for some systems, and those of further runs."""
        xp = array_namespace(wanted)
        self.n_matvec = self.n_matvec + n_products * xp.astype(wanted, xp.int64)
        for run in runs:
            self.n_iter = self.n_iter + run.n_iter
            self.n_matvec = self.n_matvec + run.n_matvec


def _judged(
    products: Products, b: Array, x: Array, wanted: Array | None = None
) -> tuple[Array, ...]:
    """Compute the residuals of some x, their norms, and those of their images."""
    xp = array_namespace(b)
    image = products.of(x, wanted)
    with np.errstate(invalid="ignore"):
        residual = b - image
        norm = row_norms(xp, residual)
    finite = xp.isfinite(norm)
    clean = residual
    if not bool(xp.all(finite)):
        residual = xp.where(xp.isfinite(residual), residual, xp.full_like(b, xp.nan))
        clean = xp.where(finite[:, None], residual, xp.zeros_like(b))
    image = products.of(clean, wanted)
    with np.errstate(invalid="ignore"):
        image_norm = row_norms(xp, image)
    return residual, norm, xp.where(finite, image_norm, xp.full_like(norm, xp.nan))


def _measured(task: _Task, end: SimpleNamespace) -> _Solutions:
    """Compute the residuals after the iteration."""
    residual, norm, image = _judged(task.products, task.b, end.x)
    everything = end.n_iter >= 0
    found = _Solutions(
        x=end.x,
        residual=residual,
        residual_norm=norm,
        image_norm=image,
        status=end.status,
        n_iter=end.n_iter,
        n_matvec=end.n_matvec,
        limited=~everything,
    )
    found.count(everything, 2)
    return found


def _restart(found: _Solutions, task: _Task, end: SimpleNamespace) -> None:
    """Solve for the residual that the recurrences do not see.

    The residual in the recurrences differs from that of x by rounding errors. If x does
    not satisfy the tolerance for that reason, the system is solved with the residual of
    x as its right-hand side, and x is corrected, as long as this halves the residual.
    """
    xp, b, products = array_namespace(task.b), task.b, task.products
    short = found.has(LinearStatus.SOLVED) | found.has(LinearStatus.STAGNATED)
    short = short & (found.residual_norm > task.goal)
    if not bool(xp.any(short)):
        return
    rounding = float(xp.finfo(b.dtype).eps) * end.norm * row_norms(xp, end.x)
    short = short & (found.residual_norm > rounding)
    while bool(xp.any(short)):
        right = xp.where(short[:, None], found.residual, xp.zeros_like(b))
        parts = norms_and_units(xp, right)
        part = iterate(products, parts, task.goal, task.ls_tol, task.max_iter)
        x = found.x + part.x
        judged = _judged(products, b, x, short)
        found.count(short, 2, part)
        halved = short & (judged[1] <= found.residual_norm / 2)
        found.replace(short & (judged[1] < found.residual_norm), x, judged)
        short = halved & (found.residual_norm > task.goal)


def _improve(
    found: _Solutions, task: _Task, end: SimpleNamespace, refine: bool
) -> None:
    """Improve the least-squares solutions that the recurrences propose."""
    singular = found.has(LinearStatus.INCONSISTENT)
    singular = singular & (found.n_iter > 0) & (found.residual_norm > task.goal)
    if bool(array_namespace(singular).any(singular)):
        _lift(found, task, end, singular)
        if refine:
            _refine(found, task, end, singular)


def _lift(
    found: _Solutions, task: _Task, end: SimpleNamespace, singular: Array
) -> None:
    """Remove the components of the least-squares solutions in the kernel.

    The residual is the component of b in the kernel, and the only direction of the
    kernel in the Krylov space. If it is not in the kernel, the correction makes it
    grow.
    """
    xp, b = array_namespace(task.b), task.b
    eps = float(xp.finfo(b.dtype).eps)
    r = xp.where(singular[:, None], found.residual, xp.zeros_like(b))
    unit = norms_and_units(xp, r)[1]
    x = found.x - xp.vecdot(unit, found.x)[:, None] * unit
    judged = _judged(task.products, b, x, singular)
    found.count(singular, 2)
    _, size, image = judged
    enough = xp.maximum(eps ** (1 / 3) * end.norm * size, found.image_norm)
    good = (size <= _ABOUT * found.residual_norm) & (image <= enough)
    found.replace(singular & good, x, judged)


def _refine(
    found: _Solutions, task: _Task, end: SimpleNamespace, singular: Array
) -> None:
    r"""Solve the inconsistent systems again, as two consistent ones.

    :math:`A c = A b` has the solution :math:`c = A A^+ b` in the range of A, and
    :math:`A y = c` then has :math:`y = A^+ b`. In the direct iteration the kernel
    enters the Krylov space with b, and limits :math:`\|A r\|` to the root of the
    machine epsilon; here it does not. y replaces x if its residual is smaller, or
    about equal with a smaller :math:`\|A r\|`.
    """
    xp, b, products = array_namespace(task.b), task.b, task.products
    fine = 10 * float(xp.finfo(b.dtype).eps)
    right = products.of(b, singular)
    # The product has rounding errors, some of which lie in the kernel.
    parts = norms_and_units(xp, right)
    goal = fine * xp.maximum(parts[0], end.norm * row_norms(xp, b))
    first = iterate(products, parts, goal, fine, task.max_iter)
    parts = norms_and_units(xp, first.x)
    second = iterate(products, parts, fine * parts[0], fine, task.max_iter)
    judged = _judged(products, b, second.x, singular)
    found.count(singular, 3, first, second)
    _, size, image = judged
    about = (size <= _ABOUT * found.residual_norm) & (image <= found.image_norm)
    better = about | (_ABOUT * size < found.residual_norm)
    found.replace(singular & better, second.x, judged)
    for part in (first, second):
        found.limited = found.limited | (part.status == int(LinearStatus.MAX_ITER))


def _result(
    found: _Solutions, task: _Task, end: SimpleNamespace, tol: float
) -> MinresQLPResult:
    """Assign the status of each system from the measured norms."""
    xp = array_namespace(found.x)

    def put(where: Array, code: LinearStatus, status: Array) -> Array:
        return xp.where(where, xp.full_like(status, int(code)), status)

    claimed = found.has(LinearStatus.INCONSISTENT)
    least = claimed & (found.image_norm <= tol * end.norm * found.residual_norm)
    claimed = (claimed & ~least) | found.has(LinearStatus.SOLVED)
    status = put(claimed, LinearStatus.STAGNATED, found.status)
    status = put(claimed & found.limited, LinearStatus.MAX_ITER, status)
    solved = found.residual_norm <= task.goal
    return MinresQLPResult(
        x=found.x,
        residual=found.residual,
        residual_norm=found.residual_norm,
        matrix_residual_norm=found.image_norm,
        x_norm=row_norms(xp, found.x),
        matrix_norm=end.norm,
        condition=end.condition,
        curvature=end.curvature,
        n_iter=found.n_iter,
        n_matvec=found.n_matvec,
        status=put(solved, LinearStatus.SOLVED, status),
    )
