"""Searches on data that have an eigenvalue at the threshold of the penalty."""

import numpy as np
import pytest

from skcrit import NewtonMRFinder
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses import LinearAutoencoderLoss

DATA = make_gaussian_spectrum(
    50, eigenvalues=[4.0, 2.0, 1.0], exact=True, rotate=True, random_state=0
)


@pytest.mark.filterwarnings("ignore::skcrit.ResolutionWarning")
def test_sets_at_the_threshold_are_complete():
    # Eigenvalues of at most alpha d = 2 make no set of their own: the origin and the
    # minimum of eigenvalue 4 are all there are.
    loss = LinearAutoencoderLoss((1,), alpha=2 / 3)
    finder = NewtonMRFinder(loss, n_starts=40, random_state=0).fit(DATA)
    assert finder.converged_.all()
    sizes = np.linalg.norm(finder.critical_points_, axis=1)
    order = np.argsort(sizes)
    np.testing.assert_allclose(sizes[order[0]], 0, atol=1e-6)
    assert finder.n_critical_sets_ == loss.fit(DATA).analytical_spectrum().n_sets == 2
    assert finder.morse_indices_[order].tolist() == [1, 0]
    # The eigenvalue at the threshold leaves a flat direction at the origin.
    assert finder.nullities_[order].tolist() == [1, 0]


def test_generators_are_random_states():
    ends = [
        NewtonMRFinder(n_starts=3, random_state=np.random.default_rng(seed)).fit(DATA)
        for seed in (0, 0, 1)
    ]
    first, again, other = (end.start_params_ for end in ends)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
