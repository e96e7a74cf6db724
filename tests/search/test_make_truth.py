"""A small part of `make truth`: nothing that is reported as known is wrong."""

import pytest

# Benchmarks are not in the source distribution.
TABLES = pytest.importorskip("benchmarks.truth.run").TABLES

# Fewer than a hundred points are tried where each costs much.
FEW = {
    "Small networks": 15,
    "Sets split or merged": 50,
    "Functions of one's own": 9,
}


@pytest.mark.parametrize("title", TABLES)
def test_nothing_is_wrong(title):
    rows = list(TABLES[title][1](quick=True))
    assert sum(row.n for row in rows) >= FEW.get(title, 100)
    assert [row.what for row in rows if row.wrong] == []
