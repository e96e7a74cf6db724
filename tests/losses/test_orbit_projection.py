"""The projection along an orbit against the rows of its tangents."""

import numpy as np
import pytest

from skcrit import LinearAutoencoderLoss, LinearNetworkLoss
from skcrit.datasets import make_gaussian_spectrum
from skcrit.losses.orbit_projection import project_bases


def autoencoder(**params):
    X = make_gaussian_spectrum(50, eigenvalues=np.arange(9, 0, -1.0), random_state=0)
    loss = LinearAutoencoderLoss((3,), **params).fit(X)
    return loss.coordinates().loss


def orthonormal(rows):
    _, size, basis = np.linalg.svd(rows, full_matrices=False)
    return basis[size > 1e-10 * size[0]]


@pytest.mark.parametrize("case", ["full", "one silent unit", "origin of one layer"])
@pytest.mark.parametrize("scaled", [True, False])
def test_what_is_removed_is_the_tangent_space(case, scaled, rng):
    loss = autoencoder()
    below, above = loss.weights(rng.normal(size=loss.n_params_))
    if case == "one silent unit":
        below[0], above[:, 0] = 0, 0
    if case == "origin of one layer":
        above = 0 * above
    theta = loss.pack([below, above])
    unit = np.asarray(loss.parameter_unit()) * np.ones(loss.n_params_)
    assert np.ptp(unit) > 0.5
    unit = unit if scaled else np.ones(loss.n_params_)
    basis = orthonormal(loss.orbit_tangents(theta) / unit)
    projection = project_bases(*loss.orbit_weights(theta), unit)
    assert projection.size == len(basis) == {"one silent unit": 8}.get(case, 9)
    v = rng.normal(size=(2, 4, loss.n_params_))
    expected = v - v @ basis.T @ basis
    np.testing.assert_allclose(projection.remove(v), expected, atol=1e-12)
    np.testing.assert_allclose(projection.remove(v[1, 2]), expected[1, 2], atol=1e-12)


def test_other_outputs_than_inputs(rng):
    X, Y = rng.normal(size=(2, 30, 5))
    loss = LinearNetworkLoss((3,)).fit(X, Y)
    theta, unit = rng.normal(size=loss.n_params_), np.ones(loss.n_params_)
    projection = project_bases(*loss.orbit_weights(theta), unit)
    basis = orthonormal(loss.orbit_tangents(theta))
    v = rng.normal(size=(2, loss.n_params_))
    np.testing.assert_allclose(
        projection.remove(v), v - v @ basis.T @ basis, atol=1e-12
    )


def test_otherwise_tangents_are_formed(rng):
    deep = make_gaussian_spectrum(50, eigenvalues=[3.0, 2.0, 1.0], random_state=0)
    tied = make_gaussian_spectrum(50, eigenvalues=[2.0, 2, 1], exact=True)
    losses = [
        autoencoder(alpha=0.1),
        LinearAutoencoderLoss((2, 2)).fit(deep),
        LinearAutoencoderLoss((4,)).fit(deep),
        LinearAutoencoderLoss((2,)).fit(tied),
    ]
    for loss in losses:
        theta = rng.normal(size=(1, loss.n_params_))
        assert loss.orbit_weights(theta) is None
    mixed = rng.uniform(1, 2, losses[0].n_params_)
    plain = autoencoder()
    theta = rng.normal(size=plain.n_params_)
    assert project_bases(*plain.orbit_weights(theta), mixed) is None
