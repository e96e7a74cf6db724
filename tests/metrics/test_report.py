"""The recovery report: what it says and how."""

import json

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skcrit.exceptions import NotConvergedWarning
from skcrit.finders import NewtonMRFinder
from skcrit.metrics import _report, recovery_accuracy, recovery_report
from tests.metrics._fits import corrupt, fit_at, make_data, make_loss

SETS = [(0, 1), (3,), (3,), (1, 2), (3,), (0, 1)]


@pytest.fixture(scope="module")
def finder():
    # The last start did not converge, one of three on (3,) has an unknown index.
    finder = fit_at(make_loss(), SETS, tol=1e-10)
    finder = corrupt(finder, 5, converged=False, status="MAX_ITER")
    return corrupt(finder, 2, morse_index=-1, nullity=-1)


def test_dict(finder):
    report = recovery_report(finder, output_dict=True)
    rows = report.pop("sets")
    assert report.pop("loss_error") < 1e-12
    assert report.pop("resolution") == pytest.approx(0.025)
    assert report == {
        "n_starts": 6,
        "n_converged": 5,
        "n_identified": 5,
        "n_hits": 4,
        "accuracy": recovery_accuracy(finder),
        "precision": 0.8,
        "coverage": 3 / 11,
        "n_sets": 11,
        "n_sets_found": 3,
        "index_error": 0.0,
        "status": {"CONVERGED": 5, "MAX_ITER": 1},
        "tol": 1e-10,
        "resolved": True,
    }
    assert [row["set"] for row in rows] == [(3,), (0, 1), (1, 2)]
    assert rows[0].pop("loss") == pytest.approx(2.25)
    assert rows[0] == {
        "set": (3,),
        "predicted_indices": [6],
        "index_bounds": [],
        "morse_indices": [-1, 6],
        "nullities": [-1, 3],
        "count": 3,
        "n_hits": 2,
    }
    json.dumps([report, rows])


def test_text(finder):
    lines = recovery_report(finder).splitlines()
    assert lines[0] == (
        "NewtonMRFinder on AnalyticalSpectrum(4-2-4, rank=4, n_sets=11)"
    )
    cells = [line.split() for line in lines]
    for row in (
        ["starts", "6"],
        ["converged", "5"],
        ["identified", "5"],
        ["hits", "4"],
        ["accuracy", "0.667"],
        ["precision", "0.800"],
        ["coverage", "0.273", "(3", "of", "11", "sets)"],
        ["index_error", "0"],
        ["status", "5", "CONVERGED,", "1", "MAX_ITER"],
        ["set", "loss", "predicted", "index", "nullity", "count", "hits"],
        ["{3}", "2.250", "6", "?,", "6", "?,", "3", "3", "2"],
        ["{0,", "1}", "0.7500", "0", "0", "4", "1", "1"],
    ):
        assert row in cells
    assert (
        "sqrt(tol) = 1.0e-05 <= 2.5e-02: tol distinguishes the critical sets"
        in lines[12]
    )
    table = lines[lines.index("", 3) + 1 :]
    assert len({len(line) for line in table}) == 1  # aligned
    assert all(len(line) <= 100 for line in lines)


def test_digits(finder):
    text = recovery_report(finder, digits=5)
    assert "0.66667" in text
    assert "0.750000" in text


def test_only_the_most_frequent_sets(finder):
    text = recovery_report(finder, max_sets=1)
    assert "{3}" in text
    assert "{0, 1}" not in text
    assert text.endswith("and 2 more sets with 2 starts\n")
    assert len(recovery_report(finder, output_dict=True, max_sets=1)["sets"]) == 3


def test_bounds_on_the_index_of_deep_networks():
    finder = fit_at(make_loss((2, 2), (3.0, 2.0, 1.0)), [(0, 1), (1, 2)])
    spectrum = finder.loss_.analytical_spectrum()
    theta = spectrum.representative((1,), kind="open")
    finder = corrupt(finder, 0, theta=theta, loss=4 / 3, morse_index=3)
    report = recovery_report(finder, output_dict=True)
    row = next(row for row in report["sets"] if row["set"] == (1,))
    assert (row["predicted_indices"], row["index_bounds"]) == ([], [2])
    assert row["n_hits"] == 1
    assert ">=2" in recovery_report(finder)


def test_nothing_found():
    finder = NewtonMRFinder(n_starts=3, max_iter=0, init="gaussian", random_state=0)
    with pytest.warns(NotConvergedWarning):
        finder.fit(make_data())
    text = recovery_report(finder)
    assert "precision    nan" in text
    assert text.endswith("No converged start is identified with a critical set.\n")
    assert recovery_report(finder, output_dict=True)["sets"] == []


def test_automatic_tolerance_is_named(finder):
    # The largest squared gradient norm at which a converged start could stop.
    found = fit_at(make_loss(), SETS)
    report = recovery_report(found, output_dict=True)
    squared = found.results_["squared_grad_norm"]
    assert np.max(squared) <= report["tol"] < 1e-24
    assert report["resolved"]
    level = f"sqrt(tol) = {report['tol'] ** 0.5:.1e} <= 2.5e-02"
    assert level in recovery_report(found)


def test_loose_tolerance_is_named():
    # Starts off the critical sets, already within so loose a tolerance, are not
    # confirmed.
    finder = NewtonMRFinder(n_starts=4, tol=0.1, init="gaussian", random_state=0)
    with pytest.warns(NotConvergedWarning, match="UNCONFIRMED"):
        finder.fit(make_data())
    report = recovery_report(finder, output_dict=True)
    assert not report["resolved"]
    assert report["accuracy"] < 1.0
    assert report["status"]["UNCONFIRMED"] > 0
    assert sum(report["status"].values()) == 4
    text = recovery_report(finder)
    assert "tol cannot distinguish the critical sets; tol <= 6.2e-04 would" in text


def test_long_names_are_shortened():
    assert _report._set_text(()) == "{}"
    assert _report._set_text((0, 1)) == "{0, 1}"
    assert _report._set_text((0, 1, 2, 5, 7, 8, 9)) == "{0-2, 5, 7-9}"


def test_unfitted():
    with pytest.raises(NotFittedError):
        recovery_report(NewtonMRFinder())
