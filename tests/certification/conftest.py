"""Fixtures of the tests of certificates."""

import numpy as np
import pytest

from skcrit import LinearAutoencoderLoss


@pytest.fixture(scope="package")
def autoencoder():
    """Generic data in five dimensions, three hidden units: 26 sets."""
    rng = np.random.default_rng(5)
    X = rng.standard_normal((40, 5)) * [3.0, 2.0, 1.5, 1.0, 0.6]
    return LinearAutoencoderLoss((3,)).fit(X)


@pytest.fixture(scope="package")
def truth(autoencoder):
    """All critical sets in closed form: points, Morse indices, nullities, losses."""
    spectrum = autoencoder.analytical_spectrum()
    sets = spectrum.all_sets()
    points = np.array([
        spectrum.representative(s, random_state=i) for i, s in enumerate(sets)
    ])
    return (
        points,
        spectrum.morse_indices(sets),
        spectrum.nullities(sets),
        spectrum.losses(sets),
    )
