"""The Newton trajectory finder."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from skcrit._typing import FloatArray
from skcrit.finders._doc import documented
from skcrit.finders.base import BaseFinder
from skcrit.search.batches import Batches
from skcrit.search.rounds import search_in_rounds
from skcrit.solvers.newton_trajectory import NewtonTrajectory
from skcrit.utils._validation import Interval


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class NewtonTrajectoryFinder(BaseFinder):
    r"""Find critical points along curves on which the gradient keeps its direction.

    From each start the curve ``g(theta) = s g(start)`` is followed, by pseudo-arclength
    continuation, through turning points of s. Where s passes zero there is a critical
    point. One curve can pass several of them, whose Morse indices differ by an odd
    number from one to the next. This is Smale's global Newton method; in chemistry it
    is known as Newton trajectories or reduced gradient following.

    Parameters
    ----------
    <parameters>
    n_points : int, default=1
        How many critical points of a trajectory are sought. Starts form blocks of this
        size. All starts of a block follow the trajectory of the first one; the first
        ends at the first critical point of the trajectory, the second at the second,
        and so on.
    max_step : float, default=0.25
        Longest step along the curve, in length scales of the loss. Shorter steps jump
        less often from one branch to another.
    reach : float, default=5.0
        How far the curve is followed: up to this multiple of the norm of the start, or
        of the square root of the number of parameters if that is larger, in length
        scales. If the curve goes further, it is followed the other way from the start.
    deflate : bool, default=False
        Whether curves pass the critical sets that earlier rounds of starts have found
        and end only at others. The gradient is deflated by these sets, which changes
        neither its direction nor the curve.
    round_size : int, default=10
        With ``deflate``, number of blocks of starts between two updates of the known
        sets. It changes the result.

    Attributes
    ----------
    <attributes>

    See Also
    --------
    SaddleDynamicsFinder : Seeks critical points of a chosen index.

    Notes
    -----
    An iteration costs a dense Hessian (``n_params`` products) and at least three
    gradients. Each start of a block repeats the path of the one before, so that the
    costs of the last one are those of the whole trajectory.

    The status of a start whose curve has no further critical point is ESCAPED (it leads
    too far both ways), STALLED (it leads into a singularity of the loss) or MAX_ITER
    (it is closed, or long).

    Dense Hessians are formed up to 4096 parameters.

    With ``deflate=True`` [4]_ ``counts_`` are not a random sample, and a start whose
    curve passes no new set counts as a failure: once all sets are known, all starts
    fail. A loss that has points of different inertia with equal invariants is not
    deflated.

    References
    ----------
    .. [1] F. H. Branin. "Widely convergent method for finding multiple solutions of
       simultaneous nonlinear equations". IBM J. Res. Dev. 16, 1972.
    .. [2] S. Smale. "A convergent process of price adjustment and global Newton
       methods". J. Math. Economics 3, 1976.
    .. [3] W. Quapp, M. Hirsch, O. Imig and D. Heidrich. "Searching for saddle points of
       potential energy surfaces by following a reduced gradient". J. Comput. Chem. 19,
       1998.
    .. [4] P. E. Farrell, A. Birkisson and S. W. Funke. "Deflation techniques for
       finding distinct solutions of nonlinear partial differential equations". SIAM
       J. Sci. Comput. 37(4), 2015.

    Examples
    --------
    >>> from skcrit import NewtonTrajectoryFinder
    >>> from skcrit.proving_grounds import make_himmelblau
    >>> finder = NewtonTrajectoryFinder(n_starts=30, n_points=3, random_state=0)
    >>> finder.fit(make_himmelblau()).n_critical_sets_
    9
    """

    _columns = {"n_passed": "critical points that the curve passed before the end"}

    _parameter_constraints = {
        **BaseFinder._parameter_constraints,
        "n_points": [Interval(Integral, 1, None, closed="left")],
        "max_step": [Interval(Real, 0, None, closed="neither")],
        "reach": [Interval(Real, 0, None, closed="neither")],
        "deflate": ["boolean"],
        "round_size": [Interval(Integral, 1, None, closed="left")],
    }

    n_points: int = 1
    max_step: float = 0.25
    reach: float = 5.0
    deflate: bool = False
    round_size: int = 10

    def _make_solver(self) -> NewtonTrajectory:
        order = np.arange(self.n_starts) % self.n_points + 1
        return self._built(NewtonTrajectory, order=order)

    def _begin(self, X: Any, y: Any = None) -> tuple[Any, FloatArray]:
        """Let all starts of a block begin at its first one."""
        solver, starts = super()._begin(X, y)
        return solver, starts[np.arange(len(starts)) // self.n_points * self.n_points]

    def _search(
        self, solver: Any, starts: FloatArray, batches: Batches, watch: list[Any]
    ) -> Any:
        """Search from all starts, round by round if each is to know the last."""
        if not self.deflate:
            return super()._search(solver, starts, batches, watch)
        size = min(self.round_size * self.n_points, len(starts))
        return search_in_rounds(
            self.loss_, solver, starts, size, batches=batches, watch=watch
        )
