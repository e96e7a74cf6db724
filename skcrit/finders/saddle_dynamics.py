"""The saddle dynamics finder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from skcrit._typing import (
    ArrayLike,
    Distribution,
    FloatArray,
)
from skcrit.finders._doc import N_FALLBACK, documented
from skcrit.finders.base import BaseFinder
from skcrit.losses.base import Loss
from skcrit.solvers import SaddleDynamics
from skcrit.starts import random_streams
from skcrit.utils._arguments import as_numbers, shown
from skcrit.utils._validation import HasMethods, Interval, StrOptions


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class SaddleDynamicsFinder(BaseFinder):
    r"""Find saddles of chosen Morse index by index-k saddle dynamics.

    Each iteration follows the gradient upwards along the k lowest eigenvectors of the
    Hessian and downwards along the others, each direction scaled by its eigenvalue. It
    is attracted by critical points of index k; near one it is Newton's method. A search
    that comes near a point of a higher index leaves it by a longest step downwards, at
    most three times.

    Parameters
    ----------
    <parameters>
    index : {"uniform", "natural"}, int, array-like or distribution, default="uniform"
        Index k of each search. "uniform" draws it from 0 to the number of negative
        eigenvalues of the Hessian at the start; "natural" gives every direction the
        sign of its eigenvalue, so that points of any index attract; an array of shape
        (n_starts,) has an index for each start; a distribution is an object with
        ``rvs(size, random_state)``, such as those of ``scipy.stats``. If an int, an
        array or a distribution was given, a warning counts the searches that end at
        another index.
    floor : float, default=1e-2
        Smallest eigenvalue by which a direction is scaled, relative to the largest. It
        shrinks with the gradient, so that convergence is quadratic.
    max_step : float or "auto", default="auto"
        Largest norm of a step, absolute, in the unit of ``theta``. "auto" is half of
        the ``length_scale()`` of the loss, in which each parameter is measured, and
        more while the gradient is what the Hessian predicts and no point is rescaled;
        for linear autoencoders the length is one.
    balance : bool, default=True
        Whether to move each iterate to the rescaled point of its symmetry orbit.
    eigensolver : {"auto", "dense", "lobpcg"}, default="auto"
        "dense" uses all eigenvectors of the Hessian. "lobpcg" needs products only: it
        uses the k lowest eigenvectors, by LOBPCG, and the Krylov space of the gradient,
        unless ``3 (k + 2)`` exceeds the number of parameters; then it is "dense".
        "auto" is "dense" up to 256 parameters, and beyond that if k exceeds
        ``(n_params / 200)^2``, the measured crossover.
    max_inner_iter : int, default=100
        Dimension of the Krylov space.
    <fallback>
        The index that was asked for is kept.
    skip_symmetries : bool, default=False
        Whether tangents of the declared symmetries of the loss are left out when the k
        upward directions are chosen. With True a search can climb out of the minimum of
        a molecule, which can be moved and turned. Near a point to which a symmetry
        orbit shrinks, such as the origin of a network, its tangents are not left out:
        the loss may fall along them. If all eigenvectors are used (see
        ``eigensolver``), undeclared directions of eigenvalue zero are left out too.
    momentum : float, default=0.0
        Share of the last step that is added to each step, in [0, 1) (heavy ball). A
        step opposite to the last one starts without it. Momentum helps if steps are
        cheap, with a small ``max_inner_iter``; steps of Newton's length do not need it.
    nesterovs_momentum : bool, default=False
        Whether the gradient is taken at the point to which the momentum leads.
    precondition : bool, default=False
        Whether each parameter is measured in the square root of its entry of the loss's
        ``preconditioner(theta)``. Indices do not depend on these units.

    Attributes
    ----------
    <attributes>

    See Also
    --------
    LandscapeExplorer : Search from critical point to critical point.

    Notes
    -----
    An iteration costs one gradient, and ``n_params`` Hessian-vector products ("dense":
    a Hessian) or those of LOBPCG, ``max_inner_iter`` and ``k + 2`` ("lobpcg").
    "uniform" counts the negative eigenvalues at the start with a dense Hessian up to
    1024 parameters; beyond that, and with "lobpcg", it counts the Ritz values of the
    gradient's Krylov space, at most ``max_inner_iter``.

    The method has no line search on the gradient norm and therefore cannot get stuck at
    points whose gradient lies in the kernel of the Hessian. From starts near the origin
    with "uniform" indices it is a nearly unbiased sampler of eigenvectors.

    Morse index, nullity, labels and status come from the loss alone, see
    :class:`NewtonMRFinder`.

    References
    ----------
    .. [1] J. Yin, L. Zhang and P. Zhang. "High-index optimization-based shrinking dimer
       method for finding high-index saddle points". SIAM J. Sci. Comput. 41(6), 2019.
    .. [2] C. J. Cerjan and W. H. Miller. "On finding transition states". J. Chem. Phys.
       75, 1981, doi:10.1063/1.442352.

    Examples
    --------
    >>> from skcrit import LinearAutoencoderLoss, SaddleDynamicsFinder
    >>> from skcrit.datasets import make_gaussian_spectrum
    >>> X = make_gaussian_spectrum(500, eigenvalues=[4, 2, 1], random_state=0)
    >>> loss = LinearAutoencoderLoss(hidden_layer_sizes=(2,))
    >>> finder = SaddleDynamicsFinder(loss, n_starts=40, random_state=0).fit(X)
    >>> finder.score(X), finder.n_critical_sets_
    (1.0, 7)
    """

    _columns = {
        "index_asked": 'index k of the search; -1 with ``index="natural"``',
        "n_departures": "how often it left a critical point of a higher index",
        "n_fallback": N_FALLBACK,
    }

    _parameter_constraints = {
        **BaseFinder._parameter_constraints,
        "index": [
            StrOptions({"uniform", "natural"}),
            Interval(Integral, 0, None, closed="left"),
            "array-like",
            HasMethods("rvs"),
        ],
        "floor": [Interval(Real, 0, 1, closed="neither")],
        "max_step": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "balance": ["boolean"],
        "eigensolver": [StrOptions({"auto", "dense", "lobpcg"})],
        "max_inner_iter": [Interval(Integral, 1, None, closed="left")],
        "fallback": ["boolean"],
        "skip_symmetries": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterovs_momentum": ["boolean"],
        "precondition": ["boolean"],
    }

    index: str | int | ArrayLike | Distribution = "uniform"
    floor: float = 1e-2
    max_step: float | str = "auto"
    balance: bool = True
    eigensolver: str = "auto"
    max_inner_iter: int = 100
    fallback: bool = True
    skip_symmetries: bool = False
    momentum: float = 0.0
    nesterovs_momentum: bool = False
    precondition: bool = False

    def _begin(self, X: Loss, y: Any = None) -> tuple[Any, FloatArray]:
        solver, starts = super()._begin(X, y)
        method = solver.solver if self.fallback else solver
        asked = [] if isinstance(self.index, str) else method.index
        if np.max(asked, initial=0) > self.n_params_:
            raise ValueError(
                f"index must be at most the number of parameters, {self.n_params_}, "
                f"got {np.max(asked)}."
            )
        return solver, starts

    def _complaints(self) -> Iterator[str]:
        yield from super()._complaints()
        asked, found = (self.results_[key] for key in ("index_asked", "morse_index"))
        other = self.converged_ & (found >= 0) & (found != asked)
        # "uniform" proposes indices, and "natural" has none: they ask for nothing.
        if not isinstance(self.index, str) and np.any(other):
            yield (
                f"{np.sum(other)} of {len(asked)} searches ended at a critical point "
                "of another Morse index than was asked for: compare "
                'results_["index_asked"] and results_["morse_index"]. Either they '
                "began at such a point, or directions without curvature took the place "
                "of some that lead upwards, which skip_symmetries=True prevents"
            )

    def _make_solver(self) -> Any:
        return self._built(SaddleDynamics, **self._indices())

    def _indices(self) -> dict[str, Any]:
        """Choose the index of each start, or how it depends on the start."""
        if isinstance(self.index, str) and self.index == "natural":
            return {"index": "natural"}
        streams = random_streams(self.random_state, self.n_starts, kind=2)
        if isinstance(self.index, str):
            quantile = np.array([stream.random() for stream in streams])
            return {"index": "natural", "quantile": quantile}
        if hasattr(self.index, "rvs"):
            law: Any = self.index
            draws = [law.rvs(size=1, random_state=rng)[0] for rng in streams]
            return {"index": self._check_indices(draws)}
        if isinstance(self.index, Integral):
            return {"index": self._check_indices([self.index] * self.n_starts)}
        return {"index": self._check_indices(self.index)}

    def _check_indices(self, values: Any) -> Any:
        """Return indices as an array with an entry per start."""
        try:
            index = as_numbers(values, "index")
        except ValueError:
            index = np.empty(0)
        # Beyond any number of parameters conversion to int would overflow.
        inside = np.all((index >= 0) & (index < 2**31))
        whole = inside and np.all(index == np.round(index))
        if index.shape != (self.n_starts,) or not whole:
            raise ValueError(
                'index must be "uniform", "natural", a non-negative int, an array of '
                f"them of shape (n_starts,) = ({self.n_starts},), or a distribution of "
                f"them, got {shown(self.index)}."
            )
        return index.astype(int)
