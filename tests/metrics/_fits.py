"""Small fits to judge."""

import copy

import numpy as np

from skcrit.finders import NewtonMRFinder
from skcrit.losses import LinearAutoencoderLoss
from skcrit.metrics import (
    index_error,
    loss_error,
    recovery_accuracy,
    recovery_coverage,
    recovery_precision,
)

METRICS = (
    recovery_accuracy,
    recovery_precision,
    recovery_coverage,
    loss_error,
    index_error,
)

# Four starts on three of eleven sets.
SETS = [(0, 1), (0, 1), (1, 2), (3,)]
LAM = (4.0, 3.0, 2.0, 1.0)


def make_data(eigenvalues=LAM, seed=0):
    """Draw data whose covariance has exactly these eigenvalues."""
    rng = np.random.default_rng(seed)
    d = len(eigenvalues)
    scores = rng.standard_normal((8 * d, d))
    scores -= scores.mean(axis=0)
    scores = np.linalg.qr(scores)[0] * np.sqrt(8 * d)
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return scores * np.sqrt(eigenvalues) @ basis.T


def make_loss(hidden=(2,), eigenvalues=LAM, seed=0, **params):
    return LinearAutoencoderLoss(hidden, **params).fit(make_data(eigenvalues, seed))


def fit_at(loss, sets, seed=0, **params):
    """Fit from starts that already are critical points: nothing moves far."""
    spectrum = loss.analytical_spectrum()
    init = np.array([
        spectrum.representative(name, random_state=seed + i)
        for i, name in enumerate(sets)
    ])
    finder = NewtonMRFinder(init=init, n_starts=len(init), random_state=0, **params)
    return finder.fit(loss)


def corrupt(finder, row, **entries):
    """Change what a finder reports for one start; ``theta`` is its final point."""
    finder = copy.deepcopy(finder)
    if "theta" in entries:
        finder.final_params_[row] = entries.pop("theta")
    for name, value in entries.items():
        finder.results_[name] = finder.results_[name].copy()
        finder.results_[name][row] = value
    return finder


def scores(finder):
    return [metric(finder) for metric in METRICS]
