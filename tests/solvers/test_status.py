"""The stopping rules and their order."""

import numpy as np
import pytest

from skcrit.solvers import Status
from skcrit.solvers.status import (
    FLAT_RATIO,
    MAX_GROWTH,
    RUNNING,
    explain_stop,
    stop_codes,
)


def stop(n_iter=3, max_iter=10, tol=1e-6, **columns):
    """Codes of starts that would run on but for the given columns."""
    n = max([np.size(c) for c in columns.values()], default=1)
    defaults = {"finite": True, "growth": 1.0, "squared_grad_norm": 1.0, "stuck": False}
    columns = {
        name: np.broadcast_to(columns.get(name, value), n)
        for name, value in defaults.items()
    }
    return stop_codes(**columns, tol=tol, n_iter=n_iter, max_iter=max_iter)


def test_nothing_stops_a_search_that_goes_on():
    assert stop().tolist() == [RUNNING]
    assert RUNNING not in set(Status)


@pytest.mark.parametrize(
    "columns, code",
    [
        ({"squared_grad_norm": 1e-6}, Status.CONVERGED),
        ({"squared_grad_norm": 1.0000001e-6}, RUNNING),
        ({"stuck": True}, Status.STALLED),
        ({"n_iter": 10}, Status.MAX_ITER),
        ({"n_iter": 9}, RUNNING),
        ({"finite": False}, Status.DIVERGED),
        ({"growth": 1.01 * MAX_GROWTH}, Status.DIVERGED),
        ({"growth": 0.99 * MAX_GROWTH}, RUNNING),
        ({"growth": np.inf}, Status.DIVERGED),
        ({"squared_grad_norm": np.nan, "finite": False}, Status.DIVERGED),
    ],
)
def test_each_rule(columns, code):
    assert stop(**columns).tolist() == [code]


@pytest.mark.parametrize(
    "columns, code",
    [
        # Non-finite first, then the tolerance, then a stuck search, then the budget.
        ({"finite": False, "squared_grad_norm": 0.0}, Status.DIVERGED),
        ({"growth": 1e9, "squared_grad_norm": 0.0}, Status.DIVERGED),
        ({"finite": False, "stuck": True, "n_iter": 10}, Status.DIVERGED),
        ({"squared_grad_norm": 0.0, "stuck": True, "n_iter": 10}, Status.CONVERGED),
        ({"stuck": True, "n_iter": 10}, Status.STALLED),
        ({"n_iter": 0, "max_iter": 0}, Status.MAX_ITER),
        ({"n_iter": 0, "max_iter": 0, "squared_grad_norm": 0.0}, Status.CONVERGED),
    ],
)
def test_order_of_the_rules(columns, code):
    assert stop(**columns).tolist() == [code]


def test_rows_are_judged_alone():
    codes = stop(
        finite=[True, False, True, True],
        squared_grad_norm=[0.0, 0.0, 1.0, 1.0],
        stuck=[False, False, True, False],
    )
    expected = [Status.CONVERGED, Status.DIVERGED, Status.STALLED, RUNNING]
    assert codes.tolist() == expected


def test_zero_tolerance_wants_an_exact_zero():
    codes = stop(tol=0.0, squared_grad_norm=[0.0, 1e-300])
    assert codes.tolist() == [Status.CONVERGED, RUNNING]


def test_explain_stop_names_gradient_flat_ends():
    codes = np.array([RUNNING, *Status])
    flat = explain_stop(codes, np.full(len(codes), 0.95))
    changed = {Status.STALLED, Status.MAX_ITER}
    for before, after in zip(codes, flat, strict=True):
        assert after == (Status.GRADIENT_FLAT if before in changed else before)


@pytest.mark.parametrize("ratio", [0.0, 0.5, np.nextafter(FLAT_RATIO, 0), np.nan])
def test_explain_stop_leaves_the_rest(ratio):
    codes = np.array([RUNNING, *Status])
    np.testing.assert_array_equal(explain_stop(codes, np.full(6, ratio)), codes)


def test_flat_from_the_threshold_on():
    codes = explain_stop(np.array([Status.STALLED]), np.array([FLAT_RATIO]))
    assert codes.tolist() == [Status.GRADIENT_FLAT]


def test_texts_tell_what_to_do():
    assert [s.name for s in Status] == [
        "CONVERGED",
        "GRADIENT_FLAT",
        "STALLED",
        "MAX_ITER",
        "DIVERGED",
    ]
    assert len({s.text for s in Status}) == 5
    assert "max_iter" in Status.MAX_ITER.text
    assert "max_backtracks" in Status.STALLED.text
    assert "tol" in Status.CONVERGED.text
