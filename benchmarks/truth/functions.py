"""Functions of one's own, in any unit and with all defaults: what is found of them."""

import warnings
from functools import partial
from itertools import product

import numpy as np

from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    NewtonMRFinder,
    SaddleDynamicsFinder,
)
from skcrit.losses import FunctionLoss
from skcrit.proving_grounds import (
    make_himmelblau,
    make_mueller_brown,
    make_six_hump_camel,
    make_three_hump_camel,
)
from tests.search._surfaces import lennard_jones

from .report import Row
from .sets import wells

__all__ = ["rows"]

# Units of the values and of the coordinates.
UNITS = ((1.0, 1.0), (1e-6, 1e6), (1e6, 1e-6))

N_STARTS = 500
FINDERS = (NewtonMRFinder, SaddleDynamicsFinder, GradNormFinder)

# Share of the critical sets that a finder has to reach.
_ENOUGH = 2 / 3

# How far a found point is from a known one, in the unit of the function: ends are where
# the search stopped, and sets are farther apart.
_NEAR = 5e-3

GROUNDS = {
    "Himmelblau": make_himmelblau,
    "three-hump camel": make_three_hump_camel,
    "six-hump camel": make_six_hump_camel,
    "Mueller-Brown": make_mueller_brown,
}

# Squared distances in clusters at rest, which MINPACK's Levenberg-Marquardt method has
# found from a thousand starts on lines, in planes and in space: tetrahedron, rhombus,
# square, kite, star and line.
CLUSTERS = {
    3: [[1, 1, 1], [0.9974, 0.9974, 3.9898]],
    4: [
        [1, 1, 1, 1, 1, 1],
        [0.9960, 0.9960, 0.9960, 0.9960, 1.0042, 2.9799],
        [0.9825, 0.9825, 0.9825, 0.9825, 1.9651, 1.9651],
        [0.9938, 0.9964, 0.9964, 1.0010, 3.7124, 3.7124],
        [0.9884, 0.9884, 0.9884, 2.9652, 2.9652, 2.9652],
        [0.9948, 0.9973, 0.9973, 3.9842, 3.9842, 8.9681],
    ],
}


def squared_distances(theta, n_atoms):
    """Return the sorted squared distances of all pairs of atoms."""
    atoms = np.reshape(theta, (*theta.shape[:-1], n_atoms, 3))
    rows, columns = np.triu_indices(n_atoms, 1)
    gaps = atoms[..., rows, :] - atoms[..., columns, :]
    return np.sort(np.sum(gaps**2, axis=-1), axis=-1)


def motions(theta, n_atoms):
    """Return the tangents of three shifts and three turns."""
    atoms = np.reshape(theta, (*theta.shape[:-1], n_atoms, 3))
    atoms = atoms - np.mean(atoms, axis=-2, keepdims=True)
    shifts = np.broadcast_to(np.eye(3)[:, None], (*theta.shape[:-1], 3, n_atoms, 3))
    turns = np.cross(np.eye(3)[:, None, :], atoms[..., None, :, :])
    both = np.concatenate([shifts, turns], axis=-3)
    return np.reshape(both, (*theta.shape[:-1], 6, 3 * n_atoms))


def in_units(loss, value, length, **declared):
    """Express a function in other units of its values and of its parameters."""
    return FunctionLoss(
        lambda t: value * loss.value(t / length),
        lambda t: value / length * loss.gradient(t / length),
        lambda t, v: value / length**2 * loss.hvp(t / length, v),
        n_params=loss.n_params_,
        **declared,
    ).fit()


def cases():
    """Yield functions, what is declared of them, and how points become sets.

    Yields
    ------
    name : str
        Name.
    loss : Loss
        In its own unit.
    declare : callable
        Maps a unit of length to arguments of ``FunctionLoss``.
    sets : callable
        Maps points in the own unit to coordinates that the sets differ in.
    known : ndarray of shape (n_sets, n_coordinates)
        These coordinates of all sets.
    """
    double = wells([1.0, 1.0], 0.0, np.random.default_rng(0), 1).loss
    nine = np.array(list(product((-1.0, 0.0, 1.0), repeat=2)))
    yield "double well", double, plain, np.asarray, nine
    for name, make in GROUNDS.items():
        ground = make()
        yield name, ground, plain, np.asarray, ground.ground_truth().points
    for n_atoms, known in CLUSTERS.items():
        loss = lennard_jones(n_atoms, True)
        sets = partial(squared_distances, n_atoms=n_atoms)
        declare = partial(movable, n_atoms=n_atoms)
        yield f"Lennard-Jones, {n_atoms} atoms", loss, declare, sets, np.array(known)


def plain(length):
    """Declare nothing."""
    return {}


def movable(length, n_atoms):
    """Declare shifts and turns, and what they and exchanges leave alone."""
    return {
        "symmetries": partial(motions, n_atoms=n_atoms),
        "invariants": lambda t: squared_distances(t / length, n_atoms),
    }


def rows(quick=False):
    """Return the rows of the table.

    Parameters
    ----------
    quick : bool, default=False
        Whether to try a small part only.

    Yields
    ------
    row : Row
        One for each function and method; ``n`` counts the sets that had to be found, in
        all units together, ``wrong`` those that were not, and false ones; ``known`` is
        the share that was found.
    """
    chosen = list(cases())[:1] if quick else cases()
    units = UNITS[:1] if quick else UNITS
    for name, loss, declare, sets, known in chosen:
        for method in (LandscapeExplorer, *FINDERS)[: 1 if quick else None]:
            needed = found = missing = 0
            for value, length in units:
                mine = in_units(loss, value, length, **declare(length))
                reached, false = search(method, mine, length, sets, known)
                wanted = len(known)
                if method is not LandscapeExplorer:
                    wanted = int(np.ceil(_ENOUGH * len(known)))
                needed, found = needed + wanted, found + reached
                missing += max(wanted - reached, 0) + false
            share = found / (len(units) * len(known))
            yield Row(f"{name}, {method.__name__}", needed, missing, share)


def search(method, loss, length, sets, known):
    """Search with defaults; count the sets that are found, and points of none."""
    options = {} if method is LandscapeExplorer else {"n_starts": N_STARTS}
    finder = method(random_state=0, **options)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        finder.fit(loss)
    ends = sets(finder.final_params_[finder.converged_] / length)
    gaps = np.max(np.abs(ends[:, None] - known), axis=-1)
    which, near = np.argmin(gaps, axis=1), np.min(gaps, axis=1, initial=np.inf) < _NEAR
    return len(np.unique(which[near])), int(np.sum(~near))
