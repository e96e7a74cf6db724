"""The Newton-TR finder."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from skcrit._typing import ArrayLike
from skcrit.finders._doc import N_FALLBACK, documented
from skcrit.finders.base import BaseFinder
from skcrit.solvers import NewtonTR
from skcrit.utils._arguments import check_array
from skcrit.utils._validation import Interval, StrOptions


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class NewtonTRFinder(BaseFinder):
    r"""Find critical points by damped Newton steps from many starts.

    Each iteration solves :math:`(H + \gamma I) p = -g` for a ladder of shifts
    :math:`\gamma`; ``g`` and ``H`` are the gradient and the Hessian of the loss. Of the
    resulting points it takes the one with the smallest gradient norm, if that norm is
    smaller than the present one; otherwise the search ends.

    Parameters
    ----------
    <parameters>
    gammas : array-like of float or "auto", default="auto"
        Shifts, absolute, in the unit of the Hessian; negative ones are allowed. "auto"
        is ``50, 5, ..., 5e-8`` times the curvature of the loss at the start, the
        published ladder ``1e2, 1e1, ..., 1e-7`` on data of covariance ``diag(1, ...,
        16)``.
    step_size : float, default=1.0
        Fraction of each step that is taken.
    linear_solver : {"auto", "dense", "krylov"}, default="auto"
        "dense" uses the eigenvectors of the Hessian, "krylov" the Krylov space of the
        gradient, in which the solution for each shift is that of MINRES-QLP. Both are
        computed once for the whole ladder. "auto" is "dense" up to 256 parameters.
    max_inner_iter : int, default=50
        Dimension of the Krylov space.
    <fallback>
        False is the published method.

    Attributes
    ----------
    <attributes>

    See Also
    --------
    NewtonMRFinder : Minimum-residual Newton steps with a line search.

    Notes
    -----
    An iteration costs ``n_params`` ("dense": a Hessian) or at most ``max_inner_iter``
    ("krylov") Hessian-vector products per start, and one gradient for each shift and
    one at the new point.

    Positive shifts turn steps into descent on the loss. On linear networks almost all
    searches that converge without ``fallback`` therefore end in the global minimum.
    Beside a saddle the gradient grows on the way down, so that possibly no candidate
    lowers its norm. The search then falls back and ends at a critical point of another
    index. For minima :class:`SaddleDynamicsFinder` with ``index=0`` is more reliable.
    The pages on the paper and on choosing a finder have numbers.

    Morse index, nullity, labels and status come from the loss alone, see
    :class:`NewtonMRFinder`.

    References
    ----------
    .. [1] Y. Dauphin, R. Pascanu, C. Gulcehre, K. Cho, S. Ganguli and Y. Bengio.
       "Identifying and attacking the saddle point problem in high-dimensional
       non-convex optimization". arXiv:1406.2572, 2014.

    Examples
    --------
    >>> from skcrit import LinearAutoencoderLoss, NewtonTRFinder
    >>> from skcrit.datasets import make_gaussian_spectrum
    >>> X = make_gaussian_spectrum(500, eigenvalues=[4, 2, 1], random_state=0)
    >>> loss = LinearAutoencoderLoss(hidden_layer_sizes=(2,))
    >>> finder = NewtonTRFinder(loss, n_starts=40, random_state=0).fit(X)
    >>> finder.score(X)
    1.0
    """

    _columns = {"n_fallback": N_FALLBACK}

    _parameter_constraints = {
        **BaseFinder._parameter_constraints,
        "gammas": [StrOptions({"auto"}), "array-like"],
        "step_size": [Interval(Real, 0, None, closed="neither")],
        "linear_solver": [StrOptions({"auto", "dense", "krylov"})],
        "max_inner_iter": [Interval(Integral, 1, None, closed="left")],
        "fallback": ["boolean"],
    }

    gammas: ArrayLike = "auto"
    step_size: float = 1.0
    linear_solver: str = "auto"
    max_inner_iter: int = 50
    fallback: bool = True

    def _make_solver(self) -> Any:
        gammas: Any = self.gammas
        if not isinstance(gammas, str):
            gammas = check_array(
                gammas,
                "gammas",
                '"auto" or a non-empty sequence of finite numbers',
                lambda a: a.ndim == 1 and a.size and np.all(np.isfinite(a)),
            )
        return self._built(NewtonTR, gammas=gammas)
