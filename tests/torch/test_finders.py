"""Finders search losses of modules: truth, workers, store, threads."""

import threading
import warnings

import joblib
import numpy as np
import pytest
import torch
from torch import nn

from skcrit import (
    NewtonMRFinder,
    NotConvergedWarning,
    SaddleDynamicsFinder,
    TorchLoss,
)

from ._modules import KNOWN, dense, small_loss

START = {"init": "gaussian", "random_state": 0, "tol": 1e-18}
WIDE = {"init": np.random.default_rng(0).normal(size=(48, 13))}


def searched(finder, X, y=None):
    """Fit a finder; some starts are allowed to fail."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return finder.fit(X, y)


@pytest.mark.parametrize(
    "finder",
    [
        NewtonMRFinder(n_starts=48, max_iter=60, **START | WIDE),
        SaddleDynamicsFinder(n_starts=48, max_iter=60, **START | WIDE),
    ],
    ids=lambda finder: type(finder).__name__,
)
def test_known_critical_points(finder):
    searched(finder, small_loss())
    assert finder.converged_.sum() >= 6
    losses = np.array(list(KNOWN))
    for loss, index in zip(finder.critical_losses_, finder.morse_indices_, strict=True):
        nearest = losses[np.argmin(np.abs(losses - loss))]
        assert abs(nearest - loss) < 1e-6
        assert index == KNOWN[nearest]
    assert len(np.unique(finder.critical_losses_.round(6))) >= 3


def test_workers_change_nothing(tmp_path):
    finder = NewtonMRFinder(n_starts=8, max_iter=15, **START)
    alone = searched(finder, small_loss())
    expected = alone.results_ | {"final": alone.final_params_}
    for params, backend in (
        ({"n_jobs": 2, "batch_size": 3}, "loky"),
        ({"n_jobs": 2, "batch_size": 1}, "threading"),
        ({"batch_size": 5}, "loky"),
    ):
        with joblib.parallel_config(backend=backend):
            searched(
                finder.set_params(batch_size=None).set_params(**params), small_loss()
            )
        for name, column in (finder.results_ | {"final": finder.final_params_}).items():
            np.testing.assert_array_equal(column, expected[name], name)


def test_finished_batches_are_found_again(tmp_path):
    torch.manual_seed(0)
    finder = NewtonMRFinder(
        n_starts=4, max_iter=5, batch_size=2, memory=tmp_path / "store", **START
    )
    searched(finder, small_loss())
    stored = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    assert len(stored) == 2
    torch.manual_seed(0)  # the same module, made again
    searched(finder, small_loss())
    now = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").iterdir()}
    assert now == stored


def test_finder_fits_the_loss_to_data(rng):
    X, y = rng.standard_normal((30, 4)), rng.integers(0, 3, size=30)
    loss = TorchLoss(dense(4, 3), nn.CrossEntropyLoss(), alpha=0.1)
    finder = NewtonMRFinder(loss, n_starts=5, **START).fit(X, y)
    # A convex problem: one minimum.
    assert finder.n_critical_sets_ == 1
    assert finder.morse_indices_.tolist() == [0]
    assert finder.converged_.all()
    assert finder.n_features_in_ == 4
    with pytest.raises(ValueError, match="y must be given"):
        finder.transform(X)
    auto = TorchLoss(dense(4, 2, 4), nn.MSELoss(), alpha=0.01)
    finder = searched(NewtonMRFinder(auto, n_starts=4, **START), X)
    assert finder.transform(X).shape == (30, finder.n_critical_sets_)


def test_threads_are_given_back(rng):
    loss = small_loss()
    theta, v = rng.standard_normal((2, 3, 13))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        seen = []
        loss._network.module.register_forward_hook(
            lambda *_: seen.append(torch.get_num_threads())
        )
        loss.at(theta).hvp(v)
        loss.value(theta)
        assert seen == [1, 1]
        assert torch.get_num_threads() == 3
        with pytest.raises(ValueError, match="theta"):
            loss.value(np.ones(2))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_evaluations_in_threads_at_once(rng):
    losses = [small_loss(), small_loss(alpha=0.5)]
    theta, v = rng.standard_normal((2, 40, 13))
    expected = [loss.hvp(theta, v) for loss in losses]
    before, faults = torch.get_num_threads(), []

    def work(number):
        for _ in range(15):
            loss = losses[number % 2]
            if not np.array_equal(loss.hvp(theta, v), expected[number % 2]):
                faults.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert torch.get_num_threads() == before
    inherited = []
    fresh = threading.Thread(target=lambda: inherited.append(torch.get_num_threads()))
    fresh.start()
    fresh.join()
    assert inherited == [before]
