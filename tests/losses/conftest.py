"""Fixtures of the losses' tests."""

import numpy as np
import pytest

from skcrit import _backend


def _cupy_works():
    try:
        import cupy
    except ImportError:
        return False
    try:
        return cupy.cuda.runtime.getDeviceCount() > 0
    except cupy.cuda.runtime.CUDARuntimeError:
        return False


@pytest.fixture(
    params=["numpy", "array_api_strict", pytest.param("cupy", marks=pytest.mark.gpu)]
)
def backend(request):
    """Name of each backend: the reference, a simulated device, a real one."""
    if request.param == "cupy" and not _cupy_works():
        pytest.skip("needs CuPy and a CUDA device")
    return request.param


@pytest.fixture
def on_device(backend):
    """Return whether an array belongs to the backend and lives on its device."""
    xp, place = _backend.get_namespace(backend)

    def check(array, dtype="float64"):
        if backend == "numpy":
            return isinstance(array, np.ndarray | np.generic) and array.dtype == dtype
        right_place = place is None or _backend.device(array) == place
        right_namespace = _backend.array_namespace(array) is xp
        return right_place and right_namespace and array.dtype == getattr(xp, dtype)

    return check


@pytest.fixture
def X(rng):
    """Small generic data, not centred, with a full-rank second moment."""
    return rng.standard_normal((9, 4)) * [2.0, 1.5, 1.0, 0.7] + [1.0, 0.0, -2.0, 0.5]
