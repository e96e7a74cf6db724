"""The user's module: never touched, read and written as a vector."""

import copy

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from torch import nn

from skcrit import TorchLoss

from ._modules import Tied, dense, fitted


def state_of(module):
    """Describe all that belongs to a module, with the identity of its tensors."""
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return [
        (name, id(t), t.data_ptr(), t._version, t.requires_grad, t.dtype, t.grad)
        for name, t in tensors
    ] + [
        (name, m.training, len(m._forward_hooks)) for name, m in module.named_modules()
    ]


def test_module_is_never_touched(rng):
    X = rng.standard_normal((10, 3))
    module = nn.Sequential(Tied(), nn.BatchNorm1d(3), nn.Tanh(), nn.Dropout(0.5))
    module.eval()
    module[2].train()
    module[0].encode.weight.grad = torch.ones(2, 3)
    before, numbers = state_of(module), copy.deepcopy(module.state_dict())
    loss = TorchLoss(module, nn.MSELoss(), alpha=0.1).fit(X)
    theta = rng.standard_normal((3, loss.n_params_))
    loss.at(theta).hvp(theta)
    loss.hessian(theta)
    loss.transform(X, theta)
    loss.parameters(theta[0])
    assert state_of(module) == before
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, numbers[name])


def test_later_training_does_not_matter(rng):
    module = Tied()
    loss = TorchLoss(module, nn.MSELoss()).fit(rng.standard_normal((10, 3)))
    theta = rng.standard_normal(loss.n_params_)
    before = loss.value(theta)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            tensor += 1
    assert loss.value(theta) == before


def test_shared_and_constant_parameters(rng):
    X = rng.standard_normal((10, 3))
    loss = TorchLoss(Tied(), nn.MSELoss()).fit(X)
    assert loss.names_ == ["encode.weight", "decode.weight"]
    assert loss.shapes_ == [(2, 3), (2, 2)]
    theta = rng.standard_normal(10)
    W, V = theta[:6].reshape(2, 3), theta[6:].reshape(2, 2)
    expected = 1.5 * np.tanh(X @ W.T) @ V.T @ W + np.linspace(-1, 1, 3)
    # The constants are those of single precision.
    np.testing.assert_allclose(loss.value(theta), np.mean((expected - X) ** 2), 1e-6)


def test_order_is_that_of_the_parameters(rng):
    module = dense(2, 3, 1)
    loss = TorchLoss(module, nn.MSELoss()).fit(rng.standard_normal((10, 2)), [[0]] * 10)
    vector = nn.utils.parameters_to_vector(module.parameters()).detach()
    theta = loss.theta_of(module)
    assert theta.dtype == np.float64
    np.testing.assert_array_equal(theta, vector.numpy())
    np.testing.assert_array_equal(loss.theta_of(module.state_dict()), theta)


@pytest.mark.parametrize("name", ["batch norm", "tied", "recurrent", "convolution"])
def test_state_dict_round_trip(name, rng):
    loss = fitted(name, rng)
    module, theta = loss.module, rng.standard_normal(loss.n_params_)
    before = copy.deepcopy(module.state_dict())
    state = loss.parameters(theta)
    assert list(state) == list(before)
    for key, tensor in state.items():
        assert tensor.dtype == before[key].dtype
        assert tensor.device.type == "cpu"
        if key not in loss._network.places:  # a constant
            assert torch.equal(tensor, before[key])
    other = copy.deepcopy(module)
    other.load_state_dict(state)
    np.testing.assert_array_equal(loss.theta_of(other), theta.astype(np.float32))
    # The module that predicts has the loss of the point.
    X, y = loss._network.X.float(), loss._network.y
    y = y.float() if y.is_floating_point() else y
    with torch.no_grad():
        expected = loss.criterion(other(X), y).item() + 0.01 * np.sum(theta**2)
    np.testing.assert_allclose(loss.value(theta), expected, rtol=1e-5)


def test_state_dict_is_no_part_of_the_loss(rng):
    loss = fitted("tied", rng)
    theta = rng.standard_normal(loss.n_params_)
    before = loss.value(theta)
    for tensor in loss.parameters(theta).values():
        tensor.zero_()
    assert loss.value(theta) == before


def test_double_precision_is_kept(rng):
    module = dense(2, 3, 2).double()
    loss = TorchLoss(module, nn.MSELoss()).fit(rng.standard_normal((10, 2)))
    theta = rng.standard_normal(loss.n_params_)
    module.load_state_dict(loss.parameters(theta))
    np.testing.assert_array_equal(loss.theta_of(module), theta)


def test_impossible_modules_and_points(rng):
    loss = TorchLoss(dense(2, 3, 2), nn.MSELoss())
    with pytest.raises(NotFittedError, match="TorchLoss.*not fitted"):
        loss.theta_of(loss.module)
    with pytest.raises(NotFittedError, match="TorchLoss.*not fitted"):
        loss.value(np.ones(3))
    loss.fit(rng.standard_normal((10, 2)))
    message = (
        r"have a parameter '0.weight' of shape \(3, 2\), got one of shape \(4, 2\)"
    )
    with pytest.raises(ValueError, match=message):
        loss.theta_of(dense(2, 4, 2))
    with pytest.raises(ValueError, match="have a parameter '2.weight' .* got none"):
        loss.theta_of(nn.Sequential(nn.Linear(2, 3)))
    with pytest.raises(
        ValueError, match="module must be a torch.nn.Module or its stat"
    ):
        loss.theta_of([1, 2])
    with pytest.raises(ValueError, match=r"theta must be one vector of shape \(17,\)"):
        loss.parameters(np.ones((2, 17)))


@pytest.mark.parametrize(
    "criterion, power",
    [
        (nn.MSELoss(), 2),
        (nn.functional.mse_loss, 2),
        (nn.L1Loss(reduction="sum"), 1),
    ],
    ids=["module", "function", "sum"],
)
def test_loss_of_each_sample(criterion, power, rng):
    X = rng.standard_normal((10, 3))
    loss = TorchLoss(dense(3, 3), criterion, alpha=0.5)
    loss.fit(X)
    theta = rng.standard_normal((4, 12))
    rest = np.abs(X @ theta[:, :9].reshape(4, 3, 3).swapaxes(1, 2))
    rest = np.abs(
        X @ theta[:, :9].reshape(4, 3, 3).swapaxes(1, 2) + theta[:, None, 9:] - X
    )
    total = np.sum if power == 1 else np.mean
    errors = loss.transform(X, theta)
    assert errors.shape == (10, 4)
    np.testing.assert_allclose(errors, total(rest**power, axis=-1).T, rtol=1e-12)
    summary = total(errors, axis=0)
    penalty = 0.5 * np.sum(theta**2, axis=1)
    np.testing.assert_allclose(summary + penalty, loss.value(theta), rtol=1e-12)
    assert loss.transform(X[:3], theta[0]).shape == (3, 1)
    assert loss.transform(X, theta[:0]).shape == (10, 0)


def test_loss_of_each_sample_with_labels(rng):
    loss = fitted("Tanh", rng)
    X, y = loss._network.X.numpy(), loss._network.y.numpy()
    theta = rng.standard_normal((2, 43))
    with pytest.raises(ValueError, match="y must be given: the loss was fitted with"):
        loss.transform(X, theta)
    errors = loss.transform(X, theta, y.astype(float))
    penalty = 0.01 * np.sum(theta**2, axis=1)
    np.testing.assert_allclose(errors.mean(0) + penalty, loss.value(theta), rtol=1e-12)


def test_criteria_without_reduction_have_no_transform(rng):
    loss = TorchLoss(dense(3, 3), lambda output, target: (output - target).pow(2).sum())
    assert not hasattr(loss, "transform")
    assert hasattr(TorchLoss(dense(3, 3), nn.MSELoss()), "transform")
