"""Open pivots of deep networks against dense Hessians."""

import numpy as np
import pytest

from skcrit.ground_truth import AnalyticalSpectrum
from tests.ground_truth import _reference as ref

NETWORKS = [
    ([4.0, 3.0, 2.0, 1.0], (3, 2, 3)),
    ([4.0, 2.0, 2.0, 1.0], (2, 3)),
    ([4.0, 2.0, 0.0], (2, 2, 2)),
    ([4.0, 2.0], (3, 3)),
]


def make(lam, hidden):
    basis = ref.random_basis(len(lam))
    return AnalyticalSpectrum.from_eigenvalues(lam, hidden, eigenvectors=basis)


@pytest.mark.parametrize("lam, hidden", NETWORKS)
@pytest.mark.parametrize("kind", ["balanced", "open"])
def test_representatives(lam, hidden, kind):
    spectrum = make(lam, hidden)
    names = spectrum.all_sets()
    theta = [spectrum.representative(n, kind=kind) for n in names]
    theta += [spectrum.representative(n, i, kind=kind) for i, n in enumerate(names)]
    is_open = spectrum.has_open_pivot(np.stack(theta))
    short = [kind == "open" and len(n) < spectrum.max_rank for n in names]
    assert is_open.tolist() == short + short
    match = spectrum.match(np.stack(theta))
    inversions = spectrum.morse_indices(names + names)
    np.testing.assert_array_equal(match.index_lower_bound, inversions)
    expected = np.where(is_open, -1, inversions)
    np.testing.assert_array_equal(match.morse_index, expected)


def test_index_is_the_number_of_inversions_if_and_only_if_no_pivot_is_open():
    # Partial passes through the middle layers, at random places.
    spectrum = make([3.0, 2.0, 1.0], (2, 2, 2))
    c, sizes, _ = ref.reference(spectrum)
    u = spectrum.eigenvectors
    rng = np.random.default_rng(0)
    kinds = set()
    for _ in range(60):
        i, j = rng.integers(0, 3, size=2)
        first = np.stack([u[:, i], u[:, j] * (i != j) * rng.integers(0, 2)])
        last = np.stack([u[:, i], u[:, rng.integers(3)] * rng.integers(0, 2)], axis=1)
        middles = [np.diag([1.0, rng.integers(0, 2)]) for _ in range(2)]
        weights = [first, *middles, last]
        theta = np.concatenate([w.ravel() for w in weights])
        if np.max(np.abs(ref.gradient(theta, c, sizes))) > 1e-12:
            continue
        index, _ = ref.inertia(np.linalg.eigvalsh(ref.hessian(theta, c, sizes)))
        match = spectrum.match(theta)
        is_open = spectrum.has_open_pivot(theta)
        assert is_open == (index > match.index_lower_bound)
        assert match.morse_index == (-1 if is_open else index)
        kinds.add((is_open, len(match.set)))
    assert {(True, 1), (False, 1)} <= kinds


def test_tolerance():
    spectrum = AnalyticalSpectrum.from_eigenvalues([3.0, 2.0, 1.0], (2, 2))
    theta = spectrum.representative((0,))
    assert theta[9] == 0  # second singular value of the middle layer
    theta[9] = 1e-8
    assert spectrum.has_open_pivot(theta) is False
    assert spectrum.has_open_pivot(theta, rtol=1e-10) is True
    assert spectrum.match(theta).morse_index == 0
    assert spectrum.match(theta, pivot_rtol=1e-10).morse_index == -1


def test_scale_of_the_layers_does_not_matter():
    spectrum = AnalyticalSpectrum.from_eigenvalues([3.0, 2.0, 1.0], (2, 2))
    for kind in ("balanced", "open"):
        w1, w2, w3 = ref.split(spectrum.representative((1,), 0, kind), (3, 2, 2, 3))
        parts = [1e7 * w1, 1e-9 * w2, 1e2 * w3]
        theta = np.concatenate([w.ravel() for w in parts])
        assert spectrum.has_open_pivot(theta) is (kind == "open")


def test_origin_and_shapes():
    spectrum = AnalyticalSpectrum.from_eigenvalues([3.0, 2.0, 1.0], (2, 2))
    noise = 1e-8 * np.random.default_rng(0).standard_normal((2, 3, spectrum.n_params))
    assert spectrum.has_open_pivot(noise).tolist() == [[False] * 3] * 2
    match = spectrum.match(np.zeros(spectrum.n_params))
    assert (match.set, match.morse_index, match.status) == ((), 0, "identified")
    constant = AnalyticalSpectrum.from_eigenvalues([0.0, 0.0], (2, 2))
    assert constant.has_open_pivot(np.ones(constant.n_params)) is False
