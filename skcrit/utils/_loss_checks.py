"""Checks of a loss against its contract: generators of sentences, one per fault."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone

from skcrit._backend import array_namespace, get_namespace, to_host
from skcrit.exceptions import NoGroundTruthError
from skcrit.utils._derivative_checks import PRODUCT_CHECKS, check_hessian, check_slope
from skcrit.utils._probe import Broken, Probe, difference, evaluate

METHODS = ("value", "gradient", "hvp", "hessian", "at", "linear_operator")
METHODS += ("invariants", "rescale")


def check_structure(loss: Any) -> list[Any]:
    """List missing methods and attributes, which every other check needs."""
    if isinstance(loss, type):
        return [f"it is a class: give an instance, such as {loss.__name__}(...)."]
    problems = []
    missing = [name for name in METHODS if not callable(getattr(loss, name, None))]
    if missing:
        problems.append(
            f"methods are missing: {', '.join(missing)}. A subclass of "
            "skcrit.losses.Loss needs to define value, gradient and hvp only."
        )
    n_params = getattr(loss, "n_params_", None)
    if n_params is None:
        problems.append("it is not fitted: fit must set n_params_.")
    elif not isinstance(n_params, Integral) or n_params < 1:
        problems.append(f"n_params_ must be a positive int, got {n_params!r}.")
    dtype = getattr(loss, "dtype", "float64")
    if dtype not in ("float64", "float32"):
        problems.append(f"dtype must be 'float64' or 'float32', got {dtype!r}.")
    try:
        get_namespace(getattr(loss, "backend", "numpy"))
    except (ValueError, ImportError) as error:
        problems.append(str(error))
    return problems


def _check_shapes(probe: Probe, name: str) -> Iterator[Any]:
    # One point, then one, two and three leading axes: the result has those axes.
    if name == "hessian" and not probe.is_small:
        return
    size = probe.n_params
    tail = {"value": (), "hessian": (size, size), "invariants": (None,)}
    tail = tail.get(name, (size,))
    points, v = probe.points, probe.v
    batches = [(points[0], v[0]), (points, v), (points[:2, None], v[:2, None])]
    if name == "hvp":  # a point against many directions, as hessian needs it
        batches.append((points[:2, None], v[:2]))
    for theta, direction in batches:
        arrays = (theta, direction) if name == "hvp" else (theta,)
        batch = np.broadcast_shapes(*(array.shape[:-1] for array in arrays))
        result = probe.call(name, *arrays)
        given = " and ".join(str(array.shape) for array in arrays)
        fault = _fault_of_array(probe, result)
        if fault is not None:
            yield f"{name} must return {fault}, for arguments of shape {given}."
            continue
        shape, expected = tuple(result.shape), (*batch, *tail)
        if tail == (None,) and len(shape) == len(expected):
            expected = (*batch, shape[-1])
        if shape != expected:
            wanted = str(expected).replace("None", "n")
            yield (
                f"{name} must return shape {wanted} for arguments of shape {given}, "
                f"got shape {shape}."
            )
        elif not np.all(np.isfinite(to_host(result))):
            yield (
                f"{name} is not finite at finite points, arguments of shape {given}. "
                "If the loss has poles or bounds, choose points inside."
            )


def _fault_of_array(probe: Probe, result: Any) -> Any:
    # What is wrong with the kind of a result, if anything.
    xp, _ = get_namespace(probe.backend)
    try:
        if array_namespace(result) is not xp:
            return f"an array of {probe.backend}, got one of {type(result).__module__}"
    except TypeError:
        return f"an array of {probe.backend}, got {type(result).__name__}"
    if result.dtype != getattr(xp, probe.dtype):
        return f"dtype {probe.dtype}, got {result.dtype}"
    return None


def _check_symmetry_shapes(probe: Probe) -> Iterator[Any]:
    yield from _check_shapes(probe, "invariants")
    yield from _check_shapes(probe, "rescale")


def _check_purity(probe: Probe) -> Iterator[Any]:
    # Same argument, same result; and the arguments come back as they were.
    first = evaluate(probe, probe.points, probe.v)
    second = evaluate(probe, probe.points, probe.v)
    for name in first:
        if not np.array_equal(first[name], second[name]):
            yield (
                f"{name} returns something else when called again with the same "
                "arguments: it must be a pure function of them."
            )
    for name in ("value", "gradient", "hvp", "hessian", "rescale", "invariants"):
        if name == "hessian" and not probe.is_small:
            continue
        theta, v = probe.device(probe.points), probe.device(probe.v)
        arguments = {"theta": theta} | ({"v": v} if name == "hvp" else {})
        before = {key: np.array(to_host(array)) for key, array in arguments.items()}
        with np.errstate(all="ignore"):
            getattr(probe.loss, name)(*arguments.values())
        for key, array in arguments.items():
            if not np.array_equal(to_host(array), before[key]):
                yield f"{name} overwrites its argument {key}."


def _check_rows(probe: Probe) -> Iterator[Any]:
    # A row alone, and in another batch, gives what it gave in this one.
    together = evaluate(probe, probe.points, probe.v)
    for row in range(len(probe.points)):
        alone = evaluate(probe, probe.points[row], probe.v[row])
        for name, result in alone.items():
            fault = difference(result, together[name][row], probe.same_rtol)
            if fault:
                yield (
                    f"{name} of a point depends on the batch that it is in ({fault}): "
                    "rows must be treated independently."
                )
    stacked = evaluate(probe, probe.points[:2, None], probe.v[:2, None])
    for name, result in stacked.items():
        fault = difference(result[:, 0], together[name][:2], probe.same_rtol)
        if fault:
            yield f"{name} is wrong for two leading axes ({fault})."


def _check_at(probe: Probe) -> Iterator[Any]:
    local = probe.call("at", probe.points)
    direct = evaluate(probe, probe.points, probe.v)
    if probe.is_small:
        direct["hessian"] = probe.host("hessian", probe.points)
    for name, expected in direct.items():
        try:
            if name in ("value", "gradient"):
                actual = to_host(getattr(local, name))
            else:
                args = (probe.v,) if name == "hvp" else ()
                actual = probe.host(name, *args, on=local)
        except (Broken, AttributeError, TypeError) as error:
            yield f"at(theta).{name} cannot be used: {error}"
            continue
        wrong_shape = actual.shape != expected.shape
        if wrong_shape or difference(actual, expected, probe.same_rtol):
            yield f"at(theta).{name} does not agree with {name}."


def _check_linear_operator(probe: Probe) -> Iterator[Any]:
    theta, v = probe.points[0], probe.v[0]
    try:
        actual = probe.call("linear_operator", theta).matvec(v)
    except Exception as error:  # whatever the code of a user raises is reported
        yield f"linear_operator(theta) cannot be used: {error}"
        return
    if difference(to_host(actual), probe.host("hvp", theta, v), probe.same_rtol):
        yield "linear_operator does not agree with hvp."


def _check_rescaled(probe: Probe) -> Iterator[Any]:
    scaled = probe.host("rescale", probe.points)
    for name in ("value", "invariants"):
        before = probe.host(name, probe.points)
        fault = difference(probe.host(name, scaled), before, probe.rtol)
        if fault:
            verb = "changes" if name == "value" else "change"
            yield (
                f"{name} {verb} along rescale ({fault}), which must stay on the "
                "orbit of its argument."
            )


def _check_spectrum(probe: Probe) -> Iterator[Any]:
    # If critical points are known in closed form, they must be critical.
    if not hasattr(probe.loss, "analytical_spectrum"):
        return
    try:
        spectrum = probe.loss.analytical_spectrum()
    except NoGroundTruthError:
        return
    # Around the origin a constant loss has no slope, but its value has a scale.
    typical = np.max(np.abs(probe.host("gradient", probe.points)))
    height = np.max(np.abs(probe.host("value", probe.points)))
    for name in spectrum.sample_sets(10, random_state=0):
        theta = spectrum.representative(name)
        gradient = probe.host("gradient", theta)
        if np.max(np.abs(gradient)) > probe.rtol * typical:
            yield (
                f"the analytical critical point {name} is not critical: its gradient "
                f"has norm {np.linalg.norm(gradient):.2g}."
            )
        value, expected = probe.host("value", theta), spectrum.losses(name)
        if abs(value - expected) > probe.rtol * height:
            yield (
                f"value at the analytical critical point {name} is {value:.6g}, its "
                f"spectrum says {expected:.6g}."
            )


def _check_clone(probe: Probe) -> Iterator[Any]:
    try:
        copy = clone(probe.loss)
        if copy.get_params().keys() != probe.loss.get_params().keys():
            yield "clone loses parameters."
    except Exception as error:  # whatever the code of a user raises is reported
        yield (
            f"it cannot be cloned: {error} The constructor must keep its arguments as "
            "they are, under their own names."
        )


def _check_pickle(probe: Probe) -> Iterator[Any]:
    try:
        copy = pickle.loads(pickle.dumps(probe.loss))
    except Exception as error:  # whatever the code of a user raises is reported
        yield (
            f"it cannot be pickled, which memory and saving need: {error}. Classes and "
            "functions have to be defined in a module, not as lambdas. n_jobs alone "
            "takes lambdas too."
        )
        return
    other = Probe(copy, probe.points, 0, probe.rtol)
    expected = evaluate(probe, probe.points, probe.v)
    for name, actual in evaluate(other, probe.points, probe.v).items():
        if not np.array_equal(actual, expected[name]):
            yield f"{name} is different after pickling."


SHAPE_CHECKS: list[Callable[..., Any]] = [
    *(partial(_check_shapes, name=name) for name in METHODS[:4]),
    _check_symmetry_shapes,
]
ALL_CHECKS = [
    _check_purity,
    _check_rows,
    check_slope,
    *PRODUCT_CHECKS,
    check_hessian,
    _check_at,
    _check_linear_operator,
    _check_rescaled,
    _check_spectrum,
    _check_clone,
    _check_pickle,
]
