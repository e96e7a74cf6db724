"""A row gives the same numbers, to the last bit, in every batch."""

import numpy as np
import pytest

from skcrit.losses import FunctionLoss, LinearAutoencoderLoss

PENALTIES = [(0.0, "sum"), (0.3, "sum"), (0.3, "product")]


def rosenbrock():
    def value(t):
        return (1 - t[..., 0]) ** 2 + 100 * (t[..., 1] - t[..., 0] ** 2) ** 2

    def gradient(t):
        x, y = t[..., 0], t[..., 1]
        return np.stack(
            [-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)], axis=-1
        )

    return FunctionLoss(value, gradient, n_params=2).fit()


def losses(X):
    for hidden in [(2,), (6,), (3, 2), (2, 3, 2)]:
        for alpha, penalty in PENALTIES:
            yield LinearAutoencoderLoss(hidden, alpha=alpha, penalty=penalty).fit(X)
    yield rosenbrock()


def evaluate(loss, theta, v):
    return {
        "value": loss.value(theta),
        "gradient": loss.gradient(theta),
        "hvp": loss.hvp(theta, v),
    }


@pytest.mark.parametrize("shape", [(1,), (7,), (2, 3), (2, 1, 3)], ids=str)
def test_batch_equals_one_by_one(shape, X, rng):
    for loss in losses(X):
        theta, v = rng.standard_normal((2, *shape, loss.n_params_))
        batch = evaluate(loss, theta, v)
        assert batch["value"].shape == shape
        for index in np.ndindex(shape):
            one = evaluate(loss, theta[index], v[index])
            assert one["value"].shape == ()
            for name, result in one.items():
                np.testing.assert_array_equal(batch[name][index], result, str(loss))


@pytest.mark.parametrize("d", [3, 17, 64])
def test_wider_data_in_large_batches(d, rng):
    # Blocked sums and matrix kernels change with the size of the matrices.
    X = rng.standard_normal((40, d))
    for alpha, penalty in PENALTIES:
        loss = LinearAutoencoderLoss((5,), alpha=alpha, penalty=penalty).fit(X)
        theta, v = rng.standard_normal((2, 33, loss.n_params_))
        batch = evaluate(loss, theta, v)
        for size in (1, 2, 16):
            part = evaluate(loss, theta[-size:], v[-size:])
            for name, result in part.items():
                np.testing.assert_array_equal(batch[name][-size:], result)


def test_memory_layout_changes_nothing(X, rng):
    for loss in losses(X):
        theta, v = rng.standard_normal((2, 6, loss.n_params_))
        expected = evaluate(loss, theta, v)
        sparse = np.zeros((6, 2 * loss.n_params_))
        sparse[:, ::2] = theta
        for other in (np.asfortranarray(theta), sparse[:, ::2]):
            for name, result in evaluate(loss, other, np.asfortranarray(v)).items():
                np.testing.assert_array_equal(result, expected[name])


def test_rows_that_are_not_finite_stay_alone(X, rng):
    for loss in losses(X):
        theta, v = rng.standard_normal((2, 3, loss.n_params_))
        expected = evaluate(loss, theta, v)
        expected["scaled"] = loss.rescale(theta)
        for bad in (np.nan, np.inf, 1e300):
            spoilt = theta.copy()
            spoilt[1] = bad
            with np.errstate(all="ignore"):
                actual = evaluate(loss, spoilt, v)
                actual["scaled"] = loss.rescale(spoilt)
            for name, result in actual.items():
                np.testing.assert_array_equal(result[::2], expected[name][::2])


def test_hessian_vector_products_broadcast(X, rng):
    for loss in losses(X):
        theta = rng.standard_normal((2, 3, loss.n_params_))
        v = rng.standard_normal((5, loss.n_params_))
        product = loss.hvp(theta[..., None, :], v)
        assert product.shape == (2, 3, 5, loss.n_params_)
        for i, j, k in np.ndindex(2, 3, 5):
            one = loss.hvp(theta[i, j], v[k])
            np.testing.assert_array_equal(product[i, j, k], one)
        local = loss.at(theta[0, 0])
        np.testing.assert_array_equal(local.hvp(v), product[0, 0])
        # One direction for many points.
        np.testing.assert_array_equal(loss.hvp(theta, v[0]), product[..., 0, :])


@pytest.mark.parametrize("shape", [(0,), (3,), (2, 2)], ids=str)
def test_shapes_of_batches(shape, X, rng):
    for loss in losses(X):
        n_params = loss.n_params_
        theta = rng.standard_normal((*shape, n_params))
        assert loss.value(theta).shape == shape
        assert loss.gradient(theta).shape == (*shape, n_params)
        assert loss.hvp(theta, theta).shape == (*shape, n_params)
        assert loss.hessian(theta).shape == (*shape, n_params, n_params)
        assert loss.rescale(theta).shape == (*shape, n_params)
        assert loss.invariants(theta).shape[:-1] == shape
        local = loss.at(theta)
        assert local.value.shape == shape
        assert local.hessian().shape == (*shape, n_params, n_params)


def test_batched_dense_matrices(X, rng):
    for loss in losses(X):
        theta = rng.standard_normal((4, loss.n_params_))
        hessian, scaled = loss.hessian(theta), loss.rescale(theta)
        for row in range(4):
            np.testing.assert_allclose(
                hessian[row], loss.hessian(theta[row]), rtol=0, atol=1e-12
            )
            np.testing.assert_array_equal(scaled[row], loss.rescale(theta[row]))


def test_arguments_are_left_alone(X, rng):
    for loss in losses(X):
        theta, v = rng.standard_normal((2, 2, loss.n_params_))
        copies = theta.copy(), v.copy()
        evaluate(loss, theta, v)
        loss.hessian(theta)
        loss.rescale(theta)
        np.testing.assert_array_equal(theta, copies[0])
        np.testing.assert_array_equal(v, copies[1])
