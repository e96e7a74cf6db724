"""What fit refuses, in words, and what it makes of data and targets."""

import re
import warnings

import numpy as np
import pytest
import torch
from torch import nn

from skcrit import TorchLoss

from ._modules import Counter, Memory, Noise, dense, half_square

X = np.random.default_rng(0).normal(size=(20, 3))
LABELS = np.arange(20) % 4


def refuses(message, module=None, criterion=None, X=X, y=X, **params):
    """Check that fit raises a ValueError of exactly these words."""
    loss = TorchLoss(module or dense(3, 2, 3), criterion or nn.MSELoss(), **params)
    with pytest.raises(ValueError, match=re.escape(message)):
        loss.fit(X, y)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"alpha": -1}, "'alpha' parameter of TorchLoss must be a float in the range"),
        ({"dtype": "float16"}, "'dtype' parameter of TorchLoss must be a str among"),
        ({"device": 0}, "'device' parameter of TorchLoss must be an instance of 'str'"),
        ({"chunk_size": 0}, "'chunk_size' parameter of TorchLoss must be an int in"),
        ({"invariants": 3}, "'invariants' parameter of TorchLoss must be a callable"),
        ({"symmetries": -1}, "'symmetries' parameter of TorchLoss must be an int in"),
        ({"criterion": "mse"}, "'criterion' parameter of TorchLoss must be a callable"),
    ],
)
def test_impossible_parameters(params, message):
    refuses(message, **params)


def test_what_is_no_module():
    refuses("module must be a torch.nn.Module, got <function", module=half_square)
    refuses("module must be a torch.nn.Module, got <class", module=nn.Linear)
    frozen = dense(3, 3).requires_grad_(False)
    refuses(
        "module must have a parameter with requires_grad=True, got 2 parameters "
        "without.",
        module=frozen,
    )
    refuses(
        "module must have parameters of known shape, '0.weight' has none yet: evaluate "
        "the module once, as lazy layers need it.",
        module=nn.Sequential(nn.LazyLinear(3)),
    )
    refuses(
        "module must have real parameters, 'weight' has dtype torch.complex64.",
        module=nn.Linear(3, 3, dtype=torch.complex64),
    )


@pytest.mark.parametrize(
    "layer, name",
    [
        (nn.Dropout(0.1), "2 (Dropout)"),
        (nn.BatchNorm1d(2), "2 (BatchNorm1d)"),
        (nn.BatchNorm1d(2, track_running_stats=False), "2 (BatchNorm1d)"),
        (nn.RReLU(), "2 (RReLU)"),
        (nn.AlphaDropout(), "2 (AlphaDropout)"),
    ],
)
def test_layers_in_training_mode(layer, name):
    module = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), layer, nn.Linear(2, 3))
    refuses(
        "module must be in evaluation mode, because in training mode these layers are "
        f"random or change when they are evaluated: {name}. Call module.eval() first.",
        module=module,
    )
    TorchLoss(module.eval(), nn.MSELoss()).fit(X, X)


def test_layers_that_training_mode_does_not_change():
    parts = [nn.Dropout(0.0), nn.LayerNorm(3), nn.Linear(3, 3)]
    module = nn.Sequential(*parts, nn.LSTM(3, 3)).train()
    assert TorchLoss(module[:3], nn.MSELoss()).fit(X, X).n_params_ == 18
    refuses("in evaluation mode", module=nn.LSTM(3, 3, num_layers=2, dropout=0.5))


def test_modules_that_are_no_functions():
    needed = "module and criterion must be functions of parameters and data alone, but "
    module = nn.Sequential(nn.Linear(3, 3), nn.Sequential(Noise(), nn.Tanh()))
    refuses(f"{needed}layer '1.0' (Noise) draws random numbers.", module=module.eval())
    module = nn.Sequential(nn.Linear(3, 3), Counter()).eval()
    refuses(
        f"{needed}the buffer '1.calls' changes when the module is evaluated.", module
    )
    refuses(f"{needed}the same parameters give ", nn.Sequential(dense(3, 3), Memory()))
    refuses(
        f"{needed}the criterion draws random numbers.",
        criterion=lambda output, _: (output * torch.rand(3)).sum(),
    )


def test_random_numbers_of_the_user_are_left_alone():
    module = nn.Sequential(nn.Linear(3, 3), Noise())
    state = torch.random.get_rng_state()
    refuses("draws random numbers", module=module)
    TorchLoss(module[:1], nn.MSELoss()).fit(X)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_impossible_data():
    refuses("X must be finite, it contains NaN.", X=np.full((20, 3), np.nan))
    refuses("y must be finite, it contains infinity.", y=np.full((20, 3), np.inf))
    refuses("X must have samples along its first axis, got shape ().", X=3.0)
    refuses("X must have samples along its first axis, got shape (0, 3).", X=X[:0])
    refuses("y must have as many samples as X, 20, got 19.", y=X[1:])
    refuses("X must be an array of real numbers, got list", X=[["a", "b"]])
    refuses("y must be an array of real numbers", y=np.array(["setosa"] * 20))
    refuses("X must be real numbers, got torch.complex64.", X=torch.ones(20, 3) * 1j)
    refuses(
        "module cannot be evaluated on X of shape (20, 2): RuntimeError: mat1 and mat2",
        X=X[:, :2],
    )


def test_targets_that_do_not_fit():
    refuses(
        "criterion cannot compare the output of module, of shape (20, 1) and type "
        "torch.float64, with y of shape (20,): as torch.float64, UserWarning: Using a "
        "target size (torch.Size([20])) that is different",
        module=dense(3, 1),
        y=X[:, 0],
    )
    refuses(
        "with y of shape (20,): as torch.float64, RuntimeError: expected target dtype "
        "to be Long or Byte, but got Double; as torch.int64, IndexError: Target 3 is "
        "out of bounds.",
        criterion=nn.CrossEntropyLoss(),
        y=LABELS,
    )
    refuses(
        "criterion must return one number for all samples, as a tensor of shape (), "
        "got of shape (20, 3) and type torch.float64; criteria of PyTorch do with "
        "reduction='mean' or 'sum'.",
        criterion=nn.MSELoss(reduction="none"),
    )
    refuses("a tensor of shape (), got 3.0;", criterion=lambda output, _: 3.0)
    refuses(
        "criterion must return a number that depends on the parameters of module",
        criterion=lambda output, _: output.detach().sum(),
    )


def test_missing_second_derivatives():
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, slope):
            return slope

    message = (
        "module and criterion must have second derivatives, for products with the "
        "Hessian: RuntimeError: "
    )
    marked = f"{message}a function of theirs is marked @once_differentiable."
    for alpha in (0.0, 1.0):
        refuses(
            marked,
            criterion=lambda output, _: Once.apply(output).square().sum(),
            alpha=alpha,
        )
    labels = torch.ones(20, 2, dtype=torch.int64)
    lengths = torch.full((20,), 2)
    refuses(
        f"{message}derivative for aten::_ctc_loss_backward is not implemented",
        criterion=lambda output, _: nn.functional.ctc_loss(
            output.log_softmax(-1).expand(5, 20, 3), labels, 2 * lengths, lengths
        ),
    )


@pytest.mark.parametrize("kind", ["int", "float", "list", "tensor", "column"])
def test_labels_become_integers(kind):
    y = {
        "int": LABELS.astype(np.int32),
        "float": LABELS.astype(float),
        "list": LABELS.tolist(),
        "tensor": torch.as_tensor(LABELS, dtype=torch.uint8),
        "column": LABELS,
    }[kind]
    module = dense(3, 4)
    loss = TorchLoss(module, nn.CrossEntropyLoss()).fit(X, y)
    theta = np.zeros(16)
    np.testing.assert_allclose(loss.value(theta), np.log(4))
    one_hot = np.eye(4)[LABELS]  # class probabilities are another kind of target
    other = TorchLoss(module, nn.CrossEntropyLoss()).fit(X, one_hot)
    point = np.random.default_rng(1).normal(size=16)
    np.testing.assert_allclose(loss.value(point), other.value(point), rtol=1e-12)


def test_integers_become_numbers_where_the_criterion_wants_them():
    y = np.arange(20)[:, None]
    loss = TorchLoss(dense(3, 1), nn.MSELoss()).fit(X.tolist(), y)
    np.testing.assert_allclose(loss.value(np.zeros(4)), np.mean(y**2))
    answers = (np.arange(20) % 2)[:, None]
    loss = TorchLoss(dense(3, 1), nn.BCEWithLogitsLoss()).fit(X, answers)
    np.testing.assert_allclose(loss.value(np.zeros(4)), np.log(2))


def test_tokens_stay_integers():
    tokens = torch.arange(12).reshape(6, 2) % 5
    module = nn.Sequential(nn.Embedding(5, 2), nn.Flatten(), nn.Linear(4, 3))
    loss = TorchLoss(module, nn.CrossEntropyLoss()).fit(tokens, np.arange(6) % 3)
    assert loss.n_params_ == 10 + 15
    assert np.all(np.isfinite(loss.hessian(loss.theta_of(module))))


def test_images_and_their_targets():
    images = np.random.default_rng(0).normal(size=(5, 1, 4, 4))
    module = nn.Conv2d(1, 1, 3, padding=1)
    loss = TorchLoss(module, nn.MSELoss()).fit(images)
    np.testing.assert_allclose(loss.value(np.zeros(10)), np.mean(images**2))
    identity = np.zeros(10)
    identity[4] = 1
    np.testing.assert_allclose(loss.value(identity), 0, atol=1e-30)
    assert not hasattr(loss, "n_features_in_")
    assert loss.set_params(module=dense(3, 3)).fit(X).n_features_in_ == 3


def test_later_changes_of_data_do_not_matter():
    data, theta = X.copy(), np.ones(17)
    loss = TorchLoss(dense(3, 2, 3), nn.MSELoss()).fit(data)
    before = loss.value(theta)
    data[:] = 0
    assert loss.value(theta) == before


def test_impossible_points():
    loss = TorchLoss(dense(3, 2, 3), nn.MSELoss()).fit(X)
    with pytest.raises(ValueError, match=r"theta must have shape \(\.\.\., 17\) for T"):
        loss.value(np.ones(4))
    with pytest.raises(ValueError, match=r"v must have shape .* got shape \(2,\)"):
        loss.hvp(np.ones(17), np.ones(2))


@pytest.mark.parametrize("chunk_size, rows", [(1, 1), (31, 1), (32, 32), (100, 96)])
def test_chunk_size_is_rounded_down(chunk_size, rows):
    loss = TorchLoss(dense(3, 2, 3), nn.MSELoss(), chunk_size=chunk_size).fit(X)
    assert loss.chunk_size_ == rows


def test_modules_that_vmap_cannot_evaluate():
    class Branch(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, x):
            h = self.linear(x)
            return h if h.sum() > 0 else 2 * h

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss = TorchLoss(Branch(), nn.MSELoss()).fit(X)
    assert loss.chunk_size_ == 1
    theta = np.random.default_rng(0).normal(size=(8, 12))
    alone = [loss.gradient(point) for point in theta]
    np.testing.assert_array_equal(loss.gradient(theta), alone)
    loss.set_params(chunk_size=64)
    message = r"chunk_size=64 has no effect: torch.func.vmap .* \(RuntimeError: vmap"
    with pytest.warns(UserWarning, match=message) as caught:
        loss.fit(X)
    assert caught[0].filename == __file__


def test_large_rows_stand_alone():
    data = np.random.default_rng(0).normal(size=(2000, 3))
    assert TorchLoss(dense(3, 20, 3), nn.MSELoss()).fit(data).chunk_size_ == 1
    assert TorchLoss(dense(3, 20, 3), nn.MSELoss()).fit(data[:50]).chunk_size_ > 32
