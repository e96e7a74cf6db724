"""Points of one critical set are grouped, and points of different ones kept apart."""

import numpy as np
import pytest

from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import LinearAutoencoderLoss
from skcrit.search import critical_sets
from skcrit.search.critical_sets import Identity, group_points, match_points, radii


def identity(invariants, uncertainty=0.0, index=0, nullity=0):
    n = len(invariants)
    return Identity(
        np.asarray(invariants, dtype=float),
        np.broadcast_to(np.asarray(uncertainty, dtype=float), n),
        np.broadcast_to(np.asarray(index, dtype=int), n),
        np.broadcast_to(np.asarray(nullity, dtype=int), n),
    )


def same_partition(labels, expected):
    pairs = set(zip(labels.tolist(), expected.tolist(), strict=True))
    return len(pairs) == len(set(labels)) == len(set(expected))


@pytest.mark.filterwarnings("ignore::skcrit.ResolutionWarning")
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
        ([3.0, 2.001, 2.0, 1.0], (2,), {}),
        ([3.0, 2.0, 1.0, 1e-11], (2,), {}),
    ],
)
def test_all_sets_in_random_gauges(eigenvalues, hidden, params, unit, rng):
    if "alpha" in params:
        params = {**params, "alpha": params["alpha"] * unit**2}
    X = make_gaussian_spectrum(100, eigenvalues=eigenvalues, exact=True, random_state=1)
    loss = LinearAutoencoderLoss(hidden, **params).fit(unit * X)
    spectrum = loss.analytical_spectrum()
    sets = list(spectrum.index_sets())
    theta = np.array([
        spectrum.representative(s, random_state=k) for s in sets for k in range(4)
    ])
    expected = np.repeat(np.arange(len(sets)), 4)
    order = rng.permutation(len(theta))
    invariants = loss.invariants(theta[order]) / loss.invariants_scale()
    uncertainty = rng.uniform(size=len(theta)) * 1e-10
    labels, leaders = group_points(identity(invariants, uncertainty))
    assert len(leaders) == len(sets)
    assert same_partition(labels, expected[order])


def test_inertia_keeps_points_apart_that_invariants_do_not():
    points = np.zeros((6, 2))
    index = np.array([0, 1, 0, 1, -1, 0])
    nullity = np.array([2, 2, 2, 2, 2, 1])
    labels, leaders = group_points(
        identity(points, np.arange(6) * 1e-12, index, nullity)
    )
    assert len(leaders) == 3
    assert labels[0] == labels[2] and labels[1] == labels[3]
    assert len({labels[0], labels[1], labels[5]}) == 3
    # What is not known contradicts nothing.
    assert labels[4] in {labels[0], labels[1], labels[5]}


def test_one_far_point_decides_nothing_about_the_others():
    points = np.array([[0.0, 0.0], [1e-3, 0.0], [0.0, 1e-3]])
    alone, _ = group_points(identity(points, 1e-8))
    far = np.concatenate([points, [[1e4, 0.0]]])
    together, _ = group_points(identity(far, [1e-8] * 3 + [1e-3]))
    assert same_partition(alone, np.arange(3))
    assert same_partition(together, np.arange(4))


def test_order_of_the_rows_does_not_matter(rng):
    centres = rng.standard_normal((5, 3))
    which = rng.integers(5, size=40)
    points = centres[which] + 1e-7 * rng.standard_normal((40, 3))
    for uncertainty in (rng.uniform(size=40) * 1e-6 + 1e-7, np.full(40, 3e-6)):
        labels, leaders = group_points(identity(points, uncertainty))
        assert same_partition(labels, which)
        for _ in range(5):
            order = rng.permutation(40)
            again, best = group_points(identity(points[order], uncertainty[order]))
            np.testing.assert_array_equal(again, labels[order])
            np.testing.assert_array_equal(points[order][best], points[leaders])


def test_the_leader_has_the_least_error():
    error = np.array([3.0, 1.0, 2.0, 5.0, 0.5, 4.0]) * 1e-9
    labels, leaders = group_points(identity(np.ones((6, 2)), error))
    assert leaders.tolist() == [4]
    assert labels.tolist() == [0] * 6


def test_uncertain_points_join_their_neighbours():
    points = np.array([[1.0, 0.0], [1.0, 2e-4], [1.0, 5e-2]])
    known, _ = group_points(identity(points))
    assert same_partition(known, np.arange(3))
    vague, _ = group_points(identity(points, [0.0, 3e-5, 3e-5]))
    assert same_partition(vague, np.array([0, 0, 1]))


def test_known_sets_are_matched(rng):
    known = identity(rng.standard_normal((30, 4)), 1e-9, np.arange(30) % 3)
    which = rng.integers(30, size=100)
    points = identity(
        known.invariants[which] + 1e-10 * rng.standard_normal((100, 4)),
        1e-9,
        known.morse_index[which],
    )
    np.testing.assert_array_equal(match_points(points, known), which)
    unknown = identity(points.invariants, 1e-9, -1, -1)
    np.testing.assert_array_equal(match_points(unknown, known), which)
    others = identity(points.invariants, 1e-9, (known.morse_index[which] + 1) % 3)
    assert np.all(match_points(others, known) == -1)
    away = identity(points.invariants + 1e-3, 1e-9, -1, -1)
    assert np.all(match_points(away, known) == -1)


@pytest.mark.parametrize("vague", [1e-7, 0.3, np.inf])
def test_matches_are_those_of_comparing_all_with_all(vague, rng, monkeypatch):
    # Clusters whose radii overlap, some points of unknown inertia, one very uncertain.
    centers = rng.standard_normal((40, 3))
    known = centers[rng.integers(40, size=200)] + 1e-6 * rng.standard_normal((200, 3))
    error = 10.0 ** rng.uniform(-9, -6, 200)
    error[17] = vague
    index = rng.integers(-1, 2, size=200)
    nullity = rng.integers(-1, 2, size=200)
    known = identity(known, error, index, nullity)
    rows = rng.integers(200, size=300)
    points = known.invariants[rows] + 1e-6 * rng.standard_normal((300, 3))
    points[:20] += 1.0
    points = identity(points, 1e-8, index[::-1][rows // 2], nullity[rows])
    expected = []
    for row in range(300):
        gaps = np.linalg.norm(known.invariants - points.invariants[row], axis=1)
        for name in ("morse_index", "nullity"):
            ours, theirs = getattr(points, name)[row], getattr(known, name)
            gaps[(ours != theirs) & (ours != -1) & (theirs != -1)] = np.inf
        best = np.argmin(gaps)
        near = gaps[best] <= radii(known)[best] + radii(points)[row]
        expected.append(best if near and np.isfinite(gaps[best]) else -1)
    assert 50 < np.count_nonzero(np.array(expected) >= 0) < 290
    np.testing.assert_array_equal(match_points(points, known), expected)
    # Neither how many pairs are compared at once nor the order of points matters.
    monkeypatch.setattr(critical_sets, "_PAIRS", 7)
    np.testing.assert_array_equal(
        match_points(points.take(np.arange(300)[::-1]), known), expected[::-1]
    )


def test_nothing_to_group():
    none = identity(np.empty((0, 4)))
    labels, leaders = group_points(none)
    assert labels.shape == leaders.shape == (0,)
    assert labels.dtype.kind == leaders.dtype.kind == "i"
    assert match_points(none, none).shape == (0,)


def grouped_one_by_one(points):
    """The same by definition: every point against every leader."""
    radius = radii(points)
    labels, leaders = np.empty(len(radius), dtype=int), []
    for row in np.lexsort((*points.invariants.T[::-1], points.uncertainty)):
        gaps = points.invariants[leaders] - points.invariants[row]
        distance = np.linalg.norm(gaps, axis=1)
        nearest = int(np.argmin(distance)) if leaders else 0
        if leaders and distance[nearest] <= radius[leaders[nearest]] + radius[row]:
            labels[row] = nearest
        else:
            labels[row] = len(leaders)
            leaders.append(row)
    return labels, leaders


def between_two(rng):
    """Points hardly nearer to one of two leaders: expanded squares do not show it."""
    centres = rng.standard_normal((60, 3))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    apart = np.cross(centres, rng.standard_normal(3))
    apart /= np.linalg.norm(apart, axis=1, keepdims=True)
    leaders = [centres - 1.2e-6 * apart, centres + 1.2e-6 * apart]
    others = [centres + step * apart for step in (-3e-11, 1e-11, 5e-11)]
    error = np.repeat([1e-7, 2e-7], [120, 180])
    return identity(np.concatenate(leaders + others), error)


def overlapping(n_sets, rng):
    """Points at distances about their radii."""
    points = rng.standard_normal((n_sets, 3))[rng.integers(n_sets, size=700)]
    radius = 10.0 ** rng.uniform(-4, -2, size=700)
    points = points + radius[:, None] * rng.standard_normal(points.shape)
    return identity(points, radius / 10)


@pytest.mark.parametrize("n_sets", [1, 40, 700, "between two"])
def test_blocks_do_not_change_the_groups(n_sets, rng, monkeypatch):
    between = n_sets == "between two"
    cloud = between_two(rng) if between else overlapping(n_sets, rng)
    expected, leaders = grouped_one_by_one(cloud)
    assert not between or len(leaders) == 120
    for rows, distances in ((256, 2**20), (7, 2**20), (256, 1)):
        monkeypatch.setattr(critical_sets, "_ROWS", rows)
        monkeypatch.setattr(critical_sets, "_DISTANCES", distances)
        found, best = group_points(cloud)
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(best, leaders)
