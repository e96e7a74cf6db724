"""A loss with points to check it at, and the running of checks."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np

from skcrit._backend import to_device, to_host
from skcrit._typing import FloatArray, RandomState
from skcrit.utils._arguments import (
    LEADING_AXES,
    as_numbers,
    check_number,
    check_seed,
    shown,
)


class Broken(Exception):
    """A method raised, so that the check that called it cannot go on."""


class Probe:
    """A loss with points, unit directions and tolerances, on the host."""

    # Points are given, or drawn in the given number; without rtol the tolerance of
    # derivatives depends on the dtype.

    def __init__(
        self, loss: Any, points: Any, random_state: RandomState, rtol: float | None
    ) -> None:
        if getattr(loss, "n_params_", None) is None:
            raise ValueError(
                f"loss must be fitted, got {shown(loss)} without n_params_."
            )
        self.loss = loss
        self.backend = getattr(loss, "backend", "numpy")
        self.dtype = getattr(loss, "dtype", "float64")
        self.n_params = loss.n_params_
        # The dense Hessian is formed.
        self.is_small = self.n_params <= 200
        self.eps = np.finfo(self.dtype).eps
        # Of two ways to compute the same thing.
        self.same_rtol = self.eps ** (2 / 3)
        default = 1e-6 if self.dtype == "float64" else 1e-2
        self.rtol = default if rtol is None else check_number(rtol, "rtol", 0)
        rng = check_seed(random_state)
        # Derivatives are those of the loss only within its own unit of length.
        self.length, self.length_fault = _length_scale(loss)
        if isinstance(points, Integral):
            points = self.length * rng.standard_normal((points, self.n_params))
        self.points = np.array(as_numbers(points, "theta"), dtype=self.dtype)
        if self.points.ndim != 2 or self.points.shape[1] != self.n_params:
            raise ValueError(
                f"theta must have shape (n_points, {self.n_params}), "
                f"got shape {self.points.shape}."
            )
        u, v = self.length * rng.standard_normal((2, *self.points.shape))
        self.u, self.v = (w / np.linalg.norm(w, axis=-1, keepdims=True) for w in (u, v))

    def device(self, array: FloatArray) -> FloatArray:
        # A copy: what overwrites its arguments is one fault, not a cause of others.
        return to_device(np.array(array), self.backend, self.dtype)

    def call(self, name: str, *arrays: Any, on: Any = None) -> Any:
        """Call a method with host arrays; whatever it raises becomes Broken."""
        try:
            with np.errstate(all="ignore"):
                method = getattr(self.loss if on is None else on, name)
                return method(*(self.device(array) for array in arrays))
        except Exception as error:  # whatever the code of a user raises is reported
            shapes = " and ".join(str(np.shape(array)) for array in arrays)
            where = f" for arguments of shape {shapes}" if arrays else ""
            raise Broken(
                f"{name} raised {type(error).__name__}{where}: {error}"
            ) from error

    def host(self, name: str, *arrays: Any, on: Any = None) -> FloatArray:
        # Call a method that returns an array, and bring that to the host.
        return to_host(self.call(name, *arrays, on=on))


def _length_scale(loss: Any) -> tuple[Any, str | None]:
    """Ask a loss for its length scale: one and a fault if it cannot be used."""
    if not hasattr(loss, "length_scale"):
        return 1.0, None
    try:
        with np.errstate(all="ignore"):
            length = np.asarray(loss.length_scale(), dtype=float)
    # It may call functions whose faults are found only by what is checked next.
    except Exception as error:
        return 1.0, f"length_scale raises {type(error).__name__}: {error}."
    if np.all((length > 0) & np.isfinite(length)):
        return length, None
    return 1.0, f"length_scale must return positive numbers, got {shown(length)}."


def run_checks(checks: list[Callable[..., Any]], probe: Probe) -> list[Any]:
    """Collect the sentences that checks, which are generators, find; each once."""
    problems = []
    for check in checks:
        try:
            for problem in check(probe):
                problems.append(problem)
        except Broken as error:
            problems.append(str(error))
    return _said_once(list(dict.fromkeys(problems)))


def _said_once(problems: list[Any]) -> list[Any]:
    """Merge faults of functions that are not batched: they have one reason."""
    alike = [problem for problem in problems if LEADING_AXES in problem]
    if len(alike) < 2:
        return problems
    first = problems.index(alike[0])
    names = ", ".join(dict.fromkeys(problem.split()[0] for problem in alike[1:]))
    merged = f"{alike[0]} The same is wrong with {names}."
    rest = [problem for problem in problems[first:] if problem not in alike]
    return [*problems[:first], merged, *rest]


def evaluate(probe: Probe, points: FloatArray, v: FloatArray) -> dict[str, FloatArray]:
    """Evaluate the methods that searches call; results by name of the method."""
    return {
        "value": probe.host("value", points),
        "gradient": probe.host("gradient", points),
        "hvp": probe.host("hvp", points, v),
    }


def difference(actual: FloatArray, expected: Any, rtol: float) -> Any:
    """Describe the difference of arrays, if it exceeds rtol times the largest entry."""
    scale = np.max(np.abs(expected), initial=0.0)
    error = np.max(np.abs(actual - expected), initial=0.0)
    if error <= rtol * scale:
        return None
    return f"relative error {error / scale if scale > 0 else np.inf:.2g}"
