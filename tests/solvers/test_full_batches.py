"""Batches that are filled up while they run."""

from copy import copy
from dataclasses import fields

import numpy as np
import pytest

from skcrit.losses import LinearAutoencoderLoss
from skcrit.search.batches import Batches
from skcrit.solvers import NewtonMR, NewtonTR, SaddleDynamics
from skcrit.solvers.fallback import Fallback

TOLS = (1e-6, 1e-14)


@pytest.fixture(scope="module")
def problem():
    X = np.random.default_rng(0).standard_normal((50, 5)) * [3, 2, 1.5, 1, 0.5]
    loss = LinearAutoencoderLoss((2,)).fit(X)
    streams = [np.random.default_rng(i) for i in range(13)]
    return loss, loss.draw_starts(streams)


def columns(result):
    found = {f.name: getattr(result, f.name) for f in fields(result)}
    return found | found.pop("extra") | found.pop("history")


SOLVERS = {
    "newton-mr": NewtonMR(store_history=True, max_iter=20),
    "newton-tr": NewtonTR(max_iter=8),
    "fallback": Fallback(NewtonMR(), np.arange(13) % 3 - 1),
    "saddle": SaddleDynamics(index=np.arange(13) % 4, max_iter=10),
    "lobpcg": SaddleDynamics(index=np.arange(13) % 3, max_iter=3, eigensolver="lobpcg"),
}


@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("name", SOLVERS)
def test_result_is_that_of_one_batch(name, width, problem):
    loss, starts = problem
    narrow = copy(SOLVERS[name])
    narrow.width = width
    whole = SOLVERS[name].solve_tols(loss, starts, TOLS)
    for one, other in zip(whole, narrow.solve_tols(loss, starts, TOLS), strict=True):
        expected = columns(one)
        for column, found in columns(other).items():
            for a, b in zip(expected[column], found, strict=True):
                np.testing.assert_array_equal(a, b, err_msg=column)


def test_batch_stays_full(problem):
    loss, starts = problem
    sizes = []

    class Noted(NewtonMR):
        width = 4

        def step(self, loss, state):
            sizes.append(len(state.rows))
            return super().step(loss, state)

    result = Noted().solve(loss, starts)
    assert sum(sizes) == result.n_iter.sum()
    # Hardly a place is free until no start waits any more.
    waiting = np.cumsum(sizes) < result.n_iter.sum() - result.n_iter[-4:].sum()
    assert max(sizes) == 4 and np.mean(np.array(sizes)[waiting]) > 3.4


@pytest.mark.parametrize("given", [{}, {"batch_size": 10}, {"watched": True}])
def test_tasks_cover_all_rows(given, problem):
    slices, width = Batches(**given).tasks(9000, problem[0])
    rows = np.concatenate([np.arange(9000)[part] for part in slices])
    np.testing.assert_array_equal(rows, np.arange(9000))
    # Several batches are run through only if nothing waits for them.
    assert (len(slices) * width < 9000) is (given == {})
