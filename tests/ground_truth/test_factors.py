"""Thin factors of the end-to-end matrix and the balanced layers."""

import numpy as np
import pytest

from skcrit._backend import to_device, to_host
from skcrit.ground_truth._factors import balanced_layers, thin_svd

SIZES = [(4, 2, 4), (3, 5, 3), (5, 3, 2, 5), (4, 6, 2, 3, 4), (1, 1, 1), (2, 4, 4, 2)]
close = np.testing.assert_allclose


def random_weights(sizes, rng, batch=()):
    shapes = zip(sizes[1:], sizes[:-1], strict=True)
    return [rng.standard_normal((*batch, *shape)) for shape in shapes]


def product(weights):
    W = weights[0]
    for W_l in weights[1:]:
        W = W_l @ W
    return W


@pytest.fixture(params=SIZES, ids=str)
def sizes(request):
    return request.param


@pytest.mark.parametrize("batch", [(), (3,), (2, 2), (0,)], ids=str)
def test_thin_svd(sizes, batch, backend, rng):
    weights = random_weights(sizes, rng, batch)
    factors = thin_svd([to_device(W, backend) for W in weights])
    A, S, Bt = (to_host(factor) for factor in factors)
    d, q = sizes[0], min(sizes)
    assert (A.shape, S.shape) == ((*batch, d, q), (*batch, q))
    assert Bt.shape == (*batch, q, d)
    close((A * S[..., None, :]) @ Bt, product(weights), atol=1e-12)
    identity = np.broadcast_to(np.eye(q), (*batch, q, q))
    close(np.swapaxes(A, -1, -2) @ A, identity, atol=1e-13)
    close(Bt @ np.swapaxes(Bt, -1, -2), identity, atol=1e-13)
    assert np.all(np.diff(S) <= 0)
    # Signs are fixed.
    assert np.all(A.max(axis=-2) >= -A.min(axis=-2))


@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
def test_balanced_layers(sizes, batch, rng):
    weights = random_weights(sizes, rng, batch)
    layers = balanced_layers(*thin_svd(weights), [W.shape[-2:] for W in weights])
    assert [W.shape for W in layers] == [W.shape for W in weights]
    close(product(layers), product(weights), atol=1e-12)
    for W, above in zip(layers[:-1], layers[1:], strict=True):
        left = np.swapaxes(above, -1, -2) @ above
        close(left, W @ np.swapaxes(W, -1, -2), atol=1e-12)


def test_rounding_errors_are_no_singular_values(rng):
    first = np.outer(rng.standard_normal(3), rng.standard_normal(6)) / 3
    last = rng.standard_normal((6, 3))
    _, S, _ = thin_svd([first, last])
    assert S[0] > 0
    np.testing.assert_array_equal(S[1:], 0)
    # Small is not zero: this one is a billion times above rounding.
    _, S, _ = thin_svd([np.diag([1.0, 1e-6, 0]), np.eye(3)])
    close(S, [1, 1e-6, 0], rtol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_matrices_that_are_not_finite_spoil_no_others(bad, rng):
    weights = random_weights((4, 2, 4), rng, (3,))
    expected = [factor.copy() for factor in thin_svd(weights)]
    weights[0][1, 0, 0] = bad
    with np.errstate(invalid="ignore"):
        factors = thin_svd(weights)
    assert np.all(np.isnan(factors[1][1]))
    for factor, clean in zip(factors, expected, strict=True):
        np.testing.assert_array_equal(factor[::2], clean[::2])
