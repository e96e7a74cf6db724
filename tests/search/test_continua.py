"""Continua that no symmetry declares are one set each, however far around they go."""

import numpy as np
import pytest

from skcrit.losses import FunctionLoss
from skcrit.search.describe import describe
from skcrit.search.engine import find_sets
from skcrit.search.problem import pose
from skcrit.solvers import Status
from tests.search._surfaces import lennard_jones


def sets_of(loss, theta):
    """Return the set of each of several critical points."""
    problem = pose(loss)
    n = len(theta)
    status, everything = np.full(n, Status.CONVERGED), np.ones(n, dtype=bool)
    ends = describe(loss, theta, status, everything, problem.scales)
    assert np.all(ends.status == Status.CONVERGED)
    return find_sets(problem, ends)[0]


def moved(atoms, rng):
    """Turn and shift atoms at random."""
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    turn[:, 0] *= np.sign(np.linalg.det(turn))
    return (atoms @ turn + 0.3 * rng.standard_normal(3)).ravel()


def same(labels, expected):
    """Return whether two partitions are the same."""
    pairs = set(zip(labels.tolist(), expected, strict=True))
    return len(pairs) == len(set(labels.tolist())) == len(set(expected))


def test_turned_molecules_are_one_set(rng):
    # In space a triangle can be turned into any order of its atoms, a line cannot: the
    # atom in the middle stays there.
    loss = lennard_jones(3, True)
    height = np.sqrt(3) / 2
    triangle = np.array([[0.0, 0, 0], [1, 0, 0], [0.5, height, 0]])
    # 2 (r^-13 - r^-7) vanishes for the outer pair and the inner ones together.
    inner = ((1 + 2.0**-13) / (1 + 2.0**-7)) ** (1 / 6)
    line = inner * np.array([[-1.0, 0, 0], [0, 0, 0], [1, 0, 0]])
    theta, names = [], []
    for k in range(6):
        theta.append(moved(triangle[rng.permutation(3)], rng))
        names.append("triangle")
        order = np.roll(np.arange(3), k)
        theta.append(moved(line[order], rng))
        names.append(f"line around {np.flatnonzero(order == 1)[0]}")
    assert same(sets_of(loss, np.array(theta)), names)


@pytest.mark.parametrize("units", [(1.0, 1.0), (1e-3, 1e3)])
def test_gauges_of_a_factorisation(units, rng):
    # |A - u v^T|^2: products of one singular pair each, with u times any number and v
    # over it, which is positive or negative: two branches of a hyperbola.
    A = rng.standard_normal((4, 3))
    left, right = units

    def split(t):
        return left * t[..., :4], right * t[..., 4:]

    def rest(t):
        u, v = split(t)
        return u[..., :, None] * v[..., None, :] - A

    def gradient(t):
        u, v = split(t)
        du = left * (rest(t) @ v[..., None])[..., 0]
        dv = right * (u[..., None, :] @ rest(t))[..., 0, :]
        return 2 * np.concatenate([du, dv], axis=-1)

    def hvp(t, w):
        (u, v), (a, b) = split(t), split(w)
        change = u[..., :, None] * b[..., None, :] + a[..., :, None] * v[..., None, :]
        du = (change @ v[..., None] + rest(t) @ b[..., None])[..., 0]
        dv = (u[..., None, :] @ change + a[..., None, :] @ rest(t))[..., 0, :]
        return 2 * np.concatenate([left * du, right * dv], axis=-1)

    loss = FunctionLoss(
        lambda t: np.sum(rest(t) ** 2, axis=(-2, -1)), gradient, hvp, n_params=7
    ).fit()
    U, values, V = np.linalg.svd(A)
    theta, names = [], []
    for k in range(3):
        for gauge in (0.3, 1.0, 2.0, -0.5, -1.5):
            size = gauge * np.sqrt(values[k])
            u, v = size * U[:, k], values[k] / size * V[k]
            theta.append(np.concatenate([u / left, v / right]))
            names.append((k, gauge > 0))
    assert same(sets_of(loss, np.array(theta)), names)


def ring_of_spins(n):
    """Sum of 1 - cos of the differences of neighbours on a ring."""

    def forward(t):
        return np.roll(t, -1, axis=-1) - t

    def backward(s):
        return np.roll(s, 1, axis=-1) - s

    def angles(t):
        return np.concatenate([np.cos(forward(t)), np.sin(forward(t))], axis=-1)

    return FunctionLoss(
        lambda t: np.sum(1 - np.cos(forward(t)), axis=-1),
        lambda t: backward(np.sin(forward(t))),
        lambda t, v: backward(np.cos(forward(t)) * forward(v)),
        n_params=n,
        symmetries=1,
        invariants=angles,
    ).fit()


def test_circles_are_joined_whatever_turns_their_points(rng):
    # All sines of the differences are equal: four spins may have two differences a and
    # two pi - a, in three orders: three circles, which cross where a = +-pi/2. There
    # the Hessian vanishes. A turn of all spins changes nothing, nor one spin by 2 pi.
    theta, names = [], []
    for k, order in enumerate([(0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0)]):
        for a in (-1.2, -0.3, 0.4, 1.1, np.pi - 1.2, np.pi - 0.1, np.pi + 0.8):
            steps = np.where(order, np.pi - a, a)
            spins = np.cumsum(steps) + rng.uniform(-np.pi, np.pi)
            theta.append(spins + 2 * np.pi * rng.integers(-1, 2, size=4))
            names.append(k)
    assert same(sets_of(ring_of_spins(4), np.array(theta)), names)


def test_where_the_hessian_vanishes_the_index_is_unknown(rng):
    # The sine of pi/2 + 1e-9 is 1 in double precision: beside crossings of the circles
    # gradients are zero to the last bit, while Hessians have eigenvalues of 1e-9 of
    # either sign, and the last digits of the point do not change that.
    loss = ring_of_spins(4)
    steps = np.full((50, 4), np.pi / 2) + 2e-9 * rng.standard_normal((50, 4))
    theta = np.cumsum(steps, axis=1)
    n = len(theta)
    status, everything = np.full(n, Status.CONVERGED), np.ones(n, dtype=bool)
    ends = describe(loss, theta, status, everything, pose(loss).scales)
    assert np.all(ends.morse_index == -1)
    assert np.all(ends.morse_index_low == 0)
    assert np.all(ends.morse_index_high >= 3)
