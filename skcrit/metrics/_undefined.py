"""The warning of a metric that has nothing to measure."""

import warnings

from sklearn.exceptions import UndefinedMetricWarning


def undefined(name: str, reason: str = "no set was hit", stacklevel: int = 3) -> float:
    """Warn the caller of a metric of the reason why it is NaN, and return that."""
    warnings.warn(
        f"{name} is undefined and set to NaN: {reason}.",
        UndefinedMetricWarning,
        stacklevel=stacklevel,
    )
    return float("nan")
