"""Projections along the orbit of a hidden layer, without the rows of its tangents.

Changes of basis A of h hidden units move the weights W1 below them by A W1 and those
above, W2, by -W2 A. The h^2 tangents, as rows of parameters, can take more memory than
all else. In the singular bases of W1 and W2 they are orthogonal: if W1 = sum s_j u_j
v_j^T and W2 = sum t_i x_i y_i^T, that of A = y_i u_j^T is (s_j y_i v_j^T, -t_i x_i
u_j^T).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from skcrit._backend import array_namespace, to_host
from skcrit._typing import Array
from skcrit.linalg import svd

# Tangents that are shorter than this fraction of the longest count as zero.
DEPENDENT = 1e-10


@dataclass(frozen=True, eq=False)
class OrbitProjection:
    """Orthogonal projection on the complement of an orbit's tangents at a point."""

    size: int  # dimension of the orbit
    below: tuple[Array, Array, Array]  # singular value decompositions of the weights
    above: tuple[Array, Array, Array]
    inverse: Array  # of the squared lengths of tangents, by i and j; zero if dependent

    def remove(self, v: Array) -> Array:
        """Return directions, (..., n_params), without their part along the orbit."""
        xp, leading = array_namespace(v), v.shape[:-1]
        (u, s, vt), (x, t, yt) = self.below, self.above
        shapes = (u.shape[0], vt.shape[1]), (x.shape[0], yt.shape[1])
        n = shapes[0][0] * shapes[0][1]
        first = xp.reshape(v[..., :n], (*leading, *shapes[0]))
        last = xp.reshape(v[..., n:], (*leading, *shapes[1]))
        ut, y = xp.matrix_transpose(u), xp.matrix_transpose(yt)
        part = (yt @ first @ xp.matrix_transpose(vt)) * s
        part = (part - t[:, None] * (xp.matrix_transpose(x) @ last @ u)) * self.inverse
        first = first - y @ (part * s) @ vt
        last = last + x @ (t[:, None] * part) @ ut
        flat = [xp.reshape(W, (*leading, -1)) for W in (first, last)]
        return xp.concat(flat, axis=-1)


def project_bases(below: Array, above: Array, unit: Array) -> OrbitProjection | None:
    """Project along changes of basis of hidden units, no more than inputs or outputs.

    Parameters
    ----------
    below : array of shape (h, n_in)
        Weights below the units, h <= n_in.
    above : array of shape (n_out, h)
        Weights above them, h <= n_out.
    unit : array of shape (n_params,)
        Positive units of the weights below and above, joined: directions are divided by
        them.

    Returns
    -------
    projection : OrbitProjection or None
        For directions of the weights below and above, joined; None if the units of an
        input or an output differ among the hidden units.
    """
    xp, n = array_namespace(below), prod(below.shape)
    of_inputs = xp.reshape(unit[:n], below.shape)
    of_outputs = xp.reshape(unit[n:], above.shape)
    alike = xp.all(of_inputs == of_inputs[:1, :])
    if not bool(alike & xp.all(of_outputs == of_outputs[:, :1])):
        return None
    first, last = svd(below / of_inputs), svd(above / of_outputs)
    squares = first[1][None, :] ** 2 + last[1][:, None] ** 2
    used = squares > DEPENDENT**2 * xp.max(squares)
    inverse = xp.where(used, 1 / xp.where(used, squares, 1 + 0 * squares), 0 * squares)
    return OrbitProjection(int(np.sum(to_host(used))), first, last, inverse)
