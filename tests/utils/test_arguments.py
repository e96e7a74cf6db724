"""Checks of arguments: what is taken, and what the messages say."""

from fractions import Fraction

import numpy as np
import pytest

from skcrit.utils._arguments import (
    as_numbers,
    check_choice,
    check_flag,
    check_int,
    check_keywords,
    check_number,
    check_seed,
    is_int,
    is_number,
    shown,
)


def test_numbers_are_taken_as_they_are():
    array = np.array([1.0, np.nan])
    assert as_numbers(array, "x") is array
    for same in ([1, 2], (1.0, 2.0), np.array([1, 2], dtype=object), range(1, 3)):
        np.testing.assert_array_equal(as_numbers(same, "x"), [1.0, 2.0])
    masked = np.ma.masked_array([1.0, 2.0], mask=[False, False])
    np.testing.assert_array_equal(as_numbers(masked, "x"), [1.0, 2.0])


@pytest.mark.parametrize(
    "value, reason",
    [
        (np.ma.masked_array([1.0, 2.0], mask=[True, False]), "masked entries"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), "datetime64"),
        ([1.0, None], "got list: object numbers"),
        (["1.0"], "got list"),
        ([1j], "complex128 numbers"),
        ([10**400], "got list: .*too large"),
        ([[1.0], [1.0, 2.0]], "inhomogeneous"),
        (object(), "got object"),
    ],
    ids=["masked", "dates", "none", "text", "complex", "huge", "ragged", "object"],
)
def test_what_is_no_number_is_refused(value, reason):
    with pytest.raises(ValueError, match=rf"^weights must .*{reason}"):
        as_numbers(value, "weights")


def test_intervals():
    assert is_number(0, 0, 1)
    assert not is_number(1, 0, 1)
    assert is_number(1, 0, 1, closed="both")
    assert not is_number(0, 0, 1, closed="neither")
    assert check_number(Fraction(1, 2), "x", 0, 1) == 0.5
    for odd in (np.nan, None, "1", [1], 10**400, np.timedelta64(1)):
        assert not is_number(odd, 0)
    with pytest.raises(ValueError, match=r"x must be a number in \[0, 1\), got 2"):
        check_number(2, "x", 0, 1)


def test_integers():
    assert check_int(np.int8(3), "n") == 3
    for odd in (True, 1.0, "1", None, np.timedelta64(1), [1]):
        assert not is_int(odd)
    with pytest.raises(ValueError, match="n must be an int >= 2, got 1"):
        check_int(1, "n", 2)


def test_words_flags_keywords_and_seeds():
    assert check_choice(None, "way", (None, "a")) is None
    with pytest.raises(ValueError, match="way must be one of 'a', 'b', got 'c'"):
        check_choice("c", "way", ("a", "b"))
    with pytest.raises(ValueError, match="way must be one of"):
        check_choice(np.ones(2), "way", ("a", "b"))
    assert check_flag(np.bool_(True), "exact") is True
    with pytest.raises(ValueError, match="exact must be True or False, got 1"):
        check_flag(1, "exact")
    assert check_keywords(None, "line_kw") == {}
    with pytest.raises(TypeError, match="line_kw must be a dict .* got \\[\\]"):
        check_keywords([], "line_kw")
    with pytest.raises(ValueError, match="random_state must be .* got -1"):
        check_seed(-1)
    assert check_seed(3).randint(10) == np.random.RandomState(3).randint(10)


def test_what_came_is_cut():
    assert len(shown(list(range(10_000)))) == 200
    assert shown(10**5000) == "an instance of int"
    assert shown(3) == "3"
