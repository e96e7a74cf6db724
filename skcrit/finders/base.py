"""The estimator around a solver: parameters, validation, starts, fitted attributes."""

from __future__ import annotations

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import one_blas_thread
from skcrit._saving import VersionMixin
from skcrit._typing import (
    ArrayLike,
    BoolArray,
    FloatArray,
    IntArray,
    Memory,
    RandomState,
    Sampler,
)
from skcrit.exceptions import NotConvergedWarning
from skcrit.finders._characterize import Characters
from skcrit.finders._grouping import group_points
from skcrit.finders._progress import FitReport
from skcrit.finders._search import on_device, search
from skcrit.linalg import LinearStatus
from skcrit.losses import LinearAutoencoderLoss
from skcrit.losses.adapt import fitted_loss, is_loss
from skcrit.solvers import Status
from skcrit.solvers.base import history_names
from skcrit.starts import GaussianStarts, TrajectoryStarts
from skcrit.utils._arguments import as_numbers, shown
from skcrit.utils._validation import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    check_params,
    has_callbacks,
    validate_data,
    with_callbacks,
)

if TYPE_CHECKING:
    from skcrit.losses.base import Loss

__all__ = ["BaseFinder"]


def _can_transform(finder):
    """Tell whether the loss of a finder has a per-sample error."""
    loss = getattr(finder, "loss_", finder.loss)
    return loss is None or hasattr(loss, "transform")


class BaseFinder(
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    VersionMixin,
    BaseEstimator,
    ABC,
):
    """Find critical points of a loss from many starts.

    A subclass defines ``_make_solver()``, which returns an object with the method
    ``solve(loss, theta0)`` of :class:`~skcrit.solvers.Solver`; its own parameters come
    after those below, and their constraints extend ``_parameter_constraints``.

    Parameters
    ----------
    loss : Loss, default=None
        Loss to search. It is cloned and fitted to the data. None is
        ``LinearAutoencoderLoss()``.
    n_starts : int, default=100
        Number of searches.
    init : {"gaussian", "height", "iteration"}, array or sampler, default="height"
        Where searches begin: ``GaussianStarts()``, ``TrajectoryStarts(by=init)``, given
        points of shape (n_starts, n_params), or an object with the method
        ``sample(loss, n_starts, random_state)``.
    tol : float, default=1e-10
        Absolute, on the squared gradient norm: a start has converged when its squared
        gradient norm is at most ``tol``, at its own point and at the rescaled point of
        its symmetry orbit. Infinity leaves the starts where they are.
    max_iter : int, default=500
        Largest number of iterations per start.
    batch_size : int, default=None
        Starts that are solved together; None divides them over the workers, at most
        ``65536 / n_params`` (but 4 to 512) each, a quarter of that with ``memory``,
        ``verbose`` or callbacks. It changes time and memory, never the result.
    n_jobs : int, default=None
        Workers over batches, through joblib; None is 1 outside a
        ``joblib.parallel_config`` context.
    memory : str, path-like or joblib.Memory, default=None
        Folder where finished batches are kept: an interrupted fit that is started
        again repeats none of them.
    store_history : bool or list of str, default=False
        What to keep of every iterate: names out of "loss", "squared_grad_norm" and
        "theta"; True is the first two. It takes 8 bytes per number, for at most
        ``max_iter + 1`` iterates.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. Each start has a stream of its own, so that the result
        depends neither on ``n_jobs`` nor on ``batch_size``.
    verbose : int, default=0
        Positive shows a progress bar with starts done, converged, distinct sets found
        and time left (needs tqdm).
    """

    _parameter_constraints = {
        "loss": "no_validation",  # _fit_loss names every missing method at once
        "n_starts": [Interval(Integral, 1, None, closed="left")],
        "init": "no_validation",  # _make_starts, which knows n_params
        "tol": [Interval(Real, 0, None, closed="both")],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [Integral, None],
        "memory": [str, os.PathLike, HasMethods("cache"), None],
        "store_history": ["boolean", list, tuple],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    loss_: Loss
    n_features_in_: int
    n_params_: int
    n_iter_: int
    start_params_: FloatArray
    final_params_: FloatArray
    converged_: BoolArray
    results_: dict[str, Any]
    critical_points_: FloatArray
    critical_losses_: FloatArray
    morse_indices_: IntArray
    index_fractions_: FloatArray
    nullities_: IntArray
    counts_: IntArray
    n_critical_sets_: int
    history_: dict[str, FloatArray]

    def __init__(
        self,
        loss: Loss | None = None,
        *,
        n_starts: int = 100,
        init: str | ArrayLike | Sampler = "height",
        tol: float = 1e-10,
        max_iter: int = 500,
        batch_size: int | None = None,
        n_jobs: int | None = None,
        memory: Memory | None = None,
        store_history: bool | Sequence[str] = False,
        random_state: RandomState = None,
        verbose: int = 0,
    ) -> None:
        self.loss = loss
        self.n_starts = n_starts
        self.init = init
        self.tol = tol
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.memory = memory
        self.store_history = store_history
        self.random_state = random_state
        self.verbose = verbose

    @abstractmethod
    def _make_solver(self):
        """Build the solver from the parameters.

        Returns
        -------
        solver : Solver
            Object with ``solve(loss, theta0)``.
        """

    @with_callbacks
    def fit(self, X: ArrayLike | Loss, y: object = None) -> Self:
        """Search critical points.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or fitted Loss
            Data to fit the loss to, or a loss to search as it is; then the parameter
            ``loss`` is not used.
        y : None
            Ignored.

        Returns
        -------
        self : BaseFinder
            The fitted finder.

        Raises
        ------
        ValueError
            If a parameter is out of range, ``X`` is not finite two-dimensional data, or
            the loss lacks a method; the message says what was expected and what came.

        Warns
        -----
        NotConvergedWarning
            If some starts did not reach ``tol``.
        """
        solver = self._begin(X, y)
        report = FitReport(self, X, y, "batch") if has_callbacks(self) else None
        starts, options = self.start_params_, self._search_options()
        watch = {"report": report, "so_far": self._so_far}
        outcome = search(solver, self.loss_, starts, **watch, **options)
        self.start_params_ = starts[: len(outcome[0].status)]  # a callback can stop
        self._finish(*outcome)
        if report:
            report.end()
        self._warn_of_failures()
        return self

    def _so_far(self, result, characters):
        """Return the attributes as if the fit had ended after some of the starts."""
        finder = copy(self)
        finder.start_params_ = self.start_params_[: len(result.status)]
        finder._finish(result, characters)
        return vars(finder)

    def _begin(self, X, y=None):
        """Validate, fit the loss, draw the starts; return the solver."""
        check_params(self)
        history_names(self.store_history)
        for name in ("history_", "n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)  # of an earlier fit
        self.loss_ = self._fit_loss(X, y)
        self.n_params_ = self.loss_.n_params_
        solver = self._make_solver()
        with one_blas_thread():
            self.start_params_ = self._make_starts()
        return solver

    def _search_options(self):
        """Name the parameters that say how searches are run."""
        names = ("batch_size", "n_jobs", "memory", "verbose")
        options = {name: getattr(self, name) for name in names}
        if getattr(self.loss_, "backend", "numpy") == "numpy":
            return options
        return on_device(options, self.n_params_)

    def _finish(self, result, characters):
        """Set all fitted attributes."""
        self._set_results(result, characters)
        self._set_critical_sets(characters)
        self._set_history(result)

    def _set_history(self, result):
        """Keep the iterates' columns if asked for."""
        if self.store_history:
            self.history_ = _padded_history(result.history)

    def transform(self, X: ArrayLike) -> FloatArray:
        """Compute the reconstruction error of each sample under each critical point.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Data.

        Returns
        -------
        errors : ndarray of shape (n_samples, n_critical_sets_)
            Per-sample loss under each of ``critical_points_``.

        Raises
        ------
        ValueError
            If ``X`` is not finite or has another number of features than in ``fit``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self.loss_.transform(X, self.critical_points_)

    def score(self, X: ArrayLike | None = None, y: object = None) -> float:
        """Compute the recovery accuracy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Checked, not used: searches are judged against the critical points of the
            loss that was searched.
        y : None
            Ignored.

        Returns
        -------
        accuracy : float
            Fraction of all starts that ended at a known critical point with its loss
            and Morse index (:func:`skcrit.metrics.recovery_accuracy`).

        Raises
        ------
        NoGroundTruthError
            If the critical points of the loss are not known.
        """
        # Metrics stand above finders; the estimator interface is what needs them here.
        from skcrit.metrics import recovery_accuracy

        check_is_fitted(self)
        if X is not None and hasattr(self, "n_features_in_"):
            validate_data(self, X, dtype=np.float64, reset=False)
        return recovery_accuracy(self)

    @property
    def _n_features_out(self):
        """Number of columns of ``transform``, for ``get_feature_names_out``."""
        return self.n_critical_sets_

    def _fit_loss(self, X, y):
        """Return a fitted loss, and keep what it knows of the data."""
        loss = LinearAutoencoderLoss() if self.loss is None else self.loss
        if not is_loss(X):
            X = validate_data(self, X, dtype=np.float64)
        loss = fitted_loss(loss, X, y)
        if hasattr(loss, "n_features_in_"):
            self.n_features_in_ = loss.n_features_in_
        return loss

    def _make_starts(self):
        """Draw or check the starting points, on the host."""
        init, shape = self.init, (self.n_starts, self.n_params_)
        samplers = {
            "gaussian": GaussianStarts(),
            "height": TrajectoryStarts(by="height"),
            "iteration": TrajectoryStarts(by="iteration"),
        }
        if isinstance(init, str):
            if init not in samplers:
                raise ValueError(
                    f"init must be one of {sorted(samplers)}, an array of shape "
                    f"{shape} or a sampler, got {init!r}."
                )
            init = samplers[init]
        if hasattr(init, "sample") and not hasattr(init, "dtype"):
            rng = check_random_state(self.random_state)
            starts = init.sample(self.loss_, self.n_starts, rng)
        else:
            starts = init
        try:
            starts = np.array(as_numbers(starts, "init"))
            if starts.ndim == 0:
                raise ValueError("one number is no set of starts.")
        except ValueError as error:
            raise ValueError(
                f"init must be a name, an array of shape {shape} or a sampler, got "
                f"{shown(self.init)}: {error}"
            ) from error
        if not np.all(np.isfinite(starts)):
            what = "NaN" if np.any(np.isnan(starts)) else "infinity"
            raise ValueError(f"init contains {what}; starts must be finite.")
        if starts.shape != shape:
            raise ValueError(
                f"init must have shape (n_starts, n_params) = {shape}, "
                f"got {starts.shape}."
            )
        return starts

    def _set_results(self, result, characters):
        """Fill the table with a row per start."""
        self.final_params_ = result.theta
        self.converged_ = result.status == Status.CONVERGED
        self.n_iter_ = int(result.n_iter.max())
        self.results_ = {
            "loss": result.loss,
            "squared_grad_norm": result.squared_grad_norm,
            "squared_balanced_grad_norm": characters.squared_balanced_grad_norm,
            "n_iter": result.n_iter,
            "n_gradient": result.n_gradient,
            "n_hvp": result.n_hvp,
            "status": _names(Status, result.status),
            "inner_status": _names(LinearStatus, result.inner_status),
            "residual_ratio": result.residual_ratio,
            "converged": self.converged_,
            "morse_index": characters.morse_index,
            "nullity": characters.nullity,
        }

    def _set_critical_sets(self, characters):
        """Group converged points, order the groups by loss, and count them."""
        rows = np.flatnonzero(self.converged_)
        labels, leaders = group_points(
            characters.invariants[rows],
            characters.uncertainty[rows],
            self.results_["squared_balanced_grad_norm"][rows],
            scale=np.nanmax(characters.start_norm),
        )
        leaders = rows[leaders]
        counts = np.bincount(labels, minlength=len(leaders))
        sets = Characters(**{k: v[leaders] for k, v in vars(characters).items()})
        order, rank = self._ordered(sets)
        critical_set = np.full(len(self.converged_), -1)
        critical_set[rows] = rank[labels] if len(rows) else labels
        self.results_["critical_set"] = critical_set
        self._set_sets(sets, order, counts)

    @staticmethod
    def _ordered(sets):
        """Order sets by loss, then by index; return the order and its inverse."""
        if sets is None:
            return np.empty(0, dtype=int), np.empty(0, dtype=int)
        order = np.lexsort((sets.morse_index, sets.loss))
        return order, np.argsort(order)

    def _set_sets(self, sets, order, counts):
        """Set the attributes with a row per distinct critical set."""
        if sets is None:
            sets = Characters.empty(self.n_params_)
        self.critical_points_ = sets.point[order]
        self.critical_losses_ = sets.loss[order]
        self.morse_indices_ = sets.morse_index[order]
        self.index_fractions_ = self.morse_indices_ / self.n_params_
        self.nullities_ = sets.nullity[order]
        self.n_critical_sets_ = len(order)
        self.counts_ = counts[order]

    def _warn_of_failures(self):
        """Count the starts that failed and say what to change, once."""
        status = self.results_["status"]
        failed = [s for s in Status if s != Status.CONVERGED and s.name in status]
        if failed:
            reasons = "; ".join(
                f"{np.sum(status == code.name)} {code.name} ({code.text})"
                for code in failed
            )
            warnings.warn(
                f"{type(self).__name__}: {np.sum(~self.converged_)} of "
                f"{len(status)} starts did not reach tol={self.tol:g}: {reasons}.",
                NotConvergedWarning,
                # The decorator of fit is a frame of its own.
                stacklevel=3 + hasattr(self.fit, "__wrapped__"),
            )


# Here and not in the class, where set_output would wrap the method and the condition.
BaseFinder.transform = available_if(_can_transform)(  # type: ignore[method-assign]
    BaseFinder.transform
)


def _names(codes, values):
    """Spell codes out; -1 is nothing."""
    return np.array([codes(v).name if v >= 0 else "" for v in values])


def _padded_history(history):
    """Put runs of different lengths into arrays, NaN after their ends."""
    padded = {}
    for name, runs in history.items():
        length = max(len(run) for run in runs)
        padded[name] = np.full((len(runs), length, *runs[0].shape[1:]), np.nan)
        for row, run in enumerate(runs):
            padded[name][row, : len(run)] = run
    return padded
