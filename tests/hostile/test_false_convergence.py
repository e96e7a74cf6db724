"""No finder reports a point that is not critical, wherever it is started.

What makes this so: a start has converged only if the gradient is small at its own point
*and* at the rescaled point of its symmetry orbit, so that no valley counts; a point
that has grown by 1e8 has diverged; and what is reported of a point (loss, index, label)
comes from the point itself.
"""

import warnings
from itertools import product

import numpy as np
import pytest

from skcrit import (
    GradNormFinder,
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    NewtonTRFinder,
    NotConvergedWarning,
    SaddleDynamicsFinder,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import FunctionLoss
from skcrit.metrics import judge

from .. import _tally
from ._traps import KINDS, traps

FINDERS = {
    "Newton-MR": NewtonMRFinder(),
    "Newton-MR, plain": NewtonMRFinder(balance=False, window=1),
    "Newton-TR": NewtonTRFinder(),
    "gd": GradNormFinder(minimizer="gd", max_iter=100),
    "momentum": GradNormFinder(minimizer="momentum", max_iter=100),
    "btls": GradNormFinder(minimizer="btls", max_iter=50),
    "l-bfgs": GradNormFinder(minimizer="l-bfgs", max_iter=150),
    "l-bfgs, plain": GradNormFinder(minimizer="l-bfgs", balance=False, max_iter=150),
    "lm": GradNormFinder(minimizer="lm"),
    "lm, plain": GradNormFinder(minimizer="lm", balance=False),
    "saddle dynamics": SaddleDynamicsFinder(),
    "saddle dynamics, natural": SaddleDynamicsFinder(index="natural"),
    "saddle dynamics, plain": SaddleDynamicsFinder(balance=False),
}

# Eigenvalues, hidden layers, penalty.
LOSSES = {
    "distinct": ([4, 3, 2, 1], (2,), {}),
    "one unit": ([4, 3, 2, 1], (1,), {}),
    "ties": ([2, 2, 1], (2,), {}),
    "zeros": ([3, 1, 0], (2,), {}),
    "wide": ([3, 2, 1], (5,), {}),
    "penalty on weights": ([4, 2, 1, 0.5], (2,), {"alpha": 0.1}),
    "penalty on product": (
        [4, 2, 1, 0.5],
        (2,),
        {"alpha": 0.1, "penalty": "product"},
    ),
    "deep": ([4, 2.25, 1], (2, 2), {}),
    "deeper": ([3, 2, 1], (2, 2, 2), {}),
    "uneven": ([3, 2, 1], (3, 2), {}),
}


def make_loss(name):
    eigenvalues, hidden, penalty = LOSSES[name]
    data = {"eigenvalues": eigenvalues, "exact": True, "rotate": True}
    X = make_gaussian_spectrum(40, random_state=0, **data)
    return LinearAutoencoderLoss(hidden, **penalty).fit(X)


def search(finder, loss, starts, **params):
    params = {"init": starts, "n_starts": len(starts), "random_state": 0, **params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return finder.set_params(**params).fit(loss)


def false_points(finder):
    """Return which converged starts are reported as something that they are not.

    In a deep network the set does not determine the index of a point with free hidden
    units: it is at least the number of inversions, and at least that is checked. An
    unknown index is not a wrong one.
    """
    verdict, index = judge(finder), finder.results_["morse_index"]
    claimed = index >= 0
    if verdict.truth.depth == 2:
        right = verdict.index_right
    else:
        bound = verdict.truth.match(finder.final_params_).index_lower_bound
        right = index >= bound
    right = verdict.identified & verdict.loss_right & (right | ~claimed)
    return finder.converged_ & ~right


def hash_of(*things):
    """Hash, the same in every process."""
    return sum(map(ord, "".join(map(str, things))))


CASES = list(product(FINDERS, LOSSES, [1e-10, 1e-16]))


@pytest.mark.parametrize(
    "method, loss, tol", [c for c in CASES if _tally.LONG or hash_of(*c) % 11 == 0]
)
def test_every_finder_in_every_trap(method, loss, tol):
    fitted = make_loss(loss)
    starts, kinds = traps(fitted, _tally.size(12, 48), seed=hash_of(method, loss, tol))
    finder = search(FINDERS[method], fitted, starts, tol=tol)
    wrong = np.flatnonzero(false_points(finder))
    _tally.count("start", method, len(starts))
    _tally.count("false", "critical points", len(wrong))
    _tally.count("converged", "starts", finder.converged_.sum())
    for status in finder.results_["status"]:
        _tally.count("status", status)
    assert [kinds[row] for row in wrong] == []
    if judge(finder).truth.depth == 2 and np.any(finder.converged_):
        assert judge(finder).precision == 1.0
    assert_labels_are_sets(finder)


def assert_labels_are_sets(finder):
    """Check that different sets have different labels, and a label is one set."""
    converged = finder.converged_
    labels = finder.results_["critical_set"][converged].tolist()
    pairs = set(zip(labels, judge(finder).sets[converged].tolist(), strict=True))
    sets_of_a_label = {}
    for label, name in pairs:
        sets_of_a_label.setdefault(label, set()).add(name)
    assert all(len(names) == 1 for names in sets_of_a_label.values())
    if judge(finder).truth.depth == 2:
        assert len(pairs) == len({name for _, name in pairs})


@pytest.mark.parametrize("kind", KINDS)
def test_the_explorer_in_every_trap(kind):
    loss = make_loss("distinct")
    starts, kinds = traps(loss, len(KINDS) * 4, seed=1)
    starts = starts[[name == kind for name in kinds]]
    finder = LandscapeExplorer(max_searches=_tally.size(30, 300), max_directions=8)
    finder = search(finder, loss, starts)
    _tally.count("start", "explorer", finder.n_searches_)
    assert not np.any(false_points(finder))
    assert_labels_are_sets(finder)


def test_the_valley_of_the_theory():
    # C = diag(4, 3, 2, 1), b = (1, 1, 1, 1) / 2: the loss is 1.875 for every t, between
    # the critical values, and the gradient at t = 1e8 is 5.6e-9.
    X = 2 * np.diag(np.sqrt([4.0, 3, 2, 1]))
    X = np.concatenate([X, -X])
    loss = LinearAutoencoderLoss((1,)).fit(X)
    b, t = np.full(4, 0.5), np.array([1.0, 1e2, 1e4, 1e6, 1e8, 1e12])[:, None]
    starts = np.concatenate([b / t, t * b], axis=1)
    np.testing.assert_allclose(loss.value(starts), 1.875)
    # 5.6e-9, and rounding.
    assert np.linalg.norm(loss.gradient(starts[4])) < 1e-7
    for method, finder in FINDERS.items():
        # Not a step: only what is at the start can be reported.
        still = search(finder, loss, starts, tol=1e-10, max_iter=0)
        assert not np.any(still.converged_), method
    for method, finder in FINDERS.items():
        moved = search(finder, loss, starts, tol=1e-10, max_iter=30)
        assert not np.any(false_points(moved)), method


@pytest.mark.parametrize("method", FINDERS)
def test_slopes_without_a_critical_point(method):
    # exp(x) + y^2: the gradient tends to zero, and there is no critical point at all.
    slope = FunctionLoss(
        lambda t: np.exp(t[..., 0]) + t[..., 1] ** 2,
        lambda t: np.stack([np.exp(t[..., 0]), 2 * t[..., 1]], axis=-1),
        lambda t, v: np.stack([np.exp(t[..., 0]) * v[..., 0], 2 * v[..., 1]], axis=-1),
        n_params=2,
    ).fit()
    starts = np.random.default_rng(0).uniform(-1, 1, (6, 2))
    finder = search(FINDERS[method], slope, starts, tol=1e-30, max_iter=20)
    assert not np.any(finder.converged_)
    # A tolerance that lets it end early reports where it is, and how small it is.
    loose = search(FINDERS[method], slope, starts, tol=1e-6, max_iter=20)
    squared = np.sum(slope.gradient(loose.final_params_) ** 2, axis=-1)
    assert np.all(squared[loose.converged_] <= 1e-6)


def test_underflow_is_no_convergence():
    # The squares of this gradient are zero in floats; the gradient is not.
    tiny = FunctionLoss(
        lambda t: 1e-170 * t[..., 0], lambda t: np.full_like(t, 1e-170), n_params=1
    ).fit()
    for finder in (NewtonMRFinder(), SaddleDynamicsFinder(), NewtonTRFinder()):
        found = search(finder, tiny, np.ones((3, 1)), tol=0.0, max_iter=3)
        assert not np.any(found.converged_)
        assert np.all(found.results_["squared_grad_norm"] > 0)
