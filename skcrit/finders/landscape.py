"""The systematic search from critical point to critical point."""

from __future__ import annotations

from dataclasses import dataclass, field
from numbers import Integral, Real
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from sklearn.base import clone

from skcrit._typing import ArrayLike, IntArray, Sampler
from skcrit.finders._doc import documented
from skcrit.finders._exploration import Exploration, check_displacement
from skcrit.finders._graph import search_edges, search_graph
from skcrit.finders._watch import FitReport, SearchBar, interruptible
from skcrit.finders.base import BaseFinder
from skcrit.finders.newton_mr import NewtonMRFinder
from skcrit.linalg.dense import MAX_DENSE_FORMED
from skcrit.losses.adapt import as_loss
from skcrit.losses.base import Loss
from skcrit.metrics._euler import alarm_text, euler_alarm
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


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class LandscapeExplorer(BaseFinder):
    r"""Explore a landscape from critical point to critical point.

    From every set found, the explorer moves along the eigenvectors of the Hessian at
    its rescaled point. A local search then leads from the displaced point to a critical
    point, and if its set is new, it is explored as well. Unstable directions come
    before stable and flat ones, and weak before strong ones. Of several eigenvectors
    with equal eigenvalues, one comes first and the others last. Each direction is tried
    one way first and the other way later. Sets with the fewest tries come first, and of
    these the newest.

    Parameters
    ----------
    <parameters>
    finder : BaseFinder, default=None
        Local search; its ``tol``, ``max_iter``, ``n_starts``, ``init`` and
        ``random_state`` are not used. None is ``NewtonMRFinder()``. The columns that it
        adds to ``results_`` are kept.
    max_searches : int, default=10000
        Budget of local searches, the first ones included.
    coverage : float or None, default=None
        The exploration stops if this share of the latest quarter of all searches ended
        in sets that were already known; None disables this rule.
    displacement : tuple of (float, float), default=(1.2, 2.2)
        Lengths of displacements, in length scales; later passes try other ones.
    noise : float, default=0.01
        Standard deviation of the noise that is added to each parameter from the second
        pass on, in length scales. The first pass moves along eigenvectors only.
    round_size : int, default=256
        Number of searches that run at a time, in halves once there are enough: one runs
        while the other is described and prepared. It changes the result.
    max_directions : int or None, default=64
        Largest number of directions tried from a set, and kept in memory; None is all.
    n_passes : int, default=4
        How often every direction is tried each way, each time with another length,
        until the landscape counts as exhausted. Every other try seeks a critical point
        of the next Morse index (see the notes).
    connect : bool, default=False
        Whether to descend from every saddle at the end, along at most
        ``max_directions`` of its unstable directions, to find what it connects. One
        search, even beyond ``max_searches``, begins at each unlisted critical point
        that is met; then the exploration continues and the descents are repeated.
    max_index : int or None, default=None
        Largest Morse index that is sought: 1 for minima and the transition states
        between them. All searches then ask for an index, those from starts for 0. Sets
        of higher index that a search ends at are listed, but nothing sets out from
        them. None seeks all sets.

    Attributes
    ----------
    <attributes>
    n_searches_ : int
        Number of local searches.
    discovery_ : ndarray of int of shape (n_rounds, 2)
        Number of searches and of sets found after every round.
    edges_ : ndarray of int of shape (n_edges, 5)
        Which set was reached from which: parent and child (rows of
        ``critical_points_``), the first direction and sign that led there, and how
        often it happened.
    connections_ : Connections
        What saddles connect, by :func:`skcrit.connections`; only with ``connect=True``.
        Unlike the edges, it does not depend on the course of the exploration.
    euler_sum_ : float
        The alternating sum over the sets of a coercive loss
        (:func:`skcrit.metrics.euler_sum`). Any number other than +1 (in general, the
        ``euler_characteristic`` of the loss) proves that sets are missing or that an
        index is wrong; +1 proves nothing. NaN with ``max_index``, if the loss is not
        known to be coercive, or if the sum cannot be computed.
    stop_reason_ : str
        One of "max_searches", "coverage", "exhausted",
        "failures", "incomplete" and "callback".
        Why the exploration ended. "exhausted": every direction has been tried. If
        nothing has been found by then, or if more than a tenth of the searches failed,
        rounds of new starts follow first, with as many starts as there are known sets,
        and what they find is explored as well, until three rounds in a row have found
        nothing new. "failures": more than half of the searches from starts failed, or
        nothing was found at all. "incomplete": the budget is spent, and ``euler_sum_``
        proves that sets are missing. As long as it does, neither ``coverage`` nor the
        lack of untried directions ends the exploration: after rounds of new starts all
        directions are tried again.

    See Also
    --------
    skcrit.connections : What saddles connect.
    skcrit.metrics.probe_coverage : How much is unseen, by an independent sample.

    Notes
    -----
    ``fit`` raises ValueError if the loss has more than 4096 parameters. Memory: per set
    and per search, two points each; in addition, up to 256 MiB for directions in single
    precision, those of the newest sets.

    The first starts have five sizes, whatever the loss: small ones lead to critical
    points of high index, from which the others are reached. Noise takes searches out of
    planes of symmetry that no eigenvector leaves. The first pass has none, because a
    little noise in a direction of large curvature changes the loss more than a long
    step along a weak one, and the search ends elsewhere.

    The set in which a local search ends depends more on the method than on the starting
    point, and some sets are hardly ever reached. Two kinds of search therefore
    alternate if the local search has ``fallback=True`` and the loss has at most 512
    parameters. In the second and fourth pass, and in the first pass along stable
    directions the other way, a search takes bounded Newton steps towards a critical
    point of the next Morse index: a lower one along unstable directions, a higher one
    along stable ones, as in [1]_. If it finds none in 100 steps, the local search
    starts there. Two passes over unstable directions come before two over all others.

    The order of directions matters: the neighbour that differs least from a saddle lies
    along its weakest unstable eigenvector. Searches along eigenvectors of equal
    eigenvalues, from different sets, may change the loss by equal amounts, as they do
    for linear networks. If so, the loss at the end of a search can be predicted. A
    search that is expected to end at the loss of a known set, or of another search of
    the same round, is postponed to the end of its stage.

    Later searches begin at known sets and end near their starts, so that ``counts_``
    are not a random sample. After ``round_size`` searches, once 95 % of the latest
    quarter found nothing new, half of each round goes down (index 0) from up to twice
    as far as the farthest set, until 64 in a row (16 from 128 parameters on) found
    nothing. :func:`skcrit.metrics.probe_coverage` is a stronger test of completeness.

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
        "max_index": [Interval(Integral, 0, None, closed="left"), None],
    }

    n_searches_: int = field(init=False)
    discovery_: IntArray = field(init=False)
    edges_: IntArray = field(init=False)
    euler_sum_: float = field(init=False)
    stop_reason_: str = field(init=False)
    connections_: Connections = field(init=False)

    n_starts: int = 10
    init: str | ArrayLike | Sampler = "spread"
    max_iter: int = 200
    finder: BaseFinder | None = None
    max_searches: int = 10_000
    coverage: float | None = None
    displacement: tuple[float, float] = (1.2, 2.2)
    noise: float = 0.01
    round_size: int = 256
    max_directions: int | None = 64
    n_passes: int = 4
    connect: bool = False
    max_index: int | None = None

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
    def fit(  # noqa: D102 (documented in BaseFinder)
        self, X: ArrayLike | Loss | None = None, y: ArrayLike | None = None
    ) -> Self:
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
            problem,
            self._batches(),
            self.max_directions,
            self.n_passes,
            self.tol,
            self.max_index,
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
        self._warn()
        return self

    def _go_down(self, exploration: Exploration) -> None:
        """Connect the sets, and explore on from ends that are not among them."""
        landscape = exploration.landscape
        while True:
            self.connections_ = exploration.connected()
            new, n_sets = self.connections_.new_points, len(landscape.atlas)
            if len(new) == 0 or landscape.stop_reason in (None, "callback"):
                return
            landscape.stop_reason = None
            with interruptible(self, "round", exploration.watch):
                exploration.run(landscape.problem.into(new), are_drawn=False)
            self._finish(landscape)
            if len(landscape.atlas) == n_sets:  # no search confirmed them
                return

    def _lacks_sets(self, landscape: Landscape) -> bool:
        """Return whether topology proves that sets are missing."""
        if as_loss(self.loss_).is_coercive is not True:
            return False
        return bool(alarm_text(self._found(super()._attributes(landscape.result()))))

    def _found(self, attributes: dict[str, Any]) -> SimpleNamespace:
        """Return what topology needs to know of this explorer."""
        return SimpleNamespace(max_index=self.max_index, **attributes)

    def _attributes(self, landscape: Any) -> dict[str, Any]:
        """Return all fitted attributes, as if the fit had ended with these rounds."""
        attributes = super()._attributes(landscape.result())
        origins = landscape.origins()
        results = attributes["results_"]
        euler_total, _ = euler_alarm(self._found(attributes))
        results |= {
            "parent": origins.parent,
            "direction": origins.direction,
            "sign": origins.sign,
        }
        return attributes | {
            "n_searches_": landscape.n_searches,
            "discovery_": landscape.discovery(),
            "edges_": search_edges(results),
            "euler_sum_": euler_total,
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
        NotFittedError
            If the explorer is not fitted.
        """
        return search_graph(self)
