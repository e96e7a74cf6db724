"""A network whose critical points are all known: 2-3-1, tanh, 13 parameters.

The 21 classes below were found by two independent searches, of thousands of starts of
SciPy's root finders each; that there are no more is supported by Morse theory: the loss
is coercive and all critical points are regular, so that the alternating sum of their
numbers must be one, and it is.
"""

import numpy as np
import pytest

from ._tanh import CLASSES, make_points, make_tanh_loss

close = np.testing.assert_allclose


@pytest.fixture(scope="module")
def loss():
    return make_tanh_loss()


@pytest.fixture(scope="module")
def points(loss):
    return make_points(loss)


def test_losses_and_indices(loss, points):
    values, indices, sizes = zip(*CLASSES, strict=True)
    close(2 * loss.value(points), values, atol=6e-7)
    eigenvalues = np.linalg.eigvalsh(loss.hessian(points))
    assert np.min(np.abs(eigenvalues)) > 1e-4
    np.testing.assert_array_equal(np.sum(eigenvalues < 0, axis=1), indices)
    np.testing.assert_array_equal(loss.orbit_size(points), sizes)
    # Hessians from products one by one, and from differences of gradients.
    products = np.stack([loss.hvp(points, e) for e in np.eye(13)], axis=-1)
    close(products, loss.hessian(points), atol=1e-13)
    step = 1e-5 * np.eye(13)
    ends = [loss.gradient(points[:, None] + s * step) for s in (1, -1)]
    close((ends[0] - ends[1]) / 2e-5, products, atol=1e-8)


def test_morse_theory(loss, points):
    sizes = loss.orbit_size(points)
    indices = np.array([index for _, index, _ in CLASSES])
    counts = [int(sizes[indices == k].sum()) for k in range(5)]
    assert counts == [48, 168, 218, 121, 24] and sum(counts) == 579
    assert sum((-1) ** k * n for k, n in enumerate(counts)) == 1


def test_invariants_tell_the_classes_apart_and_no_more(loss, points, rng):
    coefs, intercepts = loss.unpack(points)
    order, signs = rng.permutation(3), np.array([1.0, -1.0, -1.0])
    moved = loss.pack(
        [(signs * coefs[0])[..., order], (signs[:, None] * coefs[1])[:, order]],
        [(signs * intercepts[0])[:, order], intercepts[1]],
    )
    assert np.all(np.linalg.norm(moved - points, axis=1)[:-1] > 0.1)
    invariants, same = loss.invariants(points), loss.invariants(moved)
    distance = np.linalg.norm(invariants[:, None] - same, axis=-1)
    close(np.diag(distance), 0, atol=1e-13)
    assert np.min(distance[~np.eye(21, dtype=bool)]) > 0.2
    close(loss.representative(moved), loss.representative(points), atol=1e-12)
