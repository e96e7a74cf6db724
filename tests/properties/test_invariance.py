"""What the symmetries of the network and of the data leave alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skcrit import LinearAutoencoderLoss

from .. import _tally
from ._strategies import data, networks, points, prop, relative

seeds = st.integers(0, 2**32 - 1)
pytestmark = pytest.mark.filterwarnings("ignore::skcrit.ResolutionWarning")


def moved(loss, theta, rng, condition):
    """Move points along the group of the network: a basis for each hidden layer."""
    weights = [np.array(W) for W in loss.weights(theta)]
    for layer in range(len(weights) - 1):
        p = weights[layer].shape[-2]
        left, right = (np.linalg.qr(rng.standard_normal((p, p)))[0] for _ in "12")
        scale = np.logspace(0, np.log10(condition), p) if loss._decay == 0 else 1.0
        basis = (left * scale) @ right
        weights[layer] = basis @ weights[layer]
        weights[layer + 1] = weights[layer + 1] @ np.linalg.inv(basis)
    return loss.pack(weights)


@prop(12, 8000)
@given(networks(dtypes=("float64",)), seeds, st.floats(0, 4))
def test_the_group_of_the_network(loss, seed, decades):
    _tally.count("input", "invariance under the group")
    rng = np.random.default_rng(seed)
    theta, _ = points(loss, seed)
    other = moved(loss, theta, rng, 10**decades)
    noise = 1e-12 * 10 ** (2 * decades)
    size = loss.eigenvalues_[0]
    assert relative(loss.value(other), loss.value(theta), size) <= noise
    same = loss.invariants(theta)
    floor = np.sqrt(loss.eigenvalues_[0])
    # Roots of sums of squares lose half of the digits where they vanish.
    loss_of_digits = 0.5 if loss._ties is not None else 1.0
    assert relative(loss.invariants(other), same, floor) <= noise**loss_of_digits * 10
    scaled = loss.rescale(theta)
    assert relative(loss.value(scaled), loss.value(theta), size) <= 1e-10


@prop(10, 3000)
@given(networks(dtypes=("float64",), depths=(1,)), seeds)
def test_labels_and_index_under_the_group(loss, seed):
    _tally.count("input", "invariance under the group")
    spectrum, rng = loss.analytical_spectrum(), np.random.default_rng(seed)
    for name in spectrum.sample_sets(2, seed):
        point = spectrum.representative(name)
        other = moved(loss, point, rng, 10.0)
        first, second = spectrum.match(point), spectrum.match(other)
        assert first.set == second.set == name
        assert first.morse_index == second.morse_index
        gap = abs(first.squared_balanced_grad_norm - second.squared_balanced_grad_norm)
        assert gap <= 1e-20 * max(1.0, loss.eigenvalues_[0]) ** 2 * 1e4


@prop(10, 9000)
@given(data(), seeds, st.sampled_from([(1,), (2,), (2, 1)]))
def test_rotations_of_the_data_and_permutations_of_samples(X, seed, hidden):
    _tally.count("input", "rotation and permutation of data")
    rng = np.random.default_rng(seed)
    d = X.shape[1]
    Q = np.linalg.qr(rng.standard_normal((d, d)))[0]
    loss = LinearAutoencoderLoss(hidden, tie_rtol=1e-9).fit(X)
    turned = LinearAutoencoderLoss(hidden, tie_rtol=1e-9).fit(X @ Q.T)
    shuffled = LinearAutoencoderLoss(hidden, tie_rtol=1e-9).fit(rng.permutation(X))
    size = max(loss.eigenvalues_[0], np.max(X**2, initial=0.0))
    theta, _ = points(loss, seed)
    weights = [np.array(W) for W in loss.weights(theta)]
    weights[0], weights[-1] = weights[0] @ Q.T, Q @ weights[-1]
    there = turned.pack(weights)
    for other, at in ((turned, there), (shuffled, theta)):
        assert relative(other.eigenvalues_, loss.eigenvalues_, size) <= 1e-12
        assert relative(other.value(at), loss.value(theta), size) <= 1e-11
        squared = np.sum(other.gradient(at) ** 2, axis=-1)
        expected = np.sum(loss.gradient(theta) ** 2, axis=-1)
        assert relative(squared, expected, size**2) <= 1e-11


@prop(8, 9000)
@given(data(d=3), seeds, st.floats(-8, 8))
def test_what_the_data_do_not_see_changes_nothing(X, seed, decades):
    # With C singular the first layer may have any part in its kernel.
    _tally.count("input", "rotation and permutation of data")
    X = X - X.mean(axis=0)
    U, S, Vt = np.linalg.svd(X, full_matrices=False)
    S[-1] = 0.0
    loss = LinearAutoencoderLoss((2,), center=False).fit((U * S) @ Vt)
    kernel = loss.eigenvectors_[:, loss.rank_ :]
    spectrum, rng = loss.analytical_spectrum(), np.random.default_rng(seed)
    theta, _ = points(loss, seed)
    weights = [np.array(W) for W in loss.weights(theta)]
    extra = 10**decades * rng.standard_normal((*theta.shape[:-1], 2, kernel.shape[1]))
    weights[0] = weights[0] + extra @ kernel.T
    other = loss.pack(weights)
    noise = 1e-12 * max(1.0, 10**decades) ** 2
    before, after = spectrum.match(theta), spectrum.match(other)
    squared = before.squared_balanced_grad_norm
    floor = max(loss.eigenvalues_[0] ** 2, 1e-30)
    assert relative(after.squared_balanced_grad_norm, squared, floor) <= noise
    assert relative(loss.value(other), loss.value(theta), floor**0.5) <= noise
