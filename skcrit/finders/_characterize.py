"""What a numerical critical point is: inertia and invariants, with their errors.

Everything here comes from the loss's value, gradient and Hessian at the point.
"""

from dataclasses import dataclass, fields

import numpy as np

from skcrit._backend import (
    array_namespace,
    chunks_of_rows,
    replace_rows,
    take_rows,
    to_host,
)
from skcrit.linalg import eigh, inertia, rounding_level

__all__ = ["MAX_DENSE", "UNKNOWN", "Characters", "characterize"]

# Beyond this many parameters no dense Hessian is formed, and the inertia stays unknown.
MAX_DENSE = 4096
UNKNOWN = -1

# Safety factor on error estimates of first order.
_SAFETY = 10.0

# Newton corrections per point: one where the Hessian is regular up to symmetries, more
# help where it is not.
_CORRECTIONS = 3

# A step that shrinks the gradient to less than this part has hardly changed the
# Hessian: the next one uses the same eigenpairs.
_CHORD = 1e-3

# When eigenvalues are uncertain by more than this fraction of the largest, or of the
# curvature that is usual for the loss, the Morse index is not known.
_UNRESOLVED = 1e-3


# Relative to the size of products: far above what differences of gradients err by.
_ASYMMETRY = 1e-2


@dataclass
class Characters:
    """Descriptions of a batch of points, one row each, on the host.

    Attributes
    ----------
    point : ndarray of shape (n, n_params)
        Rescaled points, corrected by Newton steps where that helps.
    loss : ndarray of shape (n,)
        Loss there.
    squared_balanced_grad_norm : ndarray of shape (n,)
        Squared gradient norm at the rescaled point before the correction.
    morse_index, nullity : ndarray of int of shape (n,)
        Negative and zero eigenvalues of the Hessian; -1 if unknown.
    invariants : ndarray of shape (n, n_invariants)
        Invariants of ``point``.
    uncertainty : ndarray of shape (n,)
        Estimated error of the invariants, in their Euclidean norm.
    start_norm : ndarray of shape (n,)
        Norm of the invariants where the search began: their natural scale.
    """

    point: np.ndarray
    loss: np.ndarray
    squared_balanced_grad_norm: np.ndarray
    morse_index: np.ndarray
    nullity: np.ndarray
    invariants: np.ndarray
    uncertainty: np.ndarray
    start_norm: np.ndarray

    @staticmethod
    def empty(n_params):
        """Describe no point.

        Parameters
        ----------
        n_params : int
            Number of parameters.

        Returns
        -------
        characters : Characters
            No rows.
        """
        none, nothing = np.empty(0), np.empty(0, dtype=int)
        points = np.empty((0, n_params))
        return Characters(points, none, none, nothing, nothing, points, none, none)

    @staticmethod
    def concatenate(parts):
        """Join batches.

        Parameters
        ----------
        parts : list of Characters
            At least one batch.

        Returns
        -------
        characters : Characters
            All rows, in the order of the batches.
        """
        columns = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts])
            for f in fields(Characters)
        }
        return Characters(**columns)


@np.errstate(over="ignore", invalid="ignore")  # searches that failed end anywhere
def characterize(loss, theta0, theta, converged, modes=None):
    """Describe the end points of a batch of searches.

    Parameters
    ----------
    loss : Loss
        Fitted loss.
    theta0 : ndarray of shape (n, n_params)
        Where the searches began.
    theta : ndarray of shape (n, n_params)
        End points; rows that are not finite get NaN and unknown counts.
    converged : ndarray of bool of shape (n,)
        Which of them are critical; the others keep unknown inertia.
    modes : dict, default=None
        Takes up, by row, the eigenvalues and eigenvectors (in columns) of the Hessians
        at the converged points, for who needs them: they are large.

    Returns
    -------
    characters : Characters
        One row per point.

    Notes
    -----
    Costs up to four dense Hessians per converged point, and two symmetric eigenproblems
    where the first correction hardly changes the Hessian, up to four elsewhere.
    """
    n, n_params = theta.shape
    finite = np.all(np.isfinite(theta), axis=1)
    safe = np.where(finite[:, None], theta, 0.0)
    scaled = loss.rescale(loss.asarray(safe))
    local = loss.at(scaled)
    xp = array_namespace(scaled)
    squared = to_host(xp.sum(local.gradient**2, axis=-1))
    invariants = to_host(loss.invariants(scaled))
    result = Characters(
        point=np.array(to_host(scaled), dtype=float),
        loss=np.where(finite, to_host(local.value), np.nan),
        squared_balanced_grad_norm=np.where(finite, squared, np.nan),
        morse_index=np.full(n, UNKNOWN),
        nullity=np.full(n, UNKNOWN),
        invariants=np.array(invariants, dtype=float),
        uncertainty=np.zeros(n),
        start_norm=loss.invariants_scale(theta0),
    )
    rows = np.flatnonzero(converged & finite)
    if n_params <= MAX_DENSE and len(rows):
        if not loss.rescale_keeps_inertia:
            scaled = loss.asarray(safe)
        for chunk in chunks_of_rows(rows, n_params**2, scaled):
            _examine(loss, take_rows(scaled, chunk), chunk, result, modes)
    return result


def _examine(loss, theta, rows, result, modes):
    r"""Correct critical points by Newton steps and count their eigenvalues.

    At a point that misses the critical set by a distance :math:`\delta`, the zero modes
    of the Hessian have size O(delta), of either sign. How large that is in the unit of
    the loss is measured: a step reaches the set up to the factor by which it reduces
    the gradient, and by Weyl's inequality no eigenvalue moves further than the Hessian
    does along the step.
    """
    xp = array_namespace(theta)
    theta, eigenvalues, vectors, error, uncertainty = _corrected(xp, loss, theta)
    threshold = xp.maximum(rounding_level(eigenvalues), _SAFETY * error)
    n_negative, n_zero = (to_host(n) for n in inertia(eigenvalues, threshold))
    largest = to_host(xp.max(xp.abs(eigenvalues), axis=-1))
    usual = loss.curvature(theta)
    scale = np.maximum(largest, usual)
    # In a bad gauge some eigenvalues are larger than usual by a factor, and others
    # smaller by it: these must be above rounding too.
    excess = np.where((usual > 0) & (largest > usual), largest / usual, 1.0)
    finest = _UNRESOLVED * scale / np.maximum(excess / _SAFETY, 1.0) ** 2
    unresolved = ~np.isfinite(largest)  # no eigenvalues at all
    unresolved |= to_host(threshold) > np.where(scale > 0, finest, np.inf)
    unresolved |= ~_has_symmetric_products(loss, theta)
    for name, column in (
        ("point", theta),
        ("loss", loss.value(theta)),
        ("morse_index", np.where(unresolved, UNKNOWN, n_negative)),
        ("nullity", np.where(unresolved, UNKNOWN, n_zero)),
        ("invariants", loss.invariants(theta)),
        ("uncertainty", uncertainty),
    ):
        getattr(result, name)[rows] = to_host(column)
    if modes is not None:
        pairs = zip(to_host(eigenvalues), to_host(vectors), strict=True)
        modes.update(zip(rows.tolist(), pairs, strict=True))


def _has_symmetric_products(loss, theta):
    """Tell where products are those of a symmetric matrix, as a Hessian is."""
    xp, local = array_namespace(theta), loss.at(theta)
    draws = np.random.default_rng(0).standard_normal((2, theta.shape[-1]))
    u, v = (loss.asarray(np.broadcast_to(d, theta.shape)) for d in draws)
    Hu, Hv = local.hvp(u), local.hvp(v)
    error = to_host(xp.abs(xp.sum(u * Hv, axis=-1) - xp.sum(v * Hu, axis=-1)))
    size = to_host(xp.sum(xp.abs(u * Hv) + xp.abs(v * Hu), axis=-1))
    return error <= _ASYMMETRY * size


def _corrected(xp, loss, theta):
    """Take Newton steps while they help; return points, eigenpairs and errors there."""
    at = {"theta": theta, "hessian": loss.at(theta).hessian()}
    at["values"], at["vectors"] = eigh(at["hessian"])
    error = xp.zeros_like(at["values"][:, 0])
    uncertainty = np.zeros(theta.shape[0])
    for blind_below in (_coarse_cut, rounding_level):
        is_first = blind_below is _coarse_cut
        # Bad data have weak directions that the coarse cut leaves out.
        active = np.arange(len(uncertainty)) if is_first else _between(xp, at["values"])
        stale, near = np.zeros((2, len(uncertainty)), dtype=bool)
        for _ in range(_CORRECTIONS if len(active) else 0):
            part = {name: take_rows(a, active) for name, a in at.items()}
            cut = blind_below(part["values"])
            moved, ratio, errors = _correct(xp, loss, cut, **part)
            improved = np.flatnonzero(ratio < 1)
            # A fine step that does not help follows rounding, and tells nothing.
            told = np.arange(len(active)) if is_first else improved
            error = replace_rows(error, active[told], take_rows(errors[0], told))
            uncertainty[active[told]] = errors[1][told]
            active, ratio = active[improved], ratio[improved]
            # Where a step does not help, the next one would be the same.
            if len(active) == 0:
                break
            for name, array in moved.items():
                array = take_rows(array, improved)
                at[name] = replace_rows(at[name], active, array)
            stale[active] = True
            # Near the set the old eigenpairs serve the next steps as well.
            near[active] |= ratio <= _CHORD
            at = _redecomposed(at, stale, active[~near[active]])
        at = _redecomposed(at, stale, np.flatnonzero(stale))
    return at["theta"], at["values"], at["vectors"], error, uncertainty


def _redecomposed(at, stale, rows):
    """Bring the eigenpairs of some rows up to their Hessians."""
    if len(rows) == 0:
        return at
    stale[rows] = False
    values, vectors = eigh(take_rows(at["hessian"], rows))
    values = replace_rows(at["values"], rows, values)
    return at | {
        "values": values,
        "vectors": replace_rows(at["vectors"], rows, vectors),
    }


def _coarse_cut(eigenvalues):
    """Bound the eigenvalues that a first step trusts: the root of the precision."""
    xp = array_namespace(eigenvalues)
    eps = float(xp.finfo(eigenvalues.dtype).eps)
    return eps**0.5 * xp.max(xp.abs(eigenvalues), axis=-1)


def _between(xp, eigenvalues):
    """Find rows with eigenvalues above rounding that the coarse cut leaves out."""
    size = xp.abs(eigenvalues)
    left_out = size <= _coarse_cut(eigenvalues)[:, None]
    weak = left_out & (size > rounding_level(eigenvalues)[:, None])
    return np.flatnonzero(to_host(xp.any(weak, axis=-1)))


def _correct(xp, loss, cut, theta, hessian, values, vectors):
    """Try a step: where it leads, what is left of the gradient (1: no help), errors."""
    local = loss.at(theta)
    step = _newton_step(xp, values, vectors, local.gradient, cut)
    moved = loss.at(theta + step)
    moved_hessian = moved.hessian()
    before, after = (xp.sum(m.gradient**2, axis=-1) for m in (local, moved))
    ratio = xp.sqrt(after / xp.where(before > 0, before, xp.ones_like(before)))
    change = xp.sqrt(xp.sum((moved_hessian - hessian) ** 2, axis=(-2, -1)))
    # A step that is no correction (a weak direction, a huge length) says nothing.
    change = xp.where(xp.isfinite(change), change, xp.max(xp.abs(values), axis=-1))
    improved = ratio < 0.5
    ratio = xp.where(improved, ratio, xp.ones_like(ratio))
    shift = loss.invariants(theta + step) - loss.invariants(theta)
    shift = to_host(xp.sqrt(xp.sum(shift**2, axis=-1)))
    shift = shift * np.minimum(_SAFETY * to_host(ratio), 1.0)
    shift = np.nan_to_num(shift, nan=np.inf)
    moved = {"theta": theta + step, "hessian": moved_hessian}
    return moved, to_host(ratio), (ratio * change, shift)


def _newton_step(xp, values, vectors, gradient, cut):
    """Compute ``-H^+ g``, blind to eigenvalues of at most the size of the cut."""
    # The gradient is orthogonal to the symmetry orbits, so that the eigenvalues that
    # are zero because of them carry nothing; the cut only keeps rounding out.
    keep = xp.abs(values) > cut[:, None]
    inverse = 1 / xp.where(keep, values, xp.ones_like(values))
    inverse = xp.where(keep, inverse, xp.zeros_like(values))
    components = xp.sum(vectors * gradient[:, :, None], axis=-2)
    return -xp.sum(vectors * (inverse * components)[:, None, :], axis=-1)
