"""Modules and data of the tests; what is here can be pickled."""

import numpy as np
import torch
from torch import nn

from skcrit import TorchLoss


def dense(*widths, activation=nn.Tanh, bias=True):
    """Make a fully connected network."""
    layers = []
    for inputs, outputs in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(inputs, outputs, bias=bias), activation()]
    return nn.Sequential(*layers[:-1])


class Attention(nn.Module):
    """A transformer of one layer, whose fast kernel has no second derivatives."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 6)
        self.attend = nn.MultiheadAttention(6, 2, batch_first=True)
        self.norm = nn.LayerNorm(6)
        self.read = nn.Linear(6, 3)

    def forward(self, x):
        """Map (n, length, 4) to (n, 3)."""
        h = self.embed(x)
        h = h + self.attend(h, h, h, need_weights=False)[0]
        return self.read(self.norm(h).mean(1))


class Recurrent(nn.Module):
    """An LSTM, which vmap cannot evaluate."""

    def __init__(self):
        super().__init__()
        self.cell = nn.LSTM(4, 1, batch_first=True)
        self.read = nn.Linear(1, 3)

    def forward(self, x):
        """Map (n, length, 4) to (n, 3)."""
        return self.read(self.cell(x)[0][:, -1])


class Tied(nn.Module):
    """An autoencoder whose decoder shares the encoder's matrix, with constants."""

    def __init__(self, width=3, hidden=2):
        super().__init__()
        self.encode = nn.Linear(width, hidden, bias=False)
        self.decode = nn.Linear(hidden, hidden, bias=False)
        self.again = nn.Linear(width, hidden, bias=False)
        self.again.weight = self.encode.weight
        self.scale = nn.Parameter(torch.tensor(1.5), requires_grad=False)
        self.register_buffer("shift", torch.linspace(-1, 1, width))

    def forward(self, x):
        """Map (n, width) to (n, width)."""
        code = self.decode(torch.tanh(self.encode(x)))
        return self.scale * code @ self.again.weight + self.shift


class Noise(nn.Module):
    """A layer that is random in every mode."""

    def forward(self, x):
        """Add noise."""
        return x + torch.randn_like(x)


class Counter(nn.Module):
    """A layer that counts in a buffer how often it was evaluated."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        """Return the input."""
        self.calls += 1
        return x


class Memory(nn.Module):
    """A layer that counts in an attribute, which is not examined."""

    calls = 0

    def forward(self, x):
        """Multiply by the number of calls."""
        self.calls += 1
        return x * self.calls


def half_square(output, target):
    """Return half the sum of squares, a criterion without a reduction."""
    return (output - target).square().sum() / 2


def second_power_sums(theta):
    """Return invariants: sums of squares, and of fourth powers."""
    return np.stack([(theta**2).sum(-1), (theta**4).sum(-1)], axis=-1)


def first_axes(theta):
    """Return tangent vectors: the first two unit vectors at every point."""
    unit = np.eye(theta.shape[-1])[:2]
    return np.broadcast_to(unit, (*theta.shape[:-1], *unit.shape))


def architectures(rng):
    """Yield a name, a module, data, targets and a criterion each."""
    labels = rng.integers(0, 3, size=21)
    flat, deep = rng.standard_normal((21, 4)), rng.standard_normal((21, 3, 4))
    images = rng.standard_normal((21, 1, 6, 6))
    entropy = nn.functional.cross_entropy
    numbers = rng.standard_normal((21, 3))
    for activation in (nn.Tanh, nn.Softplus, nn.SiLU, nn.GELU, nn.Sigmoid):
        network = dense(4, 5, 3, activation=activation)
        yield activation.__name__, network, flat, labels, entropy
    yield "mse", dense(4, 3, 5, 3), flat, numbers, nn.MSELoss()
    yield "huber", dense(4, 3), flat, numbers, nn.HuberLoss(reduction="sum")
    norm = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3))
    norm(torch.as_tensor(flat, dtype=torch.float32))
    yield "batch norm", norm.eval(), flat, labels, nn.CrossEntropyLoss()
    conv = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8, 3)
    )
    yield "convolution", conv, images, labels, entropy
    yield "attention", Attention(), deep, labels, entropy
    yield "recurrent", Recurrent(), deep, labels, entropy
    yield "tied", Tied(width=4), flat, None, nn.MSELoss()


NAMES = [case[0] for case in architectures(np.random.default_rng(0))]


def fitted(name, rng, **params):
    """Fit the loss of an architecture."""
    (case,) = [case for case in architectures(rng) if case[0] == name]
    _, module, X, y, criterion = case
    return TorchLoss(module, criterion, **{"alpha": 0.01} | params).fit(X, y)


# 2-3-1, tanh: 13 parameters, and every critical point is known, by thousands of
# searches with SciPy: losses and Morse indices.
KNOWN = {
    0.084101: 0,
    0.108753: 1,
    0.111892: 1,
    0.112961: 1,
    0.210752: 1,
    0.213750: 2,
    0.215089: 1,
    0.218585: 1,
    0.218970: 2,
    0.219631: 2,
    0.225683: 2,
    0.226421: 3,
    0.227013: 3,
    0.228961: 3,
    0.228995: 4,
    0.230562: 2,
    0.231173: 3,
    0.290638: 2,
    0.309305: 2,
    0.325319: 2,
    0.866972: 3,
}


def small_loss(**params):
    """Fit the loss of the network whose critical points are known."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20, 2))
    noise = 0.1 * rng.normal(size=20)
    y = np.sin(2 * X[:, 0]) + 0.5 * X[:, 1] ** 2 - 0.5 + noise
    loss = TorchLoss(dense(2, 3, 1), nn.MSELoss(), **{"alpha": 0.005} | params)
    return loss.fit(X, y[:, None])
