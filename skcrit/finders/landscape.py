"""The systematic search from critical point to critical point."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from numbers import Integral, Real
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import clone

from skcrit._typing import ArrayLike, Memory, RandomState, Sampler
from skcrit.finders._characterize import MAX_DENSE, UNKNOWN
from skcrit.finders._expedition import ORIGIN, Expedition
from skcrit.finders._progress import FitReport, progress_bar
from skcrit.finders._search import concatenate
from skcrit.finders.base import BaseFinder
from skcrit.finders.newton_mr import NewtonMRFinder
from skcrit.losses.adapt import as_loss
from skcrit.starts import random_streams
from skcrit.utils._arguments import as_numbers, shown
from skcrit.utils._validation import (
    HasMethods,
    Interval,
    check_params,
    with_callbacks,
)

if TYPE_CHECKING:
    import networkx

    from skcrit.losses.base import Loss

__all__ = ["LandscapeExplorer"]

# Searches of the first round that sets out from a set.
_FIRST_ROUND = 16


class LandscapeExplorer(BaseFinder):
    r"""Explore a landscape from critical point to critical point.

    From every set found, searches set out along the eigenvectors of the Hessian at its
    rescaled point: unstable ones before stable and flat ones, weak before strong, one
    of each eigenvalue before its likes, first one way and later the other. A local
    search takes the displaced point to a critical point, and what is new joins. Sets
    with the fewest tries go first, of these the newest.

    Parameters
    ----------
    loss : Loss, default=None
        Loss to search. It is cloned and fitted to the data. None is
        ``LinearAutoencoderLoss()``.
    n_starts : int, default=10
        Number of first searches, which need no known set.
    init : {"gaussian", "height", "iteration"}, array or sampler, default="gaussian"
        Where the first searches begin: ``GaussianStarts()``,
        ``TrajectoryStarts(by=init)``, given points of shape (n_starts, n_params), or an
        object with the method ``sample(loss, n_starts, random_state)``.
    tol : float, default=1e-20
        Absolute, on the squared gradient norm: a start has converged when its squared
        gradient norm is at most ``tol``, at its own point and at the rescaled point of
        its symmetry orbit.
    max_iter : int, default=200
        Largest number of iterations per start.
    batch_size : int, default=None
        Starts that are solved together; None divides a round over the workers, at most
        ``65536 / n_params`` (but 4 to 512) each, a quarter of that with ``memory``. It
        changes time and memory, never the result.
    n_jobs : int, default=None
        Workers over batches, through joblib; None is 1 outside a
        ``joblib.parallel_config`` context.
    memory : str, path-like or joblib.Memory, default=None
        Folder where finished batches are kept: an interrupted fit that is started
        again with the same parameters repeats none of them.
    store_history : bool or list of str, default=False
        What to keep of every iterate: names out of "loss", "squared_grad_norm" and
        "theta"; True is the first two. It takes 8 bytes per number, for at most
        ``max_iter + 1`` iterates.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. The result depends neither on ``n_jobs`` nor on
        ``batch_size``.
    verbose : int, default=0
        Positive shows a progress bar with what is found (needs tqdm).
    finder : BaseFinder, default=None
        Local search; its ``tol``, ``max_iter``, ``n_starts``, ``init`` and
        ``random_state`` are not used. None is ``NewtonMRFinder()``.
    max_searches : int, default=10000
        Budget of local searches, the first ones included.
    coverage : float or None, default=None
        Share of the latest quarter of all searches that ended in sets already known, at
        which to stop.
    displacement : tuple of (float, float), default=(1.2, 2.2)
        Range of the length of displacements, absolute, in the unit of ``theta``: the
        default suits networks, whose balanced weights have singular values near one.
    noise : float, default=0.01
        Standard deviation of the noise added to each parameter.
    round_size : int, default=256
        Searches between two updates of what is known. It changes the result.
    max_directions : int or None, default=64
        Largest number of directions tried from a set, and kept in memory; None is all.
    n_passes : int, default=4
        How often every direction is tried each way, with other lengths; then the
        landscape counts as exhausted.

    Attributes
    ----------
    loss_ : Loss
        The fitted loss.
    n_features_in_ : int
        Number of features, where the loss has data.
    n_params_ : int
        Number of parameters.
    start_params_, final_params_ : ndarray of shape (n_searches_, n_params)
        First and last points; a run that failed keeps its last finite point.
    converged_ : ndarray of bool of shape (n_searches_,)
        Which starts reached ``tol``.
    n_iter_ : int
        Iterations of the longest run.
    results_ : dict of str to ndarray of shape (n_searches_,)
        Ready for ``pandas.DataFrame``: "loss", "squared_grad_norm",
        "squared_balanced_grad_norm" (at the rescaled point), "n_iter", "n_gradient",
        "n_hvp", "status" (CONVERGED, GRADIENT_FLAT, STALLED, MAX_ITER or DIVERGED),
        "inner_status" (of the last linear system), "residual_ratio" (of the last step,
        ``|H p + g| / (|H| |p| + |g|)``), "converged", "morse_index" and "nullity" (-1
        where not converged), "critical_set" (label, -1 where not converged), "parent"
        (label of the set that the search set out from, -1 for the first searches),
        "direction" (number of the eigenvector) and "sign".
    critical_points_ : ndarray of shape (n_critical_sets_, n_params)
        A rescaled point of each distinct critical set found, by increasing loss.
    critical_losses_ : ndarray of shape (n_critical_sets_,)
        Losses there.
    morse_indices_, nullities_ : ndarray of int of shape (n_critical_sets_,)
        Numbers of negative and of zero eigenvalues of the Hessian there; -1 beyond 4096
        parameters, where no dense Hessian is formed.
    index_fractions_ : ndarray of shape (n_critical_sets_,)
        Morse indices over ``n_params_``.
    counts_ : ndarray of int of shape (n_critical_sets_,)
        How many searches ended in each set.
    n_critical_sets_ : int
        Number of distinct sets found.
    history_ : dict of str to ndarray of shape (n_searches_, n_iter_ + 1)
        "loss" and "squared_grad_norm" of every iterate, NaN after the end of a run;
        only with ``store_history``, which may also ask for "theta", of shape (...,
        n_params).
    n_searches_ : int
        Number of local searches.
    discovery_ : ndarray of int of shape (n_rounds, 2)
        Searches and sets found, after every round.
    stop_reason_ : {"max_searches", "coverage", "exhausted", "callback"}
        Why the exploration ended; "exhausted": no direction is left untried.

    See Also
    --------
    skcrit.metrics.probe_coverage : How much is still unseen, told by an independent
        sample.

    Notes
    -----
    Memory: a point and its directions in single precision per set,
    ``4 n_params (1 + n_directions)`` bytes and more, and two points per search.

    The order of directions is what matters: along the weakest unstable eigenvector of a
    saddle lies the neighbour that differs least. Which sets are known decides where
    later searches begin, so that ``counts_`` are no sample of anything, and searches
    end near where they begin, so that most of what is far away is not missed. That the
    latest searches found nothing new is necessary for completeness, and no proof;
    :func:`skcrit.metrics.probe_coverage` tells more.

    References
    ----------
    .. [1] J. Yin, Y. Wang, J. Z. Y. Chen, P. Zhang and L. Zhang. "Construction of a
       pathway map on a complicated energy landscape". Phys. Rev. Lett. 124, 2020,
       arXiv:1909.13182.

    Examples
    --------
    >>> from skcrit import LandscapeExplorer, LinearAutoencoderLoss
    >>> from skcrit.datasets import make_gaussian_spectrum
    >>> X = make_gaussian_spectrum(500, eigenvalues=[5, 4, 3, 2, 1], random_state=0)
    >>> loss = LinearAutoencoderLoss(hidden_layer_sizes=(2,))
    >>> explorer = LandscapeExplorer(loss, max_searches=300, random_state=0).fit(X)
    >>> explorer.n_critical_sets_, explorer.loss_.analytical_spectrum().n_sets
    (16, 16)
    """

    _parameter_constraints = {
        **BaseFinder._parameter_constraints,
        "finder": [HasMethods("_make_solver"), None],
        "max_searches": [Interval(Integral, 1, None, closed="left")],
        "coverage": [Interval(Real, 0, 1, closed="both"), None],
        "displacement": ["array-like"],
        "noise": [Interval(Real, 0, None, closed="left")],
        "round_size": [Interval(Integral, 1, None, closed="left")],
        "n_passes": [Interval(Integral, 1, None, closed="left")],
        "max_directions": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        loss: Loss | None = None,
        *,
        n_starts: int = 10,
        init: str | ArrayLike | Sampler = "gaussian",
        tol: float = 1e-20,
        max_iter: int = 200,
        batch_size: int | None = None,
        n_jobs: int | None = None,
        memory: Memory | None = None,
        store_history: bool | Sequence[str] = False,
        random_state: RandomState = None,
        verbose: int = 0,
        finder: BaseFinder | None = None,
        max_searches: int = 10_000,
        coverage: float | None = None,
        displacement: tuple[float, float] = (1.2, 2.2),
        noise: float = 0.01,
        round_size: int = 256,
        max_directions: int | None = 64,
        n_passes: int = 4,
    ) -> None:
        super().__init__(
            loss=loss,
            n_starts=n_starts,
            init=init,
            tol=tol,
            max_iter=max_iter,
            batch_size=batch_size,
            n_jobs=n_jobs,
            memory=memory,
            store_history=store_history,
            random_state=random_state,
            verbose=verbose,
        )
        self.finder = finder
        self.max_searches = max_searches
        self.coverage = coverage
        self.displacement = displacement
        self.noise = noise
        self.round_size = round_size
        self.max_directions = max_directions
        self.n_passes = n_passes

    def _make_solver(self):
        """Build the local search for the first round."""
        if self.n_starts > self.max_searches:
            raise ValueError(
                f"max_searches must be at least n_starts={self.n_starts}, which are "
                f"searches too, got {self.max_searches}."
            )
        return self._local_solver(self.n_starts, 0)

    def _local_solver(self, n_starts, seed):
        local = NewtonMRFinder() if self.finder is None else clone(self.finder)
        local.set_params(
            n_starts=n_starts,
            tol=self.tol,
            max_iter=self.max_iter,
            store_history=self.store_history,
            random_state=seed,
        )
        check_params(local)
        return local._make_solver()

    @with_callbacks
    def fit(self, X: ArrayLike | Loss, y: object = None) -> Self:
        """Explore the landscape.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or fitted Loss
            Data to fit the loss to, or a loss to search as it is; then the parameter
            ``loss`` is not used.
        y : None
            Ignored.

        Returns
        -------
        self : LandscapeExplorer
            The fitted explorer.

        Raises
        ------
        ValueError
            If a parameter is out of range, ``X`` is not finite two-dimensional data, or
            the loss lacks a method, or has more than 4096 parameters; the message says
            what was expected and what came.

        Warns
        -----
        NotConvergedWarning
            If some searches did not reach ``tol``.
        """
        self._begin(X, y)
        if self.n_params_ > MAX_DENSE:
            raise ValueError(
                f"LandscapeExplorer follows eigenvectors of dense Hessians: its loss "
                f"must have at most {MAX_DENSE} parameters, got {self.n_params_}."
            )
        reach = self._check_displacement()
        scale = as_loss(self.loss_).invariants_scale(self.start_params_).max()
        options = self._search_options()
        limits = (self.max_directions, self.n_passes)
        trip = Expedition(as_loss(self.loss_), float(scale), options, *limits)
        report = FitReport(self, X, y, "round")
        rounds = self._shown(self._rounds(trip, reach))
        rounds = report.follow(rounds, None, lambda rows: self._known(trip, rows))
        self._conclude(trip, list(rounds))
        report.end()
        self._warn_of_failures()
        return self

    def _known(self, trip, rounds):
        """Return the attributes as if the fit had ended after some of the rounds."""
        explorer = copy(self)
        explorer._conclude(trip, rounds)
        return vars(explorer)

    def _rounds(self, trip, reach):
        """Run round after round, yielding searches done and sets found."""
        stream = random_streams(self.random_state, 1, kind=2)[0]
        theta0, origins = self.start_params_, [ORIGIN] * self.n_starts
        past = [(0, 0)]
        while True:
            seed = int(stream.integers(2**31))
            trip.search(self._local_solver(len(theta0), seed), theta0, origins)
            past.append((trip.n_searches, len(trip.atlas)))
            estimate = _estimated_coverage(past)
            self.stop_reason_ = "callback"  # stands if the next round is not asked for
            yield *past[-1], estimate
            self.stop_reason_ = self._over(trip, estimate)
            if self.stop_reason_:
                return
            # While little is known, a large round would try one set to exhaustion.
            size = min(self.round_size, _FIRST_ROUND + 4 * len(trip.atlas))
            room = self.max_searches - trip.n_searches
            tasks = trip.frontier.pop(min(size, room))
            if not tasks:
                self.stop_reason_ = "exhausted"
                return
            theta0 = self._displaced(trip, tasks, reach, stream)
            origins = [task[:3] for task in tasks]

    def _displaced(self, trip, tasks, reach, stream):
        """Set out from known sets."""
        points = trip.atlas.points([label for label, *_ in tasks])
        vectors = np.array([sign * vector for _, _, sign, vector in tasks])
        length = stream.uniform(*reach, size=(len(tasks), 1))
        noise = self.noise * stream.standard_normal(points.shape)
        return points + length * vectors + noise

    def _over(self, trip, estimate):
        """Say why to stop, None if there is no reason."""
        if trip.n_searches >= self.max_searches:
            return "max_searches"
        if self.coverage is not None and estimate >= self.coverage:
            return "coverage"
        return None

    def _shown(self, rounds):
        """Show progress if wanted, and drop the estimate."""
        if not self.verbose:
            yield from (row[:2] for row in rounds)
            return
        with progress_bar(total=self.max_searches, unit="search") as bar:
            for n_searches, n_found, estimate in rounds:
                # Far from what is known more is unseen than the searches can tell.
                unseen = n_found * (1 / max(estimate, 1e-9) - 1)
                bar.set_postfix(found=str(n_found), unseen=f">{unseen:.0f}")
                bar.update(n_searches - bar.n)
                yield n_searches, n_found

    def _conclude(self, trip, rounds):
        """Set all fitted attributes."""
        self.discovery_ = np.array(rounds)
        characters = trip.atlas.characters if len(trip.atlas) else None
        labels = np.concatenate(trip.labels)
        order, rank = self._ordered(characters)
        result = concatenate(trip.results)
        self.start_params_ = np.concatenate(trip.starts)
        self.n_searches_ = trip.n_searches
        label = _renamed(rank, labels)
        columns = {
            name: _of_sets(getattr(characters, name, None), labels)
            for name in ("morse_index", "nullity")
        }
        described = _Described(np.concatenate(trip.ends), **columns)
        self._set_results(result, described)
        parent, direction, sign = np.array(trip.origins).T
        self.results_ |= {
            "critical_set": label,
            "parent": _renamed(rank, parent),
            "direction": direction,
            "sign": sign,
        }
        self._set_sets(characters, order, np.array(trip.atlas.counts, dtype=int))
        self._set_history(result)

    @property
    def graph_(self) -> networkx.DiGraph:
        """Graph of which set was reached from which, a ``networkx.DiGraph``.

        Nodes are rows of ``critical_points_`` with "loss", "morse_index" and "count".
        Edges run from parent to child, with the first "direction" and "sign" that led
        there and a "count".
        """
        return _graph(self)

    def _check_displacement(self):
        """Return both ends of the range of lengths."""
        try:
            low, high = as_numbers(self.displacement, "displacement").tolist()
            low, high = float(low), float(high)
        except (TypeError, ValueError):
            low, high = np.nan, np.nan
        if not 0 < low <= high < np.inf:
            raise ValueError(
                "displacement must be a pair of positive numbers in ascending order, "
                f"got {shown(self.displacement)}."
            )
        return low, high


def _estimated_coverage(past):
    """Return which share of the latest quarter of searches ended in known sets."""
    searches, found = np.array(past).T
    begin = np.flatnonzero(searches <= 0.75 * searches[-1])[-1]
    new = found[-1] - found[begin]
    return 1 - float(new / (searches[-1] - searches[begin]))


class _Described:
    """Columns of the table of results that come from descriptions."""

    def __init__(self, squared_balanced_grad_norm, morse_index, nullity):
        self.squared_balanced_grad_norm = squared_balanced_grad_norm
        self.morse_index, self.nullity = morse_index, nullity


def _of_sets(values, labels):
    """Give every search the value of its set, unknown where it has none."""
    if values is None:
        return np.full(len(labels), UNKNOWN)
    return np.where(labels >= 0, values[labels], UNKNOWN)


def _renamed(rank, labels):
    """Renumber sets by loss instead of by discovery."""
    return np.where(labels >= 0, rank[labels], -1) if len(rank) else labels


def _graph(explorer):
    """Build the graph of a fitted explorer."""
    import networkx

    graph = networkx.DiGraph()
    for node in range(explorer.n_critical_sets_):
        graph.add_node(
            node,
            loss=float(explorer.critical_losses_[node]),
            morse_index=int(explorer.morse_indices_[node]),
            count=int(explorer.counts_[node]),
        )
    names = ("parent", "critical_set", "direction", "sign")
    columns = [explorer.results_[name].tolist() for name in names]
    for parent, child, direction, sign in zip(*columns, strict=True):
        if parent < 0 or child < 0:
            continue
        if graph.has_edge(parent, child):
            graph.edges[parent, child]["count"] += 1
        else:
            graph.add_edge(parent, child, direction=direction, sign=sign, count=1)
    return graph
