"""Saddle dynamics: up along some eigenvectors of the Hessian, down along the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from skcrit._backend import (
    array_namespace,
    chunks_of_rows,
    replace_rows,
    take_rows,
    to_host,
)
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.linalg.dense import MAX_DENSE_COUNT, MAX_DENSE_FORMED
from skcrit.losses.base import Loss
from skcrit.losses.symmetries import rescaled
from skcrit.solvers._eigensolver import largest_index, needs_all
from skcrit.solvers._lasting import Directions, beside_symmetries
from skcrit.solvers._momentum import accelerated, carried_along
from skcrit.solvers._surplus import MAX_DEPARTURES, depart
from skcrit.solvers._trust import Move, move
from skcrit.solvers.base import Solver
from skcrit.solvers.eigenpairs import (
    N_GUARD,
    Eigenpairs,
    dense_eigenpairs,
    null_level,
    preconditioned_units,
    projected_eigenpairs,
)
from skcrit.solvers.signed_step import LONGEST, signed_step
from skcrit.solvers.state import State
from skcrit.solvers.status import RUNNING, Status
from skcrit.solvers.tolerance import squared_norm

# What stands in place of an index if every direction keeps its own sign.
NATURAL = -1

# What is carried of the critical points that searches leave.
_DEPARTURES = ("n_departures", "may_depart")


@dataclass(eq=False, repr=False, kw_only=True)
class SaddleDynamics(Solver):
    r"""Follow ``-S |H|^-1 g``; S reverses the k lowest eigendirections.

    With eigenpairs :math:`\lambda_i, q_i` of the Hessian in ascending order the step is

    .. math::

        p = -\sum_i s_i \frac{q_i^T g}{\max(|\lambda_i|, \epsilon |H|)} q_i,
        \qquad s_i = -1 \text{ for } i < k, \text{ else } 1,

    shortened to ``max_step``. Its attracting fixed points are the critical points of
    index k. Near one of them it is Newton's step. A search that comes near a point of
    higher index leaves it by a longest step downwards, at most three times.

    Parameters
    ----------
    tol, max_iter, store_history
        As in :class:`~skcrit.solvers.Solver`.
    index : ndarray of int of shape (n_starts,) or "natural", default="natural"
        Index k of each start; "natural" gives each direction the sign of its
        eigenvalue: Newton's method with floored eigenvalues, which any index attracts.
    quantile : ndarray of shape (n_starts,) or None, default=None
        In place of ``index``: numbers u in [0, 1) that choose ``k = floor(u (m + 1))``,
        m the number of negative eigenvalues at the start.
    floor : float, default=1e-2
        Largest epsilon; it shrinks with the gradient, for quadratic convergence.
    max_step, balance, eigensolver, max_inner_iter
        As in :class:`~skcrit.SaddleDynamicsFinder`.
    skip_symmetries : bool, default=False
        Whether the k lowest eigendirections are those orthogonal to the tangents of the
        symmetries that the loss declares. Tangents that nearly vanish at the end of
        the step do not count: it leads to a point that the symmetry does not move. If
        all eigenvectors are used, those whose eigenvalue is zero are left out as well;
        Ritz values are not exact enough for this.
    momentum : float, default=0.0
        Share of the last step that is added to each step, in [0, 1): heavy ball [3]_. A
        step opposite to the last one starts without it [4]_.
    nesterovs_momentum, precondition
        As in :class:`~skcrit.SaddleDynamicsFinder`.

    Notes
    -----
    An iteration costs one gradient, and ``n_params`` products ("dense": a Hessian) or
    those of LOBPCG (``k + 2`` for each of its iterations, few if the last step was
    short), ``max_inner_iter`` and ``k + 2`` more, with ``skip_symmetries`` all of it
    twice where tangents vanish. A ``quantile`` needs the negative
    eigenvalues at the start: they are counted with a dense Hessian up to 1024
    parameters, beyond that and with "lobpcg" among the Ritz values of the gradient's
    Krylov space, at most ``max_inner_iter``.

    References
    ----------
    .. [1] J. Yin, L. Zhang and P. Zhang. "High-index optimization-based shrinking dimer
       method for finding high-index saddle points". SIAM J. Sci. Comput. 41(6), 2019.
    .. [2] C. J. Cerjan and W. H. Miller. "On finding transition states". J. Chem. Phys.
       75, 1981, doi:10.1063/1.442352.
    .. [3] B. T. Polyak. "Some methods of speeding up the convergence of iteration
       methods". USSR Comput. Math. Math. Phys. 4(5), 1964.
    .. [4] B. O'Donoghue and E. Candes. "Adaptive restart for accelerated gradient
       schemes". Found. Comput. Math. 15, 2015, arXiv:1204.3982.
    """

    columns = ("index_asked", "n_departures")

    tol: float | str = "auto"
    max_iter: int = 500
    store_history: bool | Sequence[str] = False
    index: str | IntArray = "natural"
    quantile: FloatArray | None = None
    floor: float = 1e-2
    max_step: float | str = "auto"
    balance: bool = True
    eigensolver: str = "auto"
    max_inner_iter: int = 100
    skip_symmetries: bool = False
    momentum: float = 0.0
    nesterovs_momentum: bool = False
    precondition: bool = False

    def select(self, rows: slice | BoolArray) -> Self:  # noqa: D102 (documented in Solver)
        part = copy(self)
        if self.quantile is not None:
            part.quantile = self.quantile[rows]
        elif not isinstance(self.index, str):
            part.index = self.index[rows]
        return part

    def can_join(self, state: State) -> bool:  # noqa: D102
        # A batch carries as many eigenvectors as one of its starts needs.
        n_params = state.local.theta.shape[-1]
        return bool(self._is_dense(np.zeros(1, dtype=int), n_params)[0])

    def setup(self, loss: Loss, theta0: FloatArray) -> State:  # noqa: D102 (documented in Solver)
        state = super().setup(loss, theta0)
        local = loss.at(self._balanced(loss, state.local.theta))
        state = replace(state, local=local)
        if self.quantile is not None:
            state = self._choose(state)
        else:
            natural = isinstance(self.index, str)
            index = np.full(len(state.rows), NATURAL) if natural else self.index
            state = replace(state, carry={"index_asked": np.asarray(index)})
        state = self._with_guesses(state)
        state.carry |= {
            "n_departures": np.zeros(len(state.rows), dtype=int),
            "may_depart": state.carry["index_asked"] != NATURAL,
            "trusted": np.full(len(state.rows), LONGEST),
            "velocity": array_namespace(local.theta).zeros_like(local.theta),
        }
        return state

    def _choose(self, state: State) -> State:
        """Choose the index by the number of negative eigenvalues."""
        local, n_params = state.local, state.local.theta.shape[-1]
        n_negative = np.zeros(len(state.rows), dtype=int)
        n_hvp = state.n_hvp.copy()
        dense = self.eigensolver == "dense" or (
            n_params <= MAX_DENSE_COUNT and self.eigensolver == "auto"
        )
        everything, numbers = np.arange(len(n_negative)), n_params**2 if dense else 1
        for rows in chunks_of_rows(everything, numbers, local.theta):
            part = local if len(rows) == len(n_negative) else local.take(rows)
            pairs = self._pairs(part, part.gradient, dense)
            values = to_host(pairs.values)
            n_negative[rows] = np.sum(values < -null_level(pairs), axis=1)
            n_hvp[rows] += pairs.n_hvp
        index = np.floor(self.quantile * (n_negative + 1)).astype(int)
        return replace(state, carry={"index_asked": index}, n_hvp=n_hvp)

    def _with_guesses(self, state: State) -> State:
        """Guess the lowest eigenvectors if they will be computed from products."""
        index, theta = state.carry["index_asked"], state.local.theta
        n_params, xp = theta.shape[-1], array_namespace(theta)
        dense = self._is_dense(index, n_params)
        is_huge = n_params > MAX_DENSE_FORMED and self.eigensolver != "dense"
        if is_huge and np.any(dense):
            most = largest_index(self.eigensolver, n_params)
            raise ValueError(
                f"index must be at most {most} for a loss of {n_params} parameters, "
                f"got {np.max(index[dense])}; more needs dense Hessians, which "
                f"eigensolver='dense' forms whatever their size."
            )
        free = index[~dense & (index > 0)]
        m = np.max(free) + N_GUARD if len(free) else 0
        # The same for each start, whatever the others need: drawn row by row.
        guess = np.random.default_rng(0).standard_normal((m, n_params))
        guess = state.local.loss.asarray(guess)[None, ...]
        lowest = xp.broadcast_to(guess, (theta.shape[0], m, n_params))
        return replace(state, carry={"index_asked": index, "lowest": lowest})

    def step(self, loss: Loss, state: Any) -> State:  # noqa: D102
        theta = state.local.theta
        xp = array_namespace(theta)
        index, lowest = state.carry["index_asked"], state.carry["lowest"]
        p, n_hvp = xp.zeros_like(theta), state.n_hvp.copy()
        change = p
        carry = {name: state.carry[name].copy() for name in _DEPARTURES}
        for rows in self._groups(index, theta):
            found = self._directions(loss, state, rows)
            p = replace_rows(p, rows, found.p)
            change = replace_rows(change, rows, found.change)
            n_hvp[rows] += found.n_hvp
            carry["n_departures"][rows] += found.departs
            carry["may_depart"][rows] = found.may_depart
            if found.lowest is not None:
                old = take_rows(lowest, rows)[:, found.lowest.shape[1] :, :]
                new = xp.concat([found.lowest, old], axis=1)
                lowest = replace_rows(lowest, rows, new)
        carry = state.carry | carry | {"lowest": lowest}
        if self.momentum:
            moved = self._bounded_move(loss, state, p, carry)
        else:
            length = state.carry["trusted"]
            if not isinstance(self.max_step, str):
                p, length = self._bounded(loss, p), None
            moved = move(loss, state.local, p, change, length, balance=self.balance)
        carry["trusted"] = moved.length
        return replace(
            state,
            local=moved.local,
            carry=carry,
            n_hvp=n_hvp,
            n_gradient=state.n_gradient + moved.n_gradient,
        )

    def _bounded_move(self, loss: Loss, state: State, p: Array, carry: Any) -> Move:
        """Take steps that are never longer than the bound, with the momentum."""
        velocity, bounded = state.carry["velocity"], partial(self._bounded, loss)
        p, velocity = accelerated(
            bounded(p), velocity, self.momentum, self.nesterovs_momentum, bounded
        )
        theta, balanced = state.local.theta + p, partial(self._balanced, loss)
        end = balanced(theta)
        # The momentum is carried along when points are rescaled.
        carry["velocity"] = carried_along(theta, end, velocity, balanced)
        return Move(loss.at(end), state.carry["trusted"], 1)

    def _stop(self, state: State, finite: FloatArray, reached: BoolArray) -> IntArray:
        """Decide which starts end here: none that its next step would take away."""
        codes = super()._stop(state, finite, reached)
        more = state.carry["may_depart"] & (state.n_iter < self.max_iter)
        rows = np.flatnonzero((codes == Status.CONVERGED) & more)
        if len(rows):
            part, loss = state.take(rows), state.local.loss
            for group in self._groups(part.carry["index_asked"], part.local.theta):
                found = self._directions(loss, part, group)
                state.n_hvp[rows[group]] += found.n_hvp
                codes[rows[group[found.departs]]] = RUNNING
        return codes

    def _bounded(self, loss: Loss, p: Array) -> Array:
        """Shorten steps to the longest."""
        xp = array_namespace(p)
        unit, longest = self._longest(loss)
        size = xp.sqrt(xp.sum((p / unit) ** 2, axis=-1))
        bound = longest / xp.where(size > longest, size, longest)
        return bound[:, None] * p

    def _longest(self, loss: Loss) -> tuple[float, float]:
        """Return the unit of steps, and the largest norm of a step in it."""
        if isinstance(self.max_step, str):
            return loss.asarray(loss.length_scale()), LONGEST
        return 1.0, self.max_step

    def _is_dense(self, index: IntArray, n_params: int) -> BoolArray:
        """Return which starts need all eigenvectors."""
        return needs_all(self.eigensolver, np.maximum(index, 0), n_params)

    def _groups(self, index: IntArray, theta: Array) -> Iterator[Any]:
        """Divide starts into those that are computed together."""
        n_params = theta.shape[-1]
        dense = self._is_dense(index, n_params)
        yield from chunks_of_rows(np.flatnonzero(dense), n_params**2, theta)
        k = np.maximum(index, 0)
        for n_lowest in np.unique(k[~dense]):
            yield np.flatnonzero(~dense & (k == n_lowest))

    def _directions(self, loss: Loss, state: State, rows: IntArray) -> Directions:
        """Find the steps of a group, beside the symmetries that they do not leave."""
        if not self.skip_symmetries:
            return self._signed(loss, state, rows, self._eigenpairs(state, rows))

        def step(part: IntArray, tangents: Array) -> Directions:
            pairs = self._eigenpairs(state, rows[part], tangents)
            return self._signed(loss, state, rows[part], pairs)

        return beside_symmetries(loss, take_rows(state.local.theta, rows), step)

    def _eigenpairs(self, state: State, rows: IntArray, tangents: Any = None) -> Any:
        """Compute the eigenpairs for a group."""
        local, k = state.local, max(int(state.carry["index_asked"][rows[0]]), 0)
        g, n_params = local.gradient, local.theta.shape[-1]
        if len(rows) < len(state.rows):
            local, g = local.take(rows), take_rows(g, rows)
        dense, start = self._is_dense(np.array([k]), n_params)[0], None
        if k and not dense:
            start = take_rows(state.carry["lowest"], rows)[:, : k + N_GUARD, :]
        return self._pairs(local, g, dense, k, start, tangents)

    def _pairs(
        self,
        local: Any,
        gradient: Array,
        dense: bool,
        k: int = 0,
        start: Any = None,
        tangents: Any = None,
    ) -> Eigenpairs:
        """Compute all eigenpairs, or those of a space."""
        unit = preconditioned_units(local) if self.precondition else None
        if dense:
            unit = "auto" if unit is None else unit
            return dense_eigenpairs(local, gradient, unit, tangents)
        size = self.max_inner_iter
        return projected_eigenpairs(local, gradient, k, size, start, unit, tangents)

    def _signed(
        self, loss: Loss, state: State, rows: IntArray, pairs: Any
    ) -> Directions:
        """Step up and down along the eigendirections of a group, or depart."""
        values, index = to_host(pairs.values), state.carry["index_asked"][rows]
        level = null_level(pairs)
        keep = np.abs(values) > level
        climbs = keep if self.skip_symmetries else np.ones_like(keep)
        up = climbs & (np.cumsum(climbs, axis=1) <= index[:, None])
        natural = (index == NATURAL)[:, None]
        signs = np.where(natural, np.sign(values), np.where(up, -1.0, 1.0))
        gradient = take_rows(state.local.gradient, rows)
        unit, longest = self._longest(loss)
        own = unit
        if pairs.unit is not None:
            gradient = pairs.unit * gradient
            own = unit / pairs.unit if isinstance(self.max_step, str) else unit
        farther = (state.carry["trusted"][rows] / LONGEST)[:, None]
        p, change = signed_step(
            loss,
            pairs,
            signs,
            keep,
            gradient_norm=np.sqrt(squared_norm(gradient)),
            floor=self.floor,
            longest=longest * np.max(to_host(loss.asarray(own))) * farther,
        )
        left = state.carry["n_departures"][rows] < MAX_DEPARTURES
        ways = keep & ~up & ~natural & left[:, None]
        p, departs = depart(loss, pairs, p, ways, level)
        may, n_hvp = np.any(ways & (values < 0), axis=1), np.zeros(len(rows), dtype=int)
        return Directions(p, change, departs, may, n_hvp + pairs.n_hvp, pairs.lowest)

    def _balanced(self, loss: Loss, theta: Array) -> Array:
        """Move to rescaled points if wanted."""
        return rescaled(loss, theta) if self.balance else theta
