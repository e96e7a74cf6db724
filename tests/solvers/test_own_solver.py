"""A solver of one's own: what its columns keep, and what a wrong step is answered."""

from dataclasses import replace

import numpy as np
import pytest

from skcrit import BaseFinder, FunctionLoss
from skcrit.solvers import Solver

LOSS = FunctionLoss(
    lambda t: np.sum(t**2, axis=-1), lambda t: 2 * t, lambda t, v: 2 * v, n_params=2
).fit()
STARTS = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])


class Halving(Solver):
    """Halve the way to the minimum, and the length of the next step."""

    columns = ("length", "n_halved")

    def setup(self, loss, theta0):
        state = super().setup(loss, theta0)
        n = len(theta0)
        carry = {"length": np.ones(n), "n_halved": np.zeros(n, dtype=int)}
        return replace(state, carry=carry)

    def step(self, loss, state):
        carry = {
            "length": state.carry["length"] / 2,
            "n_halved": state.carry["n_halved"] + 1,
        }
        return replace(state, local=loss.at(state.local.theta / 2), carry=carry)


class HalvingFinder(BaseFinder):
    """The solver as a finder."""

    def _make_solver(self):
        return Halving(tol=self.tol, max_iter=self.max_iter)


def test_columns_keep_fractions_and_whole_numbers():
    result = Halving(tol=1e-3).solve(LOSS, STARTS)
    n_iter = result.n_iter
    assert len(set(n_iter)) > 1
    np.testing.assert_array_equal(result.extra["length"], 0.5**n_iter)
    np.testing.assert_array_equal(result.extra["n_halved"], n_iter)
    assert result.extra["n_halved"].dtype == int


@pytest.mark.parametrize("batch_size", [1, 2, None])
def test_columns_are_those_of_the_results_of_a_finder(batch_size):
    finder = HalvingFinder(
        LOSS, n_starts=3, init=STARTS, tol=1e-3, batch_size=batch_size
    ).fit()
    np.testing.assert_array_equal(
        finder.results_["length"], 0.5 ** finder.results_["n_iter"]
    )


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda loss, state: None, "got None"),
        (lambda loss, state: state.local, "got <"),
        (
            lambda loss, state: replace(state, local=loss.at(STARTS[:1])),
            r"points of shape \(3, 2\), got points of shape \(1, 2\)",
        ),
    ],
)
def test_a_step_that_returns_something_else(step, message):
    class Wrong(Solver):
        def step(self, loss, state):
            return step(loss, state)

    expected = r"step of Wrong must return a State of the same starts, .*" + message
    with pytest.raises(ValueError, match=expected):
        Wrong().solve(LOSS, STARTS)


def test_a_column_that_is_not_carried():
    class Wrong(Halving):
        columns = ("length", "angle")

    expected = r"columns of Wrong must be .*, got 'angle'; carry has \['length', 'n_h"
    with pytest.raises(ValueError, match=expected):
        Wrong().solve(LOSS, STARTS)
