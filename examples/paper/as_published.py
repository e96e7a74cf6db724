"""What the study's published programs computed, as solvers and finders of a user.

The authors' programs (github.com/charlesfrye/autocrit, state of 2019) differ from the
methods that their paper describes. This is their arithmetic, written anew and batched
over starts (NumPy only), so that both can run from the same starts. Nothing of it is in
the library: a solver needs a ``step``, a finder a ``_make_solver``.

* **Newton-MR** tests steps by ``|g(g(theta))|^2``, the squared gradient norm at the
  point ``g(theta)``, instead of ``|g(theta)|^2``. Its step length ``alpha`` is never
  reset: it walks the ladder ``0.1 * 2^k``, which does not contain 1. Their later,
  repaired program tests ``|g(theta)|^2`` and caps ``alpha`` at 1, so that the ladder
  gets to 1.
* **Newton-TR** adds no multiple of the identity to ``H``: all its ten operators are
  ``v -> H v + c``, with the number ``c = 1e-7 * sum(theta)`` in every component.
* **Gradient norm minimisation** halves ``alpha`` until both weak Wolfe conditions hold.
  Once ``alpha`` is below the acceptable lengths it goes to 0, and the run ends. A next
  run that began with it would end at once: with ``leak`` 5 of 90 runs succeed, where
  the authors report 28 of 75.

The programs have no tolerance: a run ends when its point does not move, or with its
budget. ``RUNS`` holds these settings as parameters of the finders; with a positive
``tol`` a run is the same until it gets there.
"""

from dataclasses import replace

import numpy as np
from halving import BACKTRACK, halve

from skcrit import BaseFinder
from skcrit.linalg import minres_qlp
from skcrit.solvers import Solver, SolverResult

__all__ = [
    "RUNS",
    "PublishedGradNorm",
    "PublishedGradNormFinder",
    "PublishedNewtonMR",
    "PublishedNewtonMRFinder",
    "PublishedNewtonTR",
    "PublishedNewtonTRFinder",
    "collapses",
]

RUNS = {
    "Newton-MR": {"tol": 0.0, "max_iter": 500},
    "Newton-TR": {"tol": 0.0, "max_iter": 500},
    "GNM": {"tol": 0.0, "max_iter": 50_000},
}

FIRST_STEP = 0.1
SUFFICIENT_DECREASE = 1e-4
CURVATURE = 0.9
# Their limits on norm (1e7) and condition (1e15) do not bind on this problem.
INNER = {"rtol": 1e-10, "max_iter": 25}
TR_STEP = 0.1
# The last of the shifts 1e2, 1e1, ..., 1e-7: the ten functions that should have one
# each look it up when they are called, after the loop over the shifts has ended.
TR_SHIFT = 1e-7
TR_SOLVES = 10


class Backtracking(Solver):
    """Take steps whose first length is twice the last one accepted.

    Parameters
    ----------
    leak : bool, default=False
        Whether a start begins with the step length that its predecessor in the chain
        ended with, as when one finder object of the authors' does all runs.
    n_chains : int, default=1
        With ``leak``, start i of a batch lies on chain ``i % n_chains``.
    **params : dict
        As in :class:`~skcrit.solvers.Solver`.
    """

    longest = np.inf

    def __init__(self, *, leak=False, n_chains=1, **params):
        super().__init__(**params)
        self.leak = leak
        self.n_chains = n_chains

    def solve_tols(self, loss, theta0, tols):
        """Run all starts at once, or with ``leak`` those of each chain in turn."""
        if not self.leak:
            return super().solve_tols(loss, theta0, tols)
        # Where a search stops decides how the next one of its chain begins: each
        # tolerance needs searches of its own.
        return [self._run_chains(loss, theta0, tol) for tol in tols]

    def _run_chains(self, loss, theta0, tol):
        """Run the first starts of all chains, then the second ones, and so on."""
        self._last = np.full(self.n_chains, FIRST_STEP)
        turns = range(0, len(theta0), self.n_chains)
        batches = [theta0[i : i + self.n_chains] for i in turns]
        results = [Solver.solve_tols(self, loss, b, [tol])[0] for b in batches]
        return SolverResult.concatenate(results)

    def setup(self, loss, theta0):
        """Place a batch at its starts, with its first step lengths."""
        state = super().setup(loss, theta0)
        alpha = np.full(len(theta0), FIRST_STEP)
        if self.leak:
            alpha = self._last[: len(theta0)].copy()
        # What the line search compares is carried along: it was computed there.
        known = self._look(loss, state.local.theta)
        return replace(state, carry={"alpha": alpha, "known": known})

    def _search(self, loss, state, p, accepts):
        """Halve lengths until they are accepted, or nothing is left of them."""
        known = {"theta": state.local.theta, **state.carry["known"]}

        def look(theta):
            return {"theta": theta, **self._look(loss, theta)}

        return halve(look, known, p, state.carry["alpha"], accepts)

    def _move(self, loss, state, new, alpha, **counts):
        """Go to the new points. A run whose point does not move has ended."""
        alpha = np.minimum(alpha / BACKTRACK, self.longest)
        if self.leak:
            self._last[state.rows] = alpha
        theta = new.pop("theta")
        stuck = np.all(theta == state.local.theta, axis=-1)
        carry = {**state.carry, "alpha": alpha, "known": new}
        return replace(state, local=loss.at(theta), carry=carry, stuck=stuck, **counts)


class PublishedNewtonMR(Backtracking):
    """Follow MINRES-QLP steps to smaller gradients at the point ``g(theta)``.

    Parameters
    ----------
    repaired : bool, default=False
        Whether to run their later program: it tests ``|g(theta)|^2``, and keeps step
        lengths at most 1.
    **params : dict
        As in :class:`Backtracking`.
    """

    columns = ("inner_status",)

    def __init__(self, *, repaired=False, **params):
        super().__init__(**params)
        self.repaired = repaired
        self.longest = 1.0 if repaired else np.inf

    def setup(self, loss, theta0):
        """Place a batch at its starts, before the first linear system."""
        return _with_inner_status(super().setup(loss, theta0))

    def step(self, loss, state):
        """Take one iteration."""
        local, reference = state.local, state.carry["known"]["merit"]
        g = local.gradient
        system = minres_qlp(local.hvp, -g, refine=False, **INNER)
        # H p = -(g + r)
        slope = -2 * _dot(g, g + system.residual)

        def accepts(there, size, rows):
            bound = reference[rows] + SUFFICIENT_DECREASE * size * slope[rows]
            return there["merit"] <= bound

        new, alpha, n_tests = self._search(loss, state, system.x, accepts)
        n_gradient = (1 if self.repaired else 2) * n_tests + 1
        return self._move(
            loss,
            _with_inner_status(state, system.status),
            new,
            alpha,
            n_gradient=state.n_gradient + n_gradient,
            n_hvp=state.n_hvp + system.n_matvec,
        )

    def _look(self, loss, theta):
        """Compute what the line search compares."""
        g = loss.gradient(theta)
        if not self.repaired:
            g = loss.gradient(g)
        return {"merit": _dot(g, g)}


class PublishedNewtonTR(Solver):
    """Take a tenth of an undamped step as long as the gradient norm falls.

    Their ten solves per step are identical, and one is done here; the counts are
    theirs.

    Parameters
    ----------
    ones : ndarray of shape (n_params,), default=None
        What has a one in every component in the authors' coordinates. None is the same
        in ours; a finder may search in other coordinates than those of the user, and
        this program, unlike the others, does not do the same in all of them.
    **params : dict
        As in :class:`~skcrit.solvers.Solver`.
    """

    columns = ("inner_status",)

    def __init__(self, *, ones=None, **params):
        super().__init__(**params)
        self.ones = ones

    def setup(self, loss, theta0):
        """Place a batch at its starts, before the first linear system."""
        return _with_inner_status(super().setup(loss, theta0))

    def step(self, loss, state):
        """Take one iteration."""
        local = state.local
        theta, g = local.theta, local.gradient
        ones = np.ones(loss.n_params_) if self.ones is None else self.ones
        constant = TR_SHIFT * _dot(theta, ones)

        def operator(v):
            # Theirs adds the bare constant, to vectors of norm 1. Those of minres_qlp
            # have other norms, and finished rows are zero.
            return local.hvp(v) + (constant * np.sqrt(_dot(v, v)))[:, None] * ones

        system = minres_qlp(operator, -g, refine=False, **INNER)
        trial = theta + TR_STEP * system.x
        new = loss.gradient(trial)
        better = _dot(new, new) < _dot(g, g)
        return replace(
            _with_inner_status(state, system.status),
            local=loss.at(np.where(better[:, None], trial, theta)),
            stuck=~better,
            n_gradient=state.n_gradient + TR_SOLVES + 1,
            n_hvp=state.n_hvp + TR_SOLVES * system.n_matvec,
        )


class PublishedGradNorm(Backtracking):
    """Descend along the gradient of ``|g|^2 / 2`` with the collapsing line search."""

    def step(self, loss, state):
        """Take one iteration."""
        known = state.carry["known"]

        def accepts(there, size, rows):
            return _wolfe(there, size, {name: known[name][rows] for name in known})

        new, alpha, n_tests = self._search(loss, state, known["d"], accepts)
        return self._move(
            loss,
            state,
            new,
            alpha,
            n_gradient=state.n_gradient + n_tests,
            n_hvp=state.n_hvp + n_tests + 1,
        )

    def _look(self, loss, theta):
        """Compute what the line search compares."""
        return _descent(loss.at(theta))


class PublishedNewtonTRFinder(BaseFinder):
    """Find critical points by :class:`PublishedNewtonTR`; parameters of BaseFinder."""

    def _make_solver(self):
        ones = self.loss_.coordinates().into(np.ones(self.n_params_))
        return PublishedNewtonTR(ones=ones, **_loop(self))


class PublishedGradNormFinder(BaseFinder):
    """Find critical points by :class:`PublishedGradNorm`; parameters of BaseFinder."""

    def _make_solver(self):
        return PublishedGradNorm(**_loop(self))


class PublishedNewtonMRFinder(BaseFinder):
    """Find critical points by :class:`PublishedNewtonMR`.

    Parameters are those of BaseFinder, ``leak`` and ``n_chains`` of
    :class:`Backtracking`, and ``repaired`` of :class:`PublishedNewtonMR`; ``leak``
    needs all starts in one batch.
    """

    def __init__(
        self,
        loss=None,
        *,
        n_starts=100,
        init="height",
        tol="auto",
        max_iter=500,
        batch_size=None,
        n_jobs=None,
        memory=None,
        store_history=False,
        random_state=None,
        verbose=0,
        leak=False,
        n_chains=1,
        repaired=False,
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
        self.leak = leak
        self.n_chains = n_chains
        self.repaired = repaired

    def _make_solver(self):
        if self.leak and (self.batch_size or 0) < self.n_starts:
            raise ValueError(
                f"leak=True needs batch_size of at least n_starts={self.n_starts}, got "
                f"{self.batch_size}: a start waits for the one before it."
            )
        return PublishedNewtonMR(
            leak=self.leak,
            n_chains=self.n_chains,
            repaired=self.repaired,
            **_loop(self),
        )


def collapses(loss, theta, *, n_lengths=2000):
    """Look for the step that gradient norm minimisation could have taken.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : ndarray of shape (n, n_params)
        Points at which runs ended early.
    n_lengths : int, default=2000
        Lengths tried, evenly spaced in the logarithm from 1e-12 to 1e6.

    Returns
    -------
    exists : ndarray of bool of shape (n,)
        Whether a length meets both Wolfe conditions: the line search has collapsed.
    length : ndarray of shape (n,)
        The smallest such length, NaN where there is none.
    """
    lengths, length = np.logspace(-12, 6, n_lengths), np.full(len(theta), np.nan)
    for row, point in enumerate(theta):
        here = _descent(loss.at(point))
        with np.errstate(over="ignore", invalid="ignore"):
            there = _descent(loss.at(point + lengths[:, None] * here["d"]))
            good = _wolfe(there, lengths, here)
        if good.any():
            length[row] = lengths[np.argmax(good)]
    return ~np.isnan(length), length


def _descent(local):
    """Compute ``phi = |g|^2 / 2`` and its direction of steepest descent, ``-H g``."""
    g = local.gradient
    return {"phi": _dot(g, g) / 2, "d": -local.hvp(g)}


def _wolfe(there, size, here):
    """Test both weak Wolfe conditions for steps ``size * d``."""
    slope = -_dot(here["d"], here["d"])
    decrease = there["phi"] <= here["phi"] + SUFFICIENT_DECREASE * size * slope
    return decrease & (-_dot(here["d"], there["d"]) >= CURVATURE * slope)


def _loop(finder):
    """Collect the parameters that every solver has."""
    return {
        name: getattr(finder, name) for name in ("tol", "max_iter", "store_history")
    }


def _dot(a, b):
    """Multiply rows."""
    return np.sum(a * b, axis=-1)


def _with_inner_status(state, status=None):
    """Note how the last linear systems ended; -1 before the first ones."""
    status = np.full(len(state.rows), -1) if status is None else status
    return replace(state, carry={**state.carry, "inner_status": status})
