"""The Newton-MR finder."""

from numbers import Integral, Real

from skcrit.finders.base import BaseFinder
from skcrit.solvers import NewtonMR
from skcrit.utils._validation import Interval

__all__ = ["NewtonMRFinder"]


class NewtonMRFinder(BaseFinder):
    __doc__ = "TODO"

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
        loss=None,
        *,
        n_starts=100,
        init="height",
        tol=1e-10,
        max_iter=500,
        batch_size=None,
        n_jobs=None,
        memory=None,
        store_history=False,
        random_state=None,
        verbose=0,
        inner_tol=0.01,
        max_inner_iter=50,
        max_step=None,
        regularization=0.0,
        balance=True,
        window=1,
        step_size=1.0,
        sufficient_decrease=1e-4,
        backtrack=0.5,
        max_backtracks=30,
    ):
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
