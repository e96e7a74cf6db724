"""Finders to draw; Matplotlib without a screen."""

import matplotlib
import numpy as np
import pytest

from skcrit.finders import NewtonMRFinder
from skcrit.losses import FunctionLoss, LinearAutoencoderLoss

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    """Leave no figure open."""
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture(scope="session")
def data():
    """Data of covariance about diag(4, 2, 1, 0.5)."""
    return np.random.default_rng(0).standard_normal((200, 4)) * [2, 1.4, 1, 0.7]


@pytest.fixture(scope="session")
def finder(data):
    """Finder whose searches all converge."""
    loss = LinearAutoencoderLoss((2,))
    finder = NewtonMRFinder(loss, n_starts=8, store_history=True, random_state=0)
    return finder.fit(data)


@pytest.fixture(scope="session")
def failed_finder(data):
    """Finder some of whose searches run out of iterations, at a given tolerance."""
    finder = NewtonMRFinder(
        LinearAutoencoderLoss((2,)),
        n_starts=8,
        tol=1e-10,
        max_iter=8,
        store_history=True,
        random_state=0,
    )
    with pytest.warns(UserWarning, match="did not end at a critical point"):
        finder.fit(data)
    assert 0 < finder.converged_.sum() < 8
    return finder


@pytest.fixture(scope="session")
def blind_finder():
    """Finder on a loss without ground truth: minima at (1, 0) and (-1, 0), a saddle."""
    loss = FunctionLoss(
        lambda t: (t[..., 0] ** 2 - 1) ** 2 + t[..., 1] ** 2,
        lambda t: np.stack(
            [4 * t[..., 0] * (t[..., 0] ** 2 - 1), 2 * t[..., 1]], axis=-1
        ),
        n_params=2,
    ).fit(None)
    init = [[1.2, 0.1], [-0.8, 0.2], [0.1, -0.1]]
    return NewtonMRFinder(n_starts=3, init=init, random_state=0).fit(loss)
