"""Newton-MR: minimum-residual Newton steps, accepted by their gradient norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, take_rows, to_host
from skcrit._typing import Array, BoolArray, FloatArray
from skcrit.linalg import minres_qlp
from skcrit.losses.base import Loss
from skcrit.losses.symmetries import rescaled
from skcrit.solvers._forcing import forcing_terms
from skcrit.solvers._rays import Rays
from skcrit.solvers.base import Solver
from skcrit.solvers.line_search import armijo, push_reference
from skcrit.solvers.state import State
from skcrit.solvers.tolerance import squared_norm


class NewtonMR(Solver):
    """Solve ``H p = -g`` in the least-squares sense, and follow p to smaller gradients.

    The step is the iterate of MINRES-QLP that first meets the inner tolerance or limit;
    it minimises ``|H p + g|`` over a Krylov space. The step length is found by
    backtracking on the squared gradient norm.

    Parameters
    ----------
    tol, max_iter, store_history
        As in :class:`~skcrit.solvers.Solver`.
    inner_tol, max_inner_iter, max_step, regularization, balance, window
        As in :class:`~skcrit.NewtonMRFinder`.
    step_size, sufficient_decrease, backtrack, max_backtracks
        As in :func:`~skcrit.solvers.line_search.armijo`.

    Notes
    -----
    An iteration costs at most ``max_inner_iter + 4`` products, one gradient per length
    tried and one at the new point. The products of a multilayer network with at most
    ``max_inner_iter`` parameters are those of its Hessian, which is formed once for a
    step and counts as a product for each parameter.

    ``balance`` and a ``window`` above 1 are not part of the published method. The loss
    of a linear network does not change when one layer is scaled up and the next one
    down, but its gradient does. Along such valleys the gradient norm falls although no
    critical point is near, and steps reduce it by scaling. Moving to the rescaled point
    prevents this.

    References
    ----------
    .. [1] F. Roosta, Y. Liu, P. Xu and M. W. Mahoney. "Newton-MR: inexact Newton method
       with minimum residual sub-problem solver". arXiv:1810.00303, 2018.
    .. [2] S. C. Eisenstat and H. F. Walker. "Choosing the forcing terms in an inexact
       Newton method". SIAM J. Sci. Comput. 17(1), 1996, doi:10.1137/0917003. Choice 2.
    """

    columns = ("inner_status",)

    def __init__(
        self,
        *,
        tol: float | str = "auto",
        max_iter: int = 500,
        store_history: bool | Sequence[str] = False,
        inner_tol: float | str = 0.1,
        max_inner_iter: int = 50,
        max_step: float | None = None,
        regularization: float = 0.0,
        balance: bool = True,
        window: int = 5,
        step_size: float = 1.0,
        sufficient_decrease: float = 1e-4,
        backtrack: float = 0.5,
        max_backtracks: int = 30,
    ) -> None:
        super().__init__(tol=tol, max_iter=max_iter, store_history=store_history)
        self.inner_tol = inner_tol
        self.max_inner_iter = max_inner_iter
        self.max_step = max_step
        self.regularization = regularization
        self.balance = balance
        self.window = window
        self.line_search = {
            "step_size": step_size,
            "sufficient_decrease": sufficient_decrease,
            "backtrack": backtrack,
            "max_backtracks": max_backtracks,
        }

    def setup(self, loss: Loss, theta0: FloatArray) -> State:  # noqa: D102 (documented in Solver)
        state = super().setup(loss, theta0)
        n = len(state.rows)
        # Nothing is below -inf: entries that stand for no iterate.
        none = np.full((n, self.window), -np.inf)
        carry = {"reference": none, "inner_status": np.full(n, -1)}
        if self.inner_tol == "adaptive":
            carry |= {
                "inner_tol": np.full(n, np.nan),
                "last_squared": np.full(n, np.nan),
            }
        if not self.balance:
            return replace(state, carry=carry)
        theta = rescaled(loss, state.local.theta)
        return replace(state, local=loss.at(theta), carry=carry)

    def step(self, loss: Loss, state: State) -> State:  # noqa: D102
        local, squared = state.local, squared_norm(state.local.gradient)
        products, take, cost = self._products(loss, local)
        carry, rtol = self._inner_tols(loss, state, squared)
        rays = Rays(local)
        system = minres_qlp(
            rays.across(products),
            -local.gradient,
            shift=-self.regularization,
            rtol=rtol,
            max_iter=self.max_inner_iter,
            refine=False,
            take=lambda rows: rays.across(take(rows), rows),
        )
        p, shrink = self._bounded(system.x)
        reference = push_reference(state.carry["reference"], squared, self.window)
        # H p = -(g + r + regularization p): the slope 2 g^T H p needs no more products.
        xp = array_namespace(system.residual)
        rest = system.residual + self.regularization * system.x
        overlap = xp.sum(local.gradient * rest, axis=-1)
        search = armijo(
            loss,
            local.theta,
            p,
            reference=np.max(reference, axis=1),
            slope=-2 * (squared + to_host(overlap)) * shrink,
            **self.line_search,
        )
        stuck = search.step_size == 0
        theta = rays.brought_back(search.theta)
        carry |= {"reference": reference, "inner_status": to_host(system.status)}
        spent = rays.n_hvp + (to_host(system.n_matvec) if cost is None else cost)
        return replace(
            state,
            local=loss.at(self._balanced(loss, theta, stuck)),
            carry=carry,
            stuck=stuck,
            n_hvp=state.n_hvp + spent,
            n_gradient=state.n_gradient + search.n_gradient + 1,
        )

    def _inner_tols(self, loss: Loss, state: State, squared: FloatArray) -> Any:
        """Return what is carried of the tolerances of the solves, and these."""
        if self.inner_tol != "adaptive":
            return {}, self.inner_tol
        terms = state.carry["last_squared"], state.carry["inner_tol"]
        tols = forcing_terms(squared, *terms)
        return {"inner_tol": tols, "last_squared": squared}, loss.asarray(tols)

    def _products(self, loss: Loss, local: Any) -> tuple[Any, Any, Any]:
        """Return the products, those of some rows, and their cost if it is fixed."""
        n_params = local.theta.shape[-1]
        if not local.forms_cheaply or n_params > self.max_inner_iter:
            return (
                local.hvp,
                lambda rows: local.take(rows).hvp,
                None,
            )
        # So few columns cost less than the products of a step one after the other.
        hessian = local.hessian()

        def of(matrices: Array) -> Any:
            return lambda v: (matrices @ v[..., None])[..., 0]

        return of(hessian), lambda rows: of(take_rows(hessian, rows)), n_params

    def _bounded(self, p: Array) -> Any:
        """Shorten steps to the bound, and say by which factors."""
        xp = array_namespace(p)
        if self.max_step is None:
            return p, 1.0
        size = xp.sqrt(xp.sum(p * p, axis=-1))
        bound = self.max_step / xp.where(size > self.max_step, size, self.max_step)
        return p * bound[:, None], to_host(bound)

    def _balanced(self, loss: Loss, theta: Any, stuck: BoolArray) -> Array:
        """Move to the rescaled points, but leave what is stuck where it is."""
        if not self.balance:
            return theta
        xp = array_namespace(theta)
        stay = loss.asarray(stuck) > 0
        return xp.where(stay[:, None], theta, rescaled(loss, theta))
