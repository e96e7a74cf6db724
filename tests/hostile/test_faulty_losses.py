"""Losses that raise, return nonsense or lie about their products."""

import warnings

import numpy as np
import pytest

from skcrit import NewtonMRFinder, NotConvergedWarning
from skcrit.losses import FunctionLoss

from ._faulty import Well, no_value

# Losses


def search(loss, starts, **params):
    params = {"init": starts, "n_starts": len(starts), "random_state": 0, **params}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return NewtonMRFinder(**params).fit(loss)


STARTS = np.array([[0.9, 1.1], [5.0, 0.1], [-0.2, 0.1], [0.1, -0.9]])


def test_a_loss_that_raises():
    with pytest.raises(FloatingPointError, match="the loss has no value here"):
        search(Well("raise").fit(), STARTS)


def test_a_loss_that_is_nan_on_some_starts():
    finder = search(Well("nan").fit(), STARTS)
    sound = search(Well().fit(), STARTS)
    assert finder.results_["status"].tolist()[1] == "DIVERGED"
    others = [0, 2, 3]
    np.testing.assert_array_equal(
        finder.final_params_[others], sound.final_params_[others]
    )
    assert np.all(finder.converged_[others])


@pytest.mark.parametrize("part", ["value", "gradient", "hvp"])
def test_a_loss_of_the_wrong_shape(part):
    with pytest.raises(ValueError, match=rf"({part} of Well|matvec) must .* got shape"):
        search(Well(f"shape of {part}").fit(), STARTS)


def test_functions_that_return_nothing():
    loss = FunctionLoss(no_value, no_value, n_params=2).fit()
    with pytest.raises(ValueError, match="must return an array of real numbers"):
        search(loss, STARTS)


def test_an_asymmetric_product_gives_no_index():
    finder = search(Well("asymmetric").fit(), STARTS, max_iter=200)
    sound = search(Well().fit(), STARTS)
    # Convergence is decided by the gradient, which is right; the index is not known.
    squared = np.sum(Well().fit().gradient(finder.final_params_) ** 2, axis=-1)
    assert np.all(squared[finder.converged_] <= 1e-10)
    assert np.any(finder.converged_)
    assert np.all(finder.results_["morse_index"] == -1)
    assert np.all(sound.results_["morse_index"][sound.converged_] >= 0)
