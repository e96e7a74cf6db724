"""Directions that are not kept are computed again."""

import numpy as np

from skcrit import LandscapeExplorer, LinearAutoencoderLoss
from skcrit.search import frontier


def test_forgotten_directions_are_the_same(monkeypatch):
    X = np.random.default_rng(0).standard_normal((30, 3)) * [3, 2, 1]
    loss = LinearAutoencoderLoss((1,)).fit(X)
    options = {"max_searches": 60, "random_state": 0}
    kept = LandscapeExplorer(**options).fit(loss)
    # Those of one set find room: the newest.
    monkeypatch.setattr(frontier, "_MOST_NUMBERS", 40)
    forgotten = LandscapeExplorer(**options).fit(loss)
    assert kept.n_critical_sets_ == 4
    for name, column in kept.results_.items():
        np.testing.assert_array_equal(column, forgotten.results_[name], err_msg=name)
    np.testing.assert_array_equal(kept.start_params_, forgotten.start_params_)
