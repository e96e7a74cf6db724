"""The programs behind the tables: counts by a second search, rows of other people."""

from pathlib import Path

import numpy as np
import pytest

from skcrit import FunctionLoss, KnownPoints, NewtonMRFinder

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def programs(monkeypatch):
    """Import the programs, which lie outside the package."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import grounds
    import grounds_counts

    return grounds, grounds_counts


@pytest.mark.parametrize(
    "name",
    [
        "linear network 4-2-4",
        "quadratic network (5, 2)",
        "quadratic network (4, 3)",
        "tensor, n = 5, d = 4",
        pytest.param("tensor, n = 6, d = 3", marks=pytest.mark.long),
        pytest.param("central configurations, n = 7", marks=pytest.mark.long),
        pytest.param(8, marks=pytest.mark.long),
    ],
)
def test_another_search_counts_the_same(name, programs):
    # It raises an error if there is a set more, a set less, or a wrong Euler sum.
    _, listed, _, found, *_ = programs[1].counted(name)
    assert found == listed


def test_a_count_that_differs_is_an_error(programs, monkeypatch):
    make, _, *known = programs[1].GROUNDS["linear network 4-2-4"]
    monkeypatch.setitem(programs[1].GROUNDS, "few", (make, 5, *known))
    with pytest.raises(ValueError, match="11 sets listed, [0-5] found"):
        programs[1].counted("few")


class OneStep(NewtonMRFinder):
    """A method of somebody else: without the window of the original."""

    def _make_solver(self):
        return self.set_params(window=1) and super()._make_solver()


def test_a_method_and_a_ground_are_a_row_more(programs, monkeypatch):
    def ground():
        points = np.array([[-1.0], [0.0], [1.0]])
        return FunctionLoss(
            lambda t: np.sum((t**2 - 1) ** 2, axis=-1),
            lambda t: 4 * t * (t**2 - 1),
            n_params=1,
            ground_truth=KnownPoints(points, [0, 1, 0], losses=[0.0, 1.0, 0.0]),
        ).fit()

    monkeypatch.setitem(programs[0].GROUNDS, "double well", ground)
    for name in set(programs[0].GROUNDS) - {"double well"}:
        monkeypatch.delitem(programs[0].GROUNDS, name)
    monkeypatch.setattr(programs[0], "FINDERS", {"mine": OneStep(n_starts=20)})
    lines = programs[0].tables(1)
    begin = lines.index("### Coverage")
    assert "| ground | mine |" in lines[begin:]
    assert "| double well | 1.00 |" in lines[begin:]
    # Every table but that of unlisted saddles has the row.
    assert sum(line.startswith("| double well |") for line in lines) == 6
