"""Counts, indices and orbits of the known sets, by two methods each."""

from itertools import pairwise, product
from math import comb, factorial

import numpy as np
import pytest
from scipy.optimize import minimize, root

from skcrit import KnownPoints
from skcrit.losses.symmetries import stiefel_euler
from skcrit.proving_grounds import (
    make_brockett_cost,
    make_central_configurations,
    make_himmelblau,
    make_lennard_jones,
    make_mueller_brown,
    make_orthogonal_tensor,
    make_phase_retrieval,
    make_quadratic_network,
    make_separable_quartic,
    make_six_hump_camel,
    make_three_hump_camel,
)

# Made with sets, points and the sum of (-1)^index over all points, where they are
# isolated or the quotient by the symmetries is known.
COUNTS = {
    "separable": (make_separable_quartic(3), 10, 27),
    "separable, no symmetry": (make_separable_quartic(3, tilt=[0, 0.1, 0.2]), 27, 27),
    "tensor d=3": (make_orthogonal_tensor([1, 1.1, 1.3]), 14, 14),
    "tensor d=3, equal": (make_orthogonal_tensor([1, 1, 1]), 6, 14),
    "tensor d=4": (make_orthogonal_tensor([1, 1.1, 1.3], 4), 7, 26),
    "tensor d=4, equal": (make_orthogonal_tensor([1, 1, 1], 4), 3, 26),
    "tensor n=6, d=3": (make_orthogonal_tensor(np.arange(6) + 5.0), 126, 126),
    "tensor n=5, d=4": (make_orthogonal_tensor(np.arange(5) + 5.0, 4), 31, 242),
    "brockett 4, 2": (make_brockett_cost(), 12, 48),
    "brockett 3, 3": (make_brockett_cost([1, 2, 4], [3, 2, 1]), 6, 48),
    "brockett 4, 4": (make_brockett_cost([1, 2, 4, 8], [4, 3, 2, 1]), 24, 384),
    "quadratic 4, 2": (make_quadratic_network(), 11, 17),
    "quadratic 5, 2": (make_quadratic_network([5, 4, 3, 2, 1]), 16, 26),
    "quadratic 4, 3": (make_quadratic_network([4, 3, 2, 1], 3), 15, 19),
    "phase": (make_phase_retrieval([0.3, 1, -1, 2]), 3, 4),
    "himmelblau": (make_himmelblau(), 9, 9),
    "mueller-brown": (make_mueller_brown(), 5, 5),
    "six-hump": (make_six_hump_camel(), 15, 15),
    "three-hump": (make_three_hump_camel(), 5, 5),
    "central 3": (make_central_configurations(3), 2, 5),
    "central 4": (make_central_configurations(4), 4, None),
    "central 5": (make_central_configurations(5), 5, None),
    "central 6": (make_central_configurations(6), 9, None),
    "central 7": (make_central_configurations(7), 14, None),
    "lennard-jones 6": (make_lennard_jones(6), 2, 390),
    "lennard-jones 7": (make_lennard_jones(7), 4, 8904),
    "lennard-jones 8": (make_lennard_jones(8), 8, None),
}
# Numbers of eigenvalues and of hidden units.
SHAPES = [(4, 1), (5, 1), (4, 2), (4, 3), (5, 3), (5, 4), (5, 5)]

every = pytest.mark.parametrize("name", COUNTS)


@every
def test_known_points_are_critical_and_their_inertia_is_right(name):
    loss, n_sets, n_points = COUNTS[name]
    truth = loss.ground_truth()
    assert isinstance(truth, KnownPoints)
    assert truth.n_sets == n_sets
    hessian = loss.hessian(truth.points)
    values = np.linalg.eigvalsh(hessian)
    size = np.max(np.abs(values), axis=1)
    gradient = np.linalg.norm(loss.gradient(truth.points), axis=1)
    assert np.all(gradient <= 1e-12 * size)
    level = 1e-7 * size[:, None]
    names = truth.all_sets()
    np.testing.assert_array_equal(
        truth.morse_indices(names), np.sum(values < -level, axis=1)
    )
    nullity = np.sum(np.abs(values) <= level, axis=1)
    np.testing.assert_array_equal(truth.nullities(names), nullity)
    # All zeros are those of symmetries.
    tangents = loss.orbit_tangents(truth.points)
    for rows, zeros in zip(tangents, nullity, strict=True):
        rank = np.linalg.matrix_rank(rows, tol=1e-8) if len(rows) else 0
        assert rank == zeros
    if n_points is not None:
        assert np.sum(loss.orbit_size(truth.points)) == n_points


def searched(loss, n_starts, seed=0):
    """Search critical points with SciPy, from starts of its own."""
    rng = np.random.default_rng((seed, 17))
    streams = [np.random.default_rng((seed, i)) for i in range(n_starts)]
    starts = loss.draw_starts(streams)
    starts = starts * rng.uniform(0.3, 1.3, size=(n_starts, 1))
    found = []
    for start in starts:
        with np.errstate(all="ignore"):
            end = root(loss.gradient, start, jac=loss.hessian, method="lm", tol=1e-14)
        values = np.linalg.norm(loss.hessian(end.x), 2)
        if np.linalg.norm(loss.gradient(end.x)) <= 1e-10 * values:
            found.append(end.x)
    return np.array(found)


@pytest.mark.parametrize(
    "name, n_starts",
    [
        ("separable", 200),
        ("tensor d=3", 120),
        ("tensor d=4", 120),
        ("brockett 4, 2", 300),
        ("brockett 3, 3", 200),
        ("brockett 4, 4", 150),
        ("quadratic 4, 2", 300),
        ("phase", 60),
        ("himmelblau", 100),
        ("mueller-brown", 150),
        ("six-hump", 300),
        ("three-hump", 60),
        ("central 3", 60),
        ("central 4", 300),
        ("central 5", 200),
        ("central 6", 150),
    ],
)
def test_scipy_finds_these_sets_and_no_others(name, n_starts):
    loss, n_sets, _ = COUNTS[name]
    found = searched(loss, n_starts)
    if name == "mueller-brown":  # far away its exponentials vanish
        low, high = np.array(loss._box)
        found = found[np.all((found > low) & (found < high), axis=1)]
    match = loss.ground_truth().match(found)
    assert np.all(match.identified)
    assert len(set(match.set.tolist())) == n_sets


def test_the_indices_of_brockett_on_the_orthogonal_group():
    loss, *_ = COUNTS["brockett 4, 4"]
    truth = loss.ground_truth()
    indices = truth.morse_indices(truth.all_sets())
    assert (16 * np.bincount(indices)).tolist() == [16, 48, 80, 96, 80, 48, 16]


def test_the_indices_of_separable_quartics():
    loss = make_separable_quartic(4)
    truth = loss.ground_truth()
    points = np.zeros(5, dtype=int)
    index = truth.morse_indices(truth.all_sets())
    np.add.at(points, index, loss.orbit_size(truth.points))
    assert points.tolist() == [comb(4, k) * 2 ** (4 - k) for k in range(5)]


@pytest.mark.parametrize("n, d", [(4, 3), (3, 4), (4, 4), (3, 5), (3, 6)])
def test_the_number_of_real_eigenvectors(n, d):
    loss = make_orthogonal_tensor(np.linspace(1, 2, n), d)
    count = np.sum(loss.orbit_size(loss.ground_truth().points)) // 2
    complete = ((d - 1) ** n - 1) // (d - 2)
    assert count == (
        complete if d in (3, 4) else (2**n - 1 if d % 2 else (3**n - 1) // 2)
    )


@pytest.mark.parametrize("name", ["tensor d=3", "tensor d=4", "brockett 3, 3"])
def test_the_euler_characteristic_of_the_manifold(name):
    # Of the sphere in three dimensions 2, of the orthogonal group 0.
    loss, *_ = COUNTS[name]
    truth = loss.ground_truth()
    signs = (-1) ** truth.morse_indices(truth.all_sets())
    total = np.sum(signs * loss.orbit_size(truth.points))
    assert total == (0 if name.startswith("brockett") else 2)


@pytest.mark.parametrize("name", ["separable", "himmelblau", "six-hump", "three-hump"])
def test_the_euler_characteristic_of_the_plane(name):
    loss, *_ = COUNTS[name]
    truth = loss.ground_truth()
    signs = (-1) ** truth.morse_indices(truth.all_sets())
    assert np.sum(signs * loss.orbit_size(truth.points)) == 1


@pytest.mark.parametrize(
    "loss",
    [
        *(make_quadratic_network(np.arange(n, 0, -1), r) for n, r in SHAPES),
        *(make_phase_retrieval(np.arange(n) + 1.0) for n in (3, 4, 5, 6)),
    ],
    ids=[*(f"quadratic {n}, {r}" for n, r in SHAPES), *map("phase {}".format, "3456")],
)
def test_the_euler_characteristic_of_a_space_of_orbits(loss):
    # Rounding, and another point of the orbit, change nothing.
    truth = loss.ground_truth()
    signs = (-1) ** truth.morse_indices(truth.all_sets())
    near = truth.points + 1e-9 * np.random.default_rng(0).normal(
        size=truth.points.shape
    )
    for points in (truth.points, near, -near):
        euler = loss.orbit_euler(points)
        assert np.sum(signs * euler) == 1
    # A discrete orbit has as many points as components.
    discrete = truth.nullities(truth.all_sets()) == 0
    np.testing.assert_array_equal(euler[discrete], loss.orbit_size(near)[discrete])


@pytest.mark.parametrize("n_dims", range(1, 6))
def test_the_euler_characteristic_of_orthonormal_vectors(n_dims):
    # One vector makes a sphere. Of two neighbouring spheres one has an odd dimension,
    # and with it the characteristic zero.
    assert stiefel_euler(0, n_dims) == 1
    assert stiefel_euler(1, n_dims) == 2 * (n_dims % 2)
    for n_vectors in range(2, n_dims + 1):
        assert stiefel_euler(n_vectors, n_dims) == 0


@pytest.mark.parametrize("n", range(3, 8))
def test_the_euler_characteristic_of_configuration_space(n):
    # The space of n different points up to translations and rotations has the Poincare
    # polynomial prod (1 + k t), k = 2 ... n - 1, so that its characteristic is this.
    loss, *_ = COUNTS[f"central {n}"]
    truth = loss.ground_truth()
    signs = (-1) ** truth.morse_indices(truth.all_sets())
    total = np.sum(signs * loss.orbit_size(truth.points))
    assert total == (-1) ** n * factorial(n - 2)


def test_the_collinear_configurations_are_the_last():
    # There are n! / 2 of them, by Moulton's theorem.
    for n in range(3, 8):
        loss, *_ = COUNTS[f"central {n}"]
        truth = loss.ground_truth()
        last = truth.points[np.argmax(truth.losses(truth.all_sets()))]
        q = last.reshape(n, 2)
        assert np.linalg.svd(q, compute_uv=False)[1] <= 1e-12
        assert loss.orbit_size(last) == factorial(n) // 2


def test_the_camels_by_elimination():
    # The second equation gives x as a polynomial of y; its roots are all real.
    y = np.polynomial.Polynomial([0, 1])
    x = 8 * y - 16 * y**3
    roots = (8 * x - 8.4 * x**3 + 2 * x**5 + y).roots()
    assert np.max(np.abs(roots.imag)) <= 1e-7
    known = np.sort(make_six_hump_camel().ground_truth().points[:, 1])
    np.testing.assert_allclose(np.sort(roots.real), known, atol=1e-7)
    y = -y / 2
    x = np.polynomial.Polynomial([0, 1])
    roots = (4 * x - 4.2 * x**3 + x**5 + y).roots()
    known = np.sort(make_three_hump_camel().ground_truth().points[:, 0])
    np.testing.assert_allclose(np.sort(roots.real), known, atol=1e-7)


def test_the_minima_of_lennard_jones_have_the_published_energies():
    # Global minima, Wales and Doye 1997.
    published = {3: -3.0, 4: -6.0, 5: -9.103852, 6: -12.712062}
    published |= {7: -16.505384, 8: -19.821489}
    for n, energy in published.items():
        truth = make_lennard_jones(n).ground_truth()
        losses = truth.losses(truth.all_sets())
        assert losses[0] == pytest.approx(energy, abs=1e-6)
        assert all(a < b for a, b in pairwise(losses))


@pytest.mark.parametrize("n_atoms, n_minima, n_starts", [(6, 2, 60), (7, 4, 80)])
def test_scipy_finds_these_minima_of_clusters_and_no_others(
    n_atoms, n_minima, n_starts
):
    # Numbers of minima: arXiv:1101.0039.
    loss = make_lennard_jones(n_atoms)
    starts = loss.draw_starts([np.random.default_rng((1, i)) for i in range(n_starts)])
    ends = []
    for start in starts:
        end = minimize(loss.value, start, jac=loss.gradient, method="BFGS", tol=1e-9).x
        # Closely: where the Hessian has no negative eigenvalue and the cluster holds.
        end = root(loss.gradient, end, jac=loss.hessian, method="lm", tol=1e-14).x
        values = np.linalg.eigvalsh(loss.hessian(end))
        if np.sum(np.abs(values) < 1e-6) == 6 and values[0] > -1e-6:
            ends.append(end)
    match = loss.ground_truth().match(np.array(ends))
    assert np.all(match.identified)
    assert len(set(match.set.tolist())) == n_minima


def test_stiefel_points_transfer():
    # The Riemannian Hessian on the manifold, by second differences along geodesics.
    loss = make_brockett_cost([1, 2, 4], [2, 1])
    A, N = np.diag([1.0, 2, 4]), np.diag([2.0, 1])
    truth = loss.ground_truth()
    turns = []
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        turn = np.zeros((3, 3))
        turn[i, j], turn[j, i] = 1, -1
        turns.append(turn)
    for theta, index in zip(
        truth.points, truth.morse_indices(truth.all_sets()), strict=True
    ):
        X = theta.reshape(3, 2)

        def cost(a, X=X):
            from scipy.linalg import expm

            Q = expm(sum(t * turn for t, turn in zip(a, turns, strict=True))) @ X
            return np.trace(Q.T @ A @ Q @ N)

        H, h = np.empty((3, 3)), 1e-3
        for (i, a), (j, b) in product(enumerate(np.eye(3)), repeat=2):
            ends = [s * t * cost(h * (s * a + t * b)) for s in (1, -1) for t in (1, -1)]
            H[i, j] = sum(ends) / (4 * h * h)
        assert np.sum(np.linalg.eigvalsh(H) < -1e-4) == index
        assert loss.value(theta) == pytest.approx(cost(np.zeros(3)), rel=1e-13)
