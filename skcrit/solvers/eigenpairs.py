"""The eigenpairs of the Hessian that a step needs: all of them, or a space of some."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, device, take_rows, to_host
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.linalg import (
    comparable_units,
    eigh,
    lanczos,
    lowest_eigenpairs,
    rounding_level,
    svd,
    symmetry_level,
)
from skcrit.solvers._rays import Rays
from skcrit.solvers._vectors import norm

# Pairs that are computed beyond those asked for: the last ones converge slowly.
N_GUARD = 2

# Relative, on the residual norms of the lowest pairs. They only choose directions: the
# error of a Ritz value is of the order of the square.
RTOL = 1e-3

# Singular values of the tangents count as zero below this part of the largest.
DEPENDENT = 1e-8


@dataclass
class Eigenpairs:
    """Eigenpairs of a batch of Hessians, or Ritz pairs on a space for each."""

    values: Any  # ascending, (n, size)
    components: Any  # of the gradient along the vectors
    vectors: Any  # in columns, in the coordinates of the space
    basis: Any = None  # orthonormal basis of the space, in rows; None is the identity
    # Approximations of the lowest eigenvectors, to begin with at the next point, (n, m,
    # n_params).
    lowest: Any = None
    n_hvp: Any = 0  # products spent
    # Units D in which the pairs are those of D H D, and the components those of D g;
    # None is the unit of theta.
    unit: Any = None

    def combine(self, weights: Array) -> Array:
        """Sum the vectors with weights, (n, size), in the unit of ``theta``."""
        combined = self._summed(weights)
        return combined if self.unit is None else self.unit * combined

    def image(self, weights: Array) -> Array:
        """Multiply the Hessian by what :meth:`combine` returns, without a product."""
        combined = self._summed(self.values * weights)
        return combined if self.unit is None else combined / self.unit

    def lengths(self, unit: Array) -> Array:
        """Compute the norms of the vectors, (n, size), in units of ``theta``."""
        xp, vectors = array_namespace(self.vectors), self.vectors
        if self.basis is not None:
            vectors = xp.matrix_transpose(self.basis) @ vectors
        scale = xp.ones_like(vectors[..., 0]) / unit
        scale = scale if self.unit is None else self.unit * scale
        squares = xp.matrix_transpose(vectors) ** 2
        return xp.sqrt(squares @ (scale**2)[..., None])[..., 0]

    def _summed(self, weights: Array) -> Array:
        """Sum the vectors with weights."""
        combined = self.vectors @ weights[..., None]
        if self.basis is not None:
            combined = array_namespace(weights).matrix_transpose(self.basis) @ combined
        return combined[..., 0]


def null_level(pairs: Eigenpairs) -> FloatArray:
    """Compute moduli up to which eigenvalues are zero, as a column on the host."""
    # In units of their own small eigenvalues mean something down to rounding.
    level = symmetry_level if pairs.unit is None else rounding_level
    return to_host(level(pairs.values))[:, None]


def dense_eigenpairs(
    local: Any, gradient: Array, units: str = "auto", tangents: Array | None = None
) -> Eigenpairs:
    """Compute all eigenpairs from the dense Hessian; zeros if it is not finite."""
    # own_units: if the units of the parameters differ so much that rounding would hide
    # curvatures, the pairs are in these units: small eigenvalues keep their digits
    # there, and their number of each sign does not change (Sylvester's law of inertia).
    # A flow that is to be that of the gradient needs the eigenvectors of the Hessian as
    # it is. The Hessian is restricted to the complement of tangents of symmetries,
    # along which the values are then zero. Away from critical points the Hessian is as
    # large as the gradient along them. A ray along which the loss is constant is left
    # out in any case.
    hessian, n_hvp = local.hessian(), gradient.shape[-1]
    unit = _chosen_units(local.loss, hessian, units)
    orbit = _orbit(tangents, unit)
    orbit = _ray(local, hessian, unit) if orbit is None else orbit
    if unit is not None:
        hessian = hessian * unit[:, :, None] * unit[:, None, :]
        gradient = unit * gradient
    return _decomposed(_across(hessian, orbit), gradient, n_hvp=n_hvp, unit=unit)


def preconditioned_units(local: Any) -> Array:
    """Return the units of the loss's preconditioner."""
    diagonal = local.loss.preconditioner(local.theta)
    if diagonal is None:
        raise ValueError(
            "precondition=True needs a loss whose preconditioner(theta) returns "
            f"positive numbers; that of {type(local.loss).__name__} returned None."
        )
    return array_namespace(local.theta).sqrt(diagonal)


def _orbit(tangents: Array | None, unit: Any) -> Any:
    """Span tangents by orthonormal rows, or zero rows."""
    if tangents is None or tangents.shape[1] == 0:
        return None
    xp = array_namespace(tangents)
    tangents = tangents if unit is None else tangents / unit[:, None, :]
    finite = xp.all(xp.isfinite(tangents), axis=(-2, -1))[:, None, None]
    _, size, rows = svd(xp.where(finite, tangents, xp.zeros_like(tangents)))
    used = size > DEPENDENT * size[:, :1]
    return xp.where(used[..., None], rows, xp.zeros_like(rows))


def _ray(local: Any, hessian: Array, unit: Any) -> Any:
    """Return unit vectors along flat rays as rows, or zero rows; None without any."""
    rays = Rays(local, lambda v: (hessian @ v[..., None])[..., 0])
    if not rays.is_flat.any():
        return None
    ray = rays.unit if unit is None else rays.unit / unit
    size = norm(ray)
    size = local.loss.asarray(np.where(size > 0, size, 1.0))
    return (ray / size[:, None])[:, None, :]


def _across(hessian: Array, orbit: Any) -> Array:
    """Restrict Hessians to the complements of tangents."""
    if orbit is None:
        return hessian
    xp = array_namespace(hessian)
    for _ in range(2):  # what is left is symmetric
        hessian = hessian - xp.matrix_transpose(orbit) @ (orbit @ hessian)
        hessian = xp.matrix_transpose(hessian)
    return hessian


def _beside(v: Array, orbit: Any) -> Array:
    """Remove the components of vectors along tangents."""
    if orbit is None:
        return v
    turned = array_namespace(v).matrix_transpose(orbit)
    for _ in range(2):  # what a first pass leaves is rounding
        v = v - (turned @ (orbit @ v[..., None]))[..., 0]
    return v


def _chosen_units(loss: Any, hessian: Array, units: str) -> Any:
    """Return units of the parameters; None leaves them as they are."""
    if not isinstance(units, str):
        return units
    own = units == "own" or (units == "auto" and _units_differ(loss))
    return _own_units(loss, hessian) if own else None


def _units_differ(loss: Any) -> bool:
    """Return whether rounding in one unit for all would hide curvatures."""
    unit = loss.asarray(loss.parameter_unit())
    xp = array_namespace(unit)
    # Curvatures differ as the squares of units do. Rounding, relative to the largest,
    # leaves the others half of their digits up to this ratio, and the published
    # dynamics in one unit for all spreads its ends more evenly.
    return xp.min(unit) ** 2 < xp.finfo(unit.dtype).eps ** 0.5 * xp.max(unit) ** 2


def _own_units(loss: Any, hessian: Any) -> Any:
    """Return units in which the entries of Hessians are comparable."""
    unit, xp = loss.asarray(loss.parameter_unit()), array_namespace(hessian)
    ones = xp.ones_like(hessian[:, 0, :])
    # As large as the largest entry in length scales: there units need no fitting.
    length = loss.asarray(loss.length_scale()) * ones
    level = xp.abs(hessian) * length[:, :, None] * length[:, None, :]
    level = xp.max(level, axis=(-2, -1))[:, None]
    level = xp.where(xp.isfinite(level), level, xp.zeros_like(level))
    return comparable_units(hessian, unit * ones, level)


def projected_eigenpairs(
    local: Any,
    gradient: Array,
    n_lowest: int,
    n_vectors: int,
    start: Array,
    unit: Any = None,
    tangents: Array | None = None,
) -> Eigenpairs:
    """Compute Ritz pairs on the gradient's Krylov space and the lowest eigenvectors."""
    # The step of a method that scales eigendirections lies in the Krylov space of the
    # gradient, but for what the space misses. Which directions are the lowest does not
    # show there: a space of one vector holds one vector of a multiple eigenvalue, and
    # nothing that is orthogonal to the gradient. So the n_lowest lowest eigenvectors
    # join, from first approximations start, (n, n_lowest + 2, n_params); 3 (n_lowest +
    # 2) is at most n_params. Tangents are removed as for the dense ones; their value is
    # not zero but large, so that they are not among the lowest.
    xp = array_namespace(gradient)
    orbit = _orbit(tangents, unit)
    gradient = _beside(gradient if unit is None else unit * gradient, orbit)
    room = gradient.shape[-1] - (start.shape[1] if n_lowest else 0)
    hvp = _products(local, unit, orbit)
    basis, matrix, count = lanczos(hvp, gradient, min(n_vectors, room))
    basis, matrix, count = basis[:, :-1, :], matrix[:, :-1, :], to_host(count)
    peak = xp.max(xp.abs(matrix), axis=(-2, -1))[:, None]
    matrix = _without_zeros(xp, basis, matrix, peak)
    lowest = None
    if n_lowest:
        hvp = _products(local, unit, orbit, peak)

        def take(rows: IntArray) -> Callable[..., Any]:
            there = local.loss.at(take_rows(local.theta, rows))
            parts = (unit, orbit, peak)
            parts = (None if p is None else take_rows(p, rows) for p in parts)
            return _products(there, *parts)

        _, lowest, _, more = lowest_eigenpairs(hvp, start, rtol=RTOL, take=take)
        count = count + to_host(more)
        basis, matrix, more = _extended(xp, hvp, basis, matrix, lowest)
        count = count + more
    components = (basis @ gradient[..., None])[..., 0]
    pairs = _decomposed(matrix, components, basis=basis, lowest=lowest, n_hvp=count)
    pairs.unit = unit
    return pairs


def _products(
    local: Any, unit: Any, orbit: Any = None, level: Array | None = None
) -> Callable[..., Any]:
    """Return the products with Hessians in units, of the value level on tangents."""
    if orbit is not None:

        def product(v: Array) -> Array:
            across = _beside(v, orbit)
            image = _beside(_products(local, unit)(across), orbit)
            return image if level is None else image + level * (v - across)

        return product
    return local.hvp if unit is None else lambda v: unit * local.hvp(unit * v)


def _without_zeros(xp: Any, basis: Array, matrix: Array, peak: Array) -> Array:
    """Give the vectors that an invariant space lacks a large value."""
    # They are zero and add nothing to a step, but zero values would pass for low ones.
    lacking = xp.astype(xp.sum(basis * basis, axis=-1) == 0, matrix.dtype)
    identity = xp.eye(matrix.shape[-1], dtype=matrix.dtype, device=device(matrix))
    return matrix + (peak * lacking)[:, :, None] * identity


def _extended(
    xp: Any, hvp: Callable[..., Any], basis: Array, matrix: Array, vectors: Array
) -> tuple[Any, ...]:
    """Add vectors to a basis, and rows and columns to the projected matrix."""
    n_vectors, extra = vectors.shape[1], vectors
    # Twice: what a first pass leaves of a vector in the space is rounding.
    for _ in range(2):
        extra = extra - (extra @ xp.matrix_transpose(basis)) @ basis
        extra = xp.linalg.qr(xp.matrix_transpose(extra))[0]
        extra = xp.matrix_transpose(extra)
    image = [hvp(extra[:, i, :]) for i in range(n_vectors)]
    image = xp.stack(image, axis=1)
    side = basis @ xp.matrix_transpose(image)
    corner = extra @ xp.matrix_transpose(image)
    corner = (corner + xp.matrix_transpose(corner)) / 2
    top = xp.concat([matrix, side], axis=-1)
    bottom = xp.concat([xp.matrix_transpose(side), corner], axis=-1)
    matrix = xp.concat([top, bottom], axis=-2)
    return xp.concat([basis, extra], axis=1), matrix, n_vectors


def _decomposed(matrix: Array, gradient: Array, **more: Any) -> Eigenpairs:
    """Decompose matrices; those that are not finite count as zero."""
    xp = array_namespace(matrix)
    # Decompositions refuse what is not finite: such a start does not move.
    finite = xp.all(xp.isfinite(matrix), axis=(-2, -1))[:, None, None]
    values, vectors = eigh(xp.where(finite, matrix, xp.zeros_like(matrix)))
    components = (xp.matrix_transpose(vectors) @ gradient[..., None])[..., 0]
    return Eigenpairs(values, components, vectors, **more)
