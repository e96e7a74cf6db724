"""Half the squared gradient norm of another loss."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any, Self

from skcrit._backend import array_namespace, device
from skcrit._typing import Array, ArrayLike
from skcrit.losses.adapt import check_methods, fitted_loss
from skcrit.losses.base import LocalModel, Loss, ModelledLoss
from skcrit.losses.linear_autoencoder import LinearAutoencoderLoss
from skcrit.utils._validation import HasMethods, check_params

_METHODS = ("at", "fit", "gradient", "hvp", "value")

# Weights of the central difference of fourth order, by the number of steps.
_STENCIL = {1: 8 / 12, -1: -8 / 12, 2: -1 / 12, -2: 1 / 12}


class GradientNormLoss(ModelledLoss):
    r"""Turn half the squared gradient norm of a loss into a loss of its own.

    With the gradient and the Hessian ``H`` of another loss f, it has

    .. math::
        g(\theta) = \tfrac{1}{2} |\nabla f(\theta)|^2, \quad
        \nabla g = H \nabla f, \quad
        \nabla^2 g\, v = H H v + D^3 f[\nabla f, v, \cdot\,].

    All critical points of f are minima of g with the value zero. Critical points of g
    with a positive value are gradient-flat points of f: its gradient lies in the kernel
    of its Hessian. Searches that minimise the gradient norm get stuck at such a point
    if it is a minimum of g. The unit of g is that of f squared over that of ``theta``
    squared.

    Parameters
    ----------
    loss : Loss, default=None
        Loss f. It is cloned and fitted to the data. None is
        ``LinearAutoencoderLoss()``.

    Attributes
    ----------
    loss_ : Loss
        The fitted loss f; it determines ``backend`` and ``dtype``.
    n_params_ : int
        Length of ``theta``.
    n_features_in_ : int
        Number of features, if f has data.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the features, if f has seen them.

    Notes
    -----
    A gradient costs one gradient of f and one Hessian-vector product. A product costs
    two products of f and one call of ``third_derivative(theta, u, v)``, if the loss has
    this method (:meth:`LinearAutoencoderLoss.third_derivative
    <skcrit.losses.LinearAutoencoderLoss.third_derivative>`); the dense Hessian costs
    one Hessian of f and ``n_params_`` contractions. Without the method the term is a
    five-point difference along the gradient, of four more products or Hessians. Its
    step is ``eps ** (1/5)`` times one plus the size of the parameters that the gradient
    moves. The error, relative to ``|H| |grad f| |v|``, is about ``eps ** (4/5)``, or
    ``eps ** (7/15)`` if products are differences themselves.

    For this loss the ``tol`` of a finder bounds ``|H grad f|^2``, which is also small
    near points at which H is singular. To distinguish a small value of g from zero,
    ``tol`` must be strict.

    A symmetry of f is a symmetry of g only if it keeps lengths: the gradient norm of a
    linear network changes when one layer is scaled up and the next one down. Therefore
    ``rescale`` and ``invariants`` are the defaults, which do not change points, and
    every point that a finder reports is a critical set of its own unless it was found
    twice.

    References
    ----------
    .. [1] J. W. McIver and A. Komornicki. "Structure of transition states in organic
       reactions. General theory and an application to the cyclobutene-butadiene
       isomerization using a semiempirical molecular orbital method". J. Am. Chem. Soc.
       94(8), 1972, doi:10.1021/ja00763a011. Origin of the search for saddles by
       minimising the gradient norm.

    Examples
    --------
    ``x ** 3 / 3 + x`` has no critical point, but its gradient norm has a minimum.

    >>> from skcrit.losses import FunctionLoss, GradientNormLoss
    >>> cubic = FunctionLoss(
    ...     value=lambda t: (t**3 / 3 + t)[..., 0],
    ...     gradient=lambda t: t**2 + 1,
    ...     hvp=lambda t, v: 2 * t * v,
    ...     n_params=1,
    ... )
    >>> flat = GradientNormLoss(cubic).fit().at([0.0])
    >>> float(flat.value), flat.gradient, flat.hessian().round(9)
    (0.5, array([0.]), array([[2.]]))
    """

    _parameter_constraints = {"loss": [HasMethods(list(_METHODS)), None]}

    def __init__(self, loss: Loss | None = None) -> None:
        self.loss = loss

    @property
    def backend(self) -> str:  # type: ignore[override]
        """Array library that computes: that of f."""
        return getattr(getattr(self, "loss_", self.loss), "backend", "numpy")

    @property
    def dtype(self) -> str:  # type: ignore[override]
        """Floating type of all computations: that of f."""
        return getattr(getattr(self, "loss_", self.loss), "dtype", "float64")

    def fit(self, X: ArrayLike | Loss | None = None, y: Any = None) -> Self:
        """Fit the loss whose gradient norm is taken.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or fitted Loss
            Data to fit the loss to, or a loss to use as it is; then the parameter
            ``loss`` is not used. None if the loss needs no data.
        y : array-like, default=None
            Targets, passed to the fit of the loss.

        Returns
        -------
        self : GradientNormLoss
            The fitted loss.

        Raises
        ------
        NotFittedError
            If ``X`` is a loss that is not fitted.
        ValueError
            If ``loss``, or ``X`` if it is a loss, lacks a method, or the loss cannot
            be fitted to ``X``.
        """
        check_params(self)
        loss = LinearAutoencoderLoss() if self.loss is None else self.loss
        self.loss_ = fitted_loss(loss, X, y)
        # f is asked for more than searches need.
        check_methods(self.loss_, "X" if self.loss_ is X else "loss", _METHODS)
        self.n_params_ = self.loss_.n_params_
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)  # of an earlier fit
            if hasattr(self.loss_, name):
                setattr(self, name, getattr(self.loss_, name))
        return self

    def at(self, theta: Array) -> LocalModel:  # noqa: D102 (documented in Loss)
        return _GradientNormModel(self, self._as_points(theta))


class _GradientNormModel(LocalModel):
    """Local model that shares the one of f, its gradient, and H times that."""

    def __init__(self, loss: Any, theta: Array) -> None:
        super().__init__(loss, theta)
        self.inner = loss.loss_.at(theta)

    @cached_property
    def inner_gradient(self) -> Array:
        # Brought to one memory layout, by which sums are the same in every batch.
        return self.loss._as_points(self.inner.gradient, "gradient")

    @cached_property
    def value(self) -> Any:
        xp = array_namespace(self.theta)
        return xp.sum(self.inner_gradient**2, axis=-1) / 2

    @cached_property
    def gradient(self) -> Array:
        return self.inner.hvp(self.inner_gradient)

    def hvp(self, v: Array) -> Array:
        v = self.loss._as_directions(v, self.theta)
        product = self.inner.hvp(self.inner.hvp(v))
        third = self._third_derivative(self.inner, self.theta)
        if third is not None:
            return product + third(self.inner_gradient, v)
        models, factor = self._moved
        return product + factor * _difference(m.hvp(v) for m in models)

    def hessian(self) -> Array:
        xp, theta = array_namespace(self.theta), self.theta
        hessian = self.inner.hessian()
        product = hessian @ hessian
        if self._third_derivative(self.inner, theta) is not None:
            rows = theta[..., None, :]
            third = self._third_derivative(self.loss.loss_.at(rows), rows)
            identity = xp.eye(theta.shape[-1], dtype=theta.dtype, device=device(theta))
            product = product + third(self.inner_gradient[..., None, :], identity)
        else:
            models, factor = self._moved
            difference = _difference(m.hessian() for m in models)
            product = product + factor[..., None] * difference
        return (product + xp.matrix_transpose(product)) / 2

    def _third_derivative(self, inner: Any, theta: Array) -> Any:
        # The contraction D^3 f [u, v, .] at the points of inner, if f has one.
        loss = self.loss.loss_
        if hasattr(inner, "third_derivative"):
            return inner.third_derivative
        if hasattr(loss, "third_derivative"):
            return partial(loss.third_derivative, theta)
        return None

    @cached_property
    def _moved(self) -> tuple[list[Any], Array]:
        # Local models of f at the nodes of the stencil, and the factor before its sum.
        xp, theta, u = array_namespace(self.theta), self.theta, self.inner_gradient
        # With entries of at most one, the squares below neither over- nor underflow.
        scale = xp.max(xp.abs(u), axis=-1, keepdims=True)
        one = xp.ones_like(scale)
        u = u / xp.where(scale == 0, one, scale)
        # As in FunctionLoss, the size that counts is that of the parameters that move.
        size = xp.sum((u * (1 + xp.abs(theta))) ** 2, axis=-1, keepdims=True) ** 0.5
        square = xp.sum(u * u, axis=-1, keepdims=True)
        # The step balances the rounding of the products against the stencil's error.
        step = float(xp.finfo(theta.dtype).eps) ** 0.2 * size
        step = xp.where(scale == 0, one, step / xp.where(scale == 0, one, square))
        models = [self.loss.loss_.at(theta + k * step * u) for k in _STENCIL]
        return models, scale / step


def _difference(results: Iterator[Any]) -> Array:
    # Sum over the stencil. It does not depend on the direction that a product is taken
    # with, so that differences of products stay linear and symmetric.
    terms = zip(_STENCIL.values(), results, strict=True)
    ahead, behind, far_ahead, far_behind = (weight * result for weight, result in terms)
    return (ahead + behind) + (far_ahead + far_behind)
