"""Participation counts: which bins, and which starts count."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skcrit.exceptions import NoGroundTruthError
from skcrit.finders import NewtonMRFinder
from skcrit.losses import FunctionLoss
from skcrit.metrics import participation_counts
from skcrit.metrics._participation import participation
from tests.metrics._fits import corrupt, fit_at, make_loss

SETS = [(0, 1), (0, 1), (1, 2), (3,), (), ()]


def test_known_counts(finder):
    counts = participation_counts(finder)
    assert_array_equal(counts, [2, 3, 1, 1, 2])
    assert counts.dtype.kind == "i"


def test_rows_are_the_sets(finder):
    found = participation(finder)
    assert_array_equal(found.rows[2], [0, 1, 1, 0, 0])
    assert_array_equal(found.rows[4], [0, 0, 0, 0, 1])
    assert found.labels == ["0", "1", "2", "3", "at 0"]


def test_origin_counts_once_per_start():
    assert_array_equal(participation_counts(fit_at(make_loss(), [()] * 3))[-1:], [3])


def test_not_converged_does_not_count(finder):
    wrong = corrupt(finder, 2, converged=False)
    assert_array_equal(participation_counts(wrong), [2, 2, 0, 1, 2])
    # Not even at the origin, where the published study put everything else.
    nowhere = corrupt(finder, 4, converged=False)
    assert participation_counts(nowhere)[-1] == 1


def test_ambiguous_does_not_count(finder):
    loss = finder.loss_
    W = np.zeros((2, 4))
    W[0] = (loss.eigenvectors_[:, 0] + loss.eigenvectors_[:, 1]) / np.sqrt(2)
    wrong = corrupt(finder, 0, theta=loss.pack([W, W.T]))
    assert_array_equal(participation_counts(wrong), [1, 2, 1, 1, 2])


def test_wrong_reports_count_all_the_same(finder):
    # Where a start ended does not depend on the index it reports.
    wrong = corrupt(finder, 0, morse_index=7)
    assert_array_equal(participation_counts(wrong), participation_counts(finder))


def test_basis_of_the_data_does_not_matter():
    # The eigenvectors are no coordinate axes: make_data turns them.
    for seed in range(3):
        other = fit_at(make_loss(seed=seed), SETS)
        assert_array_equal(participation_counts(other), [2, 3, 1, 1, 2])


def test_repeated_eigenvalues_share_a_bin():
    loss = make_loss(eigenvalues=(4.0, 2.0, 2.0, 1.0))
    found = participation(fit_at(loss, [(1, 2), (1,), (0, 1), (2, 3)]))
    assert found.labels == ["0", "1-2", "3", "at 0"]
    assert_array_equal(found.counts, [1, 5, 1, 0])


def test_zero_eigenvalues_have_no_bin():
    loss = make_loss(eigenvalues=(4.0, 2.0, 0.0, 0.0))
    found = participation(fit_at(loss, [(0, 1), (), (1,)]))
    assert found.labels == ["0", "1", "at 0"]
    assert_array_equal(found.counts, [1, 2, 1])


def test_eigenvalues_below_the_penalty_have_no_bin():
    loss = make_loss(alpha=0.375)  # tau = 1.5
    found = participation(fit_at(loss, [(0, 2), (1,)]))
    assert found.labels == ["0", "1", "2", "at 0"]
    assert_array_equal(found.counts, [1, 1, 1, 0])
    loss = make_loss(alpha=0.375, penalty="product")
    assert len(participation(fit_at(loss, [(0, 3)])).labels) == 5


def test_deep_network():
    counts = participation_counts(fit_at(make_loss((3, 2)), [(0, 1), (2, 3), (0, 3)]))
    assert_array_equal(counts, [2, 1, 1, 2, 0])


def test_units(finder):
    found = participation(corrupt(finder, 0, converged=False))
    assert_array_equal(found.units(), found.rows[1:])
    # The first group has no start that counts.
    units = found.units(["a", "b", "b", "c", "c", "c"])
    assert_array_equal(units, [[1, 2, 1, 0, 0], [0, 0, 0, 1, 2]])
    with pytest.raises(ValueError, match=r"groups must .* \(6,\), got \(2,\)"):
        found.units([0, 1])


def test_refused():
    with pytest.raises(NotFittedError):
        participation_counts(NewtonMRFinder())
    bowl = FunctionLoss(lambda t: (t**2).sum(-1) / 2, lambda t: t, n_params=2)
    blind = NewtonMRFinder(n_starts=2, init=np.ones((2, 2)), random_state=0)
    with pytest.raises(NoGroundTruthError):
        participation_counts(blind.fit(bowl.fit(None)))
