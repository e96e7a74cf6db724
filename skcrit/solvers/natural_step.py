r"""Bounded Newton steps in natural units, with a fixed number of ascent directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._backend import array_namespace, chunks_of_rows, replace_rows, to_host
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.linalg import direction_level, rounding_level
from skcrit.linalg.dense import MAX_DENSE_FALLBACK
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.solvers._trust import misses
from skcrit.solvers._vectors import norm
from skcrit.solvers.eigenpairs import (
    Eigenpairs,
    dense_eigenpairs,
    projected_eigenpairs,
)
from skcrit.solvers.signed_step import LONGEST, signed_step

# What stands in place of an index that the next step chooses.
UNCHOSEN = -1

# Smallest modulus by which a direction is scaled, relative to the largest. It shrinks
# with the gradient, for quadratic convergence, and while steps are trusted that are
# longer than the length of the loss: directions of small eigenvalues are long ones.
_FLOOR = 1e-2

# Dimension of the Krylov space where no dense Hessian is formed.
_N_VECTORS = 100


@dataclass
class NaturalStep:
    """Steps from a batch of points."""

    p: Array  # in the unit of theta
    index: IntArray  # number of directions in which each went up
    n_hvp: int | IntArray
    # How far the gradients behind the steps miss those of the quadratic model, and how
    # large they are, see ``_trust.misses``, in natural units.
    error: FloatArray
    growth: FloatArray


def natural_step(
    loss: Loss, local: LocalModel, index: IntArray, trust: FloatArray | float = 1.0
) -> NaturalStep:
    """Step up along the k lowest eigenvectors of the Hessian, down along the others."""
    # With a diagonal matrix D of natural units, and eigenpairs l_i, q_i of D H D, it is
    #     p = -D sum_i s_i q_i^T D g / max(|l_i|, epsilon |D H D|) q_i,
    # s_i = -1 for i < k, else 1 (k is the index, or the number of negative eigenvalues
    # here if it is UNCHOSEN), and each term is at most half a length scale of the loss
    # long, times trust. One bound for their sum would let the longest term, that of an
    # eigenvalue which happens to be small, hold up all others.
    #
    # It costs a gradient, and a dense Hessian up to 512 parameters. Beyond that the
    # eigenvectors are the Ritz vectors of the gradient's Krylov space of 100 products,
    # D is the identity, and every direction has the sign of its Ritz value, whatever
    # the index: a space of one vector does not say which directions are the lowest. See
    # C. J. Cerjan and W. H. Miller, "On finding transition states", J. Chem. Phys. 75,
    # 1981, doi:10.1063/1.442352.
    n, n_params = local.theta.shape
    trust = np.broadcast_to(trust, (n,))
    if n_params > MAX_DENSE_FALLBACK:
        pairs = projected_eigenpairs(local, local.gradient, 0, _N_VECTORS, None)
        signs = np.sign(to_host(pairs.values))
        p, *found = _combined(loss, local, pairs, signs, trust)
        return NaturalStep(p, index, pairs.n_hvp, *found)
    p, index = array_namespace(local.theta).zeros_like(local.theta), index.copy()
    measures = np.zeros((2, n))
    for rows in chunks_of_rows(np.arange(n), n_params**2, local.theta):
        part = local if len(rows) == n else local.take(rows)
        pairs = dense_eigenpairs(part, part.gradient, units="own")
        lowest = to_host(pairs.values) < -_column(direction_level(pairs.values))
        chosen = np.where(index[rows] == UNCHOSEN, np.sum(lowest, axis=1), index[rows])
        signs = np.where(np.arange(n_params) < chosen[:, None], -1.0, 1.0)
        step, *found = _combined(loss, part, pairs, signs, trust[rows])
        measures[:, rows] = found
        p, index[rows] = replace_rows(p, rows, step), chosen
    return NaturalStep(p, index, n_params, *measures)


def _combined(
    loss: Loss,
    local: LocalModel,
    pairs: Eigenpairs,
    signs: FloatArray,
    trust: FloatArray,
) -> tuple[Array, FloatArray, FloatArray]:
    """Sum the directions, without what is rounding; return error and growth."""
    keep = np.abs(to_host(pairs.values)) > _column(rounding_level(pairs.values))
    length = pairs.lengths(loss.asarray(loss.length_scale()))
    xp = array_namespace(length)
    # A vector of no length, which an invariant space lacks, goes nowhere.
    bound = loss.asarray(LONGEST * trust)[:, None]
    p, change = signed_step(
        loss,
        pairs,
        signs,
        keep,
        gradient_norm=norm(pairs.components),
        floor=_FLOOR / np.maximum(trust, 1.0)[:, None],
        longest=np.full((len(trust), 1), LONGEST),
        bounds=bound / xp.where(length > 0, length, xp.ones_like(length)),
    )
    p = xp.where(xp.isfinite(p), p, xp.zeros_like(p))
    unit = 1.0 if pairs.unit is None else pairs.unit
    return p, *misses(local.gradient, loss.gradient(local.theta + p), change, unit)


def _column(level: Array) -> FloatArray:
    """Bring levels to the host, as a column."""
    return to_host(level)[:, None]
