"""How recovery depends on the tolerance, from one run of every search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from skcrit._tables import html_table, text_table
from skcrit._typing import ArrayLike, FloatArray
from skcrit.exceptions import NoGroundTruthError
from skcrit.finders import BaseFinder, LandscapeExplorer
from skcrit.losses.base import Loss
from skcrit.metrics import judge
from skcrit.search.engine import search_tols
from skcrit.utils._arguments import is_number, shown

__all__ = ["ToleranceCurve", "tolerance_curve"]


@dataclass(frozen=True, eq=False)
class ToleranceCurve:
    """Recovery at several tolerances.

    Parameters
    ----------
    tols : ndarray of shape (n_tols,)
        Tolerances, absolute, on the squared gradient norm, from loose to strict;
        infinity stands for the starting points.
    finders : list of BaseFinder
        Fitted finder at each tolerance, equal to one fitted with this ``tol``.
    converged : ndarray of shape (n_tols,)
        Fraction of the starts that converged: they reached the tolerance, and Newton
        steps from there contract to the level of rounding.
    accuracy : ndarray of shape (n_tols,)
        Recovery accuracy: fraction of all starts that end at a critical point known in
        closed form, with its loss and Morse index.
    precision : ndarray of shape (n_tols,)
        The same among the starts that converged; NaN if none converged, or if the
        critical points of the loss are not known.
    loss_error, index_error : ndarray of shape (n_tols,)
        Mean absolute errors of the converged starts against their nearest critical set,
        the index as a fraction of the parameters; NaN if unknown.
    n_gradient, n_hvp : ndarray of shape (n_tols,)
        Mean numbers of gradients and Hessian-vector products per start.
    """

    tols: np.ndarray
    finders: list
    converged: np.ndarray
    accuracy: np.ndarray
    precision: np.ndarray
    loss_error: np.ndarray
    index_error: np.ndarray
    n_gradient: np.ndarray
    n_hvp: np.ndarray

    def __repr__(self) -> str:
        return f"{self._title()}\n{text_table(self.to_dict())}"

    def _repr_html_(self) -> str:
        return html_table(self._title(), self.to_dict())

    def _title(self) -> str:
        finder = self.finders[0]
        n_starts = len(finder.converged_)
        return f"{type(self).__name__}: {type(finder).__name__}, {n_starts} starts"

    def to_dict(self) -> dict[str, Any]:
        """Return the curve as columns, ready for ``pandas.DataFrame``.

        Returns
        -------
        columns : dict of str to ndarray
            Everything but the finders.
        """
        return {name: vars(self)[name] for name in ("tols", *_SCORES, *_COSTS)}


_SCORES = ("converged", "accuracy", "precision", "loss_error", "index_error")
_COSTS = ("n_gradient", "n_hvp")


def tolerance_curve(
    finder: BaseFinder,
    X: ArrayLike | Loss | None = None,
    tols: ArrayLike = (np.inf, 1e-6, 1e-8, 1e-10),
    *,
    y: ArrayLike | None = None,
) -> ToleranceCurve:
    """Measure recovery against the tolerance, with one run of every search.

    Parameters
    ----------
    finder : BaseFinder
        Finder; it is cloned, and its ``tol`` is not used.
    X : array-like of shape (n_samples, n_features), fitted Loss, or None
        As in :meth:`BaseFinder.fit <skcrit.BaseFinder.fit>`.
    tols : array-like of shape (n_tols,), default=(inf, 1e-6, 1e-8, 1e-10)
        Tolerances in any order, absolute, on the squared gradient norm; infinity stands
        for the starting points.
    y : array-like, default=None
        Targets, as in :meth:`BaseFinder.fit <skcrit.BaseFinder.fit>`.

    Returns
    -------
    curve : ToleranceCurve
        Scores and fitted finders, from the loosest tolerance to the strictest.

    Raises
    ------
    ValueError
        If ``tols`` is empty or not made of non-negative numbers; if the finder's solver
        cannot stop at several tolerances, or its searches depend on what others have
        found (``LandscapeExplorer``, ``deflate=True``); and whatever ``fit`` raises.
    TypeError
        If ``finder`` is not a finder.

    Notes
    -----
    A search that stops at a loose tolerance is the beginning of one that stops at a
    strict tolerance. Every start is therefore run once, to the strictest tolerance, and
    is described at the points at which it passes the others. The finders are equal, bit
    by bit, to refitted ones; the cost is that of one fit and of the Hessians at every
    stop. Even with ``random_state=None`` all of them have the same starts.

    The curve shows which starts do not reach a tolerance; no NotConvergedWarning is
    given.

    Examples
    --------
    >>> from skcrit import NewtonMRFinder
    >>> from skcrit.model_selection import tolerance_curve
    >>> X = [[2, 1.5, 1], [2, -1.5, -1], [-2, 1.5, -1], [-2, -1.5, 1]]
    >>> finder = NewtonMRFinder(n_starts=10, random_state=0)
    >>> curve = tolerance_curve(finder, X, [float("inf"), 1e-10])
    >>> [float(value) for value in curve.accuracy]
    [0.0, 1.0]
    """
    tols = _check_tols(tols)
    if not hasattr(finder, "_begin") or isinstance(finder, type):
        raise TypeError(f"finder must be a finder, got {shown(finder)}.")
    if isinstance(finder, LandscapeExplorer) or getattr(finder, "deflate", False):
        raise ValueError(
            "finder must search from every start independently of the others, which "
            f"{type(finder).__name__} does not: what it has found determines where it "
            "goes on. Take another finder, such as NewtonMRFinder()."
        )
    finder = clone(finder).set_params(tol=min(tols))
    solver, starts = finder._begin(X, y)
    if not hasattr(solver, "solve_tols"):
        raise ValueError(
            "finder must have a solver with the method solve_tols, as those have that "
            "derive from skcrit.solvers.Solver, to be stopped at several tolerances; "
            f"got the solver {type(solver).__name__} of {type(finder).__name__}."
        )
    batches = finder._batches()
    results = search_tols(finder.loss_, solver, starts, tols, batches=batches)
    finders = []
    for tol, result in zip(tols, results, strict=True):
        fitted = clone(finder).set_params(tol=tol)
        for name, value in finder._attributes(result).items():
            setattr(fitted, name, value)
        finders.append(fitted)
    return _measure(np.array(tols), finders)


def _check_tols(tols: Any) -> tuple[float, ...]:
    """Sort tolerances from loose to strict."""
    try:
        values = [] if isinstance(tols, bytes) else list(tols)
    except TypeError:
        values = []
    if isinstance(tols, np.ma.MaskedArray) and np.any(np.ma.getmaskarray(tols)):
        values = []
    if not values or not all(is_number(tol, 0, closed="both") for tol in values):
        raise ValueError(
            "tols must be a non-empty sequence of numbers that are not negative, got "
            f"{shown(tols)}."
        )
    return tuple(sorted(map(float, values), reverse=True))


def _measure(tols: FloatArray, finders: list[BaseFinder]) -> ToleranceCurve:
    """Score a fitted finder per tolerance."""
    try:
        judgements = [judge(finder) for finder in finders]
    except NoGroundTruthError:
        scores = {name: np.full(len(tols), np.nan) for name in _SCORES[1:]}
    else:
        scores = {
            name: np.array([getattr(judgement, name) for judgement in judgements])
            for name in _SCORES[1:]
        }
    costs = {
        name: np.array([np.mean(finder.results_[name]) for finder in finders])
        for name in _COSTS
    }
    converged = np.array([np.mean(finder.converged_) for finder in finders])
    return ToleranceCurve(tols, finders, converged, **scores, **costs)
