"""The sweeps over matrices, against the chain rule written out for two layers."""

import numpy as np
import pytest

from skcrit import LinearAutoencoderLoss
from skcrit.losses import _network

close = np.testing.assert_allclose


@pytest.fixture
def network(rng):
    """W1, W2, K_0 and C, where K_0 is not C."""
    W1, W2 = rng.standard_normal((2, 3)), rng.standard_normal((3, 2))
    root = rng.standard_normal((3, 3))
    C = root @ root.T
    return W1, W2, C + 0.4 * np.eye(3), C


def sweep_of(W1, W2, C):
    """Sweep over three outputs, with a penalty of 0.4 on the product."""
    return _network.Sweep([W1, W2], _network.Moments(C, 3, 0.4))


def test_gradient_of_two_layers(network):
    W1, W2, K_0, C = network
    error = W2 @ W1 @ K_0 - C
    gradient = sweep_of(W1, W2, C).gradient()
    close(gradient[0], 2 / 3 * W2.T @ error)
    close(gradient[1], 2 / 3 * error @ W1.T)


def test_product_with_the_hessian_of_two_layers(network, rng):
    W1, W2, K_0, C = network
    V1, V2 = rng.standard_normal(W1.shape), rng.standard_normal(W2.shape)
    error, change = W2 @ W1 @ K_0 - C, (V2 @ W1 + W2 @ V1) @ K_0
    product = _network.hvp(sweep_of(W1, W2, C), [V1, V2])
    close(product[0], 2 / 3 * (V2.T @ error + W2.T @ change))
    close(product[1], 2 / 3 * (change @ W1.T + error @ V1.T))


def test_dense_hessian_of_two_layers(network):
    W1, W2, K_0, C = network
    hessian = _network.hessian(sweep_of(W1, W2, C))
    close(hessian[:6, :6], 2 / 3 * np.kron(W2.T @ W2, K_0))
    close(hessian[6:, 6:], 2 / 3 * np.kron(np.eye(3), W1 @ K_0 @ W1.T))
    close(hessian, hessian.T)


def test_third_derivative_of_two_layers(network, rng):
    W1, W2, K_0, C = network
    V1, V2 = rng.standard_normal(W1.shape), rng.standard_normal(W2.shape)
    change, second = (V2 @ W1 + W2 @ V1) @ K_0, 2 * V2 @ V1 @ K_0
    sweep = sweep_of(W1, W2, C)
    contraction = _network.third_derivative(sweep, [V1, V2], [V1, V2])
    close(contraction[0], 2 / 3 * (2 * V2.T @ change + W2.T @ second))
    close(contraction[1], 2 / 3 * (second @ W1.T + 2 * change @ V1.T))


@pytest.mark.parametrize("hidden", [(2,), (2, 3), (3, 2, 4)], ids=str)
def test_batches_of_weights(hidden, rng):
    sizes = (3, *hidden, 3)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [rng.standard_normal((5, *shape)) for shape in shapes]
    C = np.diag([3.0, 2.0, 1.0])
    moments = _network.Moments(C, len(C))
    batch = _network.Sweep(weights, moments)
    hessians = _network.hessian(batch)
    for row in range(5):
        one = _network.Sweep([W[row] for W in weights], moments)
        for stacked, single in zip(batch.gradient(), one.gradient(), strict=True):
            np.testing.assert_array_equal(stacked[row], single)
        close(hessians[row], _network.hessian(one), atol=1e-12)


def test_products_in_parts_are_those_of_all_points():
    # 17 points of 33 024 parameters each, in parts of three: bit by bit the same.
    rng = np.random.default_rng(0)
    X = rng.standard_normal((300, 258))
    loss = LinearAutoencoderLoss((64,)).fit(X).coordinates().loss
    theta, v = rng.standard_normal((2, 17, loss.n_params_))
    together = loss.at(theta).hvp(v)
    for row in range(17):
        one = loss.at(theta[row : row + 1]).hvp(v[row : row + 1])[0]
        np.testing.assert_array_equal(together[row], one)
    np.testing.assert_allclose(
        together, loss.at(theta[None]).hvp(v[None])[0], rtol=1e-9
    )
