"""Natural units of a loss, in which errors and steps are measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import Array
from skcrit.linalg import spectral_norm
from skcrit.losses.base import Loss

__all__ = ["Scales", "natural_scales"]

# Random starts at which the curvature is estimated.
_N_POINTS = 8


@dataclass(frozen=True)
class Scales:
    """Natural units of a loss, the same for all of its points.

    Attributes
    ----------
    length : array of shape (n_params,)
        Typical distance between critical points, along each parameter.
    unit : array of shape (n_params,)
        Unit of each parameter in which the entries of the Hessian are comparable.
    curvature : float
        Typical size of the Hessian in these units, in the unit of the loss.
    """

    length: Array
    unit: Array
    curvature: float


def natural_scales(loss: Loss) -> Scales:
    """Find the natural units of a loss.

    Parameters
    ----------
    loss : Loss
        Fitted loss.

    Returns
    -------
    scales : Scales
        What the loss says of its lengths and units, and the median of the spectral
        norms of the Hessian in these units at eight random starts; each is estimated
        from 20 products.
    """
    ones = np.ones(loss.n_params_)
    length = loss.asarray(to_host(loss.asarray(loss.length_scale())) * ones)
    unit = loss.asarray(to_host(loss.asarray(loss.parameter_unit())) * ones)
    streams = [np.random.default_rng((3, i)) for i in range(_N_POINTS)]
    with np.errstate(all="ignore"):  # a start can lie outside of what is finite
        local = loss.at(loss.asarray(loss.draw_starts(streams)))
        draw = np.random.default_rng(0).standard_normal(loss.n_params_)
        draw = loss.asarray(np.broadcast_to(draw, local.theta.shape))
        sizes = to_host(spectral_norm(lambda v: unit * local.hvp(unit * v), draw))
    finite = sizes[np.isfinite(sizes)]
    return Scales(length, unit, float(np.median(finite)) if len(finite) else 0.0)
