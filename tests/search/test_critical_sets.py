"""Points of one critical set are grouped, and points of different ones kept apart."""

import numpy as np
import pytest

from skcrit.datasets import make_gaussian_spectrum
from skcrit.finders import _grouping
from skcrit.finders._grouping import group_points, radii
from skcrit.losses import LinearAutoencoderLoss


def autoencoder(eigenvalues, hidden, **params):
    X = make_gaussian_spectrum(
        100, eigenvalues=eigenvalues, exact=True, rotate=True, random_state=0
    )
    return LinearAutoencoderLoss(hidden, **params).fit(X)


def representatives(loss, sets, n_each):
    """Points of each set, every time in another gauge."""
    spectrum = loss.analytical_spectrum()
    points = [
        spectrum.representative(s, random_state=k) for s in sets for k in range(n_each)
    ]
    return np.array(points)


def same_partition(labels, expected):
    pairs = set(zip(labels.tolist(), expected.tolist(), strict=True))
    return len(pairs) == len(set(labels)) == len(set(expected))


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize(
    "eigenvalues, hidden, params",
    [
        # The losses of the sets (0,) and (1, 2, 3) are equal.
        ([6.0, 3.0, 2.0, 1.0], (3,), {}),
        ([4.0, 2.0, 1.0], (2, 3, 2), {}),
        ([4.0, 2.0, 1.0], (2,), {"alpha": 0.1}),
        ([4.0, 2.0, 1.0], (2,), {"alpha": 0.1, "penalty": "product"}),
        ([4.0, 2.0, 1.0, 0.0], (3,), {}),
    ],
)
def test_all_sets_in_random_gauges(eigenvalues, hidden, params, unit, rng):
    if "alpha" in params:
        params = {**params, "alpha": params["alpha"] * unit**2}
    loss = autoencoder(eigenvalues, hidden, **params)
    X = make_gaussian_spectrum(100, eigenvalues=eigenvalues, exact=True, random_state=1)
    loss.fit(unit * X)
    sets = list(loss.analytical_spectrum().index_sets())
    theta = representatives(loss, sets, n_each=4)
    expected = np.repeat(np.arange(len(sets)), 4)
    order = rng.permutation(len(theta))
    quality = rng.uniform(size=len(theta)) * 1e-12
    labels, leaders = group_points(
        loss.invariants(theta[order]), np.zeros(len(theta)), quality
    )
    assert len(leaders) == len(sets)
    assert same_partition(labels, expected[order])


def test_equal_losses_are_kept_apart():
    loss = autoencoder([6.0, 3.0, 2.0, 1.0], (3,))
    theta = representatives(loss, [(0,), (1, 2, 3)], n_each=3)
    values = loss.value(theta)
    np.testing.assert_allclose(values, 1.5, rtol=1e-12)
    labels, leaders = group_points(loss.invariants(theta), np.zeros(6), np.arange(6.0))
    assert labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert leaders.tolist() == [0, 3]


def test_order_of_the_rows_does_not_matter(rng):
    centres = rng.standard_normal((5, 3))
    which = rng.integers(5, size=40)
    points = centres[which] + 1e-7 * rng.standard_normal((40, 3))
    uncertainty = np.full(40, 3e-6)
    for quality in (rng.uniform(size=40), np.zeros(40)):
        labels, leaders = group_points(points, uncertainty, quality)
        assert same_partition(labels, which)
        for _ in range(5):
            order = rng.permutation(40)
            again, best = group_points(
                points[order], uncertainty[order], quality[order]
            )
            np.testing.assert_array_equal(again, labels[order])
            np.testing.assert_array_equal(points[order][best], points[leaders])


def test_the_leader_has_the_least_gradient(rng):
    points = np.zeros((6, 2)) + [1.0, 0.0]
    quality = np.array([3.0, 1.0, 2.0, 5.0, 0.5, 4.0])
    labels, leaders = group_points(points, np.zeros(6), quality)
    assert leaders.tolist() == [4]
    assert labels.tolist() == [0] * 6


def test_uncertain_points_join_their_neighbours():
    points = np.array([[1.0, 0.0], [1.0, 2e-4], [1.0, 5e-2]])
    quality = np.array([0.0, 1.0, 2.0])
    known, _ = group_points(points, np.zeros(3), quality)
    assert known.tolist() == [0, 1, 2]
    vague, _ = group_points(points, np.array([0.0, 3e-4, 3e-4]), quality)
    assert vague.tolist() == [0, 0, 1]
    # However uncertain, points further apart than a thousandth are different.
    blind, _ = group_points(points, np.full(3, np.inf), quality)
    assert blind.tolist() == [0, 0, 1]


def test_the_scale_tells_zero_from_small():
    # Two end points at an invariant of zero, up to their error.
    points = np.array([[0.0, 0.0], [1e-8, 0.0]])
    alone, _ = group_points(points, np.zeros(2), np.array([0.0, 1.0]))
    assert alone.tolist() == [0, 1]
    known, _ = group_points(points, np.zeros(2), np.array([0.0, 1.0]), scale=1.0)
    assert known.tolist() == [0, 0]


def test_nothing_to_group():
    labels, leaders = group_points(np.empty((0, 4)), np.empty(0), np.empty(0))
    assert labels.shape == leaders.shape == (0,)
    assert labels.dtype.kind == leaders.dtype.kind == "i"


def grouped_one_by_one(invariants, uncertainty, quality, scale):
    """The same by definition: every point against every leader."""
    radius = radii(invariants, uncertainty, scale)
    labels, leaders = np.empty(len(invariants), dtype=int), []
    for row in np.lexsort((*invariants.T[::-1], quality)):
        distance = [np.linalg.norm(invariants[k] - invariants[row]) for k in leaders]
        nearest = int(np.argmin(distance)) if leaders else 0
        if leaders and distance[nearest] <= radius[leaders[nearest]] + radius[row]:
            labels[row] = nearest
        else:
            labels[row] = len(leaders)
            leaders.append(row)
    return labels, leaders


def between_two(rng):
    """Points hardly nearer to one of two leaders: expanded squares do not tell."""
    centres = rng.standard_normal((60, 3))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    apart = np.cross(centres, rng.standard_normal(3))
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    leaders = [centres - 1.2e-6 * apart, centres + 1.2e-6 * apart]
    others = [centres + step * apart for step in (-3e-11, 1e-11, 5e-11)]
    points = np.concatenate(leaders + others)
    return points, np.zeros(len(points)), np.repeat([0.0, 1.0], [120, 180])


def overlapping(n_sets, rng):
    """Points at distances about their radii."""
    points = rng.standard_normal((n_sets, 3))[rng.integers(n_sets, size=700)]
    radius = 10.0 ** rng.uniform(-4, -2, size=700)
    points = points + radius[:, None] * rng.standard_normal(points.shape)
    return points, radius, rng.integers(5, size=700) * 1e-12


@pytest.mark.parametrize("n_sets", [1, 40, 700, "between two"])
def test_blocks_do_not_change_the_groups(n_sets, rng, monkeypatch):
    between = n_sets == "between two"
    cloud = between_two(rng) if between else overlapping(n_sets, rng)
    scale = 1.0 if between else 10.0
    expected, leaders = grouped_one_by_one(*cloud, scale)
    assert not between or len(leaders) == 120
    for rows, distances in ((256, 2**20), (7, 2**20), (256, 1)):
        monkeypatch.setattr(_grouping, "_ROWS", rows)
        monkeypatch.setattr(_grouping, "_DISTANCES", distances)
        found, best = group_points(*cloud, scale=scale)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(best, leaders)
