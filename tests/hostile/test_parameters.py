"""Every public parameter against everything that may be passed by mistake."""

import inspect
import re
import warnings
import zlib
from dataclasses import fields, is_dataclass

import joblib
import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning

from skcrit import (
    BaseFinder,
    NoGroundTruthError,
    NotConvergedWarning,
    ResolutionWarning,
)
from skcrit.inspection import ToleranceDisplay
from skcrit.losses import Loss
from skcrit.model_selection import ToleranceCurve

from .. import _tally
from ._calls import CALLS
from ._kinds import BAD, OK
from ._surface import ELSEWHERE, public_callables, public_parameters
from ._table import RECORDS, kind_of

# What the documentation says may come out.
DOCUMENTED = (ValueError, TypeError, NoGroundTruthError)
# check_loss and its like report what is wrong with a loss.
REPORTS = ("check_loss", "check_gradient", "check_hvp")
# Warnings that the documentation announces.
ANNOUNCED = (NotConvergedWarning, ResolutionWarning, UndefinedMetricWarning)

# Numbers of which NumPy may say that they overflow or cancel.
OVERFLOWING = ("one infinity", "one huge number", "largest float", "uint64")
OVERFLOWING += ("list of infinities", "smallest float", "array of nan", "one nan")

PARAMETERS = [pair for pair in public_parameters() if pair[0] not in RECORDS]
IGNORED = [pair for pair in PARAMETERS if getattr(kind_of(*pair), "ignored", False)]
JUDGED = [pair for pair in PARAMETERS if pair not in IGNORED]


def test_every_public_callable_is_called():
    exceptions = {
        name
        for name, thing in public_callables().items()
        if inspect.isclass(thing) and issubclass(thing, Exception)
    }
    known = {*CALLS, *RECORDS, *exceptions, *ELSEWHERE}
    assert sorted(set(public_callables()) - known) == []


def test_every_public_parameter_has_a_kind():
    missing = [
        f"{owner}({parameter}=...)"
        for owner, parameter in PARAMETERS
        if kind_of(owner, parameter) is None
    ]
    assert missing == [], "say in tests/hostile/_table.py what these may be"


@pytest.mark.parametrize("owner, parameter", JUDGED)
def test_something_is_refused(owner, parameter):
    """A parameter that takes everything tests nothing."""
    verdicts = {
        judge(make()) for judge, make in kind_of(owner, parameter).cases.values()
    }
    assert BAD in verdicts


def _made_by(call):
    """Return what a call computes, in a form that can be compared."""
    with warnings.catch_warnings(), joblib.parallel_config(backend="threading"):
        warnings.simplefilter("ignore")
        made = call()
    if isinstance(made, BaseFinder):
        return joblib.hash([made.final_params_, made.results_["morse_index"]])
    if isinstance(made, Loss):
        points = np.linspace(-1, 1, 2 * made.n_params_).reshape(2, -1)
        return joblib.hash([made.value(points), made.gradient(points)])
    if isinstance(made, ToleranceCurve):
        return joblib.hash([made.tols, made.accuracy, made.n_gradient])
    if isinstance(made, ToleranceDisplay):  # without its axes
        return joblib.hash([made.tols, made.scores])
    return joblib.hash(made)


@pytest.mark.parametrize("owner, parameter", IGNORED)
def test_ignored_values_change_nothing(owner, parameter):
    expected = _made_by(CALLS[owner])
    for name, (_, make) in _some(owner, parameter):
        value = make()
        _tally.count("input", "hostile parameter")
        made = _made_by(lambda value=value: CALLS[owner](**{parameter: value}))
        assert made == expected, name


def _records():
    """Dataclasses whose fields a user reads."""
    for name, thing in public_callables().items():
        if name in RECORDS and is_dataclass(thing):
            yield pytest.param(thing, id=name)


@pytest.mark.parametrize("record", _records())
def test_records_keep_their_fields(record):
    given = {field.name: object() for field in fields(record) if field.init}
    made = record(**given)
    assert all(getattr(made, name) is value for name, value in given.items())


def _some(owner, parameter):
    """Choose the values of this run: all, or a few that change with the parameter."""
    cases = sorted(kind_of(owner, parameter).cases.items())
    n = _tally.size(5, len(cases))
    start = zlib.crc32(f"{owner}.{parameter}".encode())
    return [cases[(start + 7 * i) % len(cases)] for i in range(min(n, len(cases)))]


def _outcome(owner, parameter, value, huge=False):
    """Call with one hostile value; return the exception, or None."""
    call = CALLS[owner]
    with warnings.catch_warnings(), joblib.parallel_config(backend="threading"):
        warnings.simplefilter("error")
        announced = (*ANNOUNCED, RuntimeWarning) if huge else ANNOUNCED
        for category in announced:
            warnings.simplefilter("ignore", category)
        try:
            call(**{parameter: value})
        except Exception as error:
            return error
    return None


def _fault(owner, parameter, verdict, error):
    """Say what is wrong with an outcome, if anything."""
    if error is None:
        return "is taken without a word" if verdict == BAD else None
    kind = f"{type(error).__name__}: {str(error)[:150]}"
    allowed = (*DOCUMENTED, AssertionError) if owner in REPORTS else DOCUMENTED
    if not isinstance(error, allowed):
        return f"ends in {kind}"
    if isinstance(error, AssertionError):  # a report is what was asked for
        return None
    if verdict == OK and not isinstance(error, NoGroundTruthError):
        return f"is refused: {kind}"
    named = re.search(rf"\b{re.escape(parameter)}\b", str(error))
    return None if named else f"is refused without its name: {kind}"


@pytest.mark.parametrize("owner, parameter", JUDGED)
def test_hostile_values(owner, parameter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what looks like a folder becomes one
    faults = []
    for name, (judge, make) in _some(owner, parameter):
        value = make()
        error = _outcome(owner, parameter, value, name in OVERFLOWING)
        _tally.count("input", "hostile parameter")
        _tally.count("outcome", type(error).__name__ if error else "accepted")
        fault = _fault(owner, parameter, judge(value), error)
        if fault:
            faults.append(f"{parameter} = {name} {fault}")
    assert not faults, f"{owner}: " + "\n".join(faults)


def test_values_are_left_alone():
    before = np.array([1.0, 2.0])
    assert _outcome("NewtonTRFinder", "gammas", before) is None
    np.testing.assert_array_equal(before, [1.0, 2.0])
