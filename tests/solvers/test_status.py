"""The stopping rules and their order."""

import numpy as np
import pytest

from skcrit.solvers import Status
from skcrit.solvers.status import (
    FLAT_RATIO,
    KERNEL_RATIO,
    MAX_GROWTH,
    RUNNING,
    explain_stop,
    stop_codes,
)


def stop(n_iter=3, max_iter=10, **columns):
    """Codes of starts that would run on but for the given columns."""
    n = max([np.size(c) for c in columns.values()], default=1)
    defaults = {"finite": True, "growth": 1.0, "reached": False, "stuck": False}
    columns = {
        name: np.broadcast_to(columns.get(name, value), n)
        for name, value in defaults.items()
    }
    return stop_codes(**columns, n_iter=n_iter, max_iter=max_iter)


def test_nothing_stops_a_search_that_goes_on():
    assert stop().tolist() == [RUNNING]
    assert RUNNING not in set(Status)


@pytest.mark.parametrize(
    "columns, code",
    [
        ({"reached": True}, Status.CONVERGED),
        ({"stuck": True}, Status.STALLED),
        ({"n_iter": 10}, Status.MAX_ITER),
        ({"n_iter": 9}, RUNNING),
        ({"finite": False}, Status.DIVERGED),
        ({"growth": 1.01 * MAX_GROWTH}, Status.DIVERGED),
        ({"growth": 0.99 * MAX_GROWTH}, RUNNING),
        ({"growth": np.inf}, Status.DIVERGED),
        ({"reached": True, "finite": False}, Status.DIVERGED),
    ],
)
def test_each_rule(columns, code):
    assert stop(**columns).tolist() == [code]


@pytest.mark.parametrize(
    "columns, code",
    [
        # Non-finite first, then the tolerance, then a stuck search, then the budget.
        ({"finite": False, "reached": True}, Status.DIVERGED),
        ({"growth": 1e9, "reached": True}, Status.DIVERGED),
        ({"finite": False, "stuck": True, "n_iter": 10}, Status.DIVERGED),
        ({"reached": True, "stuck": True, "n_iter": 10}, Status.CONVERGED),
        ({"stuck": True, "n_iter": 10}, Status.STALLED),
        ({"n_iter": 0, "max_iter": 0}, Status.MAX_ITER),
        ({"n_iter": 0, "max_iter": 0, "reached": True}, Status.CONVERGED),
    ],
)
def test_order_of_the_rules(columns, code):
    assert stop(**columns).tolist() == [code]


def test_rows_are_judged_alone():
    codes = stop(
        finite=[True, False, True, True],
        reached=[True, True, False, False],
        stuck=[False, False, True, False],
    )
    expected = [Status.CONVERGED, Status.DIVERGED, Status.STALLED, RUNNING]
    assert codes.tolist() == expected


def test_explain_stop_names_gradient_flat_ends():
    codes = np.array([RUNNING, *Status])
    n = len(codes)
    flat = explain_stop(codes, np.full(n, 0.95), np.full(n, 1e-5))
    changed = {Status.STALLED, Status.MAX_ITER}
    for before, after in zip(codes, flat, strict=True):
        assert after == (Status.GRADIENT_FLAT if before in changed else before)


@pytest.mark.parametrize(
    "residual, kernel",
    [
        (np.nextafter(FLAT_RATIO, 0), 0.0),
        (0.0, 0.0),
        (1.0, np.nextafter(KERNEL_RATIO, 1)),
        (np.nan, 0.0),
        (1.0, np.nan),
    ],
)
def test_explain_stop_leaves_the_rest(residual, kernel):
    codes = np.array([RUNNING, *Status])
    n = len(codes)
    same = explain_stop(codes, np.full(n, residual), np.full(n, kernel))
    np.testing.assert_array_equal(same, codes)


def test_flat_from_the_thresholds_on():
    ratios = np.array([FLAT_RATIO]), np.array([KERNEL_RATIO])
    codes = explain_stop(np.array([Status.STALLED]), *ratios)
    assert codes.tolist() == [Status.GRADIENT_FLAT]


def test_texts_say_what_to_do():
    names = "CONVERGED GRADIENT_FLAT STALLED MAX_ITER DIVERGED UNCONFIRMED ESCAPED"
    assert [s.name for s in Status] == names.split()
    assert len({s.text for s in Status}) == len(Status)
    assert "max_iter" in Status.MAX_ITER.text
    assert "max_backtracks" in Status.STALLED.text
    assert "tol" in Status.CONVERGED.text
    assert "tol" in Status.UNCONFIRMED.text and "scale" in Status.UNCONFIRMED.text
    assert "infinity" in Status.ESCAPED.text
