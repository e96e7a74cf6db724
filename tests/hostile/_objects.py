"""Data, losses, finders and records that hostile tests begin with, each made once."""

from copy import copy
from functools import cache

import numpy as np

from skcrit import (
    KnownPoints,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    LinearNetworkLoss,
    NewtonMRFinder,
    connections,
)
from skcrit.model_selection import tolerance_curve

X = np.array([[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1], [0, 0.5, 0.2]])
LABELS = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
THETA = np.linspace(-1, 1, 36).reshape(3, 12)
FINDERS = ("NewtonMRFinder", "NewtonTRFinder", "GradNormFinder")
FINDERS += ("SaddleDynamicsFinder", "LandscapeExplorer", "BaseFinder")
FINDERS += ("NewtonTrajectoryFinder",)
SMALL = {"n_starts": 2, "init": "gaussian", "tol": 1e-4, "max_iter": 2}
SMALL |= {"random_state": 0}


@cache
def loss():
    """Return a fitted loss."""
    return LinearAutoencoderLoss((2,)).fit(X)


@cache
def fitted():
    """Return a finder that has found something."""
    return NewtonMRFinder(loss(), n_starts=8, init="gaussian", random_state=0).fit(X)


@cache
def penalised():
    """Return a finder of a loss that grows in every direction."""
    loss = LinearAutoencoderLoss((2,), alpha=0.1)
    return NewtonMRFinder(loss, n_starts=4, init="gaussian", random_state=0).fit(X)


@cache
def explorer():
    """Return an explorer that has found something."""
    return LandscapeExplorer(n_starts=4, max_searches=12, random_state=0).fit(loss())


@cache
def curve():
    """Return recovery at two tolerances."""
    return tolerance_curve(fitted(), X, [1e-2, 1e-8])


@cache
def linked():
    """Return a finder that knows what its saddles connect."""
    finder = copy(fitted())
    finder.connections_ = connections(finder)
    return finder


@cache
def connected():
    """Return what the saddles of the loss connect."""
    explored = LandscapeExplorer(n_starts=8, max_searches=40, random_state=0)
    return connections(explored.fit(loss()))


@cache
def spectrum():
    """Return the critical sets of the loss."""
    return loss().analytical_spectrum()


@cache
def network_spectrum():
    """Return the critical sets of a network with targets."""
    return LinearNetworkLoss((2,)).fit(X).analytical_spectrum()


def known(**arguments):
    """Make known critical points."""
    valid = {"points": np.eye(3), "losses": [1.0, 2.0, 4.0]}
    return KnownPoints(**valid | arguments)
