"""Half the squared gradient norm ``|g|^2 / 2`` and its slope ``H g``."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array, FloatArray
from skcrit.solvers._vectors import dot


def slope(local: Any) -> Array:
    """Compute the gradient ``H g`` of half the squared gradient norm: one product."""
    return local.hvp(local.gradient)


def unit(d: Array) -> FloatArray:
    """Return a power of two that brings directions to about length one."""
    # Slopes of the squared gradient norm have the size of the fourth power of the data,
    # and the products of two of them would overflow long before anything else does. A
    # power of two changes no digit; it is one if a direction is zero or not finite.
    xp = array_namespace(d)
    size = to_host(xp.max(xp.abs(d), axis=-1))
    usable = np.isfinite(size) & (size > 0)
    _, exponent = np.frexp(np.where(usable, size, 0.5))
    # Factors that are themselves normal numbers, in single precision too.
    most = 1000 if size.dtype == np.float64 else 120
    return np.ldexp(1.0, -np.clip(exponent, -most, most))


def cauchy_length(local: Any, d: Array) -> Array:
    """Find the length along d that minimises the Gauss-Newton model: one product."""
    # It is -g^T H d / |H d|^2 for |g + t H d|^2; one if that is not defined.
    image = local.hvp(d)
    gain, size = -dot(local.gradient, image), dot(image, image)
    defined = (gain > 0) & (size > 0)
    return np.where(defined, gain / np.where(defined, size, 1.0), 1.0)
