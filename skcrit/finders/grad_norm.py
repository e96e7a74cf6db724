"""The gradient-norm minimisation finder."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from skcrit.finders._doc import N_FALLBACK, documented
from skcrit.finders.base import BaseFinder
from skcrit.solvers import GradNormDescent, GradNormLBFGS, GradNormLM, GradNormWolfe
from skcrit.utils._validation import Interval, StrOptions

_MINIMIZERS = {
    "gd": GradNormDescent,
    "momentum": GradNormDescent,
    "btls": GradNormWolfe,
    "l-bfgs": GradNormLBFGS,
    "lm": GradNormLM,
}


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class GradNormFinder(BaseFinder):
    r"""Find critical points by minimising half the squared gradient norm.

    :math:`g(\theta) = |\nabla f(\theta)|^2 / 2` is zero exactly at the critical points
    of f, whatever their index. Its gradient is the Hessian-vector product
    :math:`H \nabla f`. At the other minima of g the gradient of f lies in the kernel of
    the Hessian; searches that end there have the status GRADIENT_FLAT.

    Parameters
    ----------
    <parameters>
    minimizer : {"gd", "momentum", "btls", "l-bfgs", "lm"}, default="l-bfgs"
        "gd" is gradient descent with steps of fixed length, "momentum" the same with
        momentum, "btls" gradient descent with a line search for the weak Wolfe
        conditions, "l-bfgs" L-BFGS with a line search for the strong ones, and "lm"
        Levenberg-Marquardt, which is damped Gauss-Newton on g.
    balance : bool, default=True
        Whether an iterate moves to the rescaled point of its symmetry orbit if its
        squared norm exceeds that of the rescaled point by 5 %.
        ``balance=False, minimizer="btls"`` is the published method with a sound line
        search.
    learning_rate : float or "auto", default="auto"
        Length of the steps of "gd" and "momentum". "auto" is 0.4 over the squared
        curvature of the loss at the start: 0.1, as published, on data of covariance
        ``diag(1, ..., 16)``.
    momentum : float, default=0.9
        Fraction of the last step that "momentum" adds to the next.
    memory_size : int, default=20
        Number of steps that "l-bfgs" remembers.
    damping : float, default=1e-3
        First damping of "lm", relative to the squared spectral norm of the Hessian.
    linear_solver : {"auto", "dense", "krylov"}, default="auto"
        How "lm" solves for its steps: by the eigenvectors of the Hessian, or in the
        Krylov space of the gradient. "auto" is "dense" up to 64 parameters.
    max_inner_iter : int, default=50
        Dimension of the Krylov space of "lm".
    sufficient_decrease : float, default=1e-4
        First constant of the Wolfe conditions, for "btls" and "l-bfgs": the fraction of
        the predicted decrease that a step must achieve.
    curvature : float, default=0.9
        Second constant of the Wolfe conditions: the fraction of the initial slope along
        the step that may be left at its end.
    max_trials : int, default=60
        Largest number of step lengths, or of dampings, that are tried per iteration.
    <fallback>
        False is minimisation alone.

    Attributes
    ----------
    <attributes>

    See Also
    --------
    skcrit.losses.GradientNormLoss : The function that is minimised, as a loss.

    Notes
    -----
    Cost per iteration and start, in Hessian-vector products: "gd" and "momentum" 1,
    "btls" 1 and one for each length tried, "l-bfgs" one for each length tried, "lm"
    ``n_params`` (dense) or at most ``max_inner_iter`` (krylov). Each length or damping
    tried costs a gradient.

    The gradient norm can be lowered without coming closer to a critical point, by
    scaling one layer of a network up and the next one down. A minimiser of the gradient
    norm tends to do so; ``balance`` prevents it.

    Morse index, nullity, labels and status come from the loss alone, see
    :class:`NewtonMRFinder`.

    References
    ----------
    .. [1] J. W. McIver and A. Komornicki. "Structure of transition states in organic
       reactions". J. Am. Chem. Soc. 94, 1972, doi:10.1021/ja00763a011.
    .. [2] J. Pennington and Y. Bahri. "Geometry of neural network loss surfaces via
       random matrix theory". ICML 2017.
    .. [3] D. C. Liu and J. Nocedal. "On the limited memory BFGS method for large scale
       optimization". Mathematical Programming 45, 1989, doi:10.1007/BF01589116.
    .. [4] D. W. Marquardt. "An algorithm for least-squares estimation of nonlinear
       parameters". J. SIAM 11, 1963, doi:10.1137/0111030.

    Examples
    --------
    >>> from skcrit import GradNormFinder, LinearAutoencoderLoss
    >>> from skcrit.datasets import make_gaussian_spectrum
    >>> X = make_gaussian_spectrum(500, eigenvalues=[4, 2, 1], random_state=0)
    >>> loss = LinearAutoencoderLoss(hidden_layer_sizes=(2,))
    >>> finder = GradNormFinder(loss, minimizer="lm", n_starts=40, random_state=0)
    >>> finder.fit(X).score(X)
    1.0
    """

    _columns = {"n_fallback": N_FALLBACK}

    _parameter_constraints = {
        **BaseFinder._parameter_constraints,
        "minimizer": [StrOptions(set(_MINIMIZERS))],
        "balance": ["boolean"],
        "learning_rate": [
            StrOptions({"auto"}),
            Interval(Real, 0, None, closed="neither"),
        ],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "memory_size": [Interval(Integral, 1, None, closed="left")],
        "damping": [Interval(Real, 0, None, closed="neither")],
        "linear_solver": [StrOptions({"auto", "dense", "krylov"})],
        "max_inner_iter": [Interval(Integral, 1, None, closed="left")],
        "sufficient_decrease": [Interval(Real, 0, 1, closed="neither")],
        "curvature": [Interval(Real, 0, 1, closed="neither")],
        "max_trials": [Interval(Integral, 1, None, closed="left")],
        "fallback": ["boolean"],
    }

    max_iter: int = 2000
    minimizer: str = "l-bfgs"
    balance: bool = True
    learning_rate: float | str = "auto"
    momentum: float = 0.9
    memory_size: int = 20
    damping: float = 1e-3
    linear_solver: str = "auto"
    max_inner_iter: int = 50
    sufficient_decrease: float = 1e-4
    curvature: float = 0.9
    max_trials: int = 60
    fallback: bool = True

    def _make_solver(self) -> Any:
        if self.curvature <= self.sufficient_decrease:
            raise ValueError(
                "curvature must be above sufficient_decrease, or no step may meet the "
                f"Wolfe conditions; got curvature={self.curvature!r} and "
                f"sufficient_decrease={self.sufficient_decrease!r}."
            )
        own = {"momentum": 0.0} if self.minimizer == "gd" else {}
        return self._built(_MINIMIZERS[self.minimizer], **own)
