"""Checks of what is said about known critical points."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from skcrit._backend import to_host
from skcrit._typing import FloatArray, IntArray
from skcrit.utils._arguments import as_numbers, check_array, shown

# Points closer than this fraction of the largest distance are the same.
_SAME = 1e-9


def check_points(points: Any) -> FloatArray:
    """Return points as a finite matrix (n_sets, n_params)."""
    return check_array(
        points,
        "points",
        "a finite array of shape (n_sets, n_params), one critical point per row",
        lambda a: a.ndim == 2 and a.size and np.all(np.isfinite(a)),
    ).copy()


def check_own_loss(loss: Any, n_params: int) -> Any:
    """Return a loss that is fitted to this many parameters, or None."""
    if loss is None:
        return None
    missing = [name for name in ("value", "gradient") if not hasattr(loss, name)]
    if missing or isinstance(loss, type) or not hasattr(loss, "n_params_"):
        raise ValueError(
            "loss must be a fitted loss with n_params_ and the methods value and "
            f"gradient, or None, got {shown(loss)}."
        )
    if loss.n_params_ != n_params:
        raise ValueError(
            f"loss must have as many parameters as points has columns, {n_params}, got "
            f"{loss.n_params_}."
        )
    return loss


def check_losses(losses: Any, loss: Any, points: FloatArray) -> FloatArray:
    """Return the loss at each point: what was given, or computed."""
    if losses is None:
        if loss is None:
            raise ValueError(
                "losses must be given, or a fitted loss to compute them; got neither."
            )
        losses = to_host(loss.value(points))
    return check_array(
        losses,
        "losses",
        f"{len(points)} finite numbers, one for each of points",
        lambda a: a.shape == (len(points),) and np.all(np.isfinite(a)),
    ).copy()


def check_inertia(
    morse_indices: Any, nullities: Any, shape: tuple[int, int]
) -> list[IntArray]:
    """Return Morse indices and nullities, -1 if they are not known."""
    (n_sets, n_params), checked = shape, []
    for name, counts in (("morse_indices", morse_indices), ("nullities", nullities)):
        numbers = np.full(n_sets, -1.0)
        if counts is not None:
            numbers = as_numbers(counts, name)
        with np.errstate(invalid="ignore"):
            whole = np.all((numbers % 1 == 0) & (numbers >= -1) & (numbers <= n_params))
        if numbers.shape != (n_sets,) or not whole:
            raise ValueError(
                f"{name} must be {n_sets} integers from 0 to n_params={n_params} (-1: "
                f"not known), one for each of points, got {shown(counts)}."
            )
        checked.append(numbers.astype(np.int64))
    if np.any(np.maximum(checked, 0).sum(axis=0) > n_params):
        raise ValueError(
            f"nullities and morse_indices must add up to at most n_params={n_params}, "
            f"got {shown(nullities)} and {shown(morse_indices)}."
        )
    return checked


def check_listed(indices: Any, n_params: int) -> tuple[int, ...] | None:
    """Return the Morse indices of which a list has every set, or None for all."""
    if indices is None:
        return None
    expected = f"integers from 0 to n_params={n_params}, or None"
    numbers = check_array(
        indices,
        "listed_indices",
        expected,
        lambda a: a.ndim == 1 and np.all((a % 1 == 0) & (a >= 0) & (a <= n_params)),
    )
    return tuple(sorted(set(numbers.astype(int).tolist())))


def check_names(names: Any, n_sets: int) -> list[Any]:
    """Return distinct names, by default the numbers of the points."""
    if names is None:
        return list(range(n_sets))
    try:
        listed = [] if isinstance(names, str | bytes) else list(names)
    except TypeError:
        listed = []
    texts = all(isinstance(name, str) for name in listed)
    if not texts or not len(listed) == n_sets == len(set(listed)):
        raise ValueError(
            f"names must be {n_sets} different texts, one per point, got "
            f"{shown(names)}."
        )
    return listed


def check_radius(radius: Any, n_sets: int) -> Any:
    """Return a positive number per set, or None."""
    if radius is None:
        return None
    radii = check_array(
        radius,
        "radius",
        f"a positive number, or {n_sets} of them, one per point",
        lambda a: a.shape in ((), (n_sets,)) and np.all((a > 0) & np.isfinite(a)),
    )
    return np.array(np.broadcast_to(radii, n_sets))


def invariants_at(function: Any, theta: FloatArray) -> FloatArray:
    """Compute invariants (n, n_invariants) of points (n, n_params), and check them."""
    try:
        values = as_numbers(to_host(function(theta)), "values")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"invariants must map points of shape {theta.shape} to real numbers: "
            f"{error}"
        ) from error
    if values.ndim != 2 or len(values) != len(theta):
        raise ValueError(
            f"invariants must map points of shape {theta.shape} to an array of shape "
            f"({len(theta)}, n_invariants), got {values.shape}."
        )
    return values


def separate(invariants: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return distance and row of the nearest other point, for each."""
    finite = np.all(np.isfinite(invariants), axis=1)
    if not np.all(finite):
        raise ValueError(
            "points must have finite invariants, got NaN or infinity at points "
            f"{np.flatnonzero(~finite).tolist()}."
        )
    distances = cdist(invariants, invariants)
    same = _SAME * np.max(distances)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argmin(distances, axis=1)
    separation = np.min(distances, axis=1)
    if np.min(separation) <= same:
        one = int(np.argmin(separation))
        raise ValueError(
            "points must be of different critical sets, got the same invariants at "
            f"points {one} and {nearest[one]}."
        )
    return separation, nearest
