"""Fits whose batches are kept, killed and compared."""

from pathlib import Path

import joblib
import numpy as np


def memory_of(kind, folder):
    """A folder, or a Memory of joblib that names one."""
    return joblib.Memory(folder, verbose=0) if kind == "joblib" else folder


KINDS = ("folder", "joblib")


def same(finder, expected):
    """Compare two fits, bit by bit."""
    np.testing.assert_array_equal(finder.final_params_, expected.final_params_)
    np.testing.assert_array_equal(finder.critical_points_, expected.critical_points_)
    for name, column in expected.results_.items():
        np.testing.assert_array_equal(finder.results_[name], column)


def outputs(memory):
    """Find the files in which batches are kept."""
    folder = Path(getattr(memory, "location", memory))
    return sorted([*folder.rglob("output.pkl"), *folder.rglob("*.npz")])
