"""The mean squared reconstruction error of a linear autoencoder of any depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import array_namespace, one_blas_thread, to_device, to_host
from skcrit._typing import Array, ArrayLike, FloatArray
from skcrit.ground_truth._eigenvalues import clean_eigenvalues
from skcrit.ground_truth.autoencoder import AnalyticalSpectrum
from skcrit.linalg import eigh
from skcrit.losses import _bases
from skcrit.losses._data_symmetries import data_ties
from skcrit.losses._moments import (
    check_size,
    column_means,
    second_moments,
    warn_of_nothing,
)
from skcrit.losses.coordinates import Coordinates
from skcrit.losses.linear_base import LinearLoss
from skcrit.utils._validation import (
    StrOptions,
    check_hidden_layer_sizes,
    check_params,
    validate_data,
)


@dataclass(eq=False, repr=False)
class LinearAutoencoderLoss(TransformerMixin, LinearLoss):
    r"""Reconstruct data through a deep linear network.

    With the weights :math:`W_1, \dots, W_L` and :math:`W = W_L \cdots W_1`, the loss is
    the mean over samples and features of the squared error,

    .. math::
        f(\theta) = \tfrac{1}{d} \mathrm{tr}\,[(I - W) C (I - W)^T] + \text{penalty},

    where ``C`` is the second moment of the (centred) data. ``theta`` stacks the
    row-major entries of :math:`W_1, \dots, W_L`. There are no biases: with the best
    biases the loss is that of centred data.

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
        Eigenvalues of ``C`` up to this multiple of the largest one count as zero. None
        means ``10 * max(n_samples, n_features) * eps``.
    tie_rtol : float, default=1e-10
        Eigenvalues of ``C`` that differ by at most this, relative to themselves, or by
        rounding count as one repeated eigenvalue, their mean. See
        :func:`~skcrit.ground_truth.clean_eigenvalues`.

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
        **LinearLoss._parameter_constraints,
        "penalty": [StrOptions({"sum", "product"})],
    }

    hidden_layer_sizes: int | Sequence[int] = (2,)
    _: KW_ONLY
    alpha: float = 0.0
    penalty: str = "sum"
    center: bool = True
    backend: str = "numpy"
    dtype: str = "float64"
    zero_rtol: float | None = None
    tie_rtol: float = 1e-10

    def fit(self, X: ArrayLike | None = None, y: object = None) -> Self:
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

        Warns
        -----
        ResolutionWarning
            If cleaning changes eigenvalues, and so the loss, by more than rounding; if
            eigenvalues lie so close together, or to zero, that the labels of the
            critical sets are unstable; or if the data have no variance.
        """
        check_params(self)
        sizes = check_hidden_layer_sizes(self.hidden_layer_sizes)
        given, X = X, validate_data(self, X, dtype=np.float64, ensure_all_finite=False)
        self.n_samples_seen_, d = X.shape
        with np.errstate(over="ignore", invalid="ignore"):
            self.mean_ = column_means(X) if self.center else np.zeros(d)
            moment = second_moments(X, self.mean_)
        # What is not finite shows in the moment: no pass over the data looks for it.
        if not np.all(np.isfinite(moment)):
            validate_data(self, given, dtype=np.float64)
        check_size(X, self.mean_, np.max(np.abs(moment)), self.dtype)
        warn_of_nothing(moment, self.center)
        self._set_moment(moment)
        penalty = float(self.alpha)
        self._decay = penalty if self.penalty == "sum" else 0.0
        self._decay_product = penalty if self.penalty == "product" else 0.0
        self._prepare((d, *sizes, d), **self._matrices())
        return self

    def _matrices(self) -> dict[str, Array | None]:
        # What evaluation needs of the eigenpairs.
        seen = self.eigenvectors_[:, : self.rank_]
        # What the data do not see is free, unless a penalty sees it.
        free = self.rank_ < self.n_features_in_ and self.alpha == 0
        return {
            "moment": self.second_moment_,
            "target": None,
            "root": seen * np.sqrt(self.eigenvalues_[: self.rank_]),
            "goal": None,
            "projector": seen @ seen.T if free else None,
            "ties": data_ties(self.eigenvectors_, self.eigenvalues_, self.rank_),
        }

    def _data_bases(self) -> tuple[Any, ...]:
        # Inputs and outputs are the same, and so are their rotations.
        lam, basis, rank = self.eigenvalues_, self.eigenvectors_, self.rank_
        seen, null, size = basis[:, :rank], basis[:, rank:].T, np.sqrt(lam[:rank])
        penalty = self.penalty if self.alpha > 0 else None
        return (basis, seen * size, (seen / size).T, null, lam), penalty, True

    def _set_moment(self, moment: Array) -> None:
        # Clean the eigenvalues once, and let loss and ground truth share the result.
        with one_blas_thread():
            eigenvalues, eigenvectors = eigh((moment + moment.T) / 2)
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
            the data. Columns of eigenvalue zero, on which the loss does not depend, are
            left out: these are ``n_features * rank`` numbers. If eigenvalues are tied,
            a rotation of their eigenvectors does not change the loss; then the
            invariants are the traces of the diagonal blocks that belong to an
            eigenvalue, and the norms of all blocks.
        """
        return self._seen_by_the_data(theta)

    def parameter_unit(self) -> float | FloatArray:  # noqa: D102
        # In these all directions of the data have equal variance. There is one for each
        # parameter in the eigenbasis of the data, and one for all in any other basis,
        # in which the parameters mix large and small variances.
        self._check_fitted()
        if np.any(self.eigenvectors_ != np.eye(self.n_features_in_)):
            return 1.0
        level = self.eigenvalues_ + self.alpha * self.n_features_in_
        unit = np.ones(self.n_features_in_)
        np.divide(level[0], level, out=unit, where=level > 0)
        first, *middle, last = (np.ones(shape) for shape in self._shapes)
        first, last = first * np.sqrt(unit), last * np.sqrt(unit)[:, None]
        return np.concatenate([part.ravel() for part in (first, *middle, last)])

    def preconditioner(self, theta: Array) -> Array:  # noqa: D102
        # Squares of the units in which the data have equal variance, the same for all
        # points; in any other basis than the eigenbasis there is one unit.
        theta = self._as_points(theta)
        squares = self.asarray(np.asarray(self.parameter_unit()) ** 2)
        return array_namespace(theta).ones_like(theta) * squares

    def coordinates(self) -> Coordinates:  # noqa: D102
        # In the eigenbasis the second moment is diagonal, so that rounding errors of
        # directions with large variance do not affect those with small variance.
        self._check_fitted()
        return _bases.EigenCoordinates(self)

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

    curvature_cost = 0

    def curvature(self, theta: Array) -> FloatArray:  # noqa: D102
        # Half the spectral norm of the Hessian at the global minimum, L lambda_0 / d,
        # plus 2 alpha under a penalty on the weights; for depth two and no penalty also
        # the spectral norm at the origin.
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
