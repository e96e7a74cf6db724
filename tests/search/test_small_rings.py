"""Rings of minima that are far smaller than the lengths that their loss shows.

Coordinates are rounded by eps times the distance from the origin, and errors of a
gradient that are seen along lines may exceed all there is on the ring. What is known
has to be right, whatever can be resolved.
"""

import numpy as np
import pytest

from skcrit import (
    FunctionLoss,
    LandscapeExplorer,
    NewtonMRFinder,
    SaddleDynamicsFinder,
)
from skcrit.solvers import Status

from ._surfaces import ring
from .test_truth import judged, on_sphere

RADII = [1e-2, 1e-4, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10]

# Relative to the distance, these radii are resolved to the last eigenvalue. Around the
# origin all are, down to the shortest distance at which a loss is looked at.
RESOLVED, SHORTEST = 1e-6, 1e-9


def center(n, distance):
    return np.full(n, distance / np.sqrt(n))


def assert_true(points, index, nullity, middle, radius):
    """What is known is that of the nearest critical set, in extended precision."""
    n = points.shape[1]
    u = np.asarray(points, np.longdouble) - np.asarray(middle, np.longdouble)
    inner = np.sqrt(np.sum(u * u, axis=1)) < np.longdouble(radius) / 2
    known = index >= 0
    np.testing.assert_array_equal(index[known], np.where(inner, n, 0)[known])
    known = nullity >= 0
    np.testing.assert_array_equal(nullity[known], np.where(inner, 0, n - 1)[known])


def assert_true_sets(finder, middle, radius):
    """The same for the sets of a finder."""
    index, nullity = finder.morse_indices_, finder.nullities_
    assert_true(finder.critical_points_, index, nullity, middle, radius)


@pytest.mark.parametrize("products", [True, False])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("distance", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("radius", RADII)
def test_points_beside_rings(radius, distance, n, products, rng):
    middle = center(n, distance)
    away = radius * on_sphere(n, 6, rng) * [[1], [1], [1], [1e-3], [1e-3], [0.3]]
    found = judged(ring(n, radius, middle, products), middle + away)
    good = found.status == Status.CONVERGED
    index, nullity = found.morse_index[good], found.nullity[good]
    assert_true(found.point[good], index, nullity, middle, radius)
    if distance * RESOLVED <= radius and found.point.size:
        assert np.all(index >= 0) or radius < SHORTEST


@pytest.mark.filterwarnings("ignore::skcrit.exceptions.NotConvergedWarning")
@pytest.mark.parametrize("products", [True, False])
@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("distance", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("radius", RADII)
def test_sets_of_searches(radius, distance, n, products):
    middle = center(n, distance)
    loss = ring(n, radius, middle, products)
    for finder in (
        NewtonMRFinder(loss, n_starts=6, random_state=0),
        SaddleDynamicsFinder(loss, index="natural", n_starts=4, random_state=0),
    ):
        assert_true_sets(finder.fit(), middle, radius)
        known = finder.morse_indices_ >= 0
        assert not distance * RESOLVED <= radius or radius < SHORTEST or known.all()


@pytest.mark.filterwarnings("ignore::skcrit.exceptions.NotConvergedWarning")
@pytest.mark.parametrize("products", [True, False])
@pytest.mark.parametrize("distance", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("radius", [1e-4, 1e-8, 1e-9, 1e-10])
def test_sets_of_explorations(radius, distance, products):
    middle = center(2, distance)
    loss = ring(2, radius, middle, products)
    finder = LandscapeExplorer(loss, max_searches=16, random_state=0)
    assert_true_sets(finder.fit(), middle, radius)


@pytest.mark.parametrize("power", [3, 4, 6])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("middle", [0.0, 1.0, 1e4])
def test_hessians_that_vanish_are_known(middle, n, power):
    """What a small ring is not: a point of higher multiplicity, wherever it lies."""
    loss = FunctionLoss(
        lambda theta: np.sum((theta - middle) ** power, axis=-1),
        lambda theta: power * (theta - middle) ** (power - 1),
        hvp=lambda theta, v: power * (power - 1) * (theta - middle) ** (power - 2) * v,
        n_params=n,
    )
    finder = NewtonMRFinder(loss, n_starts=10, random_state=0).fit()
    assert finder.n_critical_sets_ == 1
    np.testing.assert_array_equal(finder.morse_indices_, [0])
    np.testing.assert_array_equal(finder.nullities_, [n])
