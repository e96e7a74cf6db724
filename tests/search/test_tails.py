"""What it costs to distinguish tails from critical points."""

from functools import partial

import numpy as np
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from skcrit import FunctionLoss, MLPLoss, NewtonMRFinder
from skcrit._backend import are_few
from skcrit.search import tails, valleys


def test_the_way_is_looked_at_in_few_calls():
    # A flat valley along y, and a tail towards large y of another loss.
    n_calls = []

    def gradient(theta):
        n_calls.append(len(theta))
        return 2 * theta * np.array([1.0, 0.0])

    def valley(theta):
        return theta[..., 0] ** 2

    loss = FunctionLoss(valley, gradient, n_params=2).fit()
    starts = np.array([[1.0, 0.5]])
    finder = NewtonMRFinder(n_starts=1, init=starts, random_state=0).fit(loss)
    assert finder.converged_.all()
    # 55 parts of 16 ways, one by one, were 880.
    assert sum(n_calls) > 500
    assert len(n_calls) < 400


def test_few_points_are_described_together_as_they_are_apart(monkeypatch):
    X, y = load_iris(return_X_y=True)
    loss = MLPLoss((5,), "softplus", loss="log_loss", alpha=0.3).fit(scale(X), y)
    finder = NewtonMRFinder(max_iter=100, n_starts=2, init="gaussian", random_state=1)
    together = {valleys: 0, tails: 0}

    def counted(module, n_rows, numbers):
        few = are_few(n_rows, numbers)
        together[module] += bool(few and n_rows)
        return few

    for module in together:
        monkeypatch.setattr(module, "are_few", partial(counted, module))
    first = finder.fit(loss).results_
    assert min(together.values()) > 0
    for module in together:
        monkeypatch.setattr(module, "are_few", lambda n_rows, numbers: False)
    second = finder.fit(loss).results_
    for name, column in first.items():
        np.testing.assert_array_equal(column, second[name], err_msg=name)
