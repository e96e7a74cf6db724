"""Products with the matrices of a batch of linear systems, or of some of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skcrit._backend import array_namespace, replace_rows, take_rows, to_host
from skcrit._typing import Array, IntArray


@dataclass(frozen=True)
class Products:
    """Products with A - shift I, for a batch of matrices A."""

    matvec: Callable[..., Any]  # (n_systems, n) to ``A v`` of the same shape
    like: Array  # an array like those that are multiplied
    shift: Array | None = None  # (n_systems, 1) or ()
    # Maps row numbers to the ``matvec`` of these systems; None computes products for
    # the whole batch.
    take: Callable[..., Any] | None = None
    # Numbers by which ``take`` knows these systems; None counts from zero.
    rows: IntArray | None = None

    def __call__(self, v: Array) -> Array:
        """Multiply, and check the array that ``matvec`` returns."""
        p, like = self.matvec(v), self.like
        got = (getattr(p, "shape", None), getattr(p, "dtype", None))
        if got != (like.shape, like.dtype):
            raise ValueError(
                f"matvec must return an array of shape {tuple(like.shape)} and "
                f"{like.dtype}, got shape {got[0]} and {got[1]}."
            )
        return p if self.shift is None else p - self.shift * v

    def select(self, rows: IntArray) -> Products:
        """Return the products of some of the systems; only with ``take``."""
        assert self.take is not None
        known = rows if self.rows is None else self.rows[rows]
        shift = self.shift
        if shift is not None and shift.ndim:
            shift = take_rows(shift, rows)
        like = take_rows(self.like, rows)
        return Products(self.take(known), like, shift, self.take, known)

    def of(self, v: Array, wanted: Array | None) -> Array:
        """Multiply the wanted rows (None: all); the products of all others are zero."""
        if wanted is None:
            return self(v)
        xp = array_namespace(v)
        rows = np.flatnonzero(to_host(wanted))
        zeros = xp.zeros_like(v)
        if self.take is None or len(rows) == v.shape[0]:
            return self(xp.where(wanted[:, None], v, zeros))
        if len(rows) == 0:
            return zeros
        return replace_rows(zeros, rows, self.select(rows)(take_rows(v, rows)))


def row_norms(xp: Any, v: Array) -> Array:
    """Compute the 2-norms of the rows, safe from overflow and underflow."""
    peak = xp.max(xp.abs(v), axis=-1)
    unit = xp.where(peak > 0, peak, xp.ones_like(peak))
    v = v / unit[:, None]
    return unit * xp.sqrt(xp.vecdot(v, v))


def norms_and_units(xp: Any, v: Array) -> tuple[Array, Array]:
    """Divide rows into norms and unit vectors; NaN and zero if a row is not finite."""
    peak = xp.max(xp.abs(v), axis=-1)
    finite = xp.isfinite(peak)
    if not bool(xp.all(finite)):
        v = xp.where(finite[:, None], v, xp.zeros_like(v))
    unit = xp.where(finite & (peak > 0), peak, xp.ones_like(peak))
    v = v / unit[:, None]
    norm = xp.sqrt(xp.vecdot(v, v))
    norms = xp.where(finite, unit * norm, xp.full_like(peak, xp.nan))
    return norms, v / xp.where(norm > 0, norm, xp.ones_like(norm))[:, None]
