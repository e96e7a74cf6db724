r"""Bounds for linear networks: the change of the Hessian, and rounding errors.

With S = W_L ... W_1, symmetric K_0 and E = S K_0 - T, the loss is

    f = (1/m) tr[S K_0 S^T - 2 S T^T] + alpha |theta|^2 + const,

of degree 2 L in theta. With the derivatives S', S'', S''' of S along a direction, its
third derivative is (2/m) (3 tr[S' K_0 S''^T] + tr[E S'''^T]), and so

    |D^3 f| <= (2/m) (3 |K_0|_2 N1 N2 + |E|_F N3),

with N1, N2, N3 bounds on |S'|_F, |S''|_F, |S'''|_F for unit directions. In a ball of
radius rho every layer has a spectral norm of at most omega_l = |W_l|_2 + rho. A
direction has the layers V_l with norms v_l, sum v_l^2 = 1, and S' is the sum of the
products in which V_l replaces W_l. The norm of each is at most c_l v_l with c_l the
product of the other omegas, so that

    N1 = (sum_l c_l^2)^(1/2),  N2 = (sum_{l != j} c_lj^2)^(1/2) or better, N3 alike,

where c_lj and c_ljk lack two and three layers. N2 is the spectral norm of the
nonnegative symmetric matrix c with zeros on its diagonal, at most the geometric mean of
its largest row sum with itself, the row sum; the smaller bound is taken. A symmetric
multilinear form is largest where its arguments agree (Banach), so these are the norms
of the derivatives. |E|_F in the ball is at most |E(theta)|_F + |K_0|_2 N1 rho.

Rounding: gradient and Hessian are polynomials in theta, C, T and tau, linear in C, T
and tau together, and every number passes through at most N operations
(:func:`n_roundings`). Their rounding errors are at most gamma_N times the same
polynomials with all signs positive (:mod:`skcrit.linalg.rounding`), which are gradient
and Hessian of another network: that of |theta|, |C| and -|T|.
"""

from __future__ import annotations

from itertools import permutations
from math import prod
from typing import Any

from skcrit._backend import array_namespace, device
from skcrit._typing import Array
from skcrit.linalg.rounding import (
    TINY,
    frobenius_bound,
    gamma,
    spectral_bound,
    underflow,
)
from skcrit.losses import _network


def n_roundings(depth: int, widest: int) -> int:
    """Bound the operations that a number passes through in all derivatives."""
    # A term of the Hessian contains the products of both sweeps, of fewer than L
    # matrices each, and four more; a product of inner dimension n takes n operations.
    # The factor 2/m, tau and the penalty take less than 16.
    return (2 * depth + 6) * widest + 16


def _norms(weights: list[Array], radius: Array) -> list[Array]:
    # Bounds on the spectral norms of the layers in the ball.
    return [spectral_bound(W) + radius for W in weights]


def _derivative_norm(omega: list[Array], order: int) -> Array:
    # N1, N2 or N3: products without `order` layers, root of the sum of squares over
    # ordered choices; for N2 also the largest row sum.
    xp, depth = array_namespace(omega[0]), len(omega)
    squares, rows = xp.zeros_like(omega[0]), [xp.zeros_like(omega[0])] * depth
    for left_out in permutations(range(depth), order):
        kept = [omega[layer] for layer in range(depth) if layer not in left_out]
        c = prod(kept, start=xp.ones_like(omega[0]))
        squares = squares + c * c
        rows[left_out[0]] = rows[left_out[0]] + c
    norm = xp.sqrt(squares)
    if order == 2:
        row = xp.max(xp.stack(rows, axis=-1), axis=-1)
        norm = xp.minimum(norm, row)
    return norm


def map_change(weights: list[Array], radius: Array) -> Array:
    """Bound how far the end-to-end matrix moves in balls, but for rounding."""
    return _derivative_norm(_norms(weights, radius), 1) * radius


def hessian_lipschitz(sweep: Any, radius: Array) -> Array:
    """Bound the norm of the third derivative in balls around the centres."""
    omega, depth = _norms(sweep.weights, radius), len(sweep.weights)
    # Both carry the factor 2/m.
    power = spectral_bound(sweep.moments.C) + abs(sweep.moments.tau)
    N1, N2, N3 = (_derivative_norm(omega, order) for order in (1, 2, 3))
    widest = max(max(W.shape[-2:]) for W in sweep.weights)
    xp = array_namespace(power)
    unit = float(xp.finfo(sweep.moments.C.dtype).eps) / 2
    # E is computed; its moduli bound its rounding error.
    majorant = majorant_error([xp.abs(W) for W in sweep.weights], sweep)
    error = frobenius_bound(sweep.error)
    error = error + gamma(n_roundings(depth, widest), unit) * majorant
    bound = 3 * power * N1 * N2 + (error + power * N1 * radius) * N3
    return bound * (1 + 1e3 * unit) + TINY


def majorant_error(moduli: list[Array], sweep: Any) -> Array:
    """Bound the Frobenius norm of E with all signs positive, by a product of norms."""
    xp = array_namespace(sweep.moments.C)
    size = prod(frobenius_bound(W) for W in moduli)
    power = frobenius_bound(xp.abs(sweep.moments.C)) + abs(sweep.moments.tau)
    return size * power + frobenius_bound(xp.abs(sweep.moments.T))


def evaluation_errors(
    weights: list[Array], C: Array, tau: float, target: Any, decay: float, unit: float
) -> tuple[Array, Array, Array]:
    """Bound the rounding errors of value, gradient and Hessian, for a unit roundoff."""
    # The first is the sum of the moduli of all terms of the loss without its constant,
    # times gamma; the others are in the 2-norm and the spectral norm. C is symmetric to
    # rounding: the loss is that of its symmetric part. decay is the penalty on the
    # weights.
    xp = array_namespace(C)
    widest = max(max(W.shape[-2:]) for W in weights)
    rounding = 1.01 * gamma(n_roundings(len(weights), widest), unit)
    moduli = [xp.abs(W) for W in weights]
    C_t = xp.matrix_transpose(C)
    # What is lost with the antisymmetric part of C is an error as well.
    moment = rounding * xp.maximum(xp.abs(C), xp.abs(C_t)) + 0.51 * xp.abs(C - C_t)
    if target is None:
        # An autoencoder adds tau to K and subtracts it again.
        identity = xp.eye(C.shape[0], dtype=C.dtype, device=device(C))
        cross = moment + 2.1 * rounding * tau * identity
    else:
        cross = rounding * xp.abs(target)
    m = weights[-1].shape[-2]
    moments = _network.Moments(moment, m, 1.01 * rounding * tau, -cross)
    sweep = _network.Sweep(moduli, moments)
    gradient = [
        part + 2.1 * rounding * decay * W
        for part, W in zip(sweep.gradient(), moduli, strict=True)
    ]
    total = xp.zeros_like(gradient[0][..., 0, 0])
    value, slope = total, total
    for part, W in zip(gradient, moduli, strict=True):
        # Every term of f is at most theta times its part of the gradient.
        value = value + xp.sum(part * W, axis=(-2, -1))
        slope = slope + frobenius_bound(part) ** 2
    hessian = _network.hessian(sweep)
    # Symmetric and nonnegative: no eigenvalue exceeds the largest row sum.
    curvature = xp.max(xp.sum(hessian, axis=-1), axis=-1) + 2.1 * rounding * decay
    size = xp.ones_like(value)
    for W in moduli:
        size = xp.maximum(size, xp.max(W, axis=(-2, -1)))
    # Everything is linear in the moments.
    strength = xp.maximum(xp.max(xp.abs(C)), xp.ones_like(size))
    lost = underflow(unit) * strength * (widest * size) ** (2 * len(weights) + 6)
    return tuple(1.01 * e + lost for e in (value, xp.sqrt(slope), curvature))
