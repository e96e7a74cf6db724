"""The machine: what it is, how fast it multiplies, and how to time on it."""

import os
import platform
import statistics
import time
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from skcrit._backend import get_namespace

__all__ = ["describe", "matrix_rate", "seconds"]

_PACKAGES = (
    "skcrit",
    "numpy",
    "scipy",
    "scikit-learn",
    "joblib",
    "autograd",
    "cupy-cuda12x",
)


def describe(backend):
    """Say what this was measured on.

    Parameters
    ----------
    backend : str
        Array library.

    Returns
    -------
    machine : dict
        Processor, cores, graphics card if it computes, and versions.
    """
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
        "load": round(os.getloadavg()[0], 1),
    }
    if backend == "cupy":
        import cupy

        machine["card"] = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return machine


def _processor():
    """Read the name of the processor if the system provides it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [
                line.split(":")[1].strip() for line in lines if "model name" in line
            ]
    except OSError:
        names = []
    return names[0] if names else platform.processor()


def seconds(function, backend="numpy", repeats=5, at_least=0.05):
    """Time a function: the median of several runs, the first one outside the clock.

    Parameters
    ----------
    function : callable
        What to time; it takes nothing.
    backend : str
        Array library, whose device is waited for on both sides.
    repeats : int
        Number of runs.
    at_least : float
        Seconds that a run repeats the function for, for those that take less.

    Returns
    -------
    seconds : float
        Per call.
    """
    function()
    times = []
    for _ in range(repeats):
        n_calls = 0
        _wait(backend)
        begin = time.perf_counter()
        while n_calls == 0 or time.perf_counter() - begin < at_least:
            function()
            n_calls += 1
        _wait(backend)
        times.append((time.perf_counter() - begin) / n_calls)
    return statistics.median(times)


def _wait(backend):
    """Wait until the device has done everything."""
    if backend == "cupy":
        import cupy

        cupy.cuda.Device().synchronize()


def matrix_rate(backend="numpy", size=1024):
    """Measure how many operations a product of large matrices does per second.

    Parameters
    ----------
    backend : str
        Array library.
    size : int
        Rows and columns.

    Returns
    -------
    rate : float
        Operations per second, two for each multiplication.
    """
    xp, device = get_namespace(backend)
    host = np.random.default_rng(0).standard_normal((size, size))
    matrix = xp.asarray(host, device=device)
    return 2 * size**3 / seconds(lambda: matrix @ matrix, backend)
