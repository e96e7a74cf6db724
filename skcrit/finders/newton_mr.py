"""The Newton-MR finder."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from skcrit.finders._doc import N_FALLBACK, documented
from skcrit.finders.base import BaseFinder
from skcrit.solvers import NewtonMR
from skcrit.utils._validation import Interval, StrOptions


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class NewtonMRFinder(BaseFinder):
    r"""Find critical points by Newton-MR from many starts.

    Each iteration solves :math:`H p = -g` in the least-squares sense by MINRES-QLP;
    ``g`` and ``H`` are the gradient and the Hessian of the loss. It then shortens the
    step until the squared gradient norm is sufficiently below the largest of the last
    ``window`` ones. The method is attracted by saddles of every index as much as by
    minima.

    Parameters
    ----------
    <parameters>
    inner_tol : float or "adaptive", default=0.1
        Bound on the relative residual ``|H p + g| / |g|`` of the linear system.
        "adaptive" is 0.5 at first, and then depends on the last decrease of the
        gradient norm (choice 2 of [3]_): ``0.9 (|g| / |g_last|)^2``, at least 0.9 times
        the square of the last bound if that exceeds 0.1, and at most 0.9. If
        ``max_inner_iter`` allows, convergence is then quadratic without steps that are
        too accurate far away.
    max_inner_iter : int, default=50
        Largest number of Hessian-vector products per step.
    max_step : float or None, default=None
        Largest norm of a step, absolute, in the unit of ``theta``; longer ones are
        shortened. None sets no limit.
    regularization : float, default=0.0
        Multiple of the identity that is added to the Hessian in the linear system,
        absolute, in the unit of the Hessian.
    balance : bool, default=True
        Whether to move each iterate to the rescaled point of its symmetry orbit.
        ``balance=False, window=1`` is the published method.
    window : int, default=5
        A step must reduce the squared gradient norm below the largest of this many last
        ones (the non-monotone search of Grippo, Lampariello & Lucidi 1986); 1 is the
        monotone search of the published method.
    step_size : float, default=1.0
        First step length of the line search.
    sufficient_decrease : float, default=1e-4
        Fraction of the predicted decrease of the squared gradient norm that a step must
        achieve.
    backtrack : float, default=0.5
        Factor between step lengths.
    max_backtracks : int, default=30
        Largest number of reductions of a step.
    <fallback>
        ``balance=False, window=1, fallback=False`` is the published method.

    Attributes
    ----------
    <attributes>

    See Also
    --------
    skcrit.metrics.recovery_report : Judge a fit against the analytical critical points.

    Notes
    -----
    An iteration costs at most ``max_inner_iter + 4`` Hessian-vector products per start,
    one gradient per step length tried, and one at the new point. The page on the
    defaults of Newton-MR has the measurements by which the defaults were chosen.

    The loss of a linear network does not change when one layer is scaled up and the
    next one down, but its gradient does. Without ``balance`` the search makes little
    progress along these valleys, and most failures of the published method on linear
    networks end there.

    Morse index and nullity are counted at the rescaled point, after Newton steps to the
    level of rounding, with the measured error of the eigenvalues. They, the labels and
    the status come from the loss alone, never from the analytical critical points.

    References
    ----------
    .. [1] F. Roosta, Y. Liu, P. Xu and M. W. Mahoney. "Newton-MR: inexact Newton method
       with minimum residual sub-problem solver". arXiv:1810.00303, 2018.
    .. [2] S.-C. T. Choi, C. C. Paige and M. A. Saunders. "MINRES-QLP: a Krylov subspace
       method for indefinite or singular symmetric systems". SIAM J. Sci. Comput. 33(4),
       2011, doi:10.1137/100787921.
    .. [3] S. C. Eisenstat and H. F. Walker. "Choosing the forcing terms in an inexact
       Newton method". SIAM J. Sci. Comput. 17(1), 1996, doi:10.1137/0917003.

    Examples
    --------
    >>> from skcrit import LinearAutoencoderLoss, NewtonMRFinder
    >>> from skcrit.datasets import make_gaussian_spectrum
    >>> X = make_gaussian_spectrum(500, eigenvalues=[4, 2, 1], random_state=0)
    >>> loss = LinearAutoencoderLoss(hidden_layer_sizes=(2,))
    >>> finder = NewtonMRFinder(loss, n_starts=40, random_state=0).fit(X)
    >>> finder.score(X)
    1.0
    """

    _columns = {
        "inner_status": "how MINRES-QLP ended in the last iteration, a name of\n"
        "      :class:`skcrit.linalg.LinearStatus`; empty if there was none",
        "n_fallback": N_FALLBACK,
    }

    _parameter_constraints = {
        **BaseFinder._parameter_constraints,
        "inner_tol": [Interval(Real, 0, 1, closed="left"), StrOptions({"adaptive"})],
        "max_inner_iter": [Interval(Integral, 1, None, closed="left")],
        "max_step": [Interval(Real, 0, None, closed="neither"), None],
        "regularization": [Interval(Real, 0, None, closed="left")],
        "balance": ["boolean"],
        "window": [Interval(Integral, 1, None, closed="left")],
        "step_size": [Interval(Real, 0, None, closed="neither")],
        "sufficient_decrease": [Interval(Real, 0, 1, closed="left")],
        "backtrack": [Interval(Real, 0, 1, closed="neither")],
        "max_backtracks": [Interval(Integral, 0, None, closed="left")],
        "fallback": ["boolean"],
    }

    inner_tol: float | str = 0.1
    max_inner_iter: int = 50
    max_step: float | None = None
    regularization: float = 0.0
    balance: bool = True
    window: int = 5
    step_size: float = 1.0
    sufficient_decrease: float = 1e-4
    backtrack: float = 0.5
    max_backtracks: int = 30
    fallback: bool = True

    def _make_solver(self) -> Any:
        return self._built(NewtonMR)
