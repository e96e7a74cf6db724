"""The systematic search from critical point to critical point."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import clone

from skcrit._typing import ArrayLike, IntArray, Memory, RandomState, Sampler
from skcrit.finders._doc import documented
from skcrit.finders._exploration import Exploration, check_displacement
from skcrit.finders._graph import search_edges, search_graph
from skcrit.finders._watch import FitReport, SearchBar, interruptible
from skcrit.finders.base import BaseFinder
from skcrit.finders.newton_mr import NewtonMRFinder
from skcrit.linalg.dense import MAX_DENSE_FORMED
from skcrit.losses.adapt import as_loss
from skcrit.losses.base import Loss
from skcrit.metrics._euler import euler_alarm
from skcrit.search.connect import connect
from skcrit.search.connections import Connections
from skcrit.search.landscape import Landscape
from skcrit.search.problem import pose
from skcrit.utils._validation import (
    HasMethods,
    Interval,
    check_params,
    has_callbacks,
    with_callbacks,
)

if TYPE_CHECKING:
    import networkx

__all__ = ["LandscapeExplorer"]


@documented
class LandscapeExplorer(BaseFinder):
    r"""Explore a landscape from critical point to critical point.

    Searches set out from every set found, along the eigenvectors of the Hessian at its
    rescaled point. Unstable directions come before stable and flat ones, weak before
    strong; of equal eigenvalues one comes first and the others last; each direction is
    tried one way first and later the other way. A local search leads from the displaced
    point to a critical point, and new sets join those that are explored. The sets with
    the fewest tries go first, and of these the newest.

    Parameters
    ----------
    <parameters>
    finder : BaseFinder, default=None
        Local search; its ``tol``, ``max_iter``, ``n_starts``, ``init`` and
        ``random_state`` are not used. None is ``NewtonMRFinder()``. Its columns of
        ``results_`` join those below.
    max_searches : int, default=10000
        Budget of local searches, the first ones included.
    coverage : float or None, default=None
        Share of the latest quarter of all searches that ended in sets already known, at
        which to stop.
    displacement : tuple of (float, float), default=(1.2, 2.2)
        Range of the length of displacements, in length scales of the loss; later passes
        try shorter and longer ones.
    noise : float, default=0.01
        Standard deviation of the noise added to each parameter from the second pass on,
        in length scales. The first pass goes along eigenvectors and nowhere else.
    round_size : int, default=256
        Searches between two updates of what is known. It changes the result.
    max_directions : int or None, default=64
        Largest number of directions tried from a set, and kept in memory; None is all.
    n_passes : int, default=4
        How often every direction is tried each way, with other lengths; then the
        landscape counts as exhausted. Every other try asks for the next Morse index
        (see the notes).
    connect : bool, default=False
        Whether to go down from every saddle at the end, along at most
        ``max_directions`` of its unstable directions, to find what it connects. If this
        leads to critical points that are not listed, searches begin there, one for each
        even beyond ``max_searches``, the exploration goes on, and all saddles go down
        again.

    Attributes
    ----------
    <attributes>
    n_searches_ : int
        Number of local searches.
    discovery_ : ndarray of int of shape (n_rounds, 2)
        Searches and sets found, after every round.
    edges_ : ndarray of int of shape (n_edges, 5)
        Which set was reached from which: parent and child (rows of
        ``critical_points_``), the first direction and sign that led there, and how
        often it happened.
    connections_ : Connections
        What saddles connect, by :func:`skcrit.connections`; only with ``connect=True``.
        Other than the edges it does not depend on how the exploration went.
    euler_sum_ : float
        The alternating sum over the sets (:func:`skcrit.metrics.euler_sum`) of a
        coercive loss: any number but +1 (the loss's ``euler_characteristic``) proves
        that sets are missing or an index is wrong, and +1 proves nothing. NaN if the
        loss is not known to be coercive, or the sum says nothing.
    stop_reason_ : str
        One of "max_searches", "coverage", "exhausted",
        "failures", "incomplete" and "callback".
        Why the exploration ended. "exhausted": no direction is left untried.
        If nothing was found so far, or more than a tenth of the searches failed,
        rounds of new starts follow, as many starts as sets are known, and what they
        find is explored as well, until three rounds in a row led to nothing new.
        "failures": more than half of the searches from starts failed, or still nothing
        was found, so that nothing follows. "incomplete": the budget is spent, and
        ``euler_sum_`` proves that sets are missing. While it does, neither ``coverage``
        nor tried directions end the exploration: after rounds of new starts all
        directions are tried again.

    See Also
    --------
    skcrit.connections : What saddles connect.
    skcrit.metrics.probe_coverage : How much is still unseen, by an independent
        sample.

    Notes
    -----
    Memory: a point and its directions in single precision per set,
    ``4 n_params (1 + n_directions)`` bytes and more, and two points per search.

    The first starts have five sizes, whatever the loss: small ones lead to critical
    points of high index, from which the others are reached.

    Noise takes searches out of planes of symmetry that no eigenvector leaves. The first
    pass has none: in a direction of large curvature a little of it changes the
    loss more than a long way along a weak one, and the search goes elsewhere.

    Which sets a local search ends in depends on the search more than on where it sets
    out, and some are nearly never met. So two kinds take turns, if the local search is
    one with ``fallback=True`` and the loss has at most 512 parameters. In the second
    pass, in the fourth, and along stable directions the other way in the first, a
    search takes bounded Newton steps towards a critical point of the next Morse index:
    lower along unstable directions, higher along stable ones, as in [1]_. If that leads
    nowhere in 100 steps the local search takes over from the beginning. Two passes over
    unstable directions, which are few, come before two over the others.

    The order of directions is what matters: along the weakest unstable eigenvector of a
    saddle lies the neighbour that differs least. If searches along eigenvectors of
    equal eigenvalues, from different sets, have changed the loss by equal amounts, as
    they do for linear networks, the loss at the end of a search can be guessed. Then a
    search that would end at the loss of a known set, or at that of another search of
    the same round, waits for the end of its stage. Which sets are known decides where
    later searches begin, so that ``counts_`` are not a random sample, and searches end
    near where they begin, so that they contain little about sets far away. That the
    latest searches found nothing new is necessary for completeness, not sufficient;
    :func:`skcrit.metrics.probe_coverage` is a stronger test.

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

    _columns = {
        "parent": "row of ``critical_points_`` from which the search set out, -1 if\n"
        "      from a start",
        "direction": "number of the eigenvector that it followed, -1 if from a start",
        "sign": "1 or -1, which way it went, 0 if from a start",
    }
    _row_count = "n_searches_"

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
        "connect": ["boolean"],
    }

    n_searches_: int
    discovery_: IntArray
    edges_: IntArray
    euler_sum_: float
    stop_reason_: str
    connections_: Connections

    def __init__(
        self,
        loss: Loss | None = None,
        *,
        n_starts: int = 10,
        init: str | ArrayLike | Sampler = "spread",
        tol: float | str = "auto",
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
        connect: bool = False,
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
        self.connect = connect

    def _make_solver(self) -> Any:
        """Build the local search for the first round."""
        if self.n_starts > self.max_searches:
            raise ValueError(
                f"max_searches must be at least n_starts={self.n_starts}, which are "
                f"searches too, got {self.max_searches}."
            )
        return self._local_solver(self.n_starts, 0)

    def _local_solver(self, n_starts: int, seed: int) -> Any:
        """Build the local search for some starts."""
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
    def fit(
        self, X: ArrayLike | Loss | None = None, y: ArrayLike | None = None
    ) -> Self:
        """Explore the landscape.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), fitted Loss, or None
            Data to fit the loss to, or a loss to search as it is; then the parameter
            ``loss`` is not used. None fits a loss that needs no data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Targets, for losses that have them.

        Returns
        -------
        self : LandscapeExplorer
            The fitted explorer.

        Raises
        ------
        ValueError
            If a parameter is out of range, the data cannot be used, or the loss lacks a
            method or has more than 4096 parameters; the message says what was expected
            and what came.

        Warns
        -----
        NotConvergedWarning
            If some searches did not end at a critical point.
        """
        _, starts = self._begin(X, y)
        if self.n_params_ > MAX_DENSE_FORMED:
            raise ValueError(
                f"LandscapeExplorer follows eigenvectors of dense Hessians: its loss "
                f"must have at most {MAX_DENSE_FORMED} parameters, got "
                f"{self.n_params_}."
            )
        reach = check_displacement(self.displacement)
        problem = pose(self.loss_)
        landscape = Landscape(
            problem, self._batches(), self.max_directions, self.n_passes, self.tol
        )
        watch: list[Any] = [SearchBar(self.max_searches)] if self.verbose else []
        if has_callbacks(self):
            watch.append(FitReport(self, X, y, "round", self._attributes))
        exploration = Exploration(self, landscape, reach, watch)
        with interruptible(self, "round", watch):
            exploration.run(problem.into(starts))
        self._finish(landscape)
        if self.connect:
            self._go_down(exploration)
        for watcher in watch:
            watcher.finish()
        self._warn_of_failures()
        return self

    def _go_down(self, exploration: Exploration) -> None:
        """Connect the sets, and explore on from ends that are not among them."""
        landscape = exploration.landscape
        while True:
            self.connections_ = self._connected()
            new, n_sets = self.connections_.new_points, len(landscape.atlas)
            if len(new) == 0 or landscape.stop_reason in (None, "callback"):
                return
            landscape.stop_reason = None
            with interruptible(self, "round", exploration.watch):
                exploration.run(landscape.problem.into(new))
            self._finish(landscape)
            if len(landscape.atlas) == n_sets:  # no search confirmed them
                return

    def _connected(self) -> Connections:
        """Go down from all saddles."""
        return connect(
            self.loss_,
            self.critical_points_,
            self.morse_indices_,
            max_directions=self.max_directions,
            max_iter=self.max_iter,
            batches=self._batches(),
        )

    def _lacks_sets(self, landscape: Landscape) -> bool:
        """Return whether the Euler sum proves that sets are missing."""
        total = self._euler_sum(super()._attributes(landscape.result()))
        return total not in (as_loss(self.loss_).euler_characteristic, None)

    def _euler_sum(self, attributes: dict[str, Any]) -> float | None:
        """Sum over the sets of a coercive loss; None if the sum says nothing."""
        if as_loss(self.loss_).is_coercive is not True:
            return None
        total, reason = euler_alarm(SimpleNamespace(**attributes))
        return None if reason else total

    def _attributes(self, landscape: Any) -> dict[str, Any]:
        """Return all fitted attributes, as if the fit had ended with these rounds."""
        attributes = super()._attributes(landscape.result())
        origins = landscape.origins()
        results, total = attributes["results_"], self._euler_sum(attributes)
        results |= {
            "parent": origins.parent,
            "direction": origins.direction,
            "sign": origins.sign,
        }
        return attributes | {
            "n_searches_": landscape.n_searches,
            "discovery_": landscape.discovery(),
            "edges_": search_edges(results),
            "euler_sum_": np.nan if total is None else total,
            "stop_reason_": landscape.stop_reason or "callback",
        }

    def to_networkx(self) -> networkx.DiGraph:
        """Return which set was reached from which as a graph (needs networkx).

        Returns
        -------
        graph : networkx.DiGraph
            Nodes are rows of ``critical_points_`` with "loss", "morse_index" and
            "count". Edges run from parent to child, with "direction", "sign" and
            "count" of ``edges_``.

        Raises
        ------
        ImportError
            If networkx is not installed.
        """
        return search_graph(self)
