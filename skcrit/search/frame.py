r"""The Hessian at a point in natural units, with null directions separated.

With a diagonal matrix D of units the Hessian becomes ``S = D H D``, and steps ``u = p /
D``. The inertia does not change (Sylvester's law), but the entries become comparable:
an eigenvalue of size 1e-12 in the unit of the data is no longer hidden by rounding
errors. Directions along which the symmetries of the loss move the point are moved to
the upper end of the spectrum, where they are not mistaken for small eigenvalues.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._backend import array_namespace, device, to_host
from skcrit._rows import Rows
from skcrit._typing import Array, BoolArray, FloatArray, IntArray
from skcrit.linalg import comparable_units, eigh_apart, rounding_level, svd
from skcrit.losses.base import Loss
from skcrit.losses.local_model import LocalModel
from skcrit.search.scales import Scales
from skcrit.solvers._vectors import norm
from skcrit.solvers.eigenpairs import DEPENDENT

# The Hessian is zero along the orbit of a critical point, and small near one. If it is
# larger than this fraction of its norm along a vector, the vector is not a tangent:
# near a point of smaller orbit, such as the origin, computed tangents are short and
# arbitrary.
FALSE = 0.3

# On the way to a critical point the Hessian changes by about this multiple of the
# gradient. Entries of this size may be neglected if no eigenvalue is smaller than this
# multiple of them, because Newton steps then still contract.
_MOVED, _CLEAR = 200.0, 20.0


@dataclass
class Frame(Rows):
    """Points with their Hessians in natural units, a row each."""

    theta: Array
    gradient: Array  # D g
    unit: Array  # diagonal of D
    hessian: Array  # D H D
    values: Array  # eigenvalues, ascending, with the directions of symmetries last
    vectors: Array  # in columns
    # Spectral norms without the directions of symmetries; NaN for a Hessian that is not
    # finite.
    norm: FloatArray
    n_tangent: IntArray  # dimensions of the symmetry orbits
    # Norm of D H D on the directions of symmetries: zero at a critical point, up to
    # errors.
    tangent_norm: FloatArray
    # Whether the smallest entries of the Hessian were neglected in its eigenpairs.
    is_rough: BoolArray

    def components(self, v: Array) -> Array:
        """Return the components of vectors in natural units."""
        xp = array_namespace(v)
        if v.ndim == 2:
            return (xp.matrix_transpose(self.vectors) @ v[..., None])[..., 0]
        # Several vectors at each point: one product, which reads the matrix once.
        stacked = xp.permute_dims(v, (1, 0, 2)) @ self.vectors
        return xp.permute_dims(stacked, (1, 0, 2))

    def combine(self, components: Array) -> Array:
        """Return steps, in the unit of theta, of given components."""
        return self.unit * (self.vectors @ components[..., None])[..., 0]

    def is_tangent(self) -> Array:
        """Return which eigenpairs are directions of symmetries, the last ones."""
        n_params = self.values.shape[-1]
        mask = np.arange(n_params) >= n_params - self.n_tangent[:, None]
        xp = array_namespace(self.values)
        return xp.asarray(mask, device=device(self.values))


def make_frame(
    loss: Loss,
    local: LocalModel,
    scales: Scales,
    false: float = FALSE,
    roughly: bool = False,
) -> Frame:
    """Form and decompose the Hessians at a batch of points."""
    # A tangent is discarded if the Hessian along it is larger than the fraction false
    # of its norm. With roughly=True, which is accurate enough for steps, entries that
    # are as small as the change that the steps will make may be neglected if the
    # Hessian then consists of blocks.
    xp = array_namespace(local.theta)
    hessian, finite = _finite(xp, local.hessian())
    unit = comparable_units(hessian, scales.unit, scales.curvature)
    hessian = _in_units(hessian, unit)
    tangents = loss.orbit_tangents(local.theta)
    basis, n_tangent = _orbit_basis(xp, tangents, unit, scales, hessian, false)
    image = basis @ hessian
    beyond, largest = _tangents_beyond(xp, hessian, basis, image)
    gradient = unit * local.gradient
    level = to_host(rounding_level(gradient, largest))
    moved = _MOVED * norm(gradient) if roughly else level
    values, vectors, is_rough = _decomposed(beyond, level, moved, n_tangent)
    size = np.abs(to_host(values))
    inner = np.arange(size.shape[1]) < size.shape[1] - n_tangent[:, None]
    return Frame(
        theta=local.theta,
        gradient=gradient,
        unit=unit,
        hessian=hessian,
        values=values,
        vectors=vectors,
        norm=np.where(finite, np.max(np.where(inner, size, 0.0), axis=1), np.nan),
        n_tangent=n_tangent,
        tangent_norm=norm_of_rows(image),
        is_rough=is_rough,
    )


def _tangents_beyond(xp, hessian, basis, image):
    """Move tangents beyond the spectrum; also return the largest entries."""
    # S - Q Q^T S - S Q Q^T + Q (Q^T S Q + c) Q^T, for tangents Q in the rows of basis,
    # and for twice a bound c of the spectral norm, the largest sum of a row. It is one
    # product: these are the largest arrays.
    moduli = xp.abs(hessian)
    far = 2 * xp.max(xp.sum(moduli, axis=-1), axis=-1)[:, None, None]
    far = xp.where(far > 0, far, xp.ones_like(far))
    half = ((image @ xp.matrix_transpose(basis)) @ basis) / 2 - image
    left = xp.concat([basis, half], axis=-2)
    right = xp.concat([half + far * basis, basis], axis=-2)
    beyond = xp.matrix_transpose(left) @ right
    beyond += hessian
    return beyond, xp.max(moduli, axis=(-2, -1))


def _decomposed(matrices, rounding, moved, n_tangent):
    """Decompose matrices up to rounding, or up to levels far below the eigenvalues."""
    values, vectors, left_out = eigh_apart(matrices, np.maximum(moved, rounding))
    is_rough = left_out > rounding
    if not is_rough.any():
        return values, vectors, is_rough
    inner = np.arange(values.shape[1]) < values.shape[1] - n_tangent[:, None]
    weakest = np.min(np.where(inner, np.abs(values), np.inf), axis=1)
    rows = np.flatnonzero(is_rough & (weakest < _CLEAR * left_out))
    if len(rows):
        values[rows], vectors[rows], _ = eigh_apart(matrices[rows], rounding[rows])
        is_rough[rows] = False
    return values, vectors, is_rough


def scaled_hessian(frame: Frame, local: LocalModel) -> Array:
    """Form Hessians at as many other points in the units of a frame."""
    return _in_units(local.hessian(), frame.unit)


def _in_units(hessian, unit):
    """Multiply Hessians by units from both sides."""
    hessian = hessian * unit[:, :, None]
    hessian *= unit[:, None, :]
    return hessian


def _orbit_basis(xp, tangents, unit, scales, hessian, false):
    """Return an orthonormal basis of the tangents in natural units, and its size."""
    n, m = tangents.shape[:2]
    if m == 0:
        return tangents, np.zeros(n, dtype=int)
    # Linear dependence is decided in length scales: with units that differ by orders of
    # magnitude, some vectors would be negligible compared with others.
    size, right = _row_space(xp, tangents / scales.length)
    used = size > DEPENDENT * size[:, :1]
    right = _normalized(xp, right * scales.length / unit[:, None, :])
    image = xp.sqrt(xp.sum((right @ hessian) ** 2, axis=-1))
    typical = xp.max(xp.sqrt(xp.vecdot(hessian, hessian)), axis=-1)[:, None]
    used = used & (image <= false * typical)
    right = xp.where(used[..., None], right, xp.zeros_like(right))
    size, basis = _row_space(xp, right)
    # Tangents that differ only in weak directions are almost parallel now.
    lost = np.sum(to_host(used), axis=1) > np.sum(to_host(size > DEPENDENT), axis=1)
    if np.any(lost):
        apart = _eliminated(xp, right)
        image = xp.sqrt(xp.sum((apart @ hessian) ** 2, axis=-1))
        apart = xp.where((image <= false * typical)[..., None], apart, 0 * apart)
        apart_size, apart_basis = _row_space(xp, apart)
        mask = xp.asarray(lost, device=device(size))
        size = xp.where(mask[:, None], apart_size, size)
        basis = xp.where(mask[:, None, None], apart_basis, basis)
    used = size > DEPENDENT
    basis = xp.where(used[..., None], basis, xp.zeros_like(basis))
    return basis, np.sum(to_host(used), axis=1)


def _row_space(xp, rows):
    """Return singular values, and orthonormal rows that span the same space."""
    # LAPACK is faster on tall matrices.
    columns, size, _ = svd(xp.matrix_transpose(rows))
    return size, xp.matrix_transpose(columns)


def _eliminated(xp, rows):
    """Combine rows into unit triangular ones that span the same space."""
    # Gaussian elimination with the largest entries as pivots is relative to the size of
    # each column, so that differences in columns of small entries are not lost.
    n, m, d = rows.shape
    on = device(rows)
    done = xp.zeros((n, m), dtype=xp.bool, device=on)
    for _ in range(m):
        size = xp.where(done, 0, xp.max(xp.abs(rows), axis=-1))
        best = xp.argmax(size, axis=1)[:, None]
        chosen = xp.arange(m, device=on) == best
        row = xp.sum(xp.where(chosen[..., None], rows, 0 * rows), axis=1)
        at = xp.arange(d, device=on) == xp.argmax(xp.abs(row), axis=1)[:, None]
        pivot = xp.sum(xp.where(at, row, 0 * row), axis=1)
        row = row / xp.where(pivot != 0, pivot, xp.ones_like(pivot))[:, None]
        done = done | chosen
        factor = xp.sum(xp.where(at[:, None, :], rows, 0 * rows), axis=-1)
        factor = xp.where(done, 0 * factor, factor)
        rows = rows - factor[..., None] * row[:, None, :]
        rows = xp.where(at[:, None, :] & ~done[..., None], 0 * rows, rows)
    return _normalized(xp, rows)


def _normalized(xp, rows):
    """Scale rows to length one."""
    length = xp.sqrt(xp.sum(rows * rows, axis=-1))[..., None]
    return rows / xp.where(length > 0, length, xp.ones_like(length))


def _finite(xp, hessian):
    """Replace Hessians that are not finite, which decompositions refuse, by zero."""
    finite = xp.all(xp.isfinite(hessian), axis=(-2, -1))
    if bool(xp.all(finite)):
        return hessian, to_host(finite)
    clean = xp.where(finite[:, None, None], hessian, xp.zeros_like(hessian))
    return clean, to_host(finite)


def norm_of_rows(matrices: Array) -> FloatArray:
    """Compute Frobenius norms, which bound spectral norms, on the host."""
    xp = array_namespace(matrices)
    rows = xp.reshape(matrices, (matrices.shape[0], -1))
    return to_host(xp.sqrt(xp.vecdot(rows, rows)))
