"""Saddle dynamics beside the orbits of symmetries."""

import numpy as np
import pytest
import scipy.linalg

from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import LinearAutoencoderLoss
from skcrit.proving_grounds import make_lennard_jones
from skcrit.solvers import SaddleDynamics, Status
from skcrit.solvers._lasting import lasting_tangents

from ._methods import saddle_dynamics as solve
from ._potentials import SETS, autoencoder


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_symmetries_do_not_count_as_negative(dtype, rng):
    # In float32 half of the zero eigenvalues at a saddle are negative by rounding.
    X = make_gaussian_spectrum(
        100, eigenvalues=(4.0, 3.0, 2.0, 1.0), exact=True, random_state=0
    )
    rotation, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    loss = LinearAutoencoderLoss((2,), dtype=dtype).fit(X @ rotation)
    exact = LinearAutoencoderLoss((2,)).fit(X @ rotation).analytical_spectrum()
    starts = np.stack([exact.representative(name) for name in SETS])
    solver = SaddleDynamics(quantile=np.full(len(SETS), 1 - 1e-12))
    chosen = solver.setup(loss, starts).carry["index_asked"]
    np.testing.assert_array_equal(chosen, exact.morse_indices(SETS))


# Symmetries passed over


def climbs_beside_the_orbit(loss, theta, index, floor):
    """Step of the dynamics on the complement of the tangents, by SciPy."""
    g, H = loss.gradient(theta), loss.hessian(theta)
    Q = scipy.linalg.null_space(loss.orbit_tangents(theta), rcond=1e-8)
    values, vectors = np.linalg.eigh(Q.T @ H @ Q)
    # The floor shrinks with the gradient, in units of the longest step.
    size = np.abs(values).max()
    floor = min(floor, np.linalg.norm(g) / size / 1e3)
    scaled = vectors.T @ Q.T @ g / np.maximum(np.abs(values), floor * size)
    return -Q @ vectors @ np.where(np.arange(len(values)) < index, -scaled, scaled)


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_step_beside_the_symmetries_is_the_brute_force(eigensolver, index, rng):
    # Seven atoms far from rest: along rotations the Hessian is as large as the
    # gradient. Two samples lie near a minimum, whose zero modes would be the lowest.
    loss = make_lennard_jones(7)
    truth = loss.ground_truth()
    starts = np.concatenate([
        truth.points[:2] + 0.02 * rng.standard_normal((2, 21)),
        truth.points[:2] + 0.1 * rng.standard_normal((2, 21)),
    ])
    result = solve(
        loss,
        starts,
        index=index,
        max_iter=1,
        max_step=1e3,
        tol=0,
        skip_symmetries=True,
        eigensolver=eigensolver,
        max_inner_iter=21,
    )
    for start, end in zip(starts, result.theta, strict=True):
        expected = climbs_beside_the_orbit(loss, start, index, 1e-2)
        error = np.linalg.norm(end - start - expected) / np.linalg.norm(expected)
        assert error <= 1e-6


@pytest.mark.parametrize("width", [1, 3, 8])
def test_skipped_symmetries_do_not_depend_on_the_batch(width, rng):
    loss = make_lennard_jones(5)
    starts = loss.draw_starts([np.random.default_rng(i) for i in range(8)])
    params = {"eigensolver": "lobpcg", "max_inner_iter": 6, "max_iter": 12}
    params |= {"skip_symmetries": True, "index": np.arange(8) % 3}
    together = SaddleDynamics(**params).solve(loss, starts)
    for begin in range(0, 8, width):
        rows = slice(begin, begin + width)
        alone = SaddleDynamics(**params).select(rows).solve(loss, starts[rows])
        np.testing.assert_array_equal(alone.theta, together.theta[rows])
        np.testing.assert_array_equal(alone.n_hvp, together.n_hvp[rows])


def test_tangents_last_if_the_step_does_not_undo_them(rng):
    # Rotations of two planes of R^6, and a translation: the step leads to a point that
    # one of the rotations, and one only, does not move. Any combinations of the three
    # say the same, in any unit.
    theta = np.array([3.0, 4.0, 1e-3, 2e-3, 1.0, 1.0])
    p = np.array([1.0, -1.0, -1e-3, -2e-3, 5.0, 0.0])

    def tangents(t, mixed):
        rows = np.zeros((3, 6))
        rows[0, :2], rows[1, 2:4], rows[2, 4] = (-t[1], t[0]), (-t[3], t[2]), 100
        return mixed @ rows

    for mixed in (np.eye(3), rng.standard_normal((3, 3)), 1e-4 * np.eye(3)):
        before = np.stack([tangents(theta, mixed)] * 2)
        after = np.stack([tangents(theta + p, mixed), tangents(theta + 0.5 * p, mixed)])
        lasting, some_vanish = lasting_tangents(before, after)
        assert some_vanish.tolist() == [True, False]
        for rows, names in zip(lasting, ([0, 2], [0, 1, 2]), strict=True):
            expected = tangents(theta, np.eye(3))[names]
            expected = expected.T @ np.linalg.pinv(expected.T)
            # The shortest tangent is 5e4 times shorter than the longest.
            np.testing.assert_allclose(rows.T @ rows, expected, atol=1e-9)


def test_orbits_that_shrink_hide_no_way_down(rng):
    # 6-3-6: near saddles of lower rank, rotations of the free units have short
    # tangents, along which the Hessian is as negative as it is there. With these left
    # out, searches returned to such saddles, whose index is 10.
    loss = autoencoder(eigenvalues=(6.0, 5.0, 4.0, 3.0, 2.0, 1.0), hidden=(3,))
    starts = rng.standard_normal((30, loss.n_params_))
    starts *= rng.random((30, 1)) / np.linalg.norm(starts, axis=1, keepdims=True) * 4
    for eigensolver in ("dense", "lobpcg"):
        result = solve(
            loss,
            starts,
            index=8,
            eigensolver=eigensolver,
            max_inner_iter=5,
            skip_symmetries=True,
            max_iter=100,
        )
        ended = result.status == Status.CONVERGED
        # An index of 8 is higher than that of some regions, in which searches circle.
        assert ended.mean() >= 0.9
        match = loss.analytical_spectrum().match(result.theta[ended])
        assert match.identified.all()
        assert np.all(match.morse_index <= 8)
