"""The mean squared reconstruction error of a linear autoencoder of any depth."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from numbers import Integral, Real
from typing import Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import BACKENDS, array_namespace, to_device, to_host
from skcrit._typing import Array, ArrayLike, FloatArray
from skcrit.ground_truth._eigenvalues import clean_eigenvalues
from skcrit.ground_truth._factors import (
    balanced_layers,
    join_weights,
    layer_shapes,
    split_weights,
    thin_svd,
)
from skcrit.ground_truth.autoencoder import AnalyticalSpectrum
from skcrit.losses._network_model import NetworkModel
from skcrit.losses.base import Loss
from skcrit.utils._arguments import shown
from skcrit.utils._validation import (
    Interval,
    StrOptions,
    check_hidden_layer_sizes,
    check_params,
    validate_data,
)

__all__ = ["LinearAutoencoderLoss"]


class LinearAutoencoderLoss(TransformerMixin, Loss):
    r"""Reconstruct data through a deep linear network.

    With the weights :math:`W_1, \dots, W_L` and :math:`W = W_L \cdots W_1`, the loss is
    the mean over samples and features of the squared error,

    .. math::
        f(\theta) = \tfrac{1}{d} \mathrm{tr}\,[(I - W) C (I - W)^T] + \text{penalty},

    where ``C`` is the second moment of the (centred) data. ``theta`` stacks the
    row-major entries of :math:`W_1, \dots, W_L`. There are no biases: an optimal bias
    is the same as centred data.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(2,)
        Widths of the hidden layers. The depth L is their number plus one.
    alpha : float, default=0.0
        Weight of the L2 penalty.
    penalty : {"sum", "product"}, default="sum"
        What the penalty acts on: "sum" adds :math:`\alpha \sum_l |W_l|_F^2`, "product"
        adds :math:`\alpha |W|_F^2`.
    center : bool, default=True
        Whether to subtract the mean of the data.
    backend : {"numpy", "cupy", "array_api_strict"}, default="numpy"
        Array library that computes. "array_api_strict" is slow and meant for tests.
    dtype : {"float64", "float32"}, default="float64"
        Floating type of all computations.
    zero_rtol : float or None, default=None
        Relative to the largest eigenvalue of ``C``: eigenvalues up to it count as zero.
        None means ``10 * max(n_samples, n_features) * eps``.
    tie_rtol : float, default=1e-10
        Relative to the largest eigenvalue of ``C``: neighbours that differ by at most
        this count as one repeated eigenvalue, their mean.

    Attributes
    ----------
    second_moment_ : ndarray of shape (n_features, n_features)
        ``X^T X / n_samples`` after centring.
    mean_ : ndarray of shape (n_features,)
        Mean of the data; zero without ``center``.
    eigenvalues_ : ndarray of shape (n_features,)
        Eigenvalues of the second moment, descending, with zeros and ties cleaned.
    eigenvectors_ : ndarray of shape (n_features, n_features)
        Eigenvectors, as columns.
    rank_ : int
        Number of positive eigenvalues.
    n_params_ : int
        Length of ``theta``.
    n_features_in_ : int
        Number of features d.
    n_samples_seen_ : int
        Number of samples.

    Notes
    -----
    Only the second moment is kept: value, gradient and Hessian-vector product cost
    O(L d^2 p) each, whatever the number of samples.

    References
    ----------
    .. [1] P. Baldi and K. Hornik. "Neural networks and principal component analysis:
       learning from examples without local minima". Neural Networks 2(1), 1989.
    .. [2] D. Kunin, J. M. Bloom, A. Goeva and C. Seed. "Loss landscapes of regularized
       linear autoencoders". ICML 2019. arXiv:1901.08168.

    Examples
    --------
    >>> import numpy as np
    >>> from skcrit.losses import LinearAutoencoderLoss
    >>> X = np.array([[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]])
    >>> loss = LinearAutoencoderLoss((2,)).fit(X)
    >>> loss.eigenvalues_
    array([4.  , 2.25, 1.  ])
    >>> float(round(loss.value(np.arange(1, 13) / 10), 6))
    2.492033
    """

    _parameter_constraints = {
        "hidden_layer_sizes": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
        ],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "penalty": [StrOptions({"sum", "product"})],
        "center": ["boolean"],
        "backend": [StrOptions(set(BACKENDS))],
        "dtype": [StrOptions({"float64", "float32"})],
        "zero_rtol": [None, Interval(Real, 0, 1, closed="left")],
        "tie_rtol": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (2,),
        *,
        alpha: float = 0.0,
        penalty: str = "sum",
        center: bool = True,
        backend: str = "numpy",
        dtype: str = "float64",
        zero_rtol: float | None = None,
        tie_rtol: float = 1e-10,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.alpha = alpha
        self.penalty = penalty
        self.center = center
        self.backend = backend
        self.dtype = dtype
        self.zero_rtol = zero_rtol
        self.tie_rtol = tie_rtol

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Form the second moment of the data and its eigenpairs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data; converted to float64 here, whatever ``dtype``.
        y : None
            Ignored.

        Returns
        -------
        self : LinearAutoencoderLoss
            The fitted loss.

        Raises
        ------
        ValueError
            If a parameter is out of its range, ``X`` is not a finite two-dimensional
            array, or so large or small that squared gradients leave the range of
            ``dtype``: entries of about 1e-69 to 1e69 in float64, 1e-6 to 1e6 in
            float32.
        """
        check_params(self)
        sizes = check_hidden_layer_sizes(self.hidden_layer_sizes)
        X = validate_data(self, X, dtype=np.float64)
        n_samples, d = X.shape
        self.n_samples_seen_ = n_samples
        with np.errstate(over="ignore", invalid="ignore"):
            self.mean_ = _mean(X) if self.center else np.zeros(d)
            moment, varies = _second_moment(X, self.mean_)
        self._check_size(X, moment, varies)
        self._set_moment(moment)
        widths = (d, *sizes, d)
        self._shapes = layer_shapes(widths)
        self.n_params_ = sum(prod(shape) for shape in self._shapes)
        self._prepare_device()
        return self

    def _check_size(self, X, moment, varies):
        # The loss has the unit of the squared data, and searches square its gradient:
        # outside of this range they would find zeros and infinities.
        info = np.finfo(self.dtype)
        low = float(info.smallest_normal) ** 0.5 / float(info.eps)
        high = float(info.max) ** 0.5 * float(info.eps)
        size = np.max(np.abs(moment))
        if size <= high and (size >= low or not varies):
            return
        need = "large" if size < low else "small"
        remedy = ", or use dtype='float64'" if info.bits < 64 else ""
        raise ValueError(
            f"X must be {need} enough for squared gradients to be numbers of "
            f"{self.dtype}: expected a second moment between {low:.1g} and {high:.1g}, "
            f"got entries up to {np.max(np.abs(X)):.3g} and a second moment up to "
            f"{size:.3g}. Change the unit of X{remedy}."
        )

    def _set_moment(self, moment):
        # Clean the eigenvalues once, and let loss and ground truth share the result.
        eigenvalues, eigenvectors = np.linalg.eigh((moment + moment.T) / 2)
        eigenvalues, eigenvectors = eigenvalues[::-1], eigenvectors[:, ::-1]
        cleaned = clean_eigenvalues(
            eigenvalues,
            n_samples=self.n_samples_seen_,
            zero_rtol=self.zero_rtol,
            tie_rtol=self.tie_rtol,
        )
        # When cleaning moved more than rounding, the loss must move along, or its
        # Hessian would count directions that the ground truth has merged or dropped.
        rounding = moment.shape[0] * np.finfo(float).eps * max(cleaned[0], 0.0)
        if np.any(np.abs(cleaned - eigenvalues) > rounding):
            moment = (eigenvectors * cleaned) @ eigenvectors.T
        self.second_moment_ = moment
        self.eigenvalues_ = cleaned
        self.eigenvectors_ = np.ascontiguousarray(eigenvectors)
        self.rank_ = int(np.sum(cleaned > 0))

    def _prepare_device(self):
        # Put the few constant matrices where the computations run.
        d, rank = self.n_features_in_, self.rank_
        self._tau = float(self.alpha * d) if self.penalty == "product" else 0.0
        self._decay = float(self.alpha) if self.penalty == "sum" else 0.0
        range_basis = self.eigenvectors_[:, :rank]
        root = range_basis * np.sqrt(self.eigenvalues_[:rank])
        projector = range_basis @ range_basis.T if rank < d else np.eye(d)
        for name, matrix in (
            ("_moment", self.second_moment_),
            ("_root", root),
            ("_range_projector", projector),
        ):
            setattr(self, name, to_device(matrix, self.backend, self.dtype))
        self._ties = self._find_ties()

    def _find_ties(self):
        # Eigenbasis, and which rows and columns of a matrix in it belong to which
        # distinct eigenvalue; None where all that matter are distinct.
        positive = self.eigenvalues_[: self.rank_]
        if np.all(np.diff(positive) != 0):
            return None
        values = np.unique(self.eigenvalues_)[::-1]
        rows = (values[:, None] == self.eigenvalues_).astype(float)
        columns = rows[:, : self.rank_][values > 0].T
        return [
            to_device(matrix, self.backend, self.dtype)
            for matrix in (self.eigenvectors_.T, rows, columns)
        ]

    @property
    def rescale_keeps_inertia(self) -> bool:  # type: ignore[override]
        """Whether the balanced point is on the same orbit: not for deep networks.

        The middle layers of a deep network can pass more than the end-to-end matrix
        shows; balancing drops that, and the Morse index may fall.
        """
        return self._decay > 0 or len(self._shapes) == 2

    def weights(self, theta: Array) -> list[Array]:
        """Cut parameters into the matrices of the layers.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        weights : list of arrays of shape (..., n_out, n_in)
            Matrices of the layers, first layer first, as views where possible.
        """
        return self._split(self._as_points(theta))

    def _split(self, theta):
        # Cut parameters that are known to be right.
        return split_weights(theta, self._shapes)

    def pack(self, weights: list[Array]) -> Array:
        """Join the matrices of the layers to parameters.

        Parameters
        ----------
        weights : list of arrays of shape (..., n_out, n_in)
            Matrices of the layers, first layer first.

        Returns
        -------
        theta : array of shape (..., n_params)
            Points.

        Raises
        ------
        ValueError
            If the number of matrices or their shapes are not those of the network.
        """
        check_is_fitted(self)
        try:
            weights = [self._on_device(W, "weights") for W in weights]
        except TypeError as error:
            raise ValueError(
                f"weights must be a list of matrices, got {shown(weights)}: {error}."
            ) from error
        shapes = [tuple(W.shape) for W in weights]
        same_batch = len({shape[:-2] for shape in shapes}) == 1
        if not same_batch or [shape[-2:] for shape in shapes] != self._shapes:
            raise ValueError(
                f"weights must have shapes {self._shapes}, all after the same leading "
                f"axes, got {shapes}."
            )
        return join_weights(weights)

    def value(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        return self.at(theta).value

    def gradient(self, theta: Array) -> Array:  # noqa: D102
        return self.at(theta).gradient

    def hvp(self, theta: Array, v: Array) -> Array:  # noqa: D102
        return self.at(theta).hvp(v)

    def hessian(self, theta: Array) -> Array:  # noqa: D102
        return self.at(theta).hessian()

    def at(self, theta: Array) -> NetworkModel:  # noqa: D102
        return NetworkModel(self, self._as_points(theta))

    def third_derivative(self, theta: Array, u: Array, v: Array) -> Array:
        """Contract the third derivative with two directions.

        It gives the Hessian of half the squared gradient norm: the product with ``v``
        is ``H(theta) H(theta) v + third_derivative(theta, gradient(theta), v)``.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.
        u, v : arrays of shape (..., n_params)
            Directions.

        Returns
        -------
        contraction : array of shape (..., n_params)
            ``D^3 f(theta)[u, v, .]``.
        """
        return self.at(theta).third_derivative(u, v)

    def invariants(self, theta: Array) -> Array:
        """Compute the end-to-end matrix as the data see it, ``W C^(1/2)``.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        invariants : array of shape (..., n_invariants)
            Row-major entries of ``W C^(1/2)``, with its columns in the eigenbasis of
            the data; columns of eigenvalue zero, about which the loss says nothing, are
            left out: ``n_features * rank`` numbers. Where eigenvalues are tied the
            eigenvectors can be rotated and the loss stays: then the traces of the
            diagonal blocks that belong to an eigenvalue, and the norms of all blocks.
        """
        weights = self.weights(theta)
        xp = array_namespace(weights[0])
        W = self._root
        for W_l in weights:
            W = W_l @ W
        if self._ties is None:
            return xp.reshape(W, (*W.shape[:-2], prod(W.shape[-2:])))
        basis, rows, columns = self._ties
        W = basis @ W
        norms = xp.sqrt(rows @ (W * W) @ columns)
        norms = xp.reshape(norms, (*W.shape[:-2], prod(norms.shape[-2:])))
        square = W[..., : W.shape[-1], :]
        traces = xp.linalg.diagonal(square)[..., None, :] @ columns
        return xp.concat([norms, traces[..., 0, :]], axis=-1)

    def invariants_scale(self, theta0: Array) -> FloatArray:
        """Return the norm of ``W C^(1/2)`` for W = I, which bounds critical points.

        Parameters
        ----------
        theta0 : array of shape (n_starts, n_params)
            Starting points; only their number counts.

        Returns
        -------
        scale : ndarray of shape (n_starts,)
            The root of the trace of the second moment.
        """
        return np.full(len(theta0), np.sqrt(np.sum(self.eigenvalues_)))

    def rescale(self, theta: Array) -> Array:
        """Balance the layers: same end-to-end matrix on the data, least norm.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        theta : array of shape (..., n_params)
            Points with ``W_{l+1}^T W_{l+1} = W_l W_l^T``. Under a penalty on the
            weights the points themselves: its symmetries are rotations, which scale
            nothing. NaN where the end-to-end matrix is not finite.
        """
        theta = self._as_points(theta)
        if self._decay > 0:
            return theta
        weights = self.weights(theta)
        # What the data do not see is free, unless a penalty sees it.
        if self.rank_ < self.n_features_in_ and self.alpha == 0:
            weights[0] = weights[0] @ self._range_projector
        return self.pack(balanced_layers(*thin_svd(weights), self._shapes))

    def transform(self, X: ArrayLike, theta: Array | None = None) -> FloatArray:
        """Compute the reconstruction error of each sample under each point.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        theta : array of shape (n_points, n_params) or (n_params,), default=None
            Points; None is the analytical global minimum.

        Returns
        -------
        errors : ndarray of shape (n_samples, n_points)
            Mean over features of the squared error, without the penalty. On the data of
            ``fit`` its mean over samples is the loss without the penalty.

        Raises
        ------
        ValueError
            If ``X`` or ``theta`` has the wrong shape, or ``X`` is not finite.
        """
        check_is_fitted(self)
        if theta is None:
            spectrum = self.analytical_spectrum()
            theta = spectrum.representative(tuple(range(spectrum.max_rank)))
        theta = self._as_points(theta)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        if theta.ndim > 2:
            raise ValueError(
                f"theta must have shape (n_points, {self.n_params_}), "
                f"got {tuple(theta.shape)}."
            )
        xp = array_namespace(theta)
        theta = xp.reshape(theta, (-1, self.n_params_))
        centred = to_device(X - self.mean_, self.backend, self.dtype)
        errors = []
        for row in range(theta.shape[0]):
            output = centred
            for W in self.weights(theta[row, ...]):
                output = output @ W.T
            errors.append(to_host(xp.mean((centred - output) ** 2, axis=-1)))
        return np.stack(errors, axis=1) if errors else np.empty((X.shape[0], 0))

    def curvature(self, theta: Array) -> FloatArray:
        """Return half the spectral norm of the Hessian at the global minimum.

        Parameters
        ----------
        theta : array of shape (n_points, n_params)
            Points; only their number counts.

        Returns
        -------
        curvature : ndarray of shape (n_points,)
            ``L lambda_0 / d``, plus ``2 alpha`` under a penalty on the weights; for
            depth two and no penalty also the spectral norm at the origin.
        """
        n_points = self._as_points(theta).shape[0]
        size = len(self._shapes) * self.eigenvalues_[0] / self.n_features_in_
        return np.full(n_points, size + 2 * self._decay)

    def analytical_spectrum(self) -> AnalyticalSpectrum:
        """Return all critical points in closed form.

        Returns
        -------
        spectrum : AnalyticalSpectrum
            The critical sets of this loss.

        Raises
        ------
        NoGroundTruthError
            For a penalised network of depth three or more, whose critical points are
            not known.
        """
        check_is_fitted(self)
        return AnalyticalSpectrum.from_eigenvalues(
            self.eigenvalues_,
            check_hidden_layer_sizes(self.hidden_layer_sizes),
            eigenvectors=self.eigenvectors_,
            alpha=self.alpha,
            penalty=self.penalty,
            n_samples=self.n_samples_seen_,
            zero_rtol=self.zero_rtol,
            tie_rtol=self.tie_rtol,
        )

    def _penalty_value(self, theta, sweep):
        # Evaluate the penalty at each point.
        xp = array_namespace(theta)
        if self.alpha == 0:
            return 0.0
        if self.penalty == "sum":
            return self.alpha * xp.sum(theta * theta, axis=-1)
        W = sweep.product
        return self.alpha * xp.sum(W * W, axis=(-2, -1))


def _chunks(X):
    # X may lie on disk and be larger than the memory: rows that make 2 MiB, which stay
    # in the cache, but as many as columns, or adding the products would take longer.
    size = max(2**18 // X.shape[1], X.shape[1])
    return (np.asarray(X[i : i + size]) for i in range(0, X.shape[0], size))


def _mean(X):
    # The mean of a constant column, exactly: its rounding error would count as variance
    # in data that have no other. Most columns show in two rows that they are not.
    constant, total = X[0] == X[-1], np.zeros(X.shape[1])
    for chunk in _chunks(X):
        total += chunk.sum(axis=0)
        if np.any(constant):
            constant[constant] = np.all(chunk[:, constant] == X[0, constant], axis=0)
    return np.where(constant, X[0], total / X.shape[0])


def _second_moment(X, mean):
    # The mean of the outer products of centred samples, and whether any is not zero.
    moment = np.zeros((X.shape[1],) * 2)
    for chunk in _chunks(X):
        centred = chunk - mean
        moment += centred.T @ centred
    # Small numbers may be there and have no squares.
    varies = np.any(moment) or any(np.any(chunk != mean) for chunk in _chunks(X))
    return moment / X.shape[0], bool(varies)
