"""The estimator around a solver: parameters, validation, starts, fitted attributes."""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skcrit._backend import one_blas_thread
from skcrit._typing import (
    ArrayLike,
    BoolArray,
    FloatArray,
    IntArray,
    Memory,
    RandomState,
    Sampler,
)
from skcrit.certification.certificates import Certificates
from skcrit.certification.certify import certify
from skcrit.exceptions import NoGroundTruthError
from skcrit.finders._doc import documented
from skcrit.finders._estimator import CarefulEstimator
from skcrit.finders._watch import FitReport, Progress, interruptible
from skcrit.finders.attributes import fitted_attributes
from skcrit.losses.adapt import as_loss, fitted_loss, is_loss
from skcrit.losses.base import Loss
from skcrit.losses.linear_autoencoder import LinearAutoencoderLoss
from skcrit.metrics import Summary, recovery_accuracy
from skcrit.metrics._summary import summarize
from skcrit.search.batches import Batches
from skcrit.search.engine import search
from skcrit.solvers.fallback import Fallback
from skcrit.solvers.log import history_names
from skcrit.starts.make import make_starts
from skcrit.utils._validation import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    check_params,
    has_callbacks,
    validate_data,
    with_callbacks,
)


def _can_transform(finder: BaseFinder) -> bool:
    """Return whether the loss of a finder has a per-sample error."""
    loss = getattr(finder, "loss_", finder.loss)
    return loss is None or hasattr(loss, "transform")


@documented
@dataclass(eq=False, repr=False)
class BaseFinder(
    CarefulEstimator,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
    ABC,
):
    """Find critical points of a loss from many starts.

    A subclass defines ``_make_solver()``, which returns an object with the method
    ``solve(loss, theta0)`` of :class:`~skcrit.solvers.Solver`; its own parameters come
    after those below, and their constraints extend ``_parameter_constraints``.

    Parameters
    ----------
    <parameters>

    Attributes
    ----------
    <attributes>
    """

    # The columns that a method adds to results_, and how many rows there are.
    _columns: ClassVar[dict[str, str]] = {}
    _row_count = "n_starts"
    _parameter_constraints = {
        "loss": "no_validation",  # fitted_loss names every missing method at once
        "n_starts": [Interval(Integral, 1, None, closed="left")],
        "init": "no_validation",  # make_starts, which knows n_params
        "tol": [Interval(Real, 0, None, closed="both"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "n_jobs": [
            Interval(Integral, None, -1, closed="right"),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "memory": [str, os.PathLike, HasMethods("cache"), None],
        "store_history": ["boolean", list, tuple],
        "random_state": ["random_state", np.random.Generator],
        "verbose": ["verbose"],
    }

    loss_: Loss = field(init=False)
    n_features_in_: int = field(init=False)
    n_params_: int = field(init=False)
    n_iter_: int = field(init=False)
    start_params_: FloatArray = field(init=False)
    final_params_: FloatArray = field(init=False)
    converged_: BoolArray = field(init=False)
    results_: dict[str, Any] = field(init=False)
    critical_points_: FloatArray = field(init=False)
    critical_losses_: FloatArray = field(init=False)
    morse_indices_: IntArray = field(init=False)
    index_fractions_: FloatArray = field(init=False)
    index_interval_: FloatArray = field(init=False)
    inertia_shares_: FloatArray = field(init=False)
    inertia_intervals_: FloatArray = field(init=False)
    inertia_levels_: FloatArray = field(init=False)
    nullities_: IntArray = field(init=False)
    counts_: IntArray = field(init=False)
    n_critical_sets_: int = field(init=False)
    is_continuum_: BoolArray = field(init=False)
    history_: dict[str, FloatArray] = field(init=False)

    loss: Loss | None = None
    _: KW_ONLY
    n_starts: int = 100
    init: str | ArrayLike | Sampler = "auto"
    tol: float | str = "auto"
    max_iter: int = 500
    batch_size: int | None = None
    n_jobs: int | None = None
    memory: Memory | None = None
    store_history: bool | Sequence[str] = False
    random_state: RandomState = None
    verbose: int = 0

    @abstractmethod
    def _make_solver(self) -> Any:
        """Build the solver from the parameters."""

    def _built(self, method: Callable[..., Any], **own: Any) -> Any:
        """Build a solver from its own parameters, and those that this finder shares."""
        names = inspect.signature(method).parameters.keys() - own
        shared = {name: getattr(self, name) for name in names if hasattr(self, name)}
        solver = method(**shared, **own)
        return Fallback(solver) if getattr(self, "fallback", False) else solver

    @with_callbacks
    def fit(
        self, X: ArrayLike | Loss | None = None, y: ArrayLike | None = None
    ) -> Self:
        """Search critical points.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), fitted Loss, or None
            Data to fit the loss to, or a loss to search as it is; then the parameter
            ``loss`` is not used. None fits a loss that needs no data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets, for losses that have them.

        Returns
        -------
        self : BaseFinder
            The fitted finder.

        Raises
        ------
        ValueError
            If a parameter is out of range, the data cannot be used, or the loss lacks a
            method.

        Warns
        -----
        NotConvergedWarning
            If some starts did not end at a critical point, or if all lie on one
            gradient descent and only one critical set was found.
        """
        solver, starts = self._begin(X, y)
        watch: list[Any] = [Progress(self.n_starts)] if self.verbose else []
        if has_callbacks(self):
            watch.insert(0, FitReport(self, X, y, "batch", self._attributes))
        # What waits for Ctrl-C does not make batches smaller.
        batches = self._batches(bool(watch))
        with interruptible(self, "batch", watch):
            result = self._search(solver, starts, batches, watch)
        self._finish(result)
        for watcher in watch:
            watcher.finish()
        self._warn()
        return self

    def _search(
        self, solver: Any, starts: FloatArray, batches: Batches, watch: list[Any]
    ) -> Any:
        """Search from all starts."""
        return search(self.loss_, solver, starts, batches=batches, watch=watch)

    def _begin(self, X: Any, y: Any = None) -> tuple[Any, FloatArray]:
        """Validate, fit the loss, draw the starts; return solver and starts."""
        check_params(self)
        history_names(self.store_history)
        for name in ("history_", "connections_", "n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)  # of an earlier fit
        self.loss_ = self._fit_loss(X, y)
        self.n_params_ = self.loss_.n_params_
        solver = self._make_solver()
        with one_blas_thread():
            starts = make_starts(
                self.init, as_loss(self.loss_), self.n_starts, self.random_state
            )
        return solver, starts

    def _fit_loss(self, X: Any, y: Any) -> Any:
        """Return a fitted loss, and keep what it knows of the data."""
        loss = LinearAutoencoderLoss() if self.loss is None else self.loss
        if X is not None and not is_loss(X):
            X = validate_data(self, X, dtype=np.float64)
        loss = fitted_loss(loss, X, y)
        if hasattr(loss, "n_features_in_"):
            self.n_features_in_ = loss.n_features_in_
        return loss

    def _batches(self, watched: bool = False) -> Batches:
        """Describe how starts are divided, and which workers compute them."""
        return Batches(
            self.batch_size,
            self.n_jobs,
            self.memory,
            on_device=as_loss(self.loss_).backend != "numpy",
            watched=watched or self.memory is not None,
        )

    def _attributes(self, result: Any) -> dict[str, Any]:
        """Return all fitted attributes, as if a fit had ended with this result."""
        known = ("loss_", "n_params_", "n_features_in_", "feature_names_in_")
        given = {name: getattr(self, name) for name in known if hasattr(self, name)}
        return given | fitted_attributes(result)

    def _finish(self, result: Any) -> None:
        """Set all fitted attributes."""
        for name, value in self._attributes(result).items():
            setattr(self, name, value)

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

    def score(self, X: ArrayLike | Loss | None = None, y: object = None) -> float:
        """Compute the share of starts that succeeded.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or Loss, default=None
            Data are checked, not used: the loss that was searched judges.
        y : None
            Ignored.

        Returns
        -------
        score : float
            If the critical points of the loss are known, the fraction of all starts
            that ended at one of them with its loss and Morse index
            (:func:`skcrit.metrics.recovery_accuracy`). Otherwise the fraction that
            ended at a confirmed critical point of known Morse index.
        """
        check_is_fitted(self)
        if not (X is None or is_loss(X)) and hasattr(self, "n_features_in_"):
            validate_data(self, X, dtype=np.float64, reset=False)
        try:
            return recovery_accuracy(self)
        except NoGroundTruthError:
            return float(np.mean(self.converged_ & (self.results_["morse_index"] >= 0)))

    def summary(self) -> Summary:
        """Tabulate the critical sets that were found.

        Returns
        -------
        summary : Summary
            Set, loss, Morse index, nullity, count, orbit size and whether Newton steps
            confirmed it, a row per set, by increasing loss. It prints as text, shows as
            a table in notebooks, and has ``to_frame()`` and ``to_dict()``.

        Raises
        ------
        NotFittedError
            If the finder is not fitted.

        Warns
        -----
        UserWarning
            If there are at least ten sets and more than nine tenths of them were
            reached only once: then there are far more sets, or undeclared symmetries.
        """
        check_is_fitted(self)
        return summarize(self)

    def certify(self, *, reach: float = 1e-6) -> Certificates:
        """Prove that the critical points found exist, and determine their indices.

        Parameters
        ----------
        reach : float, default=1e-6
            Largest distance of a point from its critical point, relative to its size.

        Returns
        -------
        certificates : Certificates
            A row for each of ``critical_points_``, by :func:`skcrit.certify`.
        """
        check_is_fitted(self)
        on_device = as_loss(self.loss_).backend != "numpy"
        n_jobs = None if on_device else self.n_jobs
        return certify(self.loss_, self.critical_points_, reach=reach, n_jobs=n_jobs)

    @property
    def _n_features_out(self) -> int:
        """Number of columns of ``transform``, for ``get_feature_names_out``."""
        return self.n_critical_sets_


# Here and not in the class, where set_output would wrap the method and the condition.
BaseFinder.transform = available_if(_can_transform)(  # type: ignore[method-assign]
    BaseFinder.transform
)
