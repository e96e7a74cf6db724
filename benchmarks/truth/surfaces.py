"""What is reported of functions that others made, against extended precision."""

import warnings

import numpy as np
from scipy.optimize import least_squares

from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    NewtonMRFinder,
    NewtonTRFinder,
    SaddleDynamicsFinder,
)

from .literature import LONG, surfaces
from .networks import inertia
from .report import Row

__all__ = ["rows"]

# Units of values and of parameters, how far everything is moved in these, and whether
# there are products. Each surface is tried in two of them.
CASES = (
    (1.0, 1.0, 0.0, True),
    (1.0, 1.0, 0.0, False),
    (1e-6, 1e6, 0.0, True),
    (1e6, 1e-6, 0.0, False),
    (1.0, 1.0, 1e3, True),
    (1.0, 1.0, 1e3, False),
)

# Starts of a reference search by SciPy, and of a finder.
_N_REFERENCES, _N_STARTS = 60, 8

# Newton steps in long double: the weak directions of a valley wait for the others.
_CUTS = [1e-5] * 4 + [1e-14] * 10

# Such a step is nothing, relative to the point, and such a gradient to the Hessian.
_ARRIVED, _FLAT = 1e-14, 1e-13

# Points that are nearer are the same, and points that are farther apart are not, in
# the unit of the function. Moving a function rounds its points.
_SAME, _APART = 1e-6, 1e-4

# A critical point is as far as reported, up to a factor, and to a length.
_FARTHER, _NEAR = 3.0, 1e-6


def rows(quick=False):
    """Return the rows of the table.

    Parameters
    ----------
    quick : bool, default=False
        Whether to try a small part only.

    Yields
    ------
    row : Row
        For finders ``n`` counts the ends that converged, ``wrong`` those of a wrong
        label or set, or without a critical point, and ``known`` is the share of starts
        that ended with a known label; for the explorer ``n`` counts the sets that a
        search by SciPy found, ``wrong`` the others, and ``known`` is their share.
    """
    for k, surface in enumerate(surfaces()):
        if quick and k not in (4, 5, 7, 12):
            continue
        n = wrong = known = starts = 0
        for case in (CASES[k % 6], CASES[(k + 3) % 6]):
            for finder in _finders()[:2] if quick else _finders():
                fitted = fit(finder, surface.loss(*case))
                counts = compared(surface, fitted, case[1], case[2] * case[1])
                n, wrong, known = n + counts[0], wrong + counts[1], known + counts[2]
                starts += _N_STARTS
        yield Row(surface.name, n, wrong, known / starts)
        points = references(surface) if surface.explored and not quick else []
        if len(points):
            found = fit(LandscapeExplorer(random_state=0), surface.loss())
            missed = _n_missed(points, found.critical_points_)
            share = 1 - missed / len(points)
            yield Row(f"{surface.name}, explorer", len(points), missed, share)


def _finders():
    """Make finders with their defaults."""
    options = {"n_starts": _N_STARTS, "random_state": 0}
    return [
        NewtonMRFinder(**options),
        SaddleDynamicsFinder(index="natural", **options),
        SaddleDynamicsFinder(index=1, **options),
        GradNormFinder(**options),
        NewtonTRFinder(**options),
    ]


def fit(finder, loss):
    """Search without the warnings."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return finder.fit(loss)


def refined(surface, points):
    """Take Newton steps in long double.

    Parameters
    ----------
    surface : Surface
        Function.
    points : ndarray of shape (n, n_params)
        Points in its own unit, in long double.

    Returns
    -------
    points : ndarray of shape (n, n_params)
        Where the steps lead.
    hessian : ndarray of shape (n, n_params, n_params)
        Hessians there.
    arrived : ndarray of bool of shape (n,)
        Whether the steps end, at a gradient of zero.
    """
    with np.errstate(all="ignore"):
        for cut in _CUTS:
            _, gradient, hessian = surface.derivatives(points)
            finite = np.where(np.isfinite(hessian), hessian, 0)
            values, vectors = np.linalg.eigh(finite.astype(float))
            steep = np.abs(values) > cut * np.max(np.abs(values), axis=1, keepdims=True)
            inverse = np.where(steep, 1 / np.where(steep, values, 1), 0)
            components = np.einsum("nij,ni->nj", vectors, gradient)
            step = np.einsum("nij,nj->ni", vectors, inverse * components)
            points = points - step
        _, gradient, hessian = surface.derivatives(points)
        size = 1 + np.max(np.abs(points), axis=1)
        arrived = np.max(np.abs(step), axis=1) <= _ARRIVED * size
        curved = np.max(np.abs(hessian), axis=(1, 2))
        arrived &= np.max(np.abs(gradient), axis=1) <= _FLAT * curved * size
    return points, hessian, arrived


def compared(surface, finder, length, shift):
    """Count the ends of a finder, and how many are wrong or known."""
    ends = np.flatnonzero(finder.converged_)
    results = {name: column[ends] for name, column in finder.results_.items()}
    known = int(np.sum(results["morse_index"] >= 0))
    begin = (LONG(finder.final_params_[ends]) - LONG(shift)) / LONG(length)
    points, hessian, arrived = refined(surface, begin)
    way = np.linalg.norm((points - begin).astype(float), axis=1)
    n, wrong, regular = 0, np.zeros(len(ends), dtype=bool), []
    for row in range(len(ends)):
        truth = inertia(hessian[row]) if arrived[row] else (-1, -1)
        if truth[0] < 0:
            # No critical point nearby is wrong, one that is degenerate is left out.
            wrong[row] = results["morse_index"][row] >= 0 and not arrived[row]
            continue
        n += 1
        end = {name: column[row] for name, column in results.items()}
        wrong[row] = is_wrong(end, truth, way[row], length)
        if truth[1] == 0:
            regular.append(row)
    points = points.astype(float)
    wrong[regular] |= in_wrong_set(points[regular], results["critical_set"][regular])
    return n, int(np.sum(wrong)), known


def is_wrong(end, truth, way, length):
    """Return whether the report of an end contradicts the reference."""
    index, nullity = int(end["morse_index"]), int(end["nullity"])
    if index >= 0 and (index, nullity) != truth:
        return True
    if not end["morse_index_low"] <= truth[0] <= end["morse_index_high"]:
        return True
    return bool(way > _FARTHER * end["distance"] / length + _NEAR)


def in_wrong_set(points, labels):
    """Return which points are in one set with others, or not with their likes."""
    gaps = np.max(np.abs(points[:, None] - points), axis=-1)
    same = labels[:, None] == labels
    return np.any(((gaps < _SAME) & ~same) | ((gaps > _APART) & same), axis=1)


def references(surface):
    """Find regular critical points by SciPy's least squares of the gradient."""
    rng, (low, high) = np.random.default_rng(5), surface.box()
    found = []
    with np.errstate(all="ignore"):
        for _ in range(_N_REFERENCES):
            result = least_squares(
                lambda t: np.nan_to_num(surface.derivatives(t, False)[1]),
                rng.uniform(low, high),
                jac=lambda t: np.nan_to_num(surface.derivatives(t)[2]),
                xtol=1e-15,
                ftol=1e-15,
                gtol=1e-15,
                x_scale="jac",
                max_nfev=100,
            )
            point = result.x
            values = np.abs(np.linalg.eigvalsh(np.nan_to_num(result.jac)))
            good = np.max(np.abs(result.fun)) <= 1e-9 * np.max(values)
            good &= np.min(values) > 1e-6 * np.max(values)
            good &= bool(np.all((point >= low) & (point <= high)))
            if good and _n_missed([point], np.array(found)):
                found.append(point)
    return found


def _n_missed(points, found):
    """Count the points that are not among those found."""
    if len(found) == 0:
        return len(points)
    near = [np.min(np.max(np.abs(found - point), axis=1)) < _APART for point in points]
    return int(len(points) - np.sum(near))
