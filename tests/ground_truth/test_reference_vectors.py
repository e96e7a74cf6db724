"""Test vectors: numbers computed once, elsewhere, to twelve decimals."""

from functools import partial

import numpy as np
import pytest

from skcrit.ground_truth import AnalyticalSpectrum
from tests.ground_truth import _reference as ref

X = np.array([[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]])
LAM = [4.0, 2.25, 1.0]
close = partial(np.testing.assert_allclose, rtol=0, atol=1e-12)

# set: value, index, nullity, smallest, largest and smallest non-zero |eigenvalue|
PLAIN = {
    (): (2.416666666667, 6, 0, -2.666666666667, 2.666666666667, 0.666666666667),
    (0,): (1.083333333333, 2, 3, -1.5, 5.333333333333, 0.464816241512),
    (1,): (1.666666666667, 3, 3, -2.666666666667, 4.813056559027, 0.297168238995),
    (2,): (2.083333333333, 4, 3, -2.666666666667, 4.514667915106, 0.473461807689),
    (0, 1): (0.333333333333, 0, 4, 0.0, 5.333333333333, 0.297168238995),
    (0, 2): (0.75, 1, 4, -0.473461807689, 5.333333333333, 0.473461807689),
    (1, 2): (1.333333333333, 2, 4, -1.181334581773, 4.813056559027, 0.646389892360),
}
SUM = {
    (): (2.416666666667, 6, 0, -2.166666666667, 3.166666666667),
    (0,): (1.536458333333, 2, 1, -1.0, 4.333333333333),
    (1,): (2.083333333333, 3, 1, -2.166666666667, 4.583762852363),
    (2,): (2.395833333333, 4, 1, -2.166666666667, 3.595026446665),
    (0, 1): (1.203125, 0, 1, 0.0, 4.578846102340),
    (0, 2): (1.515625, 1, 1, -0.732779214647, 4.333333333333),
    (1, 2): (2.0625, 2, 1, -1.761693113331, 4.583762852363),
}
PRODUCT = {
    (): (2.416666666667, 6, 0, 2.666666666667),
    (0,): (1.293859649123, 2, 3, 5.333333333333),
    (1,): (1.854166666667, 3, 3, 4.639817035640),
    (2,): (2.226190476190, 4, 3, 3.965299250148),
    (0, 1): (0.731359649123, 0, 4, 5.333333333333),
    (0, 2): (1.103383458647, 1, 4, 5.333333333333),
    (1, 2): (1.663690476190, 2, 4, 4.639817035640),
}
make = partial(AnalyticalSpectrum.from_eigenvalues, LAM, 2)


def check(spectrum, name, value, index, nullity):
    close(spectrum.losses(name), value)
    assert spectrum.morse_indices(name) == index
    assert spectrum.nullities(name) == nullity


def test_second_moment():
    close(X.T @ X / 4, np.diag(LAM), atol=0)


def test_without_penalty():
    spectrum = make()
    assert spectrum.all_sets() == list(PLAIN)
    for name, (value, index, nullity, low, high, moving) in PLAIN.items():
        check(spectrum, name, value, index, nullity)
        close(spectrum.hessian_spectrum(name)[[0, -1]], [low, high])
        close(spectrum.mu_min(name), moving)


@pytest.mark.parametrize(
    "name, alpha, expected",
    [
        (
            *((1,), 0.0),
            "-2.666666666667 -0.666666666667 -0.646389892360 0 0 0 0.297168238995 "
            "0.666666666667 1.869498427671 2.666666666667 3 4.813056559027",
        ),
        (
            *((1, 2), 0.0),
            "-1.181334581773 -0.646389892360 0 0 0 0 1.333333333333 1.333333333333 3 3 "
            "4.514667915106 4.813056559027",
        ),
        (
            *((0, 1), 0.25),
            "0 0.5 0.803166812031 1 1 1 1.944444444444 2 2.584348342104 2.905166521302 "
            "4.333333333333 4.578846102340",
        ),
    ],
)
def test_whole_spectra(name, alpha, expected):
    numbers = [float(x) for x in expected.split()]
    close(make(alpha=alpha).hessian_spectrum(name), numbers)


def test_point_that_is_not_critical():
    theta = np.arange(1, 13) / 10
    close(ref.value(theta, np.diag(LAM), (3, 2, 3)), 2.492033333333)
    grad = ref.gradient(theta, np.diag(LAM), (3, 2, 3))
    close(np.linalg.norm(grad), 3.950895960271)
    close(
        grad,
        [
            *(1.768, 1.488, 0.880666666667, 1.893333333333, 1.644, 0.988),
            *(0.137333333333, 0.030333333333, 0.208666666667),
            *(0.630666666667, 0.413333333333, 1.264333333333),
        ],
    )
    match = make().match(theta)
    assert (match.set, match.status) == ((1, 2), "ambiguous")
    assert match.distance > 0.5
    close(match.margin, 0.22)
    close(np.sqrt(match.squared_balanced_grad_norm), 3.156792975745)


def test_penalty_on_the_weights():
    spectrum = make(alpha=0.25)
    assert spectrum.tau == 0.75
    assert spectrum.all_sets() == list(SUM)
    for name, (value, index, nullity, low, high) in SUM.items():
        check(spectrum, name, value, index, nullity)
        close(spectrum.hessian_spectrum(name)[[0, -1]], [low, high])


def test_strong_penalty_on_the_weights_leaves_four_sets():
    spectrum = make(alpha=0.5)
    assert spectrum.all_sets() == [(), (0,), (1,), (0, 1)]
    table = spectrum.to_dict()
    close(table["loss"], [2.416666666667, 1.895833333333, 2.333333333333, 1.8125])
    assert table["morse_index"].tolist() == [4, 1, 2, 0]


def test_penalty_on_the_product():
    spectrum = make(alpha=0.25, penalty="product")
    assert spectrum.all_sets() == list(PRODUCT)
    for name, (value, index, nullity, high) in PRODUCT.items():
        check(spectrum, name, value, index, nullity)
        close(spectrum.hessian_spectrum(name)[-1], high)


def test_two_hidden_layers():
    spectrum = AnalyticalSpectrum.from_eigenvalues(LAM, (2, 2))
    assert spectrum.n_params == 16
    names = list(PLAIN)
    close(spectrum.losses(names), [row[0] for row in PLAIN.values()])
    assert spectrum.morse_indices(names).tolist() == [0, 0, 1, 2, 0, 1, 2]
    assert spectrum.nullities(names).tolist() == [16, 11, 11, 11, 8, 8, 8]
    assert spectrum.morse_indices(names, "open").tolist() == [6, 2, 3, 4, 0, 1, 2]
    assert spectrum.nullities(names, "open").tolist() == [4, 7, 7, 7, 8, 8, 8]
    close(spectrum.hessian_spectrum((0,))[-1], 8)


def test_repeated_eigenvalues():
    spectrum = AnalyticalSpectrum.from_eigenvalues([2, 2, 1], 2)
    expected = {
        (): ([0, 0], 1.666666666667, 6, 0),
        (0,): ([1, 0], 1.0, 2, 4),
        (0, 1): ([2, 0], 0.333333333333, 0, 4),
        (2,): ([0, 1], 1.333333333333, 4, 3),
        (0, 2): ([1, 1], 0.666666666667, 1, 5),
    }
    assert sorted(spectrum.all_sets()) == sorted(expected)
    for name, (vector, value, index, nullity) in expected.items():
        assert spectrum.multiplicity_vectors(name).tolist() == vector
        check(spectrum, name, value, index, nullity)


def test_singular_second_moment():
    spectrum = AnalyticalSpectrum.from_eigenvalues([3, 1, 0], 2)
    check(spectrum, (), 1.333333333333, 4, 4)
    check(spectrum, (0,), 0.333333333333, 1, 6)
    check(spectrum, (1,), 1, 2, 6)
    check(spectrum, (0, 1), 0, 0, 6)
    assert spectrum.n_sets == 4


def test_data_that_are_not_diagonal():
    data = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    lam, vectors = np.linalg.eigh(data.T @ data / 3)
    spectrum = AnalyticalSpectrum.from_eigenvalues(lam, 1, eigenvectors=vectors)
    close(spectrum.eigenvalues, [30.245164970911, 0.088168362422])
    check(spectrum, (), 15.166666666667, 2, 0)
    check(spectrum, (0,), 0.044084181211, 0, 1)
    check(spectrum, (1,), 15.122582485456, 1, 1)
    first = [0, 0.087910591604, 30.245422741729, 60.490329941823]
    second = [-18.628763723088, 0, 0.176336724844, 48.962097056421]
    close(spectrum.hessian_spectrum((0,)), first, atol=1e-11)
    close(spectrum.hessian_spectrum((1,)), second, atol=1e-11)


@pytest.mark.parametrize(
    "last, is_open, index, expected, low",
    [(2, False, 0, (0, 17), 0.0), (1, True, -1, (1, 15), -1.5)],
)
def test_pivot_with_full_blocks_can_be_closed(last, is_open, index, expected, low):
    # Both products around the pivot (3, 2) have rank 2; only their directions decide.
    lam = [4.0, 3.0, 2.0, 1.0]
    spectrum = AnalyticalSpectrum.from_eigenvalues(lam, (2, 2, 2))
    eye = np.eye(4)
    middle = np.diag([1.0, 0.0])
    weights = [eye[:2], middle, middle, eye[:, [0, last]]]
    theta = np.concatenate([w.ravel() for w in weights])
    h = ref.hessian(theta, np.diag(lam), (4, 2, 2, 2, 4))
    values = np.linalg.eigvalsh(h)
    assert ref.inertia(values) == expected
    close(values[0], low)
    assert spectrum.has_open_pivot(theta) is is_open
    match = spectrum.match(theta)
    assert (match.set, match.status) == ((0,), "identified")
    assert (match.morse_index, match.index_lower_bound) == (index, 0)
