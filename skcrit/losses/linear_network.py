"""The mean squared error of a deep linear network with targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import one_blas_thread, to_device, to_host
from skcrit._typing import Array, ArrayLike, FloatArray
from skcrit.exceptions import NoGroundTruthError
from skcrit.ground_truth._whitening import whiten
from skcrit.ground_truth.network import LinearNetworkSpectrum
from skcrit.losses._data_symmetries import data_ties
from skcrit.losses._moments import (
    as_targets,
    check_size,
    column_means,
    residual,
    second_moments,
    warn_of_nothing,
)
from skcrit.losses.linear_base import LinearLoss
from skcrit.utils._validation import (
    check_hidden_layer_sizes,
    check_params,
    validate_data,
)


@dataclass(eq=False, repr=False)
class LinearNetworkLoss(LinearLoss):
    r"""Predict targets through a deep linear network.

    With the weights :math:`W_1, \dots, W_L` and :math:`W = W_L \cdots W_1`, the loss is
    the mean over samples and outputs of the squared error,

    .. math::
        f(\theta) = \tfrac{1}{m} \mathrm{tr}\,[W S_{xx} W^T - 2 W S_{xy} + S_{yy}]
        + \alpha \sum_l |W_l|_F^2,

    where the S are the second moments of the (centred) inputs x and targets y, and m is
    the number of outputs. ``theta`` stacks the row-major entries of :math:`W_1, \dots,
    W_L`. There are no biases: with the best biases the loss is that of centred data.
    With the inputs as targets this is :class:`~skcrit.LinearAutoencoderLoss` with the
    penalty "sum".

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(2,)
        Widths of the hidden layers. The depth L is their number plus one.
    alpha : float, default=0.0
        Weight of the L2 penalty on the weights.
    center : bool, default=True
        Whether to subtract the means of inputs and targets.
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes. "array_api_strict" is slow and meant for tests.
    dtype : {"float64", "float32"}, default="float64"
        Floating type of all computations.
    zero_rtol : float or None, default=None
        Eigenvalues up to this multiple of the largest one count as zero, those of
        :math:`S_{xx}` and those of :math:`\Sigma = S_{yx} S_{xx}^+ S_{xy}`. None means
        ``10 * max(n_samples, n) * eps`` for n of them.
    tie_rtol : float, default=1e-10
        Eigenvalues of :math:`\Sigma` that differ by at most this, relative to
        themselves, or by rounding count as one repeated eigenvalue, their mean. See
        :func:`~skcrit.ground_truth.clean_eigenvalues`.

    Attributes
    ----------
    second_moment_ : ndarray of shape (n_features, n_features)
        ``X^T X / n_samples`` after centring.
    cross_moment_ : ndarray of shape (n_outputs, n_features)
        ``Y^T X / n_samples`` after centring.
    mean_, target_mean_ : ndarray of shape (n_features,), (n_outputs,)
        Means of inputs and targets; zero without ``center``.
    eigenvalues_ : ndarray of shape (n_outputs,)
        Eigenvalues of :math:`\Sigma`, descending, with zeros and ties cleaned: the
        amounts by which single directions lower m times the loss at the origin.
    eigenvectors_ : ndarray of shape (n_outputs, n_outputs)
        Its eigenvectors, as columns.
    rank_ : int
        Number of positive eigenvalues.
    residual_ : float
        Least loss of any linear map, without the penalty.
    n_params_ : int
        Length of ``theta``.
    n_features_in_, n_outputs_ : int
        Numbers of inputs and outputs.
    n_samples_seen_ : int
        Number of samples.

    See Also
    --------
    skcrit.ground_truth.LinearNetworkSpectrum : Its critical points.

    Notes
    -----
    Only moments are kept: value, gradient and Hessian-vector product cost O(L d^2 p)
    each for d inputs or outputs, whatever the number of samples.

    References
    ----------
    .. [1] P. Baldi and K. Hornik. "Neural networks and principal component analysis:
       learning from examples without local minima". Neural Networks 2(1), 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from skcrit import LinearNetworkLoss, NewtonMRFinder
    >>> from skcrit.metrics import recovery_precision
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 4))
    >>> Y = X @ rng.normal(size=(4, 3)) + rng.normal(size=(50, 3))
    >>> loss = LinearNetworkLoss((2,)).fit(X, Y)
    >>> finder = NewtonMRFinder(n_starts=10, init="gaussian", random_state=0).fit(loss)
    >>> recovery_precision(finder)
    1.0
    """

    hidden_layer_sizes: int | Sequence[int] = (2,)
    _: KW_ONLY
    alpha: float = 0.0
    center: bool = True
    backend: str = "numpy"
    dtype: str = "float64"
    zero_rtol: float | None = None
    tie_rtol: float = 1e-10

    def fit(self, X: ArrayLike | None = None, y: Any = None) -> Self:
        r"""Form the moments of the data and the canonical form of the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs; converted to float64 here, whatever ``dtype``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets. None uses the inputs themselves, as in an autoencoder.

        Returns
        -------
        self : LinearNetworkLoss
            The fitted loss.

        Raises
        ------
        ValueError
            If a parameter is out of its range, ``X`` is not a finite two-dimensional
            array, ``y`` has NaN or infinite entries or not one row per sample, or
            either is so large or small that squared gradients leave the range of
            ``dtype``.

        Warns
        -----
        ResolutionWarning
            If cleaning changes eigenvalues, and so the loss, by more than rounding; if
            eigenvalues of :math:`S_{xx}` lie so close to zero, or those of
            :math:`\Sigma` so close together or to zero, that the labels of the critical
            sets are unstable; or if the inputs have no variance.
        """
        check_params(self)
        hidden = check_hidden_layer_sizes(self.hidden_layer_sizes)
        X = validate_data(self, X, dtype=np.float64)
        Y = X if y is None else as_targets(y, len(X))
        self.n_samples_seen_, d = X.shape
        self.n_outputs_ = Y.shape[1]
        with np.errstate(over="ignore", invalid="ignore"):
            self.mean_ = column_means(X) if self.center else np.zeros(d)
            self.target_mean_ = column_means(Y) if self.center else np.zeros(Y.shape[1])
            moments = second_moments(X, self.mean_, Y, self.target_mean_)
            # The size of the targets, as their residual from nothing.
            power = residual(X, self.mean_, Y, self.target_mean_, 0 * moments[1])
        check_size(X, self.mean_, np.max(np.abs(moments[0])), self.dtype)
        check_size(Y, self.target_mean_, power / Y.shape[1], self.dtype, "y")
        warn_of_nothing(moments[0], self.center)
        self._set_moments(X, Y, *moments)
        self._decay = float(self.alpha)
        self._prepare((d, *hidden, self.n_outputs_), **self._matrices())
        return self

    def _matrices(self) -> dict[str, Array]:
        # What evaluation needs of the canonical form.
        form, penalised = self._form, self.alpha > 0
        ties = data_ties(form.outputs, form.values, len(form.spectrum))
        # What the data do not see is free, unless a penalty sees it.
        free = len(form.null) > 0 and not penalised
        return {
            "moment": self.second_moment_,
            "target": self.cross_moment_,
            "root": form.root,
            "goal": form.goal,
            "projector": form.root @ form.inverse if free else None,
            # A penalty breaks the ties: whitening is not an isometry.
            "ties": None if penalised else ties,
        }

    def _data_bases(self) -> Any:
        # A penalty sees the inputs that explain tied outputs.
        form, penalised = self._form, self.alpha > 0
        bases = (form.outputs, form.root, form.inverse, form.null, form.values)
        return bases, "sum" if penalised else None, not penalised

    def _set_moments(self, X: Array, Y: Array, moment: Array, cross: Array) -> None:
        # Clean the eigenvalues once, and let loss and ground truth share the result.
        rules = (self.n_samples_seen_, self.zero_rtol, self.tie_rtol)
        with one_blas_thread():
            form = self._form = whiten(moment, cross, *rules)
        self.second_moment_, self.cross_moment_ = form.moment, form.cross
        self.eigenvalues_, self.eigenvectors_ = form.values, form.outputs
        self.rank_ = form.rank
        best = form.goal @ form.inverse
        left = residual(X, self.mean_, Y, self.target_mean_, best)
        self.residual_ = self._offset = float(left / self.n_outputs_)
        self._best_sizes = np.linalg.svd(best, compute_uv=False)

    def invariants(self, theta: Array) -> Array:
        """Compute the end-to-end matrix as the data see it, ``W S_xx^(1/2)``.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        invariants : array of shape (..., n_invariants)
            Row-major entries of ``W`` times a root of the second moment, ``n_outputs``
            times its rank in number. If there is no penalty and eigenvalues are tied, a
            rotation of their eigenvectors does not change the loss; then the invariants
            are the traces of the diagonal blocks that belong to an eigenvalue, and the
            norms of all blocks.
        """
        return self._seen_by_the_data(theta)

    def length_scale(self) -> float:  # noqa: D102
        # The mean square of the largest singular values of the best linear map, as many
        # as the network can have, to the power of 1 / (2 L): the size of a balanced
        # layer.
        check_is_fitted(self)
        most = min(*(shape[0] for shape in self._shapes[:-1]), self.rank_)
        if most == 0:
            return 1.0
        mean = np.mean(self._best_sizes[:most] ** 2)
        return float(mean ** (0.5 / len(self._shapes)))

    def curvature(self, theta: Array) -> FloatArray:  # noqa: D102
        # About half the spectral norm of the Hessian at the global minimum, L s^(2 -
        # 2/L) lambda / m, plus 2 alpha, for the largest singular value s of the best
        # linear map and the largest eigenvalue of the second moment.
        n_points, depth = self._as_points(theta).shape[0], len(self._shapes)
        largest = np.max(self._form.spectrum, initial=0.0)
        top = np.max(self._best_sizes, initial=0.0) ** (2 - 2 / depth)
        size = depth * top * largest / self.n_outputs_
        return np.full(n_points, size + 2 * self._decay)

    def predict(self, X: ArrayLike, theta: Array | None = None) -> FloatArray:
        """Predict targets with the weights of one point.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        theta : array of shape (n_params,), default=None
            A point; None is a global minimum of the loss without its penalty.

        Returns
        -------
        prediction : ndarray of shape (n_samples, n_outputs)
            Outputs of the network, on the scale of the targets.

        Raises
        ------
        ValueError
            If ``X`` or ``theta`` has the wrong shape, or ``X`` is not finite.
        """
        theta = self._minimum() if theta is None else self._as_points(theta)
        if theta.ndim != 1:
            raise ValueError(
                f"theta must be one vector of shape ({self.n_params_},), got an array "
                f"of shape {tuple(theta.shape)}."
            )
        X = validate_data(self, X, dtype=np.float64, reset=False)
        output = to_device(X - self.mean_, self.backend, self.dtype)
        for W in self._split(theta):
            output = output @ W.T
        return to_host(output) + self.target_mean_

    def sample_errors(
        self, X: ArrayLike, y: ArrayLike, theta: Array | None = None
    ) -> FloatArray:
        """Compute the squared error of each sample under each point.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        theta : array of shape (n_points, n_params) or (n_params,), default=None
            Points; None is a global minimum of the loss without its penalty.

        Returns
        -------
        errors : ndarray of shape (n_samples, n_points)
            Mean over outputs of the squared error, without the penalty. On the data of
            ``fit`` its mean over samples is the loss without the penalty.

        Raises
        ------
        ValueError
            If ``X``, ``y`` or ``theta`` has the wrong shape or is not finite.
        """
        check_is_fitted(self)
        theta = self._minimum() if theta is None else self._as_points(theta)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        Y = as_targets(y, len(X))
        if theta.ndim > 2:
            raise ValueError(
                f"theta must have shape (n_points, {self.n_params_}), got "
                f"{tuple(theta.shape)}."
            )
        if Y.shape[1] != self.n_outputs_:
            raise ValueError(
                f"y must have {self.n_outputs_} columns, one per output, got "
                f"{Y.shape[1]}."
            )
        theta = theta[None, :] if theta.ndim == 1 else theta
        outputs = [self.predict(X, theta[i, ...]) for i in range(theta.shape[0])]
        errors = [np.mean((output - Y) ** 2, axis=1) for output in outputs]
        return np.stack(errors, axis=1) if errors else np.empty((len(X), 0))

    def analytical_spectrum(self) -> LinearNetworkSpectrum:
        """Return all critical points in closed form.

        Returns
        -------
        spectrum : LinearNetworkSpectrum
            The critical sets of this loss.

        Raises
        ------
        NoGroundTruthError
            If there is a penalty: the critical points are then known only if the
            targets are the inputs, see :class:`~skcrit.LinearAutoencoderLoss`.
        """
        check_is_fitted(self)
        if self.alpha > 0:
            raise NoGroundTruthError(
                "the critical points of a penalised linear network with targets are "
                f"not known in closed form: expected alpha=0, got alpha={self.alpha}. "
                "(LinearAutoencoderLoss knows them for the inputs as targets.)"
            )
        return self._spectrum()

    def _spectrum(self) -> LinearNetworkSpectrum:
        # The critical sets of the loss without its penalty.
        sizes = (self._shapes[0][1], *(shape[0] for shape in self._shapes))
        residual = self.residual_ * self.n_outputs_
        return LinearNetworkSpectrum(self._form.problem(sizes, residual))

    def _minimum(self) -> Any:
        # A global minimum of the loss without its penalty.
        check_is_fitted(self)
        spectrum = self._spectrum()
        return self.asarray(spectrum.representative(tuple(range(spectrum.max_rank))))
