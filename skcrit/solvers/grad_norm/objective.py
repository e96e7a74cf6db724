"""Half the squared gradient norm ``|g|^2 / 2`` and its slope ``H g``."""

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit.linalg import spectral_norm

__all__ = ["FLATNESS_COST", "cauchy_length", "dot", "flatness", "slope"]

# Products that flatness spends on a point.
FLATNESS_COST = 21


def slope(local):
    """Compute the gradient ``H g`` of half the squared gradient norm: one product.

    Parameters
    ----------
    local : LocalModel
        Loss at a batch of points.

    Returns
    -------
    slope : array of shape (n, n_params)
        Slopes (McIver & Komornicki 1972).
    """
    return local.hvp(local.gradient)


def dot(a, b):
    """Multiply vectors row by row.

    Parameters
    ----------
    a, b : array of shape (n, n_params)
        Vectors.

    Returns
    -------
    product : ndarray of shape (n,)
        Inner products, on the host.
    """
    xp = array_namespace(a)
    return to_host(xp.sum(a * b, axis=-1))


def cauchy_length(local, d):
    """Find the length along d that minimises the Gauss-Newton model: one product.

    Parameters
    ----------
    local : LocalModel
        Loss at a batch of points.
    d : array of shape (n, n_params)
        Directions of descent.

    Returns
    -------
    length : ndarray of shape (n,)
        Minimisers ``-g^T H d / |H d|^2`` of ``|g + t H d|^2``; one where it is not
        defined.
    """
    image = local.hvp(d)
    gain, size = -dot(local.gradient, image), dot(image, image)
    defined = (gain > 0) & (size > 0)
    return np.where(defined, gain / np.where(defined, size, 1.0), 1.0)


def flatness(local, descent):
    r"""Tell how little of the gradient the best step along the slope can remove.

    Parameters
    ----------
    local : LocalModel
        Loss at a batch of points.
    descent : array of shape (n, n_params)
        Slopes ``H g``.

    Returns
    -------
    ratio : ndarray of shape (n,)
        ``|H p + g| / (|H| |p| + |g|)`` for the step p along the slope that makes it
        smallest: near one where the gradient lies in the kernel of the Hessian, which
        is where searches on the gradient norm get stuck.

    Notes
    -----
    Costs 21 products, 20 of them for the size of the Hessian.
    """
    image = local.hvp(descent)
    squared, slope_squared = dot(local.gradient, local.gradient), dot(descent, descent)
    size = dot(image, image)
    length = slope_squared / np.where(size > 0, size, 1.0)
    residual = np.sqrt(np.maximum(squared - length * slope_squared, 0.0))
    norm = to_host(spectral_norm(local.hvp, descent))
    scale = norm * length * np.sqrt(slope_squared) + np.sqrt(squared)
    return residual / np.where(scale > 0, scale, 1.0)
