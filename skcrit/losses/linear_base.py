"""What the losses of linear networks have in common."""

from __future__ import annotations

from math import prod
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import BACKENDS, array_namespace, to_device, to_host
from skcrit._typing import Array, FloatArray
from skcrit.ground_truth._factors import (
    balanced_layers,
    join_weights,
    layer_shapes,
    split_weights,
    thin_svd,
)
from skcrit.losses._bases import uncorrelated
from skcrit.losses._data_symmetries import data_flats, data_turns
from skcrit.losses._linear_proofs import LinearProofs
from skcrit.losses._network import Moments
from skcrit.losses._network_model import NetworkModel
from skcrit.losses._tangents import orbit_tangents
from skcrit.losses.base import ModelledLoss
from skcrit.utils._arguments import shown
from skcrit.utils._validation import Interval, StrOptions


class LinearLoss(LinearProofs, ModelledLoss):
    """Mean squared error of a deep linear network, from moments of its data.

    A subclass sets, in ``fit``: ``eigenvalues_``, and by ``_prepare`` the matrices that
    evaluation needs.
    """

    _parameter_constraints = {
        "hidden_layer_sizes": [
            Interval(Integral, 1, None, closed="left"),
            "array-like",
        ],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "center": ["boolean"],
        "backend": [StrOptions(set(BACKENDS))],
        "dtype": [StrOptions({"float64", "float32"})],
        "zero_rtol": [None, Interval(Real, 0, 1, closed="left")],
        "tie_rtol": [Interval(Real, 0, 1, closed="left")],
    }

    eigenvalues_: FloatArray

    curvature_cost = 0

    # Weights of the penalties on the layers and on the end-to-end matrix, and the part
    # of the loss that no network explains.
    _decay, _decay_product, _offset = 0.0, 0.0, 0.0

    def _prepare(
        self,
        layer_sizes: Any,
        moment: Any,
        target: Any,
        root: Any,
        goal: Any,
        **others: Any,
    ) -> None:
        # Put the few constant matrices where the computations run. The loss is the
        # square of W @ root - goal. A target of None is the moment itself, a goal of
        # None the root. Others are the projector on what the data see, and the ties.
        self._layer_sizes = layer_sizes
        self._shapes = layer_shapes(layer_sizes)
        self.n_params_ = sum(prod(shape) for shape in self._shapes)
        self._tau = self._decay_product * layer_sizes[-1]
        parts = {"moment": moment, "target": target, "root": root, "goal": goal}
        for name, matrix in (parts | others).items():
            setattr(self, f"_{name}", self._placed(matrix))
        if goal is None:
            self._goal = self._root
        self._scale_moments()

    def _scale_moments(self) -> None:
        # In the eigenbasis of the data, where searches are, products are cheaper.
        moment = to_host(self._moment)
        diagonal = np.diag(moment)
        if not np.array_equal(moment, np.diag(diagonal)):
            diagonal = None
        self._moments = Moments(
            *(self._moment, self._layer_sizes[-1], self._tau, self._target),
            self._placed(diagonal),
        )

    def __getstate__(self) -> dict[str, Any]:
        # The scaled moments follow from the rest, and need not be sent or hashed.
        state = super().__getstate__()
        return {key: state[key] for key in state if key != "_moments"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "_moment"):
            self._scale_moments()

    def _placed(self, matrix: Any) -> Any:
        # Bring a matrix, or a list of some, to the device.
        if matrix is None:
            return None
        if isinstance(matrix, list):
            return [self._placed(part) for part in matrix]
        return to_device(matrix, self.backend, self.dtype)

    @property
    def rescale_keeps_inertia(self) -> bool:  # type: ignore[override]
        """Whether the balanced point is on the same orbit: not for deep networks.

        The middle layers of a deep network can have a larger rank than the end-to-end
        matrix. Balancing removes the excess, which can lower the Morse index.
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
            Matrices of the layers, first layer first, as views if possible.
        """
        return self._split(self._as_points(theta))

    def _split(self, theta: Array) -> list[Array]:
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

    def at(self, theta: Array) -> NetworkModel:  # noqa: D102 (documented in Loss)
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

    def _seen_by_the_data(self, theta: Array) -> Array:
        # The end-to-end matrix times the root of the moment; of tied eigenvalues only
        # what a rotation of their eigenspaces leaves alone.
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
        n = min(W.shape[-2:])
        diagonal = xp.linalg.diagonal(W[..., :n, :n])
        traces = diagonal[..., None, :] @ columns[:n, ...]
        return xp.concat([norms, traces[..., 0, :]], axis=-1)

    def invariants_scale(self) -> float | FloatArray:
        """Return the roots of the eigenvalues, the size of columns of ``W C^(1/2)``.

        Returns
        -------
        scale : float or ndarray of shape (n_invariants,)
            Positive. In these units sets differ by about one, even if the eigenvalues
            by which they differ are small.
        """
        self._check_fitted()
        n_seen = self._root.shape[-1]
        values = np.zeros(n_seen)
        explained = self.eigenvalues_[self.eigenvalues_ > 0][:n_seen]
        values[: len(explained)] = explained
        # Inputs that explain nothing are as large as the largest.
        size = np.sqrt(np.where(values > 0, values, np.max(values, initial=0.0)))
        size = np.where(size > 0, size, 1.0)
        if self._ties is None:
            return np.tile(size, self._shapes[-1][0])
        rows, columns = (to_host(part) for part in self._ties[1:])
        distinct = size[np.argmax(columns > 0, axis=0)]
        return np.concatenate([np.tile(distinct, len(rows)), distinct])

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
            weights, whose symmetries are rotations, the points themselves. NaN if the
            end-to-end matrix is not finite.
        """
        theta = self._as_points(theta)
        if self._decay > 0:
            return theta
        weights = self._split(theta)
        # What the data do not see is free, unless a penalty sees it.
        if self._projector is not None:
            weights[0] = weights[0] @ self._projector
        return join_weights(balanced_layers(*thin_svd(weights), self._shapes))

    def representative(self, theta: Array) -> Array:
        """Rotate the hidden layers so that their units are uncorrelated.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        theta : array of shape (..., n_params)
            Points of the same orbits, by rotations of the hidden units: their second
            moments ``W_{l:1} C W_{l:1}^T`` are diagonal.
        """
        return join_weights(uncorrelated(self.weights(theta), self._root))

    def default_init(self) -> str:  # noqa: D102 (documented in Loss)
        return "height"

    def orbit_tangents(self, theta: Array) -> Array:
        """Span the tangent space of the continuous symmetry orbit.

        The loss is constant under changes of basis of the hidden layers (rotations if
        there is a penalty on the weights), under changes of weights along directions
        without data (if there is no penalty), and under rotations of eigenvectors of
        tied eigenvalues. Without a penalty on the weights, there are further flat
        directions, which are not symmetries: hidden units whose output is zero up to
        rounding may write to outputs without explained variance, and read from inputs
        that explain nothing. With one hidden layer all of these together span the
        kernel of the Hessian at every critical point at which the critical set is a
        manifold.

        Parameters
        ----------
        theta : array of shape (..., n_params)
            Points.

        Returns
        -------
        tangents : array of shape (..., n_tangents, n_params)
            Vectors in rows, some of them zero or linearly dependent. Their number is
            the sum of the squared widths of the hidden layers (half of it with a
            penalty on the weights), and more if eigenvalues are tied or zero.
        """
        theta = self._as_points(theta)
        # Made when they are asked for: if much is tied they are larger than all that
        # evaluation needs, and a loss is sent to every worker.
        free = map(self._placed, self._data_symmetries())
        weights, only_rotations = self._split(theta), self._decay > 0
        return orbit_tangents(weights, self._moment, self._tau, only_rotations, *free)

    def count_tangents(self, theta: Array) -> int:  # noqa: D102
        weights, only_rotations = self.weights(theta), self._decay > 0
        widths = [W.shape[-2] for W in weights[:-1]]
        count = sum(h * (h - 1) // 2 if only_rotations else h * h for h in widths)
        turns, (silent, deaf, unseen) = self._data_symmetries()
        idle = len(silent) * widths[-1] + len(deaf) * widths[0]
        return count + len(turns[0]) + idle + len(unseen) * widths[0]

    def orbit_weights(self, theta: Array) -> tuple[Array, Array] | None:  # noqa: D102
        weights, width = self.weights(theta), self._layer_sizes[1]
        narrow = width <= min(self._layer_sizes[0], self._layer_sizes[-1])
        if len(weights) != 2 or self._decay > 0 or not narrow:
            return None
        # Nothing else may be a symmetry.
        return tuple(weights) if self.count_tangents(theta) == width**2 else None

    def _data_symmetries(self) -> tuple[list[Array], list[Array]]:
        # Rotations of what is tied or zero, and directions that explain nothing or have
        # nothing to explain. A subclass has the bases, the penalty, and whether outputs
        # of one value may rotate with the inputs that explain them.
        bases, penalty, joint = self._data_bases()
        outputs, _, inverse, null, values = bases
        turns = data_turns(*bases, penalised=penalty is not None, joint=joint)
        return turns, data_flats(outputs, inverse, null, values, penalty)

    def _penalty_value(self, theta: Array, sweep: Any) -> Any:
        # Evaluate the penalty at each point.
        xp = array_namespace(theta)
        if self._decay > 0:
            return self._decay * xp.sum(theta * theta, axis=-1)
        if self._decay_product > 0:
            W = sweep.product
            return self._decay_product * xp.sum(W * W, axis=(-2, -1))
        return 0.0
