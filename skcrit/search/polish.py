r"""Newton steps from the end of a search to the level of rounding, and their result.

Near a critical point the steps contract, quadratically if the Hessian is regular up to
symmetries, and by the constant factor (m - 2)/(m - 1) if the loss grows with the power
m. On a tail whose gradient vanishes towards infinity they do not: on exp(-x), exp(-x^2)
or 1/x every step is about as long as the last. This distinguishes the two without any
constant in the unit of the loss.

Steps are computed in natural units (:mod:`skcrit.search.frame`), and components of the
gradient that are rounding errors (:mod:`skcrit.search.noise`) do not move anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from skcrit._backend import (
    array_namespace,
    device,
    replace_rows,
    take_rows,
    to_host,
)
from skcrit._rows import Rows
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.linalg import rounding_level
from skcrit.losses.base import Loss
from skcrit.losses.symmetries import well_placed
from skcrit.search.frame import FALSE, Frame, make_frame
from skcrit.search.noise import NOISE, gradient_noise
from skcrit.search.scales import Scales
from skcrit.solvers._vectors import dot, norm
from skcrit.solvers.status import RUNNING, Status

# Newton steps per point: three suffice at a regular point, a point of multiplicity 4
# takes 80 without acceleration, and tails are recognised after five.
_MAX_STEPS = 60

# A step does not contract if its length is at least this fraction of the last one's.
# For powers m up to 20 the fraction is smaller.
_SLOW = 0.95

# Steps without contraction until a search counts as running away.
_PATIENCE = 4

# If a step is shorter than this fraction of the last one, the Hessian has hardly
# changed, and the next step uses the same eigenpairs. Along tails the fraction is 0.3
# and more.
_CHORD = 0.1

# By the theorem of Newton and Kantorovich the steps lead to a critical point nearby if
# the second is at most half as long as the first.
_SURE = 0.5

# Otherwise the total length must be short, in length scales. It may never be much
# longer, because a length scale away there are other critical points.
_SHORT = 0.1
LONG = 0.3

# Three changes of the last digit can underestimate the noise by this factor, which is
# allowed for after a step has failed to help.
_DOUBT = 32.0

# Eigenvalues that steps leave out, relative to the largest, attempt by attempt. At
# first the weak directions are left out until the others have converged, because away
# from a critical manifold its zero eigenvalues are small but not zero. Then all are
# included. If such a step does not help, the weakest are left out again: at degenerate
# points these directions bend too soon.
_CUTS = (1e-6, 0.0, 0.0, 1e-8, 1e-5, 1e-3, 0.03, 0.3)
_ALL = 1


@dataclass
class Polished(Rows):
    """Critical points near the ends of searches, a row each."""

    frame: Frame  # refined points with their Hessians
    # Rounding errors of the components of the gradient along the eigenvectors.
    noise: Array
    shift: FloatArray  # from the given point to the refined one, in the unit of theta
    code: IntArray  # CONVERGED, UNCONFIRMED or ESCAPED


@dataclass
class _Run(Rows):
    """Points on their way; sizes of steps are in length scales."""

    frame: Frame
    noise: Array
    shift: Array
    step: Array
    ahead: Array  # the next step
    # Size of the part that it leaves out, if ``is_known`` is true for the row.
    left_out: FloatArray
    is_known: BoolArray
    ratio: FloatArray  # length of the next step relative to the last one
    first_ratio: FloatArray  # the same for the first step
    path: FloatArray  # sum of all lengths
    slope: FloatArray  # norm of the gradient at the given point, in the unit of theta
    is_fresh: BoolArray  # whether the frame is that of the present point
    attempt: IntArray  # determines which directions are included
    n_slow: IntArray
    code: IntArray


def polish(loss: Loss, theta: Array, scales: Scales, false: float = FALSE) -> Polished:
    """Take Newton steps from given points to the level of rounding."""
    # At a regular critical point it costs two dense Hessians, the first one decomposed
    # roughly, and some gradients. For false see make_frame.
    run, rows = _begin(loss, theta, scales, false, True), np.arange(theta.shape[0])
    # Finished rows are set aside when they are half of all, so that matrices are seldom
    # copied.
    ended = []
    for _ in range(_MAX_STEPS):
        over = run.code != RUNNING
        if over.all():
            break
        if 2 * np.count_nonzero(over) > len(over):
            ended.append((rows[over], run.take(np.flatnonzero(over))))
            run, rows = run.take(np.flatnonzero(~over)), rows[~over]
        run = _advance(loss, run, scales, false)
    if ended:
        ended.append((rows, run))
        order = np.argsort(np.concatenate([rows for rows, _ in ended]))
        run = _Run.concatenate([part for _, part in ended]).take(order)
    run.code[run.code == RUNNING] = Status.UNCONFIRMED
    stale = np.flatnonzero(~run.is_fresh)
    if len(stale):
        run = run.replace(stale, _renewed(loss, run.take(stale), scales, false))
    return Polished(run.frame, run.noise, to_host(run.shift), run.code)


def newton_length(loss: Loss, theta: Array, scales: Scales) -> FloatArray:
    """Measure Newton steps in length scales, without the noise of the gradient."""
    run = _begin(loss, loss.asarray(theta), scales)
    run.attempt[:] = _ALL
    return _size(_newton(run, run.frame.gradient)[0], scales)


def _begin(loss: Loss, theta: Array, scales: Scales, *how: Any) -> _Run:
    """Decompose the Hessians at the given points; for how see make_frame."""
    n, zeros = theta.shape[0], array_namespace(theta).zeros_like(theta)
    frame = make_frame(loss, loss.at(theta), scales, *how)
    return _Run(
        frame=frame,
        noise=gradient_noise(loss, frame, scales),
        shift=zeros,
        step=zeros,
        ahead=zeros,
        left_out=np.zeros(n),
        is_known=np.zeros(n, dtype=bool),
        ratio=np.full(n, np.nan),
        first_ratio=np.full(n, np.nan),
        path=np.zeros(n),
        slope=norm(frame.gradient / frame.unit),
        is_fresh=~frame.is_rough,
        attempt=np.zeros(n, dtype=int),
        n_slow=np.zeros(n, dtype=int),
        code=np.where(np.isfinite(frame.norm), RUNNING, Status.UNCONFIRMED),
    )


def without_false_tangents(
    loss: Loss, end: Polished, scales: Scales, false: float
) -> Polished:
    """Decompose Hessians again, with fewer directions taken for those of symmetries."""
    frame = make_frame(loss, loss.at(end.frame.theta), scales, false)
    return replace(end, frame=frame, noise=gradient_noise(loss, frame, scales))


def _newton(run: _Run, gradient: Array) -> tuple[Array, FloatArray]:
    """Compute the Newton step of a gradient without noise, and the part left out."""
    frame, xp = run.frame, array_namespace(gradient)
    values, components = frame.values, frame.components(gradient)
    cut = np.array(_CUTS)[np.minimum(run.attempt, len(_CUTS) - 1)] * frame.norm
    failed = run.attempt > _ALL
    cut = np.where(failed, np.maximum(cut, rounding_level(values, frame.norm)), cut)
    times = np.where(failed, NOISE * _DOUBT, NOISE)
    cut, times = (xp.asarray(a, device=device(values))[:, None] for a in (cut, times))
    signal = _signal(frame, gradient, xp.abs(components), times * run.noise)
    signal = signal & ~frame.is_tangent()
    keep = (xp.abs(values) > cut) & signal
    inverse = 1 / xp.where(keep, values, xp.ones_like(values))
    step = -components * xp.where(keep, inverse, xp.zeros_like(values))
    rest = xp.where(signal & ~keep, components, xp.zeros_like(components))
    return frame.combine(step), norm(rest)


def _signal(frame: Frame, gradient: Array, size: Array, noise: Array) -> Array:
    """Return which components of a gradient exceed rounding errors."""
    # Entries of eigenvectors are rounded too, which adds components of the gradient.
    xp = array_namespace(gradient)
    blur = size.shape[1] * float(xp.finfo(size.dtype).eps)
    signal = size > noise
    # This upper bound of them suffices for most rows.
    most = blur * xp.sqrt(xp.vecdot(gradient, gradient))[:, None] * (1 + blur)
    unsure = signal & ~(size > noise + most)
    rows = np.flatnonzero(np.any(to_host(unsure), axis=1))
    if len(rows) == 0:
        return signal
    weights = xp.abs(xp.matrix_transpose(take_rows(frame.vectors, rows)))
    part = blur * (weights @ xp.abs(take_rows(gradient, rows))[..., None])[..., 0]
    seen = take_rows(size, rows) > take_rows(noise, rows) + part
    return replace_rows(signal, rows, seen)


def _advance(loss: Loss, run: _Run, scales: Scales, false: float) -> _Run:
    """Take a step, unless the gradient is only noise or the step does not help."""
    trial = _tried(loss, run, scales)
    done, helps, runs = trial.done, trial.helps, run.code == RUNNING
    # The verdict needs the Hessian at this point: an older one may have other
    # symmetries.
    ended = done & runs & run.is_fresh & (run.attempt >= _ALL)
    run.code = np.where(ended, _verdict(run, trial.left_out), run.code)
    failed = ~done & ~helps & run.is_fresh
    # After a step that helps, the next one may include all directions again.
    again = np.where(helps, np.minimum(run.attempt, _ALL + 1), run.attempt)
    again = again + (failed | (done & (run.attempt < _ALL)))
    chord = helps & (trial.rest <= _CHORD * trial.size)
    run.is_known, run.attempt = chord & (again == run.attempt), again
    given_up = run.attempt >= len(_CUTS)
    run.code = np.where(failed & runs & given_up, Status.UNCONFIRMED, run.code)
    old_step = run.step
    if helps.any():
        _move(loss, run, trial)
    renew = (run.code == RUNNING) & ~(chord | failed | (done & run.is_fresh))
    ratio = np.where(helps, trial.rest / trial.size, run.ratio)
    rows = np.flatnonzero(renew)
    if len(rows):
        everything = len(rows) == len(run.code)
        part = run if everything else run.take(rows)
        part = _renewed(loss, part, scales, false, done[rows])
        if helps[rows].any():
            part.ahead, part.left_out = _newton(part, part.frame.gradient)
            part.is_known[:] = True
            size = _size(part.ahead, scales) / trial.size[rows]
            ratio[rows] = np.where(helps[rows], size, ratio[rows])
        run = part if everything else run.replace(rows, part)
    return _watched(run, ratio, helps, old_step)


def _tried(loss: Loss, run: _Run, scales: Scales) -> SimpleNamespace:
    """Try the next steps, and compute those after them."""
    runs = run.code == RUNNING
    if not run.is_known[runs].all():
        run.ahead, run.left_out = _newton(run, run.frame.gradient)
    p, left_out, size = run.ahead, run.left_out, _size(run.ahead, scales)
    # Steps of a few units in the last place of the point are noise too.
    eps = float(array_namespace(p).finfo(p.dtype).eps)
    done = size <= NOISE * eps * np.maximum(_size(run.frame.theta, scales), 1)
    trial = SimpleNamespace(done=done, size=np.where(size > 0, size, 1.0))
    trial.left_out, trial.rest = left_out, np.full(len(size), np.inf)
    if not done[runs].all():
        trial.stretch = _stretched(run, size)
        trial.theta = run.frame.theta + loss.asarray(trial.stretch)[:, None] * p
        with np.errstate(over="ignore", invalid="ignore"):
            trial.gradient = run.frame.unit * loss.gradient(trial.theta)
            run.ahead, run.left_out = _newton(run, trial.gradient)
            trial.rest = _size(run.ahead, scales)
    trial.helps = runs & ~done & (trial.rest < size)
    return trial


def _move(loss: Loss, run: _Run, trial: SimpleNamespace) -> None:
    """Take the steps that help."""
    xp, helps, frame = array_namespace(run.shift), trial.helps, run.frame
    move = loss.asarray(helps)[:, None] > 0
    run.step = xp.where(move, trial.theta - frame.theta, run.step)
    run.shift = xp.where(move, run.shift + run.step, run.shift)
    run.path = run.path + np.where(helps, trial.stretch * trial.size, 0.0)
    frame.theta = xp.where(move, trial.theta, frame.theta)
    frame.gradient = xp.where(move, trial.gradient, frame.gradient)
    run.is_fresh = run.is_fresh & ~helps


def _stretched(run: _Run, size: FloatArray) -> FloatArray:
    """Return the lengths of the next steps relative to the Newton steps."""
    # At a point of higher multiplicity longer steps compensate for slow contraction.
    slow = (run.ratio > _SURE) & (run.ratio < _SLOW)
    stretch = np.where(slow, 1 / (1 - np.where(slow, run.ratio, 0.0)), 1.0)
    # A step that is too long is shortened.
    return np.minimum(stretch, LONG / np.where(size > 0, size, LONG))


def _watched(run: _Run, ratio: FloatArray, moved: BoolArray, old_step: Array) -> _Run:
    """Count steps that do not contract, and end rows that run away."""
    run.ratio = np.where(moved, ratio, run.ratio)
    run.first_ratio = np.where(np.isnan(run.first_ratio), run.ratio, run.first_ratio)
    slow = moved & ~(ratio < _SLOW)
    run.n_slow = np.where(moved, np.where(slow, run.n_slow + 1, 0), run.n_slow)
    onwards = dot(run.step, old_step) > 0
    lost = (run.code == RUNNING) & (run.n_slow >= _PATIENCE)
    # Steps that lead further and further, down a tail; at a degenerate point they are
    # all short, and from where the Hessian is almost singular they climb.
    down = norm(run.frame.gradient / run.frame.unit) <= run.slope
    gone = onwards & (run.path > _SHORT) & down
    code = np.where(gone, Status.ESCAPED, Status.UNCONFIRMED)
    run.code = np.where(lost, code, run.code)
    return run


def _verdict(run: _Run, left_out: FloatArray) -> IntArray:
    """Judge points whose gradients are at the level of rounding."""
    sure = ~(run.first_ratio > _SURE) & (run.path <= LONG) | (run.path <= _SHORT)
    return np.where(sure & (left_out == 0), Status.CONVERGED, Status.UNCONFIRMED)


def _renewed(
    loss: Loss, run: _Run, scales: Scales, false: float, there: BoolArray | None = None
) -> _Run:
    """Decompose the Hessians at the present points; return which have arrived."""
    theta = run.frame.theta
    if there is not None and there.any():
        # Steps may have led along the orbit, to points with less simple Hessians.
        xp, stays = array_namespace(theta), loss.asarray(there)[:, None] == 0
        theta = xp.where(stays, theta, well_placed(loss, theta))
    run.frame = make_frame(loss, loss.at(theta), scales, false)
    run.noise = gradient_noise(loss, run.frame, scales)
    run.is_fresh = np.ones(len(run.code), dtype=bool)
    run.is_known = np.zeros(len(run.code), dtype=bool)
    broken = (run.code == RUNNING) & ~np.isfinite(run.frame.norm)
    run.code = np.where(broken, Status.UNCONFIRMED, run.code)
    return run


def _size(p: Array, scales: Scales) -> FloatArray:
    """Measure steps in length scales."""
    return norm(p / scales.length)
