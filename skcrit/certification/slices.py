r"""The slice orthogonal to a symmetry orbit, and bounds of the Hessian on it.

At a point theta, n parameters, let X be the matrix whose columns are the tangents
A_i theta of the exact symmetries. A slice consists of two matrices of floating point
numbers: Q, n x (n - m), close to an orthonormal basis of the complement of the
tangents, and B, so that X B, n x m, is close to one of the tangents. Nothing is assumed
of them; what is needed is computed, with bounds on the rounding errors:

* ``defect`` eta >= |M^T M - I|_2 for M = (Q, X B): every singular value of M lies in
  [sqrt(1 - eta), sqrt(1 + eta)], and |Q|_2 <= sqrt(1 + eta).
* ``turn``: M stays nonsingular if X B changes by less than sqrt(1 - eta), which holds
  for all points closer than sqrt(1 - eta) / (c |B|_2), as |X(v)|_F <= c |v|.
* ``curvature`` sigma > 0 with |(Q^T H Q)^{-1}|_2 <= 1 / sigma, and the number of
  negative eigenvalues of Q^T H Q: by Weyl's inequality from the diagonal D of the
  computed Q^T H Q, as sigma = min |D_i| - |offdiagonal|_F - all errors.
* ``slope`` >= |Q^T g|_2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skcrit._typing import FloatArray
from skcrit.linalg import eigh
from skcrit.linalg.levels import pseudoinverse_level
from skcrit.linalg.rounding import TINY, UNIT, frobenius_bound, gamma, spectral_bound

# Which singular values of the tangents count as zero when the slice is chosen, relative
# to the largest or to the length scale of the loss: near the origin all tangents of
# linear actions are small. A wrong choice gives no certificate, never a false one.
_RANK_RTOL = 1e-5


@dataclass
class Slice:
    """A slice through one point, of codimension m."""

    basis: FloatArray  # Q, (n_params, n_params - m); the Hessian is nearly diagonal
    combination: FloatArray  # B, (n_tangents, m)
    curvatures: FloatArray  # the diagonal, computed and not proved

    def newton(self, gradient: FloatArray) -> FloatArray:
        """Compute the Newton step on the slice."""
        # No proof counts the sign of a curvature below this level: its error is more.
        flat = pseudoinverse_level(self.curvatures) if self.curvatures.size else 0.0
        safe = np.where(np.abs(self.curvatures) > flat, self.curvatures, np.inf)
        return -self.basis @ ((self.basis.T @ gradient) / safe)


@dataclass
class Proved:
    """What holds at one point, whatever the rounding."""

    curvature: float  # sigma, a lower bound; not positive if nothing is proved
    uncertainty: float  # what was subtracted from the least modulus of a curvature
    slope: float  # bound on the gradient on the slice
    slope_error: float  # part of it that is rounding
    turn: float  # distance up to which the slice crosses the orbits
    stretch: float  # sqrt(1 + eta), a bound on the norm of Q
    gradient: float  # bounds on the norms of the full gradient and Hessian
    hessian: float
    morse_index: int  # negative eigenvalues on the slice
    nullity: int  # its codimension


def make_slice(hessian: FloatArray, tangents: FloatArray, length: float) -> Slice:
    """Choose a slice."""
    n = hessian.shape[0]
    complement, combination = None, np.zeros((tangents.shape[0], 0))
    if np.any(tangents):
        U, sizes, Vt = np.linalg.svd(tangents)
        m = int(np.sum(sizes > _RANK_RTOL * max(sizes[0], length)))
        complement, combination = Vt[m:].T, U[:, :m] / sizes[:m]
        hessian = complement.T @ hessian @ complement
    values, vectors = eigh((hessian + hessian.T) / 2)
    basis = vectors if complement is None else complement @ vectors
    return Slice(basis.reshape(n, -1), combination, values)


def prove(
    chosen: Slice,
    gradient: FloatArray,
    hessian: FloatArray,
    tangents: FloatArray,
    change: float,
    errors: tuple[float, float],
) -> Proved:
    """Prove what can be proved of a slice; see :class:`Proved`."""
    # Tangents are exact, change is the constant c of their change, and errors bound
    # those of the gradient in the 2-norm and of the Hessian in the spectral norm.
    # Bounds are infinite or NaN if numbers are.
    Q, B = chosen.basis, chosen.combination
    defect, turn = _frame(Q, B, tangents, change)
    stretch = float(np.sqrt(1 + defect)) * (1 + 4 * UNIT)
    size = float(frobenius_bound(hessian))
    steepness = float(frobenius_bound(gradient, axes=1)) + errors[0]
    sigma, uncertainty, index = _inertia(Q, hessian, errors[1], stretch)
    along = Q.T @ gradient
    rounding = gamma(Q.shape[0]) * float(
        frobenius_bound(np.abs(Q.T) @ np.abs(gradient), axes=1)
    )
    slope_error = 1.01 * rounding + stretch * errors[0] + TINY
    slope = float(frobenius_bound(along, axes=1)) + slope_error
    return Proved(
        curvature=sigma,
        uncertainty=uncertainty,
        slope=slope * (1 + 8 * UNIT),
        slope_error=slope_error,
        turn=turn,
        stretch=stretch,
        gradient=steepness * (1 + 8 * UNIT),
        hessian=(size + errors[1]) * (1 + 8 * UNIT),
        morse_index=index,
        nullity=B.shape[1],
    )


def _frame(
    Q: FloatArray, B: FloatArray, tangents: FloatArray, change: float
) -> tuple[float, float]:
    """Bound the defect of M, and the distance up to which it stays nonsingular."""
    n = Q.shape[0]
    XB = tangents.T @ B
    M = np.concatenate([Q, XB], axis=1)
    gram = M.T @ M
    moduli = np.abs(M)
    rounding = gamma(n) * float(frobenius_bound(moduli.T @ moduli)) * 1.01
    # X B is computed: M is the computed matrix plus an error, which counts twice.
    if B.shape[1]:
        moduli = np.abs(tangents.T) @ np.abs(B)
        lost = 1.01 * gamma(B.shape[0] + 1) * float(frobenius_bound(moduli)) + TINY
        size = float(frobenius_bound(M))
        rounding += lost * (2 * size + lost)
        reach = change * float(spectral_bound(B))
    else:
        reach = 0.0
    identity = np.eye(gram.shape[0])
    defect = (float(frobenius_bound(gram - identity)) + rounding + TINY) * 1.01
    if M.shape[1] != n or not defect < 1:
        return np.inf, 0.0
    turn = np.inf if reach == 0 else 0.99 * np.sqrt(1 - defect) / reach
    return defect, float(turn)


def _inertia(
    Q: FloatArray, hessian: FloatArray, error: float, stretch: float
) -> tuple[float, float, int]:
    """Bound the least modulus of an eigenvalue on the slice, count negative ones."""
    if Q.shape[1] == 0:
        return np.inf, 0.0, 0
    HQ = hessian @ Q
    J = Q.T @ HQ
    # Both products of n terms: gamma_2n on the moduli.
    moduli = np.abs(Q.T) @ (np.abs(hessian) @ np.abs(Q))
    rounding = 1.01 * gamma(2 * Q.shape[0]) * float(frobenius_bound(moduli)) + TINY
    D = np.diag(J)
    aside = float(frobenius_bound(J - np.diag(D)))
    uncertainty = (aside + rounding + stretch**2 * error) * (1 + 16 * UNIT)
    sigma = float(np.min(np.abs(D))) - uncertainty
    return (
        sigma * (1 - 4 * UNIT) if sigma > 0 else sigma,
        uncertainty,
        int(np.sum(D < 0)),
    )
