"""The report where no critical point is known beforehand."""

import copy
import json

import numpy as np
import pytest

from skcrit import FunctionLoss, LandscapeExplorer, NewtonMRFinder
from skcrit.exceptions import NotConvergedWarning
from skcrit.ground_truth import KnownPoints
from skcrit.metrics import (
    chao1_richness,
    euler_sum,
    good_turing_coverage,
    recovery_report,
)
from tests.losses._tanh import finder_at, make_points, make_tanh_loss
from tests.metrics._fits import corrupt


@pytest.fixture(scope="module")
def points():
    return make_points(make_tanh_loss())


@pytest.fixture(scope="module")
def finder(points):
    # Class 20 three times, 17 and 0 once.
    return finder_at(make_tanh_loss(), points[[20, 20, 20, 17, 0]])


def test_dict(finder):
    report = recovery_report(finder, output_dict=True)
    rows = report.pop("sets")
    tol = report.pop("tol")
    assert np.max(finder.results_["squared_grad_norm"]) <= tol < 1e-20
    assert report == {
        "n_starts": 5,
        "n_converged": 5,
        "n_known_index": 5,
        "n_sets_found": 3,
        "confirmed": 1.0,
        "gradient_flat": 0.0,
        "sample_coverage": good_turing_coverage([1, 1, 3]),
        "richness": chao1_richness([1, 1, 3]),
        "euler_sum": 48 + 6 - 1,
        "euler_sum_reason": "",
        "euler_alarm": "Euler sum +53: the loss is coercive, and for a complete list "
        "it is +1. Sets are missing.",
        "status": {"CONVERGED": 5},
    }
    assert [row["count"] for row in rows] == [1, 1, 3]
    assert [row["orbit_size"] for row in rows] == [48, 6, 1]
    assert [row["morse_index"] for row in rows] == [0, 2, 3]
    json.dumps([report, rows])


def test_text(finder):
    text = recovery_report(finder)
    lines = text.splitlines()
    assert lines[0] == (
        "NewtonMRFinder on MLPLoss, whose critical points are not known"
    )
    cells = [line.split() for line in lines]
    for row in (
        ["starts", "5"],
        ["converged", "5"],
        ["known", "index", "5"],
        ["sets", "found", "3"],
        ["confirmed", "1.000", "(share", "of", "all", "starts)"],
        ["flat", "0.000", "(share", "of", "all", "starts)"],
        ["status", "5", "CONVERGED"],
        ["Euler", "sum", "+53"],
        ["2", "0.433486", "3", "0", "3", "1", "yes"],
    ):
        assert row in cells
    # The most frequent set comes first.
    assert cells[-3][0] == "2"
    assert text.endswith("\n")
    short = recovery_report(finder, max_sets=1, digits=1)
    assert short.endswith("and 2 more sets with 2 starts\n")
    assert "confirmed    1.0 " in short


def test_failures_and_unknown_indices(finder):
    names = finder.results_["status"].astype("U13")
    flat = copy.deepcopy(finder)
    flat.results_["status"] = names
    flat = corrupt(flat, 3, status="GRADIENT_FLAT", converged=False, morse_index=-1)
    flat.converged_ = flat.results_["converged"]
    flat = corrupt(flat, 4, morse_index=-1)
    flat.morse_indices_ = flat.morse_indices_.copy()
    flat.morse_indices_[0] = -1
    report = recovery_report(flat, output_dict=True)
    assert report["gradient_flat"] == 0.2
    assert report["n_converged"] == 4
    assert report["n_known_index"] == 3
    assert report["confirmed"] == flat.score() == 0.6
    assert np.isnan(report["euler_sum"])
    assert report["euler_sum_reason"] == "the Morse index of critical set 0 is unknown"
    text = recovery_report(flat)
    assert "not defined: the Morse index of critical set 0 is unknown" in text


def test_counts_of_an_exploration_are_no_sample():
    loss = FunctionLoss(
        lambda t: np.sum((t**2 - 1) ** 2, axis=-1),
        lambda t: 4 * t * (t**2 - 1),
        lambda t, v: (12 * t**2 - 4) * v,
        n_params=2,
    ).fit()
    explorer = LandscapeExplorer(max_searches=200, random_state=0).fit(loss)
    report = recovery_report(explorer, output_dict=True)
    assert np.isnan(report["richness"])
    assert np.isnan(report["sample_coverage"])
    assert report["euler_sum"] == euler_sum(explorer) == 1.0
    assert report["n_sets_found"] == 9
    assert "richness" not in recovery_report(explorer)


def test_nothing_found():
    finder = NewtonMRFinder(n_starts=3, max_iter=0, init="gaussian", random_state=0)
    with pytest.warns(NotConvergedWarning):
        finder.fit(make_tanh_loss())
    text = recovery_report(finder)
    assert text.endswith("\nNo start converged.\n")
    assert recovery_report(finder, output_dict=True)["sets"] == []


def test_given_truth_is_used(finder, points):
    truth = KnownPoints(points[[0, 17]], [0, 2], loss=finder.loss_)
    report = recovery_report(finder, truth=truth, output_dict=True)
    assert report["n_hits"] == 2
    assert report["n_sets"] == 2


def test_warning_of_singletons():
    init = 2 * np.pi * np.arange(12.0)[:, None]
    loss = FunctionLoss(
        lambda t: -np.cos(t[..., 0]),
        lambda t: np.sin(t),
        lambda t, v: np.cos(t) * v,
        n_params=1,
    ).fit()
    finder = NewtonMRFinder(n_starts=12, init=init, random_state=0).fit(loss)
    with pytest.warns(UserWarning, match="12 of 12 critical sets were reached by one"):
        recovery_report(finder)
