"""The training loss of a multilayer perceptron."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import prod
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.base import TransformerMixin

from skcrit._backend import BACKENDS, array_namespace, to_host
from skcrit._typing import Array, ArrayLike, FloatArray
from skcrit.losses._activations import ACTIVATIONS
from skcrit.losses._mlp_layout import NetworkLayout
from skcrit.losses._mlp_model import MLPModel, sample_blocks
from skcrit.losses._mlp_targets import Targets
from skcrit.losses._output_losses import OUTPUT_LOSSES
from skcrit.losses.base import Loss
from skcrit.losses.layers import Sweep
from skcrit.utils._validation import (
    Interval,
    StrOptions,
    check_hidden_layer_sizes,
    check_params,
    validate_data,
)

__all__ = ["MLPLoss"]


class MLPLoss(NetworkLayout, TransformerMixin, Loss):
    r"""Train a multilayer perceptron: the objective of scikit-learn's, with products.

    With the outputs :math:`z(x; \theta)` of the network, n samples and q outputs,

    .. math::
        f(\theta) = \frac{1}{n} \sum_{i=1}^n \ell(z(x_i; \theta), y_i)
        + \frac{\alpha}{2 n} \sum_l |W_l|_F^2,

    where :math:`\ell` is half the squared error summed over outputs,
    :math:`\tfrac{1}{2} |z - y|^2`, or the log-loss of the softmax of z (of the logistic
    function of z for two classes, and for several binary labels per sample, summed over
    them). Gradients are exactly those of ``MLPRegressor`` and ``MLPClassifier``, and
    so is the value (see the notes for several outputs).

    ``theta`` stacks the units, layer by layer: the weights of a unit, one for each unit
    before it, and then its intercept. So layer l is the row-major matrix
    ``(W_l, b_l)`` of shape (n_out, n_in + 1); without intercepts it is ``W_l``, as in
    :class:`LinearAutoencoderLoss`.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(10,)
        Widths of the hidden layers.
    activation : {"identity", "tanh", "logistic", "softplus", "silu", "erf", "relu"}, \
            default="tanh"
        Activation of the hidden units. "silu" is z times the logistic function of z,
        also known as swish.
    loss : {"squared_error", "log_loss"}, default="squared_error"
        Loss per sample.
    alpha : float, default=0.0
        Weight of the L2 penalty. As in scikit-learn it is divided by twice the number
        of samples.
    fit_intercept : bool, default=True
        Whether units have intercepts. scikit-learn's always have.
    penalize_intercept : bool, default=False
        Whether the penalty acts on intercepts too. scikit-learn's does not.
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes. "array_api_strict" is slow and meant for tests.
    dtype : {"float64", "float32"}, default="float64"
        Floating type of all computations.

    Attributes
    ----------
    n_params_ : int
        Length of ``theta``.
    n_features_in_ : int
        Number of features.
    n_outputs_ : int
        Number of outputs q.
    n_samples_seen_ : int
        Number of samples n.
    classes_ : ndarray of shape (n_classes,)
        Labels, only for ``loss="log_loss"``.

    Warns
    -----
    UserWarning
        At fit, for ``activation="relu"``: its gradient jumps.

    See Also
    --------
    LinearAutoencoderLoss : Linear networks, with all critical points in closed form.

    Notes
    -----
    For q > 1 numerical targets scikit-learn's ``loss_`` counts the mean over outputs of
    the squared error and its gradient the sum, up to version 1.9 at least (its issue
    8349): the value here is the one that its gradient belongs to, and its user guide
    states. Its log-loss clips probabilities to [eps, 1 - eps]; here nothing is clipped.

    With the identity as activation, no intercepts and y=None, the loss is d / 2 times
    that of ``LinearAutoencoderLoss(center=False)`` with d features and an ``alpha``
    smaller by the factor 1 / (n d).

    A Hessian-vector product costs about 2.5 gradients, and 2 in a local model
    (:meth:`at`), which keeps one forward and backward sweep if it fits into 128 MiB (1
    GiB on a device). Samples are taken in blocks that stay in the cache.

    References
    ----------
    .. [1] B. A. Pearlmutter. "Fast exact multiplication by the Hessian". Neural
       Computation 6(1), 147-160, 1994, doi:10.1162/neco.1994.6.1.147.
    .. [2] X. Glorot and Y. Bengio. "Understanding the difficulty of training deep
       feedforward neural networks". AISTATS 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from skcrit.losses import MLPLoss
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), [0.0, 1.0, 0.0]
    >>> loss = MLPLoss((2,), alpha=0.1).fit(X, y)
    >>> loss.n_params_
    7
    >>> loss.gradient(np.zeros(7)).round(3)
    array([ 0.   ,  0.   ,  0.   ,  0.   ,  0.   ,  0.   , -0.333])
    """

    _parameter_constraints = {
        "hidden_layer_sizes": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
        ],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "loss": [StrOptions({"squared_error", "log_loss"})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "penalize_intercept": ["boolean"],
        "backend": [StrOptions(set(BACKENDS))],
        "dtype": [StrOptions({"float64", "float32"})],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (10,),
        activation: str = "tanh",
        *,
        loss: str = "squared_error",
        alpha: float = 0.0,
        fit_intercept: bool = True,
        penalize_intercept: bool = False,
        backend: str = "numpy",
        dtype: str = "float64",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.penalize_intercept = penalize_intercept
        self.backend = backend
        self.dtype = dtype

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Keep the data, in blocks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Numbers for the squared error; labels for the log-loss, or an indicator
            matrix of several binary labels. None compares the outputs with the data
            themselves, as an autoencoder does.

        Returns
        -------
        self : MLPLoss
            The fitted loss.

        Raises
        ------
        ValueError
            If a parameter is out of its range, ``X`` is not a finite two-dimensional
            array, ``y`` does not fit it or is missing where labels are needed, or the
            numbers are so large or small that squared gradients leave the range of
            ``dtype``: entries of about 1e-69 to 1e69 in float64, 1e-6 to 1e6 in
            float32.
        """
        check_params(self)
        sizes = check_hidden_layer_sizes(self.hidden_layer_sizes)
        X = validate_data(self, X, dtype=np.float64)
        self._targets = Targets(self.loss, X, y)
        Y = self._targets.values
        check_range("X", X, self.dtype)
        if self._targets.kind == "squared_error":
            check_range("y", Y, self.dtype, small=True)
        self.n_samples_seen_, self.n_outputs_ = len(X), Y.shape[1]
        self.__dict__.pop("classes_", None)  # of an earlier fit
        if self._targets.binarizer is not None:
            self.classes_ = self._targets.binarizer.classes_
        if not ACTIVATIONS[self.activation].smooth:
            warnings.warn(
                f"activation={self.activation!r} is not smooth: its gradient jumps, "
                "Hessians miss what happens there, and minima may lie at points "
                "without a gradient. 'softplus' and 'silu' are smooth.",
                UserWarning,
                stacklevel=2,
            )
        self._X = X
        self._widths = (X.shape[1], *sizes, Y.shape[1])
        n_ones = int(self.fit_intercept)
        self._shapes = [
            (n_out, n_in + n_ones)
            for n_in, n_out in zip(self._widths[:-1], self._widths[1:], strict=True)
        ]
        self.n_params_ = sum(map(prod, self._shapes))
        self._prepare_device()
        return self

    def _prepare_device(self):
        # Put the data where the computations run.
        self._blocks = self._cut(self._X, self._targets.values)
        self._decay = None
        if self.alpha > 0:
            masks = [np.ones(shape) for shape in self._shapes]
            for mask in masks:
                if self.fit_intercept and not self.penalize_intercept:
                    mask[:, -1] = 0
            decay = np.concatenate([mask.ravel() for mask in masks])
            self._decay = self.asarray(decay * (self.alpha / self.n_samples_seen_))

    def _cut(self, X, Y):
        # Blocks of samples, in columns, with their targets.
        if self.fit_intercept:
            X = np.column_stack([X, np.ones(len(X))])
        blocks = sample_blocks(len(X), max(self._widths[1:]), self.backend == "numpy")
        return [
            tuple(self.asarray(np.ascontiguousarray(A[rows].T)) for A in (X, Y))
            for rows in blocks
        ]

    def __getstate__(self):
        # The blocks are copies of the data, made again where the loss is loaded.
        state = super().__getstate__()
        return {k: v for k, v in state.items() if k not in ("_blocks", "_decay")}

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "_shapes"):
            self._prepare_device()

    def _sweep(self, weights, inputs, targets):
        # Sweep over a block of samples.
        activation = ACTIVATIONS[self.activation]
        output = OUTPUT_LOSSES[self._targets.kind]
        return Sweep(weights, inputs, targets, activation, output)

    def value(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        return self._once(theta).value

    def gradient(self, theta: Array) -> Array:  # noqa: D102
        return self._once(theta).gradient

    def hvp(self, theta: Array, v: Array) -> Array:  # noqa: D102
        return self._once(theta).hvp(v)

    def hessian(self, theta: Array) -> Array:  # noqa: D102
        return self._once(theta).hessian()

    def at(self, theta: Array) -> MLPModel:  # noqa: D102
        return MLPModel(self, self._as_points(theta))

    def _once(self, theta):
        # A local model for one question.
        return MLPModel(self, self._as_points(theta), once=True)

    def third_derivative(self, theta: Array, u: Array, v: Array) -> Array:
        """Contract the third derivative with two directions.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.
        u, v : arrays of shape (..., n_params)
            Directions; leading axes broadcast against those of ``theta``.

        Returns
        -------
        contraction : array of shape (..., n_params)
            ``D^3 f(theta)[u, v, .]``.
        """
        return self._once(theta).third_derivative(u, v)

    def transform(
        self, X: ArrayLike, theta: Array | None = None, y: ArrayLike | None = None
    ) -> FloatArray:
        """Compute the loss of each sample under each point.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        theta : array of shape (n_points, n_params) or (n_params,), default=None
            Points; None is the origin, where all outputs are zero or, with the log-loss,
            all classes are equally likely.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets. None takes those that the samples had in ``fit``; a loss fitted
            without targets compares samples with themselves.

        Returns
        -------
        losses : ndarray of shape (n_samples, n_points)
            Loss per sample, without the penalty. On the data of ``fit`` its mean over
            samples is the loss without the penalty.

        Raises
        ------
        ValueError
            If ``X``, ``theta`` or ``y`` has the wrong shape, ``X`` is not finite, or
            targets are needed for samples that were not in the data of ``fit``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if y is None:
            Y = self._targets.look_up(X, self._X)
        else:
            Y = self._targets.of(X, y)
        theta = self._as_points(np.zeros(self.n_params_) if theta is None else theta)
        if theta.ndim > 2:
            raise ValueError(
                f"theta must have shape (n_points, {self.n_params_}), "
                f"got {tuple(theta.shape)}."
            )
        xp, blocks = array_namespace(theta), self._cut(X, Y)
        losses = np.empty((len(X), 1 if theta.ndim == 1 else theta.shape[0]))
        for row in range(losses.shape[1]):
            point = theta if theta.ndim == 1 else theta[row, :]
            weights = self._split(xp.reshape(point, (1, 1, self.n_params_)))
            values = [to_host(self._sweep(weights, *b).values()) for b in blocks]
            losses[:, row] = np.concatenate(values, axis=-1)[0, 0]
        return losses

    def length_scale(self) -> float:
        r"""Return the root mean square of the norms of random starts, over :math:`\sqrt 2`.

        Returns
        -------
        length : float
            Positive.
        """
        variances = [b**2 / 3 * prod(s) for b, s in self._start_bounds()]
        return float(np.sqrt(sum(variances) / 2))

    def _start_bounds(self):
        # Bound of the initial weights of each layer, and the shape of its matrix.
        factor = 2.0 if self.activation == "logistic" else 6.0
        pairs = zip(self._widths[:-1], self._widths[1:], self._shapes, strict=True)
        return [(np.sqrt(factor / (a + b)), shape) for a, b, shape in pairs]

    def draw_starts(self, streams: Sequence[np.random.Generator]) -> FloatArray:
        """Draw starting points as scikit-learn initialises its networks.

        Weights and intercepts of a layer are uniform between plus and minus
        ``sqrt(6 / (n_in + n_out))``, with 2 in place of 6 for the logistic activation.

        Parameters
        ----------
        streams : sequence of numpy.random.Generator
            A generator per start.

        Returns
        -------
        theta0 : ndarray of shape (n_starts, n_params)
            Starting points, on the host.

        References
        ----------
        .. [1] X. Glorot and Y. Bengio. "Understanding the difficulty of training deep
           feedforward neural networks". AISTATS 2010. Equation 16.
        """
        return np.stack([
            np.concatenate([
                stream.uniform(-bound, bound, prod(shape))
                for bound, shape in self._start_bounds()
            ])
            for stream in streams
        ])


def check_range(name, array, dtype, small=False):
    """Refuse numbers whose fourth powers are not numbers of a floating type.

    Parameters
    ----------
    name : str
        Name of the argument.
    array : ndarray
        Data or targets.
    dtype : {"float64", "float32"}
        Floating type.
    small : bool, default=False
        Whether they can be too small as well: the gradient is proportional to them.

    Raises
    ------
    ValueError
        If they are too large or too small.
    """
    info = np.finfo(dtype)
    high = float(info.max) ** 0.25 * float(info.eps) ** 0.5
    low = float(info.smallest_normal) ** 0.25 / float(info.eps) ** 0.5
    size = np.max(np.abs(array))
    if size <= high and (size >= low or size == 0 or not small):
        return
    need = "small" if size > high else "large"
    raise ValueError(
        f"{name} must be {need} enough for squared gradients to be numbers of "
        f"{dtype}: expected entries up to between {low:.1g} and {high:.1g}, got up to "
        f"{size:.3g}. Change the unit of {name}."
    )
