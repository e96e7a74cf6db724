"""Newton trajectories: curves of constant gradient direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from skcrit._backend import array_namespace, chunks_of_rows, replace_rows, take_rows
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.linalg.dense import MAX_DENSE_FORMED
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.losses.symmetries import rescaled
from skcrit.solvers._trajectory import Frame, Track, make_frame, off_curve
from skcrit.solvers._vectors import dot, norm
from skcrit.solvers.base import Solver
from skcrit.solvers.state import State
from skcrit.solvers.status import RUNNING, Status
from skcrit.solvers.tolerance import squared_norm

# The first step, relative to the longest.
_FIRST_STEP = 0.25

# Corrections of a predicted point, with the pseudoinverse of the last one. All of them
# together, and what is left, may be these parts of the step.
_N_CORRECTIONS = 2
_LARGEST_CORRECTION = 0.4
_LARGEST_REST = 0.01

# A first correction below this part of a step lets the next one be longer, one above
# the other part makes it shorter.
_STRAIGHT, _BENT = 0.05, 0.2
_LONGER, _SHORTER = 2.0, 0.7

# How often a step is halved, and what a correction without a step must leave at most.
_MAX_HALVINGS = 8
_RECENTRED = 0.5

# Before a singularity steps shrink in proportion to the distance. Below this length,
# relative to the longest step, the curve has reached it. If atoms almost meet, curves
# continue after steps of a millionth of the longest.
_SHORTEST = 1e-9


@dataclass(eq=False, repr=False, kw_only=True)
class NewtonTrajectory(Solver):
    r"""Follow the curve on which the gradient keeps the direction it has at the start.

    With :math:`u = g(\theta_0) / |g(\theta_0)|` the curve is

    .. math::

        g(\theta) = \sigma u, \qquad \sigma = u^T g(\theta),

    and its critical points are the zeros of :math:`\sigma`. A step goes along the
    tangent, the null vector of :math:`(I - u u^T) H`, and is brought back to the curve
    by corrections orthogonal to it (pseudo-arclength continuation). The tangent is
    regular also if H is singular, so that the curve passes through turning points of
    :math:`\sigma`, and from one critical point to another whose index differs by an
    odd number. It is followed first towards smaller :math:`\sigma`, and if it leads too
    far, the other way from the start. Once it has passed the critical point that is
    sought, Newton steps lead back to it.

    Parameters
    ----------
    tol, max_iter, store_history
        As in :class:`~skcrit.solvers.Solver`.
    order : ndarray of int of shape (n_starts,) or int, default=1
        The number of the critical point of its trajectory at which each start ends,
        counted from 1 among those that are not ``known``.
    max_step : float, default=0.25
        Longest step, in length scales of the loss.
    reach : float, default=5.0
        How far the curve is followed: to this multiple of the norm of the start, or of
        the root of the number of parameters if that is larger, in length scales.
    known : callable, default=None
        ``known(loss, theta)`` returns which of the critical points at ``theta``, of
        shape (n, n_params), do not count, so that trajectories pass them. Newton steps
        lead to each point on the way, to identify it.

    Notes
    -----
    To deflate the gradient by known orbits [4]_ means to multiply it by a function that
    is infinite there. This changes neither its direction nor any trajectory, but
    trajectories no longer end at these orbits.

    An iteration costs a dense Hessian (``n_params`` products) and at least three
    gradients, three more for each time that a step is halved. A start whose curve leads
    too far both ways ends as ESCAPED, one whose curve leads into a singularity as
    STALLED, and one whose curve is closed follows it until ``max_iter``.

    The column ``n_passed`` counts the critical points that were passed on the way.

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
    """

    columns = ("n_passed",)

    tol: float | str = "auto"
    max_iter: int = 500
    store_history: bool | Sequence[str] = False
    order: int | IntArray = 1
    max_step: float = 0.25
    reach: float = 5.0
    known: Callable[[Loss, Array], BoolArray] | None = None

    def select(self, rows: slice | BoolArray) -> Self:  # noqa: D102 (documented in Solver)
        part = copy(self)
        if not isinstance(self.order, int):
            part.order = self.order[rows]
        return part

    def setup(self, loss: Loss, theta0: FloatArray) -> State:  # noqa: D102
        if loss.n_params_ > MAX_DENSE_FORMED:
            raise ValueError(
                "NewtonTrajectory decomposes dense Hessians: its loss must have at "
                f"most {MAX_DENSE_FORMED} parameters, got {loss.n_params_}."
            )
        state = super().setup(loss, theta0)
        local, n = state.local, len(state.rows)
        xp = array_namespace(local.theta)
        size = xp.sqrt(xp.sum(local.gradient**2, axis=-1))[:, None]
        track = Track(
            theta=local.theta,
            gradient=local.gradient,
            begin=local.theta,
            direction=local.gradient / xp.where(size > 0, size, xp.ones_like(size)),
            tangent=xp.zeros_like(local.theta),
            length=np.full(n, _FIRST_STEP * self.max_step),
            beyond=local.theta,
            order=np.broadcast_to(np.asarray(self.order), (n,)),
            n_passed=np.zeros(n, dtype=int),
            is_landing=np.zeros(n, dtype=bool),
            goes_on=np.zeros(n, dtype=bool),
            is_second=np.zeros(n, dtype=bool),
            is_gone=np.zeros(n, dtype=bool),
            stuck=np.zeros(n, dtype=bool),
            n_gradient=np.zeros(n, dtype=int),
        )
        return replace(state, carry=_carry(track))

    def step(self, loss: Loss, state: State) -> State:  # noqa: D102
        track = state.carry["track"]
        track.n_gradient = np.zeros(len(state.rows), dtype=int)
        everything, n_params = np.arange(len(state.rows)), loss.n_params_
        for rows in chunks_of_rows(everything, n_params**2, track.theta):
            part = self._advanced(loss, state.local.take(rows), track.take(rows))
            track = track.replace(rows, part)
        return replace(
            state,
            local=loss.at(track.theta),
            carry=_carry(track),
            stuck=track.stuck,
            n_hvp=state.n_hvp + n_params,
            n_gradient=state.n_gradient + track.n_gradient + 1,
        )

    def _stop(self, state: State, finite: FloatArray, reached: FloatArray) -> IntArray:
        """Decide which starts end here; a curve that has left both ways is lost."""
        codes = self._undeflated(state, super()._stop(state, finite, reached))
        gone = state.carry["track"].is_gone & np.isin(codes, (RUNNING, Status.MAX_ITER))
        return np.where(gone, Status.ESCAPED, codes)

    def _undeflated(self, state: State, codes: IntArray) -> IntArray:
        """Let what has arrived at critical points that do not count go on."""
        track: Track = state.carry["track"]
        more = state.n_iter < self.max_iter
        rows = np.flatnonzero((codes == Status.CONVERGED) & track.is_landing & more)
        if self.known is None or len(rows) == 0:
            return codes
        loss = state.local.loss
        known = self.known(loss, take_rows(state.local.theta, rows))
        # Only here it shows which of the points count.
        track.order, track.goes_on = track.order.copy(), track.goes_on.copy()
        track.goes_on[rows] = known | (track.order[rows] > 1)
        track.order[rows] -= ~known & track.goes_on[rows]
        return np.where(track.goes_on & more, RUNNING, codes)

    def _advanced(self, loss: Loss, local: LocalModel, track: Track) -> Track:
        """Take a step along the curves, or to the critical points behind."""
        rows = np.flatnonzero(track.goes_on)
        if len(rows):
            track = track.replace(rows, _resumed(loss, track.take(rows)))
            local = loss.at(track.theta)
        frame = make_frame(local, track)
        following = np.flatnonzero(~track.is_landing)
        landing = np.flatnonzero(track.is_landing)
        if len(following):
            part = self._followed(loss, track.take(following), frame.take(following))
            track = track.replace(following, part)
        if len(landing):
            part = _landed(loss, track.take(landing), frame.take(landing))
            track = track.replace(landing, part)
        return track

    def _followed(self, loss: Loss, track: Track, frame: Frame) -> Track:
        """Step along the tangent, and halve steps whose corrections do not contract."""
        xp, unit = array_namespace(track.theta), loss.asarray(loss.length_scale())
        size = xp.sqrt(xp.sum((frame.tangent / unit) ** 2, axis=-1))[:, None]
        tangent = frame.tangent / xp.where(size > 0, size, xp.ones_like(size))
        new, pending = track, np.arange(len(track.length))
        for _ in range(_MAX_HALVINGS):
            part = new.take(pending)
            accepted, moved = _corrected(
                loss, part, take_rows(tangent, pending), frame.take(pending), unit
            )
            moved.length = np.minimum(moved.length, self.max_step)
            new = new.replace(pending, moved)
            pending = pending[~accepted]
            if len(pending) == 0:
                break
        new.tangent = frame.tangent
        if len(pending):
            part = _recentred(loss, track.take(pending), frame.take(pending))
            part.n_gradient = new.n_gradient[pending] + 1
            new = new.replace(pending, part)
        new.stuck = new.stuck | (new.length < _SHORTEST * self.max_step)
        return self._crossed(loss, track, new, unit)

    def _crossed(self, loss: Loss, before: Track, after: Track, unit: Array) -> Track:
        """Note the critical points that were passed, and turn round what has left."""
        old = dot(before.gradient, before.direction)
        new = dot(after.gradient, after.direction)
        passed = (np.sign(new) * np.sign(old) < 0) & ~after.stuck
        part = loss.asarray(old / np.where(passed, old - new, 1.0))[:, None]
        between = before.theta + part * (after.theta - before.theta)
        gradient = loss.gradient(between)
        after.n_gradient = after.n_gradient + passed
        # At a pole of the loss sigma changes its sign too, and is large in between.
        passed &= norm(gradient) < np.maximum(np.abs(old), np.abs(new))
        found = passed & (before.n_passed + 1 == before.order)
        if self.known is not None:  # all are looked at
            found = passed
        after.n_passed = before.n_passed + (passed & ~found)
        rows = np.flatnonzero(found)
        if len(rows):
            beyond = take_rows(after.theta, rows)
            after.beyond = replace_rows(after.beyond, rows, beyond)
            theta = rescaled(loss, take_rows(between, rows))
            after.theta = replace_rows(after.theta, rows, theta)
            gradient = loss.gradient(theta)
            after.gradient = replace_rows(after.gradient, rows, gradient)
            after.n_gradient = after.n_gradient + found
            after.is_landing = before.is_landing | found
        return self._returned(loss, after, unit)

    def _returned(self, loss: Loss, track: Track, unit: Array) -> Track:
        """Send curves that have left back to their starts and the other way."""
        limit = np.maximum(norm(track.begin / unit), np.sqrt(loss.n_params_))
        away = norm(track.theta / unit) > self.reach * limit
        away &= ~track.is_landing
        again = np.flatnonzero((away | track.stuck) & ~track.is_second)
        track.is_gone = away & track.is_second
        track.stuck = track.stuck & track.is_second
        if len(again):
            part = track.take(again)
            part.theta = part.begin
            part.gradient = loss.gradient(part.begin)
            part.tangent = array_namespace(part.theta).zeros_like(part.theta)
            part.length = np.full(len(again), _FIRST_STEP * self.max_step)
            part.is_second = np.ones(len(again), dtype=bool)
            part.n_gradient = part.n_gradient + 1
            track = track.replace(again, part)
        return track


def _carry(track: Track) -> dict[str, Any]:
    """Carry the tracks, and what is reported of them."""
    return {"track": track, "n_passed": track.n_passed}


def _resumed(loss: Loss, track: Track) -> Track:
    """Go on along the curves behind critical points that do not end them."""
    no = np.zeros(len(track.length), dtype=bool)
    return replace(
        track,
        theta=track.beyond,
        gradient=loss.gradient(track.beyond),
        n_passed=track.n_passed + 1,
        is_landing=no,
        goes_on=no,
        n_gradient=track.n_gradient + 1,
    )


def _corrected(
    loss: Loss, track: Track, tangent: Array, frame: Frame, unit: Array
) -> tuple[BoolArray, Track]:
    """Predict along the tangent and correct; if that fails, halve the step."""
    xp, u = array_namespace(tangent), track.direction
    length = track.length
    # What the last step left is corrected first, with the Hessian of its end.
    theta = track.theta - off_curve(frame, track.gradient, u)
    theta = theta + loss.asarray(length)[:, None] * tangent
    first, total = np.zeros(len(length)), np.zeros(len(length))
    for number in range(_N_CORRECTIONS + 1):
        gradient = loss.gradient(theta)
        off = off_curve(frame, gradient, u)
        rest = norm(off / unit)
        if number == 0:
            first = rest
        if number < _N_CORRECTIONS:
            theta, total = theta - off, total + rest
    accepted = (total <= _LARGEST_CORRECTION * length) & (
        rest <= _LARGEST_REST * length
    )
    move = loss.asarray(accepted)[:, None] > 0
    factor = np.where(first < _STRAIGHT * length, _LONGER, 1.0)
    factor = np.where(first > _BENT * length, _SHORTER, factor)
    new = replace(
        track,
        theta=xp.where(move, theta, track.theta),
        gradient=xp.where(move, gradient, track.gradient),
        length=length * np.where(accepted, factor, 0.5),
        n_gradient=track.n_gradient + _N_CORRECTIONS + 1,
    )
    return accepted, new


def _recentred(loss: Loss, track: Track, frame: Frame) -> Track:
    """Correct the points themselves, with the Hessians there, or fail."""
    # A point that is too far off a curve that bends sharply allows no step, however
    # short.
    xp, u = array_namespace(track.theta), track.direction
    before = off_curve(frame, track.gradient, u)
    theta = track.theta - before
    gradient = loss.gradient(theta)
    helps = norm(off_curve(frame, gradient, u)) < _RECENTRED * norm(before)
    move = loss.asarray(helps)[:, None] > 0
    return replace(
        track,
        theta=xp.where(move, theta, track.theta),
        gradient=xp.where(move, gradient, track.gradient),
        tangent=frame.tangent,
        length=track.length / 2**_MAX_HALVINGS * 2,
        stuck=~helps,
    )


def _landed(loss: Loss, track: Track, frame: Frame) -> Track:
    """Take a Newton step, halved until the gradient norm falls."""
    xp, before = array_namespace(track.theta), squared_norm(track.gradient)
    p = -(frame.inverse @ track.gradient[:, :, None])[:, :, 0]
    new, pending, factor = track, np.arange(len(before)), 1.0
    for _ in range(_MAX_HALVINGS):
        part = new.take(pending)
        theta = part.theta + factor * take_rows(p, pending)
        gradient = loss.gradient(theta)
        better = squared_norm(gradient) < before[pending]
        move = loss.asarray(better)[:, None] > 0
        part = replace(
            part,
            theta=xp.where(move, theta, part.theta),
            gradient=xp.where(move, gradient, part.gradient),
            n_gradient=part.n_gradient + 1,
        )
        new, pending, factor = new.replace(pending, part), pending[~better], factor / 2
        if len(pending) == 0:
            break
    new.stuck = new.stuck.copy()
    new.stuck[pending] = True
    return new
