"""Natural units of a loss, in which errors and steps are measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import Array
from skcrit.losses.base import Loss
from skcrit.solvers.tolerance import scaled_curvature

# Random starts at which the curvature is estimated.
_N_POINTS = 8


@dataclass(frozen=True)
class Scales:
    """Natural units of a loss, the same for all of its points."""

    length: Array  # typical distance between critical points, along each parameter
    unit: Array  # unit of each parameter that makes entries of the Hessian comparable
    curvature: float  # typical size of the Hessian per squared length scale


def natural_scales(loss: Loss) -> Scales:
    """Find the natural units of a loss."""
    # The curvature is the median of that per squared length scale at eight random
    # starts.
    ones = np.ones(loss.n_params_)
    length = loss.asarray(loss.length_scale())
    unit = loss.asarray(to_host(loss.asarray(loss.parameter_unit())) * ones)
    with np.errstate(all="ignore"):  # a start can lie where it is not finite
        sizes = scaled_curvature(loss, probes(loss), length)
    finite = sizes[np.isfinite(sizes)]
    curvature = float(np.median(finite)) if len(finite) else 0.0
    return Scales(length * loss.asarray(ones), unit, curvature)


def probes(loss: Loss) -> Array:
    """Draw eight points, always the same, that are typical for a loss."""
    streams = [np.random.default_rng((3, i)) for i in range(_N_POINTS)]
    return loss.asarray(loss.draw_starts(streams))
