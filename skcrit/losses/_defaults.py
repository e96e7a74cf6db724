"""What a loss that follows the contract without deriving from Loss may leave out."""

import numpy as np

from skcrit._backend import array_namespace, to_device, to_host
from skcrit.linalg import spectral_norm

__all__ = [
    "canonical_points",
    "curvature",
    "estimate_curvature",
    "keeps_inertia",
    "place",
    "start_norms",
]


def place(loss, array):
    """Put host numbers where a loss computes: NumPy float64 unless it says else.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    array : array-like
        Numbers on the host, or on the device already.

    Returns
    -------
    array : array
        The same numbers on the device of the loss.
    """
    backend = getattr(loss, "backend", "numpy")
    return to_device(array, backend, getattr(loss, "dtype", "float64"))


def canonical_points(loss, theta):
    """Move points to the canonical ones of their orbits; what is not finite stays.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : array of shape (n, n_params)
        Points, on host or device.

    Returns
    -------
    canonical : array of shape (n, n_params)
        Canonical points, on the device of the loss.
    """
    theta = place(loss, theta)
    xp = array_namespace(theta)
    # Factorisations refuse NaN, and one bad row must not end its batch.
    finite = xp.all(xp.isfinite(theta), axis=-1)[:, None]
    safe = xp.where(finite, theta, xp.zeros_like(theta))
    return xp.where(finite, loss.canonicalize(safe), theta)


def keeps_inertia(loss):
    """Tell whether canonical points have the inertia of the points themselves.

    Parameters
    ----------
    loss : Loss
        Fitted loss.

    Returns
    -------
    keeps : bool
        What the loss says, True if it says nothing.
    """
    return getattr(loss, "canonicalize_keeps_inertia", True)


def start_norms(loss, theta0):
    """Return the natural scale of invariants: their norms where searches begin.

    Starts far outside, on whose scale all critical points look alike, or at the origin,
    which has no scale, say nothing of the size of critical points. So a loss that knows
    it has an ``invariants_scale``, which stands for every norm.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta0 : ndarray of shape (n, n_params)
        Starting points.

    Returns
    -------
    norms : ndarray of shape (n,)
        Euclidean norms, on the host.
    """
    scale = getattr(loss, "invariants_scale", None)
    if scale is not None:
        return np.full(len(theta0), float(scale))
    return np.linalg.norm(to_host(loss.invariants(theta0)), axis=1)


def curvature(loss, theta):
    """Ask a loss for the size of its Hessian, or estimate it.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : array of shape (n_points, n_params)
        Points.

    Returns
    -------
    curvature : ndarray of shape (n_points,)
        Sizes.
    """
    if hasattr(loss, "curvature"):
        return loss.curvature(theta)
    return estimate_curvature(loss, theta)


def estimate_curvature(loss, theta):
    """Estimate the spectral norm of the Hessian from 20 products per point.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta : array of shape (n_points, n_params)
        Points.

    Returns
    -------
    curvature : ndarray of shape (n_points,)
        Lower estimates.
    """
    local = loss.at(place(loss, theta))
    # The same direction for all: a row may not depend on its place in the batch.
    draw = np.random.default_rng(0).standard_normal(local.theta.shape[-1])
    draw = np.broadcast_to(draw, local.theta.shape)
    return to_host(spectral_norm(local.hvp, place(loss, draw)))
