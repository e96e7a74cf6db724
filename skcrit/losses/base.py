"""The contract of a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
from scipy.sparse.linalg import LinearOperator
from sklearn.base import BaseEstimator

from skcrit._backend import get_namespace, to_device, to_host
from skcrit._typing import Array, ArrayLike, BoolArray, FloatArray
from skcrit.exceptions import NoGroundTruthError
from skcrit.linalg import spectral_norm
from skcrit.losses.coordinates import Coordinates
from skcrit.losses.local_model import LocalModel, numbers_held
from skcrit.losses.proofs import Provable
from skcrit.utils._arguments import check_streams

if TYPE_CHECKING:
    from skcrit.ground_truth.base import GroundTruth
    from skcrit.ground_truth.linear import LinearSpectrum

# Columns of a dense Hessian that are formed together: what a loss holds for its samples
# it holds for each of them.
_HOST_COLUMNS, _DEVICE_COLUMNS = 16, 256


class Loss(Provable, BaseEstimator, ABC):
    """Describe a smooth function of a flat parameter vector.

    A loss is an estimator, so that its parameters can be read and set (``get_params``,
    ``clone``, ``set_params(loss__alpha=...)``). After :meth:`fit` it is a pure function
    of ``theta``. A subclass must set ``n_params_`` in :meth:`fit` and define
    :meth:`value`, :meth:`gradient` and :meth:`hvp`; everything else has a default.

    ``theta`` is one vector ``(n_params,)`` or a batch ``(..., n_params)``; every method
    takes both and returns the matching shape. The result for one row may not depend on
    the other rows.

    Attributes
    ----------
    n_params_ : int
        Length of ``theta``.
    """

    # Products that curvature spends on a point.
    curvature_cost = 20

    @abstractmethod
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Compute from data all that evaluation needs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        y : None
            Ignored.

        Returns
        -------
        self : Loss
            The fitted loss.
        """

    @abstractmethod
    def value(self, theta: Array) -> Array:
        """Evaluate the loss.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        value : array of shape (...,)
            Loss at each point.
        """

    @abstractmethod
    def gradient(self, theta: Array) -> Array:
        """Evaluate the gradient.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        gradient : array of shape (..., n_params)
            Gradient at each point.
        """

    @abstractmethod
    def hvp(self, theta: Array, v: Array) -> Array:
        """Multiply the Hessian by vectors.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.
        v : array of shape (..., n_params)
            Directions; leading axes broadcast against those of ``theta``.

        Returns
        -------
        product : array of shape (..., n_params)
            ``H(theta) @ v``.
        """

    def hessian(self, theta: Array) -> Array:
        """Form the dense Hessian, by default from products with the unit vectors.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        hessian : array of shape (..., n_params, n_params)
            Symmetric matrices.

        Raises
        ------
        ValueError
            If products have the wrong shape.

        Notes
        -----
        Costs ``n_params`` Hessian-vector products per point, and the memory of 16 of
        them at a time (256 on a device).
        """
        theta = self._as_points(theta)
        xp, place = get_namespace(self.backend)
        n = self.n_params_
        identity = xp.eye(n, dtype=theta.dtype, device=place)
        local, parts = self.at(theta[..., None, :]), []
        if not isinstance(local, LocalModel):  # check_loss says so: not the fault here
            local = LocalModel(self, theta[..., None, :])
        # How many go together may not depend on the points: products round by it.
        size = _HOST_COLUMNS if isinstance(theta, np.ndarray) else _DEVICE_COLUMNS
        for begin in range(0, n, size):
            end = min(begin + size, n)
            part = local.hvp(identity[begin:end, :])
            expected = (*theta.shape[:-1], end - begin, n)
            if tuple(part.shape) != expected:
                raise ValueError(
                    f"hvp of {type(self).__name__} must return an array of shape "
                    f"{expected} for these directions, got shape {tuple(part.shape)}."
                )
            parts.append(part)
        product = xp.concat(parts, axis=-2)
        # Products that are differences of gradients are symmetric only to rounding.
        return (product + xp.matrix_transpose(product)) / 2

    def at(self, theta: Array) -> LocalModel:
        """Expand the loss at fixed points.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        local : LocalModel
            ``.value``, ``.gradient``, ``.hvp(v)`` and ``.hessian()`` at ``theta``,
            which share common work.
        """
        return LocalModel(self, self._as_points(theta))

    def linear_operator(self, theta: Array) -> LinearOperator:
        """Wrap the Hessian at one point for SciPy's iterative solvers.

        Parameters
        ----------
        theta : array of shape (n_params,)
            One point.

        Returns
        -------
        operator : scipy.sparse.linalg.LinearOperator
            Symmetric operator of shape (n_params, n_params), on host vectors.

        Raises
        ------
        ValueError
            If ``theta`` is a batch.
        """
        theta = self._as_point(theta)
        local = self.at(theta)

        def matvec(v: Array) -> Array:
            v = to_device(np.reshape(v, self.n_params_), self.backend, self.dtype)
            return to_host(local.hvp(v))

        shape = (self.n_params_, self.n_params_)
        return LinearOperator(shape, matvec=matvec, rmatvec=matvec, dtype=self.dtype)

    # Zero eigenvalues at critical points that symmetries without known directions make.
    n_zero_modes = 0

    @property
    def numbers_per_point_(self) -> int:
        """How many numbers the loss holds for a point while it is expanded there.

        It determines the size of batches. By default it is measured: what :meth:`at`
        keeps for two points after value, gradient and a product have been computed.
        """
        if type(self).at is Loss.at:
            return 2 * self.n_params_ + 1
        return numbers_held(self)

    def inside(self, theta: Array) -> BoolArray:
        """Return which points lie in the region that is searched, by default all.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        inside : ndarray of bool of shape (...,)
            On the host.
        """
        return np.ones(self._as_points(theta).shape[:-1], dtype=bool)

    def parameter_unit(self) -> float | FloatArray:
        """Return units in which the entries of the Hessian are comparable.

        Inertia and errors are measured in these units; by default they are the length
        scales.

        Returns
        -------
        unit : float or ndarray of shape (n_params,)
            Positive: one for all parameters, or one for each.
        """
        self._check_fitted()
        return self.length_scale()

    def preconditioner(self, theta: Array) -> Array | None:
        """Approximate the inverse of the curvatures along the parameters.

        Saddle dynamics with ``precondition=True`` takes its steps in units of the roots
        of these numbers. Morse indices do not depend on them (Sylvester's law of
        inertia). By default there is none.

        Parameters
        ----------
        theta : array of shape (n_points, n_params)
            Points.

        Returns
        -------
        diagonal : array of shape (n_points, n_params) or None
            Positive numbers, in the namespace of the loss: inverses of the typical size
            of the diagonal entries of the Hessian around each point. None if the loss
            has no preconditioner.
        """
        self._as_points(theta)
        return None

    def coordinates(self) -> Coordinates:
        """Return the loss in the coordinates of searches, by default its own.

        Returns
        -------
        coordinates : Coordinates
            The loss as a function of them, and an affine map in both directions.
        """
        self._check_fitted()
        return Coordinates(self)

    def _users_gradient(self, gradient: Array) -> Array:
        """Express gradients in the coordinates of the user, see coordinates."""
        return gradient

    def _users_loss(self, theta: Array) -> tuple[Loss, Array]:
        """Return the loss and points in coordinates with the user's spectra."""
        return self, theta

    def curvature(self, theta: Array) -> FloatArray:
        """Estimate the size of the Hessian around points, to choose lengths of steps.

        By default 20 products at each point estimate the spectral norm of the Hessian
        there, from below. A loss that knows a bound around its critical points returns
        that.

        Parameters
        ----------
        theta : array of shape (n_points, n_params)
            Points.

        Returns
        -------
        curvature : ndarray of shape (n_points,)
            Sizes, on the host; zero for a constant loss.
        """
        local = self.at(theta)
        # The same direction for all: a row may not depend on its place in the batch.
        draw = np.random.default_rng(0).standard_normal(self.n_params_)
        draw = self.asarray(np.broadcast_to(draw, local.theta.shape))
        return to_host(spectral_norm(local.hvp, draw, self.curvature_cost))

    def default_init(self) -> str:
        """Name the starts that ``init="auto"`` uses for this loss.

        Returns
        -------
        init : {"spread", "height", "gaussian", "iteration"}
            By default "spread", which draws several sizes of what :meth:`draw_starts`
            proposes. For deep networks all proposals lie near one critical point, the
            origin; such a loss returns "height", whose descents lead away from it.
        """
        return "spread"

    def draw_starts(self, streams: Sequence[np.random.Generator]) -> FloatArray:
        r"""Draw a random starting point from each stream.

        By default a normal distribution around the origin, whose standard deviation
        :math:`\ell \sqrt{2 / n}` gives points a distance of about :math:`\sqrt 2 \ell`
        from it, with the :meth:`length_scale` :math:`\ell` and n parameters.

        Parameters
        ----------
        streams : sequence of numpy.random.Generator
            A generator per start.

        Returns
        -------
        theta0 : ndarray of shape (n_starts, n_params)
            Starting points, on the host.

        Raises
        ------
        ValueError
            If ``streams`` is not a sequence of generators, or empty.
        """
        self._check_fitted()
        n = self.n_params_
        draws = [stream.standard_normal(n) for stream in check_streams(streams)]
        return self.length_scale() * np.sqrt(2 / n) * np.stack(draws)

    def ground_truth(self) -> GroundTruth:
        """Return the critical points if they are known.

        Returns
        -------
        truth : GroundTruth
            By default the analytical spectrum.

        Raises
        ------
        NoGroundTruthError
            If they are not known.
        """
        return self.analytical_spectrum()

    def analytical_spectrum(self) -> LinearSpectrum:
        """Return the critical points in closed form, if they are known.

        Raises
        ------
        NoGroundTruthError
            Always, unless the subclass knows its critical points.
        """
        raise NoGroundTruthError(
            f"The critical points of {type(self).__name__} are not known in closed "
            "form; scores that compare with the truth need a list of known points "
            "(KnownPoints), or a loss such as LinearAutoencoderLoss."
        )


class ModelledLoss(Loss):
    """A loss that answers every question by a local model."""

    def _once(self, theta: Array) -> LocalModel:
        """Return a local model for one question, by default that for all."""
        return self.at(theta)

    def value(self, theta: Array) -> Array:  # noqa: D102 (documented in Loss)
        return self._once(theta).value

    def gradient(self, theta: Array) -> Array:  # noqa: D102
        return self._once(theta).gradient

    def hvp(self, theta: Array, v: Array) -> Array:  # noqa: D102
        return self._once(theta).hvp(v)

    def hessian(self, theta: Array) -> Array:  # noqa: D102
        return self._once(theta).hessian()
