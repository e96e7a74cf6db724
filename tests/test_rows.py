"""Records that grow are those of joining their parts."""

from dataclasses import dataclass

import numpy as np

from skcrit._rows import GrowingRows, Rows


@dataclass
class Inner(Rows):
    level: np.ndarray


@dataclass
class Outer(Rows):
    point: np.ndarray
    label: np.ndarray
    inner: Inner


@dataclass
class Named(Rows):
    name: list
    point: np.ndarray
    size: float | None = None


def test_rows_that_are_replaced_are_those_of_the_part():
    whole = Named(list("abcd"), np.arange(8.0).reshape(4, 2), 1.0)
    part = whole.take(np.array([1, 3]))
    assert (part.name, part.size) == (["b", "d"], 1.0)
    again = whole.replace(np.array([2, 0]), part)
    assert again.name == ["d", "b", "b", "d"]
    np.testing.assert_array_equal(again.point, whole.point[[3, 1, 1, 3]])
    # The record itself is what it was.
    assert whole.name == list("abcd")
    assert whole.empty().name == []
    assert whole.empty().point.shape == (0, 2)


def test_a_record_that_grows_is_that_of_its_parts(rng):
    parts = []
    for n in (3, 0, 1, 10, 2, 40):
        labels = rng.integers(9, size=n)
        parts.append(Outer(rng.random((n, 2)), labels, Inner(rng.random(n))))
    growing = GrowingRows(parts[0])
    first = growing.rows
    for part in parts[1:]:
        growing.add(part)
    whole, expected = growing.rows, Outer.concatenate(parts)
    np.testing.assert_array_equal(whole.point, expected.point)
    np.testing.assert_array_equal(whole.label, expected.label)
    np.testing.assert_array_equal(whole.inner.level, expected.inner.level)
    # What was taken before is what it was.
    np.testing.assert_array_equal(first.point, parts[0].point)
