"""The parts of a certificate: slices, radii, distinct sets, Euler sums."""

import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning

from skcrit import LandscapeExplorer, LinearAutoencoderLoss, certify
from skcrit.certification.distinct import number_sets
from skcrit.certification.newton import certified_ball
from skcrit.certification.slices import Proved, make_slice, prove
from skcrit.metrics import euler_sum

from ..losses.test_tanh_network import CLASSES, loss, points  # noqa: F401


def proved(curvature=1.0, slope=0.0, turn=np.inf):
    """Return numbers of a point, without rounding."""
    return Proved(curvature, 0.0, slope, 0.0, turn, 1.0, slope, 2.0, 0, 0)


def test_the_theorem_is_sharp_in_one_dimension():
    # F(y) = slope - y + K y^2 / 2, sigma = 1: zeros exist exactly for 2 K slope <= 1.
    for K in (0.1, 1.0, 10.0):
        slope = 0.499 / K
        ball = certified_ball(proved(slope=slope), K, 0.98 / K)
        assert ball is not None
        zero = (1 - np.sqrt(1 - 2 * K * slope)) / K
        assert zero <= ball.error <= zero * (1 + 1e-9)
        assert certified_ball(proved(slope=0.501 / K), K, 0.98 / K) is None
        # No ball may reach the second zero.
        assert certified_ball(proved(), K, 1.0 / K) is None


@pytest.mark.parametrize("curvature", [0.0, -1.0, np.nan])
def test_nothing_follows_without_curvature(curvature):
    assert certified_ball(proved(curvature), 1.0, 0.1) is None
    assert certified_ball(proved(), np.inf, 0.1) is None
    assert certified_ball(proved(slope=np.nan), 1.0, 0.1) is None
    assert certified_ball(proved(turn=0.05), 1.0, 0.1) is None


def test_inertia_on_slices(rng):
    tangents = rng.standard_normal((3, 8))
    tangents[2] = tangents[0] - tangents[1]  # dependent: codimension two
    complement = np.linalg.svd(tangents)[2][2:].T
    values = np.array([-3.0, -1.0, -1e-9, 1e-9, 2.0, 5.0])
    turned = complement @ np.linalg.qr(rng.standard_normal((6, 6)))[0]
    hessian = (turned * values) @ turned.T
    hessian = (hessian + hessian.T) / 2
    chosen = make_slice(hessian, tangents, 1.0)
    zero = np.zeros(8)
    known = prove(chosen, zero, hessian, tangents, 1.0, (0.0, 1e-12))
    assert (known.morse_index, known.nullity) == (3, 2)
    assert 0.9e-9 < known.curvature < 1e-9 and known.turn < np.inf
    # An uncertain Hessian proves nothing of such small curvatures.
    known = prove(chosen, zero, hessian, tangents, 1.0, (0.0, 1e-8))
    assert not known.curvature > 0


def test_a_wrong_slice_proves_nothing(rng):
    hessian = np.diag([1.0, 2.0, 0.0])
    tangents = np.array([[0.0, 0.0, 1.0]])
    chosen = make_slice(hessian, tangents, 1.0)
    # The true tangent lies in the slice: M is singular.
    known = prove(chosen, np.zeros(3), hessian, np.eye(3)[:1], 1.0, (0.0, 0.0))
    assert known.turn == 0
    assert certified_ball(known, 1.0, 1e-3) is None


def numbers(low, high, inertia=None, centres=None, radii=None, certified=None):
    """Number sets with defaults."""
    n = len(low)
    inertia = np.zeros((n, 2), dtype=int) if inertia is None else np.array(inertia)
    certified = np.ones(n, dtype=bool) if certified is None else np.array(certified)
    return number_sets(
        np.ones(n, dtype=bool),
        certified,
        *(np.array(low, float), np.array(high, float), inertia, centres, radii),
    ).tolist()


def test_numbers_of_sets():
    assert numbers([0, 2, 1], [0.5, 3, 1.5]) == [0, 2, 1]
    # A chain of overlapping intervals: no more sets than are pairwise disjoint.
    assert numbers([0, 0.4, 0.8], [0.5, 0.9, 1.3]) == [0, 0, 1]
    assert numbers([0, 0], [1, 1], [[0, 0], [1, 0]]) == [0, 1]
    far = np.array([[0.0, 0.0], [1.0, 0.0], [1.1, 0.0]])
    close = np.array([0.1, 0.1, 0.1])
    assert numbers([0] * 3, [1] * 3, None, far, close) == [0, 1, 1]
    assert numbers([], []) == []
    # An estimate does not hide a proved set.
    assert numbers([0, 0.4], [0.5, 0.9], certified=[False, True]) == [0, 0]


def test_all_classes_of_the_tanh_network(loss, points):  # noqa: F811
    record = certify(loss, points)
    values, indices, sizes = zip(*CLASSES, strict=True)
    assert record.n_certified == record.n_distinct == 21
    np.testing.assert_array_equal(record.morse_index, indices)
    np.testing.assert_array_equal(record.nullity, 0)
    np.testing.assert_array_equal(record.euler, sizes)
    assert np.all(2 * record.loss_low <= np.array(values) + 5e-7)
    assert np.all(2 * record.loss_high >= np.array(values) - 5e-7)
    assert record.euler_sum() == 1
    assert record.take(np.arange(20)).euler_sum() != 1
    # Two decimals are not enough, and the reason says so.
    rough = certify(loss, np.round(points, 2))
    exact = np.all(np.round(points, 2) == points, axis=1)
    assert not np.any(rough.certified & ~exact)


def test_balls_of_the_tanh_network_are_disjoint(loss, points):  # noqa: F811
    record = certify(loss, points)
    gaps = np.linalg.norm(points[:, None] - points, axis=-1)
    np.fill_diagonal(gaps, np.inf)
    assert np.all(record.radius < np.min(gaps, axis=1))


@pytest.mark.parametrize("hidden", [1, 2, 3])
def test_euler_sum_of_penalised_autoencoders(hidden, rng):
    X = rng.standard_normal((30, 4)) * [2.0, 1.5, 1.0, 0.7]
    penalised = LinearAutoencoderLoss((hidden,), alpha=0.05).fit(X)
    spectrum = penalised.analytical_spectrum()
    sets = spectrum.all_sets()
    record = certify(penalised, [spectrum.representative(s) for s in sets])
    assert record.n_distinct == len(sets)
    np.testing.assert_array_equal(record.morse_index, spectrum.morse_indices(sets))
    assert record.euler_sum() == 1
    minimum = record.take(np.flatnonzero(record.morse_index > 0))
    if np.all(record.euler[record.morse_index == 0] != 0):
        assert minimum.euler_sum() != 1


def test_euler_sum_of_finders(rng):
    X = rng.standard_normal((30, 3)) * [2.0, 1.5, 1.0]
    explorer = LandscapeExplorer(
        LinearAutoencoderLoss((1,), alpha=0.05),
        max_searches=200,
        max_iter=500,
        random_state=0,
    ).fit(X)
    assert euler_sum(explorer) == explorer.certify().euler_sum() == 1
    explorer.critical_points_ = explorer.critical_points_[1:]
    explorer.morse_indices_ = explorer.morse_indices_[1:]
    assert euler_sum(explorer) == -1  # two points of index zero are missing
    linear = LinearAutoencoderLoss((1,))
    free = LandscapeExplorer(linear, max_searches=50, random_state=0).fit(X)
    with pytest.warns(UndefinedMetricWarning, match="Euler characteristic"):
        assert np.isnan(euler_sum(free))
    with pytest.raises(ValueError, match="grows in every direction"):
        free.certify().euler_sum()
    explorer.morse_indices_[0] = -1
    with pytest.warns(UndefinedMetricWarning, match="Morse index"):
        assert np.isnan(euler_sum(explorer))
    with pytest.raises(ValueError, match="undecided"):
        certify(explorer.loss_, np.ones(6)).euler_sum()
