"""What a report of a bug needs to say of the installation."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping

from threadpoolctl import threadpool_info

from skcrit._version import __version__

# What skcrit needs, then what it can use.
_PACKAGES = ("numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl")
_PACKAGES += ("matplotlib", "pandas", "tqdm", "dask", "torch", "cupy")


def show_versions() -> None:
    """Print what a report of a bug should say of your installation.

    The operating system and Python, the versions of skcrit and of the packages that it
    needs or can use, and the thread pools of the numerical libraries. "None" is a
    package that is not installed. No package is imported for it.

    See Also
    --------
    sklearn.show_versions : The same for scikit-learn.

    Examples
    --------
    >>> import skcrit
    >>> skcrit.show_versions()  # doctest: +ELLIPSIS
    System:
            python: ...
    """
    system = {
        "python": sys.version.replace("\n", " "),
        "machine": platform.platform(),
        "cores": os.cpu_count(),
    }
    packages = {"skcrit": __version__} | {name: _version(name) for name in _PACKAGES}
    _print("System", system)
    _print("Packages", packages)
    print("\nThread pools:")
    for pool in threadpool_info():
        version, n_threads = pool["version"], pool["num_threads"]
        print(f"  {pool['internal_api']} {version}, {n_threads} threads")


def _version(name: str) -> str | None:
    """Return the installed version of a package, None without it."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _print(title: str, values: Mapping[str, object]) -> None:
    """Print names and values below a title."""
    print(f"{'' if title == 'System' else chr(10)}{title}:")
    for name, value in values.items():
        print(f"{name:>14}: {value}")
