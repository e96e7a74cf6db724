"""The tolerance that each start had to reach, as a squared gradient norm."""

import numpy as np
import pytest

from skcrit import FunctionLoss, NewtonMRFinder
from skcrit.exceptions import NotConvergedWarning
from skcrit.metrics._tolerance import largest_tol, resolved_tols
from skcrit.solvers.newton_mr import NewtonMR
from tests.metrics._fits import fit_at, make_loss

SETS = [(0, 1), (3,), (), (1, 2)]


def test_a_number_is_itself():
    finder = fit_at(make_loss(), SETS, tol=1e-10)
    assert resolved_tols(finder).tolist() == [1e-10] * 4
    assert largest_tol(finder) == 1e-10


def test_auto_lets_a_search_stop_where_it_stopped():
    # With the tolerance of each start as a number, searches end where they ended.
    loss = make_loss()
    finder = NewtonMRFinder(n_starts=8, init="gaussian", random_state=0).fit(loss)
    tols = resolved_tols(finder)
    assert len(np.unique(tols)) > 2  # each has its own
    assert np.all(finder.results_["squared_grad_norm"] <= tols * (1 + 1e-9))
    starts = loss.coordinates().into(finder.start_params_)
    for row, tol in enumerate(tols):
        # The level at the end is that of the end: a little more leaves room for that.
        again = NewtonMR(tol=1.01 * tol, max_iter=500).solve(
            loss.coordinates().loss, starts[[row]]
        )
        assert again.n_iter[0] == finder.results_["n_iter"][row]


@pytest.mark.parametrize("power", [-20, 20])
def test_auto_follows_the_unit_of_the_data(power):
    # Eigenvalues times s: gradients scale with s, and their squares with its square.
    plain = fit_at(make_loss(), SETS)
    scale = 2.0**power
    scaled = fit_at(make_loss(eigenvalues=scale * np.array([4.0, 3, 2, 1])), SETS)
    expected = scale**2 * resolved_tols(plain)
    np.testing.assert_allclose(resolved_tols(scaled), expected, rtol=1e-6)


def test_length_scales_of_parameters():
    # f = sum of (t / l)^2: the Hessian per length scale is 2, the same for both.
    length = np.array([1.0, 100.0])
    loss = FunctionLoss(
        lambda t: np.sum((t / length) ** 2, axis=-1),
        lambda t: 2 * t / length**2,
        n_params=2,
        bounds=([-2, -200], [2, 200]),
    ).fit()
    scales = np.asarray(loss.length_scale())
    np.testing.assert_allclose(scales, length)
    finder = NewtonMRFinder(n_starts=2, init=np.zeros((2, 2))).fit(loss)
    level = 64 * np.finfo(float).eps * 2 / 100
    np.testing.assert_allclose(resolved_tols(finder), level**2, rtol=1e-9)


def test_points_that_are_not_finite():
    finder = fit_at(make_loss(), SETS)
    before = resolved_tols(finder)
    finder.final_params_[1] = np.nan
    after = resolved_tols(finder)
    assert np.isnan(after[1])
    np.testing.assert_array_equal(np.delete(after, 1), np.delete(before, 1))
    finder.final_params_[:] = np.inf
    assert np.isnan(largest_tol(finder))


def test_largest_of_the_converged():
    finder = NewtonMRFinder(n_starts=6, max_iter=12, init="gaussian", random_state=1)
    with pytest.warns(NotConvergedWarning):
        finder.fit(make_loss())
    assert 0 < finder.converged_.sum() < 6
    tols = resolved_tols(finder)
    assert largest_tol(finder) == np.max(tols[finder.converged_])


def test_on_a_device():
    pytest.importorskip("array_api_strict")
    plain = fit_at(make_loss(), SETS)
    there = fit_at(make_loss(backend="array_api_strict"), SETS)
    np.testing.assert_allclose(resolved_tols(there), resolved_tols(plain), rtol=1e-9)
    assert repr(there.summary()) == repr(plain.summary())
