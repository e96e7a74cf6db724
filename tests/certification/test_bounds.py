"""Bounds on rounding errors and norms hold, against exact arithmetic."""

import decimal
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from skcrit import LinearAutoencoderLoss, LinearNetworkLoss, MLPLoss
from skcrit.linalg.balls import Balls
from skcrit.linalg.rounding import frobenius_bound, gamma, spectral_bound

from ..losses.test_layers import make
from ..losses.test_mlp_bounds import largest_quotient, third_norm

exact = np.vectorize(Fraction, otypes=[object])


def exact_network(loss, theta):
    """Compute value, gradient and Hessian of a linear network in rational numbers."""
    C = exact(np.asarray(loss._moment))
    C = (C + C.T) / 2
    T = C if loss._target is None else exact(np.asarray(loss._target))
    weights = [exact(np.asarray(W)) for W in loss.weights(theta)]
    m, tau, decay = weights[-1].shape[0], Fraction(loss._tau), Fraction(loss._decay)
    K = C + tau * exact(np.eye(len(C)))

    def product(parts):
        total = parts[0]
        for W in parts[1:]:
            total = W.dot(total)
        return total

    n = loss.n_params_
    identity = [exact(np.asarray(W)) for W in loss.weights(np.eye(n))]
    units = [[W[i] for W in identity] for i in range(n)]
    W = product(weights)
    E = W.dot(K) - T

    def first(i):
        return sum(
            product([*weights[:a], units[i][a], *weights[a + 1 :]])
            for a in range(len(weights))
        )

    def second(i, j):
        total = 0 * W
        for a in range(len(weights)):
            for b in range(len(weights)):
                if a != b:
                    parts = list(weights)
                    parts[a], parts[b] = units[i][a], units[j][b]
                    total = total + product(parts)
        return total

    D = [first(i) for i in range(n)]
    point = exact(np.asarray(theta))
    gradient = [2 * (E * D[i]).sum() / m + 2 * decay * point[i] for i in range(n)]
    hessian = [
        [
            2 * ((D[i].dot(K) * D[j]).sum() + (E * second(i, j)).sum()) / m
            + (2 * decay if i == j else 0)
            for j in range(n)
        ]
        for i in range(n)
    ]
    value = ((W.dot(K) - 2 * T) * W).sum() / m + decay * (point * point).sum()
    return value, np.array(gradient), np.array(hessian)


NETWORKS = [
    ("auto", (2,), {}),
    ("auto", (2,), {"alpha": 0.3}),
    ("auto", (2,), {"alpha": 0.3, "penalty": "product"}),
    ("auto", (2, 1), {}),
    ("targets", (2,), {"alpha": 0.1}),
]


@pytest.mark.parametrize("kind, hidden, params", NETWORKS, ids=str)
def test_errors_of_linear_networks(kind, hidden, params, rng):
    X = rng.standard_normal((9, 3)) * [30.0, 1.0, 0.1]
    if kind == "auto":
        loss = LinearAutoencoderLoss(hidden, **params).fit(X)
    else:
        loss = LinearNetworkLoss(hidden, **params).fit(X, X[:, :2] + 0.1 * X[:, 1:])
    # Second moments that are not symmetric to the last digit.
    loss._moment = loss._moment * (1 + 1e-16 * np.arange(9).reshape(3, 3))
    worst = np.zeros(2)
    for size in (1e-3, 1.0, 30.0):
        theta = size * rng.standard_normal(loss.n_params_)
        _, gradient, hessian = exact_network(loss, theta)
        bounds = loss.evaluation_error(theta)
        gap = exact(loss.gradient(theta)) - gradient
        gap_H = (exact(loss.hessian(theta)) - hessian).astype(float)
        errors = [np.linalg.norm(gap.astype(float)), np.linalg.norm(gap_H, 2)]
        assert errors[0] <= bounds[1] and errors[1] <= bounds[2]
        # Bounds that are only right because they are huge would be useless.
        assert bounds[1] < 1e-10 * np.linalg.norm(loss.gradient(theta)) + 1e-11 * size
        worst = np.maximum(worst, np.array(errors) / bounds[1:])
    assert np.all(worst > 0)


def test_values_of_linear_networks_are_enclosed(rng):
    X = rng.standard_normal((9, 3))
    loss = LinearAutoencoderLoss((2,)).fit(X)
    theta = rng.standard_normal((4, 12))
    bounds = loss.evaluation_error(theta)[0]
    constant = Fraction(float(np.sum(loss._goal**2))) / 3
    for t, value, bound in zip(theta, loss.value(theta), bounds, strict=True):
        truth = exact_network(loss, t)[0] + constant
        assert abs(float(Fraction(float(value)) - truth)) <= bound < 1e-12


@pytest.mark.parametrize("hidden", [(2,), (3,), (2, 3), (2, 2, 2)], ids=str)
@pytest.mark.parametrize("params", [{}, {"alpha": 0.2, "penalty": "product"}], ids=str)
def test_hessian_lipschitz_of_linear_networks_is_never_exceeded(hidden, params, rng):
    X = rng.standard_normal((9, 3)) * [3.0, 1.0, 0.5]
    loss = LinearAutoencoderLoss(hidden, **params).fit(X)
    for size, radius in ((0.3, 0.01), (1.0, 0.5), (2.0, 2.0)):
        theta = size * rng.standard_normal(loss.n_params_)
        bound = loss.hessian_lipschitz(theta, radius)
        assert largest_quotient(loss, theta, radius, rng) <= bound
        rim = rng.standard_normal(loss.n_params_)
        rim = theta + radius * rim / np.linalg.norm(rim)
        assert third_norm(loss, rim, rng, n_draws=2) <= bound
        assert bound <= 30 * third_norm(loss, theta, rng) + 200 * radius * 9


def test_hessian_lipschitz_is_checked(rng):
    loss = LinearAutoencoderLoss((2,)).fit(rng.standard_normal((9, 3)))
    with pytest.raises(ValueError, match="radius"):
        loss.hessian_lipschitz(np.zeros(12), -1.0)


PI = np.longdouble("3.14159265358979323846264338327950288")


@partial(np.vectorize, otypes=[np.longdouble])
def erf_series(z):
    """Sum the power series of the error function with 120 digits."""
    with decimal.localcontext(prec=120):
        high = float(z)
        z = decimal.Decimal(high) + decimal.Decimal(float(z - high))
        if abs(z) > 9:  # one, to 36 digits
            return np.longdouble(np.sign(high))
        term = total = z
        for n in range(1, 600):
            term *= -z * z / n
            total += term / (2 * n + 1)
        return np.longdouble(str(2 * total)) / np.sqrt(PI)


def reference_derivatives(loss, theta):
    """Compute value and gradient in extended precision, sample by sample."""
    ld = np.longdouble
    assert np.finfo(ld).eps < 1e-18
    phi = {
        "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
        "logistic": (
            lambda z: 1 / (1 + np.exp(-z)),
            lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
        ),
        "softplus": (lambda z: np.log1p(np.exp(z)), lambda z: 1 / (1 + np.exp(-z))),
        "silu": (
            lambda z: z / (1 + np.exp(-z)),
            lambda z: 1 / (1 + np.exp(-z)) + z * np.exp(-z) / (1 + np.exp(-z)) ** 2,
        ),
        "identity": (lambda z: z, lambda z: 1 + 0 * z),
        "erf": (erf_series, lambda z: 2 / np.sqrt(PI) * np.exp(-z * z)),
    }[loss.activation]
    weights = [W[0].astype(ld) for W in loss._split(theta[None])]
    total, gradient = ld(0), [0 * W for W in weights]
    for x, y in zip(loss._X.astype(ld), loss._targets.values.astype(ld), strict=True):
        inputs, zs = [np.append(x, ld(1))], []
        for W in weights:
            zs.append(W @ inputs[-1])
            inputs.append(np.append(phi[0](zs[-1]), ld(1)))
        z = zs[-1]
        if loss._targets.kind == "squared_error":
            total, delta = total + np.sum((z - y) ** 2) / 2, z - y
        elif loss._targets.kind == "logistic":
            total = total + np.sum(np.log1p(np.exp(z)) - y * z)
            delta = 1 / (1 + np.exp(-z)) - y
        else:
            total = total + np.log(np.sum(np.exp(z))) - np.sum(y * z)
            delta = np.exp(z) / np.sum(np.exp(z)) - y
        for layer in range(len(weights) - 1, -1, -1):
            gradient[layer] = gradient[layer] + np.outer(delta, inputs[layer])
            if layer:
                delta = weights[layer][:, :-1].T @ delta * phi[1](zs[layer - 1])
    n, decay = ld(len(loss._X)), ld(loss.alpha) / ld(len(loss._X))
    mask = np.concatenate(
        [np.ones(W.shape) * np.append(np.ones(W.shape[1] - 1), 0) for W in weights],
        axis=None,
    )
    t = theta.astype(ld)
    value = total / n + decay * np.sum(mask * t * t) / 2
    return value, np.concatenate([g.ravel() for g in gradient]) / n + decay * mask * t


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="no long double")
@pytest.mark.parametrize("kind", ["squared_error", "logistic", "softmax"])
@pytest.mark.parametrize(
    "activation", ["identity", "tanh", "logistic", "softplus", "silu", "erf"]
)
def test_errors_of_multilayer_networks(activation, kind, rng):
    loss, _ = make((3, 2), activation, kind, rng, alpha=0.1)
    for size in (1e-2, 1.0, 5.0):
        theta = size * rng.standard_normal(loss.n_params_)
        value, gradient = reference_derivatives(loss, theta)
        bounds = loss.evaluation_error(theta)
        gap = np.linalg.norm((loss.gradient(theta) - gradient).astype(float))
        assert gap <= bounds[1] < 1e-11 * (1 + np.linalg.norm(theta) ** 3)
        assert abs(float(loss.value(theta) - value)) <= bounds[0]
        # The Hessian from differences in extended precision, of fourth order.
        h = np.longdouble(1e-4)
        for i in rng.integers(0, loss.n_params_, 3):
            e = np.zeros(loss.n_params_, dtype=np.longdouble)
            e[i] = h
            g = [
                reference_derivatives(loss, theta.astype(np.longdouble) + s * e)[1]
                for s in (-2, -1, 1, 2)
            ]
            column = (g[0] - 8 * g[1] + 8 * g[2] - g[3]) / (12 * h)
            gap = np.linalg.norm((loss.hessian(theta)[i] - column).astype(float))
            assert gap <= bounds[2] + 1e-13 * (1 + size**6)


def test_errors_that_are_put_in_are_seen(rng, monkeypatch):
    loss, _ = make((3,), "tanh", "squared_error", rng)
    theta = rng.standard_normal(loss.n_params_)
    before = loss.evaluation_error(theta)
    sweep = MLPLoss._sweep

    def wrong(self, weights, inputs, targets):
        return sweep(self, weights, inputs, targets + 1e-6)

    monkeypatch.setattr(MLPLoss, "_sweep", wrong)
    after = loss.evaluation_error(theta)
    assert after[1] > 1e-8 > before[1] and after[0] > 1e-9 > before[0]


def test_balls_contain_exact_results(rng):
    a, b = rng.standard_normal((2, 4, 4)) * 10.0 ** rng.integers(-8, 8, (2, 4, 4))
    r = np.abs(rng.standard_normal((2, 4, 4))) * 1e-3 * np.abs([a, b])
    A, B = Balls(a, r[0]), Balls(b, r[1])
    results = A + B, A - B, A * B, A @ B, A.sum(0), 2 * A - 1, (A @ A) @ (B @ B)
    for _ in range(20):
        # Corners and inner points of the balls.
        t = rng.choice([-1.0, 1.0, 0.3], (2, 4, 4))
        x = exact(a) + exact(t[0]) * exact(r[0])
        y = exact(b) + exact(t[1]) * exact(r[1])
        truths = (
            *(x + y, x - y, x * y, x.dot(y), x.sum(axis=0), 2 * x - 1),
            x.dot(x).dot(y.dot(y)),
        )
        for ball, truth in zip(results, truths, strict=True):
            gap = np.abs(exact(ball.mid) - truth)
            assert np.all(gap <= exact(ball.rad))


def test_norms_are_bounded_and_hardly_more(rng):
    for shape in [(3, 3), (4, 16), (16, 4), (1, 5), (20, 20)]:
        A = rng.standard_normal((50, *shape)) * rng.lognormal(0, 3, (50, 1, shape[1]))
        ratio = spectral_bound(A) / np.linalg.norm(A, 2, axis=(-2, -1))
        assert np.all(ratio >= 1) and np.max(ratio) < 1.1
        ratio = frobenius_bound(A) / np.linalg.norm(A, axis=(-2, -1))
        assert np.all(ratio >= 1) and np.max(ratio) < 1 + 1e-12
    assert 1 <= spectral_bound(np.eye(20)) < 1.11
    assert np.all(spectral_bound(np.zeros((2, 3, 4))) == 0)
    huge = 1e200 * np.ones((3, 3))
    assert 3e200 <= spectral_bound(huge) < 3.4e200
    assert gamma(1) >= 2.0**-53 and gamma(2**53) == np.inf


@pytest.mark.parametrize("size", [1e-40, 1e-43, 3e-45])
def test_errors_of_single_precision_include_underflow(size, rng):
    # Moved by the smallest numbers of single precision, gradients lose all digits.
    X = rng.standard_normal((40, 3)) * 10
    single = LinearAutoencoderLoss((2,), dtype="float32").fit(X)
    theta = (size * rng.standard_normal((20, 12))).astype(np.float32)
    W1, W2 = (W.astype(float) for W in single.weights(theta))
    # At this size the gradient is -2/d (W2^T C, C W1^T) to all digits.
    C = -2 / 3 * single._moment.astype(float)
    gradient = np.concatenate(
        [
            (W2.transpose(0, 2, 1) @ C).reshape(-1, 6),
            (C @ W1.transpose(0, 2, 1)).reshape(-1, 6),
        ],
        axis=1,
    )
    lost = np.linalg.norm(single.gradient(theta).astype(float) - gradient, axis=1)
    assert lost.max() > 0
    assert np.all(lost <= single.evaluation_error(theta)[1])
