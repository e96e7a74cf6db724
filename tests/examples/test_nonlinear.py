"""The studies of nonlinear networks go on where they were interrupted."""

import json
import runpy
from functools import partial
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "examples" / "nonlinear"


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(STUDIES))
    return runpy.run_path(str(STUDIES / "tools.py"))


def test_rows_that_are_there_are_not_measured_again(tools, tmp_path):
    path, done = tmp_path / "made" / "rows.json", []

    def measured(number):
        if number == 2 and len(done) == 2:
            raise KeyboardInterrupt
        done.append(number)
        return {"row": number, "text": "ü"}

    tasks = [partial(measured, number) for number in range(4)]
    with pytest.raises(KeyboardInterrupt):
        tools["saved"](tasks, path)
    assert [row["row"] for row in json.loads(path.read_text("utf-8"))] == [0, 1]
    done.append("again")
    rows = tools["saved"](tasks, path, hidden=["text"])
    assert done == [0, 1, "again", 2, 3]
    assert json.loads(path.read_text("utf-8")) == rows
    assert [row["row"] for row in rows] == [0, 1, 2, 3]
    assert [p.name for p in path.parent.iterdir()] == ["rows.json"]


def test_bounds_on_what_nobody_knows_of_the_data(tools):
    """The network of the check has the shares of the one that it hides."""
    checks = runpy.run_path(str(STUDIES / "checks.py"))
    rng = np.random.default_rng(0)
    X = np.zeros((12, 9))
    X[:, :4] = rng.normal(size=(12, 4))
    hidden = checks["_Unreduced"]((3,)).fit(X, X[:, 0])
    plain = checks["MLPLoss"]((3,)).fit(X, X[:, 0])
    theta = rng.normal(size=plain.n_params_)
    assert plain.data_subspace() is not None and hidden.data_subspace() is None
    ours, known = (tools["bounds_at"](f, theta).inertia for f in (hidden, plain))
    np.testing.assert_allclose(ours.share, known.share, atol=1e-12)


@pytest.mark.parametrize("part", ["known", "starts", "checks", "large", "study"])
def test_parts_list_what_they_measure(part, tools):
    tasks = runpy.run_path(str(STUDIES / f"{part}.py"))["tasks"]
    assert 0 < len(list(tasks(True))) <= len(list(tasks(False)))


def test_tables_of_the_page_are_those_of_the_results():
    """If not, ``python doc/nonlinear_numbers.py results`` takes over what is new."""
    numbers = runpy.run_path(str(ROOT / "doc" / "nonlinear_numbers.py"))
    text, found = numbers["PAGE"].read_text("utf-8"), numbers["results"]()
    # Every part of the study has its file, and every table of the page its place.
    assert set(found) == {"known", "starts", "checks", "large", "study", "verdict"}
    assert text.count("<!-- measured: ") == len(numbers["blocks"](found))
    assert numbers["rewritten"](text, found) == text
    # With other results the page follows.
    found["known"][0]["of them found"] = 99
    assert "99" in numbers["blocks"](found)["known"]
    assert numbers["rewritten"](text, found) != text
    with pytest.raises(ValueError, match="0 places for 'study'"):
        numbers["rewritten"]("", {"study": found["study"]})


def test_explorations_of_the_page_are_as_the_page_says():
    numbers = runpy.run_path(str(ROOT / "doc" / "nonlinear_numbers.py"))
    incomplete = {"2-2-1": 1, "3-2-1": 5}  # seeds, with few searches
    for row in numbers["results"]()["known"]:
        assert row["wrong index"] == 0
        assert row["searches"] <= row["searches allowed"]
        assert row["largest gradient"] < 1e-13
        missed = row["of them found"] < row["known classes"]
        if row["searches allowed"] != 1000:
            assert not missed and row["Euler sum"] == 1
            assert row["reason to stop"] == "exhausted"
            continue
        assert row["Euler sum"] == 1 or missed
        incomplete[row["network"]] = incomplete.get(row["network"], 0) - missed
    assert set(incomplete.values()) == {0}


def test_ten_starts_of_the_page_are_as_the_page_says():
    numbers = runpy.run_path(str(ROOT / "doc" / "nonlinear_numbers.py"))
    rows = numbers["results"]()["starts"]
    published = numbers["published_seconds"](rows)
    fast = [
        row for row in rows if row["finder"] == "NewtonMRFinder" and row["starts"] == 10
    ]
    assert len(fast) == 4
    for row in fast:
        assert row["below 1e-20"] >= 8
        assert 100 * row["seconds per start: processor, wall"][0] <= published


def test_automatic_differentiation_of_the_published_finder(monkeypatch):
    pytest.importorskip("autograd")
    monkeypatch.syspath_prepend(str(STUDIES))
    ours, X, y = runpy.run_path(str(STUDIES / "starts.py"))["problem"]()
    by_autograd = runpy.run_path(str(STUDIES / "by_autograd.py"))
    theirs = by_autograd["differentiated"](ours, X, y)
    theta, v = np.random.default_rng(0).normal(size=(2, 3, ours.n_params_))
    for name in ("value", "gradient", "hvp"):
        points = [theta, v] if name == "hvp" else [theta]
        expected = getattr(ours, name)(*points)
        np.testing.assert_allclose(getattr(theirs, name)(*points), expected, atol=1e-14)
    # Ends are measured where they are, and no search increases the gradient.
    squared, value, seconds = by_autograd["search"](theirs, theta, 2)
    assert squared.shape == value.shape == (3,) and min(seconds) >= 0
    assert np.all(squared < np.sum(ours.gradient(theta) ** 2, axis=-1))


def test_intervals_of_the_page_are_as_the_page_says():
    numbers = runpy.run_path(str(ROOT / "doc" / "nonlinear_numbers.py"))
    found = numbers["results"]()
    n_dense = n_levels = n_infinity = 0
    for row in found["checks"]:
        if "dense" in row["what"]:
            assert row["covered"] == row["points"] and row["median width"] < 0.01
            assert row["fraction unknown"] == 0
            n_dense += 1
        elif "level" in row["what"]:
            for point in row["points"]:
                assert all(point["covered"]) and max(point["widths"]) < 0.01
                n_levels += 1
        else:
            assert row["converged that 20 Newton steps move by more than 1 %"] == 0
            n_infinity += 1
    assert (n_dense, n_levels, n_infinity) == (1, 6, 2)


def test_large_networks_of_the_page_are_as_the_page_says():
    numbers = runpy.run_path(str(ROOT / "doc" / "nonlinear_numbers.py"))
    rows = numbers["results"]()["large"]
    assert {row["network"] for row in rows} == {"784-30-10", "784-100-10"}
    for row in rows:
        assert row["peak memory, MB"] < 4000
        (low, high), *_ = row["their intervals"]
        counted = row["network"] == "784-30-10"
        assert (low == high) if counted else (0 < high - low < 0.01)
        assert row["processor seconds: gradient, product, search, verdict"][3] < 120
