"""Certificates of critical points."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import ArrayLike, FloatArray
from skcrit.certification.certificates import Certificates
from skcrit.certification.distinct import number_sets
from skcrit.certification.newton import Ball, certified_ball, loss_change
from skcrit.certification.reasons import SMALL, causes, too_far, why
from skcrit.certification.refine import refine, sizes
from skcrit.certification.slices import prove
from skcrit.certification.surface import expand, lipschitz
from skcrit.losses.adapt import as_loss
from skcrit.losses.base import Loss
from skcrit.search.batches import Batches, run_batches
from skcrit.search.shared import Shared
from skcrit.utils._arguments import as_numbers, check_workers, is_number, shown

# Numbers in the Hessians of a chunk.
_NUMBERS = 2**20

# Radii that are tried: a part of the largest ball on which Newton's map can contract,
# with a bound for no radius and then for the last one, and a few times the first step.
_LARGE, _N_RADII = 0.5, 3


def certify(
    loss: Any, theta: ArrayLike, *, reach: float = 1e-6, n_jobs: int | None = None
) -> Certificates:
    r"""Prove that critical points lie near given points, and determine their indices.

    From each point a few Newton steps are taken. Then the theorem of Newton and
    Kantorovich is applied to the gradient on the slice orthogonal to the orbit of the
    continuous symmetries, in floating point arithmetic with bounds on all rounding
    errors. If its conditions hold, there is exactly one critical orbit near the point;
    its Morse index is the computed one, and its nullity is the dimension of the orbit.
    The verdict does not depend on a tolerance: ``reach`` only limits the distance of a
    critical point from its given point.

    Parameters
    ----------
    loss : Loss, or object with its methods
        Fitted loss. It is certified as the function that its fitted numbers define.
        Bounds come from its methods ``hessian_lipschitz``, ``evaluation_error`` and
        ``exact_tangents``; ``LinearAutoencoderLoss``, ``LinearNetworkLoss`` and
        ``MLPLoss`` have them. Without them verdicts are estimates.
    theta : array-like of shape (n_points, n_params) or (n_params,)
        Points.
    reach : float, default=1e-6
        Largest distance of a point from its critical point, in length scales of the
        loss, relative to the size of the point if that exceeds one length scale. Points
        that are further away are not certified, even if there is a critical point.
    n_jobs : int or None, default=None
        Workers, through joblib.

    Returns
    -------
    certificates : Certificates
        A row per point. Its text counts points given, certified, distinct and
        undecided, with reasons.

    Raises
    ------
    ValueError
        If the loss lacks a method, ``theta`` has a wrong shape, or ``reach`` or
        ``n_jobs`` is out of range. Points that are not critical, or not finite, raise
        nothing.
    NotFittedError
        If the loss is not fitted.

    Notes
    -----
    Costs two or three dense Hessians per point, and as many decompositions. The page
    "Certificates" has the theorem and its constants.

    References
    ----------
    .. [1] J. M. Ortega and W. C. Rheinboldt. "Iterative solution of nonlinear equations
       in several variables". Academic Press 1970, section 12.6.

    Examples
    --------
    >>> import numpy as np
    >>> from skcrit import LinearAutoencoderLoss, certify
    >>> X = np.array([[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]])
    >>> loss = LinearAutoencoderLoss((2,)).fit(X)
    >>> spectrum = loss.analytical_spectrum()
    >>> points = [spectrum.representative(s) for s in spectrum.all_sets()]
    >>> certify(loss, points + [np.ones(12)])
         8 points given
         7 certified
         7 distinct critical sets, proved
         1 undecided: 1 not a critical point
    """
    loss = as_loss(loss)
    points = _checked(loss, theta)
    reach = _checked_reach(reach)
    check_workers(n_jobs)
    size = max(_NUMBERS // loss.n_params_**2, 1)
    parts, shared = range(0, len(points), size), Shared(loss)
    calls = [(shared, points[i : i + size], reach) for i in parts]
    batches = Batches(n_jobs=n_jobs, on_device=loss.backend != "numpy")
    calls = calls or [(loss, points, reach)]
    done = list(run_batches(batches, certify_chunk, calls))
    return _numbered(loss, Certificates.concatenate(done))


def _checked_reach(reach: float) -> float:
    """Return a number."""
    if not is_number(reach, 0) or isinstance(reach, bool):
        raise ValueError(f"reach must be a finite number >= 0, got {shown(reach)}.")
    return float(reach)


def _checked(loss: Loss, theta: Any) -> FloatArray:
    """Return points on the host, after a check of their shape."""
    shape = f"(n_points, {loss.n_params_})"
    points = as_numbers(theta, "theta", shape)
    points = points[None, :] if points.ndim == 1 else points
    if points.ndim != 2 or points.shape[1] != loss.n_params_:
        raise ValueError(
            f"theta must have shape {shape} or ({loss.n_params_},), got "
            f"{np.shape(theta)}."
        )
    return points.astype(float)


def certify_chunk(loss: Loss, theta: FloatArray, reach: float) -> Certificates:
    """Certify a few points, whose sets are numbered later."""
    record = _undecided(loss, theta)
    finite = np.all(np.isfinite(theta), axis=1)
    for row in np.flatnonzero(~finite):
        record.reason[row] = "not finite: the point contains NaN or infinity"
    rows = np.flatnonzero(finite)
    if len(rows) == 0:
        return record
    with np.errstate(all="ignore"):
        points, slices, ahead = refine(loss, theta[rows], reach)
        limit = reach * np.maximum(sizes(loss, theta[rows]), 1.0)
        near = np.isfinite(ahead) & (ahead <= limit)
    far = too_far(loss, theta[rows[~near]], ahead[~near], reach)
    for row, reason in zip(rows[~near], far, strict=True):
        record.reason[row] = reason
    record.moved[rows] = ahead
    rows, points = rows[near], points[near]
    record.point[rows] = points
    slices = [chosen for chosen, keep in zip(slices, near, strict=True) if keep]
    return _proved(loss, record, rows, points, slices) if len(rows) else record


def _undecided(loss: Loss, theta: FloatArray) -> Certificates:
    """Return a record in which nothing is proved."""
    n = len(theta)
    nan, no = np.full(n, np.nan), np.zeros(n, dtype=bool)
    unknown = np.full(n, -1)
    return Certificates(
        certified=no,
        estimated=no.copy(),
        radius=nan,
        error=nan.copy(),
        loss_low=nan.copy(),
        loss_high=nan.copy(),
        morse_index=unknown,
        nullity=unknown.copy(),
        critical_set=unknown.copy(),
        moved=nan.copy(),
        euler=nan.copy(),
        point=theta.copy(),
        reason=[""] * n,
        is_coercive=loss.is_coercive,
    )


def _proved(
    loss: Any, record: Any, rows: Any, points: FloatArray, slices: Any
) -> Certificates:
    """Fill in what can be proved at refined points."""
    there = expand(loss, points)
    proved = [
        prove(
            chosen,
            *(there.gradient[i], there.hessian[i], there.tangents[i]),
            float(there.change[i]),
            (float(there.gradient_error[i]), float(there.hessian_error[i])),
        )
        for i, chosen in enumerate(slices)
    ]
    balls, K, guessed = _balls(loss, there, proved)
    conditioning = loss.conditioning()
    named = causes(loss, points, balls, proved)
    for i, (row, ball, known) in enumerate(zip(rows, balls, proved, strict=True)):
        if ball is None:
            record.reason[row] = why(known, K[i], named[i], conditioning)
            continue
        is_guess = bool(there.estimated[i] or guessed[i])
        record.certified[row], record.estimated[row] = not is_guess, is_guess
        record.radius[row], record.error[row] = ball.radius, ball.error
        change = loss_change(known, K[i], ball.error) + there.value_error[i]
        record.loss_low[row] = np.nextafter(there.value[i] - change, -np.inf)
        record.loss_high[row] = np.nextafter(there.value[i] + change, np.inf)
        record.morse_index[row] = known.morse_index
        record.nullity[row] = known.nullity
        if is_guess:
            lacking = "the third derivative" if guessed[i] else "rounding errors"
            if not guessed[i] and np.any(there.tangents[i]):
                lacking = "rounding errors or tangents"
            record.reason[row] = f"no bound on {lacking}: estimated"
    decided = np.flatnonzero(record.morse_index[rows] >= 0)
    if len(decided):
        euler = loss.orbit_euler(loss.asarray(points[decided]))
        record.euler[rows[decided]] = euler
    return record


def _balls(loss: Loss, there: Any, proved: list[Any]) -> Any:
    """Look for radii with which the theorem applies, a large one first."""
    n = len(proved)
    sigma = np.array([p.curvature for p in proved])
    stretch = np.array([p.stretch for p in proved])
    turn = np.array([p.turn for p in proved])
    step = np.array([p.slope for p in proved]) / np.where(sigma > 0, sigma, np.nan)
    # Radii beyond the distance to the origin and the length scale are useless.
    widest = np.linalg.norm(there.theta, axis=-1)
    widest = np.minimum(np.maximum(widest, np.max(loss.length_scale())), 0.9 * turn)
    balls: list[Ball | None] = [None] * n
    K, guessed = lipschitz(loss, there, np.zeros(n))
    for attempt in range(_N_RADII):
        with np.errstate(all="ignore"):
            radius = np.fmin(widest, _LARGE * sigma / (stretch**3 * K))
        if attempt == _N_RADII - 1:
            radius = SMALL * step
        usable = (sigma > 0) & np.isfinite(radius) & (radius > 0) & np.isfinite(stretch)
        left = [i for i in range(n) if balls[i] is None and usable[i]]
        if not left:
            break
        part = there.take(np.array(left))
        wider = stretch[left] * radius[left] * (1 + 1e-12)
        bound, unknown = lipschitz(loss, part, wider)
        for i, k, is_guess in zip(left, bound, unknown, strict=True):
            K[i], guessed[i] = k, is_guess
            balls[i] = certified_ball(proved[i], float(k), float(radius[i]))
    return balls, K, guessed


def _numbered(loss: Loss, record: Certificates) -> Certificates:
    """Give the critical sets numbers."""
    decided = record.certified | record.estimated
    rows, centres, radii = np.flatnonzero(decided), None, None
    if len(rows):
        # Distances in the slice grow by its stretch, which is one up to rounding.
        error = loss.asarray(record.error[rows] * (1 + 1e-6))
        known = loss.enclose_invariants(loss.asarray(record.point[rows]), error)
        if known is not None:
            inner, wide = (np.asarray(to_host(a), dtype=float) for a in known)
            centres = np.zeros((len(decided), inner.shape[1]))
            radii = np.zeros(len(decided))
            centres[rows], radii[rows] = inner, wide
    numbers = number_sets(
        *(decided, record.certified, record.loss_low, record.loss_high),
        np.stack([record.morse_index, record.nullity], axis=1),
        *(centres, radii),
    )
    return replace(record, critical_set=numbers)
