"""Namespaces, transfers, and the selection of rows."""

import importlib.util

import array_api_strict
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from skcrit import NewtonMRFinder, _backend
from skcrit._backend import (
    BACKENDS,
    get_namespace,
    replace_rows,
    take_rows,
    to_device,
    to_host,
)
from skcrit.losses import FunctionLoss
from skcrit.starts import GaussianStarts

HOST_ONLY = ("numpy", "array_api_strict")


@pytest.fixture(params=HOST_ONLY)
def backend(request):
    """Name of the backends that need no device."""
    return request.param


def test_numpy_namespace_computes_with_numpy():
    xp, place = get_namespace("numpy")
    array = xp.asarray([1.0, 2.0], device=place)
    assert type(array) is np.ndarray
    assert _backend.array_namespace(array) is xp


def test_strict_namespace_lives_on_a_device_of_its_own():
    xp, place = get_namespace("array_api_strict")
    assert xp is array_api_strict
    array = to_device([1.0], "array_api_strict")
    assert _backend.device(array) == place
    assert place != xp.asarray([1.0]).device  # else no transfer would show
    with pytest.raises((RuntimeError, ValueError, TypeError)):
        np.asarray(array)
    with pytest.raises(ValueError, match="device"):
        array + xp.asarray([1.0])


@pytest.mark.parametrize("name", ["jax", "NumPy", "", None, 3])
def test_unknown_backend(name):
    with pytest.raises(ValueError, match="backend must be one of .*'cupy'.* got"):
        get_namespace(name)


@pytest.mark.skipif(
    importlib.util.find_spec("cupy") is not None, reason="cupy is installed"
)
def test_missing_cupy_says_what_to_install():
    with pytest.raises(ImportError, match=r"backend='cupy'.*install skcrit\[cupy\]"):
        get_namespace("cupy")
    with pytest.raises(ImportError, match=r"skcrit\[cupy\]"):
        to_device([1.0], "cupy")


def test_the_list_of_backends_is_complete():
    for name in BACKENDS:
        try:
            get_namespace(name)
        except ImportError:
            assert name == "cupy"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(), (3,), (0, 4), (2, 3, 4)], ids=str)
def test_round_trip(backend, dtype, shape, rng):
    host = rng.standard_normal(shape).astype(dtype)
    there = to_device(host, backend, dtype)
    back = to_host(there)
    assert isinstance(back, np.ndarray)
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, host)


def test_to_device_converts(backend):
    array = to_device([[1, 2], [3, 4]], backend, "float32")
    assert to_host(array).dtype == np.float32
    again = to_device(array, backend, "float64")
    assert to_host(again).dtype == np.float64
    np.testing.assert_array_equal(to_host(again), [[1, 2], [3, 4]])


def test_to_device_leaves_arrays_that_fit(backend):
    array = to_device([1.0, 2.0], backend)
    same = to_device(array, backend)
    np.testing.assert_array_equal(to_host(same), [1.0, 2.0])
    if backend == "numpy":
        assert same is array


@pytest.mark.parametrize("dtype", ["bool", "int64", "float64"])
def test_to_host_keeps_the_type(backend, dtype):
    xp, place = get_namespace(backend)
    array = xp.asarray([1, 0, 1], dtype=getattr(xp, dtype), device=place)
    assert to_host(array).dtype == dtype
    np.testing.assert_array_equal(to_host(array), np.array([1, 0, 1], dtype=dtype))


def test_to_host_takes_numpy_scalars():
    host = to_host(np.float32(1.5))
    assert isinstance(host, np.ndarray)
    assert host.dtype == np.float32
    assert host == 1.5


@pytest.mark.parametrize("rows", [[], [2], [3, 0, 3], [0, 1, 2, 3]], ids=str)
@pytest.mark.parametrize("trailing", [(), (2,), (2, 3)], ids=str)
def test_take_rows(backend, rows, trailing, rng):
    host = rng.standard_normal((4, *trailing))
    rows = np.array(rows, dtype=int)
    array = to_device(host, backend)
    taken = take_rows(array, rows)
    assert _backend.device(taken) == _backend.device(array)
    np.testing.assert_array_equal(to_host(taken), host[rows])


@pytest.mark.parametrize("rows", [[], [2], [3, 0], [2, 0, 3, 1]], ids=str)
@pytest.mark.parametrize("trailing", [(), (2,), (2, 3)], ids=str)
def test_replace_rows(backend, rows, trailing, rng):
    host = rng.standard_normal((4, *trailing))
    values = rng.standard_normal((len(rows), *trailing))
    rows = np.array(rows, dtype=int)
    array = to_device(host, backend)
    replaced = replace_rows(array, rows, to_device(values, backend))
    expected = host.copy()
    expected[rows] = values
    assert _backend.device(replaced) == _backend.device(array)
    np.testing.assert_array_equal(to_host(replaced), expected)
    np.testing.assert_array_equal(to_host(array), host)  # a copy, not in place


def blas_threads():
    return [
        lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"
    ]


def test_searches_keep_blas_to_one_thread_and_give_the_others_back():
    seen = set()

    def gradient(theta):
        seen.update(blas_threads())
        return 2 * theta

    loss = FunctionLoss(lambda t: np.sum(t**2, axis=-1), gradient, n_params=2).fit()
    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        NewtonMRFinder(n_starts=3, init=GaussianStarts(1.0)).fit(loss)
        assert blas_threads() == before
    assert seen == {1}
