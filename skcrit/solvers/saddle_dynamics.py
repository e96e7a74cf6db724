"""Saddle dynamics: up along some eigenvectors of the Hessian, down along the others."""

from copy import copy
from dataclasses import replace

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit.linalg import lanczos, rounding_level
from skcrit.losses._defaults import canonical_points, place
from skcrit.solvers.base import Solver, squared_norm

__all__ = ["SaddleDynamics"]

# Up to this many parameters one eigendecomposition costs less than a Krylov space.
MAX_DENSE = 512

# Eigenvalues below this part of the largest, or rounding, are those of symmetries.
NULL = 1e-10

# What stands in place of an index where every direction keeps its own sign.
NATURAL = -1


class SaddleDynamics(Solver):
    r"""Follow ``-S |H|^-1 g``, where S turns the k lowest eigendirections upwards.

    With eigenpairs :math:`\lambda_i, q_i` of the Hessian in ascending order the step is

    .. math::

        p = -\sum_i s_i \frac{q_i^T g}{\max(|\lambda_i|, \epsilon |H|)} q_i,
        \qquad s_i = -1 \text{ for } i < k, \text{ else } 1,

    shortened to ``max_step``. Its fixed points that attract are the critical points of
    index k. Near one of them it is Newton's step.

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
    max_step : float, default=0.5
        Largest norm of a step, absolute, in the unit of ``theta``.
    balance : bool, default=True
        Whether to move each iterate to the canonical point of its symmetry orbit.
    eigensolver : {"auto", "dense", "krylov"}, default="auto"
        "dense" takes all eigenvectors. "krylov" takes the Ritz vectors of the Krylov
        space of the gradient, in which the step lies but for what the space misses; k
        counts Ritz values. "auto" is "dense" up to 512 parameters.
    max_inner_iter : int, default=100
        Dimension of the Krylov space.

    Notes
    -----
    An iteration costs ``n_params`` products ("dense": a Hessian) or ``max_inner_iter``,
    and one gradient.

    References
    ----------
    .. [1] J. Yin, L. Zhang and P. Zhang. "High-index optimization-based shrinking dimer
       method for finding high-index saddle points". SIAM J. Sci. Comput. 41(6), 2019.
    .. [2] C. J. Cerjan and W. H. Miller. "On finding transition states". J. Chem. Phys.
       75, 1981, doi:10.1063/1.442352.
    """

    required_methods = ("value", "gradient", "hvp", "hessian")

    def __init__(
        self,
        *,
        tol=1e-10,
        max_iter=500,
        store_history=False,
        index="natural",
        quantile=None,
        floor=1e-2,
        max_step=0.5,
        balance=True,
        eigensolver="auto",
        max_inner_iter=100,
    ):
        super().__init__(tol=tol, max_iter=max_iter, store_history=store_history)
        self.index = index
        self.quantile = quantile
        self.floor = floor
        self.max_step = max_step
        self.balance = balance
        self.eigensolver = eigensolver
        self.max_inner_iter = max_inner_iter

    def select(self, rows):  # noqa: D102 (documented in Solver)
        part = copy(self)
        if self.quantile is not None:
            part.quantile = self.quantile[rows]
        elif not isinstance(self.index, str):
            part.index = self.index[rows]
        return part

    def setup(self, loss, theta0):  # noqa: D102 (documented in Solver)
        state = super().setup(loss, theta0)
        theta = self._balanced(loss, state.local.theta)
        local = loss.at(theta)
        n, n_hvp = len(state.rows), state.n_hvp
        if self.quantile is not None:
            values, _, _, cost = self._eigenpairs(local)
            n_negative = np.sum(to_host(values) < -_null_level(values), axis=1)
            index = np.floor(self.quantile * (n_negative + 1)).astype(int)
            n_hvp = n_hvp + cost
        elif isinstance(self.index, str):
            index = np.full(n, NATURAL)
        else:
            index = np.asarray(self.index)
        return replace(state, local=local, memory=index, n_hvp=n_hvp)

    def step(self, loss, state):  # noqa: D102
        local = state.local
        xp = array_namespace(local.theta)
        values, components, combine, cost = self._eigenpairs(local)
        factors = place(loss, self._factors(state, to_host(values)))
        p = combine(factors * components)
        size = xp.sqrt(xp.sum(p * p, axis=-1))
        bound = self.max_step / xp.where(size > self.max_step, size, self.max_step)
        theta = self._balanced(loss, local.theta + bound[:, None] * p)
        return replace(
            state,
            local=loss.at(theta),
            n_hvp=state.n_hvp + cost,
            n_gradient=state.n_gradient + 1,
        )

    def _factors(self, state, values):
        """Compute ``-s / max(|value|, epsilon |H|)``, zero for symmetries."""
        index, largest = state.memory, _largest(values)
        up = np.arange(values.shape[1]) < index[:, None]
        signs = np.where(up, -1.0, 1.0)
        natural = (index == NATURAL)[:, None]
        signs = np.where(natural, np.sign(values), signs)
        # The gradient in the unit of a step: the floor goes where the search goes.
        relative = np.sqrt(squared_norm(state.local))[:, None]
        relative = relative / np.where(largest > 0, largest * self.max_step, 1.0)
        floored = np.maximum(np.abs(values), np.minimum(self.floor, relative) * largest)
        keep = np.abs(values) > _null_level(values)
        return np.where(keep, -signs / np.where(floored > 0, floored, 1.0), 0.0)

    def _eigenpairs(self, local):
        """Return values, the gradient's components, their lift, and the products."""
        xp = array_namespace(local.theta)
        g, n_params = local.gradient, local.theta.shape[-1]
        if self.eigensolver == "dense" or (
            self.eigensolver == "auto" and n_params <= MAX_DENSE
        ):
            matrix, basis, cost = local.hessian(), None, n_params
        else:
            size = min(self.max_inner_iter, n_params)
            basis, matrix, cost = lanczos(local.hvp, g, size)
            basis, matrix, cost = basis[:, :-1, :], matrix[:, :-1, :], to_host(cost)
            g = (basis @ g[..., None])[..., 0]
        # Decompositions refuse what is not finite: such a start does not move.
        finite = xp.all(xp.isfinite(matrix), axis=(-2, -1))[:, None, None]
        values, vectors = xp.linalg.eigh(
            xp.where(finite, matrix, xp.zeros_like(matrix))
        )
        components = (xp.matrix_transpose(vectors) @ g[..., None])[..., 0]

        def combine(weights):
            lifted = vectors @ weights[..., None]
            if basis is not None:
                lifted = xp.matrix_transpose(basis) @ lifted
            return lifted[..., 0]

        return values, components, combine, cost

    def _balanced(self, loss, theta):
        """Move to canonical points if wanted."""
        return canonical_points(loss, theta) if self.balance else theta


def _largest(values):
    """Compute the largest moduli of rows, as a column on the host."""
    return np.max(np.abs(to_host(values)), axis=-1)[:, None]


def _null_level(values):
    """Compute moduli up to which eigenvalues are zero, as a column on the host."""
    # In float32 rounding is far above NULL, and gives zeros either sign.
    level = to_host(rounding_level(values))[:, None]
    return np.maximum(level, NULL * _largest(values))
