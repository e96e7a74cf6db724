"""Morse theory as a check of completeness without a truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._backend import to_host
from skcrit._typing import ArrayLike, BoolArray, FittedFinder, FloatArray, IntArray
from skcrit.losses.adapt import as_loss
from skcrit.losses.proofs import Provable
from skcrit.metrics._undefined import undefined
from skcrit.utils._arguments import check_array
from skcrit.utils._validation import check_fitted

# What the critical sets of a finder consist of, and what a report needs besides.
SETS = ("loss_", "critical_points_", "critical_losses_", "morse_indices_")
SETS += ("nullities_", "counts_")
ATTRIBUTES = (*SETS, "results_")

# Relative to the longest of all sets: tangents of symmetries below it are zero.
_RANK = 1e-6


def euler_sum(
    finder: FittedFinder, *, euler_characteristics: ArrayLike | None = None
) -> float:
    r"""Sum :math:`(-1)^{\mathrm{index}}` over all critical points that were found.

    If the loss is coercive (it tends to infinity in all directions) and all of its
    critical points are non-degenerate, the sum over a complete list is +1, the Euler
    characteristic of the parameter space.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder, a :class:`~skcrit.LandscapeExplorer` too.
    euler_characteristics : array-like of int of shape (n_sets,), default=None
        Euler characteristic of each critical set with all of its symmetric copies, in
        the order of ``critical_points_``. By default the loss provides it: by its
        method ``orbit_euler(theta)`` if it has one, and otherwise, for sets without
        zero eigenvalues, by the number of points, ``orbit_size(theta)``.

    Returns
    -------
    total : float
        The sum, a whole number; NaN if it is not defined.

    Raises
    ------
    ValueError
        If ``euler_characteristics`` is not one whole number per set.
    NotFittedError
        If the finder is not fitted.
    TypeError
        If ``finder`` is not a finder.

    Warns
    -----
    UndefinedMetricWarning
        If a Morse index is unknown, or the Euler characteristic of a set with zero
        eigenvalues is.

    Notes
    -----
    This is the sum of Morse theory [1]_: a set of index k contributes :math:`(-1)^k`
    times the number of its points. A manifold of critical points contributes
    :math:`(-1)^k` times its Euler characteristic (Bott [2]_), if the Hessian is
    non-degenerate across the manifold and its unstable directions have an orientation
    along it.

    **+1 is necessary for completeness, but not sufficient.** The contributions of
    missing points can cancel, as those of two points of neighbouring index do. On the
    2-3-1 tanh network of the tests, whose 21 critical sets are known, explorations that
    had found 8, 14 and 19 of them also summed to +1. Any other value proves that the
    list is incomplete, or that an index, an orbit size or a label is wrong.

    :func:`morse_inequalities` is a stronger check. A loss without a penalty is rarely
    coercive, and then the sum has no meaning. The same holds for linear networks
    without a penalty, whose critical sets are not compact.

    References
    ----------
    .. [1] J. Milnor. "Morse theory". Princeton University Press, 1963.
    .. [2] R. Bott. "Nondegenerate critical manifolds". Annals of Mathematics 60, 1954.

    Examples
    --------
    >>> import numpy as np
    >>> from skcrit import FunctionLoss, NewtonMRFinder
    >>> from skcrit.metrics import euler_sum
    >>> loss = FunctionLoss(
    ...     lambda t: np.sum((t**2 - 1) ** 2, axis=-1),
    ...     lambda t: 4 * t * (t**2 - 1),
    ...     n_params=1,
    ... )
    >>> init = [[-1.2], [0.1], [0.9]]
    >>> euler_sum(NewtonMRFinder(loss, n_starts=3, init=init).fit())
    1.0
    """
    check_fitted(finder, "finder", ATTRIBUTES)
    characteristics = _checked(euler_characteristics, len(finder.critical_losses_))
    try:
        return float(np.sum(euler_terms(finder, characteristics)))
    except ArithmeticError as reason:
        return undefined("euler_sum", str(reason))


def morse_inequalities(finder: FittedFinder) -> BoolArray:
    r"""Check the Morse inequalities, which a complete list satisfies.

    They generalise that between two minima there is a saddle of index one. If the loss
    is coercive and all of its critical points are non-degenerate [1]_, the numbers
    :math:`c_j` of critical points of index j satisfy, for every k,

    .. math:: c_k - c_{k-1} + c_{k-2} - \dots \pm c_0 \ge (-1)^k.

    Parameters
    ----------
    finder : BaseFinder
        Fitted finder, a :class:`~skcrit.LandscapeExplorer` too.

    Returns
    -------
    holds : ndarray of bool of shape (n_params + 1,)
        Whether the inequality holds for k = 0, 1, ... If one fails, critical points are
        missing. The last one holds whenever ``euler_sum`` is +1.

    Raises
    ------
    ValueError
        If a Morse index is unknown, or a critical point has zero eigenvalues.
    NotFittedError
        If the finder is not fitted.
    TypeError
        If ``finder`` is not a finder.

    See Also
    --------
    euler_sum : The sum over all k, also for manifolds of critical points.

    Notes
    -----
    Like the sum, they are necessary for completeness, but not sufficient. They detect
    more than the sum: three minima and two maxima of odd index have the sum +1, but the
    saddles between the minima are missing.

    References
    ----------
    .. [1] J. Milnor. "Morse theory". Princeton University Press, 1963, section 5.

    Examples
    --------
    >>> import numpy as np
    >>> from skcrit import FunctionLoss, NewtonMRFinder
    >>> from skcrit.metrics import morse_inequalities
    >>> loss = FunctionLoss(
    ...     lambda t: np.sum((t**2 - 1) ** 2, axis=-1),
    ...     lambda t: 4 * t * (t**2 - 1),
    ...     n_params=1,
    ... )
    >>> minima = NewtonMRFinder(loss, n_starts=2, init=[[-1.2], [0.9]]).fit()
    >>> morse_inequalities(minima)
    array([ True, False])
    """
    check_fitted(finder, "finder", ATTRIBUTES)
    if np.any(np.asarray(finder.nullities_) > 0):
        rows = np.flatnonzero(np.asarray(finder.nullities_) > 0)
        raise ValueError(
            "finder must have non-degenerate critical points only; the Hessian of "
            f"{_sets(rows)} has zero eigenvalues."
        )
    try:
        terms = np.abs(euler_terms(finder))
    except ArithmeticError as reason:
        raise ValueError(
            f"finder must have critical points of known index; {reason}."
        ) from None
    return _inequalities(finder, terms)


def _inequalities(finder: Any, sizes: IntArray) -> BoolArray:
    """Compare alternating sums of the numbers of points with those of flat space."""
    n_params = as_loss(finder.loss_, "loss_").n_params_
    index = np.asarray(finder.morse_indices_)
    signs = np.where(np.arange(n_params + 1) % 2 == 0, 1, -1)
    counts = np.zeros(n_params + 1, dtype=np.int64)
    np.add.at(counts, index, sizes)
    return signs * np.cumsum(signs * counts) >= signs


def euler_terms(
    finder: FittedFinder, characteristics: IntArray | None = None
) -> IntArray:
    """Compute what each critical set contributes to the alternating sum."""
    # ArithmeticError if a contribution is not known: of which sets, and why.
    index = np.asarray(finder.morse_indices_)
    unknown = np.flatnonzero(index < 0)
    if len(unknown):
        raise ArithmeticError(f"the Morse index of {_sets(unknown)} is unknown")
    if characteristics is None:
        characteristics = _characteristics(finder)
    return np.where(index % 2 == 0, 1, -1) * characteristics


def euler_alarm(finder: FittedFinder) -> tuple[float, str]:
    """Return the alternating sum, NaN if it says nothing, and why it says nothing."""
    loss, limit = as_loss(finder.loss_, "loss_"), getattr(finder, "max_index", None)
    if limit is not None:
        return float("nan"), f"only Morse indices up to {limit} were sought"
    if loss.is_coercive is not True:
        known = "is not" if loss.is_coercive is False else "is not known to be"
        return float("nan"), f"the loss {known} coercive"
    if len(finder.critical_losses_) == 0:
        return float("nan"), "nothing was found"
    try:
        terms = euler_terms(finder)
    except ArithmeticError as reason:
        return float("nan"), str(reason)
    tangents = to_host(loss.orbit_tangents(loss.asarray(finder.critical_points_)))
    sizes = np.linalg.svdvals(tangents)
    ranks = np.sum(sizes > _RANK * np.max(sizes, initial=0), axis=-1)
    degenerate = np.flatnonzero(np.asarray(finder.nullities_) != ranks)
    if len(degenerate):
        return float("nan"), (
            f"{_sets(degenerate)} has other zero eigenvalues than those of symmetries"
        )
    return float(np.sum(terms)), ""


def alarm_text(finder: FittedFinder) -> str:
    """Say what topology proves against a list of critical sets, if anything."""
    total, _ = euler_alarm(finder)
    complete = as_loss(finder.loss_, "loss_").euler_characteristic
    if np.isnan(total):
        return ""
    if total != complete:
        return (
            f"Euler sum {total:+.0f}: the loss is coercive, and for a complete list it "
            f"is {complete:+.0f}. Sets are missing."
        )
    # Of manifolds, and of other spaces, Betti numbers would be needed.
    if complete != 1 or np.any(np.asarray(finder.nullities_) != 0):
        return ""
    broken = np.flatnonzero(~_inequalities(finder, np.abs(euler_terms(finder))))
    if len(broken) == 0:
        return ""
    return (
        f"The Morse inequality for index {broken[0]} fails: the loss is coercive, and "
        "it holds for a complete list. Sets are missing."
    )


def _characteristics(finder: Any) -> FloatArray:
    """Ask the loss for the Euler characteristics of the critical sets."""
    loss = as_loss(finder.loss_, "loss_")
    points = loss.asarray(finder.critical_points_)
    if getattr(loss.orbit_euler, "__func__", None) is not Provable.orbit_euler:
        euler = np.asarray(to_host(loss.orbit_euler(points)))
        unknown = np.flatnonzero(np.isnan(euler))
        if len(unknown):
            raise ArithmeticError(
                f"the loss does not know the Euler characteristic of {_sets(unknown)}; "
                "give euler_characteristics"
            )
        return euler
    degenerate = np.flatnonzero(np.asarray(finder.nullities_) != 0)
    if len(degenerate):
        raise ArithmeticError(
            f"the Hessian of {_sets(degenerate)} has zero eigenvalues, and the loss "
            "does not know their Euler characteristics; give euler_characteristics"
        )
    return np.asarray(loss.orbit_size(points))


def _checked(characteristics: Any, n_sets: int) -> IntArray | None:
    """Return given Euler characteristics as integers."""
    if characteristics is None:
        return None
    return check_array(
        characteristics,
        "euler_characteristics",
        f"a whole number for each of the {n_sets} critical sets",
        lambda a: a.shape == (n_sets,) and np.all(a == np.round(a)),
    ).astype(np.int64)


def _sets(rows: IntArray) -> str:
    """Name critical sets by their rows."""
    shown = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
    return f"critical set{'s' if len(rows) > 1 else ''} {shown}"
