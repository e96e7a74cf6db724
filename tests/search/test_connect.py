"""What saddles connect, where it is known or integrated by SciPy."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from skcrit import (
    LandscapeExplorer,
    LinearAutoencoderLoss,
    NewtonMRFinder,
    SaddleDynamicsFinder,
    connections,
)
from skcrit.datasets import make_gaussian_spectrum
from skcrit.finders import Connections
from skcrit.proving_grounds import (
    make_himmelblau,
    make_lennard_jones,
    make_mueller_brown,
    make_separable_quartic,
)
from skcrit.search.connect import connect


def known(loss):
    """Points and indices of a proving ground, by increasing loss."""
    truth = loss.ground_truth()
    points = np.asarray(truth.points)
    points = points[np.argsort(loss.value(points))]
    values = np.linalg.eigvalsh(loss.hessian(points))
    return points, np.sum(values < 0, axis=1)


def flowed(loss, start, time):
    """Integrate the gradient flow by a method that shares nothing with ours."""
    flow = solve_ivp(
        lambda t, y: -loss.gradient(y), (0, time), start, method="LSODA", rtol=1e-9
    )
    return flow.y[:, -1]


@pytest.mark.parametrize("make", [make_mueller_brown, make_himmelblau])
def test_flow_ends_where_scipy_does(make):
    loss = make()
    points, index = known(loss)
    record = connect(loss, points, index)
    ways = np.flatnonzero(record.dynamics == "descent")
    assert len(ways) == 2 * np.sum(index)
    for way in ways:
        saddle = points[record.saddle[way]]
        vectors = np.linalg.eigh(loss.hessian(saddle))[1]
        vector = vectors[:, index[record.saddle[way]] - 1 - record.direction[way]]
        ends = [flowed(loss, saddle + s * 1e-3 * vector, 10.0) for s in (1, -1)]
        nearest = [np.argmin(np.linalg.norm(points - end, axis=1)) for end in ends]
        assert record.end[way] in nearest


def test_mueller_brown():
    # The saddle at -40.66 joins the deep minimum and the shallow one, that at -72.25
    # the shallow one and the other.
    loss = make_mueller_brown()
    record = connect(loss, *known(loss))
    np.testing.assert_array_equal(
        record.edges(), [[3, 1, 1], [3, 2, 1], [4, 0, 1], [4, 2, 1]]
    )
    low, high = -72.2489401, -40.6648435
    expected = [
        [-146.6995172, high, high],
        [high, -108.1667241, low],
        [high, low, -80.7678181],
    ]
    np.testing.assert_allclose(record.barriers(), expected, rtol=1e-8)


def test_linear_network_exchanges_or_adds_one_eigenvector():
    # Lowering leads from S to all S + {i}, and to S with j replaced by a larger i.
    X = make_gaussian_spectrum(60, eigenvalues=[4, 3, 2, 1], exact=True, random_state=0)
    loss = LinearAutoencoderLoss((2,)).fit(X)
    spectrum = loss.analytical_spectrum()
    sets = sorted(spectrum.all_sets(), key=lambda s: float(spectrum.losses([s])[0]))
    points = np.array([spectrum.representative(s) for s in sets])
    index = spectrum.match(points).morse_index
    record = connect(loss, points, index)
    lowering = {(sets[a], sets[b]) for a, b, _ in record.edges("lowering")}
    expected = set()
    for S in sets:
        added = [{*S, i} for i in range(4) if i not in S and len(S) < 2]
        exchanged = [({*S} - {j}) | {i} for j in S for i in range(j) if i not in S]
        expected |= {(S, tuple(sorted(T))) for T in added + exchanged}
    # A saddle of index one has the flow for that.
    expected -= {((0, 2), (0, 1))}
    assert lowering == expected
    assert (sets.index((0, 2)), 0) in {(a, b) for a, b, _ in record.edges("descent")}
    assert np.all(record.status == "CONVERGED")


def test_every_saddle_of_a_separable_quartic_leads_to_its_neighbours():
    # Each variable has two minima and a maximum between them: lowering turns one
    # maximum into one of its minima.
    loss = make_separable_quartic(3, tilt=[0.05, 0.1, 0.15])
    points, index = known(loss)
    record = connect(loss, points, index)
    ends = points[record.end] - points[record.saddle]
    changed = np.sum(np.abs(ends) > 1e-6, axis=1)
    lowering = record.dynamics == "lowering"
    assert np.all(changed[lowering] == 1)
    assert np.sum(lowering) == 2 * np.sum(index[index > 1])
    assert np.all(index[record.end[~lowering]] <= index[record.saddle[~lowering]] - 1)


def test_lennard_jones():
    # The lowest transition states between the four minima of seven atoms.
    loss = make_lennard_jones(7)
    truth = loss.ground_truth()
    minima = np.asarray(truth.points)
    finder = SaddleDynamicsFinder(
        n_starts=60,
        index=1,
        max_step=0.5,
        skip_symmetries=True,
        max_iter=200,
        random_state=0,
    )
    with pytest.warns(UserWarning):
        finder.fit(loss)
    rows = np.flatnonzero(finder.morse_indices_ == 1)[:8]
    points = np.concatenate([minima, finder.critical_points_[rows]])
    record = connect(loss, points, np.array([0] * 4 + [1] * len(rows)))
    a, b, c = -15.444734, -15.319864, -15.283421
    barriers = record.barriers()
    np.testing.assert_allclose(
        barriers[np.triu_indices(4, 1)], [a, b, c, b, c, c], rtol=1e-6
    )


def test_signs_orders_and_workers_change_nothing():
    loss = make_himmelblau()
    points, index = known(loss)
    record = connect(loss, points, index)
    order = np.random.default_rng(0).permutation(len(points))
    again = connect(loss, points[order], index[order])
    pairs = {(a, b) for a, b, _ in record.edges().tolist()}
    assert pairs == {(order[a], order[b]) for a, b, _ in again.edges().tolist()}


def test_what_is_not_listed_is_said():
    loss = make_mueller_brown()
    points, index = known(loss)
    record = connect(loss, points[1:], index[1:])
    assert len(record.new_points) == 1
    np.testing.assert_allclose(record.new_points[0], points[0], atol=1e-6)
    assert "1 critical points are not listed" in repr(record)
    assert "1 of them to no listed set" in str(record)
    assert np.sum(record.end == -1) == 1
    assert np.isfinite(record.barriers()).all()


def test_no_saddles_no_ways():
    loss = make_mueller_brown()
    points, index = known(loss)
    record = connect(loss, points[:3], index[:3])
    assert len(record.end) == 0
    assert str(record) == "0 pairs of a saddle and a set below, 0 ways"
    barriers = record.barriers()
    assert np.all(np.isinf(barriers[~np.eye(3, dtype=bool)]))


def test_tables_of_many_ways():
    loss = make_separable_quartic(3, tilt=[0.1, 0.11, 0.12])
    record = connect(loss, *known(loss))
    n_pairs = len(record.edges())
    lines = str(record).splitlines()
    assert lines[0].startswith(f"{n_pairs} pairs of a saddle and a set below")
    assert lines[-1] == f"and {n_pairs - (len(lines) - 3)} more pairs"
    frame = pytest.importorskip("pandas") and record.to_frame()
    assert len(frame) == len(record.end)
    np.testing.assert_array_equal(frame["saddle"], record.saddle)


def test_of_finders_and_explorers():
    loss = make_himmelblau()
    explorer = LandscapeExplorer(max_searches=60, random_state=0, connect=True)
    assert isinstance(explorer.fit(loss).connections_, Connections)
    again = connections(explorer, max_directions=64, max_iter=200)
    np.testing.assert_array_equal(explorer.connections_.end, again.end)
    assert not hasattr(explorer.set_params(connect=False).fit(loss), "connections_")
    finder = NewtonMRFinder(n_starts=40, random_state=0).fit(loss)
    table = connections(finder).to_dict()
    assert list(table) == ["saddle", "end", "direction", "sign", "dynamics", "status"]


@pytest.mark.parametrize("make", [make_himmelblau, make_mueller_brown])
def test_ends_that_were_not_known_become_sets(make):
    loss = make()
    truth = loss.ground_truth()
    # One search, which stays at its start, the highest point that is known.
    start = truth.points[[np.argmax(loss.value(truth.points))]]
    options = {"n_starts": 1, "init": start, "max_searches": 1, "random_state": 0}
    alone = LandscapeExplorer(**options).fit(loss)
    assert alone.n_critical_sets_ == 1
    record = connections(alone)
    explorer = LandscapeExplorer(connect=True, **options).fit(loss)
    assert explorer.n_critical_sets_ >= 1 + len(record.new_points) > 1
    assert explorer.n_searches_ == len(explorer.results_["status"])
    # What was added is true, has its inertia, and takes part in the connections.
    points = explorer.critical_points_
    gaps = np.linalg.norm(points[:, None] - truth.points, axis=-1)
    assert np.all(gaps.min(axis=1) < 1e-8)
    index = np.asarray(truth.morse_indices(truth.all_sets()))[gaps.argmin(axis=1)]
    np.testing.assert_array_equal(explorer.morse_indices_, index)
    again = connections(explorer, max_directions=64, max_iter=200)
    np.testing.assert_array_equal(explorer.connections_.end, again.end)
    assert len(again.new_points) == 0
    assert np.all(np.isfinite(again.barriers()[:2, :2]))


def test_an_exploration_goes_on_from_ends_that_were_not_known():
    # From the maximum, two saddles and two minima, whose Euler sum is +1 and which keep
    # the Morse inequalities: the first searches are the last ones.
    loss = make_himmelblau()
    truth = loss.ground_truth()
    index = np.asarray(truth.morse_indices(truth.all_sets()))
    start = truth.points[
        np.concatenate([np.flatnonzero(index == k)[:2] for k in range(3)])
    ]
    options = {"n_starts": 5, "init": start, "coverage": 0.0, "random_state": 0}
    alone = LandscapeExplorer(max_searches=40, **options).fit(loss)
    assert alone.n_critical_sets_ == 5
    explorer = LandscapeExplorer(connect=True, max_searches=40, **options).fit(loss)
    assert explorer.n_critical_sets_ == truth.n_sets == 9
    gaps = np.linalg.norm(explorer.critical_points_[:, None] - start, axis=-1)
    joined = np.flatnonzero(gaps.min(axis=1) > 1e-6)
    assert np.any(np.isin(explorer.results_["parent"], joined))
    assert explorer.euler_sum_ == 1


def test_wrong_arguments():
    finder = NewtonMRFinder(n_starts=5, random_state=0).fit(make_himmelblau())
    with pytest.raises(TypeError, match="finder must be fitted"):
        connections("finder")
    with pytest.raises(ValueError, match="max_directions"):
        connections(finder, max_directions=-1)
    with pytest.raises(ValueError, match="dynamics must be one of"):
        connections(finder).edges("upwards")
