"""Hidden units that have no effect, or duplicate others, and the free directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import Array, FloatArray, IntArray
from skcrit.linalg import eigh, svd
from skcrit.losses._stabilizers import unit_kinds
from skcrit.losses._unit_coordinates import host_weights


@dataclass(frozen=True)
class UnitDegeneracies:
    """Name the hidden units that could be left out of the network.

    Units are numbered from zero, and so are the hidden layers.

    Attributes
    ----------
    silent : list of (int, int)
        Layer and number of units whose outgoing weights are all zero.
    constant : list of (int, int)
        Layer and number of units whose incoming weights are all zero, except for the
        intercept, so that their output is the same for every sample.
    duplicated : list of (int, tuple of int)
        Layer and numbers of units that have the same incoming weights and intercept,
        up to a sign if the activation is odd.
    directions : ndarray of shape (n_directions, n_params)
        Orthonormal basis of the directions along which, because of these units, the
        gradient does not change to first order. Their number is the part of the nullity
        of the Hessian that these units cause.
    """

    silent: list[tuple[int, int]]
    constant: list[tuple[int, int]]
    duplicated: list[tuple[int, tuple[int, ...]]]
    directions: FloatArray

    @property
    def nullity(self) -> int:
        """Number of free directions."""
        return len(self.directions)

    def __str__(self) -> str:
        named = [
            *(f"unit {u} of hidden layer {n} is silent" for n, u in self.silent),
            *(f"unit {u} of hidden layer {n} is constant" for n, u in self.constant),
            *(
                f"units {', '.join(map(str, units))} of hidden layer {n} are duplicates"
                for n, units in self.duplicated
            ),
        ]
        if not named:
            return "no degenerate units"
        ending = "" if self.nullity == 1 else "s"
        return f"{'; '.join(named)}: {self.nullity} free direction{ending}"


def find_degeneracies(loss: Any, theta: Array, rtol: float) -> UnitDegeneracies:
    """Look for degenerate units at one point."""
    weights = [W[0] for W in host_weights(loss, theta)]
    tol = rtol * max(np.max(np.abs(W)) for W in weights)
    odd, candidates = loss._parity == "odd", []
    silent, constant, duplicated = [], [], []
    for layer in range(len(weights) - 1):
        n_in, (p, _) = loss._widths[layer], loss._shapes[layer]
        into, out = weights[layer], weights[layer + 1][:, :p]
        for unit in range(p):
            if np.max(np.abs(out[:, unit])) <= tol:
                silent.append((layer, unit))
                candidates += _entries(loss, layer, unit, slice(None))
            if np.max(np.abs(into[unit, :n_in])) <= tol:
                constant.append((layer, unit))
                candidates += _entries(loss, layer, unit, slice(n_in, None))
                candidates += _outgoing(loss, layer, unit)
                if loss.fit_intercept:
                    candidates += _outgoing(loss, layer, -1)
        for kind in unit_kinds(into, tol, odd):
            if len(kind) > 1:
                duplicated.append((layer, tuple(kind)))
                for unit in kind:
                    candidates += _outgoing(loss, layer, unit)
    first = [unit for layer, unit in silent if layer == 0]
    directions = _kernel(loss, theta, _units(loss, candidates, first), rtol)
    return UnitDegeneracies(silent, constant, duplicated, directions)


def _positions(loss: Any, layer: int) -> IntArray:
    # Where the entries of a layer's matrix stand in theta.
    start = sum(a * b for a, b in loss._shapes[:layer])
    n_out, n_in = loss._shapes[layer]
    return start + np.arange(n_out * n_in).reshape(n_out, n_in)


def _entries(loss: Any, layer: int, unit: int, columns: slice) -> list[int]:
    # Positions of incoming weights of a unit.
    return _positions(loss, layer)[unit, columns].tolist()


def _outgoing(loss: Any, layer: int, unit: int) -> list[int]:
    # Positions of outgoing weights of a unit; unit -1 is the intercept.
    return _positions(loss, layer + 1)[:, unit].tolist()


def _units(loss: Any, candidates: list[int], silent: list[int]) -> FloatArray:
    # Orthonormal directions that may be free. Of what leads into silent units of the
    # first layer the data see little: the rest is a symmetry, or has a penalty.
    seen, n_params = loss.data_subspace(), loss.n_params_
    chosen, blocks = set(candidates), []
    for unit in silent if seen is not None else ():
        into = _positions(loss, 0)[unit]
        blocks.append(np.zeros((len(seen.basis), n_params)))
        blocks[-1][:, into] = to_host(seen.basis)
        chosen -= set(into.tolist())
    alone = np.zeros((len(chosen), n_params))
    alone[np.arange(len(chosen)), sorted(chosen)] = 1
    return np.concatenate([alone, *blocks])


def _kernel(loss: Any, theta: Array, units: FloatArray, rtol: float) -> Array:
    # The part of the Hessian's kernel in the span of some directions.
    if not len(units):
        return units
    local = loss.at(theta)
    products = to_host(local.hvp(loss.asarray(units))).astype(float)
    # The triangle has the singular values, and only its right-hand vectors are needed.
    _, values, basis = svd(np.linalg.qr(products.T, mode="r"))
    size = loss.curvature(local.theta[None, :])[0]
    rank = int(np.sum(values > rtol * max(size, np.max(values))))
    kernel = basis[rank:] @ units
    return _beside_symmetries(loss, theta, kernel, rtol) if len(kernel) else kernel


def _beside_symmetries(loss: Any, theta: Array, kernel: Any, rtol: float) -> Array:
    # Leave out what lies in the tangent space of the continuous symmetries: there the
    # cosines of principal angles are one. Directions that no sample sees are part of
    # it, and too many to be listed.
    tangents = to_host(loss.seen_tangents(theta)).astype(float)
    seen, inside = loss.data_subspace(), np.zeros_like(kernel)
    if seen is not None and seen.n_free:
        inside = kernel - to_host(seen.expand(seen.reduce(loss.asarray(kernel))))
        tangents = seen.expand(seen.reduce(loss.asarray(tangents)))
        tangents = to_host(tangents).astype(float)
    if len(tangents):
        # Those of the softmax move the last layer alone.
        moved = np.any(tangents != 0, axis=0)
        _, sizes, frame = svd(tangents[:, moved])
        frame = frame[sizes > rtol * np.max(sizes, initial=np.finfo(float).tiny)]
        inside[:, moved] += (kernel[:, moved] @ frame.T) @ frame
    squared, mixing = eigh(inside @ kernel.T)
    return mixing[:, squared <= (1 - rtol) ** 2].T @ kernel
