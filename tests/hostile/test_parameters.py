"""Every public parameter against everything that may be passed by mistake."""

import inspect
import re
import warnings
import zlib

import joblib
import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning

from skcrit import NoGroundTruthError, NotConvergedWarning, ResolutionWarning

from .. import _tally
from ._calls import CALLS
from ._kinds import BAD, OK
from ._surface import public_callables, public_parameters
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

PARAMETERS = [
    pair for pair in public_parameters() if pair[0] in CALLS or pair[0] in RECORDS
]


def test_every_public_callable_is_called():
    exceptions = {
        name
        for name, thing in public_callables().items()
        if inspect.isclass(thing) and issubclass(thing, Exception)
    }
    # An abstract class, and properties of a model that take nothing.
    known = {*CALLS, *RECORDS, *exceptions, "Loss", "LocalModel.hessian"}
    known |= {"ToleranceCurve.to_dict"}
    known |= {name for name in public_callables() if name.startswith("GroundTruth")}
    assert sorted(set(public_callables()) - known) == []


def test_every_public_parameter_has_a_kind():
    missing = [
        f"{owner}({parameter}=...)"
        for owner, parameter in public_parameters()
        if kind_of(owner, parameter) is None
    ]
    assert missing == [], "say in tests/hostile/_table.py what these may be"


def _some(owner, parameter):
    """Choose the values of this run: all, or a few that change with the parameter."""
    cases = sorted(kind_of(owner, parameter).cases.items())
    n = _tally.size(5, len(cases))
    start = zlib.crc32(f"{owner}.{parameter}".encode())
    return [cases[(start + 7 * i) % len(cases)] for i in range(min(n, len(cases)))]


def _outcome(owner, parameter, value, huge=False):
    """Call with one hostile value; return the exception, or None."""
    call = CALLS.get(owner)
    if call is None:
        return None
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


@pytest.mark.parametrize("owner, parameter", PARAMETERS)
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
