"""What changes of basis of the hidden layers leave alone, and the balanced point."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skcrit.losses import LinearAutoencoderLoss

NETWORKS = [(2,), (6,), (3, 2), (2, 3), (5, 2, 3)]
close = np.testing.assert_allclose


def basis(n, condition, rng):
    """Matrix of a given condition number."""
    U, V = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return (U * np.geomspace(1, condition, n)) @ V


def change_bases(loss, theta, condition, rng):
    """Move along the orbit of the general linear groups of the hidden layers."""
    weights = [np.array(W) for W in loss.weights(theta)]
    condition = condition ** (1 / (len(weights) - 1))
    for layer in range(len(weights) - 1):
        M = basis(weights[layer].shape[0], condition, rng)
        weights[layer] = M @ weights[layer]
        weights[layer + 1] = np.linalg.solve(M.T, weights[layer + 1].T).T
    return loss.pack(weights)


def end_to_end(loss, theta):
    product = np.eye(loss.n_features_in_)
    for W in loss.weights(theta):
        product = W @ product
    return product


def assert_balanced(loss, theta, atol=1e-12):
    weights = loss.weights(theta)
    for W, above in zip(weights[:-1], weights[1:], strict=True):
        close(above.T @ above, W @ W.T, rtol=0, atol=atol)


@pytest.fixture(params=NETWORKS, ids=str)
def hidden(request):
    return request.param


@pytest.mark.parametrize("condition", [1.0, 10.0, 1e6])
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_orbits(hidden, condition, alpha, X, rng):
    loss = LinearAutoencoderLoss(hidden, alpha=alpha, penalty="product").fit(X)
    theta = rng.standard_normal(loss.n_params_)
    moved = change_bases(loss, theta, condition, rng)
    # The changes of basis cost the product of their condition numbers in rounding.
    rtol = 1e-13 * condition
    close(loss.value(moved), loss.value(theta), rtol=rtol)
    scale = np.max(np.abs(loss.invariants(theta)))
    close(loss.invariants(moved), loss.invariants(theta), rtol=0, atol=rtol * scale)
    balanced = loss.rescale(moved)
    close(loss.value(balanced), loss.value(theta), rtol=rtol)
    close(loss.invariants(balanced), loss.invariants(theta), atol=rtol * scale)
    scale = np.max(np.abs(balanced)) ** 2
    assert_balanced(loss, balanced, 1e-13 * scale)
    norms = [np.sum(p**2) for p in (balanced, theta, moved)]
    assert norms[0] <= min(norms[1:]) * (1 + rtol)


def test_rescale_is_idempotent(hidden, X, rng):
    loss = LinearAutoencoderLoss(hidden).fit(X)
    once = loss.rescale(rng.standard_normal((3, loss.n_params_)))
    close(loss.rescale(once), once, rtol=0, atol=1e-12)


def test_balanced_gradient_is_a_function_of_the_product(hidden, X, rng):
    loss = LinearAutoencoderLoss(hidden).fit(X)
    theta = rng.standard_normal(loss.n_params_)
    points = [theta, change_bases(loss, theta, 1e3, rng)]
    norms = [np.linalg.norm(loss.gradient(loss.rescale(p))) for p in points]
    close(norms[1], norms[0], rtol=1e-8)


def test_gradient_norm_deceives_and_the_balanced_one_does_not():
    # W2 = t b, W1 = b / t: W stays, the gradient vanishes, no critical point is near.
    X = np.diag([4.0, 12**0.5, 8**0.5, 2.0])
    loss = LinearAutoencoderLoss(1, center=False).fit(X)
    close(loss.eigenvalues_, [4, 3, 2, 1])
    b = np.full(4, 0.5)
    for t in (1.0, 1e3, 1e6):
        theta = np.concatenate([b / t, t * b])
        close(loss.value(theta), 1.875)
        close(np.linalg.norm(loss.gradient(loss.rescale(theta))), 0.559, atol=1e-3)
    assert np.linalg.norm(loss.gradient(theta)) < 1e-6


def test_penalty_on_the_weights_leaves_points_where_they_are(hidden, X, rng):
    loss = LinearAutoencoderLoss(hidden, alpha=0.1, penalty="sum").fit(X)
    theta = rng.standard_normal((2, loss.n_params_))
    np.testing.assert_array_equal(loss.rescale(theta), theta)


@pytest.mark.parametrize("kind", ["few samples", "constant columns"])
def test_singular_second_moment(kind, hidden, rng):
    X = rng.standard_normal((4 if kind == "few samples" else 20, 6))
    if kind == "constant columns":
        X[:, [1, 4]] = [0.1, -3.7]
    loss = LinearAutoencoderLoss(hidden).fit(X)
    rank = 3 if kind == "few samples" else 4
    assert loss.rank_ == rank
    np.testing.assert_array_equal(loss.eigenvalues_[rank:], 0)
    theta = rng.standard_normal(loss.n_params_)
    kernel = loss.eigenvectors_[:, rank:]
    weights = [np.array(W) for W in loss.weights(theta)]
    weights[0] += rng.standard_normal((hidden[0], 6 - rank)) @ kernel.T
    moved = loss.pack(weights)
    close(loss.value(moved), loss.value(theta), rtol=1e-12)
    assert loss.invariants(theta).shape == (6 * rank,)
    close(loss.invariants(moved), loss.invariants(theta), atol=1e-10)
    balanced = loss.rescale(moved)
    close(balanced @ balanced, loss.rescale(theta) @ loss.rescale(theta))
    close(end_to_end(loss, balanced) @ kernel, 0, atol=1e-12)
    close(loss.value(balanced), loss.value(theta), rtol=1e-12)
    assert_balanced(loss, balanced, 1e-11)


def test_singular_second_moment_under_a_penalty_on_the_product(rng):
    # The penalty sees the kernel of the data, so the balanced point must keep it.
    loss = LinearAutoencoderLoss((2,), alpha=0.2, penalty="product")
    loss.fit(rng.standard_normal((3, 5)))
    assert loss.rank_ == 2
    theta = rng.standard_normal((3, loss.n_params_))
    balanced = loss.rescale(theta)
    close(loss.value(balanced), loss.value(theta), rtol=1e-12)
    assert_balanced(loss, balanced[0])


def test_rank_deficient_weights(hidden, X, rng):
    loss = LinearAutoencoderLoss(hidden).fit(X)
    weights = [np.array(W) for W in loss.weights(rng.standard_normal(loss.n_params_))]
    weights[0][1:] = weights[0][0]
    weights[0][:, 1:] = 0
    theta = loss.pack(weights)
    balanced = loss.rescale(theta)
    close(loss.value(balanced), loss.value(theta), rtol=1e-12)
    assert_balanced(loss, balanced)
    # One singular value is left, and roots of rounding errors do not fill the others.
    singular = np.linalg.svd(loss.weights(balanced)[0], compute_uv=False)
    assert singular[0] > 0
    np.testing.assert_array_less(singular[1:], 1e-14)


def test_origin_is_its_own_rescaled_point(hidden, X):
    loss = LinearAutoencoderLoss(hidden).fit(X)
    origin = np.zeros(loss.n_params_)
    np.testing.assert_array_equal(loss.rescale(origin), origin)
    close(loss.value(origin), np.mean((X - X.mean(axis=0)) ** 2))


def test_inertia_is_that_of_the_critical_set(X):
    loss = LinearAutoencoderLoss((2,)).fit(X)
    spectrum = loss.analytical_spectrum()
    for name in spectrum.all_sets():
        theta = loss.rescale(spectrum.representative(name, random_state=1))
        eigenvalues = np.linalg.eigvalsh(loss.hessian(theta))
        assert np.sum(eigenvalues < -1e-9) == spectrum.morse_indices(name)
        assert np.sum(np.abs(eigenvalues) < 1e-9) == spectrum.nullities(name)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("alpha, penalty", [(0, "sum"), (0.1, "sum"), (0.1, "product")])
def test_transform_averages_to_the_value(center, alpha, penalty, hidden, X, rng):
    loss = LinearAutoencoderLoss(hidden, alpha=alpha, penalty=penalty, center=center)
    theta = rng.standard_normal((3, loss.fit(X).n_params_))
    errors = loss.transform(X, theta)
    assert errors.shape == (9, 3)
    if penalty == "sum":
        penalties = alpha * np.sum(theta**2, axis=1)
    else:
        penalties = [alpha * np.sum(end_to_end(loss, t) ** 2) for t in theta]
    close(errors.mean(axis=0) + penalties, loss.value(theta), rtol=1e-12)
    np.testing.assert_array_equal(loss.transform(X, theta[0]), errors[:, :1])
    assert loss.transform(X, theta[:0]).shape == (9, 0)


@pytest.mark.parametrize("hidden", [2, (3, 2), 7])
def test_transform_without_points_is_pca(hidden, X, rng):
    loss = LinearAutoencoderLoss(hidden).fit(X)
    new = rng.standard_normal((5, 4))
    pca = PCA(min(2 if hidden != 7 else 4, 4)).fit(X)
    rebuilt = pca.inverse_transform(pca.transform(new))
    errors = np.mean((new - rebuilt) ** 2, axis=1)
    close(loss.transform(new)[:, 0], errors, rtol=1e-10, atol=1e-14)
    close(loss.fit_transform(X), loss.transform(X))
