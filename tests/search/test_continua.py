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
    """Tell whether two partitions are the same."""
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
