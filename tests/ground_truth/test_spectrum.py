"""Construction, names and attributes of the analytical spectrum."""

import pickle

import numpy as np
import pytest

from skcrit.exceptions import NoGroundTruthError
from skcrit.ground_truth import AnalyticalSpectrum
from tests.ground_truth import _reference as ref

make = AnalyticalSpectrum.from_eigenvalues


def test_attributes():
    spectrum = make([1, 4, 4, 0], (3, 2))
    assert spectrum.eigenvalues.tolist() == [4, 4, 1, 0]
    assert spectrum.hidden_layer_sizes == (3, 2)
    assert (spectrum.depth, spectrum.n_features, spectrum.n_params) == (3, 4, 26)
    assert (spectrum.rank, spectrum.max_rank) == (3, 2)
    assert spectrum.multiplicities.tolist() == [2, 1]
    assert (spectrum.min_gap, spectrum.smallest_positive) == (3, 1)
    assert (spectrum.alpha, spectrum.penalty, spectrum.tau) == (0, "sum", 0)
    assert spectrum.resolution == pytest.approx(0.1 * 2 / 4)


def test_eigenvectors_follow_their_eigenvalues():
    data = np.random.default_rng(0).standard_normal((10, 4))
    c = data.T @ data / 10
    lam, vectors = np.linalg.eigh(c)
    spectrum = make(lam, 2, eigenvectors=vectors)
    rebuilt, _, _ = ref.reference(spectrum)
    np.testing.assert_allclose(rebuilt, c, atol=1e-13)


@pytest.mark.parametrize(
    "lam, alpha, penalty, expected",
    [
        ([4, 3.5, 2], 0, "sum", 0.1 * 0.5 / 3),
        ([4, 3, 0.2], 0, "sum", 0.1 * 0.4 / 3),
        ([2, 2, 2], 0, "sum", 0.1 * 4 / 3),
        ([2, 2, 0], 0, "sum", 0.1 * 4 / 3),
        ([0, 0, 0], 0, "sum", np.inf),
        # sqrt(s) = sqrt(1 - 1/2); the nearest eigenvalue to tau = 1 is 0.8.
        ([4, 2, 0.8], 1 / 3, "sum", 0.1 * np.sqrt(0.5) * 0.4 / 3),
        # No admissible eigenvalue: one set.
        ([0.5, 0.25, 0.1], 1 / 3, "sum", 0.1 * 1 / 3),
        ([4, 2, 1], 1 / 3, "product", 0.1 * np.sqrt(0.5) * 1 / 3),
    ],
)
def test_resolution(lam, alpha, penalty, expected):
    spectrum = make(lam, 2, alpha=alpha, penalty=penalty)
    assert spectrum.resolution == pytest.approx(expected, rel=1e-12)


def test_integer_and_tuple_are_the_same_network():
    assert make([2, 1], 1).hidden_layer_sizes == make([2, 1], (1,)).hidden_layer_sizes
    assert make([2, 1], np.int64(1)).hidden_layer_sizes == (1,)


def test_constant_data_have_one_set():
    for alpha, index_null in ((0.0, (0, 8)), (0.1, (0, 0))):
        spectrum = make([0, 0], 2, alpha=alpha)
        assert spectrum.all_sets() == [()]
        assert spectrum.losses(()) == 0
        assert (spectrum.morse_indices(()), spectrum.nullities(())) == index_null
        assert spectrum.index_histogram() == {0: 1}
        assert spectrum.smallest_positive == 0


def test_names_of_ties():
    spectrum = make([3, 3, 3, 1, 1], 3)
    assert spectrum.canonical_set((4, 1)) == (0, 3)
    assert spectrum.canonical_set([2, 0]) == (0, 1)
    assert spectrum.multiplicity_vectors([(4, 1), (), (0, 1, 2)]).tolist() == [
        *([1, 1], [0, 0], [3, 0])
    ]
    np.testing.assert_array_equal(
        spectrum.losses([(4, 1), (2, 3)]), spectrum.losses([(0, 3)] * 2)
    )
    assert spectrum.to_dict([(4, 1)])["set"] == [(0, 3)]


def test_forms_of_sets():
    spectrum = make([4, 3, 2, 1], 2)
    names = [(0, 1), (), (3,)]
    masks = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]], dtype=bool)
    expected = spectrum.losses(names)
    np.testing.assert_array_equal(spectrum.losses(masks), expected)
    np.testing.assert_array_equal(spectrum.losses(iter(names)), expected)
    np.testing.assert_array_equal(
        spectrum.losses([np.array([1, 0]), [], [3]]), expected
    )
    assert np.ndim(spectrum.losses((0, 1))) == 0
    assert spectrum.losses((0, 1)) == spectrum.losses(masks[0]) == expected[0]
    assert spectrum.losses([]).shape == (0,)
    assert spectrum.morse_indices(np.zeros((0, 4), dtype=bool)).shape == (0,)
    assert spectrum.canonical_set(masks[2]) == (3,)
    np.testing.assert_array_equal(
        spectrum.representative(masks[0]), spectrum.representative((1, 0))
    )


@pytest.mark.parametrize(
    "sets, message",
    [
        ([(0, 0)], r"must not repeat an index, got \(0, 0\)"),
        ([(0,), (4,)], "from 0 to n_features - 1 = 3, got 4"),
        ([(-1,)], "from 0 to n_features - 1 = 3, got -1"),
        ([(0, 1, 2)], "as the smallest hidden layer has units: expected <= 2, got 3"),
        ([(3,)], "above zero, .* below 3: got index 3 with eigenvalue 0"),
        ([(0.5,)], "list of tuples of integers"),
        ([0, 1], "list of tuples of integers"),
        (np.zeros((2, 3), dtype=bool), r"n_features=4, got \(2, 3\)"),
    ],
)
def test_bad_sets(sets, message):
    spectrum = make([4, 3, 2, 0], 2)
    with pytest.raises(ValueError, match=message):
        spectrum.losses(sets)


def test_one_set_where_one_is_meant():
    spectrum = make([4, 3, 2, 0], 2)
    masks = np.eye(4, dtype=bool)[:2]
    with pytest.raises(ValueError, match="index_set must be one set, got a mask of 2"):
        spectrum.representative(masks)


def test_sets_below_the_threshold_are_refused():
    spectrum = make([4, 3, 1], 2, alpha=0.5)
    with pytest.raises(ValueError, match=r"above tau = alpha \* n_features = 1.5"):
        spectrum.losses([(2,)])


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes must be .* got \(\)"),
        ({"hidden_layer_sizes": 0}, "hidden_layer_sizes must be a positive int"),
        ({"hidden_layer_sizes": (2, 1.5)}, "hidden_layer_sizes .* got "),
        ({"hidden_layer_sizes": None}, "hidden_layer_sizes .* got None"),
        ({"alpha": -0.1}, "alpha must be a finite number >= 0, got -0.1"),
        ({"alpha": np.inf}, "alpha must be a finite number >= 0, got inf"),
        ({"alpha": "1"}, "alpha must be a finite number >= 0, got '1'"),
        ({"penalty": "l1"}, "penalty must be 'sum' or 'product', got 'l1'"),
        ({"eigenvectors": np.eye(2)}, r"expected shape \(3, 3\), got \(2, 2\)"),
        ({"eigenvectors": 2 * np.eye(3)}, "orthonormal columns: .* deviation of 3"),
        ({"eigenvectors": np.full((3, 3), np.nan)}, "orthonormal columns"),
        ({"eigenvalues": [3, 2, -1]}, "positive semidefinite"),
    ],
)
def test_bad_arguments(keys, message):
    arguments = {"eigenvalues": [3, 2, 1], "hidden_layer_sizes": 2} | keys
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_deep_networks_with_a_penalty_have_no_closed_form():
    with pytest.raises(NoGroundTruthError, match="alpha=0.1 with 2 hidden layers"):
        make([3, 2, 1], (2, 2), alpha=0.1)
    assert make([3, 2, 1], (2, 2), alpha=0).n_sets == 7


@pytest.mark.parametrize("alpha, penalty", [(0, "sum"), (0.1, "sum"), (0.1, "product")])
def test_representatives_are_reproducible_and_well_scaled(alpha, penalty):
    spectrum = make([5, 3, 3, 1], 2, alpha=alpha, penalty=penalty)
    first = spectrum.representative((2, 3), random_state=5)
    again = spectrum.representative((1, 3), random_state=5)
    np.testing.assert_array_equal(first, again)
    other = spectrum.representative((1, 3), np.random.default_rng(5))
    assert np.max(np.abs(first - other)) > 1e-3
    w1, w2 = ref.split(first, (4, 2, 4))
    assert max(np.linalg.cond(w1), np.linalg.cond(w2)) < 200
    w1, w2 = ref.split(spectrum.representative((1, 3)), (4, 2, 4))
    np.testing.assert_array_equal(w1, w2.T)
    end = np.diag(w2 @ w1)
    tau, lam = spectrum.tau, np.array([3.0, 1.0])
    gain = 1 - tau / lam if penalty == "sum" else lam / (lam + tau)
    np.testing.assert_allclose(end[[1, 3]], gain, rtol=1e-14)


def test_repr():
    assert repr(make([4, 2, 1, 0], (3, 2))) == (
        "AnalyticalSpectrum(4-3-2-4, rank=3, n_sets=7)"
    )
    assert repr(make([4, 2, 1], 2, alpha=0.25)) == (
        "AnalyticalSpectrum(3-2-3, rank=3, alpha=0.25, penalty='sum', n_sets=7)"
    )


def test_pickle():
    spectrum = make([4, 2, 1], 2)
    copy = pickle.loads(pickle.dumps(spectrum))
    assert copy.all_sets() == spectrum.all_sets()
    theta = spectrum.representative((1, 2))
    match = pickle.loads(pickle.dumps(spectrum.match(theta)))
    assert (match.set, match.status) == ((1, 2), "identified")


def test_changing_an_attribute_does_not_change_the_formulas():
    spectrum = make([4, 2, 1], 2)
    before = spectrum.losses((1,))
    spectrum.eigenvalues[:] = 0
    spectrum.multiplicities[:] = 5
    assert spectrum.losses((1,)) == before
    assert spectrum.n_sets == 7
