"""Units of parameters in which the entries of a Hessian are comparable."""

from __future__ import annotations

from skcrit._backend import array_namespace
from skcrit._typing import Array


def comparable_units(hessian: Array, unit: Array, level: Array | float) -> Array:
    """Shrink units that make entries of a Hessian larger than a level.

    Parameters
    ----------
    hessian : array of shape (n, n_params, n_params)
        Symmetric matrices.
    unit : array of shape (n_params,)
        Units proposed.
    level : float or array of shape (n, 1)
        Typical size of the Hessian in natural units; zero leaves the units as they are.

    Returns
    -------
    unit : array of shape (n, n_params)
        With these units, ``unit_i |H_ij| unit_j`` is at most of the order of the level.
        Units are never enlarged, because the rounding errors of small entries would
        then become as large as the others.
    """
    xp = array_namespace(hessian)
    unit = xp.broadcast_to(unit, hessian.shape[:-1])
    level = xp.zeros_like(unit) + level
    divisor = xp.where(level > 0, level, xp.ones_like(level))
    size = xp.abs(hessian)
    for _ in range(2):
        excess = unit * xp.max(size * unit[:, None, :], axis=-1) / divisor
        above = (excess > 1) & (level > 0)
        if not bool(xp.any(above)):
            break
        unit = unit / xp.sqrt(xp.where(above, excess, xp.ones_like(excess)))
    return unit
