"""Final states of the systems of a batch: kept as they end, judged together."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from skcrit._backend import device, take
from skcrit._typing import Array, BoolArray, IntArray
from skcrit.linalg._linear_result import LinearStatus

# Reasons for ending; of several, the last applies.
_REASONS = (
    ("stagnated", LinearStatus.STAGNATED),
    ("solved", LinearStatus.SOLVED),
    ("growing", LinearStatus.INCONSISTENT),
    ("flat", LinearStatus.INCONSISTENT),
    ("bad", LinearStatus.NON_FINITE),
)

# Columns with the reason and the step at which a system ended.
_KEPT = (
    "stagnated",
    "solved",
    "growing",
    "flat",
    "bad",
    "in_kernel",
    "scale",
    "sigma",
) + ("anorm", "last_anorm", "gmin", "last_gmin", "curvature", "last_curvature")


def idle(s: SimpleNamespace, local: IntArray) -> tuple[IntArray, dict[str, Array]]:
    """Return the final state of systems whose right-hand side is zero or not finite."""
    xp, index = s.xp, index_of(s, local)
    codes = (LinearStatus.SOLVED, LinearStatus.NON_FINITE)
    solved, bad = (xp.full_like(index, int(code)) for code in codes)
    zero, one, inf, x, size = (
        take(a, index) for a in (s.zero, s.one, s.inf, 0 * s.v, s.beta1)
    )
    return local, {
        "x": x,
        "n_iter": xp.zeros_like(index),
        "n_matvec": xp.zeros_like(index),
        "status": xp.where(size == 0, solved, bad),
        "norm": zero,
        "condition": one,
        "curvature": inf,
    }


def retire(s: SimpleNamespace, k: int, ending: BoolArray) -> None:
    """Keep the state of the systems that end, for :func:`_judged`."""
    xp, local = s.xp, ending.nonzero()[0]
    index, together = index_of(s, local), len(local) == len(ending)

    def pick(name: str) -> Array:
        array = getattr(s, name)
        return array if together else take(array, index)

    end = {name: pick(name) for name in _KEPT}
    basis = s.basis[: s.at + 1, ...]
    basis = basis if together else xp.take(basis, index, axis=1)
    basis = xp.permute_dims(basis, (1, 0, 2))

    def combined(before: str) -> Array:
        coefficients = pick(before + "coefficients")[..., : s.at + 1]
        parts = coefficients @ basis
        # x_k = x_{k-2} + mu_{k-1} w_{k-1} + mu_k w_k
        x = parts[:, 0, :] + pick(before + "mu1")[:, None] * parts[:, 1, :]
        return x + pick(before + "mu0")[:, None] * parts[:, 2, :]

    back = end["flat"] | end["bad"] | end["growing"]
    end["x"] = x = combined("")
    if bool(xp.any(back)):
        end["x"] = xp.where(back[:, None], combined("last_"), x)
    s.ended.append((s.rows[local], k, end))
    s.alive = s.alive & ~ending
    s.n_alive = int(np.count_nonzero(s.alive))


def collected(s: SimpleNamespace) -> SimpleNamespace:
    """Collect the final states of all systems, in their original order."""
    xp = s.xp
    if s.ended:
        ended = [end for *_, end in s.ended]
        end = ended[0]
        if len(ended) > 1:
            end = {name: xp.concat([part[name] for part in ended]) for name in end}
        where = np.concatenate([rows for rows, *_ in s.ended])
        n_iter = [np.full(len(rows), k) for rows, k, _ in s.ended]
        end["count"] = index_of(s, np.concatenate(n_iter))
        s.parts.append((where, _judged(s, end)))
    rows = np.concatenate([rows for rows, _ in s.parts])
    parts = [part for _, part in s.parts]
    if len(parts) == 1 and len(s.ended) < 2:
        return SimpleNamespace(**parts[0])
    index = index_of(s, np.argsort(rows))
    end = {
        name: xp.take(xp.concat([part[name] for part in parts]), index, axis=0)
        for name in parts[0]
    }
    return SimpleNamespace(**end)


def _judged(s: SimpleNamespace, end: dict[str, Array]) -> dict[str, Array]:
    """Judge the final states of systems."""
    # All systems together: most iterations end some system, and these are many small
    # operations.
    xp, count, sigma = s.xp, end["count"], end["sigma"]

    def earlier(name: str, back: Array) -> Array:
        return xp.where(back, end["last_" + name], end[name])

    code = xp.full_like(count, int(LinearStatus.MAX_ITER))
    for name, status in _REASONS:
        code = xp.where(end[name], xp.full_like(code, int(status)), code)
    noise = end["flat"] | end["bad"]
    back = noise | end["growing"]
    n_iter = count - xp.astype(back, count.dtype)
    n_iter = xp.where(end["in_kernel"], xp.zeros_like(count), n_iter)
    x = end["x"] * end["scale"][:, None]
    anorm = earlier("anorm", end["bad"])
    one = xp.ones_like(anorm)
    condition = anorm / earlier("gmin", back)
    curvature = earlier("curvature", noise) * sigma
    infinite = xp.full_like(curvature, math.inf)
    return {
        "x": xp.where((n_iter > 0)[:, None], x, xp.zeros_like(x)),
        "n_iter": n_iter,
        "n_matvec": count,
        "status": code,
        "norm": anorm * sigma,
        "condition": xp.where(condition > one, condition, one),
        "curvature": xp.where(end["in_kernel"], infinite, curvature),
    }


def index_of(s: SimpleNamespace, local: IntArray) -> Array:
    """Return row numbers as an array of the same namespace."""
    if type(s.beta1) is np.ndarray:
        return local
    return s.xp.asarray(local, dtype=s.xp.int64, device=device(s.beta1))
