"""Samples of a network: in blocks, and the loss of each."""

from __future__ import annotations

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import aligned, array_namespace, to_host
from skcrit._typing import Array, ArrayLike, FloatArray
from skcrit.losses._activations import ACTIVATIONS
from skcrit.losses._mlp_layout import NetworkLayout
from skcrit.losses._mlp_model import sample_blocks
from skcrit.losses._mlp_targets import Targets
from skcrit.losses._output_losses import OUTPUT_LOSSES
from skcrit.losses.layers import Sweep
from skcrit.utils._validation import validate_data


class SampleLosses(NetworkLayout, TransformerMixin):
    """Sweep over blocks of samples, and evaluate the loss of each sample."""

    activation: str
    n_samples_seen_: int
    _X: FloatArray
    _targets: Targets

    def _cut(self, X: Array, Y: Array) -> list[tuple[Array, Array]]:
        # Blocks of samples, in columns, with their targets.
        if self.fit_intercept:
            X = np.column_stack([X, np.ones(len(X))])
        blocks = sample_blocks(len(X), max(self._widths[1:]), self.backend == "numpy")
        cut = [
            [self.asarray(np.ascontiguousarray(A[rows].T)) for A in (X, Y)]
            for rows in blocks
        ]
        return [(aligned(inputs), targets) for inputs, targets in cut]

    @property
    def numbers_per_point_(self) -> int:
        """How many numbers the sweeps over all samples keep for a point."""
        # Slopes, curves and signals besides the forward sweep; signals of outputs.
        *hidden, outputs = self._widths[1:]
        more = self.n_samples_seen_ * (3 * sum(hidden) + outputs)
        return self._numbers_forward + more

    @property
    def _numbers_forward(self) -> int:
        # Activities, and up to two more arrays by which an activation is
        # differentiated; outputs and states.
        *hidden, outputs = self._widths[1:]
        more = {"softplus": 1, "erf": 1, "silu": 2}.get(self.activation, 0)
        return self.n_samples_seen_ * ((1 + more) * sum(hidden) + 2 * outputs)

    def _sweep(self, weights: list[Array], inputs: Array, targets: Array) -> Sweep:
        # Sweep over a block of samples.
        activation = ACTIVATIONS[self.activation]
        output = OUTPUT_LOSSES[self._targets.kind]
        return Sweep(weights, inputs, targets, activation, output)

    def transform(
        self, X: ArrayLike, theta: Array | None = None, y: ArrayLike | None = None
    ) -> FloatArray:
        """Compute the loss of each sample under each point.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.
        theta : array of shape (n_points, n_params) or (n_params,), default=None
            Points; None is the origin, at which all outputs are zero, so that with the
            log-loss all classes are equally likely.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets. None uses those that the samples had in ``fit``; a loss that was
            fitted without targets compares samples with themselves.

        Returns
        -------
        losses : ndarray of shape (n_samples, n_points)
            Loss per sample, without the penalty. On the data of ``fit`` its mean over
            samples is the loss without the penalty. If ``y`` is None, NaN for a sample
            that was not among the data of ``fit``, or was there with several targets.

        Raises
        ------
        ValueError
            If ``X``, ``theta`` or ``y`` has the wrong shape, or ``X`` is not finite.
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
