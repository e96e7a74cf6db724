"""Functions as a user writes them, in any unit, with all critical points known.

A function is stretched and multiplied: ``v f(x / u)``. It declares no length, so that
a finder knows no more of its size than values, gradients and products say.
"""

from typing import NamedTuple

import numpy as np

from skcrit.losses import FunctionLoss
from skcrit.proving_grounds import (
    make_himmelblau,
    make_lennard_jones,
    make_mueller_brown,
    make_separable_quartic,
    make_six_hump_camel,
    make_three_hump_camel,
)

__all__ = ["NAMES", "OwnFunction", "own_function"]

# Relative difference up to which two points, or two clusters of atoms, are one.
_SAME = 1e-4

_PLANE = {
    "Himmelblau": make_himmelblau,
    "three-hump camel": make_three_hump_camel,
    "six-hump camel": make_six_hump_camel,
    "Mueller-Brown": make_mueller_brown,
}


class OwnFunction(NamedTuple):
    """A function, and what is true of it.

    Parameters
    ----------
    loss : FunctionLoss
        Fitted.
    known : ndarray of shape (n_sets, n_features)
        A row for each critical set, in the unit of the function.
    describe : callable
        Maps points of the loss to such rows.
    """

    loss: FunctionLoss
    known: np.ndarray
    describe: object

    def tally(self, theta):
        """Count the known sets among points, and the points that are not known.

        Parameters
        ----------
        theta : ndarray of shape (n_points, n_params)
            Points that are said to be critical.

        Returns
        -------
        n_found, n_false : int
            Known sets that occur, and points that belong to no set.
        """
        if len(theta) == 0:
            return 0, 0
        gaps = self.describe(theta)[:, None, :] - self.known
        near = np.max(np.abs(gaps), axis=-1) < _SAME
        return int(np.sum(np.any(near, axis=0))), int(np.sum(~np.any(near, axis=1)))


# Distances between the atoms of all clusters in ascending order, by index. They were
# found by Newton steps from random clusters and belong to r^-12 - 2 r^-6.
_CLUSTERS = {
    3: ((1.0, 1.0, 1.0), (0.99872, 0.99872, 1.99745)),
    4: (
        (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        (0.99801, 0.99801, 0.99801, 0.99801, 1.00208, 1.72625),
        (0.9969, 0.99819, 0.99819, 1.0005, 1.92676, 1.92676),
        (0.99123, 0.99123, 0.99123, 0.99123, 1.40181, 1.40181),
        (0.99418, 0.99418, 0.99418, 1.72198, 1.72198, 1.72198),
        (0.9974, 0.99864, 0.99864, 1.99604, 1.99604, 2.99468),
    ),
}

NAMES = ("double well", *_PLANE, "3 atoms", "4 atoms")


def own_function(name, factor=1.0, unit=1.0):
    """Write a function in a unit of values and one of coordinates.

    Parameters
    ----------
    name : str
        One of ``NAMES``.
    factor : float, default=1.0
        What values are multiplied by.
    unit : float or array-like of shape (n_params,), default=1.0
        What coordinates are multiplied by.

    Returns
    -------
    function : OwnFunction
        The loss, and what is true of it.
    """
    plain, known, describe = _plain(name)
    unit = np.asarray(unit, dtype=float)
    loss = FunctionLoss(
        lambda t: factor * plain.value(t / unit),
        lambda t: factor * plain.gradient(t / unit) / unit,
        lambda t, v: factor * plain.hvp(t / unit, v / unit) / unit,
        n_params=plain.n_params_,
        # Clusters move and turn: without invariants each end would be a set.
        invariants=(lambda t: describe(t / unit)) if "atoms" in name else None,
    )
    return OwnFunction(loss.fit(), known, lambda t: describe(t / unit))


def _plain(name):
    """Return a function as it is usually written."""
    if name.endswith("atoms"):
        n_atoms = int(name[0])
        plain = make_lennard_jones(n_atoms)
        return plain, np.array(_CLUSTERS[n_atoms]), plain.invariants
    if name in _PLANE:
        plain = _PLANE[name]()
        return plain, plain.ground_truth().points, np.asarray
    # A quarter of (x^2 - 1)^2 + (y^2 - 1)^2, but for a constant.
    axis = np.array([-1.0, 0.0, 1.0])
    known = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    return make_separable_quartic(2, tilt=0.0), known, np.asarray
