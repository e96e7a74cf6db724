"""MLPLoss against automatic differentiation of the same network by PyTorch."""

import numpy as np
import pytest

from skcrit import MLPLoss

torch = pytest.importorskip("torch")
# torch.func compiles its forward derivatives with its own old compiler.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")

ACTIVATIONS = {
    "identity": lambda z: z,
    "tanh": torch.tanh,
    "logistic": torch.sigmoid,
    "softplus": torch.nn.functional.softplus,
    "silu": torch.nn.functional.silu,
    "erf": torch.erf,
    "relu": torch.relu,
}


def torch_value(loss, X, y):
    """Write the loss with torch, on a flat vector."""
    X = torch.from_numpy(X)
    shapes, ones = loss._shapes, int(loss.fit_intercept)

    def value(theta):
        a, square, start = X, 0.0, 0
        for number, (n_out, n_in) in enumerate(shapes):
            W = theta[start : start + n_out * n_in].reshape(n_out, n_in)
            start += n_out * n_in
            z = a @ W[:, : n_in - ones].T
            if ones:
                z = z + W[:, -1]
            penalised = W if loss.penalize_intercept else W[:, : n_in - ones]
            square = square + (penalised**2).sum()
            last = number + 1 == len(shapes)
            a = z if last else ACTIVATIONS[loss.activation](z)
        if loss.loss == "squared_error":
            total = 0.5 * ((a - torch.from_numpy(y)) ** 2).sum(dim=1).mean()
        elif a.shape[1] == 1:
            targets = torch.from_numpy(y).double()
            total = torch.nn.functional.binary_cross_entropy_with_logits(
                a[:, 0], targets
            )
        else:
            total = torch.nn.functional.cross_entropy(a, torch.from_numpy(y))
        return total + 0.5 * loss.alpha / len(X) * square

    return value


def error(actual, expected):
    """Largest error, relative to the largest number."""
    return np.max(np.abs(actual - expected)) / np.max(np.abs(expected))


@pytest.mark.filterwarnings("ignore:activation=.relu.:UserWarning")
@pytest.mark.parametrize("hidden", [(4,), (3, 2), (4, 3, 2)], ids=str)
@pytest.mark.parametrize("kind", ["numbers", "two classes", "classes"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_derivatives(activation, kind, hidden, rng):
    X = rng.standard_normal((11, 3))
    y = {
        "numbers": rng.standard_normal((11, 2)),
        "two classes": np.arange(11) % 2,
        "classes": np.arange(11) % 3,
    }[kind]
    name = "squared_error" if kind == "numbers" else "log_loss"
    for params in ({"alpha": 0.3}, {"fit_intercept": False}):
        loss = MLPLoss(hidden, activation, loss=name, **params).fit(X, y)
        value = torch_value(loss, X, y)
        theta, u, v = 0.7 * rng.standard_normal((3, loss.n_params_))
        t, s, w = map(torch.from_numpy, (theta, u, v))
        gradient = torch.func.grad(value)
        assert abs(loss.value(theta) - value(t).item()) < 1e-12 * value(t).item()
        assert error(loss.gradient(theta), gradient(t).numpy()) < 1e-12
        product = torch.func.jvp(gradient, (t,), (w,))[1].numpy()
        assert error(loss.hvp(theta, v), product) < 1e-12
        hessian = torch.func.hessian(value)(t).numpy()
        assert error(loss.hessian(theta), hessian) < 1e-12
        if activation == "relu":
            continue

        def products(t, w=w, gradient=gradient):
            return torch.func.jvp(gradient, (t,), (w,))[1]

        third = torch.func.jvp(products, (t,), (s,))[1].numpy()
        scale = max(np.max(np.abs(third)), 1e-300)
        gap = np.max(np.abs(loss.third_derivative(theta, u, v) - third))
        assert gap < 1e-12 * max(scale, np.max(np.abs(product)))
