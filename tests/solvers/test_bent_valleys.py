"""Descents along bent valleys, where the gradient norm stays the same."""

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der, rosen_hess_prod

from skcrit import FunctionLoss, NewtonMRFinder, SaddleDynamicsFinder
from skcrit.solvers import Fallback, SaddleDynamics, Status


def first_axis(function):
    """Apply a function of arrays of shape (n_params, ...) to points in rows."""
    return lambda theta: np.moveaxis(function(np.moveaxis(theta, -1, 0)), 0, -1)


def product(theta, v):
    """Multiply the Hessian of the chained Rosenbrock function by directions."""
    x, v = np.broadcast_arrays(theta, v)
    cross, result = -400 * x[..., :-1], np.zeros(x.shape)
    diagonal = 1200 * x[..., :-1] ** 2 - 400 * x[..., 1:] + 2
    result[..., :-1] = diagonal * v[..., :-1] + cross * v[..., 1:]
    result[..., 1:] += cross * v[..., :-1] + 200 * v[..., 1:]
    return result


def rosenbrock(n_params, **declared):
    """Chain Rosenbrock functions, as SciPy does."""

    def value(theta):
        return rosen(np.moveaxis(theta, -1, 0))

    functions = value, first_axis(rosen_der), product
    return FunctionLoss(*functions, n_params=n_params, **declared).fit()


def test_products_are_those_of_scipy(rng):
    x, v = rng.normal(size=(2, 3, 7))
    expected = [rosen_hess_prod(*pair) for pair in zip(x, v, strict=True)]
    np.testing.assert_allclose(rosenbrock(7).hvp(x, v), expected, rtol=1e-12)


@pytest.mark.parametrize("length", [None, 1.0])
def test_descents_that_get_on_are_not_taken_over(length):
    loss = rosenbrock(50, length=length)
    # The gradient norm is about the same in hundreds of iterations.
    found = [
        SaddleDynamicsFinder(
            n_starts=3, index=0, fallback=fallback, random_state=0
        ).fit(loss)
        for fallback in (False, True)
    ]
    for finder in found:
        assert finder.converged_.all()
        np.testing.assert_allclose(finder.critical_points_, np.ones((1, 50)))
    alone, watched = (finder.final_params_ for finder in found)
    np.testing.assert_array_equal(alone, watched)


def test_natural_steps_follow_a_valley_too():
    # With the length scale that is estimated, 0.01 for most parameters and 1 for some,
    # the way is thousands of lengths long.
    finder = NewtonMRFinder(n_starts=2, max_iter=1000, random_state=0)
    finder.fit(rosenbrock(50))
    assert finder.converged_.all()
    assert finder.results_["n_fallback"].min() > 200
    np.testing.assert_allclose(finder.critical_points_, np.ones((1, 50)))


def test_a_descent_that_creeps_is_taken_over():
    # Its loss falls, but it moves by a hundredth of a length scale in 20 iterations.
    loss = FunctionLoss(
        lambda t: np.sum(t**2, axis=-1) / 2, lambda t: t, n_params=2, length=1.0
    ).fit()

    class Creeping(SaddleDynamics):
        def step(self, loss, state):
            after = super().step(loss, state)
            theta = state.local.theta
            after.local = loss.at(theta + 5e-4 * (after.local.theta - theta))
            return after

    result = Fallback(Creeping(index=np.zeros(1, dtype=int))).solve(
        loss, np.ones((1, 2))
    )
    assert result.status[0] == Status.CONVERGED
    assert result.extra["n_fallback"][0] > 0
