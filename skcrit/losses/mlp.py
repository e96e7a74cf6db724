"""The training loss of a multilayer perceptron."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import prod
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import BACKENDS
from skcrit._typing import Array, ArrayLike
from skcrit.ground_truth.autoencoder import AnalyticalSpectrum
from skcrit.ground_truth.linear import LinearSpectrum
from skcrit.linalg import eigh
from skcrit.losses._activations import ACTIVATIONS
from skcrit.losses._mlp_coordinates import (
    DataCoordinates,
    DataUnits,
    units_of_data,
)
from skcrit.losses._mlp_estimators import ConvertsEstimators
from skcrit.losses._mlp_model import MLPModel
from skcrit.losses._mlp_proofs import MLPProofs
from skcrit.losses._mlp_samples import SampleLosses
from skcrit.losses._mlp_starts import GlorotStarts
from skcrit.losses._mlp_targets import Targets, check_range
from skcrit.losses._unit_symmetries import UnitSymmetries
from skcrit.losses.base import ModelledLoss
from skcrit.losses.coordinates import Coordinates
from skcrit.utils._validation import (
    Interval,
    StrOptions,
    check_hidden_layer_sizes,
    check_params,
    validate_data,
)

# What is computed from the data once it is asked for.
_CACHED = ("_coordinates", "_features", "_subspace")


class MLPLoss(
    ConvertsEstimators,
    UnitSymmetries,
    GlorotStarts,
    SampleLosses,
    MLPProofs,
    ModelledLoss,
):
    r"""The training loss of scikit-learn's multilayer perceptrons, with products.

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
    activation : str, default="tanh"
        Activation of the hidden units: "identity", "tanh", "logistic", "softplus",
        "silu", "erf" or "relu". "silu" is z times the logistic function of z, also
        known as swish.
    loss : {"squared_error", "log_loss"}, default="squared_error"
        Loss per sample.
    alpha : float, default=0.0
        Weight of the L2 penalty. As in scikit-learn it is divided by twice the number
        of samples.
    fit_intercept : bool, default=True
        Whether units have intercepts, as they always have in scikit-learn.
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
    For q > 1 numerical targets scikit-learn's ``loss_`` takes the mean over outputs of
    the squared error, but its gradient the sum, at least up to version 1.9 (its issue
    8349). Here the value is the one to which this gradient belongs, and which its user
    guide states. The log-loss of scikit-learn clips probabilities to [eps, 1 - eps];
    here nothing is clipped.

    With the identity as activation, no intercepts and y=None, the loss is d / 2 times
    that of ``LinearAutoencoderLoss(center=False)`` with d features and an ``alpha``
    smaller by the factor 1 / (n d).

    A Hessian-vector product costs about two gradients, and one in a local model
    (:meth:`at`), which keeps what products need of its points within 256 MiB (1 GiB on
    a device): the forward and backward sweeps if those of all points fit, else the
    forward sweeps of as many as fit. Samples are taken in blocks that stay in the
    cache. A Hessian costs less than its ``n_params`` products.

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

    # Those to which the data have been brought already, see coordinates.
    _units: DataUnits | None = None

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

    def fit(self, X: ArrayLike | None = None, y: Any = None) -> Self:
        """Store the data, in blocks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Numbers for the squared error; for the log-loss labels, or an indicator
            matrix of several binary labels. None compares the outputs with the data
            themselves, as in an autoencoder.

        Returns
        -------
        self : MLPLoss
            The fitted loss.

        Raises
        ------
        ValueError
            If a parameter is out of its range, ``X`` is not a finite two-dimensional
            array, ``y`` does not fit it or is missing while labels are needed, or the
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

    def _prepare_device(self) -> None:
        # Put the data where the computations run.
        for name in _CACHED:  # of an earlier fit
            self.__dict__.pop(name, None)
        self._blocks = self._cut(self._X, self._targets.values)
        self._divisor, self._decay = float(self.n_samples_seen_), None
        if self._units is not None:
            self._divisor /= self._units.goal_unit**2
        if self.alpha > 0:
            masks = [np.ones(shape) for shape in self._shapes]
            for mask in masks:
                if self.fit_intercept and not self.penalize_intercept:
                    mask[:, -1] = 0
            decay = np.concatenate([mask.ravel() for mask in masks])
            if self._units is not None:
                decay *= self._units.factors(self._shapes) ** 2
            self._decay = self.asarray(decay * (self.alpha / self.n_samples_seen_))

    def __getstate__(self) -> dict[str, Any]:
        # What follows from the rest is made again where the loss is loaded.
        derived = ("_blocks", "_decay", *_CACHED)
        state = super().__getstate__()
        return {key: state[key] for key in state if key not in derived}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "_shapes"):
            self._prepare_device()

    @property
    def _parity(self) -> Any:
        # Whether the activation is odd.
        return ACTIVATIONS[self.activation].parity

    def at(self, theta: Array) -> MLPModel:  # noqa: D102 (documented in Loss)
        return MLPModel(self, self._as_points(theta))

    def _once(self, theta: Array) -> MLPModel:
        # A local model for one question.
        return MLPModel(self, self._as_points(theta), once=True)

    def coordinates(self) -> Coordinates:
        """Return the loss as a function of the parameters for standardised data.

        Returns
        -------
        coordinates : Coordinates
            ``theta`` itself if the data are about standardised: standard deviations
            between 1/8 and 8, and means up to 8. Otherwise the parameters for
            standardised data, an affine function of ``theta``. Searches begin and take
            place there, and distances are those there. Points, gradient norms, a
            number for the tolerance, and shares of the eigenvalues of large Hessians
            are those of ``theta``. Critical points and their indices are the same, with
            a penalty too: it keeps its unit.

        Notes
        -----
        Without an intercept, or if it is penalised, data are not centred. All targets
        have one unit, because the loss compares their errors. Rare values, such as
        pixels and indicators that are mostly zero, count by the size that they have
        where they are present.
        """
        self._check_fitted()
        if self._units is not None:
            return Coordinates(self)
        units = units_of_data(self)
        return Coordinates(self) if units.are_usual else DataCoordinates(self, units)

    def _users_gradient(self, gradient: Array) -> Array:
        return (
            gradient if self._units is None else self._outside.gradient_back(gradient)
        )

    def _users_loss(self, theta: Array) -> tuple[Any, Array]:
        if self._units is None:
            return self, theta
        return self._outside.users, self._outside.back(theta)

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

    def analytical_spectrum(self) -> LinearSpectrum:
        """Return all critical points of a linear autoencoder in closed form.

        Returns
        -------
        spectrum : AnalyticalSpectrum
            The critical sets of this loss.

        Raises
        ------
        NoGroundTruthError
            Unless the activation is the identity, there are no intercepts, the loss was
            fitted without targets, and, with a penalty, there is one hidden layer.
        """
        check_is_fitted(self)
        linear = self.activation == "identity" and not self.fit_intercept
        if not linear or not self._targets.is_reconstruction:
            return super().analytical_spectrum()
        # f = |X - X W^T|_F^2 / 2n, where LinearAutoencoderLoss divides by n d.
        n, d = self._X.shape
        moment = self._X.T @ self._X * (d / (2 * n))
        eigenvalues, eigenvectors = eigh(moment)
        return AnalyticalSpectrum.from_eigenvalues(
            eigenvalues[::-1],
            self._widths[1:-1],
            eigenvectors=eigenvectors[:, ::-1],
            alpha=self.alpha / (2 * n),
            penalty="sum",
            n_samples=n,
        )
