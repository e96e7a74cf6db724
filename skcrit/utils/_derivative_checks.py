"""Checks of gradients and Hessian-vector products: generators of sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from skcrit._typing import FloatArray
from skcrit.utils._probe import difference

# Slopes at zero of values at k = -3..3 steps, odd in k. The first is the five-point
# stencil. The second is the slope of the least-squares cubic, which averages the
# rounding errors of the gradients. Both have an error of O(step^4).
STENCIL = {1: 8 / 12, 2: -1 / 12}
LEAST_SQUARES = {1: 58 / 252, 2: 67 / 252, 3: -22 / 252}
# Powers of the machine epsilon to try as steps: the curvature is not known beforehand,
# and a wrong derivative is wrong with every step.
STEPS = (1 / 8, 1 / 5, 1 / 4, 1 / 3)


def _slope(probe: Any, name: str, weights: Any, power: Any) -> tuple[FloatArray, float]:
    # Differences of a method along v, and the rounding error to expect in them.
    size = probe.v * (probe.length + np.abs(probe.points))
    size = np.linalg.norm(size, axis=-1, keepdims=True)
    step = probe.eps**power * size
    slope: Any = 0.0
    largest = 0.0
    for k, weight in weights.items():
        ahead = probe.host(name, probe.points + k * step * probe.v)
        behind = probe.host(name, probe.points - k * step * probe.v)
        slope = slope + weight * (ahead.astype(float) - behind)
        largest = max(largest, np.max(np.abs(ahead)), np.max(np.abs(behind)))
    step = np.reshape(step, (-1,) + (1,) * (slope.ndim - 1))
    return slope / step, 10 * probe.eps * largest / np.min(step)


def _compare_slopes(
    probe: Any,
    claimed: FloatArray,
    name: str,
    weights: dict[int, float],
    scale: FloatArray,
) -> tuple[float, FloatArray]:
    # Best agreement over the steps: error beyond rounding, and the slope it is from.
    best, best_slope = np.inf, claimed
    for power in STEPS:
        slope, noise = _slope(probe, name, weights, power)
        error = np.max(np.maximum(np.abs(slope - claimed) - noise, 0) / scale)
        if error < best:
            best, best_slope = error, slope
    return best, best_slope


def _explain(claimed: FloatArray, slope: FloatArray, rtol: float) -> str:
    # A common factor is the most frequent mistake: a sign, a 2, a mean for a sum.
    claimed, slope = np.ravel(claimed), np.ravel(slope)
    factor = claimed @ slope / max(slope @ slope, np.finfo(float).tiny)
    if f"{factor:.4g}" == "1":
        return ""
    if np.linalg.norm(claimed - factor * slope) <= 10 * rtol * np.linalg.norm(claimed):
        return f", but {factor:.4g} times that"
    return ""


def check_slope(probe: Any) -> Iterator[Any]:
    """Compare the gradient with a five-point stencil of the value."""
    gradient = probe.host("gradient", probe.points).astype(float)
    claimed = np.sum(gradient * probe.v, axis=-1)
    norm = np.linalg.norm(gradient, axis=-1)
    scale = np.where(norm > 0, norm, 1.0)
    error, slope = _compare_slopes(probe, claimed, "value", STENCIL, scale)
    if not error <= probe.rtol:
        yield (
            "gradient is not the derivative of value"
            f"{_explain(claimed, slope, probe.rtol)}: along a random direction it says "
            f"{claimed[0]:.6g} while differences of the value say {slope[0]:.6g} "
            f"(relative error {error:.2g}, rtol={probe.rtol:.2g})."
        )


def _check_hvp(probe: Any) -> Iterator[Any]:
    product = probe.host("hvp", probe.points, probe.v).astype(float)
    norm = np.linalg.norm(product, axis=-1, keepdims=True)
    scale = np.where(norm > 0, norm, 1.0)
    error, slope = _compare_slopes(probe, product, "gradient", LEAST_SQUARES, scale)
    if not error <= probe.rtol:
        yield (
            "hvp is not the derivative of gradient"
            f"{_explain(product, slope, probe.rtol)}: along a random direction it "
            f"differs from the least-squares slope of the gradient by {error:.2g}, "
            f"relative, rtol={probe.rtol:.2g}."
        )


def _check_linearity(probe: Any) -> Iterator[Any]:
    u, v = probe.u, probe.v
    Hu, Hv = (probe.host("hvp", probe.points, w) for w in (u, v))
    combined = probe.host("hvp", probe.points, 2 * u - 3 * v)
    fault = difference(combined, 2 * Hu - 3 * Hv, probe.rtol)
    if fault:
        yield f"hvp is not linear in v ({fault})."
    zero = probe.host("hvp", probe.points, 0 * v)
    if np.any(zero != 0):
        yield "hvp of v = 0 is not zero."


def _check_symmetry(probe: Any) -> Iterator[Any]:
    u, v = probe.u, probe.v
    Hu, Hv = (probe.host("hvp", probe.points, w) for w in (u, v))
    error = np.abs(np.sum(u * Hv, axis=-1) - np.sum(v * Hu, axis=-1))
    scale = np.maximum(np.linalg.norm(Hu, axis=-1), np.linalg.norm(Hv, axis=-1))
    worst = np.max(error / np.where(scale > 0, scale, 1.0))
    if worst > probe.rtol:
        yield (
            "hvp is not symmetric: u'(H v) and v'(H u) differ by "
            f"{worst:.2g}, relative, rtol={probe.rtol:.2g}."
        )


def check_hessian(probe: Any) -> Iterator[Any]:
    """Compare the dense Hessian with products with the unit vectors."""
    if not probe.is_small:
        return
    identity = np.eye(probe.n_params)
    products = probe.host("hvp", probe.points[:2, None], identity)
    hessian = probe.host("hessian", probe.points[:2])
    fault = difference(hessian, np.swapaxes(products, -1, -2), probe.rtol)
    if fault:
        yield f"hessian does not agree with hvp on the unit vectors ({fault})."


PRODUCT_CHECKS = [_check_hvp, _check_linearity, _check_symmetry]
