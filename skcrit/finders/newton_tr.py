"""The Newton-TR finder."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from skcrit._typing import ArrayLike, Memory, RandomState, Sampler
from skcrit.finders.base import BaseFinder
from skcrit.solvers import NewtonTR
from skcrit.utils._arguments import as_numbers, shown
from skcrit.utils._validation import Interval, StrOptions

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

__all__ = ["NewtonTRFinder"]


class NewtonTRFinder(BaseFinder):
    r"""Find critical points by damped Newton steps from many starts.

    Each iteration solves :math:`(H + \gamma I) p = -g` for a ladder of
    :math:`\gamma`, where ``g`` and ``H`` are gradient and Hessian of the loss. Of the
    points that result it takes the one with the smallest gradient norm, if that is
    smaller than the present one; otherwise the search ends.

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
    gammas : array-like of float or "auto", default="auto"
        Shifts, absolute, in the unit of the Hessian; negative ones are allowed. "auto"
        is ``50, 5, ..., 5e-8`` times the curvature of the loss at the start, the
        published ladder ``1e2, 1e1, ..., 1e-7`` on data of covariance ``diag(1, ...,
        16)``.
    step_size : float, default=1.0
        Fraction of the steps that is taken.
    linear_solver : {"auto", "dense", "krylov"}, default="auto"
        "dense" takes the eigenvectors of the Hessian, "krylov" the Krylov space of the
        gradient, whose solutions are those of MINRES-QLP for each shift; both serve the
        whole ladder. "auto" is "dense" up to 256 parameters.
    max_inner_iter : int, default=50
        Dimension of the Krylov space.

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
    NewtonMRFinder : Minimum-residual Newton steps with a line search.

    Notes
    -----
    An iteration costs ``n_params`` ("dense": a Hessian) or at most ``max_inner_iter``
    ("krylov") Hessian-vector products per start, and one gradient for each shift and
    one at the new point.

    Positive shifts turn steps into descent on the loss. On linear networks the searches
    that converge therefore end almost all in the global minimum, and where no candidate
    lowers the gradient norm a search ends at once: this method is a minimiser rather
    than a sampler of saddles. Figures are on the page on the paper.

    Morse index, nullity, labels and status come from the loss alone, see
    :class:`NewtonMRFinder`.

    References
    ----------
    .. [1] Y. Dauphin, R. Pascanu, C. Gulcehre, K. Cho, S. Ganguli and Y. Bengio.
       "Identifying and attacking the saddle point problem in high-dimensional
       non-convex optimization". arXiv:1406.2572, 2014.

    Examples
    --------
    >>> import warnings
    >>> from skcrit import LinearAutoencoderLoss, NewtonTRFinder
    >>> from skcrit.datasets import make_gaussian_spectrum
    >>> X = make_gaussian_spectrum(500, eigenvalues=[4, 2, 1], random_state=0)
    >>> loss = LinearAutoencoderLoss(hidden_layer_sizes=(2,))
    >>> finder = NewtonTRFinder(loss, n_starts=40, random_state=0)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # some searches stop at once
    ...     finder = finder.fit(X)
    >>> bool(finder.converged_.mean() > 0.4)
    True
    """

    _parameter_constraints = {
        **BaseFinder._parameter_constraints,
        "gammas": [StrOptions({"auto"}), "array-like"],
        "step_size": [Interval(Real, 0, None, closed="neither")],
        "linear_solver": [StrOptions({"auto", "dense", "krylov"})],
        "max_inner_iter": [Interval(Integral, 1, None, closed="left")],
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
        gammas: ArrayLike = "auto",
        step_size: float = 1.0,
        linear_solver: str = "auto",
        max_inner_iter: int = 50,
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
        self.gammas = gammas
        self.step_size = step_size
        self.linear_solver = linear_solver
        self.max_inner_iter = max_inner_iter

    def _make_solver(self):
        return NewtonTR(
            tol=self.tol,
            max_iter=self.max_iter,
            store_history=self.store_history,
            gammas=self._check_gammas(),
            step_size=self.step_size,
            linear_solver=self.linear_solver,
            max_inner_iter=self.max_inner_iter,
        )

    def _check_gammas(self):
        """Return "auto" or an array of finite shifts."""
        if isinstance(self.gammas, str):
            return self.gammas
        try:
            gammas = as_numbers(self.gammas, "gammas")
        except ValueError:
            gammas = np.empty(0)
        if gammas.ndim != 1 or len(gammas) == 0 or not np.all(np.isfinite(gammas)):
            raise ValueError(
                'gammas must be "auto" or a non-empty sequence of finite numbers, got '
                f"{shown(self.gammas)}."
            )
        return gammas
