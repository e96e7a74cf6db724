"""Losses, indices, nullities and spectra against dense Hessians."""

import time

import numpy as np
import pytest

from skcrit.exceptions import ResolutionWarning
from skcrit.ground_truth import AnalyticalSpectrum
from tests.ground_truth import _reference as ref

EQUAL = np.arange(6, 0, -1.0)
UNEQUAL = np.array([7.3, 4.1, 2.9, 1.3, 0.8, 0.35])
TIES = np.array([3.0, 3.0, 2.0, 1.0, 1.0, 1.0])
ZEROS = np.array([5.0, 3.0, 3.0, 1.0, 0.0, 0.0])

CASES = {
    "equal": (EQUAL, 3, 0.0, "sum"),
    "unequal": (UNEQUAL, 3, 0.0, "sum"),
    "ties": (TIES, 3, 0.0, "sum"),
    "zeros": (ZEROS, 3, 0.0, "sum"),
    "wide": ([3.0, 2.0, 0.5], 5, 0.0, "sum"),
    "square": ([3.0, 2.0, 0.5], 3, 0.0, "sum"),
    "wide-zeros": ([3.0, 2.0, 0.0], 4, 0.0, "sum"),
    "one-feature": ([2.0], 2, 0.0, "sum"),
    "constant": ([0.0, 0.0, 0.0], 2, 0.0, "sum"),
    "sum": (UNEQUAL, 3, 0.1, "sum"),
    "sum-ties": (TIES, 3, 0.1, "sum"),
    "sum-zeros": (ZEROS, 3, 0.1, "sum"),
    "sum-blind": (UNEQUAL, 3, 2.0, "sum"),
    "sum-wide": ([3.0, 2.0, 0.5], 5, 0.1, "sum"),
    "sum-constant": ([0.0, 0.0], 2, 0.1, "sum"),
    "product": (UNEQUAL, 3, 0.1, "product"),
    "product-ties": (TIES, 3, 0.1, "product"),
    "product-zeros": (ZEROS, 3, 0.1, "product"),
    "product-wide": ([3.0, 2.0, 0.5], 5, 0.1, "product"),
    "deep": ([4.0, 3.0, 2.0, 1.0], (3, 2, 3), 0.0, "sum"),
    "deep-ties": ([4.0, 2.0, 2.0, 1.0], (2, 3), 0.0, "sum"),
    "deep-zeros": ([4.0, 2.0, 0.0], (2, 2, 2), 0.0, "sum"),
    "deep-wide": ([4.0, 2.0], (3, 3), 0.0, "sum"),
}


def make(name):
    lam, hidden, alpha, penalty = CASES[name]
    return AnalyticalSpectrum.from_eigenvalues(
        lam,
        hidden,
        eigenvectors=ref.random_basis(len(lam)),
        alpha=alpha,
        penalty=penalty,
    )


def check_set(spectrum, name, kind, seed):
    c, sizes, keys = ref.reference(spectrum)
    theta = spectrum.representative(name, kind=kind)
    assert np.max(np.abs(ref.gradient(theta, c, sizes, **keys))) < 1e-13
    assert abs(ref.value(theta, c, sizes, **keys) - spectrum.losses(name)) < 1e-12
    dense = np.linalg.eigvalsh(ref.hessian(theta, c, sizes, **keys))
    known = spectrum.hessian_spectrum(name, kind)
    np.testing.assert_allclose(known, dense, atol=1e-12 * max(1, np.max(dense)))
    expected = (spectrum.morse_indices(name, kind), spectrum.nullities(name, kind))
    assert (np.sum(known < 0), np.sum(known == 0)) == expected
    assert ref.inertia(dense) == expected
    moving = np.abs(known[known != 0])
    assert spectrum.mu_min(name, kind) == pytest.approx(
        np.min(moving, initial=np.inf), rel=1e-12
    )
    theta = spectrum.representative(name, random_state=seed, kind=kind)
    assert np.max(np.abs(ref.gradient(theta, c, sizes, **keys))) < 1e-10
    assert abs(ref.value(theta, c, sizes, **keys) - spectrum.losses(name)) < 1e-12
    # With the penalty "product" a singular C makes sets that are not manifolds, but the
    # orbit is one of linear maps, and those keep the inertia.
    dense = np.linalg.eigvalsh(ref.hessian(theta, c, sizes, **keys))
    assert ref.inertia(dense) == expected


@pytest.mark.parametrize("name", CASES)
def test_every_set_against_dense_hessians(name):
    spectrum = make(name)
    names = spectrum.all_sets()
    assert len(names) == spectrum.n_sets
    for seed, index_set in enumerate(names):
        check_set(spectrum, index_set, "balanced", seed)


@pytest.mark.parametrize("name", [n for n in CASES if n.startswith("deep")])
def test_open_representatives_of_deep_networks(name):
    spectrum = make(name)
    for seed, index_set in enumerate(spectrum.index_sets()):
        check_set(spectrum, index_set, "open", seed)


def test_random_sets_of_the_reference_size():
    lam = np.exp(-np.arange(16) / 4.0)
    spectrum = AnalyticalSpectrum.from_eigenvalues(
        lam, (4,), eigenvectors=ref.random_basis(16)
    )
    for seed, index_set in enumerate(spectrum.sample_sets(200, random_state=0)):
        check_set(spectrum, index_set, "balanced", seed)


def test_one_hidden_layer_has_one_kind():
    spectrum = make("unequal")
    names = spectrum.all_sets()
    for method in (spectrum.morse_indices, spectrum.nullities, spectrum.mu_min):
        np.testing.assert_array_equal(method(names, "open"), method(names))
    np.testing.assert_array_equal(
        spectrum.hessian_spectrum((1,), "open"), spectrum.hessian_spectrum((1,))
    )


@pytest.mark.parametrize("name", ["sum", "sum-ties"])
def test_spectrum_is_constant_on_the_orbits_of_the_sum_penalty(name):
    spectrum = make(name)
    c, sizes, keys = ref.reference(spectrum)
    theta = spectrum.representative((0, 2), random_state=3)
    dense = np.linalg.eigvalsh(ref.hessian(theta, c, sizes, **keys))
    np.testing.assert_allclose(spectrum.hessian_spectrum((0, 2)), dense, atol=1e-12)


def test_sum_penalty_obeys_the_euler_characteristic():
    # sum over sets of (-1)^index chi(V_k(R^p)) = 1, since the loss is coercive.
    for p in (1, 2, 3, 4):
        spectrum = AnalyticalSpectrum.from_eigenvalues(UNEQUAL, p, alpha=0.1)
        names = spectrum.all_sets()
        chi = {
            k: np.prod([1 + (-1) ** (p - a - 1) for a in range(k)])
            for k in range(spectrum.max_rank + 1)
        }
        signs = (-1) ** spectrum.morse_indices(names)
        assert sum(s * chi[len(n)] for s, n in zip(signs, names, strict=True)) == 1


def test_eigenvalue_at_the_threshold_adds_to_the_nullity():
    with pytest.warns(ResolutionWarning, match="equals tau"):
        spectrum = AnalyticalSpectrum.from_eigenvalues(
            [4.0, 3.0, 1.5, 1.0], 2, alpha=0.375
        )
    assert spectrum.tau == 1.5
    assert spectrum.n_sets == 4
    for seed, index_set in enumerate(spectrum.index_sets()):
        check_set(spectrum, index_set, "balanced", seed)


def test_equal_spacing_makes_the_index_affine_in_the_loss():
    spectrum = AnalyticalSpectrum.from_eigenvalues(2 * EQUAL, 3)
    p, d = 3, 6
    for name in spectrum.index_sets():
        k = len(name)
        used = sum(spectrum.eigenvalues[list(name)])
        expected = p * d - p * k + k * (k + 1) / 2 - used / 2
        assert spectrum.morse_indices(name) == expected


def test_equal_values_can_have_different_indices():
    spectrum = AnalyticalSpectrum.from_eigenvalues([6, 3, 2, 1], 3)
    names = [(0,), (1, 2, 3)]
    np.testing.assert_allclose(spectrum.losses(names), [1.5, 1.5], atol=1e-15)
    assert spectrum.morse_indices(names).tolist() == [6, 3]


def test_global_minimum_value_is_exactly_zero_at_full_rank():
    spectrum = AnalyticalSpectrum.from_eigenvalues(np.exp(-np.arange(8.0)), 8)
    assert spectrum.losses(tuple(range(8))) == 0


def test_index_interval():
    spectrum = AnalyticalSpectrum.from_eigenvalues([4, 2.25, 1], 2)
    assert spectrum.index_interval((1,), 0) == (3, 6)
    assert spectrum.index_interval((1,), 1e-8) == (3, 6)
    # -0.6464 and +0.297 fall inside the band, -0.6667 does not.
    assert spectrum.index_interval((1,), 0.65) == (2, 7)
    with pytest.raises(ValueError, match="eps must be a number >= 0, got -1"):
        spectrum.index_interval((1,), -1)


def test_to_dict_columns():
    spectrum = AnalyticalSpectrum.from_eigenvalues([4, 2.25, 1], 2)
    table = spectrum.to_dict()
    assert list(table) == [
        *("set", "rank", "loss", "morse_index"),
        *("index_fraction", "nullity", "mu_min"),
    ]
    assert table["set"] == spectrum.all_sets()
    np.testing.assert_array_equal(table["index_fraction"] * 12, table["morse_index"])
    assert spectrum.to_dict([(2,), (0, 1)])["set"] == [(2,), (0, 1)]
    assert all(len(column) == 0 for column in spectrum.to_dict([]).values())
    with pytest.raises(ValueError, match="max_sets=3 .* all 7 .*sample_sets"):
        spectrum.to_dict(max_sets=3)


def test_bad_kind():
    spectrum = AnalyticalSpectrum.from_eigenvalues([4, 2.25, 1], 2)
    with pytest.raises(ValueError, match="kind must be 'balanced' or 'open'"):
        spectrum.morse_indices([(0,)], "closed")


def test_many_sets_are_fast():
    lam = np.concatenate([np.exp(-np.arange(61) / 8.0), np.zeros(3)])
    spectrum = AnalyticalSpectrum.from_eigenvalues(lam, 3)
    names = spectrum.all_sets()
    assert len(names) == 37882
    start = time.perf_counter()
    spectrum.losses(names), spectrum.morse_indices(names), spectrum.nullities(names)
    # 0.3 s on the machine of development; a loop over sets would take many seconds.
    assert time.perf_counter() - start < 3
