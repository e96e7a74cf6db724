"""Array namespaces: which library computes, and the two host/device transfers.

Numerical code never names NumPy or CuPy. It asks the array it was given for its
namespace (:func:`array_namespace`) and uses functions of the Array API standard.
Arrays cross between host and device in :func:`to_device` and :func:`to_host` only.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import array_api_compat
import array_api_compat.numpy as numpy_namespace
import numpy as np
import scipy.special
from array_api_compat import device, is_array_api_strict_namespace
from threadpoolctl import ThreadpoolController

from skcrit._typing import Array, FloatArray, IntArray

# "array_api_strict" is the standard's reference implementation. It is here for the
# tests: its arrays live on a simulated device and refuse every implicit transfer.
BACKENDS = ("numpy", "cupy", "array_api_strict")

# Numbers in the dense matrices of a chunk: 4 and 64 MiB of float64. On the host 64 MiB
# took twice as long to describe the ends of searches, and 8 MiB a tenth longer.
_HOST_NUMBERS = 2**19
# The calls that describe points cost more than this many numbers in their Hessians.
_FEW_NUMBERS = 2**15
_DEVICE_NUMBERS = 2**23

# Bytes in a line of the cache.
_LINE = 64


def array_namespace(*arrays: Any) -> Any:
    """Return the namespace of arrays."""
    # Searches ask for it in their innermost loops, nearly always of NumPy's arrays:
    # the general answer takes as long as a small product.
    for array in arrays:
        if type(array) is not np.ndarray:
            return array_api_compat.array_namespace(*arrays)
    return numpy_namespace


def transposed(array: FloatArray) -> FloatArray:
    """Transpose matrices, without the overhead of the function of the namespace."""
    if type(array) is np.ndarray:
        return array.swapaxes(-1, -2)
    return array_namespace(array).matrix_transpose(array)


def get_namespace(backend: str) -> Any:
    """Return the namespace of a backend, and the device for its new arrays."""
    # The library is imported here, never at the import of skcrit; a device of None is
    # its default.
    if backend == "numpy":
        return numpy_namespace, "cpu"
    if backend == "cupy":
        try:
            import array_api_compat.cupy as cupy
        except ImportError as error:
            raise ImportError(
                "backend='cupy' needs CuPy and a CUDA device: install skcrit[cupy]."
            ) from error
        return cupy, None
    if backend == "array_api_strict":
        import array_api_strict as strict

        return strict, strict.Device("device1")
    raise ValueError(f"backend must be one of {BACKENDS}, got {backend!r}.")


def to_device(array: FloatArray, backend: str, dtype: str = "float64") -> FloatArray:
    """Copy an array to the device of a backend, unless it is there already."""
    xp, on = get_namespace(backend)
    return xp.asarray(array, dtype=getattr(xp, dtype), device=on)


def to_host(array: Any) -> FloatArray:
    """Copy an array of any backend to the host; a NumPy array is returned itself."""
    if type(array) is np.ndarray:
        return array
    if isinstance(array, np.ndarray | np.generic):
        return np.asarray(array)
    xp = array_namespace(array)
    if is_array_api_strict_namespace(xp):
        return np.asarray(array.to_device(xp.Device("CPU_DEVICE")))
    return array.get()


def erf(array: FloatArray) -> FloatArray:
    """Evaluate the error function, which the Array API standard does not have."""
    if isinstance(array, np.ndarray | np.generic):
        return scipy.special.erf(array)
    xp = array_namespace(array)
    if is_array_api_strict_namespace(xp):
        return xp.asarray(scipy.special.erf(to_host(array)), device=device(array))
    from cupyx.scipy.special import erf as device_erf

    return device_erf(array)


def evaluate(name: str, *arrays: Any, spare: Any = None) -> Any:
    """Evaluate a function entry by entry, on the host into an array that is spare."""
    # Fresh memory is not in the cache, and takes longer to write than most functions.
    function = getattr(array_namespace(arrays[-1]), name)
    if type(spare) is np.ndarray:
        return function(*arrays, out=spare)
    return function(*arrays)


def empty_like(array: Any, shape: tuple[int, ...]) -> Any:
    """Make an array of another shape beside an array."""
    if type(array) is np.ndarray:  # the function of the namespace takes ten times that
        return np.empty(shape, array.dtype)
    xp = array_namespace(array)
    return xp.empty(shape, dtype=array.dtype, device=device(array))


def aligned(matrix: Any) -> Any:
    """Copy a matrix on the host so that each row begins a line of the cache."""
    if type(matrix) is not np.ndarray:
        return matrix
    # Products with other matrices take up to a third longer.
    n_rows, n = matrix.shape
    line = _LINE // matrix.itemsize
    width = -(-n // line) * line
    store = np.empty(n_rows * width + line, matrix.dtype)
    start = -store.ctypes.data % _LINE // matrix.itemsize
    rows = store[start : start + n_rows * width].reshape(n_rows, width)[:, :n]
    rows[...] = matrix
    return rows


def over_rows(name: str, array: Any) -> Any:
    """Reduce matrices to one row each by "sum" or "max", with little overhead."""
    if type(array) is not np.ndarray:
        return getattr(array_namespace(array), name)(array, axis=-2, keepdims=True)
    if name == "sum":  # a product takes less time
        return np.ones((1, array.shape[-2]), array.dtype) @ array
    return getattr(array, name)(axis=-2, keepdims=True)


def one_minus(array: Any) -> Any:
    """Subtract from one, on the host in place."""
    if type(array) is np.ndarray:
        return np.subtract(1, array, out=array)
    return 1 - array


def take_rows(array: FloatArray, rows: IntArray) -> FloatArray:
    """Select rows of a batch by row numbers on the host."""
    if type(array) is np.ndarray:
        return array.take(rows, axis=0)
    return take(array, _as_index(array, rows))


def take(array: FloatArray, index: IntArray) -> FloatArray:
    """Select rows by numbers that are where the array is."""
    if type(array) is np.ndarray:
        return array.take(index, axis=0)
    return array_namespace(array).take(array, index, axis=0)


def replace_rows(array: Any, rows: IntArray, values: FloatArray) -> FloatArray:
    """Return a copy of a batch with some rows replaced, by row numbers on the host."""
    if type(array) is np.ndarray:
        array = array.copy()
        array[rows] = values
        return array
    # The Array API has no assignment to an index array: gather from both instead.
    source = np.arange(array.shape[0])
    source[rows] = array.shape[0] + np.arange(len(rows))
    xp = array_namespace(array)
    both = xp.concat([array, values], axis=0)
    return xp.take(both, _as_index(array, source), axis=0)


def chunks_of_rows(rows: IntArray, numbers: int, array: FloatArray) -> list[IntArray]:
    """Divide rows that each need a matrix of this many numbers into chunks."""
    # Their matrices together stay in the cache of a host, or fill a device.
    is_host = isinstance(array, np.ndarray)
    size = max((_HOST_NUMBERS if is_host else _DEVICE_NUMBERS) // numbers, 1)
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def are_few(n_rows: int, numbers: int) -> bool:
    """Return whether rows of this many numbers cost less than a call does."""
    return n_rows * numbers <= _FEW_NUMBERS


def _as_index(array: Array, rows: IntArray) -> Array:
    """Put row numbers beside the array that they select from."""
    xp = array_namespace(array)
    return xp.asarray(np.asarray(rows, dtype=np.int64), device=device(array))


def one_blas_thread() -> AbstractContextManager:
    """Keep BLAS to one thread inside a ``with`` block."""
    # The matrices of a batch are small: threads wait for each other longer than they
    # compute, and a product that is divided among threads rounds by their number. Cores
    # are for workers.
    return _thread_controller().limit(limits=1, user_api="blas")


def keep_freed_memory() -> None:
    """Let the C library keep the memory of arrays that are freed, up to 64 MiB."""
    # The GNU C library takes larger arrays from the system one by one, and gives them
    # back when they are freed, so that the pages of every temporary array are cleared
    # anew: a tenth of a fit. When one of up to 32 MiB is freed, arrays as large come
    # from its own store from then on (mallopt(3), M_MMAP_THRESHOLD). This one is never
    # touched: it takes neither memory nor time. Elsewhere it changes nothing.
    np.empty(2**25 - 2**13, dtype=np.uint8)


@cache
def _thread_controller() -> Any:
    """Look for the BLAS libraries once: it takes milliseconds."""
    return ThreadpoolController()
