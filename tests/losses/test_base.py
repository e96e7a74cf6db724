"""What a loss gets for free when it defines value, gradient and products."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skcrit._backend import to_device, to_host
from skcrit.exceptions import NoGroundTruthError
from skcrit.losses import LocalModel, Loss


class Cubic(Loss):
    """f(t) = sum_i t_i^3 / 6 + scale |t|^2 / 2, counting its evaluations."""

    def __init__(self, scale=1.0, backend="numpy"):
        self.scale = scale
        self.backend = backend

    def fit(self, X=None, y=None):
        self.n_params_ = 3
        self.calls_ = {"value": 0, "gradient": 0, "hvp": 0}
        return self

    def value(self, theta):
        theta = self._as_points(theta)
        self.calls_["value"] += 1
        return (theta**3 / 6 + self.scale * theta**2 / 2).sum(-1)

    def gradient(self, theta):
        theta = self._as_points(theta)
        self.calls_["gradient"] += 1
        return theta**2 / 2 + self.scale * theta

    def hvp(self, theta, v):
        theta = self._as_points(theta)
        v = self._as_directions(v, theta)
        self.calls_["hvp"] += 1
        return (theta + self.scale) * v


@pytest.fixture
def theta():
    return np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0]])


@pytest.mark.parametrize("missing", ["fit", "value", "gradient", "hvp"])
def test_what_must_be_defined(missing):
    defined = {"fit", "value", "gradient", "hvp"} - {missing}
    Incomplete = type("Incomplete", (Loss,), {name: print for name in defined})
    with pytest.raises(TypeError, match=f"abstract class Incomplete.*{missing}"):
        Incomplete()


def test_products_of_a_wrong_shape(theta):
    class OnePointOnly(Cubic):
        def hvp(self, theta, v):
            return v[..., 0, :]

    with pytest.raises(ValueError, match=r"OnePointOnly must return .*\(2, 3, 3\)"):
        OnePointOnly().fit().hessian(theta)


def test_local_model_computes_once_and_when_asked(theta):
    loss = Cubic().fit()
    local = loss.at(theta)
    assert type(local) is LocalModel
    assert loss.calls_ == {"value": 0, "gradient": 0, "hvp": 0}
    for _ in range(2):
        np.testing.assert_allclose(local.value, [13, 19])
        np.testing.assert_array_equal(local.gradient, theta**2 / 2 + theta)
    assert loss.calls_ == {"value": 1, "gradient": 1, "hvp": 0}
    np.testing.assert_array_equal(local.hvp(np.ones(3)), theta + 1)
    assert local.loss is loss


def test_hessian_from_products(theta, backend):
    loss = Cubic(backend=backend).fit()
    if backend == "array_api_strict":
        hessian = Loss.hessian(loss, to_device(theta, backend))
    else:
        hessian = loss.hessian(theta)
    expected = (theta + 1)[..., None] * np.eye(3)
    np.testing.assert_array_equal(to_host(hessian), expected)
    np.testing.assert_array_equal(to_host(loss.at(theta).hessian()), expected)
    assert loss.hessian(theta[0]).shape == (3, 3)


def test_linear_operator(theta):
    operator = Cubic().fit().linear_operator(theta[0])
    assert isinstance(operator, LinearOperator)
    np.testing.assert_array_equal(operator @ np.ones(3), [2, 3, 4])
    np.testing.assert_array_equal(operator @ np.ones((3, 1)), [[2], [3], [4]])
    np.testing.assert_array_equal(operator.rmatvec(np.ones(3)), [2, 3, 4])
    with pytest.raises(ValueError, match=r"theta must be one vector of shape \(3,\)"):
        Cubic().fit().linear_operator(theta)


def test_without_symmetries_points_stand_for_themselves(theta):
    loss = Cubic().fit()
    np.testing.assert_array_equal(loss.invariants(theta), theta)
    np.testing.assert_array_equal(loss.rescale(theta), theta)


def test_no_ground_truth_by_default():
    with pytest.raises(NoGroundTruthError, match="critical points of Cubic are not"):
        Cubic().fit().analytical_spectrum()


def test_parameters_and_clone():
    loss = Cubic(scale=2.0)
    assert loss.get_params() == {"scale": 2.0, "backend": "numpy"}
    assert clone(loss.set_params(scale=3.0)).scale == 3.0


def test_use_before_fit(theta):
    for use in (Cubic().value, Cubic().hessian, Cubic().at, Cubic().linear_operator):
        with pytest.raises(NotFittedError, match="Cubic instance is not fitted yet"):
            use(theta)


def test_messages_name_the_argument(theta):
    loss = Cubic().fit()
    with pytest.raises(ValueError, match=r"theta must .* for Cubic, got shape \(2,\)"):
        loss.value(theta[0, :2])
    with pytest.raises(ValueError, match="v must have shape"):
        loss.hvp(theta, theta[0, :2])
    with pytest.raises(ValueError, match="v must have leading axes that broadcast"):
        loss.hvp(theta, np.ones((5, 3)))


class Wide(Loss):
    """f(t) = |S t|^4 / 4 summed over samples S, noting how many directions come."""

    def fit(self, X, y=None):
        self.samples_, self.n_params_, self.most_ = X, X.shape[1], 0
        return self

    def value(self, theta):
        return ((theta @ self.samples_.T) ** 4).sum(-1) / 4

    def gradient(self, theta):
        return (theta @ self.samples_.T) ** 3 @ self.samples_

    def hvp(self, theta, v):
        self.most_ = max(self.most_, v.shape[-2])
        weights = 3 * (theta @ self.samples_.T) ** 2
        return (weights * (v @ self.samples_.T)) @ self.samples_


def test_memory_of_a_dense_hessian_does_not_grow_with_its_columns():
    rng = np.random.default_rng(0)
    loss = Wide().fit(rng.standard_normal((5, 50)))
    theta = rng.standard_normal((2, 3, 50))
    hessian = loss.hessian(theta)
    weights = 3 * (theta @ loss.samples_.T) ** 2
    expected = np.einsum("...s,si,sj->...ij", weights, loss.samples_, loss.samples_)
    np.testing.assert_allclose(hessian, expected, rtol=1e-12, atol=1e-10)
    assert loss.most_ <= 16
    # A row is the same bit by bit in every batch.
    np.testing.assert_array_equal(hessian[1, 2], loss.hessian(theta[1, 2]))
