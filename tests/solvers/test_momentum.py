"""Saddle dynamics with momentum, and in the units of a preconditioner."""

import numpy as np
import pytest

from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import LinearAutoencoderLoss
from skcrit.losses.base import Loss
from skcrit.solvers import Fallback, SaddleDynamics, Status
from skcrit.solvers._momentum import carried_along

from ._potentials import BOWL, HIMMELBLAU

UNIT = np.geomspace(0.1, 10, 6)


def autoencoder():
    X = make_gaussian_spectrum(
        60, eigenvalues=[100.0, 10.0, 1.0], exact=True, random_state=0
    )
    return LinearAutoencoderLoss((2,)).fit(X).coordinates().loss


class Scaled(Loss):
    """Six quartic wells, coupled, each in a unit of its own."""

    backend, dtype, n_params_ = "numpy", "float64", 6

    def __init__(self, unit=UNIT):
        self.unit = unit

    def fit(self, X=None, y=None):
        return self

    def value(self, theta):
        x = theta / self.unit
        return np.sum(x**4 / 4 - x**2 / 2, axis=-1) + np.sum(x, axis=-1) ** 2 / 8

    def gradient(self, theta):
        x = theta / self.unit
        return (x**3 - x + np.sum(x, axis=-1, keepdims=True) / 4) / self.unit

    def hvp(self, theta, v):
        x, v = theta / self.unit, v / self.unit
        return ((3 * x**2 - 1) * v + np.sum(v, axis=-1, keepdims=True) / 4) / self.unit

    def preconditioner(self, theta):
        return np.broadcast_to(self.unit**2, theta.shape)


def solve(loss, theta0, **params):
    theta0 = np.atleast_2d(np.asarray(theta0, float))
    params.setdefault("index", np.full(len(theta0), 1))
    return SaddleDynamics(**params).solve(loss, theta0)


@pytest.mark.parametrize("nesterov", [False, True])
def test_steps_are_the_brute_force(nesterov, rng):
    starts = rng.uniform(-3, 3, size=(20, 2))
    momentum, longest = 0.6, 0.3
    params = {"momentum": momentum, "nesterovs_momentum": nesterov}
    for n_iter in (1, 2, 4):
        result = solve(
            HIMMELBLAU, starts, max_iter=n_iter, max_step=longest, tol=0, **params
        )
        for start, end in zip(starts, result.theta, strict=True):
            theta, velocity = start, np.zeros(2)
            for _ in range(n_iter):
                plain = solve(HIMMELBLAU, theta, max_iter=1, max_step=longest, tol=0)
                p = plain.theta[0] - theta
                new = shortened(p + momentum * velocity, longest)
                if p @ velocity < 0:
                    step, velocity = p, np.zeros(2) if nesterov else p
                elif nesterov:
                    step, velocity = shortened(p + momentum * new, longest), new
                else:
                    step = velocity = new
                theta = theta + step
            np.testing.assert_allclose(end, theta, atol=1e-9)


def shortened(p, longest):
    return p * min(1, longest / np.linalg.norm(p))


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
@pytest.mark.parametrize("momentum", ["none", "heavy ball", "nesterov"])
def test_it_arrives_at_points_of_the_index(momentum, eigensolver, rng):
    # A search that has removed all but rounding of a direction that leads down would
    # stop at a higher index, one in a hundred: it departs instead.
    loss, starts = autoencoder(), rng.standard_normal((96, 12)) / 10
    params = {"momentum": 0.0 if momentum == "none" else 0.5, "max_iter": 300}
    params |= {"nesterovs_momentum": momentum == "nesterov", "eigensolver": eigensolver}
    index = np.arange(96) % 3
    result = solve(loss, starts, index=index, **params)
    assert np.all(result.status == Status.CONVERGED)
    match = loss.analytical_spectrum().match(result.theta)
    assert match.identified.all()
    assert np.all(match.morse_index <= index)


class Turning(LinearAutoencoderLoss):
    """An autoencoder whose hidden units are turned after each step."""

    def rescale(self, theta):
        return self.representative(theta)


@pytest.mark.parametrize("turning", [False, True])
def test_momentum_turns_with_the_units(turning, rng):
    # What symmetries leave alone changes along the momentum as it did before the point
    # was rescaled: balanced, or under a penalty turned.
    X = make_gaussian_spectrum(60, eigenvalues=[4.0, 2.0, 1.0], random_state=0)
    loss = Turning((2,), alpha=0.05).fit(X) if turning else autoencoder()
    theta = loss.rescale(rng.standard_normal((12, 12)) / 2)
    theta = theta + 0.05 * rng.standard_normal((12, 12))
    velocity = 0.1 * rng.standard_normal((12, 12))
    end, h = loss.rescale(theta), 1e-6
    carried = carried_along(theta, end, velocity, loss.rescale)

    def change(at, v):
        return (loss.invariants(at + h * v) - loss.invariants(at - h * v)) / (2 * h)

    followed = np.any(carried != 0, axis=1)
    assert followed.mean() > 0.5
    expected, got = change(theta, velocity), change(end, carried)
    np.testing.assert_allclose(got[followed], expected[followed], atol=1e-6)
    # Units that change places, or nearly, cannot be followed.
    size = np.linalg.norm(carried, axis=1) / np.linalg.norm(velocity, axis=1)
    assert np.all(size <= 2)
    at = carried_along(theta, theta, velocity, loss.rescale)
    np.testing.assert_array_equal(at, velocity)


def test_a_newton_step_is_followed_by_no_other():
    result = solve(BOWL, (0.2, -0.1), index=np.array([0]), max_step=10.0, momentum=0.9)
    assert result.n_iter[0] == 1


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
@pytest.mark.parametrize("fallback", [False, True])
def test_rows_do_not_depend_on_the_batch(eigensolver, fallback, rng):
    loss, starts = autoencoder(), rng.standard_normal((4, 12)) / 3
    solver = SaddleDynamics(
        index=np.arange(4) % 3,
        eigensolver=eigensolver,
        max_inner_iter=3,
        momentum=0.7,
        precondition=True,
        max_iter=24,
    )
    solver = Fallback(solver) if fallback else solver
    together = solver.solve(loss, starts)
    for row in range(4):
        rows = slice(row, row + 1)
        alone = solver.select(rows).solve(loss, starts[rows])
        np.testing.assert_array_equal(alone.theta[0], together.theta[row])
        assert alone.n_hvp[0] == together.n_hvp[row]


@pytest.mark.parametrize("eigensolver", ["dense", "lobpcg"])
def test_preconditioned_steps_are_those_in_its_units(eigensolver, rng):
    starts = rng.standard_normal((9, 6))
    params = {
        "index": np.zeros(9, dtype=int),
        "eigensolver": eigensolver,
        "max_inner_iter": 4,
        "max_iter": 3,
        "max_step": 1e3,
        "tol": 0,
    }
    plain = solve(Scaled(np.ones(6)), starts, **params)
    scaled = solve(Scaled(), starts * UNIT, precondition=True, **params)
    # The floor of curvatures shrinks with the gradient per longest step, which is a
    # length in another unit here; it is below all of these curvatures.
    close = np.isclose(scaled.theta / UNIT, plain.theta, rtol=1e-6)
    assert np.mean(close.all(axis=1)) > 0.7


def test_indices_do_not_depend_on_a_preconditioner(rng):
    loss, starts = Scaled(), rng.standard_normal((30, 6)) * UNIT
    index = np.arange(30) % 4
    result = solve(loss, starts, index=index, precondition=True, max_iter=200)
    ended = result.status == Status.CONVERGED
    assert ended.mean() > 0.7
    values = np.linalg.eigvalsh(loss.hessian(result.theta[ended]))
    np.testing.assert_array_equal(np.sum(values < 0, axis=1), index[ended])


def test_a_loss_without_a_preconditioner_is_named():
    with pytest.raises(ValueError, match=r"precondition=True needs a loss .* returned"):
        solve(HIMMELBLAU, (0.1, 0.2), precondition=True)
