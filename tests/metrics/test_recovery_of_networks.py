"""Recovery of penalised, tied and deep networks."""

import numpy as np
import pytest

from skcrit.finders import NewtonMRFinder
from skcrit.metrics import index_error, judge, recovery_accuracy
from tests.metrics._fits import SETS, corrupt, fit_at, make_loss, scores


@pytest.mark.parametrize(
    "params", [{"alpha": 0.1}, {"alpha": 0.1, "penalty": "product"}]
)
def test_penalties(params):
    finder = fit_at(make_loss(**params), [(), (0,), (1, 3), (0, 1)])
    assert scores(finder)[:3] == [1.0, 1.0, 4 / 11]
    wrong = corrupt(finder, 1, morse_index=0)
    assert index_error(wrong) == 3 / 16 / 4


def test_unseen_directions_with_the_product_penalty():
    loss = make_loss((3,), (4.0, 3.0, 2.0, 0.0), alpha=0.1, penalty="product")
    for tol in (1e-18, "auto"):
        finder = NewtonMRFinder(n_starts=10, tol=tol, init="gaussian", random_state=0)
        assert recovery_accuracy(finder.fit(loss)) == 1.0


def test_ties_and_zeros():
    # Two equal eigenvalues: (1,) and (2,) are one set, and the zero names none.
    loss = make_loss(eigenvalues=(4.0, 3.0, 3.0, 0.0))
    finder = fit_at(loss, [(1,), (2,), (0, 2), (0, 1), ()])
    assert scores(finder)[:3] == [1.0, 1.0, 3 / 5]
    assert judge(finder).sets_found == [(), (0, 1), (1,)]


def test_float32_has_its_own_rounding():
    finder = fit_at(make_loss(dtype="float32"), SETS, tol=1e-9)
    value = finder.results_["loss"][0]
    assert recovery_accuracy(finder) == 1.0
    assert recovery_accuracy(corrupt(finder, 0, loss=value + 1e-7)) == 1.0
    assert recovery_accuracy(corrupt(finder, 0, loss=value + 1e-2)) == 0.75


def test_deep_network_at_full_rank_has_an_exact_index():
    finder = fit_at(make_loss((3, 2)), [(0, 1), (2, 3)])
    assert scores(finder)[:2] == [1.0, 1.0]
    for wrong_index in (3, 5):
        wrong = corrupt(finder, 1, morse_index=wrong_index)
        assert recovery_accuracy(wrong) == 0.5
        assert index_error(wrong) == pytest.approx(1 / finder.n_params_ / 2)


def test_deep_network_with_an_open_pivot_has_a_bound():
    # Index 2 at this point, inversions 0: every index above 0 is accepted.
    finder = fit_at(make_loss((2, 2), (3.0, 2.0, 1.0)), [(0, 1)])
    spectrum = finder.loss_.analytical_spectrum()
    theta = spectrum.representative((0,), kind="open")
    at = corrupt(finder, 0, theta=theta, loss=1.0, morse_index=2)
    assert recovery_accuracy(at) == 1.0
    assert recovery_accuracy(corrupt(at, 0, morse_index=1)) == 1.0
    assert recovery_accuracy(corrupt(at, 0, morse_index=0)) == 0.0
    assert recovery_accuracy(corrupt(at, 0, morse_index=-1)) == 0.0
    assert index_error(at) == 0.0
    wrong = corrupt(at, 0, morse_index=0)
    assert index_error(wrong) == pytest.approx(1 / finder.n_params_)
    assert judge(at).predicted_index.tolist() == [-1]
    assert judge(at).least_index.tolist() == [1]


def test_pivots_opened_by_noise_decide_nothing():
    # The middle layer passes the free unit on with a weight that the gradient allows
    # at a point with none: both indices are accepted.
    finder = fit_at(make_loss((2, 2), (3.0, 2.0, 1.0)), [(0, 1)])
    spectrum = finder.loss_.analytical_spectrum()
    closed = spectrum.representative((0,))
    opened = spectrum.representative((0,), kind="open")
    theta = closed + 1e-4 * (opened - closed)
    for squared, expected in ((1e-10, 1.0), (1e-30, 0.0)):
        at = corrupt(finder, 0, theta=theta, loss=1.0, squared_grad_norm=squared)
        assert judge(at).predicted_index.tolist() == [-1]
        assert recovery_accuracy(corrupt(at, 0, morse_index=0)) == expected
        assert recovery_accuracy(corrupt(at, 0, morse_index=2)) == 1.0
        assert recovery_accuracy(corrupt(at, 0, morse_index=-1)) == 0.0


def test_weights_below_the_noise_decide_nothing_either():
    # The set has points of index 0 and of index 2 as near as 1e-8 to each other. A
    # finder whose gradient is not zero may have approached either.
    finder = fit_at(make_loss((2, 2), (3.0, 2.0, 1.0)), [(0, 1)])
    spectrum = finder.loss_.analytical_spectrum()
    closed = spectrum.representative((0,))
    opened = spectrum.representative((0,), kind="open")
    theta = closed + 1e-8 * (opened - closed)
    for point, expected in ((theta, -1), (closed, 0)):
        at = corrupt(finder, 0, theta=point, loss=1.0, squared_grad_norm=1e-28)
        assert judge(at).predicted_index.tolist() == [expected]
        assert judge(at).least_index.tolist() == [0]
        assert recovery_accuracy(corrupt(at, 0, morse_index=0)) == 1.0
        accepted = recovery_accuracy(corrupt(at, 0, morse_index=2))
        assert accepted == float(expected == -1)


@pytest.mark.parametrize("tol", [1e-20, "auto"])
@pytest.mark.parametrize("hidden", [(3, 2), (2, 2)])
def test_deep_network_searched(hidden, tol):
    # Degenerate sets: some of their indices stay unknown, and what is known is right.
    finder = NewtonMRFinder(n_starts=20, init="gaussian", tol=tol, random_state=0)
    finder.fit(make_loss(hidden))
    judgement = judge(finder)
    assert judgement.converged.all()
    known = judgement.morse_index >= 0
    # Within the errors of two points near the origin there are points of other indices.
    assert known.mean() >= 0.9
    assert np.all(finder.results_["morse_index_high"] >= judgement.least_index)
    assert judgement.hit[known].all()
    assert judgement.identified.all() and judgement.loss_right.all()


def test_points_that_are_not_finite():
    finder = fit_at(make_loss((3, 2)), [(0, 1), (2, 3)])
    lost = corrupt(
        finder, 0, theta=np.nan, loss=np.nan, morse_index=-1, converged=False
    )
    assert scores(lost)[:3] == [0.5, 1.0, 1 / 11]


def test_coverage_of_a_huge_number_of_sets(finder):
    # The quotient of exact integers: no overflow on the way to a tiny float.
    judgement = judge(finder)

    class Many:
        n_sets = 10**400

    object.__setattr__(judgement, "truth", Many())
    assert judgement.coverage == 0.0
    Many.n_sets = 3 * 10**300
    assert judgement.coverage == 1e-300
