"""What it costs to distinguish tails from critical points."""

import numpy as np

from skcrit import FunctionLoss, NewtonMRFinder


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
