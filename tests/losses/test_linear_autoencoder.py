"""Derivatives of the linear autoencoder's loss, and published numbers."""

import pkgutil
from functools import partial

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from skcrit.losses import LinearAutoencoderLoss, LinearNetworkLoss
from tests.losses import _reference as ref

NETWORKS = [(2,), (6,), (3, 2), (2, 3), (2, 3, 2)]
PENALTIES = [(0.0, "sum"), (0.3, "sum"), (0.3, "product")]
POINT = np.arange(1, 13) / 10
DIRECTION = np.array([1.0, -1.0] * 6)
DATA = np.array([[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]])
close = partial(np.testing.assert_allclose, rtol=0, atol=1e-12)


def numbers(text):
    return np.array([float(word) for word in text.split()])


@pytest.fixture(params=NETWORKS, ids=str)
def hidden(request):
    return request.param


@pytest.fixture(params=PENALTIES, ids=str)
def case(request, hidden, X, rng):
    """A fitted loss, a point, a direction, and the arguments of the reference."""
    alpha, penalty = request.param
    loss = LinearAutoencoderLoss(hidden, alpha=alpha, penalty=penalty).fit(X)
    theta, v = rng.standard_normal((2, loss.n_params_))
    sizes = (X.shape[1], *hidden, X.shape[1])
    centred = X - X.mean(axis=0)
    return loss, theta, v, (centred, sizes, alpha, penalty)


def test_value(case):
    loss, theta, _, args = case
    assert ref.relative_error(loss.value(theta), ref.value(theta, *args)) < 1e-13


def test_gradient(case):
    loss, theta, _, args = case
    expected = ref.gradient(theta, *args)
    assert ref.relative_error(ref.backpropagate(theta, *args), expected) < 1e-13
    assert ref.relative_error(loss.gradient(theta), expected) < 1e-13


def test_hvp(case):
    loss, theta, v, args = case
    expected = ref.hvp(theta, v, *args)
    assert ref.relative_error(loss.hvp(theta, v), expected) < 1e-13


def test_hessian(case):
    loss, theta, v, args = case
    hessian = loss.hessian(theta)
    assert ref.relative_error(hessian, ref.hessian(theta, *args)) < 1e-13
    assert ref.relative_error(hessian @ v, loss.hvp(theta, v)) < 1e-13
    close(hessian, hessian.T, rtol=1e-14)


def test_third_derivative(case, rng):
    loss, theta, v, args = case
    u = rng.standard_normal(loss.n_params_)
    actual = loss.third_derivative(theta, u, v)
    expected = ref.third_derivative(theta, u, v, *args)
    assert ref.relative_error(actual, expected) < 1e-12
    assert ref.relative_error(loss.third_derivative(theta, v, u), actual) < 1e-13


def test_without_centring(X, rng):
    loss = LinearAutoencoderLoss((3, 2), center=False).fit(X)
    theta = rng.standard_normal(loss.n_params_)
    close(loss.mean_, 0)
    close(loss.second_moment_, X.T @ X / 9)
    expected = ref.value(theta, X, (4, 3, 2, 4))
    assert ref.relative_error(loss.value(theta), expected) < 1e-13


def test_eigenpairs(X):
    loss = LinearAutoencoderLoss().fit(X)
    close(loss.mean_, X.mean(axis=0))
    close(loss.second_moment_, np.cov(X.T, bias=True))
    assert np.all(np.diff(loss.eigenvalues_) < 0)
    assert loss.rank_ == loss.n_features_in_ == 4
    rebuilt = (loss.eigenvectors_ * loss.eigenvalues_) @ loss.eigenvectors_.T
    close(rebuilt, loss.second_moment_)


def test_value_near_zero_does_not_cancel():
    # p = d: the minimum is zero, and the value close to it is as small as the distance.
    X = np.random.default_rng(0).standard_normal((50, 3)) * 1e3
    loss = LinearAutoencoderLoss((3,)).fit(X)
    theta = loss.pack([np.eye(3) * (1 + 1e-9), np.eye(3)])
    expected = 1e-18 * np.trace(loss.second_moment_) / 3
    np.testing.assert_allclose(loss.value(theta), expected, rtol=1e-6)


def test_published_numbers_of_one_hidden_layer():
    loss = LinearAutoencoderLoss((2,)).fit(DATA)
    close(loss.second_moment_, np.diag([4, 2.25, 1]))
    close(loss.value(POINT), 2.492033333333)
    gradient = loss.gradient(POINT)
    close(
        gradient,
        numbers(
            "1.768 1.488 0.880666666667 1.893333333333 1.644 0.988 0.137333333333 "
            "0.030333333333 0.208666666667 0.630666666667 0.413333333333 1.264333333333"
        ),
    )
    close(np.linalg.norm(gradient), 3.950895960271)
    product = loss.hvp(POINT, DIRECTION)
    close(
        product,
        numbers(
            "-1.626666666667 0.75 0.353333333333 -4.453333333333 -2.46 -1.873333333333 "
            "-2.223333333333 1.24 2.12 -3.103333333333 0.13 -1.113333333333"
        ),
    )
    close(DIRECTION @ product, 4.846666666667)
    hessian = loss.hessian(POINT)
    close(np.trace(hessian), 30.583333333333)
    eigenvalues = np.linalg.eigvalsh(hessian)
    assert np.sum(eigenvalues < 0) == 4
    assert np.min(np.abs(eigenvalues)) > 1e-3


@pytest.mark.parametrize(
    "penalty, expected", [("sum", 4.117033333333), ("product", 3.617583333333)]
)
def test_published_values_with_penalty(penalty, expected):
    loss = LinearAutoencoderLoss((2,), alpha=0.25, penalty=penalty).fit(DATA)
    close(loss.value(POINT), expected)


def test_published_third_derivative():
    loss = LinearAutoencoderLoss((2,)).fit(DATA)
    close(
        loss.third_derivative(POINT, DIRECTION, DIRECTION),
        numbers(
            "22.4 -18 5.6 38.4 -16.2 9.6 -1.4 4.933333333333 -1.4 4.933333333333 -1.4 "
            "4.933333333333"
        ),
    )


def test_published_derivatives_of_the_squared_gradient_norm():
    # g = |grad f|^2 / 2: grad g = H grad f, (Hess g) v = H H v + T(grad f, v).
    loss = LinearAutoencoderLoss((2,)).fit(DATA)
    local = loss.at(POINT)
    close(local.gradient @ local.gradient / 2, 7.804789444444)
    close(
        local.hvp(local.gradient),
        numbers(
            "28.877831111111 14.68356 4.44228 33.955448888889 16.95068 5.114506666667 "
            "0.488358888889 4.055721666667 4.555177777778 9.659893333333 7.81633 "
            "14.573453888889"
        ),
    )
    close(
        local.hvp(local.hvp(DIRECTION))
        + local.third_derivative(local.gradient, DIRECTION),
        numbers(
            "-15.427555555556 3.7912 -0.570222222222 -96.813066666667 -23.8888 "
            "-11.8542 3.75595 -9.53345 -1.811111111111 -26.294955555556 0.493494444444 "
            "-33.074794444444"
        ),
    )


def test_published_errors_and_balanced_gradient():
    loss = LinearAutoencoderLoss((2,)).fit(DATA)
    errors = loss.transform(DATA, POINT)
    close(errors[:, 0], [2.668966666667, 2.5855, 2.408166666667, 2.3055])
    W = ref.end_to_end(loss.weights(POINT))
    close(W.ravel(), numbers(".39 .54 .69 .49 .68 .87 .59 .82 1.05"))
    balanced = loss.rescale(POINT)
    close(np.linalg.norm(loss.gradient(balanced)), 3.156792975745)


@pytest.mark.parametrize("q, inertia", [(0, (0, 16)), (1, (3, 10)), (2, (6, 4))])
def test_published_inertia_where_the_middle_layer_passes_units_on(q, inertia):
    # All three points have the end-to-end matrix 0; only the middle layer differs.
    X = np.array([[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]])
    loss = LinearAutoencoderLoss((2, 2)).fit(X)
    middle = np.diag((np.arange(2) < q).astype(float))
    theta = loss.pack([np.zeros((2, 3)), middle, np.zeros((3, 2))])
    eigenvalues = np.linalg.eigvalsh(loss.hessian(theta))
    assert (np.sum(eigenvalues < -1e-12), np.sum(abs(eigenvalues) < 1e-12)) == inertia


def test_published_numbers_of_two_hidden_layers():
    loss = LinearAutoencoderLoss((2, 2)).fit(DATA)
    theta, v = np.arange(1, 17) / 10, np.array([1.0, -1.0] * 8)
    local = loss.at(theta)
    close(local.value, 12.164051333333)
    close(np.linalg.norm(local.gradient), 38.008869874968)
    close(v @ local.hvp(v), 69.356133333333)
    product = local.hvp(local.hvp(v)) + local.third_derivative(local.gradient, v)
    np.testing.assert_allclose(np.linalg.norm(product), 8418.676701017, atol=1e-9)


@pytest.mark.parametrize(
    "hidden, penalty",
    [((2,), (0.0, "sum")), ((2, 3), (0.0, "sum")), ((9,), (0.0, "sum"))]
    + [((2,), (0.1, "sum")), ((2,), (0.1, "product"))],
)
def test_analytical_critical_points(hidden, penalty, X):
    alpha, penalty = penalty
    loss = LinearAutoencoderLoss(hidden, alpha=alpha, penalty=penalty).fit(X)
    spectrum = loss.analytical_spectrum()
    for name in spectrum.all_sets():
        for seed in (None, 0):
            theta = spectrum.representative(name, random_state=seed)
            assert np.linalg.norm(loss.gradient(theta)) < 1e-11
            close(loss.value(theta), spectrum.losses(name))


def test_cost_is_independent_of_the_number_of_samples(rng):
    n_samples = 1013  # larger than any other size here
    loss = LinearAutoencoderLoss((2,)).fit(rng.standard_normal((n_samples, 4)))
    arrays = [a for a in vars(loss).values() if isinstance(a, np.ndarray)]
    assert len(arrays) >= 4
    assert all(max(a.shape, default=0) <= 4 for a in arrays)


@pytest.mark.parametrize("center", [True, False])
def test_data_larger_than_a_chunk_give_the_same_moment(center, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1000, 5)) + 3.0
    X[:, 2] = 0.1  # constant, and its sum rounds
    whole = LinearAutoencoderLoss((2,), center=center).fit(X)
    # As if five numbers filled the cache; the data lie on disk, and are only read.
    on_disk = np.memmap(tmp_path / "X.dat", dtype=float, mode="w+", shape=X.shape)
    on_disk[:] = X
    seen = []

    def chunks(*arrays):
        (data,) = arrays
        for start in range(0, len(data), 7):
            seen.append(np.shares_memory(data, on_disk))
            yield (np.asarray(data[start : start + 7]),)

    monkeypatch.setattr("skcrit.losses._moments._chunks", chunks)
    parts = LinearAutoencoderLoss((2,), center=center).fit(on_disk)
    assert all(seen)
    np.testing.assert_allclose(parts.second_moment_, whole.second_moment_, rtol=1e-13)
    np.testing.assert_allclose(parts.mean_, whole.mean_, rtol=1e-13)
    assert parts.rank_ == whole.rank_


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        (LinearAutoencoderLoss, "skcrit.losses.linear_autoencoder.eigh"),
        (LinearNetworkLoss, "skcrit.losses.linear_network.whiten"),
    ],
)
def test_eigenpairs_take_one_thread(rng, monkeypatch, kind, called):
    seen, decompose = [], pkgutil.resolve_name(called)

    def watched(*arguments):
        blas = [part for part in threadpool_info() if part["user_api"] == "blas"]
        seen.extend(part["num_threads"] for part in blas)
        return decompose(*arguments)

    monkeypatch.setattr(called, watched)
    with threadpool_limits(limits=2, user_api="blas"):
        kind((2,)).fit(rng.standard_normal((20, 4)))
    assert seen
    assert set(seen) == {1}
