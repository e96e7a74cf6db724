"""Targets of the tests of MLPLoss."""

import numpy as np


def targets(kind, X, rng):
    """Return targets of a kind, and what scikit-learn calls its loss."""
    n = len(X)
    return {
        "number": X[:, 0] ** 2 - X[:, 1] + 0.1 * rng.standard_normal(n),
        "numbers": np.column_stack([X[:, 0], X[:, 1] ** 2]),
        "two classes": np.where(X[:, 0] + X[:, 1] > 0, "yes", "no"),
        "classes": np.array(["a", "b", "c"])[np.digitize(X[:, 0], [-0.5, 0.5])],
        "labels": (X[:, :2] > 0).astype(int),
    }[kind]
