"""Tangents of symmetry orbits: orthogonal to gradients, in the kernel of the Hessian.

For two layers they are all of the kernel at every critical point, whatever the data.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skcrit import FunctionLoss, LinearAutoencoderLoss, LinearNetworkLoss
from skcrit._backend import to_host
from tests.ground_truth import test_network as networks
from tests.metrics._fits import make_data

# Of constant data, which are one of the cases.
pytestmark = pytest.mark.filterwarnings("ignore:X has no variance")

SPECTRA = {
    "distinct": (4.0, 3.0, 2.0, 1.0),
    "ties": (4.0, 2.0, 2.0, 1.0),
    "zero": (4.0, 2.0, 1.0, 0.0),
    "zeros": (4.0, 2.0, 2.0, 0.0, 0.0),
    "constant": (0.0, 0.0),
}
PENALTIES = {
    "plain": {},
    "sum": {"alpha": 0.05},
    "product": {"alpha": 0.05, "penalty": "product"},
}
HIDDEN = [(1,), (2,), (6,)]


def autoencoder(spectrum, penalty, hidden, **params):
    X = make_data(SPECTRA[spectrum])
    return LinearAutoencoderLoss(hidden, **PENALTIES[penalty], **params).fit(X)


def critical_points(loss):
    spectrum = loss.analytical_spectrum()
    names = spectrum.all_sets()
    kinds = ("balanced",) if spectrum.depth == 2 else ("balanced", "open")
    for kind in kinds:
        nullities = spectrum.nullities(names, kind)
        for seed, (name, nullity) in enumerate(zip(names, nullities, strict=True)):
            for state in (None, seed):
                yield spectrum.representative(name, state, kind), nullity


def normalised(tangents):
    norms = np.linalg.norm(tangents, axis=-1, keepdims=True)
    rounding = 1e-12 * np.max(norms, initial=1)
    return np.where(norms > rounding, tangents / np.maximum(norms, rounding), 0.0)


def check_orthogonal(loss, rng):
    """At any point the loss is constant along the orbit, to first order."""
    theta = rng.standard_normal((5, loss.n_params_))
    tangents, gradient = loss.orbit_tangents(theta), loss.gradient(theta)
    slopes = np.einsum("bti,bi->bt", normalised(tangents), gradient)
    assert np.max(np.abs(slopes), initial=0) < 1e-13 * np.max(
        np.abs(gradient), initial=1
    )


def check_kernel(loss, full):
    """At critical points the Hessian vanishes on the tangents."""
    for theta, nullity in critical_points(loss):
        tangents, hessian = normalised(loss.orbit_tangents(theta)), loss.hessian(theta)
        size = np.max(np.abs(hessian)) + np.max(loss.eigenvalues_)
        assert np.max(np.abs(tangents @ hessian), initial=0) <= 1e-11 * size
        rank = np.linalg.matrix_rank(tangents, tol=1e-9) if len(tangents) else 0
        assert rank == nullity if full else rank <= nullity


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_autoencoders(spectrum, penalty, hidden, rng):
    loss = autoencoder(spectrum, penalty, hidden)
    check_orthogonal(loss, rng)
    check_kernel(loss, full=True)


@pytest.mark.parametrize("hidden", [(2, 3), (3, 2, 3)])
@pytest.mark.parametrize("spectrum", ["distinct", "ties", "zeros"])
def test_deep_autoencoders(spectrum, hidden, rng):
    loss = autoencoder(spectrum, "plain", hidden)
    check_orthogonal(loss, rng)
    check_kernel(loss, full=False)


def test_deep_penalised_autoencoder(rng):
    for penalty in ("sum", "product"):
        check_orthogonal(autoencoder("zeros", penalty, (3, 2)), rng)


@pytest.mark.parametrize("name", networks.CASES)
def test_networks_with_targets(name, rng):
    loss = networks.fit(name)
    check_orthogonal(loss, rng)
    check_kernel(loss, full=len(loss._shapes) == 2)


@pytest.mark.parametrize("name", ["tied", "dependent-inputs", "deep"])
def test_penalised_networks_with_targets(name, rng):
    check_orthogonal(networks.fit(name, alpha=0.1), rng)


def test_loss_is_constant_along_curves(rng):
    # A finite move: group elements, made from the tangents of a generic point.
    loss = autoencoder("distinct", "plain", (2,))
    theta = rng.standard_normal(loss.n_params_)
    for tangent in loss.orbit_tangents(theta):
        W1, W2 = loss.weights(theta)
        V1, V2 = loss.weights(tangent)
        X = V1 @ np.linalg.pinv(W1)
        moved = loss.pack([W1 + X @ W1, W2 @ np.linalg.inv(np.eye(2) + X)])
        assert_allclose(loss.value(moved), loss.value(theta), rtol=1e-12)
        assert_allclose(V2, -W2 @ X, atol=1e-12)


@pytest.mark.parametrize("spectrum, penalty", [("zeros", "plain"), ("ties", "sum")])
def test_batches_and_backends(spectrum, penalty, rng):
    loss = autoencoder(spectrum, penalty, (2,))
    theta = rng.standard_normal((2, 3, loss.n_params_))
    tangents = loss.orbit_tangents(theta)
    assert tangents.shape[:2] == (2, 3)
    assert_array_equal(tangents[1, 2], loss.orbit_tangents(theta[1, 2]))
    strict = autoencoder(spectrum, penalty, (2,), backend="array_api_strict")
    assert_allclose(to_host(strict.orbit_tangents(theta)), tangents, atol=1e-13)
    single = autoencoder(spectrum, penalty, (2,), dtype="float32")
    assert single.orbit_tangents(theta).dtype == np.float32


def test_default_is_nothing():
    loss = FunctionLoss(np.sum, lambda t: t, n_params=3).fit()
    assert loss.orbit_tangents(np.zeros((4, 3))).shape == (4, 0, 3)


def test_autoencoder_and_network_span_the_same(rng):
    X = make_data(SPECTRA["ties"])
    one = LinearAutoencoderLoss((2,)).fit(X)
    other = LinearNetworkLoss((2,)).fit(X)
    theta = rng.standard_normal(one.n_params_)
    tangents = [loss.orbit_tangents(theta) for loss in (one, other)]
    ranks = [
        np.linalg.matrix_rank(t, tol=1e-9) for t in (*tangents, np.vstack(tangents))
    ]
    assert ranks[0] == ranks[1] == ranks[2]
