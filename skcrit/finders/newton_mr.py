"""The Newton-MR finder."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING

from skcrit._typing import ArrayLike, Memory, RandomState, Sampler
from skcrit.finders.base import BaseFinder
from skcrit.solvers import NewtonMR
from skcrit.utils._validation import Interval

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

__all__ = ["NewtonMRFinder"]


class NewtonMRFinder(BaseFinder):
    r"""Find critical points by Newton-MR from many starts.

    Each iteration solves :math:`H p = -g` in the least-squares sense by MINRES-QLP,
    where ``g`` and ``H`` are gradient and Hessian of the loss, and shortens the step
    until the squared gradient norm is sufficiently below the largest of the last
    ``window`` ones. Saddles of every index attract it as much as minima do.

    Parameters
    ----------
    loss : Loss, default=None
        Loss to search. It is cloned and fitted to the data. None is
        ``LinearAutoencoderLoss()``.
    n_starts : int, default=100
        Number of searches.
    init : {"gaussian", "height", "iteration"}, array or sampler, default="height"
        Where searches begin: ``GaussianStarts()``, ``TrajectoryStarts(by=init)``, given
        points of shape (n_starts, n_params), or an object with the method
        ``sample(loss, n_starts, random_state)``.
    tol : float, default=1e-10
        Absolute, on the squared gradient norm: a start has converged when its squared
        gradient norm is at most ``tol``, at its own point and at the rescaled point of
        its symmetry orbit.
    max_iter : int, default=500
        Largest number of iterations per start.
    batch_size : int, default=None
        Starts that are solved together; None divides them over the workers, at most
        ``65536 / n_params`` (but 4 to 512) each, a quarter of that with ``memory``,
        ``verbose`` or callbacks. It changes time and memory, never the result.
    n_jobs : int, default=None
        Workers over batches, through joblib; None is 1 outside a
        ``joblib.parallel_config`` context.
    memory : str, path-like or joblib.Memory, default=None
        Folder where finished batches are kept: an interrupted fit that is started
        again repeats none of them.
    store_history : bool or list of str, default=False
        What to keep of every iterate: names out of "loss", "squared_grad_norm" and
        "theta"; True is the first two. It takes 8 bytes per number, for at most
        ``max_iter + 1`` iterates.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. Each start has a stream of its own, so that the result
        depends neither on ``n_jobs`` nor on ``batch_size``.
    verbose : int, default=0
        Positive shows a progress bar with starts done, converged, distinct sets found
        and time left (needs tqdm).
    inner_tol : float, default=0.1
        Relative, on the residual norm ``|H p + g| / |g|`` of the linear system.
    max_inner_iter : int, default=50
        Largest number of Hessian-vector products per step.
    max_step : float or None, default=None
        Largest norm of a step, absolute, in the unit of ``theta``; longer ones are
        shortened. None is no limit.
    regularization : float, default=0.0
        Multiple of the identity that is added to the Hessian in the linear system,
        absolute, in the unit of the Hessian.
    balance : bool, default=True
        Whether to move each iterate to the rescaled point of its symmetry orbit.
        ``balance=False, window=1`` is the published method.
    window : int, default=5
        Number of latest squared gradient norms whose largest a step must get below (the
        non-monotone search of Grippo, Lampariello & Lucidi 1986); 1 is the monotone
        search of the published method.
    step_size : float, default=1.0
        First step length of the line search.
    sufficient_decrease : float, default=1e-4
        Fraction of the predicted decrease of the squared gradient norm that is
        demanded.
    backtrack : float, default=0.5
        Factor between step lengths.
    max_backtracks : int, default=30
        Largest number of reductions of a step.

    Attributes
    ----------
    loss_ : Loss
        The fitted loss.
    n_features_in_ : int
        Number of features, where the loss has data.
    n_params_ : int
        Number of parameters.
    start_params_, final_params_ : ndarray of shape (n_starts, n_params)
        First and last points; a run that failed keeps its last finite point.
    converged_ : ndarray of bool of shape (n_starts,)
        Which starts reached ``tol``.
    n_iter_ : int
        Iterations of the longest run.
    results_ : dict of str to ndarray of shape (n_starts,)
        Ready for ``pandas.DataFrame``: "loss", "squared_grad_norm",
        "squared_balanced_grad_norm" (at the rescaled point), "n_iter", "n_gradient",
        "n_hvp", "status" (CONVERGED, GRADIENT_FLAT, STALLED, MAX_ITER or DIVERGED),
        "inner_status" (of the last linear system), "residual_ratio" (of the last step,
        ``|H p + g| / (|H| |p| + |g|)``), "converged", "morse_index" and "nullity" (-1
        where not converged), "critical_set" (label, -1 where not converged).
    critical_points_ : ndarray of shape (n_critical_sets_, n_params)
        A rescaled point of each distinct critical set found, by increasing loss.
    critical_losses_ : ndarray of shape (n_critical_sets_,)
        Losses there.
    morse_indices_, nullities_ : ndarray of int of shape (n_critical_sets_,)
        Numbers of negative and of zero eigenvalues of the Hessian there; -1 beyond 4096
        parameters, where no dense Hessian is formed.
    index_fractions_ : ndarray of shape (n_critical_sets_,)
        Morse indices over ``n_params_``.
    counts_ : ndarray of int of shape (n_critical_sets_,)
        How many starts ended in each set.
    n_critical_sets_ : int
        Number of distinct sets found.
    history_ : dict of str to ndarray of shape (n_starts, n_iter_ + 1)
        "loss" and "squared_grad_norm" of every iterate, NaN after the end of a run;
        only with ``store_history``, which may also ask for "theta", of shape (...,
        n_params).

    See Also
    --------
    skcrit.metrics.recovery_report : Judge a fit against the analytical critical points.

    Notes
    -----
    An iteration costs at most ``max_inner_iter + 2`` Hessian-vector products per start,
    one gradient per step length tried, and one at the new point. The defaults are
    chosen by measurement, see the page on the defaults of Newton-MR.

    The loss of a linear network does not change when one layer is scaled up and the
    next one down, but its gradient does. Without ``balance`` the search creeps along
    these valleys, and most failures of the published method on linear networks end
    there.

    Morse index and nullity are counted at the rescaled point, after one Newton
    correction, with a threshold that bounds by how much the eigenvalues can still be
    wrong. They, the labels and the status come from the loss alone, never from the
    analytical critical points.

    References
    ----------
    .. [1] F. Roosta, Y. Liu, P. Xu and M. W. Mahoney. "Newton-MR: inexact Newton method
       with minimum residual sub-problem solver". arXiv:1810.00303, 2018.
    .. [2] S.-C. T. Choi, C. C. Paige and M. A. Saunders. "MINRES-QLP: a Krylov subspace
       method for indefinite or singular symmetric systems". SIAM J. Sci. Comput. 33(4),
       2011, doi:10.1137/100787921.

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

    _parameter_constraints = {
        **BaseFinder._parameter_constraints,
        "inner_tol": [Interval(Real, 0, 1, closed="left")],
        "max_inner_iter": [Interval(Integral, 1, None, closed="left")],
        "max_step": [Interval(Real, 0, None, closed="neither"), None],
        "regularization": [Interval(Real, 0, None, closed="left")],
        "balance": ["boolean"],
        "window": [Interval(Integral, 1, None, closed="left")],
        "step_size": [Interval(Real, 0, None, closed="neither")],
        "sufficient_decrease": [Interval(Real, 0, 1, closed="left")],
        "backtrack": [Interval(Real, 0, 1, closed="neither")],
        "max_backtracks": [Interval(Integral, 0, None, closed="left")],
    }

    def __init__(
        self,
        loss: Loss | None = None,
        *,
        n_starts: int = 100,
        init: str | ArrayLike | Sampler = "height",
        tol: float = 1e-10,
        max_iter: int = 500,
        batch_size: int | None = None,
        n_jobs: int | None = None,
        memory: Memory | None = None,
        store_history: bool | Sequence[str] = False,
        random_state: RandomState = None,
        verbose: int = 0,
        inner_tol: float = 0.1,
        max_inner_iter: int = 50,
        max_step: float | None = None,
        regularization: float = 0.0,
        balance: bool = True,
        window: int = 5,
        step_size: float = 1.0,
        sufficient_decrease: float = 1e-4,
        backtrack: float = 0.5,
        max_backtracks: int = 30,
    ) -> None:
        super().__init__(
            loss=loss,
            n_starts=n_starts,
            init=init,
            tol=tol,
            max_iter=max_iter,
            batch_size=batch_size,
            n_jobs=n_jobs,
            memory=memory,
            store_history=store_history,
            random_state=random_state,
            verbose=verbose,
        )
        self.inner_tol = inner_tol
        self.max_inner_iter = max_inner_iter
        self.max_step = max_step
        self.regularization = regularization
        self.balance = balance
        self.window = window
        self.step_size = step_size
        self.sufficient_decrease = sufficient_decrease
        self.backtrack = backtrack
        self.max_backtracks = max_backtracks

    def _make_solver(self):
        return NewtonMR(
            tol=self.tol,
            max_iter=self.max_iter,
            store_history=self.store_history,
            inner_tol=self.inner_tol,
            max_inner_iter=self.max_inner_iter,
            max_step=self.max_step,
            regularization=self.regularization,
            balance=self.balance,
            window=self.window,
            step_size=self.step_size,
            sufficient_decrease=self.sufficient_decrease,
            backtrack=self.backtrack,
            max_backtracks=self.max_backtracks,
        )
