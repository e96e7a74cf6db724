r"""Bounded Newton steps in natural units, with a fixed number of ascent directions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from skcrit._backend import array_namespace, chunks_of_rows, replace_rows, to_host
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.linalg import direction_level, rounding_level
from skcrit.linalg.dense import MAX_DENSE_FALLBACK
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.solvers._vectors import norm
from skcrit.solvers.eigenpairs import (
    Eigenpairs,
    dense_eigenpairs,
    projected_eigenpairs,
)
from skcrit.solvers.signed_step import LONGEST, signed_step

__all__ = ["UNCHOSEN", "NaturalStep", "natural_step"]

# What stands in place of an index that the next step chooses.
UNCHOSEN = -1

# Smallest modulus by which a direction is scaled, relative to the largest; it shrinks
# with the gradient, for quadratic convergence.
_FLOOR = 1e-2

# Dimension of the Krylov space where no dense Hessian is formed.
_N_VECTORS = 100


@dataclass
class NaturalStep:
    """Steps from a batch of points.

    Attributes
    ----------
    p : array of shape (n, n_params)
        Steps, in the unit of theta.
    change : array of shape (n, n_params)
        How they change the gradient, to first order.
    index : ndarray of int of shape (n,)
        Number of directions in which each went up.
    n_hvp : int or ndarray of int of shape (n,)
        Hessian-vector products spent.
    """

    p: Array
    change: Array
    index: IntArray
    n_hvp: int | IntArray


def natural_step(
    loss: Loss, local: LocalModel, index: IntArray, length: FloatArray | None = None
) -> NaturalStep:
    r"""Step up along the k lowest eigenvectors of the Hessian, down along the others.

    With a diagonal matrix D of natural units, and eigenpairs :math:`\lambda_i, q_i` of
    ``D H D``, the step is

    .. math::

        p = -D \sum_i s_i \frac{q_i^T D g}{\max(|\lambda_i|, \epsilon |D H D|)} q_i,
        \qquad s_i = -1 \text{ for } i < k, \text{ else } 1,

    shortened to half a length scale of the loss.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    local : LocalModel
        Loss at a batch of points.
    index : ndarray of int of shape (n,)
        Number k of ascent directions; ``UNCHOSEN`` takes the number of negative
        eigenvalues here.
    length : ndarray of shape (n,), default=None
        Lengths that are trusted, in length scales of the loss: the directions are
        scaled for these, and the steps are left as they are.

    Returns
    -------
    step : NaturalStep
        A row per point.

    Notes
    -----
    It costs a dense Hessian up to 512 parameters. Beyond that the eigenvectors are the
    Ritz vectors of the gradient's Krylov space of 100 products, D is the identity, and
    every direction has the sign of its Ritz value, whatever ``index``: a space of one
    vector does not say which directions are the lowest.

    References
    ----------
    .. [1] C. J. Cerjan and W. H. Miller. "On finding transition states". J. Chem. Phys.
       75, 1981, doi:10.1063/1.442352.
    """
    if length is None:
        step = natural_step(loss, local, index, np.full(len(index), LONGEST))
        size = norm(step.p / loss.asarray(loss.length_scale())) / LONGEST
        return replace(step, p=step.p / loss.asarray(np.maximum(size, 1.0))[:, None])
    n, n_params = local.theta.shape
    if n_params > MAX_DENSE_FALLBACK:
        return _from_products(loss, local, index, length)
    p, index = array_namespace(local.theta).zeros_like(local.theta), index.copy()
    change = p
    for rows in chunks_of_rows(np.arange(n), n_params**2, local.theta):
        part = local if len(rows) == n else local.take(rows)
        pairs = dense_eigenpairs(part, part.gradient, units="own")
        lowest = to_host(pairs.values) < -_column(direction_level(pairs.values))
        chosen = np.where(index[rows] == UNCHOSEN, np.sum(lowest, axis=1), index[rows])
        up = np.arange(n_params) < chosen[:, None]
        part = _combined(loss, pairs, np.where(up, -1.0, 1.0), length[rows])
        p, index[rows] = replace_rows(p, rows, part[0]), chosen
        change = replace_rows(change, rows, part[1])
    return NaturalStep(p, change, index, n_params)


def _from_products(
    loss: Loss, local: LocalModel, index: IntArray, length: FloatArray
) -> NaturalStep:
    """Step with the signs of the Ritz values of the gradient's Krylov space."""
    pairs = projected_eigenpairs(local, local.gradient, 0, _N_VECTORS, None)
    p, change = _combined(loss, pairs, np.sign(to_host(pairs.values)), length)
    return NaturalStep(p, change, index, pairs.n_hvp)


def _combined(
    loss: Loss, pairs: Eigenpairs, signs: FloatArray, length: FloatArray
) -> tuple[Array, Array]:
    """Sum the directions with signs, without what is rounding."""
    keep = np.abs(to_host(pairs.values)) > _column(rounding_level(pairs.values))
    p, change = signed_step(
        loss,
        pairs,
        signs,
        keep,
        gradient_norm=norm(pairs.components),
        floor=_FLOOR,
        longest=length[:, None],
    )
    # What is not finite does not move.
    xp = array_namespace(p)
    return xp.where(xp.isfinite(p), p, xp.zeros_like(p)), change


def _column(level: Array) -> FloatArray:
    """Bring levels to the host, as a column."""
    return to_host(level)[:, None]
