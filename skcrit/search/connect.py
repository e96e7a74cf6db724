"""Connections of a saddle: flows from its unstable directions to the sets below."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.linalg import eigh
from skcrit.search.batches import Batches
from skcrit.search.connections import DYNAMICS, Connections
from skcrit.search.critical_sets import match_points
from skcrit.search.describe import Description, describe
from skcrit.search.engine import search
from skcrit.search.problem import Problem, pose
from skcrit.solvers.descent import Descent
from skcrit.solvers.status import Status

# Distance from a saddle at which the ways down begin, in length scales.
_DISPLACEMENT = 1e-3


def connect(
    loss: Any,
    points: FloatArray,
    morse_indices: IntArray,
    *,
    max_directions: int | None = None,
    max_iter: int = 500,
    batches: Batches | None = None,
) -> Connections:
    """Go down from saddles, and recognise the sets at which the ways end."""
    # A set of Morse index -1 can be the end of a way, but not its beginning. The
    # weakest unstable eigenvectors of a saddle come first.
    problem = pose(loss)
    known = _described(problem, points)
    ways = _ways(problem, points, morse_indices, max_directions)
    saddle, direction, sign, vectors, lowers = ways
    solver = Descent(direction=vectors, lowers_index=lowers, max_iter=max_iter)
    ends, status = np.empty(0, dtype=int), np.empty(0, dtype=int)
    new = np.empty((0, points.shape[1]))
    if len(saddle):
        length = np.linalg.norm(vectors / to_host(problem.scales.length), axis=1)
        step = (_DISPLACEMENT * sign / length)[:, None] * vectors
        starts = problem.back(problem.into(points[saddle]) + step)
        result = search(loss, solver, starts, batches=batches)
        match = match_points(result.sets, known)
        new = result.sets.point[match < 0]
        ends = np.append(match, -1)[result.labels]
        status = result.runs.status
    return Connections(
        saddle=saddle,
        end=ends,
        direction=direction,
        sign=sign,
        dynamics=np.array(DYNAMICS)[lowers.astype(int)],
        status=np.array([Status(code).name for code in status], dtype=object),
        critical_losses=known.loss,
        morse_indices=np.asarray(morse_indices),
        new_points=new,
    )


def _described(problem: Problem, points: FloatArray) -> Description:
    """Describe known points, to recognise them."""
    n = len(points)
    everything, done = np.ones(n, dtype=bool), np.full(n, Status.CONVERGED)
    return describe(
        problem.loss,
        problem.loss.asarray(problem.into(points)),
        done,
        everything,
        problem.scales,
    )


def _ways(
    problem: Problem, points: FloatArray, morse_indices: IntArray, limit: Any
) -> tuple[IntArray, IntArray, IntArray, FloatArray, BoolArray]:
    """List saddles, directions, signs and dynamics; vectors as the search sees them."""
    n_params, loss = points.shape[1], problem.loss
    rows: list[tuple[int, int, int, bool]] = []
    vectors: list[FloatArray] = []
    inside = problem.into(points)
    for saddle in np.flatnonzero(np.asarray(morse_indices) > 0):
        index = int(morse_indices[saddle])
        hessian = loss.hessian(loss.asarray(inside[saddle][None, :]))
        unstable = to_host(eigh(hessian)[1])[0][:, :index].T[::-1]
        for number, vector in enumerate(unstable[:limit]):
            # From index one the two dynamics lead to the same sets.
            for lowers in (False, True)[: 1 + (index > 1)]:
                for sign in (1, -1):
                    rows.append((int(saddle), number, sign, lowers))
                    vectors.append(vector)
    table = np.array(rows, dtype=int).reshape(-1, 4)
    stacked = np.array(vectors).reshape(-1, n_params)
    return table[:, 0], table[:, 1], table[:, 2], stacked, table[:, 3].astype(bool)
