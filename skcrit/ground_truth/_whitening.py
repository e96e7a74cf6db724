"""The canonical form of a linear network with targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._typing import FloatArray
from skcrit.ground_truth._eigenvalues import clean_eigenvalues
from skcrit.ground_truth._problem import Problem
from skcrit.linalg import eigh


@dataclass(frozen=True, eq=False)
class Whitened:
    """Bases in which the moments of inputs and targets are diagonal.

    With the second moment S of the inputs and the cross moment T of the targets with
    them, S = root root^T and T inverse^T = outputs diag(sqrt(values)), up to columns of
    zeros: the singular value decomposition of the cross moment of whitened inputs.
    """

    values: np.ndarray  # cleaned eigenvalues of T S^+ T^T, descending
    outputs: np.ndarray  # their eigenvectors, as columns
    root: np.ndarray  # (n_inputs, n_seen)
    inverse: np.ndarray  # (n_seen, n_inputs)
    null: np.ndarray  # basis of the kernel of S, as rows
    spectrum: np.ndarray  # positive eigenvalues of S, descending
    # S and T; they change along if cleaning changed more than rounding
    moment: np.ndarray
    cross: np.ndarray

    @property
    def rank(self) -> int:
        """Number of positive values."""
        return int(np.count_nonzero(self.values))

    @property
    def goal(self) -> FloatArray:
        """What the best end-to-end matrix times the root is, (n_outputs, n_seen)."""
        return _goal(self.values, self.outputs, len(self.spectrum))

    def problem(self, layer_sizes: Any, residual: float) -> Problem:
        """Make the problem of a network; the residual is summed over outputs."""
        power = self.values.sum() + residual
        scale = np.sqrt(self.values[0]) if self.rank else np.sqrt(power)
        scale = float(scale) if scale > 0 else 1.0
        share = 1 - 1 / (len(layer_sizes) - 1)
        factor = 1.0
        if self.spectrum.size:
            # Inputs of little variance change the gradient least, and the balanced
            # layers of a network with inputs of much variance are small.
            large, small = np.sqrt(self.spectrum[[0, -1]])
            factor = float(small * (scale / large) ** share / scale)
        return Problem(
            self.values,
            self.outputs,
            self.root / scale,
            scale * self.inverse,
            layer_sizes,
            scale=scale,
            residual=residual,
            null=self.null,
            growth=float(np.sqrt(power * self.spectrum.sum()) / len(self.values)),
            grad_factor=factor,
        )


def whiten(
    moment: FloatArray,
    cross: FloatArray,
    n_samples: int,
    zero_rtol: Any,
    tie_rtol: float,
) -> Whitened:
    """Find the canonical form of a second moment and a cross moment."""
    spectrum, basis = eigh((moment + moment.T) / 2)
    spectrum, basis = spectrum[::-1], basis[:, ::-1]
    options = {"n_samples": n_samples, "zero_rtol": zero_rtol}
    kept = clean_eigenvalues(spectrum, tie_rtol=0, **options)
    n_seen = int(np.count_nonzero(kept))
    size = np.sqrt(kept[:n_seen])
    left, values, right = np.linalg.svd(cross @ (basis[:, :n_seen] / size))
    root = (basis[:, :n_seen] * size) @ right.T
    squares = np.zeros(len(cross))
    squares[: values.size] = values**2
    cleaned = clean_eigenvalues(squares, tie_rtol=tie_rtol, **options)
    changed = _moved(spectrum, kept)
    if changed:
        moment = root @ root.T
    if changed or _moved(squares, cleaned):
        cross = _goal(cleaned, left, n_seen) @ root.T
    return Whitened(
        values=cleaned,
        outputs=left,
        root=root,
        inverse=right @ (basis[:, :n_seen] / size).T,
        null=basis[:, n_seen:].T,
        spectrum=kept[:n_seen],
        moment=moment,
        cross=cross,
    )


def _moved(before: FloatArray, after: FloatArray) -> bool:
    """Check whether cleaning changed more than rounding."""
    rounding = before.size * np.finfo(float).eps * np.max(np.abs(before))
    return bool(np.any(np.abs(after - before) > rounding))


def _goal(values: FloatArray, outputs: FloatArray, n_seen: int) -> FloatArray:
    """Write the singular values into coordinates of the outputs."""
    used = np.count_nonzero(values)
    goal = np.zeros((len(values), n_seen))
    goal[:, :used] = outputs[:, :used] * np.sqrt(values[:used])
    return goal
