"""Data and parameters of every kind: they work, or the message says why not."""

import pickle

import array_api_strict
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.sparse.linalg import eigsh
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from skcrit import NewtonMRFinder
from skcrit.exceptions import NoGroundTruthError, ResolutionWarning
from skcrit.losses import LinearAutoencoderLoss, LinearNetworkLoss


@pytest.fixture
def loss(X):
    return LinearAutoencoderLoss((2,)).fit(X)


@pytest.fixture
def theta(loss, rng):
    return rng.standard_normal(loss.n_params_)


def test_scikit_learn_conventions():
    results = check_estimator(LinearAutoencoderLoss(), on_fail=None, on_skip=None)
    failed = [r["check_name"] for r in results if r["status"] == "failed"]
    assert not failed
    assert sum(r["status"] == "passed" for r in results) > 40


@pytest.mark.parametrize(
    "convert",
    [
        lambda X: X.tolist(),
        lambda X: pd.DataFrame(X),
        lambda X: pd.DataFrame(X, columns=list("abcd")),
        lambda X: X.astype(object),
        lambda X: np.asfortranarray(X),
        lambda X: X.astype(np.float32),
    ],
    ids=["list", "unnamed frame", "frame", "object", "fortran", "float32"],
)
def test_kinds_of_data(convert, X, rng):
    X = np.round(X, 2).astype(np.float32).astype(float)  # the same in every kind
    expected = LinearAutoencoderLoss().fit(X)
    loss = LinearAutoencoderLoss().fit(convert(X))
    theta = rng.standard_normal(loss.n_params_)
    np.testing.assert_allclose(loss.value(theta), expected.value(theta), rtol=1e-14)
    np.testing.assert_allclose(
        loss.transform(convert(X), theta), expected.transform(X, theta)
    )


def test_names_of_columns_are_kept(X):
    frame = pd.DataFrame(X, columns=list("abcd"))
    loss = LinearAutoencoderLoss().fit(frame)
    assert loss.feature_names_in_.tolist() == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        loss.transform(frame[list("bacd")])


def test_integers():
    X = np.array([[1, 2], [3, 4], [5, 6]])
    loss = LinearAutoencoderLoss(1, center=False).fit(X)
    np.testing.assert_allclose(loss.second_moment_, X.T @ X / 3)
    np.testing.assert_allclose(loss.eigenvalues_, [30.245164970911, 0.088168362422])


@pytest.mark.parametrize("number", [0.0, 0.1, -1e5, 1 / 3, 1e200])
@pytest.mark.parametrize("n_samples", [1, 7, 1000])
def test_constant_data(number, n_samples):
    # The mean of 0.1, 0.1, ... is not 0.1, and the difference is no variance.
    with pytest.warns(ResolutionWarning, match="X has no variance"):
        loss = LinearAutoencoderLoss((2,)).fit(np.full((n_samples, 3), number))
    assert loss.rank_ == 0
    theta = np.ones((2, loss.n_params_))
    np.testing.assert_array_equal(loss.value(theta), [0, 0])
    np.testing.assert_array_equal(loss.gradient(theta), 0 * theta)
    np.testing.assert_array_equal(loss.rescale(theta), 0 * theta)
    assert loss.invariants(theta).shape == (2, 0)
    assert loss.analytical_spectrum().n_sets == 1


def test_one_sample_without_centring():
    loss = LinearAutoencoderLoss((2,), center=False).fit([[3.0, 4.0]])
    np.testing.assert_allclose(loss.eigenvalues_, [25, 0], atol=1e-14)
    assert loss.rank_ == 1


def test_one_feature():
    loss = LinearAutoencoderLoss((2,)).fit([[1.0], [3.0]])
    assert loss.n_params_ == 4
    # f = (1 - w)^2 with w = 1 * 0.5 + 2 * 0.1.
    np.testing.assert_allclose(loss.value([1, 2, 0.5, 0.1]), 0.09)


def test_near_ties_are_merged_in_loss_and_spectrum():
    X = np.diag([2.0, 1 + 1e-12, 1.0]) * 3**0.5
    with pytest.warns(ResolutionWarning, match="1 .*, 2 .* equal .* up to 1e-12"):
        loss = LinearAutoencoderLoss((2,), center=False).fit(X)
    assert loss.eigenvalues_[1] == loss.eigenvalues_[2]
    assert loss.analytical_spectrum().n_sets == 5
    assert not np.any(LinearAutoencoderLoss(tie_rtol=0).fit(X).eigenvalues_[1:] == 1.0)


def test_zero_rtol():
    X = np.diag([1.0, 1e-3, 1e-5])
    assert LinearAutoencoderLoss(center=False).fit(X).rank_ == 3
    with pytest.warns(ResolutionWarning, match="1 .*, 2 .* zero .* up to 3.33e-07"):
        loss = LinearAutoencoderLoss(center=False, zero_rtol=1e-5).fit(X)
    assert loss.rank_ == 1
    # The loss moved along with the spectrum.
    np.testing.assert_allclose(loss.second_moment_, np.diag([1 / 3, 0, 0]))


@pytest.mark.parametrize(
    "data, message",
    [
        (np.empty((4, 0)), "0 feature.*minimum of 1 is required"),
        (np.empty((0, 4)), "0 sample.*minimum of 1 is required"),
        (np.full((3, 2), np.nan), "Input X contains NaN"),
        ([[1.0, 2.0], [np.inf, 0.0]], "Input X contains infinity"),
        (np.array([["a", "b"]]), "could not convert string to float"),
        (np.ones(4), "Expected 2D array, got 1D array instead"),
        (np.ones((2, 2, 2)), "Found array with dim 3"),
        (None, r"X must be an array .*, got None: LinearAutoencoderLoss needs data"),
        (np.ones((2, 2)) * 1j, "Complex data not supported"),
        (np.diag([1e200, 1.0]), r"X must be small enough .* got entries up to 1e\+200"),
        (np.diag([1.7e308, 1.7e308]), "X must be small enough"),
    ],
)
def test_impossible_data(data, message):
    with pytest.raises(ValueError, match=message):
        LinearAutoencoderLoss().fit(data)


def test_sparse_data(X):
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        LinearAutoencoderLoss().fit(sparse.csr_matrix(X))


@pytest.mark.parametrize("sizes", [3, np.int64(3), (3,), [3], np.array([3])])
def test_hidden_layer_sizes(sizes, X):
    assert LinearAutoencoderLoss(sizes).fit(X).n_params_ == 24


@pytest.mark.parametrize(
    "sizes",
    [0, -1, 2.5, "a", None, True, (), (2, 0), [2.0], [True], [[2]], "22", {2, 3}],
    ids=repr,
)
def test_impossible_hidden_layer_sizes(sizes, X):
    with pytest.raises(ValueError, match="hidden_layer_sizes.*[Gg]ot") as info:
        LinearAutoencoderLoss(sizes).fit(X)
    assert repr(sizes) in str(info.value)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"alpha": -1}, r"'alpha' .* float in the range \[0.0, inf\). Got -1"),
        ({"alpha": np.nan}, "'alpha' .* Got nan"),
        ({"alpha": "big"}, "'alpha' .* Got 'big'"),
        ({"penalty": "l2"}, "'penalty' .* among .*'product'.* Got 'l2'"),
        ({"backend": "torch"}, "'backend' .* among .*'numpy'.* Got 'torch'"),
        ({"dtype": "float16"}, "'dtype' .* among .*'float64'.* Got 'float16'"),
        ({"center": "yes"}, "'center' .*bool.* Got 'yes'"),
        ({"zero_rtol": 1.0}, r"'zero_rtol' .* in the range \[0.0, 1.0\). Got 1.0"),
        ({"tie_rtol": -0.1}, "'tie_rtol' .* Got -0.1"),
    ],
)
def test_impossible_parameters(params, message, X):
    with pytest.raises(ValueError, match=f"{message} instead"):
        LinearAutoencoderLoss(**params).fit(X)


@pytest.mark.parametrize(
    "bad, got",
    [
        (np.ones(3), r"shape \(3,\)"),
        (np.ones((2, 15)), r"shape \(2, 15\)"),
        (1.0, r"shape \(\)"),
        ("a", "str"),
        (np.ones(16) * 1j, "ndarray: complex"),
        ([[1.0], [1.0, 2.0]], "list"),
    ],
    ids=["short", "short rows", "number", "text", "complex", "ragged"],
)
def test_impossible_points_and_directions(bad, got, loss, theta):
    message = rf"must .* \(\.\.\., 16\).*got {got}"
    for name in ("value", "gradient", "hessian", "at", "rescale", "weights"):
        with pytest.raises(ValueError, match=f"theta {message}"):
            getattr(loss, name)(bad)
    with pytest.raises(ValueError, match=f"theta {message}"):
        loss.hvp(bad, theta)
    with pytest.raises(ValueError, match=f"v {message}"):
        loss.hvp(theta, bad)
    with pytest.raises(ValueError, match=f"u {message}"):
        loss.third_derivative(theta, bad, theta)
    with pytest.raises(ValueError, match=f"v {message}"):
        loss.third_derivative(theta, theta, bad)


def test_arrays_of_another_library(loss):
    ones = array_api_strict.ones((16,))
    assert loss.value(ones) == loss.value(np.ones(16))
    elsewhere = array_api_strict.ones((16,), device=array_api_strict.Device("device1"))
    twisted = array_api_strict.astype(ones, array_api_strict.complex128)
    for bad, fault in ((elsewhere, "device1"), (twisted, "complex numbers")):
        with pytest.raises(ValueError, match=f"theta must be an array of .*{fault}"):
            loss.value(bad)


def test_directions_that_do_not_broadcast(loss):
    message = r"v must .* broadcast .* theta, of shape \(3, 16\), got shape \(2, 16\)"
    with pytest.raises(ValueError, match=message):
        loss.hvp(np.ones((3, 16)), np.ones((2, 16)))


@pytest.mark.parametrize(
    "shapes",
    [[], [(2, 4)], [(2, 4), (2, 4)], [(8,), (4, 2)], [(3, 2, 4), (4, 2)]],
    ids=str,
)
def test_impossible_weights(shapes, loss):
    with pytest.raises(ValueError, match=r"weights must have shapes \[\(2, 4\), \(4, "):
        loss.pack([np.ones(shape) for shape in shapes])


def test_pack_and_weights_are_inverse(loss, rng):
    theta = rng.standard_normal((2, 3, loss.n_params_))
    weights = loss.weights(theta)
    assert [W.shape for W in weights] == [(2, 3, 2, 4), (2, 3, 4, 2)]
    np.testing.assert_array_equal(weights[0][1, 2].ravel(), theta[1, 2, :8])
    np.testing.assert_array_equal(loss.pack(weights), theta)


def test_impossible_arguments_of_transform(loss, X):
    with pytest.raises(ValueError, match="X has 2 features.*expecting 4"):
        loss.transform(X[:, :2])
    with pytest.raises(ValueError, match=r"theta must .* got \(2, 2, 16\)"):
        loss.transform(X, np.ones((2, 2, 16)))
    deep = LinearAutoencoderLoss((2, 2), alpha=0.1).fit(X)
    with pytest.raises(NoGroundTruthError, match="one hidden layer only"):
        deep.transform(X)
    assert deep.transform(X, np.zeros(deep.n_params_)).shape == (9, 1)


@pytest.mark.parametrize("name", ["value", "gradient", "hessian", "at", "invariants"])
def test_use_before_fit(name):
    with pytest.raises(NotFittedError, match="LinearAutoencoderLoss.*not fitted yet"):
        getattr(LinearAutoencoderLoss(), name)(np.ones(16))


def test_other_uses_before_fit(X):
    loss, theta = LinearAutoencoderLoss(), np.ones(16)
    uses = [
        lambda: loss.hvp(theta, theta),
        lambda: loss.third_derivative(theta, theta, theta),
        lambda: loss.linear_operator(theta),
        lambda: loss.rescale(theta),
        lambda: loss.weights(theta),
        lambda: loss.pack([np.ones((2, 4)), np.ones((4, 2))]),
        lambda: loss.transform(X),
        lambda: loss.transform(X, theta),
        loss.analytical_spectrum,
    ]
    for use in uses:
        with pytest.raises(NotFittedError, match="not fitted yet"):
            use()


def test_constructor_keeps_arguments_as_they_are(X):
    sizes = [2, 3]
    loss = LinearAutoencoderLoss(sizes, alpha=1).fit(X)
    assert loss.get_params()["hidden_layer_sizes"] is sizes
    assert sizes == [2, 3]


def test_clone_pickle_and_set_params(loss, theta, X):
    copy = clone(loss.set_params(alpha=0.5, penalty="product"))
    assert copy.get_params() == loss.get_params()
    assert not hasattr(copy, "n_params_")
    loss.fit(X)
    again = pickle.loads(pickle.dumps(loss))
    np.testing.assert_array_equal(again.gradient(theta), loss.gradient(theta))
    # A second fit forgets the first.
    loss.set_params(hidden_layer_sizes=(3,), alpha=0.0).fit(X[:, :3])
    assert loss.n_params_ == 18
    fresh = LinearAutoencoderLoss((3,), penalty="product").fit(X[:, :3])
    point = np.arange(18.0)
    np.testing.assert_array_equal(loss.gradient(point), fresh.gradient(point))


def test_local_model_shares_and_remembers(loss, theta, rng):
    v = rng.standard_normal(loss.n_params_)
    local = loss.at(theta)
    np.testing.assert_array_equal(local.value, loss.value(theta))
    np.testing.assert_array_equal(local.gradient, loss.gradient(theta))
    np.testing.assert_array_equal(local.hvp(v), loss.hvp(theta, v))
    np.testing.assert_array_equal(local.hessian(), loss.hessian(theta))
    assert local.gradient is local.gradient


def test_linear_operator_finds_the_lowest_eigenvalue(loss, theta):
    operator = loss.linear_operator(theta)
    assert operator.shape == (16, 16)
    assert operator.dtype == np.float64
    expected = np.linalg.eigvalsh(loss.hessian(theta))
    lowest = eigsh(operator, k=2, which="SA", return_eigenvectors=False, v0=np.ones(16))
    np.testing.assert_allclose(np.sort(lowest), expected[:2], rtol=1e-10)
    np.testing.assert_allclose(operator @ np.eye(16), loss.hessian(theta), atol=1e-13)
    np.testing.assert_allclose(operator.H @ theta, operator @ theta)
    with pytest.raises(
        ValueError, match=r"one vector of shape \(16,\), got .* \(2, 16"
    ):
        loss.linear_operator(np.ones((2, 16)))


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("kind", [LinearAutoencoderLoss, LinearNetworkLoss])
def test_data_without_variance_warn(kind, center):
    loss = kind((2,), center=center)
    with pytest.warns(ResolutionWarning, match="X has no variance") as caught:
        loss.fit(np.full((7, 3), 0.1 if center else 0.0))
    assert caught[0].filename == __file__
    assert loss.rank_ == 0
    loss.fit(0.1 + np.eye(7, 3))  # says nothing


class Tensor:
    """As NumPy sees an array that lies on a device."""

    device, shape, ndim, dtype = "cuda:0", (5, 3), 2, "torch.float64"

    def __len__(self):
        return 5

    def __array__(self, *args, **options):
        raise TypeError("can't convert cuda:0 device type tensor to numpy.")


Tensor.__module__ = "torch"
DEVICE_ARRAY = array_api_strict.zeros((5, 3), device=array_api_strict.Device("device1"))


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (Tensor(), "a torch.Tensor on cuda:0"),
        (DEVICE_ARRAY, "an array_api_strict.Array on .*device1"),
    ],
    ids=["torch", "array_api_strict"],
)
def test_arrays_of_other_libraries_that_cannot_be_used_are_named(loss, X, array, name):
    finder = NewtonMRFinder(n_starts=5)
    for estimator in (LinearAutoencoderLoss(), finder):
        with pytest.raises(TypeError, match=f"X cannot be used: {name}.*convert"):
            estimator.fit(array)
    with pytest.raises(ValueError, match=f"init must be .*{name}"):
        finder.set_params(init=array).fit(X)
    with pytest.raises(ValueError, match=f"theta must be .*{name}"):
        loss.value(array)
    with pytest.raises(ValueError, match=f"y must be .*{name}"):
        LinearNetworkLoss().fit(X, array)
